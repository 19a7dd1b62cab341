"""Alarms on the deployed stack: the functions' metrics make them ring and notify the topic.

The emulator doesn't read metrics from the log as CloudWatch does, so the tests hand them over. It
also ignores the dimensions of a metric, which unit tests check instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import ses_events
from tests.stack import troubles
from tools.stack.local import MAILER, RECEIVER, LocalStack


@dataclass
class Bell:
    """The messages of the alarms' topic, in a queue that is subscribed to it."""

    stack: LocalStack
    queue_url: str

    def feed(self) -> dict[str, list[float]]:
        """Hand over the functions' metrics since the last call."""
        cloudwatch = self.stack.client("cloudwatch")
        values: dict[str, list[float]] = {}
        lines = [line for name in (RECEIVER, MAILER) for line in self.stack.take_log(name)]
        for record in [json.loads(line) for line in lines if '"_aws"' in line]:
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

    def listen(self) -> None:
        """Let what was measured before this test ring, and forget it."""
        self.feed()
        # The emulator looks at all alarms when it gets a metric.
        self.stack.client("cloudwatch").put_metric_data(
            Namespace="Test", MetricData=[{"MetricName": "Nothing", "Value": 0}]
        )
        while self.rung():
            pass

    def listen_for(self, alarm: str) -> None:
        """The same, and let this alarm be quiet, so that it can ring."""
        self.listen()
        self.stack.client("cloudwatch").set_alarm_state(
            AlarmName=self.stack.deployed.physical_id(alarm), StateValue="OK", StateReason="a test"
        )


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


def test_nothing_rings_while_people_get_their_emails(
    stack: LocalStack, bell: Bell, recipient: str
) -> None:
    bell.listen()
    assert troubles.post(stack, recipient) == 200
    assert len(stack.emails_to(recipient, at_least=1)) == 1

    measured = bell.feed()

    assert measured["Received"] == measured["Sent"] == [1]
    assert measured["TimeToSes"][0] > 0
    assert measured["AgeAtSending"][0] > 0
    assert bell.rung() == {}


def test_requests_without_a_token_ring_nothing(
    stack: LocalStack, bell: Bell, recipient: str
) -> None:
    bell.listen()
    for _ in range(6):
        assert troubles.post(stack, recipient, token="") == 401

    measured = bell.feed()

    assert measured["Unauthenticated"] == measured["TokenMissing"] == [1] * 6
    assert "Refused" not in measured
    assert bell.rung() == {}


RING = {
    "RefusalsAlarm": troubles.refused_often,
    "TokenReplayedAlarm": troubles.replayed,
    "ThrottledAlarm": troubles.throttled,
    "SendOutcomeUnknownAlarm": troubles.answer_of_ses_lost,
    "QueueOutcomeUnknownAlarm": troubles.answer_of_sqs_lost,
    "QuotaUsedUpAlarm": troubles.quota_used_up,
    "StillWaitingAlarm": troubles.still_waiting,
}


@pytest.mark.parametrize("name", RING)
def test_an_alarm_notifies_the_topic_and_says_what_to_do(
    stack: LocalStack, bell: Bell, recipient: str, name: str
) -> None:
    bell.listen_for(name)

    with RING[name](stack, recipient):
        bell.feed()

    message = bell.rung()[name]
    assert f"docs/operations.md, {name}." in message["AlarmDescription"]


def test_a_dead_letter_rings(stack: LocalStack, bell: Bell, recipient: str) -> None:
    name = stack.deployed.outputs["DeadLetterQueueUrl"].rpartition("/")[2]
    bell.listen_for("DeadLettersAlarm")

    with troubles.dead_letter(stack, recipient):
        # A metric of SQS.
        stack.client("cloudwatch").put_metric_data(
            Namespace="AWS/SQS",
            MetricData=[
                {
                    "MetricName": "ApproximateNumberOfMessagesVisible",
                    "Value": len(stack.dead_letters()),
                    "Dimensions": [{"Name": "QueueName", "Value": name}],
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
