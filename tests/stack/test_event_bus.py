"""The event bus of the deployed stack: a rule passes on what it gets."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.command_line import CommandLine
from tools import bus_contract, fixtures
from tools.stack.local import (
    RECEIVER,
    Behaviour,
    Changing,
    LocalStack,
    answering,
    dripping,
    hanging_up,
    silent_for,
)

OTHER = "configuration.deleted"


def published(stack: LocalStack, event_id: str) -> list[dict[str, Any]]:
    return [each for each in stack.published() if each["detail"]["event_id"] == event_id]


def decision(stack: LocalStack, event: str = fixtures.SAVED) -> dict[str, Any]:
    """The line about the last event of that name, if another one came after it."""
    lines = [json.loads(line) for line in stack.log(RECEIVER) if '"answer"' in line]
    found: dict[str, Any] = [line for line in lines if line["event"] == event][-1]
    return found


def test_a_rules_target_gets_an_event_as_the_log_has_it(stack: LocalStack, recipient: str) -> None:
    assert stack.post(fixtures.payload(email=recipient)).code == "sent"
    stack.hand_on_log()

    line = decision(stack)
    (event,) = published(stack, line["event_id"])
    assert (event["source"], event["detail-type"]) == ("roomle-mail", fixtures.SAVED)
    assert event["id"] == line["published_id"]
    for name in ("event", "configurator", "brand", "language", "recipient", "answer"):
        assert event["detail"].get(name) == line.get(name), name
    assert event["detail"]["outcome"] == line["message"] == "sent"
    assert Draft202012Validator(bus_contract.detail_schema(fixtures.SAVED)).is_valid(
        event["detail"]
    )


def test_the_log_of_an_event_shows_whether_the_bus_has_it(
    stack: LocalStack, cli: CommandLine, recipient: str
) -> None:
    stack.post(fixtures.payload(email=recipient))
    stack.hand_on_log()
    there = decision(stack)
    with stack.endpoint(RECEIVER, "EVENTBRIDGE", answering(400, "AccessDeniedException")):
        stack.post(fixtures.payload(email=recipient))
        stack.hand_on_log()
    missing = decision(stack)

    shown = cli("logs", "--event", there["event_id"]).out
    assert f"published_id={there['published_id']}" in shown
    shown = cli("logs", "--event", missing["event_id"]).out
    assert "published_id" not in shown
    assert "could not publish" in shown
    assert "reason=CallRefused detail=AccessDeniedException" in shown


BROKEN: dict[str, Behaviour] = {
    "throttled": answering(400, "ThrottlingException"),
    "denied": answering(400, "AccessDeniedException"),
    "broken": answering(500, "InternalFailure"),
    "hanging": silent_for(30),
    "cut": hanging_up,
    "dripping": dripping(30),
}


def test_a_broken_bus_changes_nothing_but_what_it_gets(
    stack: LocalStack, recipient: str, subtests: pytest.Subtests
) -> None:
    bus = Changing(hanging_up)
    with stack.endpoint(RECEIVER, "EVENTBRIDGE", bus):
        for name, bus.behaviour in BROKEN.items():
            address = f"{name}.{recipient}"
            with subtests.test(name):
                answer = stack.post(fixtures.payload(email=address))
                forwarded = stack.post({"event": OTHER, "data": {"id": uuid.uuid4().hex}})
                line = decision(stack)

                assert (answer.status, answer.code) == (200, "sent")
                assert len(stack.emails_to(address, at_least=1)) == 1
                assert published(stack, line["event_id"]) == []
                assert (forwarded.status, forwarded.code) == (503, "unavailable")


def test_another_event_is_forwarded(stack: LocalStack) -> None:
    answer = stack.post({"event": OTHER, "data": {"id": uuid.uuid4().hex}})

    assert (answer.status, answer.code) == (200, "forwarded")
    stack.hand_on_log()
    (event,) = published(stack, decision(stack, OTHER)["event_id"])
    assert (event["detail-type"], event["detail"]["outcome"]) == (OTHER, "forwarded")


def test_without_a_bus_another_event_is_ignored(stack: LocalStack) -> None:
    with stack.environment(RECEIVER, EVENT_BUS=""):
        answer = stack.post({"event": OTHER, "data": {"id": uuid.uuid4().hex}})

    assert (answer.status, answer.code) == (200, "ignored")
