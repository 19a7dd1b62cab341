"""Troubles, made on a deployed stack for the length of a block, and over however the block ends.

Each takes the stack, and an address that no other test uses: what happens, happens to its events.
What is left in the log, in metrics and in alarms is for the test to forget.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from roomle_mail.delivery import Queued
from tests import secrecy
from tools import fixtures
from tools.stack.local import (
    MAILER,
    RECEIVER,
    Behaviour,
    LocalStack,
    answering,
    hanging_up,
    silent_for,
)

SENDER = "hello@brand.example"
THROTTLING = answering(429, "TooManyRequestsException")

type Trouble = Callable[[LocalStack, str], AbstractContextManager[object]]


def forget(stack: LocalStack) -> None:
    """Forget what earlier tests left: what waits, what rings, and what was written."""
    # A mailer at work would write more.
    stack.wait_until(lambda: not stack.queued())
    stack.forget_messages()
    stack.quieten_alarms()
    lines = [line for function in (RECEIVER, MAILER) for line in stack.take_log(function)]
    secrecy.note(f"a log of the stack {uuid.uuid4()}", "\n".join(lines))


def post(stack: LocalStack, recipient: str, **more: Any) -> int:
    """Post an event; return the answer's status."""
    return stack.post(fixtures.payload(email=recipient), **more).status


def queue(stack: LocalStack, recipient: str, *, age: float = 0, reason: str | None = None) -> str:
    """Queue an event that came some seconds ago; return its id.

    With a `reason` it is a dead letter, as the mailer gives it up, or without text, as SQS does.
    """
    event, received = fixtures.payload(email=recipient), time.time() - age
    queued = Queued(uuid.uuid4().hex, event, "0" * 32, received, "-")
    where = "QueueUrl" if reason is None else "DeadLetterQueueUrl"
    attributes = {"reason": {"DataType": "String", "StringValue": reason}} if reason else {}
    stack.client("sqs").send_message(
        QueueUrl=stack.deployed.outputs[where],
        MessageBody=queued.dump(),
        MessageAttributes=attributes,
    )
    return queued.id


@contextmanager
def nothing(_: LocalStack, __: str) -> Iterator[None]:
    """All is well."""
    yield


# --- what somebody changed by hand ------------------------------------------------------------


@contextmanager
def trigger_off(stack: LocalStack, _: str = "") -> Iterator[None]:
    """Nothing leaves the queue."""
    client, mapping = stack.client("lambda"), stack.deployed.physical_id("MailerFunctionQueue")
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, Enabled=True)


def without_layers(function: str) -> Trouble:
    """Take a function's layers away, as a deploy of a broken build does."""

    @contextmanager
    def make(stack: LocalStack, _: str) -> Iterator[None]:
        client, name = stack.client("lambda"), stack.deployed.functions[function]
        layers = client.get_function_configuration(FunctionName=name)["Layers"]
        client.update_function_configuration(FunctionName=name, Layers=[])
        try:
            yield
        finally:
            arns = [each["Arn"] for each in layers]
            client.update_function_configuration(FunctionName=name, Layers=arns)

    return make


def variables(function: str, **changes: str | None) -> Trouble:
    """Change a function's environment variables, or remove them (None)."""
    return lambda stack, _: stack.environment(function, **changes)


def without_concurrency(function: str) -> Trouble:
    """Don't let a function run."""

    @contextmanager
    def make(stack: LocalStack, _: str) -> Iterator[None]:
        client, name = stack.client("lambda"), stack.deployed.functions[function]
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        try:
            yield
        finally:
            client.delete_function_concurrency(FunctionName=name)

    return make


@contextmanager
def secret_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    """Mark the secret for deletion. The receiver may remember it."""
    client, name = stack.client("secretsmanager"), stack.deployed.outputs["SecretName"]
    client.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    try:
        yield
    finally:
        client.restore_secret(SecretId=name)


def secret_unusable(stack: LocalStack, _: str) -> AbstractContextManager[object]:
    """Replace the secret by one of a wrong length. The receiver may remember the right one."""
    return stack.secret({"aKey": "too short"})


