"""The example of docs/consumer.md consumes what the receiver queues, and keeps the contract."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from roomle_mail import events
from tests.aws.conftest import ROOT, World, record
from tests.powertools import LambdaContext
from tools import contract, queue_contract
from tools.queue_models import ITEMS, QueuedEvent

EXAMPLE = ROOT / "docs" / "examples" / "consumer" / "app.py"
ADDRESS = "anna.customer@customer.example"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
THROTTLED = (429, "TooManyRequestsException", "")


class Consumer:
    """The example, loaded as at a cold start."""

    def __init__(self, world: World) -> None:
        spec = importlib.util.spec_from_file_location("consumer_app", EXAMPLE)
        assert spec
        assert spec.loader
        self.module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        for client in (self.module.ses, self.module.dynamodb):
            world.door.watch(client)

    def __call__(self, messages: list[dict[str, Any]]) -> list[str]:
        """Hand messages to it; return the ids of those that stay in the queue."""
        answer = self.module.handler({"Records": messages}, LambdaContext())
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


@pytest.fixture
def consumer(world: World, monkeypatch: pytest.MonkeyPatch) -> Consumer:
    monkeypatch.setenv("SENDER", "hello@brand.example")
    world.set(DELIVERY="sqs")
    return Consumer(world)


def lose_answers(world: World, meanwhile: Callable[[], object] = lambda: None) -> None:
    """SQS takes messages, but its answers get lost; something may happen meanwhile."""

    def lose(**_: Any) -> None:
        meanwhile()
        raise ReadTimeoutError(endpoint_url="https://sqs.example")

    sqs = world.app("receiver").clients.sqs
    sqs.meta.events.register("after-call.sqs.SendMessage", lose)


def state_of_the_event(world: World) -> str:
    (item,) = world.items("event#")
    return str(item["state"])


def test_a_queued_event_is_sent_once(world: World, consumer: Consumer) -> None:
    assert world.post() == (202, "queued")
    (message,) = world.queued()

    # SQS may deliver a message twice.
    assert consumer([message]) == []
    assert consumer([message, message]) == []

    (email,) = world.emails()
    assert email["Destination"] == {"ToAddresses": [ADDRESS]}
    assert email["EmailTags"] == [{"Name": "event", "Value": json.loads(message["body"])["id"]}]
    assert state_of_the_event(world) == "sent"


def test_a_withdrawn_event_is_not_sent(world: World, consumer: Consumer) -> None:
    lose_answers(world)

    # Roomle sends its own email.
    assert world.post() == (503, "unavailable")
    (message,) = world.queued()
    assert consumer([message]) == []

    assert world.emails() == []
    assert state_of_the_event(world) == "withdrawn"


def test_an_event_that_is_taken_before_it_can_be_withdrawn_is_not_left_to_roomle(
    world: World, consumer: Consumer
) -> None:
    lose_answers(world, meanwhile=lambda: consumer(world.queued()))

    assert world.post() == (202, "queued")

    assert len(world.emails()) == 1
    assert state_of_the_event(world) == "sent"


def test_what_fails_goes_back_and_is_sent_by_the_next_attempt(
    world: World, consumer: Consumer
) -> None:
    world.post()
    (message,) = world.queued()
    world.door.answer("sesv2.SendEmail", THROTTLED)

    assert consumer([message]) == [message["messageId"]]
    assert consumer([message]) == []

    assert len(world.emails()) == 1


def test_a_message_that_fails_stays_alone(
    world: World, consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    world.post()
    (message,) = world.queued()
    broken = [
        record({"MessageId": name, "ReceiptHandle": "receipt", "Body": body})
        for name, body in {"text": f"to {ADDRESS}", "number": "1", "object": "{}"}.items()
    ]

    assert consumer([*broken, message]) == ["text", "number", "object"]

    assert len(world.emails()) == 1
    assert ADDRESS not in caplog.text


def test_an_event_that_another_attempt_sends_stays(world: World, consumer: Consumer) -> None:
    world.post()
    (message,) = world.queued()
    event_id = json.loads(message["body"])["id"]
    assert consumer.module.claim(event_id, "another attempt") is None

    assert consumer([message]) == [message["messageId"]]
    assert world.emails() == []

    # A claim whose answer got lost is still one's own, and a lapsed one is taken over.
    assert consumer.module.claim(event_id, "another attempt") is None
    consumer.module.change(event_id, "another attempt", "SET #until = :value", {"N": "1"})
    assert consumer([message]) == []
    assert len(world.emails()) == 1


def test_an_attempt_that_was_taken_over_changes_nothing(world: World, consumer: Consumer) -> None:
    world.post()
    (message,) = world.queued()
    consumer([message])

    event_id = json.loads(message["body"])["id"]
    consumer.module.change(event_id, "an earlier attempt", "SET #until = :value", {"N": "0"})

    assert state_of_the_event(world) == "sent"
    assert consumer([message]) == []
    assert len(world.emails()) == 1


def test_a_sent_email_that_can_not_be_remembered_is_not_sent_again(
    world: World, consumer: Consumer
) -> None:
    world.post()
    (message,) = world.queued()
    world.door.answer("dynamodb.UpdateItem", *[(400, "AccessDeniedException", "")] * 3)

    assert consumer([message]) == []

    assert len(world.emails()) == 1


def test_an_event_that_is_too_old_is_dropped(world: World, consumer: Consumer) -> None:
    world.post()
    (message,) = world.queued()
    body = json.loads(message["body"])
    message["body"] = json.dumps(body | {"received": time.time() - 15 * 86_400})

    assert consumer([message]) == []

    assert world.emails() == []


def test_the_mailer_and_a_consumer_do_not_send_the_same_event(
    world: World, consumer: Consumer
) -> None:
    """Mailer may be switched while events wait."""
    for first, second in ((consumer, world.mail), (world.mail, consumer)):
        before = len(world.emails())
        world.post()
        message = world.queued()[-1:]

        assert first(message) == []
        assert second(message) == []

        assert len(world.emails()) == before + 1
        for each in world.queued():
            world.app("receiver").clients.sqs.delete_message(
                QueueUrl=world.queue_url, ReceiptHandle=each["receiptHandle"]
            )


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(st.text() | JSON.map(json.dumps), max_size=5))
def test_whatever_is_in_the_queue_only_what_is_no_event_stays(
    world: World, consumer: Consumer, bodies: list[str]
) -> None:
    messages = [
        record({"MessageId": str(place), "ReceiptHandle": "receipt", "Body": body})
        for place, body in enumerate(bodies)
    ]

    assert consumer(messages) == [each["messageId"] for each in messages]
    assert world.emails() == []


# The contract ----------------------------------------------------------------------------------


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item with JSON's numbers."""
    return {
        name: value if isinstance(value, str) else int(value) if value % 1 == 0 else float(value)
        for name, value in item.items()
    }


