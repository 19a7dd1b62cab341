"""`roomle-mail doctor` about designs: only where a brand shows them, and never a failure."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from roomle_mail.tokens import Credential
from roomle_mail_cli import doctor, keys, sign
from roomle_mail_cli.checks import Check
from roomle_mail_cli.deployment import Deployment
from tests.receiver_environment import RECEIVER_ENVIRONMENT
from tools.roomle_api.server import RoomleApi

BRANDS = """
default = "one"
[brands.one]
language = "de"
languages = ["de"]
[brands.two]
language = "en"
languages = ["en"]
show = ["picture", "name"]
picture_hosts = ["uploads.roomle.com"]
catalogs = ["demo"]
"""


@pytest.fixture
def deployment(roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deployment:
    """A local stack's settings, without a stack; one brand of two shows designs."""
    (tmp_path / "brands.toml").write_text(BRANDS)
    monkeypatch.setenv("ROOMLE_MAIL_EMAILS", str(tmp_path))
    known = (Credential(sign.EXAMPLE_API_KEY, sign.EXAMPLE_SECRET.encode()),)
    monkeypatch.setattr(keys, "current", lambda _: known)
    made = Deployment("roomle-mail", boto3.Session(region_name="eu-central-1"))
    local = {"LOCAL_STACK": "true", "ROOMLE_API": roomle.url}
    vars(made)["environment"] = RECEIVER_ENVIRONMENT | local
    return made


def check(deployment: Deployment, own: str | None = None) -> list[Check]:
    return doctor.make("designs", doctor.checks(own)["designs"], deployment)


def test_roomle_that_answers_is_fine_even_if_it_does_not_have_the_example(
    deployment: Deployment, roomle: RoomleApi
) -> None:
    [found] = check(deployment)
    assert (found.name, found.state) == ("designs of two", "ok")
    assert found.found.startswith("Roomle's API answers (")
    roomle.fault = "404"
    assert [each.state for each in check(deployment)] == ["ok"]


def test_a_design_of_ones_own_is_tried(deployment: Deployment, roomle: RoomleApi) -> None:
    [found] = check(deployment, "demo:shelf:2564B3D4")
    assert found.state == "ok"
    assert found.found.startswith("an email shows picture, name (")
    roomle.fault = "no-name"
    [found] = check(deployment, "demo:shelf:2564B3D4")
    assert (found.state, found.found) == ("warn", "an email would lack name (no name)")
    assert "roomle-mail design demo:shelf:2564B3D4 --brand two" in found.advice
    [found] = check(deployment, "other:shelf:2564B3D4")
    assert found.found == "an email would lack picture, name (other catalog)"


@pytest.mark.parametrize("fault", ["500", "hangs-up", "html", "401", "redirect-elsewhere", "reset"])
def test_a_fault_of_roomles_is_a_warning_not_a_failure(
    deployment: Deployment, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    [found] = check(deployment)
    assert found.state == "warn"
    assert found.found.startswith("emails go out without designs: ")
    assert found.advice == "With a design of yours: roomle-mail design ID --brand two"


def test_a_key_that_roomle_does_not_accept_is_a_warning(
    deployment: Deployment, roomle: RoomleApi
) -> None:
    roomle.token_forms = frozenset()
    [found] = check(deployment)
    assert (found.state, found.found.partition(" (")[0]) == (
        "warn",
        "emails go out without designs: refused",
    )


def test_nothing_is_asked_where_no_brand_shows_designs(
    deployment: Deployment, roomle: RoomleApi, tmp_path: Path
) -> None:
    (tmp_path / "brands.toml").write_text(BRANDS.partition("show")[0])
    assert check(deployment) == []
    assert roomle.requests == []


def test_designs_that_are_switched_off_are_said(deployment: Deployment, roomle: RoomleApi) -> None:
    vars(deployment)["environment"]["DESIGNS"] = "off"
    [found] = check(deployment)
    assert (found.state, found.advice) == ("info", "Deploy with Designs=on.")
    assert roomle.requests == []


def test_an_id_that_is_none_is_said(deployment: Deployment) -> None:
    [found] = check(deployment, "sofa")
    assert found.state == "warn"
    assert "is not an id of Roomle's" in found.found
