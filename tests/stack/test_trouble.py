"""For every alarm of the runbook: the trouble is made, and `roomle-mail doctor` says what it is.

The emulator measures nothing itself (roomle_mail_cli/limits.py), so what only a metric shows is
handed to it as a metric.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from roomle_mail.delivery import Queued
from tests import operations
from tests.command_line import CommandLine
from tools import fixtures
from tools.stack import deployment
from tools.stack.local import MAILER, RECEIVER, LocalStack, answering, hanging_up

THROTTLING = answering(429, "TooManyRequestsException")
SENDER = "hello@brand.example"

type Trouble = AbstractContextManager[object]


@dataclass(frozen=True)
class Case:
    """An alarm, what makes it go off, and what has to be said about it.

    Some of them are an outage by themselves, whatever the alarms say.
    """

    alarm: str
    make: Callable[[LocalStack, str], Trouble]
    cause: str
    remedy: str
    outage: bool = False


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A stack of its own: what these tests leave in alarms and metrics would worry others."""
    with deployment.running(port=0) as deployed:
        yield LocalStack(deployed)


def post(stack: LocalStack, recipient: str, **more: Any) -> int:
    return stack.post(fixtures.payload(email=recipient), **more).status


def queue(stack: LocalStack, recipient: str, *, age: float = 0, where: str = "QueueUrl") -> str:
    """Queue an event that came some seconds ago; return its id."""
    event, received = fixtures.payload(email=recipient), time.time() - age
    queued = Queued(uuid.uuid4().hex, event, "0" * 32, received, "-")
    url = stack.deployed.outputs[where]
    stack.client("sqs").send_message(QueueUrl=url, MessageBody=queued.dump())
    return queued.id


def logged(stack: LocalStack, function: str, *terms: str) -> bool:
    return any(all(term in line for term in terms) for line in stack.log(function))


# --- troubles ---------------------------------------------------------------------------------


@contextlib.contextmanager
def dead_letter(stack: LocalStack, recipient: str) -> Iterator[None]:
    """SES refuses an email for good."""
    with stack.unverified(SENDER):
        queue(stack, recipient)
        assert stack.wait_until(
            lambda: any(recipient in each.body for each in stack.dead_letters())
        )
        yield
    stack.forget_dead_letters()


@contextlib.contextmanager
def many_dead_letters(stack: LocalStack, recipient: str) -> Iterator[None]:
    for _ in range(50):
        queue(stack, recipient, where="DeadLetterQueueUrl")
    yield
    stack.forget_dead_letters()


@contextlib.contextmanager
def trigger_off(stack: LocalStack, _: str) -> Iterator[None]:
    client, mapping = stack.client("lambda"), stack.deployed.physical_id("MailerFunctionQueue")
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, Enabled=True)


def cannot_start(function: str) -> Callable[[LocalStack, str], Trouble]:
    """Take a function's layers away, as a deploy of a broken build does."""

    @contextlib.contextmanager
    def without_layers(stack: LocalStack, _: str) -> Iterator[None]:
        client, name = stack.client("lambda"), stack.deployed.functions[function]
        layers = client.get_function_configuration(FunctionName=name)["Layers"]
        client.update_function_configuration(FunctionName=name, Layers=[])
        try:
            yield
        finally:
            arns = [each["Arn"] for each in layers]
            client.update_function_configuration(FunctionName=name, Layers=arns)

    return without_layers


@contextlib.contextmanager
def variable_wrong(stack: LocalStack, _: str) -> Iterator[None]:
    with stack.environment(MAILER, TOKEN_IV="neither"):
        yield


@contextlib.contextmanager
def mailer_not_allowed_to_run(stack: LocalStack, _: str) -> Iterator[None]:
    client, name = stack.client("lambda"), stack.deployed.functions[MAILER]
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        client.delete_function_concurrency(FunctionName=name)


