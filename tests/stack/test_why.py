"""Trouble made on the deployed stack: one command's output has the cause and the remedy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from roomle_mail.delivery import Queued
from tests.command_line import CommandLine
from tests.stack import test_operations as scenes
from tools import fixtures
from tools.stack.faults import silent_for
from tools.stack.local import MAILER, RECEIVER, LocalStack

SENDER = "hello@brand.example"


def dead_letter(stack: LocalStack, recipient: str) -> None:
    scenes.enqueue(stack, recipient, age=0)
    assert stack.wait_until(lambda: any(recipient in each.body for each in stack.dead_letters()))


def unanswered(stack: LocalStack, recipient: str) -> None:
    assert stack.wait_until(lambda: scenes.post(stack, recipient) == 503)


@contextmanager
def trigger_off(stack: LocalStack) -> Iterator[None]:
    client = stack.client("lambda")
    [mapping] = client.list_event_source_mappings()["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextmanager
def no_concurrency(stack: LocalStack, logical_id: str) -> Iterator[None]:
    client, name = stack.client("lambda"), stack.deployed.functions[logical_id]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        client.delete_function_concurrency(FunctionName=name)


@contextmanager
def unusable_secret(stack: LocalStack) -> Iterator[None]:
    with stack.secret({stack.deployed.api_key: "too short"}):
        stack.restart(RECEIVER)  # it remembers the secret
        yield


type Trouble = Callable[[LocalStack], AbstractContextManager[object]]


def nothing_else(_: LocalStack) -> AbstractContextManager[object]:
    return nullcontext()


def unverified(stack: LocalStack) -> AbstractContextManager[object]:
    return stack.unverified(SENDER)


def receiver_off(stack: LocalStack) -> AbstractContextManager[object]:
    return no_concurrency(stack, RECEIVER)


def mailer_off(stack: LocalStack) -> AbstractContextManager[object]:
    return no_concurrency(stack, MAILER)


def wrong_setting(function: str) -> Trouble:
    return lambda stack: stack.environment(function, DELIVERY="nonsense")


def quiet(_: LocalStack, __: str) -> None:
    """Nothing happens meanwhile."""


# Alarm -> what is wrong meanwhile, what happens, the cause and the remedy that are told.
ALARMS: dict[str, tuple[Trouble, scenes.Scene, str, str]] = {
    "RefusalsAlarm": (
        nothing_else, scenes.refused_often, "Roomle has another secret", "roomle-mail verify",
    ),
    "TokenReplayedAlarm": (nothing_else, scenes.replayed, "with another body", "TokenReuse=allow"),
    "ThrottledAlarm": (nothing_else, scenes.throttled, "more emails per second", "MaxSendRate"),
    "SendOutcomeUnknownAlarm": (
        nothing_else, scenes.answer_of_ses_lost, "may get two", "status page",
    ),
    "QueueOutcomeUnknownAlarm": (
        nothing_else, scenes.answer_of_sqs_lost, "was withdrawn", "status page",
    ),
    "QuotaUsedUpAlarm": (nothing_else, scenes.quota_used_up, "24 hours is used up", "SendQuota"),
    "StillWaitingAlarm": (nothing_else, scenes.still_waiting, "Throttled", "Service Quotas"),
    "DeadLettersAlarm": (unverified, dead_letter, "unknown to SES", "create-email-identity"),
    "ServerErrorsAlarm": (unusable_secret, unanswered, "secret", "roomle-mail secret set"),
    "OldestMessageAlarm": (
        trigger_off, quiet, "nothing leaves the queue", "update-event-source-mapping --enabled",
    ),
    "ReceiverThrottlesAlarm": (
        receiver_off, quiet, "concurrency is 0", "delete-function-concurrency",
    ),
    "ReceiverErrorsAlarm": (
        wrong_setting(RECEIVER), quiet, "variable DELIVERY has a wrong value", "REVERT_DRIFT",
    ),
    "MailerErrorsAlarm": (
        wrong_setting(MAILER), quiet, "variable DELIVERY has a wrong value", "REVERT_DRIFT",
    ),
    "MailerThrottlesAlarm": (
        mailer_off, quiet, "concurrency is 0", "delete-function-concurrency",
    ),
}  # fmt: skip


@pytest.mark.parametrize("alarm", ALARMS)
def test_one_command_tells_cause_and_remedy_of_an_alarm(
    cli: CommandLine, stack: LocalStack, recipient: str, alarm: str
) -> None:
    trouble, scene, cause, remedy = ALARMS[alarm]
    with trouble(stack):
        scene(stack, recipient)
        result = cli("why", alarm, "--since", "10m")
    assert result.code == 0
    # Other tests' trouble of the last minutes may be told too.
    assert any(
        cause in told.partition("\n-> ")[0] and remedy in told.partition("\n-> ")[2]
        for told in result.out.split("\n\n")
    ), result.out
    assert "customer.example" not in result.out


@pytest.mark.parametrize("alarm", ["SilenceAlarm", "WebhookThrottlesAlarm", "BounceRateAlarm"])
def test_an_alarm_about_what_the_stack_cannot_show_is_explained(
    cli: CommandLine, alarm: str
) -> None:
    result = cli("why", alarm, "--since", "1s")
    assert result.code == 0
    assert result.out.strip()


# --- send says why ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "arguments", "answer", "reason"),
    [
        (nothing_else, ("--age", "3600"), 401, "TokenExpired"),
        (nothing_else, ("--token", "01-nothing"), 401, "TokenMalformed"),
        (nothing_else, ("--iv", "prefix"), 401, "TokenUnverified"),
        (nothing_else, ("--url", "https://evil.example/"), 422, "LinkNotAllowed"),
        (unusable_secret, ("--secret-stdin", "--api-key", "aValidApiKey"), 503, "SecretUnusable"),
    ],
    ids=["expired", "no token", "another vector", "another host", "no secret"],
)
def test_send_says_why_it_failed(
    cli: CommandLine,
    stack: LocalStack,
    recipient: str,
    trouble: Trouble,
    arguments: tuple[str, ...],
    answer: int,
    reason: str,
) -> None:
    with trouble(stack), stack.environment(RECEIVER, ANSWER_WITHIN="8"):
        scenes.post(stack, recipient)  # a cold start may exceed the deadline
        result = cli(
            "send", "savedConfiguration", "--to", recipient, *arguments, "--wait", "20", "--json",
            stdin=stack.deployed.secret,
        )  # fmt: skip
    assert (result.code, result.json["answer"]) == (1, answer), result
    [line] = [each for each in result.json["log"] if each["message"] in ("refused", "failed")]
    assert line["reason"] == reason
    assert line["correlation_id"] == result.json["request_id"]
    assert line["event_id"] == result.json["event_id"]
    assert [each["reason"] for each in result.json["why"]] == [reason]
    assert result.json["why"][0]["remedy"]


def test_options_replace_what_a_captured_body_has(
    cli: CommandLine, stack: LocalStack, recipient: str, tmp_path: Path
) -> None:
    captured = tmp_path / "captured.json"
    captured.write_text(json.dumps(fixtures.payload(email=f"customer.{recipient}")))

    result = cli("send", "--body", str(captured), "--to", recipient)

    assert result.code == 0
    assert len(stack.emails_to(recipient, at_least=1)) == 1
    assert stack.emails_to(f"customer.{recipient}") == []


# --- logs -------------------------------------------------------------------------------------


def test_the_log_is_filtered_counted_and_limited(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    scenes.refused_often(stack, recipient)
    arguments = ("logs", "--since", "2m", "--message", "refused", "--reason", "TokenUnverified")
    assert stack.wait_until(lambda: len(cli(*arguments, "--json").out.splitlines()) >= 5)

    found = [json.loads(line) for line in cli(*arguments, "--json").out.splitlines()]
    assert {(each["message"], each["reason"], each["level"]) for each in found} == {
        ("refused", "TokenUnverified", "INFO")
    }
    assert len(cli(*arguments, "--limit", "2").out.splitlines()) == 2
    counted = cli(*arguments, "--count-by", "reason", "--json").json
    assert counted == [{"reason": "TokenUnverified", "count": len(found)}]
    assert cli("logs", "--since", "2m", "--reason", "NoSuchReason").code == 1


def test_a_time_out_of_the_function_is_a_line_of_the_log(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    client, name = stack.client("lambda"), stack.deployed.functions[RECEIVER]
    with (
        stack.endpoint(RECEIVER, "SECRETS_MANAGER", silent_for(30)),
        stack.environment(RECEIVER, ANSWER_WITHIN="30"),
    ):
        client.update_function_configuration(FunctionName=name, Timeout=3)
        try:
            stack.post(fixtures.payload(email=recipient))
            result = cli("why", "ReceiverErrorsAlarm", "--since", "1m")
        finally:
            client.update_function_configuration(FunctionName=name, Timeout=10)
    assert "Task timed out after 3.00 seconds" in result.out
    assert "-> sam deploy" in result.out


# --- dead letters -----------------------------------------------------------------------------


@pytest.fixture
def letters(stack: LocalStack, recipient: str) -> Iterator[int]:
    """Twelve letters of an unverified sender, and one that is no event."""
    sqs, url = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    for place in range(12):
        body = Queued(
            uuid.uuid4().hex, fixtures.payload(email=f"{place}.{recipient}"), "0" * 32, time.time(),
            "-",
        ).dump()  # fmt: skip
        reason = {"DataType": "String", "StringValue": "EmailRefused"}
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes={"reason": reason})
    sqs.send_message(QueueUrl=url, MessageBody="not json")
    yield 13
    sqs.purge_queue(QueueUrl=url)


def test_the_list_begins_with_totals_and_can_be_narrowed(cli: CommandLine, letters: int) -> None:
    out = cli("dead-letters", "list").out.splitlines()
    assert out[0] == f"{letters} dead letters: 12 EmailRefused, 1 BodyMalformed"
    assert len(out) == 2 + letters
    assert max(map(len, out)) <= 120
    narrowed = cli("dead-letters", "list", "--reason", "BodyMalformed", "--json").json
    assert [each["reason"] for each in narrowed] == ["BodyMalformed"]


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"])
def test_a_command_that_is_stopped_leaves_no_letter_hidden(
    cli: CommandLine, stack: LocalStack, letters: int, number: str
) -> None:
    launcher = Path(sys.executable).with_name("roomle-mail")
    url = stack.deployed.outputs["DeadLetterQueueUrl"]

    def hidden() -> int:
        found = stack.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        return int(found["ApproximateNumberOfMessagesNotVisible"])

    running = subprocess.Popen(
        [str(launcher), "dead-letters", "list"], env=stack.emulator.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert stack.wait_until(lambda: hidden() > 0)
    subprocess.run(["/bin/kill", f"-{number}", str(running.pid)], check=True)
    running.wait(30)

    assert running.returncode != 0
    assert hidden() == 0
    assert len(cli("dead-letters", "list", "--json").json) == letters


def test_what_another_command_holds_is_said_to_be_hidden(
    cli: CommandLine, stack: LocalStack, letters: int
) -> None:
    sqs, url = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=90)
    hidden = len(taken["Messages"])

    listed = cli("dead-letters", "list")
    erased = cli("dead-letters", "drop", "--address", "nobody@customer.example", "--yes")

    assert listed.out.startswith(f"{letters - hidden} dead letter")
    assert f"{hidden} hidden for up to 120 s more" in listed.err
    assert erased.code == 1  # not all could be looked at
    for each in taken["Messages"]:
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
        )


def test_letters_of_yesterday_are_explained_too(cli: CommandLine, letters: int) -> None:
    result = cli("why", "DeadLettersAlarm", "--since", "1s", "--json")
    counts = {each["reason"]: each["count"] for each in result.json["causes"]}
    assert sum(counts.values()) <= letters
    assert counts.keys() <= {"EmailRefused", "BodyMalformed"}
    assert all(each["remedy"] for each in result.json["causes"])


def test_a_redrive_waits_and_tells_what_came_back(
    cli: CommandLine, stack: LocalStack, letters: int
) -> None:
    with stack.unverified(SENDER):
        result = cli(
            "dead-letters", "redrive", "--reason", "EmailRefused", "--yes", "--wait", "60", "--json"
        )
    assert result.code == 1
    assert result.json["moved"] == 12
    assert result.json["came_back"] == {"EmailRefused": 12}
    assert len(cli("dead-letters", "list", "--json").json) == letters

    result = cli("dead-letters", "redrive", "--all", "--yes", "--wait", "60")

    assert result.code == 0
    assert "12 sent" in result.out
    assert "1 stay" in result.err
    assert len(cli("dead-letters", "list", "--json").json) == 1
