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
from tests.powertools import LambdaContext

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


FOREIGN: dict[str, dict[str, Any]] = {
    "no text": {"body": None},
    "an empty text": {"body": ""},
    "another kind of body": {"body": '{"Type": "Notification", "Message": "Hello"}'},
    "a list": {"body": "[]"},
    "a text": {"body": '"id"'},
    "nothing but its id": {"receiptHandle": None, "body": None, "attributes": None},
    "another event": {"event": {"event": "shop.ordered", "data": {}}},
    "an event that is none": {"event": [["event", "email.savedConfiguration"]]},
    "a time of 400 digits": {"received": int("9" * 400)},
    "a time that is no number": {"received": float("nan")},
    "an endless time": {"received": float("inf")},
    "a time before all times": {"received": -1},
    "a time as text": {"received": "1768469400"},
    "an id with a line break": {"id": "a\nb"},
    "an id of 3,000 letters": {"id": "a" * 3_000},
    "an address for the hash": {"recipient": "anna.customer@customer.example"},
    "an address as correlation": {"correlation": "anna.customer@customer.example"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_foreign_is_a_dead_letter_at_once_and_fails_no_other(
    world: World, name: str
) -> None:
    changes = dict(FOREIGN[name])
    (good,) = queue(world, saved(email="good@customer.example"))
    around = ("receiptHandle", "attributes", "body")
    envelope = {key: changes.pop(key) for key in around if key in changes}
    foreign = {**good, "body": json.dumps(json.loads(good["body"]) | changes), **envelope}
    foreign = {name: value for name, value in foreign.items() if value is not None}

    assert world.mail([{**foreign, "messageId": "foreign"}, good]) == []

    (dead,) = world.dead_letters()
    assert dead["body"] == (foreign.get("body") or "(none)")
    (email,) = world.emails()
    assert email["Destination"] == {"ToAddresses": ["good@customer.example"]}
    assert "anna.customer" not in world.output()


@pytest.mark.parametrize("count", [None, "0", "-1", "many", "9" * 5_000])
def test_an_odd_count_of_receives_is_the_first(count: str | None) -> None:
    attributes = {} if count is None else {"ApproximateReceiveCount": count}
    assert Message.from_sqs({"messageId": "a", "attributes": attributes}).wait == 30


# From Lambda's console ("hello-world", "SQS", "S3 Put", "SNS"), a schedule, and plugins.
TESTS_AND_PINGS: dict[str, Any] = {
    "hello-world": {"key1": "value1", "key2": "value2", "key3": "value3"},
    "SQS": {
        "Records": [
            {
                "messageId": "19dd0b57-b21e-4ac1-bd88-01bbb068cb78",
                "receiptHandle": "MessageReceiptHandle",
                "body": "Hello from SQS!",
                "attributes": {"ApproximateReceiveCount": "1", "SenderId": "123456789012"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:MyQueue",
                "awsRegion": "us-east-1",
            }
        ]
    },
    "S3 Put": {"Records": [{"eventVersion": "2.0", "eventSource": "aws:s3", "s3": {}}]},
    "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"MessageId": "95df01b4"}}]},
    "schedule": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    "serverless-plugin-warmup": {"source": "serverless-plugin-warmup"},
    "lambda-warmer": {"warmer": True, "concurrency": 3},
    "nothing": None,
    "a text": "ping",
    "a list": [1],
    "odd records": {"Records": {"messageId": "a"}},
    "an odd record": {"Records": ["a", None, {"messageId": 1}]},
    "an empty batch": {"Records": []},
}


@pytest.mark.parametrize("name", TESTS_AND_PINGS)
def test_a_test_event_or_a_ping_is_no_error_and_changes_nothing(world: World, name: str) -> None:
    answer = world.app("mailer").handler(TESTS_AND_PINGS[name], LambdaContext())

    assert answer == {"batchItemFailures": []}
    assert world.dead_letters() == world.emails() == []
    assert [(line["level"], line["message"]) for line in world.logs()] == [("INFO", "ignored")]
    assert world.metrics() == {}


@pytest.mark.parametrize(("days", "is_sent"), [(13.9, True), (14.1, False), (400, False)])
def test_an_event_is_dropped_after_fourteen_days_however_often_it_is_moved(
    world: World, days: float, *, is_sent: bool
) -> None:
    """A redrive and the mailer's own move start SQS's clock again; the event's age goes on."""
    (message,) = queue(world)
    old = json.loads(message["body"]) | {"received": time.time() - days * 86_400}
    fault(world, "sesv2.SendEmail", *([] if is_sent else [REFUSED]))

    assert world.mail([{**message, "body": json.dumps(old)}]) == []

    assert len(world.emails()) == is_sent
    assert world.dead_letters() == []
    assert world.logs()[-1]["message"] == ("sent" if is_sent else "expired")
    assert world.logs()[-1]["event_id"] == old["id"]


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
