"""The local stack itself: its deviations are listed, IAM is enforced, nothing is left behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tools import demo, fixtures
from tools.stack import deployment, emulator, template, webhook
from tools.stack.local import MAILER, RECEIVER, LocalStack

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+|https?://|\?")


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a template with its path; a list that may also be a text is one value."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, (*path, str(name)))
    elif isinstance(tree, list) and path[-1] != "Resource":
        for place, value in enumerate(tree):
            yield from leaves(value, (*path, str(place)))
    else:
        yield path, tree


def test_the_local_template_deviates_only_by_the_printed_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template.write_local_copy(
        deployment.BUILT,
        tmp_path / "local.yaml",
        emails=deployment.BUILT_EMAILS,
        roomle_api="http://127.0.0.1:1",
    )
    built = dict(leaves(yaml.safe_load(deployment.BUILT.read_text())))
    local = {
        path: Path(value).stem if path[-1] in {"CodeUri", "ContentUri"} else value
        for path, value in leaves(yaml.safe_load((tmp_path / "local.yaml").read_text()))
    }

    queue = ("Resources", "MailerFunction", "Properties", "Events", "Queue", "Properties")
    concurrency = (*queue, "ScalingConfig", "MaximumConcurrency")
    policy = ("Resources", "SendingPolicy", "Properties", "PolicyDocument", "Statement", "0")
    roomle = ("Globals", "Function", "Environment", "Variables", "ROOMLE_API")
    removed = {path for path in built if path not in local}
    changed = {path: value for path, value in local.items() if built.get(path) != value}
    assert removed == {(*concurrency, "Ref"), (*roomle, "Ref")}
    assert changed == {
        concurrency: 2,
        (*policy, "Resource"): "*",
        roomle: "http://127.0.0.1:1",
    }

    deployment.announce_deviations()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == len(template.DEVIATIONS) == 3
    for line, deviation in zip(printed, template.DEVIATIONS, strict=True):
        assert deviation.what in line
        assert deviation.why in line


def test_the_emulator_still_needs_sending_to_be_allowed_on_everything(stack: LocalStack) -> None:
    """When this fails, the deviation send_as_anyone can go."""
    iam, account = stack.client("iam"), "000000000000"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    send = {"Effect": "Allow", "Action": "ses:SendEmail"}
    send["Resource"] = f"arn:aws:ses:{emulator.REGION}:{account}:identity/*"
    role = iam.create_role(
        RoleName="sender", AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]
    iam.put_role_policy(
        RoleName="sender", PolicyName="send", PolicyDocument=json.dumps({"Statement": [send]})
    )
    try:
        ses = stack.client_as(role["Arn"], "sesv2")
        assert refusal(lambda: send_email(ses)) == "AccessDeniedException"
    finally:
        iam.delete_role_policy(RoleName="sender", PolicyName="send")
        iam.delete_role(RoleName="sender")


def test_the_stack_is_described_by_what_other_programs_need(stack: LocalStack) -> None:
    assert set(stack.deployed.description) == {
        "webhook_url",
        "endpoint_url",
        "roomle_api",
        "region",
        "api_key",
        "secret",
        "queue_url",
        "dead_letter_queue_url",
        "table",
        "event_bus",
        "event_bus_queue_url",
        "functions",
    }
    assert set(stack.deployed.functions) == {RECEIVER, MAILER}


def send_email(ses: Any) -> None:
    ses.send_email(
        FromEmailAddress="hello@brand.example",
        Destination={"ToAddresses": ["jane.doe@customer.example"]},
        Content={"Simple": {"Subject": {"Data": "-"}, "Body": {"Text": {"Data": "-"}}}},
    )


def refusal(call: Any) -> str | None:
    """The code of the error with which AWS refuses a call; None if it is allowed."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def entry(bus: str) -> dict[str, str]:
    return {"EventBusName": bus, "Source": "roomle-mail", "DetailType": "x", "Detail": "{}"}


def test_the_receiver_can_publish(stack: LocalStack) -> None:
    events = stack.client_of(RECEIVER, "events")
    answer = events.put_events(Entries=[entry(fixtures.BUS)])
    stack.forget_published()
    assert answer["FailedEntryCount"] == 0


@pytest.mark.parametrize("function", [RECEIVER, MAILER])
def test_a_function_can_send(stack: LocalStack, function: str) -> None:
    assert refusal(lambda: send_email(stack.client_of(function, "sesv2"))) is None


