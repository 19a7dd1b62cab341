"""The list of what the emulator can't do, tried on the emulator: what works must leave it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from roomle_mail_cli import limits
from tests import ses_events
from tools import fixtures
from tools.stack import webhook
from tools.stack.emulator import REGION
from tools.stack.local import RECEIVER, LocalStack


def works(call: Callable[[], Any]) -> bool:
    """Whether the endpoint knows a call."""
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        # If the answer isn't in AWS's form, the service does not know the call.
        return "Invalid" not in code and "Unknown" not in str(error) and not code.isdigit()
    return True


def logged(stack: LocalStack, logical_id: str) -> list[dict[str, Any]]:
    group = stack.deployed.physical_id(logical_id)
    return list(stack.client("logs").filter_log_events(logGroupName=group)["events"])


def mail(stack: LocalStack, mailbox: str, event: str = "email.savedConfiguration") -> str:
    address = f"{mailbox}+{uuid.uuid4().hex}@simulator.amazonses.com"
    with stack.environment(RECEIVER, MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0"):
        assert stack.wait_until(
            lambda: stack.post(fixtures.payload(event, email=address)).status == 200
        )
    return address


def ses_events_reach_the_log(stack: LocalStack) -> bool:
    for mailbox in ("success", "bounce", "complaint"):
        mail(stack, mailbox)
    # SES doesn't publish them here, so this test does.
    (rule,) = stack.client("events").list_rules()["Rules"]
    event = ses_events.event("Email Delivered")
    pattern = json.loads(rule["EventPattern"])
    event["detail"]["mail"]["tags"] |= pattern["detail"]["mail"]["tags"]
    stack.client("events").put_events(
        Entries=[
            {"Source": "aws.ses", "DetailType": event["detail-type"],
             "Detail": json.dumps(event["detail"])}
        ]
    )  # fmt: skip
    return stack.wait_until(lambda: bool(logged(stack, "SesLog")), within=3)


def attachments_are_kept(stack: LocalStack) -> bool:
    address = mail(stack, "success", "email.shareConfigurationAR")
    accounts = stack.emulator.get("/_ministack/ses/messages")["messages"]
    (email,) = [x for messages in accounts.values() for x in messages if address in x["To"]]
    return "image/png" in json.dumps(email) or any("ttach" in name for name in email)


def queries_are_saved_and_answered(stack: LocalStack) -> bool:
    logs = stack.client("logs")
    asked = logs.start_query(
        logGroupNames=[stack.deployed.physical_id("ReceiverLog")],
        startTime=int(time.time()) - 3600,
        endTime=int(time.time()) + 60,
        queryString='filter message = "sent" | stats count(*) as emails by service',
    )["queryId"]
    rows = logs.get_query_results(queryId=asked)["results"]
    answered = {each["field"] for row in rows for each in row} >= {"emails", "service"}
    return answered or works(logs.describe_query_definitions)


def logs_and_services_are_measured(stack: LocalStack) -> bool:
    stack.post(fixtures.payload(email=f"{uuid.uuid4().hex}@customer.example"))
    logs, namespace = stack.client("logs"), f"Test{uuid.uuid4().hex}"
    now = int(time.time() * 1000)
    metric = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": "Some"}]}
    line = {"_aws": {"Timestamp": now, "CloudWatchMetrics": [metric]}, "Some": 1}
    stream = {"logGroupName": stack.deployed.physical_id("ReceiverLog"), "logStreamName": namespace}
    logs.create_log_stream(**stream)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": json.dumps(line)}])
    cloudwatch = stack.client("cloudwatch")

    def measured(name: str) -> bool:
        return bool(cloudwatch.list_metrics(Namespace=name)["Metrics"])

    # Not the functions' metrics, which other tests hand over, and not Lambda's: the emulator
    # measures a function that is invoked without API Gateway, as `doctor` does.
    names = (namespace, "AWS/ApiGateway", "AWS/SES")
    found = stack.wait_until(lambda: any(map(measured, names)), within=3)
    logs.delete_log_stream(**stream)
    return found


def metrics_can_be_calculated_with(stack: LocalStack) -> bool:
    answer = stack.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "a", "Expression": "1 + 1", "Period": 60}],
        StartTime=time.time() - 600, EndTime=time.time(),
    )["MetricDataResults"]  # fmt: skip
    return bool(answer[0]["StatusCode"] == "Complete")


def actions_are_in_the_history(stack: LocalStack) -> bool:
    cloudwatch, name = stack.client("cloudwatch"), stack.deployed.physical_id("UnforeseenAlarm")
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="a test")
    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")
    return bool(history["AlarmHistoryItems"])


def sqs_can_redrive(stack: LocalStack) -> bool:
    source = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.deployed.outputs["DeadLetterQueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    return works(lambda: stack.client("sqs").start_message_move_task(SourceArn=source))


def bounces_are_suppressed(stack: LocalStack) -> bool:
    ses = stack.client("sesv2")
    address = "somebody@customer.example"
    return works(
        lambda: ses.put_suppressed_destination(EmailAddress=address, Reason="BOUNCE")
    ) and works(lambda: ses.get_suppressed_destination(EmailAddress=address))


def requests_are_in_the_access_log(stack: LocalStack) -> bool:
    assert stack.post({"event": "no.email"}).status == 200
    return stack.wait_until(lambda: bool(logged(stack, "AccessLog")), within=3)


def tls_is_needed(stack: LocalStack) -> bool:
    return stack.emulator.url.startswith("https://")


def conditions_on_what_is_written_count(stack: LocalStack) -> bool:
    """Whether a role that may write only its own items and events is refused others."""
    iam, name = stack.client("iam"), f"test-{uuid.uuid4().hex}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    allowed = [
        {"Effect": "Allow", "Action": action, "Resource": "*",
         "Condition": {"ForAllValues:StringLike": {key: ["own*"]}}}
        for action, key in (
            ("dynamodb:PutItem", "dynamodb:LeadingKeys"), ("events:PutEvents", "events:source"),
        )
    ]  # fmt: skip
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]})
    )["Role"]
    iam.put_role_policy(
        RoleName=name, PolicyName="write", PolicyDocument=json.dumps({"Statement": allowed})
    )
    table, events = (stack.client_as(role["Arn"], each) for each in ("dynamodb", "events"))

    def put_item(key: str) -> None:
        table.put_item(TableName=stack.deployed.outputs["TableName"], Item={"key": {"S": key}})

    def put_event(source: str) -> None:
        entry = {"Source": source, "DetailType": "test", "Detail": "{}"}
        events.put_events(Entries=[entry])

    def refused(put: Callable[[str], None]) -> bool:
        put("own")
        try:
            put("other")
        except ClientError:
            return True
        return False

    try:
        return refused(put_item) or refused(put_event)
    finally:
        for key in ("own", "other"):
            stack.client("dynamodb").delete_item(
                TableName=stack.deployed.outputs["TableName"], Key={"key": {"S": key}}
            )
        iam.delete_role_policy(RoleName=name, PolicyName="write")
        iam.delete_role(RoleName=name)


def expiry_is_told(stack: LocalStack) -> bool:
    found = stack.client("dynamodb").describe_time_to_live(
        TableName=stack.deployed.outputs["TableName"]
    )
    return found["TimeToLiveDescription"]["TimeToLiveStatus"] in ("ENABLED", "ENABLING")


def there_are_traces(stack: LocalStack) -> bool:
    now = time.time()
    xray = stack.client("xray")
    return works(lambda: xray.get_trace_summaries(StartTime=now - 60, EndTime=now))


def codedeploy_is_there(stack: LocalStack) -> bool:
    return works(stack.client("codedeploy").list_applications)


# The event bus and its recipes -----------------------------------------------------------------


@contextmanager
def rule_to(stack: LocalStack, *targets: dict[str, Any]) -> Iterator[Callable[[], None]]:
    """A rule with targets; yields a function that puts an event on its bus."""
    events, name = stack.client("events"), f"test-{uuid.uuid4().hex}"
    about = {"Rule": name, "EventBusName": fixtures.BUS}
    entry = {"EventBusName": fixtures.BUS, "Source": name, "DetailType": "test", "Detail": "{}"}
    events.put_rule(
        Name=name,
        EventBusName=fixtures.BUS,
        EventPattern=json.dumps({"source": [name]}),
    )
    events.put_targets(
        **about, Targets=[{"Id": str(n), **target} for n, target in enumerate(targets)]
    )
    try:
        yield lambda: events.put_events(Entries=[entry])
    finally:
        events.remove_targets(**about, Ids=[str(n) for n, _ in enumerate(targets)])
        events.delete_rule(Name=name, EventBusName=fixtures.BUS)


@contextmanager
def queue(stack: LocalStack) -> Iterator[tuple[str, str]]:
    """A queue without a policy: its URL and ARN."""
    sqs = stack.client("sqs")
    url = sqs.create_queue(QueueName=f"test-{uuid.uuid4().hex}")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    try:
        yield url, asked["Attributes"]["QueueArn"]
    finally:
        sqs.delete_queue(QueueUrl=url)


@contextmanager
def firehose_to_s3(stack: LocalStack) -> Iterator[tuple[str, str, Callable[[], list[bytes]]]]:
    """A stream with compression: its name and ARN, and a function that reads what it stored."""
    firehose, s3, name = stack.client("firehose"), stack.client("s3"), f"test-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    arn = firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration={
            "RoleARN": "arn:aws:iam::000000000000:role/firehose",
            "BucketARN": f"arn:aws:s3:::{name}",
            "CompressionFormat": "GZIP",
        },
    )["DeliveryStreamARN"]

    def keys() -> list[str]:
        return [each["Key"] for each in s3.list_objects_v2(Bucket=name).get("Contents", [])]

    def stored() -> list[bytes]:
        return [s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys()]

    try:
        yield name, arn, stored
    finally:
        for key in keys():
            s3.delete_object(Bucket=name, Key=key)
        s3.delete_bucket(Bucket=name)
        firehose.delete_delivery_stream(DeliveryStreamName=name)


def rules_reach_firehose_or_a_log(stack: LocalStack) -> bool:
    group = stack.deployed.physical_id("SesLog")
    log = f"arn:aws:logs:{REGION}:000000000000:log-group:{group}"
    role = "arn:aws:iam::000000000000:role/rule"
    with (
        firehose_to_s3(stack) as (_, stream, stored),
        rule_to(stack, {"Arn": stream, "RoleArn": role}, {"Arn": log}) as put,
    ):
        put()
        return stack.wait_until(lambda: bool(stored() or logged(stack, "SesLog")), within=1)


def a_rule_needs_permission(stack: LocalStack) -> bool:
    with queue(stack) as (url, arn), rule_to(stack, {"Arn": arn}) as put:
        put()
        return not webhook.messages_in(stack.emulator, url)


def what_is_not_delivered_is_kept(stack: LocalStack) -> bool:
    with queue(stack) as (url, arn), queue(stack) as (_, other):
        gone = {
            "Arn": other.replace("test-", "gone-"),
            "DeadLetterConfig": {"Arn": arn},
            "RetryPolicy": {"MaximumRetryAttempts": 0},
        }
        with rule_to(stack, gone) as put:
            put()
            return stack.wait_until(
                lambda: bool(webhook.messages_in(stack.emulator, url)), within=1
            )


def cloudformation_knows_eventbridge(stack: LocalStack) -> bool:
    def known(kind: str) -> bool:
        template = {"Resources": {"One": {"Type": f"AWS::Events::{kind}", "Properties": {}}}}
        try:
            stack.client("cloudformation").validate_template(TemplateBody=json.dumps(template))
        except ClientError as error:
            return "Unrecognized resource types" not in str(error)
        return True

    assert known("Rule")
    return any(map(known, ("Connection", "ApiDestination", "Archive")))


def a_replay_reaches_only_the_rules_that_it_names(stack: LocalStack) -> bool:
    events, name, now = stack.client("events"), f"test-{uuid.uuid4().hex}", time.time()
    bus = events.describe_event_bus(Name=fixtures.BUS)["Arn"]
    archive = events.create_archive(ArchiveName=name[:48], EventSourceArn=bus)["ArchiveArn"]
    with queue(stack) as (url, arn), rule_to(stack, {"Arn": arn}) as put:
        put()
        events.start_replay(
            ReplayName=name,
            EventSourceArn=archive,
            EventStartTime=now - 60,
            EventEndTime=now + 600,
            Destination={"Arn": bus, "FilterArns": [f"{bus.replace('event-bus', 'rule')}/other"]},
        )
        reached = stack.wait_until(
            lambda: len(webhook.messages_in(stack.emulator, url)) == 2, within=10
        )
    events.delete_archive(ArchiveName=name[:48])
    return not reached


def firehose_compresses(stack: LocalStack) -> bool:
    with firehose_to_s3(stack) as (name, _, stored):
        stack.client("firehose").put_record(DeliveryStreamName=name, Record={"Data": b"one"})
        return stored() != [b"one"]


PROBES: dict[limits.Limit, Callable[[LocalStack], bool]] = {
    limits.SES_EVENTS: ses_events_reach_the_log,
    limits.ATTACHMENTS: attachments_are_kept,
    limits.SAVED_QUERIES: queries_are_saved_and_answered,
    limits.METRICS: logs_and_services_are_measured,
    limits.METRIC_MATH: metrics_can_be_calculated_with,
    limits.ALARM_ACTIONS: actions_are_in_the_history,
    limits.MOVE_TASKS: sqs_can_redrive,
    limits.SUPPRESSION: bounces_are_suppressed,
    limits.ACCESS_LOG: requests_are_in_the_access_log,
    limits.QUEUE_POLICIES: tls_is_needed,
    limits.CONDITIONS: conditions_on_what_is_written_count,
    limits.TIME_TO_LIVE: expiry_is_told,
    limits.TRACES: there_are_traces,
    limits.GRADUAL: codedeploy_is_there,
    limits.RULE_TARGETS: rules_reach_firehose_or_a_log,
    limits.RULE_PERMISSIONS: a_rule_needs_permission,
    limits.UNDELIVERED: what_is_not_delivered_is_kept,
    limits.CONNECTIONS: cloudformation_knows_eventbridge,
    limits.REPLAYS: a_replay_reaches_only_the_rules_that_it_names,
    limits.COMPRESSION: firehose_compresses,
}


@pytest.mark.parametrize("limit", limits.LIMITS, ids=lambda limit: limit.name)
def test_the_emulator_still_cannot_do_it(stack: LocalStack, limit: limits.Limit) -> None:
    """When this fails, the entry can go, and `prove` tries it here too."""
    assert PROBES[limit](stack) is False


@pytest.mark.parametrize(
    ("service", "call"), [("sqs", "list_queues"), ("logs", "describe_log_groups")]
)
def test_what_the_emulator_can_do_is_noticed(stack: LocalStack, service: str, call: str) -> None:
    assert works(getattr(stack.client(service), call))
