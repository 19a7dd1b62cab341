"""What the command line asks of AWS, where the emulator can't show it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from roomle_mail_cli import causes, doctor, keys, letters, plan, project, senders, steps
from roomle_mail_cli.commands import why
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.screen import CliError
from tests.command_line import CommandLine
from tests.unit import cloudformation

REGION, ACCOUNT = "eu-central-1", "123456789012"
QUEUE, DEAD = "arn:aws:sqs:eu-central-1:123456789012:q", "arn:aws:sqs:eu-central-1:123456789012:d"
SECRETS = [{"anApiKey": f"example-secret-{n}"} for n in range(4)]


# --- redriving --------------------------------------------------------------------------------


@pytest.fixture
def sqs(deployment: Deployment) -> Iterator[Stubber]:
    with Stubber(deployment.client("sqs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def expect_arns(sqs: Stubber) -> None:
    for url, arn in (("https://d", DEAD), ("https://q", QUEUE)):
        sqs.add_response(
            "get_queue_attributes",
            {"Attributes": {"QueueArn": arn}},
            {"QueueUrl": url, "AttributeNames": ["QueueArn"]},
        )


def test_all_letters_are_moved_by_sqs_with_their_destination_named(
    deployment: Deployment, sqs: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    expect_arns(sqs)
    sqs.add_response(
        "start_message_move_task",
        {"TaskHandle": "handle"},
        {"SourceArn": DEAD, "DestinationArn": QUEUE, "MaxNumberOfMessagesPerSecond": 10},
    )
    for status, moved in (("RUNNING", 3), ("COMPLETED", 5)):
        sqs.add_response(
            "list_message_move_tasks",
            {"Results": [{"Status": status, "ApproximateNumberOfMessagesMoved": moved}]},
            {"SourceArn": DEAD, "MaxResults": 1},
        )
    steps: list[int] = []

    assert letters.redrive(deployment, rate=10, step=steps.append) == 5
    assert steps == [3, 2]


def test_an_endpoint_without_moves_differs_from_one_that_refuses(
    deployment: Deployment, sqs: Stubber
) -> None:
    expect_arns(sqs)
    sqs.add_client_error("start_message_move_task", "InvalidAction")
    assert letters.redrive(deployment, rate=None, step=lambda _: None) is None

    expect_arns(sqs)
    sqs.add_client_error("start_message_move_task", "AccessDenied", "not allowed")
    with pytest.raises(CliError, match="AWS does not allow StartMessageMoveTask"):
        letters.redrive(deployment, rate=None, step=lambda _: None)


def test_a_move_that_fails_says_why(deployment: Deployment, sqs: Stubber) -> None:
    expect_arns(sqs)
    sqs.add_response("start_message_move_task", {"TaskHandle": "handle"})
    sqs.add_response(
        "list_message_move_tasks",
        {"Results": [{"Status": "FAILED", "FailureReason": "AWS.SQS.AccessDenied"}]},
    )
    with pytest.raises(CliError, match=r"AWS\.SQS\.AccessDenied"):
        letters.redrive(deployment, rate=None, step=lambda _: None)


def test_a_letter_is_sent_before_it_is_deleted(deployment: Deployment, sqs: Stubber) -> None:
    now = datetime.now(UTC)
    letter = letters.Letter("id", "receipt", "body", reason="-", since=now, queued=None)
    sqs.add_client_error("send_message", "ServiceUnavailable", http_status_code=503)
    with pytest.raises(CliError, match="ServiceUnavailable"):
        letters.resend(deployment, [letter], lambda _: None)


# --- the secret -------------------------------------------------------------------------------


def test_a_second_change_within_the_overlap_is_warned_about(deployment: Deployment) -> None:
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        client.create_secret(Name="secret")
        assert keys.put(deployment, SECRETS[0]).warnings == []
        assert keys.put(deployment, SECRETS[1]).warnings == []
        [warning] = keys.put(deployment, SECRETS[2]).warnings
        assert "still valid" in warning
        later = datetime.now(UTC) + timedelta(hours=2)
        assert keys.put(deployment, SECRETS[3], now=later).warnings == []
        assert [stage for stage, _ in keys.known(deployment)] == ["AWSCURRENT", "AWSPREVIOUS"]


def test_the_published_secret_is_refused_on_aws(deployment: Deployment) -> None:
    with mock_aws():
        boto3.client("secretsmanager", region_name=REGION).create_secret(Name="secret")
        with pytest.raises(CliError, match="published"):
            keys.put(deployment, {"anApiKey": "a-Secr3t_Str1ng!"})


def test_a_value_that_is_not_json_is_only_replaced_on_request(deployment: Deployment) -> None:
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        client.create_secret(Name="secret", SecretString="example-secret-0")
        with pytest.raises(CliError, match="not a JSON object"):
            keys.put(deployment, SECRETS[0])
        assert keys.put(deployment, SECRETS[0], replace=True).changed
        assert json.loads(client.get_secret_value(SecretId="secret")["SecretString"]) == SECRETS[0]


@pytest.fixture
def two_keys(deployment: Deployment) -> Iterator[Any]:
    """A secret with two API keys, and a receiver that uses it."""
    vars(deployment)["resources"] = {"ReceiverFunction": ("AWS::Lambda::Function", "receiver")}
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        both = {"old": "example-secret-0", "new": "example-secret-1"}
        client.create_secret(Name="secret", SecretString=json.dumps(both))
        yield client


def test_a_removed_key_counts_for_the_overlap(deployment: Deployment, two_keys: Any) -> None:
    now = datetime.now(UTC)
    change = keys.remove(deployment, "old", now=now)
    assert change.api_keys == ["new"]
    assert change.until == now + timedelta(hours=1)
    assert [each.api_key for _, each in keys.known(deployment)] == ["new", "old"]
    assert json.loads(two_keys.get_secret_value(SecretId="secret")["SecretString"]) == {
        "new": "example-secret-1"
    }


def restarted(deployment: Deployment) -> Stubber:
    """Expect that the receiver's configuration is changed."""
    aws = Stubber(deployment.client("lambda"))
    aws.add_response("update_function_configuration", {})
    aws.add_response("get_function", {"Configuration": {"LastUpdateStatus": "Successful"}})
    return aws