def unanswered(trouble: Trouble) -> Trouble:
    """Let an event meet the trouble: the receiver, which remembers nothing, answers 503."""

    @contextmanager
    def make(stack: LocalStack, recipient: str) -> Iterator[None]:
        try:
            with trouble(stack, recipient):
                stack.restart(RECEIVER)
                assert stack.wait_until(lambda: post(stack, recipient) == 503)
                yield
        finally:
            stack.restart(RECEIVER)  # it remembers for a moment that the secret was unusable

    return make


def sender_unverified(stack: LocalStack, _: str) -> AbstractContextManager[object]:
    """Let SES refuse every email permanently."""
    return stack.unverified(SENDER)


def permission(
    role: str, policy: str, sid: str, change: Mapping[str, Any] | None = None
) -> Trouble:
    """Remove a statement from a role's policy, or change a part of it."""

    @contextmanager
    def make(stack: LocalStack, _: str) -> Iterator[None]:
        iam, name = stack.client("iam"), stack.deployed.physical_id(role)
        put = partial(iam.put_role_policy, RoleName=name, PolicyName=policy)
        before = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        kept = [each for each in before["Statement"] if each["Sid"] != sid]
        if change:
            kept += [each | change for each in before["Statement"] if each["Sid"] == sid]
        if kept:
            put(PolicyDocument=json.dumps({**before, "Statement": kept}))
        else:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        try:
            yield
        finally:
            put(PolicyDocument=json.dumps(before))

    return make


@contextmanager
def denied(stack: LocalStack, _: str) -> Iterator[None]:
    """Add a policy that denies the receiver its memory."""
    iam, name = stack.client("iam"), stack.deployed.physical_id("ReceiverRole")
    deny = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName=name, PolicyName="no", PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="no")


@contextmanager
def caller_forbidden(stack: LocalStack, _: str) -> Iterator[None]:
    """Don't let API Gateway call the receiver."""
    client, name = stack.client("lambda"), stack.deployed.functions[RECEIVER]
    (before,) = json.loads(client.get_policy(FunctionName=name)["Policy"])["Statement"]
    client.remove_permission(FunctionName=name, StatementId=before["Sid"])
    try:
        yield
    finally:
        client.add_permission(
            FunctionName=name, StatementId=before["Sid"], Action=before["Action"],
            Principal=before["Principal"]["Service"],
            SourceArn=before["Condition"]["ArnLike"]["AWS:SourceArn"],
        )  # fmt: skip


@contextmanager
def route_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    """Let API Gateway know no webhook."""
    client, api = stack.client("apigatewayv2"), stack.deployed.physical_id("HttpApi")
    (route,) = (x for x in client.get_routes(ApiId=api)["Items"] if "webhook" in x["RouteKey"])
    client.delete_route(ApiId=api, RouteId=route["RouteId"])
    try:
        yield
    finally:
        client.create_route(ApiId=api, RouteKey=route["RouteKey"], Target=route["Target"])


@contextmanager
def without_dead_letter_queue(stack: LocalStack, _: str) -> Iterator[None]:
    """Let what fails be tried until SQS deletes it."""
    sqs, url = stack.client("sqs"), stack.deployed.outputs["QueueUrl"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=policy)


@contextmanager
def rule_off(stack: LocalStack, _: str) -> Iterator[None]:
    """Switch off the rule that writes SES's events into the log."""
    client, name = stack.client("events"), stack.deployed.physical_id("SesEventsRule")
    client.disable_rule(Name=name)
    try:
        yield
    finally:
        client.enable_rule(Name=name)


@contextmanager
def rule_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    """Delete that rule."""
    client, name = stack.client("events"), stack.deployed.physical_id("SesEventsRule")
    before = client.describe_rule(Name=name)
    targets = client.list_targets_by_rule(Rule=name)["Targets"]
    client.remove_targets(Rule=name, Ids=[each["Id"] for each in targets])
    client.delete_rule(Name=name)
    try:
        yield
    finally:
        client.put_rule(Name=name, EventPattern=before["EventPattern"])
        client.put_targets(Rule=name, Targets=targets)


