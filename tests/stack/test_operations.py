"""Alarms on the deployed stack: the functions' metrics make them ring and notify the topic.

The emulator doesn't read metrics from the log as CloudWatch does, so the tests hand them over. It
also ignores the dimensions of a metric, which unit tests check instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from roomle_mail.delivery import Queued
from tests import ses_events
from tools import fixtures
from tools.stack.local import (
    MAILER,
    RECEIVER,
    LocalStack,
    answering,
    hanging_up,
)

THROTTLING = answering(429, "TooManyRequestsException")
type Scene = Callable[[LocalStack, str], object]


@dataclass
class Bell:
    """The messages of the alarms' topic, in a queue that is subscribed to it."""

    stack: LocalStack
    queue_url: str
    fed_until: float = field(default_factory=time.time)

    def feed(self) -> dict[str, list[float]]:
        """Hand over the functions' metrics since the last call."""
        cloudwatch = self.stack.client("cloudwatch")
        values: dict[str, list[float]] = {}
        lines = [line for name in (RECEIVER, MAILER) for line in self.stack.log(name)]
        records = [json.loads(line) for line in lines if '"_aws"' in line]
        since, self.fed_until = self.fed_until, time.time()
        for record in records:
            if record["_aws"]["Timestamp"] / 1000 < since:
                continue
            for directive in record["_aws"]["CloudWatchMetrics"]:
                for dimensions in directive["Dimensions"]:
                    for metric in directive["Metrics"]:
                        found = record[metric["Name"]]
                        values.setdefault(metric["Name"], []).extend(found)
                        cloudwatch.put_metric_data(
                            Namespace=directive["Namespace"],
                            MetricData=[
                                {
                                    "MetricName": metric["Name"],
                                    "Unit": metric["Unit"],
                                    "Values": found,
                                    "Timestamp": record["_aws"]["Timestamp"] / 1000,
                                    "Dimensions": [
                                        {"Name": name, "Value": record[name]} for name in dimensions
                                    ],
                                }
                            ],
                        )
        return values

    def rung(self) -> dict[str, dict[str, Any]]:
        """Take the messages so far, by the alarm's logical id."""
        found = self.stack.client("sqs").receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        messages = [
            json.loads(json.loads(each["Body"])["Message"]) for each in found.get("Messages", [])
        ]
        for each in found.get("Messages", []):
            self.stack.client("sqs").delete_message(
                QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"]
            )
        return {
            message["AlarmName"].split("-")[-2]: message
            for message in messages
            if message["NewStateValue"] == "ALARM"
        }


@pytest.fixture(scope="module")
def bell(stack: LocalStack) -> Iterator[Bell]:
    """Subscribe to the topic."""
    sqs, sns = stack.client("sqs"), stack.client("sns")
    topic = stack.deployed.outputs["AlarmTopic"]
    policy = {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
    }
    url = sqs.create_queue(QueueName="who-is-woken", Attributes={"Policy": json.dumps(policy)})
    url = url["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])[
        "SubscriptionArn"
    ]
    yield Bell(stack, url)
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def post(stack: LocalStack, recipient: str) -> int:
    return stack.post(fixtures.payload(email=recipient)).status


def refused_often(stack: LocalStack, recipient: str) -> None:
    for _ in range(5):
        token = stack.token(secret="another-secret-0")
        assert stack.post(fixtures.payload(email=recipient), token=token).status == 401


def replayed(stack: LocalStack, recipient: str) -> None:
    token = stack.token()
    assert stack.post(fixtures.payload(email=recipient), token=token).status == 200
    assert stack.post(fixtures.payload(email=f"x{recipient}"), token=token).status == 401


def throttled(stack: LocalStack, recipient: str) -> None:
    with stack.endpoint(RECEIVER, "SESV2", THROTTLING):
        assert {post(stack, f"{n}{recipient}") for n in range(11)} == {202}


def answer_of_ses_lost(stack: LocalStack, recipient: str) -> None:
    with stack.endpoint(RECEIVER, "SESV2", hanging_up):
        assert post(stack, recipient) == 503


def answer_of_sqs_lost(stack: LocalStack, recipient: str) -> None:
    with (
        stack.environment(RECEIVER, DELIVERY="sqs"),
        stack.endpoint(RECEIVER, "SQS", hanging_up),
    ):
        assert post(stack, recipient) == 503


def quota_used_up(stack: LocalStack, recipient: str) -> None:
    full = answering(400, "LimitExceededException", "Daily message quota exceeded.")
    with stack.endpoint(RECEIVER, "SESV2", full):
        assert post(stack, recipient) == 503


def enqueue(stack: LocalStack, recipient: str, *, age: float) -> str:
    """Queue an event that came some seconds ago; return its id."""
    queued = Queued(
        id=recipient.partition("@")[0],
        event=fixtures.payload(email=recipient),
        recipient="0" * 32,
        received=time.time() - age,
        correlation="-",
    )
    stack.client("sqs").send_message(
        QueueUrl=stack.deployed.outputs["QueueUrl"], MessageBody=queued.dump()
    )
    return queued.id