@pytest.mark.parametrize("removed_before", [False, True])
@pytest.mark.usefixtures("two_keys")
def test_a_key_that_is_removed_now_counts_no_more(
    deployment: Deployment, *, removed_before: bool
) -> None:
    if removed_before:
        keys.remove(deployment, "old")
    with restarted(deployment) as aws:
        change = keys.remove(deployment, "old", at_once=True)
        aws.assert_no_pending_responses()
    assert (change.api_keys, change.until, change.changed) == (["new"], None, True)
    assert [each.api_key for _, each in keys.known(deployment)] == ["new"]


def test_a_deleted_secret_leads_to_the_command_that_restores_it(
    deployment: Deployment, two_keys: Any
) -> None:
    two_keys.delete_secret(SecretId="secret", RecoveryWindowInDays=7)

    for use in (
        lambda: keys.current(deployment),
        lambda: keys.put(deployment, SECRETS[0]),
        lambda: keys.remove(deployment, "old"),
    ):
        with pytest.raises(CliError, match="was deleted; it can be restored") as refused:
            use()
        assert refused.value.advice == "aws secretsmanager restore-secret --secret-id secret"
    [check] = doctor.make("secret", doctor.check_secret, deployment)
    assert (check.state, check.advice) == ("fail", refused.value.advice)


@pytest.mark.usefixtures("two_keys")
def test_a_receiver_that_cannot_be_restarted_is_told(deployment: Deployment) -> None:
    with Stubber(deployment.client("lambda")) as aws:
        aws.add_client_error("update_function_configuration", "AccessDeniedException", "no")
        change = keys.remove(deployment, "old", at_once=True)
    assert "for five minutes more" in "".join(change.warnings)

    keys.put(deployment, SECRETS[0])
    vars(deployment)["resources"]["Alias"] = ("AWS::Lambda::Alias", "arn")
    assert "for five minutes more" in "".join(
        keys.remove(deployment, "anApiKey", at_once=True).warnings
    )


@pytest.mark.usefixtures("two_keys")
def test_the_only_key_and_an_unknown_key_are_not_removed(deployment: Deployment) -> None:
    with pytest.raises(CliError, match="no API key 'other'"):
        keys.remove(deployment, "other", at_once=True)
    keys.remove(deployment, "old")
    with pytest.raises(CliError, match="is the only API key"):
        keys.remove(deployment, "new")


def test_a_value_that_is_not_json_leads_to_the_command_that_replaces_it(
    deployment: Deployment,
) -> None:
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        client.create_secret(Name="secret", SecretString="example-secret-0")
        with pytest.raises(CliError, match=r"\(16 characters\) is not a JSON object") as refused:
            keys.put(deployment, SECRETS[0])
    assert refused.value.advice == "Replace it: roomle-mail secret set anApiKey --replace"


SHORT = "the secret is unusable: the secret of {} has 5 characters; it needs 16, 24 or 32"


