"""What the command line says about a stack with Mailer=off.

tests/stack/test_consumer.py runs it on such a stack.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from roomle_mail.delivery import Queued
from roomle_mail_cli import (
    consumer,
    diagnosis,
    doctor,
    letters,
    lines,
    observation,
    plan,
    proof,
    reasons,
)
from roomle_mail_cli.commands import why
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.screen import CliError
from tests.unit.cloudformation import Stack

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:queue"
MAPPING = "6f0d3b52-1c8e-4a77-9d5b-0e4f2a1c3b9d"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:shop-mail"


@pytest.fixture
def alone(deployment: Deployment) -> Deployment:
    """A deployment with the outputs for another program."""
    deployment.outputs["QueueArn"] = QUEUE
    return deployment


def letter(deployment: Deployment, body: str, reason: str | None = None) -> letters.Letter:
    attributes = {"reason": {"StringValue": reason}} if reason else {}
    message = {
        "MessageId": "id",
        "ReceiptHandle": "receipt",
        "Body": body,
        "MessageAttributes": attributes,
    }
    return letters._letter(deployment, message)


def test_a_letter_that_sqs_moved_was_not_consumed(alone: Deployment) -> None:
    event = {"event": "email.savedConfiguration", "data": {}}
    body = Queued(os.urandom(16).hex(), event, "0" * 32, time.time(), "request").dump()

    assert letter(alone, body).reason == "not consumed"
    assert letter(alone, "no event").reason == "BodyMalformed"
    # A consumer may say why it gave an event up.
    assert letter(alone, body, "EmailRefused").reason == "EmailRefused"
    assert "consumer" in reasons.REASONS["not consumed"].remedy


@pytest.mark.parametrize(
    ("states", "state", "said"),
    [
        ([], "info", "perhaps another program"),
        (["Enabled"], "ok", "shop-mail reads the queue"),
        (["Disabled", "Updating"], "ok", "shop-mail reads the queue"),
        (["Disabled"], "fail", "is off"),
    ],
)
def test_doctor_says_who_reads_the_queue(
    alone: Deployment, states: list[str], state: str, said: str
) -> None:
    mappings = [{"UUID": MAPPING, "State": x, "FunctionArn": FUNCTION} for x in states]
    with Stubber(alone.client("lambda")) as stubber:
        stubber.add_response(
            "list_event_source_mappings",
            {"EventSourceMappings": mappings},
            {"EventSourceArn": QUEUE},
        )
        (check,) = doctor.make("mailer", doctor.check_mailer, alone)

    assert (check.name, check.state) == ("consumer", state)
    assert said in check.found
    assert (f"--enabled --uuid {MAPPING}" in check.advice) is (state == "fail")


def test_doctor_leaves_out_what_matters_to_a_sender_alone(alone: Deployment) -> None:
    checks = doctor.checks()

    assert set(checks) > doctor._OF_SENDING
    for name in doctor._OF_SENDING:
        # No AWS call is made.
        (check,) = doctor.make(name, checks[name], alone)
        assert (check.state, check.found) == ("skip", "Mailer=off: the stack sends no email")
    assert list(diagnosis.sending(alone)) == []


def test_a_proof_leaves_out_what_another_program_does(alone: Deployment) -> None:
    steps = plan.steps_for(alone)
    running = proof.Proof(alone, None, proof.Example(), ends=0)

    assert list(steps) == list(plan.STEPS)
    left_out = {name for name in steps if steps[name] is not plan.STEPS[name]}
    assert left_out == {"design", "dead letter", "redrive", "SES's events"}
    for name in left_out:
        (result,) = steps[name](running)
        assert (result.name, result.state, result.unable) == (name, "not tried", False)
        assert "Mailer=off" in result.found
    assert running.end == "queued"


def test_what_is_named_for_such_a_stack_is_in_it() -> None:
    stacks = Stack(), Stack(Mailer="off", Delivery="sqs")
    kinds = "AWS::CloudWatch::Alarm", "AWS::Logs::QueryDefinition"
    (alarms, queries), (left_alarms, left_queries) = (
        [stack.of_type(kind) for kind in kinds] for stack in stacks
    )

    assert set(alarms) - set(left_alarms) == reasons.OF_THE_MAILER
    assert set(queries) - set(left_queries) == {"DesignsQuery"}
    names = {each["Properties"]["Name"].rpartition("/")[2] for each in left_queries.values()}
    assert names >= observation._OF_SENDING


def test_an_alarm_that_the_stack_does_not_have_is_said_to_be_off(
    alone: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(_: Any) -> Deployment:
        return alone

    monkeypatch.setattr(Deployment, "find", found)

    with pytest.raises(CliError, match="its parameter Mailer is off"):
        why.why("MailerErrorsAlarm")


def test_why_an_event_waits_is_said_of_who_consumes_it(
    alone: Deployment, deployment: Deployment
) -> None:
    of_consumer = why.general(alone, "OldestMessageAlarm", explained=False)
    del deployment.outputs["QueueArn"]
    vars(deployment).pop("has_mailer")
    of_mailer = why.general(deployment, "OldestMessageAlarm", explained=False)

    assert of_consumer
    assert of_mailer
    assert "your consumer" in of_consumer.meaning
    assert "consumer" not in of_mailer.meaning


@pytest.mark.parametrize(
    ("state", "line", "ended"),
    [
        (None, [], {}),
        ("claimed", ["claimed"], {}),
        ("sent", ["sent"], {"0f": "sent"}),
        ("withdrawn", ["withdrawn"], {"0f": "skipped"}),
    ],
)
def test_the_table_tells_what_became_of_an_event(
    alone: Deployment, state: str | None, line: list[str], ended: dict[str, str]
) -> None:
    item = {"Item": {"key": {"S": "event#0f"}, "state": {"S": state}}} if state else {}
    queued = lines.Line(datetime.now(UTC), "receiver", "queued", {"event_id": "0f"})
    with Stubber(alone.client("dynamodb")) as stubber:
        for _ in range(2):
            stubber.add_response("get_item", item)

        assert [each.what for each in consumer.lines(alone, [queued])] == line
        assert consumer.outcome(alone, ["0f"]).ended == ended
        # Nothing is asked where nothing is queued.
        assert consumer.lines(alone, []) == []


def test_where_there_is_a_mailer_the_log_tells_it(deployment: Deployment) -> None:
    queued = lines.Line(datetime.now(UTC), "receiver", "queued", {"event_id": "0f"})

    assert consumer.lines(deployment, [queued]) == []