@pytest.mark.parametrize(
    ("function", "service", "call", "arguments"),
    [
        (RECEIVER, "secretsmanager", "put_secret_value", {"SecretId": "*", "SecretString": "x"}),
        (RECEIVER, "secretsmanager", "list_secrets", {}),
        (RECEIVER, "sqs", "receive_message", {"QueueUrl": "QueueUrl"}),
        (RECEIVER, "sqs", "send_message", {"QueueUrl": "DeadLetterQueueUrl", "MessageBody": "x"}),
        (RECEIVER, "dynamodb", "scan", {"TableName": "TableName"}),
        (RECEIVER, "dynamodb", "delete_item", {"TableName": "TableName", "Key": {}}),
        (RECEIVER, "sesv2", "list_email_identities", {}),
        (RECEIVER, "events", "put_events", {"Entries": [entry("another-bus")]}),
        (RECEIVER, "events", "put_rule", {"Name": "x", "ScheduleExpression": "rate(1 day)"}),
        (MAILER, "secretsmanager", "put_secret_value", {"SecretId": "*", "SecretString": "x"}),
        (MAILER, "sqs", "send_message", {"QueueUrl": "QueueUrl", "MessageBody": "x"}),
        (MAILER, "sqs", "receive_message", {"QueueUrl": "DeadLetterQueueUrl"}),
        (MAILER, "dynamodb", "delete_item", {"TableName": "TableName", "Key": {}}),
        (MAILER, "events", "put_events", {"Entries": [entry(fixtures.BUS)]}),
        (MAILER, "lambda", "list_functions", {}),
    ],
)
def test_a_function_can_do_nothing_else(
    stack: LocalStack, function: str, service: str, call: str, arguments: dict[str, Any]
) -> None:
    client = stack.client_of(function, service)
    outputs = stack.deployed.outputs
    filled = {
        name: outputs.get(value, value) if isinstance(value, str) else value or {"key": {"S": "x"}}
        for name, value in arguments.items()
    }
    code = refusal(lambda: getattr(client, call)(**filled))
    assert code is not None
    assert "AccessDenied" in code


@pytest.mark.parametrize("name", fixtures.expectations())
def test_every_fixture_ends_as_expected_and_brings_no_address_onto_the_bus(
    stack: LocalStack, name: str
) -> None:
    result = demo.send(stack.deployed, name)
    stack.forget_dead_letters()
    stack.forget_published()
    assert not result.faults, str(result)
    for event in result.published:
        assert not ADDRESS.search(json.dumps(event)), event


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PUT", ""), ("POST", "/other"), ("POST", "/../admin")]
)
def test_another_method_or_path_is_not_found_and_does_not_reach_the_function(
    stack: LocalStack, method: str, path: str
) -> None:
    before = len(stack.log(RECEIVER))
    answer = stack.post(fixtures.payload(), method=method, path=path)
    assert (answer.status, answer.code) == (404, None)
    assert len(stack.log(RECEIVER)) == before


def test_settings_that_a_test_changes_are_put_back(stack: LocalStack, recipient: str) -> None:
    with stack.environment(RECEIVER, TOKEN_MAX_AGE="30", TOKEN_HEADER="x-other"):
        assert stack.post(fixtures.payload(email=recipient)).status == 401
    assert stack.post(fixtures.payload(email=recipient)).status == 200
    assert len(stack.emails_to(recipient)) == 1


@contextlib.contextmanager
def run_in_foreground(folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run `make local` without make, with its temporary files in a separate folder."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tools.stack", "--port", str(port)),
            *("--description", str(folder / "stack.json")),
        ],
        cwd=deployment.ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    pytest.fail("".join(lines))


def traces_of(folder: Path) -> list[str]:
    """The processes that use a folder."""
    listed = subprocess.check_output(["ps", "-A", "-ww", "-o", "args"], text=True)
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.mark.parametrize(
    ("moment", "number", "status"),
    [
        pytest.param("build:", signal.SIGINT, 130, marks=pytest.mark.proof),
        ("emulator: starting", signal.SIGHUP, 130),
        pytest.param("deploy: uploading", signal.SIGINT, 130, marks=pytest.mark.proof),
        ("until Ctrl-C", signal.SIGTERM, 0),
    ],
)
def test_a_signal_at_any_moment_leaves_no_process_and_no_file(
    moment: str, number: signal.Signals, status: int, tmp_path: Path
) -> None:
    port = emulator.free_port()
    with run_in_foreground(tmp_path, port) as process:
        wait_for_line(process, moment)
        if status == 0:
            url = json.loads((tmp_path / "stack.json").read_text())["webhook_url"]
            assert webhook.post(url, None, {}).status == 401
            assert traces_of(tmp_path), "a worker of the receiver runs"
        process.send_signal(number)
        assert process.wait(timeout=60) == status

    assert not emulator.taken(port)
    assert traces_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_ends_it_at_once(stack: LocalStack, tmp_path: Path) -> None:
    with run_in_foreground(tmp_path, stack.emulator.port) as process:
        assert process.wait(timeout=60) == 1
    assert stack.emulator.get("/_ministack/health")
    assert list(tmp_path.iterdir()) == []


def test_a_sender_can_lose_its_verification_and_get_it_back(
    stack: LocalStack, recipient: str
) -> None:
    with stack.unverified("hello@brand.example"):
        assert stack.post(fixtures.payload(email=recipient)).status == 502
    assert stack.post(fixtures.payload(email=recipient)).status == 200
    assert len(stack.emails_to(recipient)) == 1