@pytest.mark.parametrize("as_json", [False, True])
def test_doctor_and_prove_say_which_key_is_unusable_and_a_report_does_not(
    deployment: Deployment,
    two_keys: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool,
) -> None:
    pairs = {"aGoodKey": "example-secret-0", "aBrokenKey": "short"}
    two_keys.put_secret_value(SecretId="secret", SecretString=json.dumps(pairs))
    vars(deployment)["stack"] = {"StackName": "roomle-mail"}
    monkeypatch.setattr(Deployment, "find", lambda _: deployment)
    monkeypatch.setattr(plan, "steps_for", lambda _: {"secret": steps.prove_secret})

    [check] = doctor.make("secret", doctor.check_secret, deployment)
    proved = CommandLine(monkeypatch, capsys)("prove", "--yes", *["--json"] * as_json)

    assert check.found.startswith(SHORT.format("'aBrokenKey'"))
    assert check.advice == "roomle-mail secret set aBrokenKey"
    assert proved.code == 1
    assert "aGoodKey" not in proved.out + proved.err
    if as_json:
        [failed] = [each for each in proved.json["results"] if each["state"] == "failed"]
        assert failed["cause"] == check.found.replace("aBrokenKey", "API_KEY")
        assert failed["fix"] == "roomle-mail secret set API_KEY"
        assert "aBrokenKey" not in proved.out + proved.err
    else:
        told = " ".join(proved.out.split())
        assert check.found in told
        assert f"-> {check.advice}" in told


def test_a_secret_that_is_nested_without_end_is_replaced_and_its_keys_are_not_looked_for(
    deployment: Deployment, two_keys: Any
) -> None:
    two_keys.put_secret_value(SecretId="secret", SecretString="[" * 60_000)
    with pytest.raises(CliError, match="but nested"):
        keys.put(deployment, SECRETS[0])
    assert keys.put(deployment, SECRETS[0], replace=True).changed
    with pytest.raises(CliError, match="no API key 'other'"):
        keys.remove(deployment, "other", at_once=True)


# --- doctor -----------------------------------------------------------------------------------


IMPORT = "Unable to import module 'app': No module named 'roomle_mail'"
TIMED_OUT = "2026-01-15T09:30:00Z 0f3a Task timed out after 30.00 seconds"


@pytest.mark.parametrize(
    ("error", "says", "advises"),
    [
        ({}, None, ""),
        ({"errorType": "Runtime.ImportModuleError", "errorMessage": IMPORT}, IMPORT, "sam build"),
        ({"errorMessage": "init failed: No module named 'x'"}, "can't start", "sam build"),
        ({"errorMessage": TIMED_OUT}, "took longer than its time-out", "MemorySize"),
        ({"errorType": "KeyError", "errorMessage": "'x'"}, "KeyError", "why MailerErrorsAlarm"),
    ],
)
def test_a_mailer_that_cannot_start_is_called_and_reported(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    error: dict[str, str],
    says: str | None,
    advises: str,
) -> None:
    vars(deployment)["resources"] = {"MailerFunction": ("AWS::Lambda::Function", "mailer")}
    for each in ("trigger", "configuration", "variables"):
        monkeypatch.setattr(causes, each, lambda _: iter(()))
    answer = json.dumps(error or {"batchItemFailures": []}).encode()
    failed = {"FunctionError": "Unhandled"} if error else {}
    with Stubber(deployment.client("lambda")) as aws:
        body = StreamingBody(BytesIO(answer), len(answer))
        aws.add_response(
            "invoke",
            {"StatusCode": 200, "Payload": body} | failed,
            {"FunctionName": "mailer", "Payload": b'{"Records": []}'},
        )
        *_, told = doctor.make("mailer", doctor.check_mailer, deployment)
    assert told.state == ("fail" if error else "ok")
    assert says is None or says in told.found
    assert advises in told.advice


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ({}, ["ok"]),
        ({"receiver": [0.0], "bounces": [0.04], "complaints": [0.0009]}, ["ok"]),
        ({"receiver": [3.0, 4.0]}, ["warn"]),
        ({"webhook": [1.0]}, ["warn"]),
        ({"bounces": [0.05]}, ["fail"]),
        ({"complaints": [0.001], "webhook": [9.0]}, ["warn", "fail"]),
        # The newest value comes first: this is over.
        ({"bounces": [0.01, 0.09]}, ["ok"]),
    ],
)
def test_what_only_metrics_show_is_reported(
    deployment: Deployment, values: dict[str, list[float]], states: list[str]
) -> None:
    vars(deployment)["parameters"] = {"ThrottleRate": "50", "ThrottleBurst": "100"}
    vars(deployment)["resources"] = {"ReceiverFunction": ("AWS::Lambda::Function", "receiver")}
    with Stubber(deployment.client("cloudwatch")) as watch:
        results = [{"Id": name, "Values": each} for name, each in values.items()]
        watch.add_response("get_metric_data", {"MetricDataResults": results})
        found = doctor.make("metrics", doctor.check_metrics, deployment)
    assert [each.state for each in found] == states
    assert all(each.advice for each in found if each.state != "ok")
    if "receiver" in values and states != ["ok"]:
        assert "receiver 7 times" in found[0].found