@contextlib.contextmanager
def still_waiting(stack: LocalStack, recipient: str) -> Iterator[None]:
    with stack.endpoint(MAILER, "SESV2", THROTTLING):
        event_id = queue(stack, recipient, age=660)
        assert stack.wait_until(lambda: logged(stack, MAILER, event_id, '"postponed"'))
        yield


@contextlib.contextmanager
def secret_deleted(stack: LocalStack, recipient: str) -> Iterator[None]:
    client, name = stack.client("secretsmanager"), stack.deployed.outputs["SecretName"]
    client.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    try:
        stack.restart(RECEIVER)
        assert post(stack, recipient) == 503
        yield
    finally:
        client.restore_secret(SecretId=name)
        stack.restart(RECEIVER)


@contextlib.contextmanager
def secret_changed_here_only(stack: LocalStack, recipient: str) -> Iterator[None]:
    for _ in range(5):
        assert post(stack, recipient, token=stack.token(secret="another-secret-0")) == 401
    yield


@contextlib.contextmanager
def other_header(stack: LocalStack, recipient: str) -> Iterator[None]:
    with stack.environment(RECEIVER, TOKEN_HEADER="x-other"):
        assert stack.wait_until(lambda: post(stack, recipient) == 401)
        yield


@contextlib.contextmanager
def throttled(stack: LocalStack, recipient: str) -> Iterator[None]:
    with stack.endpoint(RECEIVER, "SESV2", THROTTLING):
        assert {post(stack, f"{n}{recipient}") for n in range(11)} == {202}
        yield


@contextlib.contextmanager
def quota_used_up(stack: LocalStack, recipient: str) -> Iterator[None]:
    full = answering(400, "LimitExceededException", "Daily message quota exceeded.")
    with stack.endpoint(RECEIVER, "SESV2", full):
        assert post(stack, recipient) == 503
        yield


@contextlib.contextmanager
def replayed(stack: LocalStack, recipient: str) -> Iterator[None]:
    token = stack.token()
    assert post(stack, recipient, token=token) == 200
    assert post(stack, f"x{recipient}", token=token) == 401
    yield


@contextlib.contextmanager
def answer_of_ses_lost(stack: LocalStack, recipient: str) -> Iterator[None]:
    with stack.endpoint(RECEIVER, "SESV2", hanging_up):
        assert post(stack, recipient) == 503
        yield


@contextlib.contextmanager
def answer_of_sqs_lost(stack: LocalStack, recipient: str) -> Iterator[None]:
    with (
        stack.environment(RECEIVER, DELIVERY="sqs"),
        stack.endpoint(RECEIVER, "SQS", hanging_up),
    ):
        assert post(stack, recipient) == 503
        yield


@contextlib.contextmanager
def bus_not_allowed(stack: LocalStack, recipient: str) -> Iterator[None]:
    """An event bus that the receiver's role may not put events on."""
    with stack.environment(RECEIVER, EVENT_BUS="default"):
        assert post(stack, recipient) == 200
        yield


@contextlib.contextmanager
def unforeseen(stack: LocalStack, recipient: str) -> Iterator[None]:
    """An item of the table that this project never wrote."""
    client, table = stack.client("dynamodb"), stack.deployed.outputs["TableName"]
    client.put_item(TableName=table, Item={"key": {"S": "pepper"}})
    try:
        with stack.environment(RECEIVER, REQUIRE_TOKEN="false"):
            assert post(stack, recipient) == 500
            yield
    finally:
        client.delete_item(TableName=table, Key={"key": {"S": "pepper"}})


def measured(namespace: str, name: str, value: float, **dimensions: str) -> Any:
    """Hand a metric to the emulator. A dimension's value may be a resource's logical id."""

    @contextlib.contextmanager
    def make(stack: LocalStack, _: str) -> Iterator[None]:
        functions = stack.deployed.functions
        pairs = [{"Name": n, "Value": functions.get(v, v)} for n, v in dimensions.items()]
        put = partial(stack.client("cloudwatch").put_metric_data, Namespace=namespace)
        datum = {"MetricName": name, "Dimensions": pairs}
        before = datetime.now(UTC) - timedelta(minutes=2)
        put(MetricData=[datum | {"Value": value, "Timestamp": before}])
        yield
        put(MetricData=[datum | {"Value": 0.0, "Timestamp": datetime.now(UTC)}])

    return make


