"""`roomle-mail prove` on the deployed stack: healthy, broken on purpose, and interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roomle_mail_cli import causes, limits, observation
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.proof import STYLES
from tests.command_line import CommandLine, Result
from tests.stack import troubles
from tests.stack.troubles import Trouble
from tools.stack.local import MAILER, RECEIVER, LocalStack

OTHER_SECRET = "example-secret-1"
# What prove leaves out on the emulator; it has no steps for the other limits.
LEFT_OUT = {
    limits.SES_EVENTS, limits.ATTACHMENTS, limits.SAVED_QUERIES, limits.METRICS,
    limits.METRIC_MATH, limits.ALARM_ACTIONS, limits.MOVE_TASKS,
}  # fmt: skip
KINDS = {"savedConfiguration", "shareConfiguration", "shareConfigurationAR", "3DExportAsset"}


@pytest.fixture(autouse=True)
def quiet(stack: LocalStack) -> None:
    """Remove dead letters and alarm states of other tests."""
    stack.forget_dead_letters()
    stack.quieten_alarms()


def by_state(result: Result) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {state: set() for state in STYLES}
    for each in result.json["results"]:
        found[each["state"]].add(each["name"])
    return found


def alarm_states(stack: LocalStack) -> dict[str, str]:
    found = stack.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    return {each["AlarmName"]: each["StateValue"] for each in found}


def simulated(stack: LocalStack) -> list[str]:
    return [
        address
        for email in stack.emails()
        for address in email.recipients
        if address.endswith("@simulator.amazonses.com") and "+" in address
    ]


def assert_nothing_is_left(stack: LocalStack, before: dict[str, str]) -> None:
    """Check that the proof leaves no message and no alarm state."""
    assert not [x for x in (*stack.queued(), *stack.dead_letters()) if "simulator" in x.body]
    # The emulator evaluates alarms meanwhile, and earlier tests' dead letters may ring one.
    changed = {name for name, state in alarm_states(stack).items() if before.get(name) != state}
    found = stack.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    ours = [each for each in found if observation.REASON in each.get("StateReason", "")]
    assert not [each["AlarmName"] for each in ours if each["AlarmName"] in changed]


def assert_is_fit_for_a_bug_report(stack: LocalStack, text: str) -> None:
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w", text)
    assert "://" not in text
    assert not re.search(r"\b\d{12}\b", text)
    assert stack.deployed.secret not in text
    assert stack.deployed.api_key not in text
    assert not re.search(r"\b0[123]-[A-Za-z0-9+/]{20}", text)


# --- a healthy stack --------------------------------------------------------------------------


def test_a_healthy_stack_is_proved_except_for_what_the_emulator_cannot_do(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    alarms, emails = alarm_states(stack), len(simulated(stack))
    items = {item["key"]["S"] for item in stack.items()}
    of_another = troubles.queue(stack, recipient, reason="EmailRefused")

    result = cli("prove", "--yes", "--json")

    found = by_state(result)
    assert (found["failed"], result.code) == (set(), 0)
    assert found["proved"] >= KINDS | {
        "secret", "permissions", "resources", "event bus", "repeat", "replay", "forgery",
        "expired token", "dead letter", "redrive", "alarm", "dashboard", "alarms", "clean up",
    }  # fmt: skip
    # On a busy machine the stand-in for Roomle's API may be late.
    assert "design" in found["proved"] | found["warn"]
    left_out = [each for each in result.json["results"] if each["state"] == "not tried"]
    assert {each["limit"] for each in left_out} == {limit.name for limit in LEFT_OUT}
    for each in left_out:
        assert each["found"].startswith("because the emulator ")
    assert result.json["counts"] == {name: len(each) for name, each in found.items()}
    # Each kind for each of three mailboxes, and the redriven dead letter.
    new = simulated(stack)[emails:]
    assert len(new) == len(KINDS) * 3 + 1
    assert {address.partition("+")[0] for address in new} == {"success", "bounce", "complaint"}
    assert_nothing_is_left(stack, alarms)
    # Somebody else's dead letter stays where it is.
    assert [of_another in each.body for each in stack.dead_letters()] == [True]
    assert stack.emails_to(recipient) == []
    added = {item["key"]["S"] for item in stack.items()} - items
    assert not [key for key in added if key.startswith("limit#")]
    assert_is_fit_for_a_bug_report(stack, result.out)


def test_people_get_a_table_and_every_alarm_that_rang_is_over(
    cli: CommandLine, stack: LocalStack
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)  # the history has whole seconds
    with stack.environment(RECEIVER, DELIVERY="sqs"):
        result = cli("prove", "--yes")

    assert result.code == 0, result.out
    lines = result.out.splitlines()
    assert any(line.startswith("proved ") and "202 queued" in line for line in lines)
    assert any(line.startswith("not tried ") and "because the emulator" in line for line in lines)
    # On a busy machine the stand-in for Roomle's API may be late, which is a warning.
    assert re.search(r"^\d+ proved, (1 warn, )?\d+ not tried$", lines[-1])
    assert "events" in result.err.splitlines(), "progress is told"
    history = stack.client("cloudwatch").describe_alarm_history(
        AlarmName=stack.deployed.physical_id("UnforeseenAlarm"), StartDate=began, MaxRecords=10
    )["AlarmHistoryItems"]
    rang = [each for each in history if observation.REASON in each["HistoryData"]]
    assert len(rang) >= 2


def test_it_asks_before_it_sends_anything(cli: CommandLine, stack: LocalStack) -> None:
    before = len(stack.emails())
    result = cli("prove")
    assert result.code == 2
    assert "--yes" in result.err
    assert "a few cents" in result.err
    assert len(stack.emails()) == before


def test_a_missing_stack_has_its_own_exit_code(cli: CommandLine) -> None:
    assert cli("prove", "no-such-stack", "--yes").code == 3


@pytest.mark.proof  # it waits for what the emulator never does
def test_on_aws_nothing_is_left_out_because_of_the_emulator(
    cli: CommandLine, stack: LocalStack
) -> None:
    with (
        stack.secret({"exampleKey": OTHER_SECRET}),
        stack.environment(RECEIVER, LOCAL_STACK="false"),
    ):
        result = cli("prove", "--yes", "--json", "--within", "40")

    found = by_state(result)
    assert "emulator" not in result.out
    assert found["proved"] >= KINDS | {"repeat", "replay", "alarm", "redrive"}
    assert found["failed"] >= {"SES: success", "saved queries", "alarm's action", "metrics"}
    assert result.code == 1
    for each in result.json["results"]:
        assert each["state"] != "failed" or (each["cause"] and each["fix"]), each


def test_a_stack_that_asks_for_no_token_is_proved_without_one(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    with (
        stack.environment(RECEIVER, REQUIRE_TOKEN="false"),
        troubles.secret_deleted(stack, recipient),
    ):
        result = cli("prove", "--yes", "--json")

    found = by_state(result)
    assert (found["failed"], result.code) == (set(), 0)
    assert found["not tried"] >= KINDS | {"secret", "replay", "forgery", "expired token"}
    assert found["proved"] >= {"dead letter", "redrive", "alarm", "dashboard"}


# --- broken on purpose ------------------------------------------------------------------------


REVERT = "--deployment-mode REVERT_DRIFT"
# What is broken -> the trouble, the step that fails, the cause and the fix that it names.
BROKEN: dict[str, tuple[Trouble, str, str, str]] = {
    "the secret, deleted": (
        troubles.secret_deleted, "secret", "deleted",
        r"aws secretsmanager restore-secret --secret-id \S+",
    ),
    "the secret, unusable": (
        troubles.secret_unusable, "secret", "16, 24 or 32", "roomle-mail secret set",
    ),
    "the mailer's trigger": (
        troubles.trigger_off, "resources", "trigger is switched off",
        r"aws lambda update-event-source-mapping --enabled --uuid [0-9a-f-]{36}$",
    ),
    "the mailer's room": (
        troubles.without_concurrency(MAILER), "resources", "reserved concurrency is 0",
        "aws lambda delete-function-concurrency --function-name ",
    ),
    "the rule for SES's events": (
        troubles.rule_off, "resources", "switched off", "aws events enable-rule --name ",
    ),
    "an alarm's actions": (
        troubles.alarm_muted, "alarms", "actions are switched off",
        "enable-alarm-actions --alarm-names ",
    ),
    "the receiver's memory": (
        troubles.permission("ReceiverRole", "receive", "Remember"), "permissions",
        "ReceiverRole lost .*dynamodb:PutItem", REVERT,
    ),
    "the receiver's secret": (
        troubles.permission("ReceiverRole", "receive", "ReadSecret"), "permissions",
        "ReceiverRole lost .*secretsmanager:GetSecretValue", REVERT,
    ),
    "the mailer's dead letters": (
        troubles.permission("MailerRole", "mail", "GiveUp"), "permissions",
        "MailerRole lost .*sqs:SendMessage", REVERT,
    ),
    "the receiver's sending": (
        troubles.permission("ReceiverRole", "send", "SendEmail"), "permissions",
        "ReceiverRole lost .*ses:SendEmail", REVERT,
    ),
    "a policy that denies": (
        troubles.denied, "permissions", "has a policy 'no'",
        "aws iam delete-role-policy --role-name ",
    ),
    "the log's level": (
        troubles.variables(RECEIVER, POWERTOOLS_LOG_LEVEL="ERROR"), "log",
        "LogLevel=ERROR leaves out", "LogLevel=INFO",
    ),
    "the mailer's log level": (
        troubles.variables(MAILER, POWERTOOLS_LOG_LEVEL="WARNING"), "log",
        "LogLevel=WARNING .*MailerFunction", "LogLevel=INFO",
    ),
    "an alarm's action": (
        troubles.alarm_without_action, "alarms", "actions were removed", REVERT,
    ),
    "API Gateway's permission": (
        troubles.caller_forbidden, "resources", "API Gateway may not call the receiver", REVERT,
    ),
    "the rule, deleted": (
        troubles.rule_deleted, "resources", "SesEventsRule was deleted", REVERT,
    ),
    "the mailer's variable": (
        troubles.variables(MAILER, DEAD_LETTER_QUEUE_URL=None), "resources",
        "MailerFunction has lost .*DEAD_LETTER_QUEUE_URL", REVERT,
    ),
    "the receiver's variable": (
        troubles.variables(RECEIVER, TABLE_NAME=None), "receiver",
        "ReceiverFunction has lost .*TABLE_NAME", REVERT,
    ),
    "the queue's redrive policy": (
        troubles.without_dead_letter_queue, "resources",
        "Queue was changed by hand: it has no dead-letter", REVERT,
    ),
    "the configuration set's destination": (
        troubles.ses_events_not_handed_over, "resources",
        "does not hand SES's events to EventBridge", REVERT,
    ),
    "the sender's identity": (
        troubles.sender_unverified, "savedConfiguration|3DExportAsset", "identity",
        "create-email-identity",
    ),
}  # fmt: skip


# One of each kind; the others are in `make proof`, since each takes a whole proof.
DECIDE = {
    "the secret, deleted", "the mailer's trigger", "the receiver's sending", "the rule, deleted",
    "the sender's identity",
}  # fmt: skip


@pytest.mark.parametrize(
    "what", [pytest.param(x, marks=() if x in DECIDE else pytest.mark.proof) for x in BROKEN]
)
def test_a_fault_is_reported_with_its_cause_and_the_command_that_fixes_it(
    cli: CommandLine, stack: LocalStack, recipient: str, what: str
) -> None:
    trouble, name, cause, fix = BROKEN[what]
    before = alarm_states(stack)
    with trouble(stack, recipient):
        result = cli("prove", "--yes", "--json")

    failing = [each for each in result.json["results"] if each["state"] == "failed"]
    named = [each for each in failing if re.fullmatch(name, each["name"])]
    assert named, failing
    assert re.search(cause, named[0]["cause"])
    assert re.search(fix, named[0]["fix"])
    assert all(each["cause"] and each["fix"] for each in failing)
    assert result.code == 1
    assert by_state(result)["proved"] >= {"clean up"}
    assert_nothing_is_left(stack, before)
    assert_is_fit_for_a_bug_report(stack, result.out)


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize(
    ("role", "policy", "sid", "change"),
    [
        ("ReceiverRole", "receive", "Remember", {"Resource": "arn:aws:dynamodb:*:*:table/other"}),
        ("ReceiverRole", "receive", "ReadSecret", {"Effect": "Deny"}),
        ("MailerRole", "mail", "GiveUp", {"Resource": []}),
        ("MailerRole", "mail", "TakeFromQueue", {"Action": "sqs:ReceiveMessage"}),
        (
            "MailerRole", "mail", "TakeFromQueue",
            {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
        ),
        ("MailerRole", "send", "SendEmail", {"Action": "ses:SendRawEmail"}),
    ],
)  # fmt: skip
def test_a_permission_that_was_narrowed_in_any_way_is_found(
    stack: LocalStack, role: str, policy: str, sid: str, change: dict[str, Any]
) -> None:
    assert list(causes.permissions(Deployment.find(None))) == []
    with troubles.permission(role, policy, sid, change)(stack, ""):
        found = list(causes.permissions(Deployment.find(None)))

    assert {each.of for each in found} == {role}
    assert all(repr(policy) in each.why and re.search(REVERT, each.fix) for each in found)


@pytest.mark.usefixtures("cli")
def test_a_managed_policy_that_denies_is_found(stack: LocalStack) -> None:
    iam, name = stack.client("iam"), stack.deployed.physical_id("MailerRole")
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    arn = iam.create_policy(PolicyName="never", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    try:
        (found,) = causes.permissions(Deployment.find(None))
    finally:
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)

    assert "'never'" in found.why
    assert found.fix == f"aws iam detach-role-policy --role-name {name} --policy-arn {arn}"


# --- interrupted ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "later", "number"),
    [
        pytest.param("secret", 0.0, signal.SIGINT, marks=pytest.mark.proof),
        ("events", 0.3, signal.SIGTERM),
        pytest.param("refusals", 0.0, signal.SIGINT, marks=pytest.mark.proof),
        pytest.param("dead letter", 0.0, signal.SIGINT, marks=pytest.mark.proof),
        pytest.param("redrive", 0.0, signal.SIGTERM, marks=pytest.mark.proof),
        pytest.param("redrive", 1.0, signal.SIGINT, marks=pytest.mark.proof),
        ("alarm", 0.0, signal.SIGINT),
        pytest.param("clean up", 0.0, signal.SIGINT, marks=pytest.mark.proof),
    ],
)
def test_stopped_at_any_moment_it_leaves_nothing_behind(
    stack: LocalStack, moment: str, later: float, number: signal.Signals
) -> None:
    before = alarm_states(stack)
    with subprocess.Popen(
        [str(Path(sys.executable).with_name("roomle-mail")), "prove", "--yes", "--json"],
        env=stack.emulator.environment() | {"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr
        for line in process.stderr:
            if line.strip() == moment:
                break
        time.sleep(later)
        process.send_signal(number)
        out, err = process.communicate()

    assert "Traceback" not in err
    report = json.loads(out)
    names = {each["name"]: each["state"] for each in report["results"]}
    assert names["clean up"] == "proved", report
    # What a busy machine has no time for can fail before the end.
    assert process.returncode == (130 if "stopped" in names else "failed" in names.values())
    assert ("stopped" in names) == (moment != "clean up")
    assert_nothing_is_left(stack, before)