@pytest.mark.parametrize(
    ("alarm", "told"),
    [
        ("SesQuotaAlarm", "45000 of 50000 emails in 24 hours, 14 a second"),
        ("OldestMessageAlarm", "1 waiting, 0 at work or waiting for their next try"),
        ("StillWaitingAlarm", "1 waiting, 0 at work or waiting for their next try"),
        ("SilenceAlarm", "off (AlarmSilenceHours=0): nobody is notified when"),
        ("BounceRateAlarm", "6.0% of this account's emails bounce"),
        ("ComplaintRateAlarm", ""),
    ],
)
def test_why_says_what_aws_measures_of_an_alarm(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, alarm: str, told: str
) -> None:
    sent = account(quota={"SentLast24Hours": 45_000.0})
    monkeypatch.setattr(senders, "account", lambda _: sent)
    vars(deployment).update(
        parameters={"AlarmSilenceHours": "0"},
        resources={"ReceiverFunction": ("AWS::Lambda::Function", "receiver")},
    )
    with mock_aws(), Stubber(deployment.client("cloudwatch")) as watch:
        url = deployment.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        deployment.outputs["QueueUrl"] = url
        deployment.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
        watch.add_response(
            "get_metric_data", {"MetricDataResults": [{"Id": "bounces", "Values": [0.06]}]}
        )
        found = why.measured(deployment, alarm)
    assert found.startswith(told) if told else not found


def test_what_aws_does_not_allow_to_measure_is_left_out(deployment: Deployment) -> None:
    with Stubber(deployment.client("sqs")) as sqs:
        sqs.add_client_error("get_queue_attributes", "AccessDenied")
        assert why.measured(deployment, "OldestMessageAlarm") == ""


def test_a_check_whose_resource_is_gone_fails(deployment: Deployment) -> None:
    with Stubber(deployment.client("dynamodb")) as aws:
        aws.add_client_error("describe_table", "ResourceNotFoundException", "Table: table")
        [check] = doctor.make("memory", doctor.check_table, deployment)
    assert check.state == "fail"
    assert "REVERT_DRIFT" in check.advice


def test_settings_that_the_receiver_refuses_fail(deployment: Deployment) -> None:
    deployment.environment["TOKEN_IV"] = "neither"
    [check] = doctor.make("settings", doctor.check_settings, deployment)
    assert (check.state, "TOKEN_IV" in check.found) == ("fail", True)


def described(deployment: Deployment, stubber: Stubber, **parameters: str) -> dict[str, Any]:
    """Let CloudFormation tell the template; return the resources as deployed with parameters."""
    template = cloudformation.read()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = cloudformation.merge(
                template["Globals"]["Function"], resource["Properties"]
            )
            resource["Properties"] = properties
    stubber.add_response("get_template", {"TemplateBody": json.dumps(template)})
    vars(deployment)["parameters"] = {"MemorySize": "1024", "Mailer": "on"} | parameters
    return cloudformation.Stack(**parameters).resources


TLS = {"Bool": {"aws:SecureTransport": "false"}}
TLS_ONLY = [{"Sid": "TlsOnly", "Effect": "Deny", "Action": "sqs:*", "Condition": TLS}]
OTHERS = {"Sid": "Others", "Effect": "Allow", "Action": "sqs:SendMessage"}


def policy_of(queue: str, *statements: dict[str, Any]) -> str:
    where = {"Principal": "*", "Resource": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [x | where for x in statements]})


@pytest.fixture
def queues(deployment: Deployment) -> Iterator[Callable[..., Any]]:
    """Return a function that makes the template's queues, and one that changes them by hand."""

    def make(**parameters: str) -> None:
        resources = described(deployment, stubber, **parameters)
        vars(deployment)["resources"] = made = {}
        for name in ("DeadLetterQueue", "Queue"):
            wanted = resources[name]["Properties"]
            if policy := wanted.pop("RedrivePolicy", {}):
                policy["deadLetterTargetArn"] = f"arn:aws:sqs:{REGION}:{ACCOUNT}:DeadLetterQueue"
                wanted["RedrivePolicy"] = json.dumps(policy)
            attributes = {key: str(value).replace("True", "true") for key, value in wanted.items()}
            attributes["Policy"] = policy_of(name, *TLS_ONLY)
            created = deployment.client("sqs").create_queue(QueueName=name, Attributes=attributes)
            made[name] = ("AWS::SQS::Queue", created["QueueUrl"])
            made[f"{name}TlsOnly"] = ("AWS::SQS::QueuePolicy", f"{name}TlsOnly")

    with mock_aws(), Stubber(deployment.client("cloudformation")) as stubber:
        yield make