@pytest.mark.parametrize("name", sorted(events.EVENTS))
def test_the_receiver_queues_what_the_contract_says(world: World, name: str) -> None:
    world.set(DELIVERY="sqs")
    assert world.post(contract.example(name)) == (202, "queued")
    (message,) = world.queued()
    body = json.loads(message["body"])

    assert Draft202012Validator(queue_contract.message_schema()).is_valid(body)
    QueuedEvent.model_validate(body)
    # Nothing is written that the contract doesn't have.
    assert set(body) == set(QueuedEvent.model_fields)
    assert body["event"] == contract.example(name)


@pytest.mark.parametrize("writer", ["mailer", "consumer"])
def test_items_are_written_as_the_contract_says(
    world: World, consumer: Consumer, writer: str
) -> None:
    consume = consumer if writer == "consumer" else world.mail
    world.post()
    messages = world.queued()
    world.door.answer("sesv2.SendEmail", THROTTLED)
    consume(messages)
    (claimed,) = world.items("event#")
    consume(messages)
    (sent,) = world.items("event#")

    for name, item in {"event-claimed": claimed, "event-sent": sent}.items():
        ITEMS[name].model_validate(plain(item))
        assert Draft202012Validator(queue_contract.item_schema(ITEMS[name])).is_valid(plain(item))
    assert set(claimed) == set(ITEMS["event-claimed"].model_fields)


def test_a_withdrawal_is_written_as_the_contract_says(world: World) -> None:
    world.set(DELIVERY="sqs")
    lose_answers(world)
    world.post()
    (item,) = world.items("event#")

    ITEMS["event-withdrawn"].model_validate(plain(item))
    assert set(item) == set(ITEMS["event-withdrawn"].model_fields)
