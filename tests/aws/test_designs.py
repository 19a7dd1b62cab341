"""Receiver and mailer with designs: the same answers, custody and claims, with or without."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from roomle_mail import designs
from roomle_mail.designs import DESIGN_WITHIN
from roomle_mail.emails import Catalog
from roomle_mail.tokens import Credential
from tests.aws.conftest import API_KEY, SECRET, World, saved
from tests.aws.showing import roomle
from tools.roomle_api import faults
from tools.roomle_api.server import RoomleApi

__all__ = ["roomle"]

SHELF = "demo:shelf:2564B3D4"
SHOWN = "shown: picture, name, size"
THROTTLED = (429, "TooManyRequestsException", "")
# Each way to fail once; tests/roomle_api has all of them.
FAULTS = ["hangs", "dripping-header", "reset", "500", "404", "401", "html", "deep-json", "large"]


@pytest.fixture(autouse=True)
def _known_to_roomle(roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch) -> None:
    roomle.credentials = (Credential(API_KEY, SECRET.encode()),)
    # On a busy machine even a healthy Roomle takes longer than an email waits.
    monkeypatch.setattr(designs, "DESIGN_WITHIN", 4.0)


def designs_told(world: World) -> list[Any]:
    decided = ("sent", "queued", "suppressed", "failed", "refused")
    return [line.get("design") for line in world.logs() if line["message"] in decided]


def shown(world: World) -> list[tuple[bool, bool, bool]]:
    """Whether each email shows the design's picture, name and size."""
    picture = f"https://uploads.roomle.com/configurations/{SHELF}/perspectiveImage.png"
    found = [email["Content"]["Simple"]["Body"] for email in world.emails()]
    return [
        (
            picture in html.unescape(each["Html"]["Data"]),
            "Shelf" in each["Text"]["Data"],
            "120 × " in each["Text"]["Data"],
        )
        for each in found
    ]


def test_the_receivers_email_shows_the_design(world: World) -> None:
    assert world.post(saved(configurationId=SHELF)) == (200, "sent")

    assert designs_told(world) == [SHOWN]
    assert shown(world) == [(True, True, True)]
    assert "WithoutDesign" not in world.metrics()


def test_the_mailer_makes_the_same_email(world: World) -> None:
    world.app("receiver")
    world.door.answer("sesv2.SendEmail", THROTTLED)
    assert world.post(saved(configurationId=SHELF)) == (202, "queued")
    (message,) = queued = world.queued()
    assert world.mail(queued) == []

    assert designs_told(world) == [SHOWN, SHOWN]
    assert shown(world) == [(True, True, True)]
    # The queue holds the event, and neither the design nor a key.
    assert API_KEY not in message["body"]
    assert "perspectiveImage" not in message["body"]


def test_what_only_the_mailer_sends_the_receiver_does_not_look_up(
    world: World, roomle: RoomleApi
) -> None:
    world.set(DELIVERY="sqs")
    assert world.post(saved(configurationId=SHELF)) == (202, "queued")

    assert designs_told(world) == [None]
    assert not roomle.requests


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("delivery", ["ses", "sqs", "ses,sqs"])
def test_no_fault_of_roomles_changes_an_answer_or_keeps_an_email(
    world: World,
    roomle: RoomleApi,
    delivery: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert fault in faults.FAULTS
    monkeypatch.setattr(designs, "DESIGN_WITHIN", DESIGN_WITHIN)
    world.set(DELIVERY=delivery)
    roomle.fault = fault

    expected = (202, "queued") if delivery == "sqs" else (200, "sent")
    assert world.post(saved(configurationId=SHELF)) == expected
    assert world.mail(world.queued()) == []
    assert len(world.emails()) == 1
    assert [told for told in designs_told(world) if told] != [SHOWN]


def test_a_design_that_cannot_be_rendered_leaves_the_email_without_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose = Catalog.compose

    def fail(*given: Any, **named: Any) -> Any:
        if "design" in named:
            raise RuntimeError
        return compose(*given, **named)

    monkeypatch.setattr(Catalog, "compose", fail)

    assert world.post(saved(configurationId=SHELF)) == (200, "sent")
    assert len(world.emails()) == 1
    assert any(line.get("failed") == "show the design" for line in world.logs())


@pytest.mark.parametrize(
    "change",
    [
        {"url": "https://evil.example/"}, {"email": "a,b@customer.example"}, {"success": False},
        {"url": None},
    ],
)  # fmt: skip
def test_what_is_refused_is_not_looked_up(
    world: World, roomle: RoomleApi, change: dict[str, Any]
) -> None:
    status, _ = world.post(saved(configurationId=SHELF, **change))

    assert status >= 300
    assert not roomle.requests


@pytest.mark.parametrize("delivery", ["ses", "sqs"])
def test_for_an_email_without_a_place_for_a_design_roomle_is_not_asked(
    world: World, roomle: RoomleApi, delivery: str
) -> None:
    world.set(DELIVERY=delivery)
    failed = saved(event="email.3DExportAsset", configurationId=SHELF, success=False)
    assert world.post(failed)[0] < 300
    assert world.mail(world.queued()) == []

    assert len(world.emails()) == 1
    assert not any(designs_told(world))
    assert "WithoutDesign" not in world.metrics()
    assert not roomle.requests


def test_with_designs_off_nothing_is_asked(world: World, roomle: RoomleApi) -> None:
    world.set(DESIGNS="off")
    assert world.post(saved(configurationId=SHELF)) == (200, "sent")

    assert designs_told(world) == ["without: switched off"]
    assert shown(world) == [(False, False, False)]
    assert world.metrics()["WithoutDesign"] == [1.0]
    assert not roomle.requests


def test_a_real_stack_does_not_ask_the_stand_in(world: World) -> None:
    world.set(LOCAL_STACK="false")
    assert world.app("receiver").receiver.designs.stand_in is None
    assert world.app("mailer").mailer.designs.stand_in is None


def test_no_line_holds_what_roomle_said(world: World, roomle: RoomleApi) -> None:
    roomle.fault = "component-name-link"
    world.post(saved(configurationId=SHELF))
    roomle.fault = "redirect-elsewhere"
    world.post(saved(configurationId=SHELF))

    text = json.dumps(world.logs())
    assert "elsewhere.example" not in text
    assert "Regal" not in text
    assert SHELF not in text