def set_attributes(deployment: Deployment, name: str, **attributes: str) -> None:
    url, sqs = deployment.resources[name][1], deployment.client("sqs")
    # moto forgets a policy that is not set again.
    kept = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=kept | attributes)


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("Queue", {"VisibilityTimeout": "10"}, "VisibilityTimeout is 10, not 180, so messages are"),
        ("Queue", {"VisibilityTimeout": "999"}, "VisibilityTimeout is 999, not 180, so what was"),
        ("Queue", {"MessageRetentionPeriod": "60"}, "MessageRetentionPeriod is 60, not 1209600"),
        ("DeadLetterQueue", {"MessageRetentionPeriod": "60"}, "SQS deletes what waits longer"),
        ("DeadLetterQueue", {"VisibilityTimeout": "9"}, "VisibilityTimeout is 9, not 30"),
        ("Queue", {"DelaySeconds": "900"}, "DelaySeconds is 900, not 0, so every message waits"),
        ("Queue", {"MaximumMessageSize": "1024"}, "MaximumMessageSize is 1024"),
        ("Queue", {"DelaySeconds": "9", "VisibilityTimeout": "9"}, "180, so messages"),
    ],
)
def test_a_queue_that_was_changed_by_hand_is_put_back_by_the_command_that_is_told(
    deployment: Deployment, queues: Any, name: str, changed: dict[str, str], told: str
) -> None:
    queues()
    assert list(causes.queues(deployment)) == []
    set_attributes(deployment, name, **changed)

    [cause] = causes.queues(deployment)

    assert cause.why.startswith(f"{name} was changed by hand: ")
    assert told in cause.why
    assert ACCOUNT not in cause.fix
    command = shlex.split(cause.fix)
    assert f"--queue-name {name} " in command[command.index("--queue-url") + 1]
    put_back = dict(each.split("=") for each in command[-1].split(","))
    assert put_back.keys() == changed.keys()
    set_attributes(deployment, name, **put_back)
    assert list(causes.queues(deployment)) == []


DEAD_LETTERS = f"arn:aws:sqs:{REGION}:{ACCOUNT}:DeadLetterQueue"


@pytest.mark.parametrize(
    ("parameters", "changed", "told"),
    [
        ({}, {"RedrivePolicy": ""}, "it has no dead-letter queue"),
        ({}, (DEAD_LETTERS, 3), "maxReceiveCount is 3, not 28, so emails are given up sooner"),
        ({}, (DEAD_LETTERS, 120), "maxReceiveCount is 120, not 28, so emails are given up later"),
        ({"Mailer": "off", "Delivery": "sqs"}, (DEAD_LETTERS, 28), "is 28, not 120"),
        ({}, (f"arn:aws:sqs:{REGION}:{ACCOUNT}:other", 28), "go to another queue"),
        ({}, {"KmsMasterKeyId": "alias/ours", "SqsManagedSseEnabled": "false"}, "alias/ours"),
        ({}, {"SqsManagedSseEnabled": "false"}, "it is not encrypted"),
    ],
)
def test_dead_letters_and_encryption_that_were_changed_by_hand_are_told(
    deployment: Deployment, queues: Any, parameters: dict[str, str], changed: Any, told: str
) -> None:
    queues(**parameters)
    deployment.client("sqs").create_queue(QueueName="other")
    assert list(causes.queues(deployment)) == []
    if isinstance(changed, tuple):
        names = ("deadLetterTargetArn", "maxReceiveCount")
        changed = {"RedrivePolicy": json.dumps(dict(zip(names, changed, strict=True)))}
    set_attributes(deployment, "Queue", **changed)

    [cause] = causes.queues(deployment)

    assert told in cause.why
    assert "REVERT_DRIFT" in cause.fix


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ([], "its policy lost the statement TlsOnly"),
        ([TLS_ONLY[0] | {"Effect": "Allow"}], "its policy lost the statement TlsOnly"),
        ([TLS_ONLY[0] | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}], "TlsOnly"),
        ([*TLS_ONLY, OTHERS], "a statement Others, not the stack's, that lets others use it"),
        ([*TLS_ONLY, OTHERS | {"Effect": "Deny"}], "not the stack's, that denies something"),
    ],
)
@pytest.mark.parametrize("name", ["Queue", "DeadLetterQueue"])
def test_a_queues_policy_that_was_changed_by_hand_is_told(
    deployment: Deployment, queues: Any, name: str, statements: list[dict[str, Any]], told: str
) -> None:
    queues()
    policy = policy_of(name, *statements) if statements else ""
    set_attributes(deployment, name, Policy=policy)

    [cause] = causes.queues(deployment)

    assert cause.why.startswith(f"{name} was changed by hand: ")
    assert told in cause.why
    assert "REVERT_DRIFT" in cause.fix


FUNCTION = {
    "Handler": "app.handler",
    "Runtime": "python3.13",
    "MemorySize": 1024,
    "Timeout": 10,
    "Environment": {"Variables": {"ANSWER_WITHIN": "8"}},
}