@contextmanager
def ses_events_not_handed_over(stack: LocalStack, _: str) -> Iterator[None]:
    """Let SES hand its events to nobody."""
    client, name = stack.client("sesv2"), stack.deployed.physical_id("ConfigurationSet")
    found = client.get_configuration_set_event_destinations(ConfigurationSetName=name)
    (before,) = found["EventDestinations"]
    which = {"ConfigurationSetName": name, "EventDestinationName": before.pop("Name")}
    client.delete_configuration_set_event_destination(**which)
    try:
        yield
    finally:
        client.create_configuration_set_event_destination(**which, EventDestination=before)


@contextmanager
def dashboard_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    """Delete the dashboard."""
    cloudwatch, name = stack.client("cloudwatch"), stack.deployed.physical_id("Dashboard")
    body = cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"]
    cloudwatch.delete_dashboards(DashboardNames=[name])
    try:
        yield
    finally:
        cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)


@contextmanager
def _alarm(stack: LocalStack, logical_id: str) -> Iterator[dict[str, Any]]:
    """An alarm as PutMetricAlarm takes it; put back at the end."""
    client, name = stack.client("cloudwatch"), stack.deployed.physical_id(logical_id)
    taken = client.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    (found,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    alarm = {x: value for x, value in found.items() if x in taken and value}
    try:
        yield alarm
    finally:
        client.put_metric_alarm(**alarm)


@contextmanager
def alarm_deleted(stack: LocalStack, _: str) -> Iterator[None]:
    """Delete an alarm."""
    with _alarm(stack, "RefusalsAlarm") as alarm:
        stack.client("cloudwatch").delete_alarms(AlarmNames=[alarm["AlarmName"]])
        yield


@contextmanager
def alarm_without_action(stack: LocalStack, _: str) -> Iterator[None]:
    """Remove an alarm's action; it is not the alarm that a proof makes ring."""
    with _alarm(stack, "DeadLettersAlarm") as alarm:
        stack.client("cloudwatch").put_metric_alarm(**alarm | {"AlarmActions": []})
        yield


@contextmanager
def alarm_muted(stack: LocalStack, _: str) -> Iterator[None]:
    """Switch off an alarm's actions."""
    client, name = stack.client("cloudwatch"), stack.deployed.physical_id("UnforeseenAlarm")
    client.disable_alarm_actions(AlarmNames=[name])
    try:
        yield
    finally:
        client.enable_alarm_actions(AlarmNames=[name])


# --- what happened ----------------------------------------------------------------------------


@contextmanager
def refused_often(stack: LocalStack, recipient: str) -> Iterator[None]:
    """Roomle signs with another secret."""
    for _ in range(5):
        assert post(stack, recipient, token=stack.token(secret="another-secret-0")) == 401
    yield


@contextmanager
def replayed(stack: LocalStack, recipient: str) -> Iterator[None]:
    """A token comes again, with another body."""
    token = stack.token()
    assert post(stack, recipient, token=token) == 200
    assert post(stack, f"x{recipient}", token=token) == 401
    yield


@contextmanager
def other_header(stack: LocalStack, recipient: str) -> Iterator[None]:
    """Roomle sends its token in another header than the one that is set."""
    with stack.environment(RECEIVER, TOKEN_HEADER="x-other"):
        assert stack.wait_until(lambda: post(stack, recipient) == 401)
        yield


@contextmanager
def throttled(stack: LocalStack, recipient: str) -> Iterator[None]:
    """SES takes fewer emails per second than come; at the end all of them are sent."""
    try:
        with stack.endpoint(RECEIVER, "SESV2", THROTTLING):
            assert {post(stack, f"{n}{recipient}") for n in range(11)} == {202}
            yield
    finally:
        assert stack.wait_until(lambda: not stack.queued())


def unavailable(service: str, behaviour: Behaviour, **settings: str) -> Trouble:
    """A service fails for the receiver, which answers 503."""

    @contextmanager
    def make(stack: LocalStack, recipient: str) -> Iterator[None]:
        with stack.endpoint(RECEIVER, service, behaviour, **settings):
            assert post(stack, recipient) == 503
            yield

    return make


quota_used_up = unavailable(
    "SESV2", answering(400, "LimitExceededException", "Daily message quota exceeded.")
)
answer_of_ses_lost = unavailable("SESV2", hanging_up)
answer_of_sqs_lost = unavailable("SQS", hanging_up, DELIVERY="sqs")


@contextmanager
def timed_out(stack: LocalStack, recipient: str) -> Iterator[None]:
    """Lambda stops the receiver, which waits for its secret."""
    client, name = stack.client("lambda"), stack.deployed.functions[RECEIVER]
    with stack.endpoint(RECEIVER, "SECRETS_MANAGER", silent_for(30), ANSWER_WITHIN="30"):
        client.update_function_configuration(FunctionName=name, Timeout=3)
        try:
            assert post(stack, recipient) >= 500
        finally:
            client.update_function_configuration(FunctionName=name, Timeout=10)
        yield


@contextmanager
def bus_not_allowed(stack: LocalStack, recipient: str) -> Iterator[None]:
    """The receiver's role may not put events on the bus that is set."""
    with stack.environment(RECEIVER, EVENT_BUS="default"):
        assert post(stack, recipient) == 200
        yield


@contextmanager
def unforeseen(stack: LocalStack, recipient: str) -> Iterator[None]:
    """The table has an item that this project never wrote."""
    client, table = stack.client("dynamodb"), stack.deployed.outputs["TableName"]
    client.put_item(TableName=table, Item={"key": {"S": "pepper"}})
    try:
        with stack.environment(RECEIVER, REQUIRE_TOKEN="false"):
            assert post(stack, recipient) == 500
            yield
    finally:
        client.delete_item(TableName=table, Key={"key": {"S": "pepper"}})


@contextmanager
def still_waiting(stack: LocalStack, recipient: str) -> Iterator[None]:
    """SES does not accept an event that came eleven minutes ago; at the end it is forgotten."""
    try:
        with stack.endpoint(MAILER, "SESV2", THROTTLING):
            event_id = queue(stack, recipient, age=660)
            _wait_for_line(stack, event_id, "postponed")
            yield
    finally:
        stack.forget_messages()


def _wait_for_line(stack: LocalStack, event_id: str, what: str) -> None:
    def is_there() -> bool:
        return any(event_id in line and f'"{what}"' in line for line in stack.log(MAILER))

    if not stack.wait_until(is_there, within=10):
        stack.hand_on_log(MAILER)
        assert stack.wait_until(is_there)


@contextmanager
def dead_letter(stack: LocalStack, recipient: str) -> Iterator[None]:
    """SES refuses an email for good; at the end it is forgotten."""
    try:
        with stack.unverified(SENDER):
            event_id = queue(stack, recipient)
            _wait_for_line(stack, event_id, "dead-lettered")
            yield
    finally:
        stack.forget_dead_letters()


@contextmanager
def many_dead_letters(stack: LocalStack, recipient: str) -> Iterator[None]:
    """Fifty letters that SQS moved because the mailer took them too often; the log has no line."""
    try:
        for _ in range(50):
            queue(stack, recipient, reason="")
        yield
    finally:
        stack.forget_dead_letters()


def measured(namespace: str, name: str, value: float, **dimensions: str) -> Trouble:
    """Hand a metric to the emulator. A dimension's value may be a resource's logical id.

    The emulator ignores the dimensions of an alarm's metric, so its alarms are set back.
    """

    @contextmanager
    def make(stack: LocalStack, _: str) -> Iterator[None]:
        functions = stack.deployed.functions
        pairs = [{"Name": n, "Value": functions.get(v, v)} for n, v in dimensions.items()]
        then = datetime.now(UTC) - timedelta(minutes=2)

        def put(*values: tuple[datetime, float]) -> None:
            datum = {"MetricName": name, "Dimensions": pairs}
            data = [datum | {"Timestamp": at, "Value": value} for at, value in values]
            stack.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
            stack.quieten_alarms()

        put((then, value))
        try:
            yield
        finally:
            # Nothing can be taken back, but a sum can become 0, and so can the newest value. That
            # is the first on AWS, and the last on the emulator.
            put((then, -value), (then - timedelta(minutes=1), 0.0), (datetime.now(UTC), 0.0))

    return make