def still_waiting(stack: LocalStack, recipient: str) -> None:
    """An event that came eleven minutes ago and that SES does not accept."""
    with stack.endpoint(MAILER, "SESV2", THROTTLING):
        event_id = enqueue(stack, recipient, age=660)
        assert stack.wait_until(lambda: is_told(stack, event_id, "postponed"))


def is_told(stack: LocalStack, event_id: str, what: str) -> bool:
    return any(event_id in line and f'"{what}"' in line for line in stack.log(MAILER))


def test_nothing_rings_while_people_get_their_emails(
    stack: LocalStack, bell: Bell, recipient: str
) -> None:
    assert post(stack, recipient) == 200
    assert len(stack.emails_to(recipient, at_least=1)) == 1

    measured = bell.feed()

    assert measured["Received"] == measured["Sent"] == [1]
    assert measured["TimeToSes"][0] > 0
    assert measured["AgeAtSending"][0] > 0
    assert bell.rung() == {}


def test_requests_without_a_token_ring_nothing(
    stack: LocalStack, bell: Bell, recipient: str
) -> None:
    bell.feed()
    bell.rung()
    for _ in range(6):
        assert stack.post(fixtures.payload(email=recipient), token="").status == 401

    measured = bell.feed()

    assert measured["Unauthenticated"] == measured["TokenMissing"] == [1] * 6
    assert "Refused" not in measured
    assert bell.rung() == {}


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("RefusalsAlarm", refused_often),
        ("TokenReplayedAlarm", replayed),
        ("ThrottledAlarm", throttled),
        ("SendOutcomeUnknownAlarm", answer_of_ses_lost),
        ("QueueOutcomeUnknownAlarm", answer_of_sqs_lost),
        ("QuotaUsedUpAlarm", quota_used_up),
        ("StillWaitingAlarm", still_waiting),
    ],
)
def test_an_alarm_notifies_the_topic_and_says_what_to_do(
    stack: LocalStack, bell: Bell, recipient: str, name: str, scene: Scene
) -> None:
    bell.feed()
    before = bell.rung()
    assert name not in before

    scene(stack, recipient)
    bell.feed()

    message = bell.rung()[name]
    assert f"docs/operations.md, {name}." in message["AlarmDescription"]


def test_a_dead_letter_rings(stack: LocalStack, bell: Bell, recipient: str) -> None:
    sqs, url = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    with stack.unverified("hello@brand.example"):
        enqueue(stack, recipient, age=0)
        assert stack.wait_until(lambda: any(recipient in m.body for m in stack.dead_letters()))

    letters = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for letter in letters:
        if recipient in letter["Body"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
        else:
            sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
            )

    # A metric of SQS.
    stack.client("cloudwatch").put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Value": len(letters),
                "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
            }
        ],
    )

    assert "roomle-mail dead-letters" in bell.rung()["DeadLettersAlarm"]["AlarmDescription"]


@pytest.mark.parametrize("kind", ses_events.EVENTS)
@pytest.mark.parametrize(("ours", "matches"), [(True, True), (False, False)])
def test_the_rule_takes_ses_events_of_this_stack_and_no_others(
    stack: LocalStack, kind: str, *, ours: bool, matches: bool
) -> None:
    events = stack.client("events")
    (rule,) = events.list_rules()["Rules"]
    pattern = json.loads(rule["EventPattern"])
    (deployed,) = pattern["detail"]["mail"]["tags"]["ses:configuration-set"]
    event = ses_events.event(kind)
    event["detail"]["mail"]["tags"]["ses:configuration-set"] = [deployed if ours else "another"]

    answer = events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))

    assert answer["Result"] is matches


@pytest.mark.parametrize("kind", ["Email Sent", "Email Opened", "Email Clicked"])
def test_the_rule_leaves_out_what_is_no_outcome(stack: LocalStack, kind: str) -> None:
    events = stack.client("events")
    (rule,) = events.list_rules()["Rules"]
    event = ses_events.event("Email Delivered") | {"detail-type": kind}
    pattern = json.loads(rule["EventPattern"])
    tags = pattern["detail"]["mail"]["tags"]
    event["detail"]["mail"]["tags"] |= tags

    answer = events.test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(event))

    assert answer["Result"] is False


def test_the_dashboard_is_there(stack: LocalStack) -> None:
    cloudwatch = stack.client("cloudwatch")
    (entry,) = cloudwatch.list_dashboards()["DashboardEntries"]
    body = json.loads(
        cloudwatch.get_dashboard(DashboardName=entry["DashboardName"])["DashboardBody"]
    )

    assert stack.deployed.outputs["DashboardUrl"].endswith(entry["DashboardName"])
    (shown,) = (w["properties"]["alarms"] for w in body["widgets"] if w["type"] == "alarm")
    alarms = cloudwatch.describe_alarms()["MetricAlarms"]
    assert sorted(shown) == sorted(alarm["AlarmArn"] for alarm in alarms)