@pytest.mark.parametrize(
    ("name", "has", "told"),
    [
        ("ReceiverFunction", {"Timeout": 10}, None),
        ("ReceiverFunction", {"Timeout": 1}, "Timeout is 1, not 10, which is too short for the"),
        ("ReceiverFunction", {"Timeout": 8}, "ANSWER_WITHIN=8: Lambda stops it before it can"),
        ("ReceiverFunction", {"Timeout": 9}, "Timeout is 9, not 10"),
        ("ReceiverFunction", {"Timeout": 60}, "Timeout is 60, not 10"),
        ("ReceiverFunction", {"MemorySize": 128}, "MemorySize is 128, not 1024, so it gets less"),
        ("ReceiverFunction", {"Timeout": 1, "MemorySize": 128}, "may run out of time; Timeout is"),
        ("MailerFunction", {"Timeout": 30}, None),
        ("MailerFunction", {"Timeout": 3}, "Timeout is 3, not 30, so Lambda stops it during a"),
        ("MailerFunction", {"Timeout": 30, "Handler": "x.y"}, "Handler is x.y, not app.handler"),
    ],
)
def test_a_function_that_was_changed_by_hand_is_told_with_what_that_does(
    deployment: Deployment, name: str, has: dict[str, Any], told: str | None
) -> None:
    vars(deployment)["resources"] = {name: ("AWS::Lambda::Function", name)}
    with (
        Stubber(deployment.client("cloudformation")) as stubber,
        Stubber(deployment.client("lambda")) as aws,
    ):
        described(deployment, stubber)
        aws.add_response("get_function_configuration", FUNCTION | has)
        found = [each.why for each in causes.configuration(deployment)]
    assert found == [] if told is None else told in found[0]
    stopped = name == "ReceiverFunction" and has.get("Timeout", 10) <= 8
    assert ("Roomle sends its own email" in "".join(found)) == stopped


SET = {"AnswerWithin": "8", "EventBus": "", "TokenHeader": "token"}
AS_SET = {"ANSWER_WITHIN": "8", "EVENT_BUS": "", "TOKEN_HEADER": "token", "OF_OUR_OWN": "x"}


@pytest.mark.parametrize(
    ("changed", "told", "kept"),
    [
        ({}, None, ""),
        ({"ANSWER_WITHIN": "30"}, "ANSWER_WITHIN is '30', but AnswerWithin is '8'",
         "sam deploy --parameter-overrides AnswerWithin=30."),
        ({"EVENT_BUS": "a bus", "TOKEN_HEADER": "x"},
         "TOKEN_HEADER is 'x', but TokenHeader is 'token'; EVENT_BUS is 'a bus', but EventBus is",
         "--parameter-overrides TokenHeader=x 'EventBus=a bus'."),
    ],
)  # fmt: skip
def test_a_variable_that_differs_from_its_parameter_is_a_warning_with_both_ways_out(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    told: str | None,
    kept: str,
) -> None:
    vars(deployment)["resources"] = {"ReceiverFunction": ("AWS::Lambda::Function", "receiver")}
    for each in ("variables", "configuration", "concurrency"):
        monkeypatch.setattr(causes, each, lambda _: iter(()))
    with (
        Stubber(deployment.client("cloudformation")) as stubber,
        Stubber(deployment.client("lambda")) as aws,
    ):
        described(deployment, stubber, **SET)
        variables = {"Environment": {"Variables": AS_SET | changed}}
        aws.add_response("get_function_configuration", FUNCTION | variables)
        [check] = doctor.make("functions", doctor.check_functions, deployment)
    assert check.state == ("warn" if told else "ok")
    if told:
        assert check.found.startswith(f"ReceiverFunction was changed by hand: {told}")
        assert kept in check.advice
        assert "REVERT_DRIFT" in check.advice


def found(deployment: Deployment, name: str) -> dict[str, tuple[str, str]]:
    checks = doctor.make(name, doctor.checks()[name], deployment)
    return {each.name: (each.state, each.advice) for each in checks}


def account(**changes: Any) -> dict[str, Any]:
    quota = {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 10.0}
    return {
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "EnforcementStatus": "HEALTHY",
        "SendQuota": quota | changes.pop("quota", {}),
    } | changes


@pytest.mark.parametrize(
    ("answer", "name", "state"),
    [
        (account(), "sandbox", "ok"),
        (account(ProductionAccessEnabled=False), "sandbox", "fail"),
        (account(SendingEnabled=False), "sending", "fail"),
        (account(EnforcementStatus="SHUTDOWN"), "sending", "fail"),
        (account(EnforcementStatus="PROBATION"), "sending", "warn"),
        (account(quota={"SentLast24Hours": 45_000.0}), "quota", "warn"),
    ],
)
def test_the_state_of_the_ses_account_is_reported(
    deployment: Deployment, answer: dict[str, Any], name: str, state: str
) -> None:
    with Stubber(deployment.client("sesv2")) as ses:
        ses.add_response("get_account", answer)
        result = found(deployment, "sandbox")[name]
    assert result[0] == state
    assert (result[1] == "") == (state == "ok")