@contextlib.contextmanager
def no_dead_letter_queue(stack: LocalStack, _: str) -> Iterator[None]:
    sqs, url = stack.client("sqs"), stack.deployed.outputs["QueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)


@contextlib.contextmanager
def alarm_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    cloudwatch, name = stack.client("cloudwatch"), stack.deployed.physical_id("RefusalsAlarm")
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    taken = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    cloudwatch.delete_alarms(AlarmNames=[name])
    try:
        yield
    finally:
        cloudwatch.put_metric_alarm(**{x: alarm[x] for x in alarm if x in taken})


@contextlib.contextmanager
def route_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    client, api = stack.client("apigatewayv2"), stack.deployed.physical_id("HttpApi")
    [route] = [
        each for each in client.get_routes(ApiId=api)["Items"] if "webhook" in each["RouteKey"]
    ]
    client.delete_route(ApiId=api, RouteId=route["RouteId"])
    try:
        yield
    finally:
        client.create_route(ApiId=api, RouteKey=route["RouteKey"], Target=route["Target"])


THROTTLES = ("AWS/Lambda", "Throttles", 7)
CASES = [
    Case("DeadLettersAlarm", dead_letter, "EmailRefused",
         "roomle-mail dead-letters redrive --all", outage=True),
    Case("DeadLettersAlarm", many_dead_letters, "50 emails could not be sent",
         "roomle-mail dead-letters redrive --all", outage=True),
    Case("DeadLettersAlarm", no_dead_letter_queue, "it has no dead-letter queue",
         "--deployment-mode REVERT_DRIFT", outage=True),
    Case("RefusalsAlarm", alarm_deleted, "deleted by hand: roomle-mail-RefusalsAlarm-",
         "--deployment-mode REVERT_DRIFT", outage=True),
    Case("SilenceAlarm", route_deleted, "answers 404", "Its route was deleted: aws", outage=True),
    Case("OldestMessageAlarm", trigger_off, "switched off (Disabled)",
         "aws lambda update-event-source-mapping --enabled --uuid {MailerFunctionQueue}",
         outage=True),
    Case("MailerErrorsAlarm", cannot_start(MAILER), "MailerFunction was changed by hand: Layers",
         "--deployment-mode REVERT_DRIFT", outage=True),
    Case("MailerErrorsAlarm", variable_wrong,
         "MailerFunction can't start: its environment variable TOKEN_IV has a wrong value",
         "--deployment-mode REVERT_DRIFT", outage=True),
    Case("ReceiverErrorsAlarm", cannot_start(RECEIVER),
         "ReceiverFunction was changed by hand: Layers", "--deployment-mode REVERT_DRIFT",
         outage=True),
    Case("MailerThrottlesAlarm", mailer_not_allowed_to_run, "its reserved concurrency is 0",
         "aws lambda delete-function-concurrency --function-name {MailerFunction}", outage=True),
    Case("MailerThrottlesAlarm", measured(*THROTTLES, FunctionName=MAILER),
         "no capacity for the mailer", "MailerConcurrency"),
    Case("ReceiverThrottlesAlarm", measured(*THROTTLES, FunctionName=RECEIVER),
         "no capacity for the receiver", "Service Quotas"),
    Case("StillWaitingAlarm", still_waiting, "postponed Throttled", "Service Quotas"),
    Case("ServerErrorsAlarm", secret_deleted, "the secret was deleted; it can be restored",
         "aws secretsmanager restore-secret --secret-id roomle-mail-Secret-", outage=True),
    Case("RefusalsAlarm", secret_changed_here_only, "refused TokenUnverified",
         "If you changed the secret here, enter the same at Roomle", outage=True),
    Case("SilenceAlarm", other_header, "The token is not in the header that TokenHeader names",
         "TokenHeader=NAME", outage=True),
    Case("ThrottledAlarm", throttled, "queued Throttled", "Service Quotas"),
    Case("QuotaUsedUpAlarm", quota_used_up, "SES's quota for 24 hours is used up",
         "Service Quotas"),
    Case("TokenReplayedAlarm", replayed, "The token came before with another body",
         "TokenReuse=allow"),
    Case("SendOutcomeUnknownAlarm", answer_of_ses_lost, "SES's answer was lost", "https://health.aws.amazon.com"),
    Case("QueueOutcomeUnknownAlarm", answer_of_sqs_lost, "SQS's answer was lost", "https://health.aws.amazon.com"),
    Case("UnpublishedAlarm", bus_not_allowed, "could not publish", "The other checks here"),
    Case("UnforeseenAlarm", unforeseen, "KeyError", "report it"),
    Case("WebhookThrottlesAlarm",
         measured("RoomleMail", "WebhookThrottled", 9, stack="roomle-mail"),
         "9 requests in the last hour were over ThrottleRate",
         "ThrottleRate=100 ThrottleBurst=200"),
    Case("BounceRateAlarm", measured("AWS/SES", "Reputation.BounceRate", 0.06),
         "6.0% of this account's emails bounce", "MaxEmailsPerHour", outage=True),
    Case("ComplaintRateAlarm", measured("AWS/SES", "Reputation.ComplaintRate", 0.002),
         "0.20% of this account's emails are marked as spam", "MaxEmailsPerHour", outage=True),
]  # fmt: skip
# The quota is AWS's answer to one call: tests/aws/test_cli.py has it.
ELSEWHERE = {"SesQuotaAlarm"}


def test_no_alarm_is_left_out() -> None:
    assert {case.alarm for case in CASES} | ELSEWHERE == set(operations.alarms())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alarm}: {case.cause}")
