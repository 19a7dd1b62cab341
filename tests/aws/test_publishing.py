"""The event bus: what it gets, and that nothing about it changes what becomes of an email."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.aws.conftest import REGION, World, saved
from tests.powertools import LambdaContext
from tools.published_models import EVENTS

type Break = Callable[[World], object]

BUS = "shop"
PUT = "eventbridge.PutEvents"
URL = "https://aws.example"
ASSET = "https://uploads.roomle.com/exports/example.glb"
ADDRESS = "anna.customer@customer.example"
REFUSED = (400, "MessageRejected", "Email address is not verified.")
THROTTLED = (429, "TooManyRequestsException", "Too many requests")
OTHER = {"event": "configuration.deleted", "data": {"configurationId": "catalog:item:2564B3D4"}}


def failed_entry(code: str) -> Break:
    """PutEvents answers 200 and says that it did not take the entry."""
    entries = [{"ErrorCode": code, "ErrorMessage": "no"}]
    return answered({"FailedEntryCount": 1, "Entries": entries})


def answered(body: object) -> Break:
    return lambda world: world.door.answer_with(PUT, body)


BREAKS: dict[str, Break] = {
    "throttled": lambda w: w.door.answer(PUT, *[(400, "ThrottlingException", "")] * 2),
    "denied": lambda w: w.door.answer(PUT, (400, "AccessDeniedException", "")),
    "broken": lambda w: w.door.answer(PUT, *[(500, "InternalFailure", "")] * 2),
    "no connection": lambda w: w.door.raise_(PUT, *[EndpointConnectionError(endpoint_url=URL)] * 2),
    "lost": lambda w: w.door.raise_(PUT, *[ReadTimeoutError(endpoint_url=URL)] * 2),
    "cut": lambda w: w.door.raise_(PUT, *[ConnectionClosedError(endpoint_url=URL)] * 2),
    "entry throttled": failed_entry("ThrottlingException"),
    "entry broken": failed_entry("InternalFailure"),
    "entry denied": failed_entry("NotAuthorizedForDetailTypeException"),
    "half an answer": answered('{"FailedEntryCount": 0, "Ent'),
    "an empty answer": answered({}),
    "an answer without entries": answered({"FailedEntryCount": 0, "Entries": []}),
    "unforeseen": lambda w: w.door.raise_(PUT, ZeroDivisionError()),
    "slow": lambda w: w.door.hang(PUT),
}


@pytest.fixture
def bus(world: World) -> World:
    """A stack with a bus."""
    boto3.client("events", region_name=REGION).create_event_bus(Name=BUS)
    world.set(EVENT_BUS=BUS)
    world.app("receiver")
    return world


def published(world: World) -> list[dict[str, Any]]:
    """The events that the bus took, as in the requests."""
    entries = [each for name, body in world.door.passed if name == PUT for each in body["Entries"]]
    for each in entries:
        assert each["EventBusName"] == BUS
        model = EVENTS.get(each["DetailType"]) or EVENTS[kind(each["DetailType"])]
        model.model_validate_json(each["Detail"])
    return [
        {
            "source": each["Source"],
            "detail-type": each["DetailType"],
            "detail": json.loads(each["Detail"]),
        }
        for each in entries
    ]


def kind(name: str) -> str:
    return "another-email" if name.startswith("email") else "another-event"


def decision(world: World) -> dict[str, Any]:
    return world.logs()[-1]


# --- what the bus gets ------------------------------------------------------------------------


def test_an_email_is_published_with_what_became_of_it(bus: World) -> None:
    assert bus.post(saved(configuratorId="myConfigurator")) == (200, "sent")

    (event,) = published(bus)
    line = decision(bus)
    assert event["source"] == "roomle-mail"
    assert event["detail-type"] == "email.savedConfiguration"
    assert line["published_id"]
    detail = event["detail"]
    assert detail.pop("time").startswith("20")
    assert detail == {
        "version": "1",
        "event_id": line["event_id"],
        "event": "email.savedConfiguration",
        "configurator": "myConfigurator",
        "brand": line["brand"],
        "language": line["language"],
        "configuration": "catalog:item:2564B3D4",
        "success": True,
        "url_host": "test.roomle.com",
        "recipient": line["recipient"],
        "outcome": "sent",
        "answer": 200,
    }


def test_a_published_event_has_the_id_that_ses_repeats(bus: World) -> None:
    bus.post()

    (email,) = bus.emails()
    tags = {tag["Name"]: tag["Value"] for tag in email["EmailTags"]}
    (event,) = published(bus)
    assert event["detail"]["event_id"] == tags["event"]


def given(**settings: str) -> Callable[[World], None]:
    return lambda world: world.set(**settings)


def answering(operation: str, *answers: Any, **settings: str) -> Callable[[World], None]:
    def prepare(world: World) -> None:
        world.set(**settings)
        world.app("receiver")
        world.door.answer(operation, *answers)

    return prepare


def nothing(_: World) -> None:
    pass


@pytest.mark.parametrize(
    ("payload", "prepare", "expected"),
    [
        (saved(), given(DELIVERY="sqs"), {"outcome": "queued", "answer": 202}),
        (
            saved(),
            answering("sesv2.SendEmail", THROTTLED),
            {"outcome": "queued", "answer": 202},
        ),
        (
            saved(),
            answering("sesv2.SendEmail", REFUSED),
            {"outcome": "failed", "answer": 502, "reason": "EmailRefused"},
        ),
        (
            saved(),
            answering("sesv2.SendEmail", THROTTLED, DELIVERY="ses"),
            {"outcome": "failed", "answer": 503, "reason": "Throttled"},
        ),
        (
            saved(event="email.3DExportAsset", url=None, resultUrl=ASSET),
            nothing,
            {"outcome": "sent", "answer": 200, "result_url_host": "uploads.roomle.com"},
        ),
        (
            saved(url="http://rml.co/abc?of=anna"),
            nothing,
            {
                "outcome": "failed",
                "answer": 422,
                "reason": "LinkNotAllowed",
                "url_host": "rml.co",
            },
        ),
        (
            saved(email="anna@customer.example, bob@customer.example", configuratorId="shop"),
            nothing,
            {
                "outcome": "failed",
                "answer": 422,
                "reason": "InvalidEvent",
                "configurator": "shop",
            },
        ),
        (
            saved(event="email.orderConfirmation"),
            nothing,
            {"outcome": "failed", "answer": 501, "reason": "NoTemplate"},
        ),
        (
            saved(success=False, configurationId=None, itemId="catalog:item"),
            nothing,
            {
                "outcome": "failed",
                "answer": 501,
                "reason": "NoTemplate",
                "success": False,
                "item": "catalog:item",
            },
        ),
        (
            {"event": "email.savedConfiguration", "data": ["anna@customer.example"]},
            nothing,
            {"outcome": "failed", "answer": 422, "reason": "InvalidEvent"},
        ),
    ],
)
def test_every_verified_event_is_published_with_its_outcome(
    bus: World, payload: Any, prepare: Callable[[World], None], expected: dict[str, Any]
) -> None:
    prepare(bus)

    assert bus.post(payload)[0] == expected["answer"]

    (event,) = published(bus)
    assert event["detail-type"] == payload["event"]
    assert event["detail"].items() >= expected.items()
    assert event["detail"]["event_id"] == decision(bus)["event_id"]


def test_what_is_suppressed_or_over_the_cap_is_published_as_that(bus: World) -> None:
    bus.set(MAX_EMAILS_PER_RECIPIENT_PER_HOUR="1")
    assert [bus.post() for _ in range(2)] == [(200, "sent"), (200, "suppressed")]
    bus.set(MAX_EMAILS_PER_HOUR="1", MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0")
    assert [bus.post() for _ in range(2)] == [(200, "sent"), (503, "unavailable")]

    details = [event["detail"] for event in published(bus)]
    assert [each["outcome"] for each in details] == ["sent", "suppressed", "sent", "failed"]
    assert details[-1]["reason"] == "HourlyCapReached"
    assert len({each["recipient"] for each in details}) == 1


@pytest.mark.parametrize(
    ("payload", "form"),
    [
        (saved(), {"secret": "another-secret-0"}),
        ("not json", {}),
        ("[]", {}),
        ({"event": ""}, {}),
        (saved(padding="x" * 64 * 1024), {}),
    ],
    ids=["forged", "no json", "a list", "no name", "too large"],
)
def test_what_is_not_a_verified_event_is_not_published(
    bus: World, payload: Any, form: dict[str, Any]
) -> None:
    assert bus.post(payload, **form)[0] >= 400
    assert published(bus) == []
    assert PUT not in bus.door.requests


def test_without_a_bus_eventbridge_is_not_called(world: World) -> None:
    assert world.post() == (200, "sent")
    assert world.post(OTHER) == (200, "ignored")

    assert PUT not in world.door.requests
    assert world.metrics().keys().isdisjoint({"Published", "Unpublished"})


def test_what_the_mailer_does_is_left_to_ses_to_publish(bus: World) -> None:
    bus.set(DELIVERY="sqs")
    bus.post()
    assert bus.mail(bus.queued()) == []

    assert [event["detail"]["outcome"] for event in published(bus)] == ["queued"]


# --- other events of Roomle's -----------------------------------------------------------------


def test_an_event_that_calls_for_no_email_is_forwarded(bus: World) -> None:
    assert bus.post(OTHER) == (200, "forwarded")

    (event,) = published(bus)
    assert event["detail-type"] == "configuration.deleted"
    assert (
        event["detail"].items()
        >= {
            "event": "configuration.deleted",
            "configuration": "catalog:item:2564B3D4",
            "outcome": "forwarded",
            "answer": 200,
        }.items()
    )
    assert decision(bus)["message"] == "forwarded"
    assert decision(bus)["event"] == "configuration.deleted"
    assert bus.metrics()["Forwarded"] == [1.0]
    assert bus.emails() == bus.queued() == []


@pytest.mark.parametrize("name", BREAKS)
def test_an_event_that_the_bus_did_not_take_is_not_forwarded(bus: World, name: str) -> None:
    bus.set(ANSWER_WITHIN="3")
    bus.app("receiver")
    BREAKS[name](bus)

    assert bus.post(OTHER)[0] == (500 if name == "unforeseen" else 503)

    assert published(bus) == []
    assert bus.door.waited_out == []
    assert bus.metrics()["Unpublished"] == [1.0]
    assert "Published" not in bus.metrics()


@pytest.mark.parametrize("iv", ["fixed", "prefix"])
def test_an_event_that_could_not_be_forwarded_may_be_posted_again(bus: World, iv: str) -> None:
    """Roomle sends no email for it, so nobody gets two."""
    bus.set(TOKEN_IV=iv)
    bus.app("receiver")
    BREAKS["denied"](bus)
    event = bus.request(OTHER, iv="prefix" if iv == "prefix" else "zero")

    assert [bus.receive(event) for _ in range(3)] == [
        (503, "unavailable"),
        (200, "forwarded"),
        (200, "forwarded"),
    ]
    assert len(published(bus)) == 1


def test_a_token_is_not_free_for_another_body_when_forwarding_failed(bus: World) -> None:
    BREAKS["denied"](bus)
    event = bus.request(OTHER)
    assert bus.receive(event) == (503, "unavailable")

    assert bus.receive({**event, "body": json.dumps(saved())}) == (401, "unauthorized")
    assert bus.emails() == []


# --- never at the email's cost ----------------------------------------------------------------


@pytest.mark.parametrize("delivery", ["ses", "sqs"])
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_bus_changes_neither_answer_nor_email(
    bus: World, name: str, delivery: str
) -> None:
    bus.set(DELIVERY=delivery, MAX_EMAILS_PER_HOUR="5")
    bus.app("receiver")
    BREAKS[name](bus)
    event = bus.request()
    expected = (200, "sent") if delivery == "ses" else (202, "queued")

    assert bus.receive(event) == expected
    assert bus.receive(event) == expected

    assert (len(bus.emails()), len(bus.queued())) == ((1, 0) if delivery == "ses" else (0, 1))
    assert published(bus) == []
    assert bus.door.waited_out == []
    assert [item["taken"] for item in bus.items("cap#")] == [1]
    unpublished = [line for line in bus.logs() if line["message"] == "could not publish"]
    assert [(line["level"], bool(line["reason"])) for line in unpublished] == [("ERROR", True)]
    assert unpublished[0]["event_id"] == decision(bus)["event_id"]
    assert bus.metrics()["Unpublished"] == [1.0]


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_bus_does_not_change_a_refusal(bus: World, name: str) -> None:
    BREAKS[name](bus)

    assert bus.post(saved(url="https://evil.example/")) == (422, "link-not-allowed")


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (saved(), (200, "sent")),
        (saved(success=False), (501, "no-template")),
        (OTHER, (200, "forwarded")),
    ],
)
def test_a_repeat_publishes_nothing_twice(bus: World, payload: Any, answer: Any) -> None:
    event = bus.request(payload)

    assert [bus.receive(event) for _ in range(3)] == [answer] * 3
    assert len(published(bus)) == 1
    assert bus.metrics()["Published"] == [1.0]


def test_the_outcome_is_remembered_before_it_is_published(bus: World) -> None:
    bus.door.raise_(PUT, SystemExit())
    event = bus.request()
    with pytest.raises(SystemExit):
        bus.app("receiver").handler(event, LambdaContext())

    assert bus.receive(event) == (200, "sent")
    assert len(bus.emails()) == 1


def test_no_time_is_left_for_a_bus_when_the_table_blocks(bus: World) -> None:
    bus.set(ANSWER_WITHIN="3", MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0")
    bus.app("receiver")
    bus.door.hang("dynamodb.UpdateItem")

    assert bus.post() == (200, "sent")
    assert bus.door.waited_out == []
    (line,) = [line for line in bus.logs() if line["message"] == "could not publish"]
    assert line["reason"] == "TimeRunningOut"


# --- personal data ----------------------------------------------------------------------------

# Where a sender could hide an address, or a link.
HIDDEN = {
    "configuratorId": ADDRESS,
    "configurationId": f"catalog:{ADDRESS}",
    "itemId": ADDRESS,
    "url": f"https://anna.customer@test.roomle.com/?of={ADDRESS}",
    "resultUrl": f"mailto:{ADDRESS}",
    "note": ADDRESS,
}


@pytest.mark.parametrize("event", ["email.savedConfiguration", "email.new", "other", ADDRESS])
@pytest.mark.parametrize("changes", [{}, HIDDEN], ids=["as usual", "hidden"])
def test_no_address_and_no_link_gets_onto_the_bus_or_into_the_log(
    bus: World, event: str, changes: dict[str, str]
) -> None:
    bus.post(saved(event=event, **changes))

    (found,) = published(bus)
    told = json.dumps(found) + json.dumps(bus.logs())
    for secret in ("anna", "customer.example", "https:", "mailto", "?"):
        assert secret not in told.replace('"Email address is not verified."', "")


def test_with_addresses_the_bus_gets_all_that_roomle_sent(bus: World) -> None:
    bus.set(PUBLISH_ADDRESSES="true")
    payload = saved(note={"unknown": [1, "😀", "ü"]})

    assert bus.post(payload) == (200, "sent")

    (event,) = published(bus)
    assert event["detail"]["payload"] == payload
    assert ADDRESS not in json.dumps(bus.logs())


def test_half_a_surrogate_pair_does_not_stop_publishing(bus: World) -> None:
    bus.set(PUBLISH_ADDRESSES="true")

    assert bus.post(json.dumps(saved(note="\ud800"))) == (200, "sent")
    assert bus.metrics()["Published"] == [1.0]