@pytest.mark.parametrize(
    ("delivery", "rate", "cap", "states"),
    [
        ("ses", "10", "0", {"throttle": "ok"}),
        ("ses", "50", "0", {"throttle": "warn"}),
        ("ses,sqs", "50", "0", {"throttle": "ok"}),
        ("ses,sqs", "50", "10000", {"throttle": "ok", "daily quota": "warn"}),
    ],
)
def test_the_throttle_is_compared_with_what_ses_sends(
    deployment: Deployment, delivery: str, rate: str, cap: str, states: dict[str, str]
) -> None:
    vars(deployment)["parameters"] = {"ThrottleRate": rate}
    deployment.environment.update({"DELIVERY": delivery, "MAX_EMAILS_PER_HOUR": cap})
    with Stubber(deployment.client("sesv2")) as ses, Stubber(deployment.client("lambda")) as aws:
        ses.add_response("get_account", account())
        limits = {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
        aws.add_response("get_account_settings", {"AccountLimit": limits})
        result = {name: state for name, (state, _) in found(deployment, "throttle").items()}
    assert result == states | {"concurrency": "warn"}


@pytest.mark.parametrize(
    ("subscription", "state"),
    [
        (None, "warn"),
        ("PendingConfirmation", "fail"),
        ("arn:aws:sns:eu-central-1:123456789012:t:1", "ok"),
    ],
)
def test_an_alarm_that_notifies_nobody_is_found(
    deployment: Deployment, subscription: str | None, state: str
) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:t"
    vars(deployment)["resources"] = {"DeadLetters": ("AWS::CloudWatch::Alarm", "alarm")}
    alarm = {
        "AlarmName": "alarm", "StateValue": "ALARM", "ActionsEnabled": False,
        "AlarmActions": [topic], "StateUpdatedTimestamp": datetime.now(UTC),
    }  # fmt: skip
    with (
        Stubber(deployment.client("cloudwatch")) as watch,
        Stubber(deployment.client("sns")) as sns,
    ):
        watch.add_response("describe_alarms", {"MetricAlarms": [alarm]})
        given = [{"SubscriptionArn": subscription}] if subscription else []
        sns.add_response("list_subscriptions_by_topic", {"Subscriptions": given})
        if state == "ok":
            attributes = {"PendingConfirmation": "false"}
            sns.add_response("get_subscription_attributes", {"Attributes": attributes})
        result = {name: found_state for name, (found_state, _) in
                  found(deployment, "alarms").items()}  # fmt: skip
    assert result == {"alarms": "fail", "alarm actions": "warn", "alarm emails": state}


def test_a_check_that_aws_does_not_allow_is_a_warning(deployment: Deployment) -> None:
    with Stubber(deployment.client("sesv2")) as ses:
        ses.add_client_error("get_account", "AccessDeniedException", "no")
        assert found(deployment, "sandbox")["sandbox"][0] == "warn"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UPDATE_COMPLETE", "ok"),
        ("UPDATE_ROLLBACK_COMPLETE", "warn"),
        ("ROLLBACK_COMPLETE", "fail"),
    ],
)
def test_the_state_of_the_stack_and_its_region_are_reported(
    deployment: Deployment, status: str, state: str
) -> None:
    stack_id = "arn:aws:cloudformation:eu-west-1:123456789012:stack/roomle-mail/1"
    vars(deployment)["stack"] = {"StackStatus": status, "StackId": stack_id}
    assert next(doctor.check_stack(deployment)).state == state
    assert [each.state for each in doctor.check_region(deployment)] == ["warn"]


@pytest.mark.parametrize(
    ("outputs", "runtime", "states"),
    [
        ({"Version": project.version()}, "python3.13", ("ok", "ok")),
        ({"Version": "0.0.1"}, "python3.12", ("warn", "fail")),
        ({}, "python3.13", ("warn", "ok")),
    ],
)
def test_a_deployment_of_another_version_is_reported(
    deployment: Deployment, outputs: dict[str, str], runtime: str, states: tuple[str, str]
) -> None:
    vars(deployment)["outputs"], vars(deployment)["parameters"] = outputs, {}
    vars(deployment)["resources"] = {"ReceiverFunction": ("AWS::Lambda::Function", "receiver")}
    function = {"Runtime": runtime, "LastModified": "2026-01-15T08:00:00.000+0000"}
    with Stubber(deployment.client("lambda")) as aws:
        aws.add_response("get_function_configuration", function)
        result = found(deployment, "versions")
    assert (result["version"][0], result["runtime"][0]) == states
    assert all((advice == "") == (state == "ok") for state, advice in result.values())


