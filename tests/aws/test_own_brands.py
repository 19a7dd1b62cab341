"""Brands edit layers/emails as the docs say: the demo's events still end as it expects."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import boto3
import pytest

from emails_build.package import compile_package, write
from roomle_mail.emails import Catalog, Email
from roomle_mail_cli import project, sign
from tests.aws.conftest import REGION, SECRET, World, record
from tests.emails_package import EMAILS, build
from tests.emails_reading import RECEIVED
from tests.own_brands import EDITS
from tools import fixtures
from tools.tenant import Tenant

# One for each thing that a brand decides on; the others differ in what it has no part in.
POSTS = [
    f"receiver/{name}"
    for name in (
        "saved_configuration",
        "saved_configuration_of_another_brand",
        "saved_configuration_for_a_language",
        "saved_configuration_with_markup_in_its_link",
        "saved_configuration_failed",
        "share_configuration",
        "share_configuration_ar",
        "export_3d_asset",
        "export_3d_asset_failed",
        "link_to_another_host",
        "link_to_a_host_that_ends_alike",
        "asset_on_another_host",
        "unknown_email_event",
    )
]
BATCHES = ["mailer/share_configuration", "mailer/repeat", "mailer/poisoned"]


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the example, edited by a brand."""
    copy = shutil.copytree(EMAILS, tmp_path / "emails")
    EDITS[request.param](copy)
    return copy


@pytest.fixture
def tenant(folder: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    """The brands of that folder, deployed."""
    write(compile_package(folder), folder / "built" / "python")
    tenant = Tenant.of(folder / "built")
    monkeypatch.setattr(Catalog, "load", lambda: tenant.catalog)
    monkeypatch.setenv("ROOMLE_MAIL_EMAILS", str(folder))
    keys = dict.fromkeys({sign.EXAMPLE_API_KEY, *tenant.api_keys}, SECRET)
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(
        SecretId="secret", SecretString=json.dumps(keys)
    )
    ses = boto3.client("sesv2", region_name=REGION)
    for sender in project.senders():
        ses.create_email_identity(EmailIdentity=sender)
    world.set()
    return tenant


def wanted(emails: list[Email]) -> list[tuple[str, str, str]]:
    return [(each.recipient, each.sender, each.subject) for each in emails]


def arrived(emails: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (
            each["Destination"]["ToAddresses"][0],
            each["FromEmailAddress"],
            each["Content"]["Simple"]["Subject"]["Data"],
        )
        for each in emails
    ]


@pytest.mark.parametrize("folder", EDITS, indirect=True)
def test_the_demos_events_end_as_it_expects_with_a_brands_own_emails(
    tenant: Tenant, world: World
) -> None:
    for name in POSTS:
        now, before = datetime.now(UTC), len(world.emails())
        expected = tenant.expected(name, received=now.timestamp())
        answer = world.receive(tenant.post(name, now=now, secret=SECRET))

        assert answer == (expected["status"], expected["code"]), name
        assert arrived(world.emails()[before:]) == wanted(expected["emails"]), name

    for name in BATCHES:
        received, before, dead = time.time(), len(world.emails()), len(world.dead_letters())
        expected = tenant.expected(name, received=received)
        messages = [
            {"MessageId": str(place), "ReceiptHandle": "x", "Body": body}
            for place, body in enumerate(tenant.batch(name, now=received))
        ]

        assert world.mail([record(each) for each in messages]) == []
        assert arrived(world.emails()[before:]) == wanted(expected["emails"]), name
        assert len(world.dead_letters()) - dead == expected["dead_letters"], name


def test_the_example_ends_as_expected_json_says() -> None:
    tenant = Tenant(build() / "roomle_mail_emails")
    for name, written in fixtures.expectations().items():
        expected = tenant.expected(name, received=RECEIVED)
        emails = expected.pop("emails")
        assert expected == written, name
        words = written.get("subjects", [written["subject"]] if "subject" in written else [])
        assert len(emails) == len(words), name
        for email, subject in zip(emails, words, strict=True):
            assert email.recipient == written["recipient"]
            assert subject in email.subject


@pytest.mark.parametrize(
    ("edit", "name", "sender", "subject"),
    [
        ("an own brand and a seventh language", "saved_configuration", "hei@nordform.example",
         "Twój projekt Nordform Møbler jest zapisany"),
        ("an own brand and a seventh language", "saved_configuration_of_another_brand",
         "outlet@outlet.nordform.example", "Your Nordform Outlet design is saved"),
        ("one brand alone", "saved_configuration_of_another_brand", "solo@solo.example",
         "Ihr Entwurf von Solo ist gespeichert"),
        ("the brand's name", "saved_configuration", "hello@brand.example",
         "Your Chairs & Sons design is saved"),
        ("an English subject", "saved_configuration", "hello@brand.example", "Saved!"),
        ("the sender", "saved_configuration", "mail@chairs.example",
         "Your Example Furniture design is saved"),
    ],
)  # fmt: skip
def test_sender_and_subject_are_those_of_the_brand(
    tmp_path: Path, edit: str, name: str, sender: str, subject: str
) -> None:
    copy = shutil.copytree(EMAILS, tmp_path / "emails")
    EDITS[edit](copy)
    write(compile_package(copy), tmp_path / "layer" / "python")

    [email] = Tenant.of(tmp_path / "layer").expected(f"receiver/{name}", received=RECEIVED)[
        "emails"
    ]

    assert parseaddr(email.sender)[1] == sender
    assert email.subject.startswith(subject)
