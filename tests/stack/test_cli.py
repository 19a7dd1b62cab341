"""The command line on the deployed stack, found through CloudFormation as on AWS."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from roomle_mail_cli import project
from tests.command_line import CommandLine, Result
from tests.stack import troubles
from tests.stack.troubles import Trouble
from tools import fixtures, gradual
from tools.stack import deployment, emulator
from tools.stack.local import RECEIVER, LocalStack

OTHER_SECRET = "example-secret-1"


@pytest.fixture(autouse=True)
def warm_receiver(stack: LocalStack) -> None:
    assert stack.warm_up()


def saved(recipient: str) -> dict[str, Any]:
    return fixtures.payload(email=recipient)


def states(result: Result) -> dict[str, str]:
    return {each["name"]: each["state"] for each in result.json["checks"]}


def failing(result: Result) -> list[str]:
    return [name for name, state in states(result).items() if state == "fail"]


# --- doctor -----------------------------------------------------------------------------------


def test_a_healthy_stack_has_no_failing_check(cli: CommandLine) -> None:
    result = cli("doctor", "--json")

    assert failing(result) == []
    found = states(result)
    for name in (
        "stack", RECEIVER, "region", "version", "runtime", "tools", "template", "secret", "sandbox",
        "quota", f"identity {troubles.SENDER}", "configuration set", "throttle", "webhook", "clock",
        "queue", "mailer", "memory", "senders", "event bus",
    ):  # fmt: skip
        assert found[name] == "ok", name
    # That alarm is off by default, and a local stack has no DNS records.
    assert (found["silence alarm"], found["DNS"]) == ("info", "skip")
    assert all(
        each.get("advice") for each in result.json["checks"] if each["state"] in ("warn", "info")
    )


def test_doctor_finds_what_is_wrong_and_says_what_to_do(
    cli: CommandLine, stack: LocalStack
) -> None:
    sqs, dead = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="not json")
    with (
        stack.secret({stack.deployed.api_key: "too short"}),
        stack.unverified(troubles.SENDER),
        stack.environment(RECEIVER, TOKEN_REUSE="allow", DELIVERY="ses"),
    ):
        result = cli("doctor", "--json")
    sqs.purge_queue(QueueUrl=dead)

    found = states(result)
    assert found["secret"] == "fail"
    assert found[f"identity {troubles.SENDER}"] == "fail"
    assert found["dead letters"] == "fail"
    assert found["settings"] == "warn"
    assert found["throttle"] == "warn"
    assert result.code == 1
    assert "too short" not in result.out
    assert all(
        each["advice"] for each in result.json["checks"] if each["state"] in ("warn", "fail")
    )


def test_doctor_finds_a_sender_that_iam_would_not_let_through(
    cli: CommandLine, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ses, sender = stack.client("sesv2"), "new@brand.example"
    monkeypatch.setattr(project, "senders", lambda: {troubles.SENDER, sender})
    ses.create_email_identity(EmailIdentity=sender)
    try:
        result = cli("doctor", "--json")
    finally:
        ses.delete_email_identity(EmailIdentity=sender)

    [told] = [each for each in result.json["checks"] if each["name"] == "senders"]
    assert (told["state"], result.code) == ("fail", 1)
    assert sender in told["advice"]
    assert troubles.SENDER in told["advice"]  # what was allowed stays allowed


def counted(stack: LocalStack, metric: str) -> float:
    """A metric's values in the receiver's log (CloudWatch's page "Embedded metric format")."""
    lines = [json.loads(line) for line in stack.log(RECEIVER) if '"_aws"' in line]
    values = [line[metric] for line in lines if metric in line]
    return sum(sum(each) if isinstance(each, list) else each for each in values)


def test_doctor_rings_no_alarm_by_its_own_requests(cli: CommandLine, stack: LocalStack) -> None:
    refused, strangers = counted(stack, "Refused"), counted(stack, "Unauthenticated")

    cli("doctor", "--json")

    assert stack.wait_until(lambda: counted(stack, "Unauthenticated") >= strangers + 2)
    assert counted(stack, "Refused") == refused


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION", "--region"])
def test_a_region_is_enough_wherever_it_stands(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    assert cli("secret", "list").code == 3
    if variable.startswith("--"):
        assert cli("secret", "list", variable, emulator.REGION).code == 0
        assert cli("secret", "list", variable, "us-east-1").code == 3
    else:
        monkeypatch.setenv(variable, emulator.REGION)
        assert cli("secret", "list").code == 0


def test_a_stack_without_an_alias_is_known_before_a_gradual_deploy(
    cli: CommandLine,  # noqa: ARG001 (sets the environment)
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not gradual.announce(["--stack-name", deployment.NAME])
    assert "NOT gradual: ReceiverFunction and MailerFunction" in capsys.readouterr().err
    assert not gradual.announce(["--stack-name", "no-such-stack"])
    assert "NOT gradual" in capsys.readouterr().err


def test_doctor_finds_an_alarm_that_rings_and_a_subscription_that_nobody_confirmed(
    cli: CommandLine, stack: LocalStack
) -> None:
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    alarm = next(each for each in alarms if each["AlarmActions"])
    topic = alarm["AlarmActions"][0]
    sns = stack.client("sns")
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://127.0.0.1:9/")
    [subscription] = [
        each["SubscriptionArn"]
        for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        if each["Protocol"] == "https"
    ]
    stack.client("cloudwatch").set_alarm_state(
        AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="test"
    )
    try:
        result = cli("doctor", "--json")
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        stack.client("cloudwatch").set_alarm_state(
            AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="test"
        )
    assert states(result)["alarms"] == "fail"
    assert alarm["AlarmName"] in result.out
    assert states(result)["alarm emails"] == "fail"


def test_doctor_prints_lines_and_finds_a_local_stack_by_its_file(
    cli: CommandLine, stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    path = tmp_path / "stack.json"
    with deployment.described(stack.deployed, path):
        result = cli("doctor", str(path))
    lines = result.out.splitlines()
    assert [line for line in lines if line.startswith("fail")] == []
    assert "401 unauthorized" in result.out
    assert "-> " in result.out
    assert result.code == 0


# --- send, sign, verify -----------------------------------------------------------------------


@pytest.mark.parametrize("event", ["savedConfiguration", "shareConfigurationAR", "3DExportAsset"])
def test_send_mails_and_prints_the_id_that_the_log_has(
    cli: CommandLine, stack: LocalStack, recipient: str, event: str
) -> None:
    with stack.handing_on_log():
        result = cli("send", event, "--to", recipient, "--wait", "20", "--json")

    assert (result.code, result.json["code"]) == (0, "sent"), result
    assert len(stack.emails_to(recipient, at_least=1)) == 1
    assert "sent" in {line["what"] for line in result.json["log"]}
    assert {line["event_id"] for line in result.json["log"]} == {result.json["event_id"]}


def test_send_accepts_fields_and_bodies_and_fails_with_its_exit_code(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    german = cli(
        "send", "email.savedConfiguration", "--to", recipient, "--field", 'newField={"a": 1}',
        "--url", "https://www.roomle.com/t/cp/?id=catalog:item:1&lang=de",
    )  # fmt: skip
    assert german.code == 0
    assert "ist gespeichert" in stack.emails_to(recipient, at_least=1)[0].subject

    body = json.dumps(fixtures.payload("email.orderConfirmation", email=recipient))
    unknown = cli("send", "--body", "-", stdin=body)
    assert unknown.code == 1
    assert "no-template" in unknown.out
    assert "Roomle would send its own email" in unknown.err

    old = cli("send", "savedConfiguration", "--to", recipient, "--age", "3600", "--json")
    assert (old.code, old.json["answer"]) == (1, 401)


@pytest.mark.parametrize(
    ("trouble", "arguments", "answer", "reason"),
    [
        (troubles.nothing, ("--age", "3600"), 401, "TokenExpired"),
        (troubles.nothing, ("--token", "01-nothing"), 401, "TokenMalformed"),
        (troubles.nothing, ("--iv", "prefix"), 401, "TokenUnverified"),
        (troubles.nothing, ("--url", "https://evil.example/"), 422, "LinkNotAllowed"),
        (
            troubles.unanswered(troubles.secret_unusable),
            ("--secret-stdin", "--api-key", "aValidApiKey"),
            503,
            "SecretUnusable",
        ),
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
    with trouble(stack, recipient):
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


def test_send_adapts_to_what_the_deployment_accepts(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    with stack.environment(RECEIVER, TOKEN_IV="prefix", TOKEN_HEADER="x-other"):
        arguments = ("send", "savedConfiguration", "--to", recipient)
        assert stack.wait_until(lambda: cli(*arguments).code == 0, within=20)


def test_send_needs_no_aws_where_webhook_and_secret_are_given(
    cli: CommandLine, stack: LocalStack, recipient: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    url = stack.deployed.webhook_url
    arguments = ("send", "savedConfiguration", "--to", recipient, "--webhook", url)

    given = cli(*arguments, "--secret-stdin", "--api-key", stack.deployed.api_key,
                stdin=f"{stack.deployed.secret}\n")  # fmt: skip
    assert given.code == 0, given
    monkeypatch.setenv("ROOMLE_API_KEY", stack.deployed.api_key)
    monkeypatch.setenv("ROOMLE_SECRET", OTHER_SECRET)
    assert cli(*arguments).code == 1
    monkeypatch.delenv("ROOMLE_SECRET")
    assert cli(*arguments).code == 3


def test_a_dry_run_sends_nothing(cli: CommandLine, stack: LocalStack, recipient: str) -> None:
    result = cli("send", "savedConfiguration", "--to", recipient, "--dry-run", "--json")
    assert result.code == 0
    assert json.loads(result.json["body"])["data"]["email"] == recipient
    assert result.json["headers"]["token"].startswith("01-")
    assert stack.emails_to(recipient) == []


def test_verify_reports_that_a_token_was_used_before(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    token = cli("sign").out.strip()
    fresh = cli("verify", "-", "--json", stdin=f"{token}\n")
    assert (fresh.code, fresh.json["earlier_use"]) == (0, None)

    assert stack.post(fixtures.payload(email=recipient), token=token).status == 200
    used = cli("verify", token, "--json")
    assert "200 sent" in used.json["earlier_use"]


@pytest.mark.parametrize(
    ("form", "parameter"),
    [({"iv": "prefix"}, "TokenIv=prefix"), ({"algorithm": "02"}, "TokenAlgorithms")],
)
def test_verify_names_the_parameter_under_which_a_refused_token_passes(
    cli: CommandLine, stack: LocalStack, recipient: str, form: Any, parameter: str
) -> None:
    token = stack.token(**form)
    assert stack.post(fixtures.payload(email=recipient), token=token).status == 401

    result = cli("verify", token)

    assert result.code == 1
    assert parameter in result.out
    assert stack.deployed.secret not in result.out


# --- logs -------------------------------------------------------------------------------------


def test_the_log_is_found_by_address_in_any_spelling_and_by_event(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    with stack.environment(RECEIVER, DELIVERY="sqs"):
        assert stack.warm_up()
        sent = cli("send", "savedConfiguration", "--to", recipient, "--json").json
        stack.hand_on_log()
    assert stack.emails_to(recipient, at_least=1)
    name, _, domain = recipient.partition("@")
    assert stack.wait_until(
        lambda: '"sent"' in cli("logs", "--event", sent["event_id"], "--json").out
    )

    by_address = cli("logs", "--address", f"{name.upper()}+tag@{domain}", "--json")
    by_event = cli("logs", "--event", sent["event_id"])

    told = [json.loads(line) for line in by_address.out.splitlines()]
    assert {"queued", "sent"} <= {line["what"] for line in told}
    assert {line["source"] for line in told} == {"receiver", "mailer"}
    assert by_event.code == 0
    assert sent["event_id"] in by_event.out
    assert "customer.example" not in by_address.out + by_event.out
    nobody = cli("logs", "--address", "nobody@customer.example")
    assert (nobody.code, nobody.out) == (1, "")


def test_a_person_without_a_log_line_and_a_wrong_time_give_different_results(
    cli: CommandLine,
) -> None:
    assert cli("logs", "--event", uuid.uuid4().hex).code == 1
    assert cli("logs", "--since", "yesterday").code == 2


def test_the_log_is_filtered_counted_and_limited(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    with troubles.refused_often(stack, recipient):
        pass
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


def test_following_shows_new_lines(cli: CommandLine, stack: LocalStack, recipient: str) -> None:
    stack.post(fixtures.payload(email=recipient))
    result = cli("logs", "--follow", "--for", "3", "--since", "30s", "--json")
    assert result.code == 0
    assert len(set(result.out.splitlines())) == len(result.out.splitlines()) > 0


# --- the secret -------------------------------------------------------------------------------


def current(stack: LocalStack) -> str:
    return str(
        stack.client("secretsmanager").get_secret_value(
            SecretId=stack.deployed.outputs["SecretName"]
        )["SecretString"]
    )


def test_setting_a_secret_keeps_the_others_and_never_shows_any(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    api_key, secret = stack.deployed.api_key, stack.deployed.secret
    with stack.secret({api_key: secret}):
        added = cli("secret", "set", "anotherApiKey", stdin=f"{OTHER_SECRET}\n")
        assert (added.code, added.out) == (0, f"Set. API keys: {api_key}, anotherApiKey\n")
        assert json.loads(current(stack)) == {api_key: secret, "anotherApiKey": OTHER_SECRET}
        again = cli("secret", "set", "anotherApiKey", "--json", stdin=OTHER_SECRET)
        assert again.json["changed"] is False
        listed = cli("secret", "list")
        stack.restart(RECEIVER)  # it looks for a new secret once a minute, at most
        assert stack.warm_up()
        sent = cli("send", "savedConfiguration", "--to", recipient, "--api-key", "anotherApiKey")
        ambiguous = cli("send", "savedConfiguration", "--to", recipient)
        removed = cli("secret", "remove", "anotherApiKey", "--yes", "--json")

        assert (sent.code, ambiguous.code) == (0, 2)
        assert removed.json["api_keys"] == [api_key]
        everything = [added, again, listed, sent, ambiguous, removed]
        for hidden in (secret, OTHER_SECRET):
            assert not any(hidden in each.out + each.err for each in everything)


def test_a_key_that_is_removed_now_is_refused_at_once(
    cli: CommandLine, stack: LocalStack, recipient: str
) -> None:
    api_key, secret = stack.deployed.api_key, stack.deployed.secret
    token = partial(stack.token, api_key="leakedApiKey", secret=OTHER_SECRET)
    with stack.secret({api_key: secret, "leakedApiKey": OTHER_SECRET}):
        stack.restart(RECEIVER)
        accepted = partial(stack.post, saved(recipient))
        assert stack.wait_until(lambda: accepted(token=token()).status == 200)

        removed = cli("secret", "remove", "leakedApiKey", "--yes")
        still = accepted(token=token()).status
        ended = cli("secret", "remove", "leakedApiKey", "--now", "--yes")

        assert (removed.code, still) == (0, 200)
        assert "still counts until" in removed.err
        assert "secret remove leakedApiKey --now" in removed.err
        assert ended.code == 0, ended
        assert stack.wait_until(lambda: accepted(token=stack.token()).status == 200)
        assert accepted(token=token()).status == 401


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (("anotherApiKey",), "fifteen-chars--"),
        (("anotherApiKey",), ""),
        (("another;Key",), OTHER_SECRET),
        ((), "not json"),
        ((), '{"anotherApiKey": 1}'),
        (("--replace",), "{}"),
    ],
)
def test_an_unusable_secret_changes_nothing(
    cli: CommandLine, stack: LocalStack, arguments: tuple[str, ...], stdin: str
) -> None:
    before = current(stack)
    result = cli("secret", "set", *arguments, stdin=stdin)
    assert result.code in (1, 2)
    assert current(stack) == before
    assert not stdin or stdin not in result.out + result.err


# --- what a user meets first ------------------------------------------------------------------


def test_the_command_runs_from_any_folder(stack: LocalStack, tmp_path: Path) -> None:
    launcher = Path(sys.executable).with_name("roomle-mail")
    ran = subprocess.run(
        [str(launcher), "secret", "list", "--json"],
        cwd=tmp_path, env=stack.emulator.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert [each["api_key"] for each in json.loads(ran.stdout)] == [stack.deployed.api_key]


def test_what_cannot_be_reached_says_so_in_a_sentence(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = cli("doctor", "no-such-stack")
    assert missing.code == 3
    assert "no stack 'no-such-stack'" in missing.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert cli("doctor").code == 3
    assert cli("doctor", "no-such-file.json").code == 3