ANY_ALARMS = {
    "AlarmNames": ["silence"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100,
}  # fmt: skip
CREATED = datetime.now(UTC) - timedelta(days=400)


@pytest.mark.parametrize(
    ("state", "events", "told"),
    [
        ("OK", [], "ok"),
        # No event has come yet, so none is missing: `missing` data, or `breaching` as before.
        ("INSUFFICIENT_DATA", [], "info"),
        ("ALARM", [], "info"),
        # An event has come, but the alarm has not been evaluated since.
        ("INSUFFICIENT_DATA", [timedelta(hours=1)], "info"),
        # Events came, but no longer do.
        ("INSUFFICIENT_DATA", [timedelta(hours=30)], "fail"),
        ("ALARM", [timedelta(hours=30), timedelta(hours=31)], "fail"),
        ("INSUFFICIENT_DATA", [timedelta(days=90)], "fail"),
    ],
)
def test_silence_differs_from_a_stack_that_has_had_no_event_yet(
    deployment: Deployment, state: str, events: list[timedelta], told: str
) -> None:
    now = datetime.now(UTC)
    vars(deployment)["parameters"] = {"AlarmSilenceHours": "24"}
    vars(deployment)["resources"] = {
        "SilenceAlarm": ("AWS::CloudWatch::Alarm", "silence"),
        "OtherAlarm": ("AWS::CloudWatch::Alarm", "other"),
    }
    vars(deployment)["stack"] = {"CreationTime": CREATED}
    alarm = {
        "AlarmName": "silence", "StateValue": state, "Namespace": "RoomleMail",
        "MetricName": "Received", "Dimensions": [{"Name": "stack", "Value": "roomle-mail"}],
        "AlarmActions": ["arn:aws:sns:eu-central-1:123456789012:t"],
    }  # fmt: skip
    with Stubber(deployment.client("cloudwatch")) as watch:
        watch.add_response("describe_alarms", {"MetricAlarms": [alarm]}, ANY_ALARMS)
        for period in () if state == "OK" else (timedelta(hours=1), timedelta(days=1)):
            kept = timedelta(hours=1440) if period < timedelta(days=1) else timedelta(days=1440)
            seen = [now - age for age in events if age < kept]
            points = [{"Timestamp": at, "Sum": 2.0} for at in seen]
            watch.add_response("get_metric_statistics", {"Datapoints": points})
            if seen:
                break
        [found] = doctor.make("silence alarm", doctor.check_silence, deployment)
        watch.assert_no_pending_responses()
    assert found.state == told
    assert bool(found.advice) == (told != "ok")
    assert "24 h" in found.found


def test_a_silence_alarm_that_is_off_is_reported(deployment: Deployment) -> None:
    vars(deployment)["parameters"] = {"AlarmSilenceHours": "0"}
    vars(deployment)["resources"] = {}
    [found] = doctor.make("silence alarm", doctor.check_silence, deployment)
    assert (found.state, "AlarmSilenceHours=0" in found.found) == ("info", True)
    assert "AlarmSilenceHours" in found.advice


def test_a_silence_alarm_that_was_deleted_by_hand_is_reported(deployment: Deployment) -> None:
    vars(deployment)["parameters"] = {"AlarmSilenceHours": "24"}
    vars(deployment)["resources"] = {"SilenceAlarm": ("AWS::CloudWatch::Alarm", "silence")}
    with Stubber(deployment.client("cloudwatch")) as watch:
        watch.add_response("describe_alarms", {"MetricAlarms": []}, ANY_ALARMS)
        [found] = doctor.make("silence alarm", doctor.check_silence, deployment)
    assert (found.state, found.found) == ("fail", "it was deleted by hand")
    assert "REVERT_DRIFT" in found.advice


def test_the_silence_alarm_does_not_count_as_ringing_twice(deployment: Deployment) -> None:
    vars(deployment)["resources"] = {"SilenceAlarm": ("AWS::CloudWatch::Alarm", "silence")}
    alarm = {"AlarmName": "silence", "StateValue": "ALARM", "AlarmActions": []}
    with Stubber(deployment.client("cloudwatch")) as watch:
        watch.add_response("describe_alarms", {"MetricAlarms": [alarm]})
        states = {name: state for name, (state, _) in found(deployment, "alarms").items()}
    assert states["alarms"] == "ok"


BUS_ARN = "arn:aws:events:{}:{}:event-bus/shop"


@pytest.mark.parametrize(
    ("bus", "there", "rules", "state"),
    [
        ("", False, False, "ok"),
        ("shop", True, True, "ok"),
        ("shop", True, False, "warn"),
        ("shop", False, False, "fail"),
        (BUS_ARN.format(REGION, ACCOUNT), True, True, "ok"),
        (BUS_ARN.format(REGION, ACCOUNT), False, False, "fail"),
        (BUS_ARN.format(REGION, "210987654321"), False, False, "info"),
        (BUS_ARN.format("eu-west-1", ACCOUNT), False, False, "fail"),
    ],
)
def test_a_bus_that_nobody_would_get_events_from_is_found(
    deployment: Deployment, bus: str, there: bool, rules: bool, state: str
) -> None:
    """PutEvents takes events for a bus that does not exist."""
    vars(deployment)["stack"] = {
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/roomle-mail/1"
    }
    deployment.environment["EVENT_BUS"] = bus
    with mock_aws():
        events = deployment.client("events")
        if there:
            events.create_event_bus(Name="shop")
        if rules:
            events.put_rule(Name="all", EventBusName="shop", EventPattern='{"source": ["a"]}')

        result = found(deployment, "event bus")["event bus"]

    assert result[0] == state
    assert (result[1] == "") == (state == "ok")
