"""The list of what the emulator can't do, tried on the emulator: what works has to leave it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from roomle_mail_cli import limits
from tests import ses_events
from tools import fixtures
from tools.stack.local import RECEIVER, LocalStack


def physical(stack: LocalStack, logical_id: str) -> str:
    return str(
        stack.client("cloudformation").describe_stack_resource(
            StackName="roomle-mail", LogicalResourceId=logical_id
        )["StackResourceDetail"]["PhysicalResourceId"]
    )


def works(call: Callable[[], Any]) -> bool:
    """Whether the endpoint knows a call."""
    try:
        call()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        # An answer without AWS's form comes from no service that knows it.
        return "Invalid" not in code and "Unknown" not in str(error) and not code.isdigit()
    return True


def logged(stack: LocalStack, logical_id: str) -> list[dict[str, Any]]:
    group = physical(stack, logical_id)
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
    # What SES doesn't publish, somebody else does.
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
        logGroupNames=[physical(stack, "ReceiverLog")],
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
    stream = {"logGroupName": physical(stack, "ReceiverLog"), "logStreamName": namespace}
    logs.create_log_stream(**stream)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": json.dumps(line)}])
    cloudwatch = stack.client("cloudwatch")

    def measured(name: str) -> bool:
        return bool(cloudwatch.list_metrics(Namespace=name)["Metrics"])

    # Other tests hand over what the functions measured, so these are asked for.
    names = (namespace, "AWS/Lambda", "AWS/ApiGateway", "AWS/SES")
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
    cloudwatch, name = stack.client("cloudwatch"), physical(stack, "UnforeseenAlarm")
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
    limits.TIME_TO_LIVE: expiry_is_told,
    limits.TRACES: there_are_traces,
    limits.GRADUAL: codedeploy_is_there,
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
