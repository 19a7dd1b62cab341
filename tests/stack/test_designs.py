"""The design in the email, end to end: deployed functions, and a stand-in for Roomle's API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.command_line import CommandLine
from tools import fixtures
from tools.roomle_api import content, faults
from tools.roomle_api.server import HEADERS, RoomleApi
from tools.stack.local import MAILER, RECEIVER, LocalStack
from tools.stack.webhook import Email

SHELF = "demo:shelf:2564B3D4E19A9C46"
# A busy machine may be too slow for an email to wait, and then leaves Roomle alone for a while.
TRIES = 6
# The functions then leave Roomle alone, so that others would get no design either.
OUTAGES = {
    *("slow", "hangs", "dripping", "dripping-header", "endless", "hangs-up", "reset", "half"),
    *("not-http", "long-header", "429", "500", "503"),
}


@pytest.fixture
def roomle(stack: LocalStack) -> Iterator[RoomleApi]:
    """The stand-in that the deployed functions ask."""
    api = stack.deployed.roomle
    api.requests.clear()
    yield api
    api.fault = None


def mailed(stack: LocalStack, recipient: str, content_id: str = SHELF, lang: str = "de") -> Email:
    """Save a design, and return the one email about it."""
    payload = fixtures.payload(
        email=recipient, configurationId=content_id, url=fixtures.link_to(content_id, lang=lang)
    )
    before = len(stack.emails_to(recipient))
    assert stack.post(payload).status in (200, 202)
    emails = stack.emails_to(recipient, at_least=before + 1)
    assert len(emails) == before + 1
    return emails[-1]


def shown(
    stack: LocalStack, function: str, recipient: str, content_id: str = SHELF, lang: str = "de"
) -> Email:
    """Save a design until an email was quick enough to show its picture."""
    for _ in range(TRIES):
        email = mailed(stack, recipient, content_id, lang)
        if "perspectiveImage.png" in email.html:
            return email
        stack.restart(function)
    pytest.fail(f"no design in {TRIES} emails")


@pytest.mark.parametrize(("delivery", "function"), [("ses", RECEIVER), ("sqs", MAILER)])
def test_the_email_about_a_saved_configuration_shows_it(
    stack: LocalStack, roomle: RoomleApi, recipient: str, delivery: str, function: str
) -> None:
    with stack.environment(RECEIVER, DELIVERY=delivery):
        email = shown(stack, function, recipient)

    link = content.picture_of(SHELF)
    assert f'src="{link}"' in email.html
    found = roomle.picture(link)
    assert found is not None
    assert found[0] == "image/png"
    for part in (email.html, email.text):
        assert "Regal" in part
        # Width × depth × height of the stand-in's shelf: 1200, 340.5 and 2250 mm.
        assert "120 × 34,1 × 225 cm" in part.replace("\N{NO-BREAK SPACE}", " ")
    assert "Regal" in email.subject
    # Others of an earlier test may come late.
    asked = {
        each.target: each.headers
        for each in roomle.requests
        if "/v2/" in each.target and each.headers.get("language") == "de"
    }
    assert {target.rpartition("/v2")[2] for target in asked} >= {
        f"/configurations/{SHELF}",
        "/components/demo:shelf",
    }
    for headers in asked.values():
        assert {name.lower() for name in HEADERS} <= headers.keys()
    pictures = [each for each in roomle.requests if each.target.endswith(".png")]
    assert {each.method for each in pictures} == {"HEAD"}
    # Anyone can have the picture, so its host gets no key.
    assert all("token" not in each.headers for each in pictures)


@pytest.mark.parametrize(
    ("lang", "name", "size"),
    [("en", "Shelf", "120 × 34.1 × 225 cm"), ("en-US", "Shelf", "47.2 × 13.4 × 88.6 in")],
)
def test_the_name_is_in_the_emails_language_and_the_size_in_the_readers_units(
    stack: LocalStack, roomle: RoomleApi, recipient: str, lang: str, name: str, size: str
) -> None:
    email = shown(stack, RECEIVER, recipient, lang=lang)
    assert name in email.subject
    assert size in email.text.replace("\N{NO-BREAK SPACE}", " ")
    assert roomle.requests


def test_a_plan_shows_its_picture(stack: LocalStack, roomle: RoomleApi, recipient: str) -> None:
    link = content.picture_of(fixtures.PLAN, "plan")
    for _ in range(TRIES):
        email = mailed(stack, recipient, fixtures.PLAN)
        if link in email.html:
            break
        stack.restart(RECEIVER)
    assert f'src="{link}"' in email.html
    assert roomle.requests


def test_no_answer_of_roomles_costs_an_email_or_gets_into_it_unchecked(
    stack: LocalStack, recipient: str
) -> None:
    for fault in sorted(faults.FAULTS.keys() - OUTAGES):
        # Each to another person, because of the limit for one.
        email = mailed(stack, f"{fault}.{recipient}", f"demo:fault-{fault}:2564B3D4")
        for part in (email.html, email.text, email.subject):
            assert "elsewhere.example" not in part, fault
            assert "<script" not in part, fault
            assert "javascript:" not in part, fault
            assert "onerror" not in part, fault
            assert "\u202e" not in part, fault
        assert not {"\r", "\n"} & set(email.subject), fault


@pytest.mark.parametrize("fault", ["slow", "dripping", "500", "hangs-up"])
def test_after_an_outage_roomle_is_left_alone(
    stack: LocalStack, roomle: RoomleApi, recipient: str, fault: str
) -> None:
    stack.restart(RECEIVER)
    roomle.fault = fault
    assert "perspectiveImage.png" not in mailed(stack, recipient).html
    roomle.fault = None
    roomle.requests.clear()

    assert "perspectiveImage.png" not in mailed(stack, recipient).html
    assert roomle.requests == []
    stack.restart(RECEIVER)


def test_designs_can_be_switched_off(stack: LocalStack, roomle: RoomleApi, recipient: str) -> None:
    with stack.environment(RECEIVER, DESIGNS="off"):
        assert "perspectiveImage.png" not in mailed(stack, recipient).html
    assert roomle.requests == []


def test_the_command_asks_with_the_stacks_own_key(
    stack: LocalStack, roomle: RoomleApi, cli: CommandLine
) -> None:
    for _ in range(TRIES):
        result = cli("design", SHELF, "--language", "de", "--json")
        if result.code == 0:
            break

    assert result.code == 0, result.err
    [email] = result.json["emails"]
    assert (email["name"], email["missing"]) == ("Regal", [])
    assert result.json["instead_of_roomle"] == roomle.url
    assert stack.deployed.secret not in result.out + result.err
