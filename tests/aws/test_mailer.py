"""The mailer: each event is sent once, retried while that makes sense, then given up."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from roomle_mail.idempotency import CLAIM_LAPSES_AFTER, IdempotencyStore
from roomle_mail.mailer import Message
from tests.aws.conftest import World, saved

LOST = ReadTimeoutError(endpoint_url="https://aws.example")
NO_CONNECTION = EndpointConnectionError(endpoint_url="https://aws.example")
THROTTLED = (429, "TooManyRequestsException", "Too many requests")
REFUSED = (400, "MessageRejected", "Email address is not verified.")
QUOTA = (400, "LimitExceededException", "Daily message quota exceeded.")
BROKEN = (500, "InternalFailure", "")
EXPIRED = (403, "ExpiredTokenException", "The security token included in the request is expired")
STALE = (403, "InvalidSignatureException", "Signature expired: 20260301T120000Z is now earlier")


def queue(world: World, *payloads: Any) -> list[dict[str, Any]]:
    """Make the receiver queue events; return the messages as the mailer gets them."""
    world.set(DELIVERY="sqs")
    for payload in payloads or (saved(),):
        assert world.post(payload) == (202, "queued")
    return world.queued()


def fault(world: World, operation: str, *faults: Any) -> None:
    for each in faults:
        put = world.door.raise_ if isinstance(each, BaseException) else world.door.answer
        put(operation, each)


def test_a_queued_event_is_sent(world: World) -> None:
    messages = queue(world)

    assert world.mail(messages) == []

    (email,) = world.emails()
    assert email["Destination"] == {"ToAddresses": ["anna.customer@customer.example"]}
    (item,) = world.items("event#")
    assert item["state"] == "sent"


def test_an_email_sent_through_the_queue_is_the_same_as_a_direct_one(world: World) -> None:
    world.post()
    world.mail(queue(world))

    straight, queued = world.emails()
    # All except the event's id, because these are two events.
    for email in (straight, queued):
        email["EmailTags"] = [tag for tag in email["EmailTags"] if tag["Name"] != "event"]
        simple = email["Content"]["Simple"]
        simple["Headers"] = [
            each for each in simple["Headers"] if each["Name"] != "X-Entity-Ref-ID"
        ]
    assert straight == queued


def test_a_message_that_sqs_delivers_twice_is_sent_once(world: World) -> None:
    messages = queue(world)

    assert world.mail(messages) == []
    assert world.mail(messages) == []

    assert len(world.emails()) == 1


def test_a_message_that_is_twice_in_one_batch_is_sent_once(world: World) -> None:
    (message,) = queue(world)
    twin = {**message, "messageId": "twin"}

    assert world.mail([message, twin]) == []

    assert len(world.emails()) == 1


def test_a_withdrawn_event_is_skipped(world: World) -> None:
    (message,) = queue(world)
    assert IdempotencyStore(world.table()).withdraw(
        json.loads(message["body"])["id"], now=time.time()
    )

    assert world.mail([message]) == []

    assert world.emails() == []


def test_one_poisoned_message_does_not_fail_the_others(world: World) -> None:
    good = queue(world, *[saved(email=f"p{n}@customer.example") for n in range(3)])
    poisoned = [
        {**good[0], "messageId": "no-json", "body": "not json"},
        {**good[0], "messageId": "no-event", "body": "{}"},
        {**good[0], "messageId": "shape", "body": json.dumps({"id": "a", "event": 7})},
    ]

    assert world.mail([poisoned[0], good[0], poisoned[1], good[1], poisoned[2], good[2]]) == []

    assert len(world.emails()) == 3
    assert [each["body"] for each in world.dead_letters()] == [each["body"] for each in poisoned]


@pytest.mark.parametrize(
    "failure",
    [THROTTLED, NO_CONNECTION, LOST, BROKEN, QUOTA, EXPIRED, STALE],
    ids=["throttled", "no connection", "lost", "5xx", "quota", "expired", "stale signature"],
)
def test_a_message_that_fails_temporarily_stays_and_succeeds_later(
    world: World, failure: Any
) -> None:
    messages = queue(world)
    fault(world, "sesv2.SendEmail", failure)

    assert world.mail(messages) == [messages[0]["messageId"]]
    assert world.emails() == []
    assert world.dead_letters() == []

    # The claim was released, so the next try need not wait for it to lapse.
    assert world.mail(messages) == []
    assert len(world.emails()) == 1


@pytest.mark.parametrize(
    ("receives", "wait"),
    [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (28, 900), (2_000, 900)],
)
def test_the_wait_grows_to_fifteen_minutes(receives: int, wait: int) -> None:
    assert Message("id", "receipt", "body", receives).wait == wait


def test_a_message_that_stays_is_hidden_for_its_wait(world: World) -> None:
    messages = queue(world)
    messages[0]["attributes"]["ApproximateReceiveCount"] = "4"
    fault(world, "sesv2.SendEmail", THROTTLED)

    world.mail(messages)

    (change,) = [body for name, body in world.door.passed if name == "sqs.ChangeMessageVisibility"]
    assert change["VisibilityTimeout"] == 240


@pytest.mark.parametrize(
    "payload_or_fault",
    [REFUSED, (403, "AccessDeniedException", ""), (404, "NotFoundException", "")],
    ids=["rejected", "denied", "not found"],
)
def test_an_email_that_ses_refuses_permanently_is_a_dead_letter_at_once_and_can_be_redriven(
    world: World, payload_or_fault: Any
) -> None:
    messages = queue(world)
    fault(world, "sesv2.SendEmail", payload_or_fault)

    assert world.mail(messages) == []
    assert world.emails() == []
    (dead,) = world.dead_letters()
    assert dead["body"] == messages[0]["body"]
    assert dead["messageAttributes"]["reason"]["StringValue"] == "EmailRefused"

    # The operator has fixed the cause and moves the message back.
    assert world.mail([dead]) == []
    assert world.mail([dead]) == []
    assert len(world.emails()) == 1


def test_an_event_that_a_later_change_of_the_brands_forbids_is_a_dead_letter(world: World) -> None:
    (message,) = queue(world)
    body = json.loads(message["body"])
    body["event"]["data"]["url"] = "https://evil.example/"

    assert world.mail([{**message, "body": json.dumps(body)}]) == []

    (dead,) = world.dead_letters()
    assert dead["messageAttributes"]["reason"]["StringValue"] == "LinkNotAllowed"
    assert world.emails() == []


def test_a_dead_letter_that_cannot_be_moved_stays_in_the_queue(world: World) -> None:
    messages = queue(world)
    world.app("mailer")
    fault(world, "sesv2.SendEmail", REFUSED)
    fault(world, "sqs.SendMessage", BROKEN, BROKEN)

    assert world.mail(messages) == [messages[0]["messageId"]]


def test_an_event_that_another_invocation_is_processing_stays(world: World) -> None:
    messages = queue(world)
    other = IdempotencyStore(world.table())
    event_id = json.loads(messages[0]["body"])["id"]
    assert other.take(event_id, now=time.time()) == "taken"

    assert world.mail(messages) == [messages[0]["messageId"]]
    assert world.emails() == []


def test_a_claim_that_lapsed_is_taken_over(world: World) -> None:
    messages = queue(world)
    dead = IdempotencyStore(world.table())
    event_id = json.loads(messages[0]["body"])["id"]
    assert dead.take(event_id, now=time.time() - CLAIM_LAPSES_AFTER - 1) == "taken"

    assert world.mail(messages) == []
    assert len(world.emails()) == 1


@pytest.mark.parametrize("operation", ["dynamodb.PutItem", "sesv2.SendEmail"])
def test_a_call_that_blocks_is_interrupted_and_the_others_are_sent(
    world: World, operation: str
) -> None:
    messages = queue(world, saved(), saved(email="bob@customer.example"))
    world.app("mailer")
    world.door.hang(operation)

    assert world.mail(messages) == [messages[0]["messageId"]]

    assert world.door.waited_out == []
    (email,) = world.emails()
    assert email["Destination"] == {"ToAddresses": ["bob@customer.example"]}


def test_a_failure_after_sending_does_not_bring_the_message_back(world: World) -> None:
    messages = queue(world)
    world.app("mailer")
    fault(world, "dynamodb.UpdateItem", LOST, LOST, LOST)

    assert world.mail(messages) == []
    assert len(world.emails()) == 1


def test_an_unexpected_error_leaves_the_message_for_another_try(world: World) -> None:
    messages = queue(world)
    mailer = world.app("mailer")
    mailer.catalog.compose = lambda event, *_, **__: {}[event.recipient]

    assert world.mail(messages) == [messages[0]["messageId"]]
    line = world.logs()[-1]
    assert line["error"] == "KeyError"
    assert "anna.customer" not in json.dumps(line)


def test_no_line_holds_an_address_or_a_links_query(world: World) -> None:
    messages = queue(world)
    fault(world, "sesv2.SendEmail", THROTTLED, REFUSED)
    for _ in range(3):
        world.mail(messages)

    text = world.output()
    assert text.count("\n") >= 6
    assert "anna.customer" not in text
    assert "catalog:item" not in text


def test_the_log_follows_an_event_from_the_receiver_to_the_mailer(world: World) -> None:
    world.mail(queue(world))

    lines = world.logs()
    assert [line["message"] for line in lines] == ["received", "queued", "sent"]
    for name in ("event_id", "recipient", "correlation_id", "event", "brand", "configurator"):
        assert len({line.get(name) for line in lines}) == 1


def test_the_mailer_does_not_read_the_secret_or_the_receivers_records(world: World) -> None:
    messages = queue(world)
    before = world.items("token#")
    world.door.requests.clear()

    world.mail(messages)

    assert "secrets-manager.GetSecretValue" not in world.door.requests
    assert world.items("token#") == before