def test_doctor_says_cause_and_remedy(
    cli: CommandLine, stack: LocalStack, recipient: str, case: Case
) -> None:
    # On a busy machine a cold start may exceed the deadline.
    assert stack.wait_until(lambda: stack.post({"event": "warm.up"}).status == 200)

    with case.make(stack, recipient):
        result = cli("doctor", "--json")

    names = {name: stack.deployed.physical_id(name) for name in ("MailerFunctionQueue", MAILER)}
    remedy = case.remedy.format(**names)
    found = [each for each in result.json["checks"] if case.cause in each["found"]]
    assert found, result.out
    assert any(remedy in each["advice"] for each in found), found
    states = {each["state"] for each in found}
    # The log may tell of it too, as over.
    assert "fail" in states if case.outage else states <= {"warn", "fail"}
    assert (result.code == 1) == (result.json["counts"]["fail"] > 0)
    assert recipient not in result.out


def test_people_read_the_worst_last(cli: CommandLine, stack: LocalStack, recipient: str) -> None:
    with trigger_off(stack, recipient):
        lines = cli("doctor").out.splitlines()

    states = [line.split()[0] for line in lines[:-2] if not line.startswith(" ")]
    assert states == sorted(states, key=["ok", "skip", "info", "warn", "fail"].index)
    assert states[-1] == "fail"


def test_what_was_deleted_is_named(cli: CommandLine, stack: LocalStack) -> None:
    name = stack.deployed.physical_id("Dashboard")
    cloudwatch = stack.client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    cloudwatch.delete_dashboards(DashboardNames=[name])
    try:
        result = cli("doctor", "--json")
    finally:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)

    [told] = [each for each in result.json["checks"] if each["name"] == "resources"]
    assert (told["state"], told["found"]) == ("fail", "Dashboard was deleted")
    assert "REVERT_DRIFT" in told["advice"]
