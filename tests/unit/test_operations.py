"""Alarms, dashboard, queries and SES's events, as the template has them."""

import json
import re
from typing import Any

import pytest

from tests import operations, ses_events
from tests.unit.cloudformation import Stack, read

DIMENSION = {
    "RoomleMail": ("stack", {"roomle-mail"}),
    "AWS/SQS": ("QueueName", {"Queue.QueueName", "DeadLetterQueue.QueueName"}),
    "AWS/Lambda": ("FunctionName", {"ReceiverFunction", "MailerFunction"}),
    "AWS/ApiGateway": ("ApiId", {"HttpApi"}),
}
ALARMS = operations.alarms()
WITHOUT_MAILER = Stack(Mailer="off", Delivery="sqs", **operations.EVERYTHING)
DESCRIPTIONS = {
    (name, about["Properties"]["AlarmDescription"])
    for stack in (operations.stack(), WITHOUT_MAILER)
    for name, about in stack.of_type("AWS::CloudWatch::Alarm").items()
}


def alarm(name: str) -> dict[str, Any]:
    return ALARMS[name]


# Alarms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_notifies_when_it_rings_and_when_it_ends(name: str) -> None:
    assert alarm(name)["AlarmActions"] == ["AlarmTopic"]
    assert alarm(name)["OKActions"] == ["AlarmTopic"]
    assert alarm(name).get("ActionsEnabled", True) is True


@pytest.mark.parametrize(("name", "description"), sorted(DESCRIPTIONS))
def test_an_alarm_says_what_to_do(name: str, description: str) -> None:
    assert 80 < len(description) <= 1024
    assert f"docs/operations.md, {name}." in description
    # What to look at, or what to change.
    looks = r"roomle-mail [a-z]|aved quer|[Ll]ook at|log tells"
    changes = r"[Rr]aise |Ask for |[Ll]ower |set [A-Z]|roll back"
    assert re.search(f"{looks}|{changes}", description)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_looks_at_metrics_of_this_stack(name: str) -> None:
    for metric in operations.of_alarm(alarm(name)):
        # SES counts for the whole account, and acts on it.
        if metric.namespace == "AWS/SES":
            assert metric.dimensions == ()
        else:
            ((dimension, value),) = metric.dimensions
            assert DIMENSION[metric.namespace][0] == dimension
            assert value in DIMENSION[metric.namespace][1]


def test_the_longest_silence_is_a_week() -> None:
    (about,) = (p for n, p in _parameters().items() if n == "AlarmSilenceHours")

    assert about["MaxValue"] * 3600 == 7 * 86_400


@pytest.mark.parametrize("name", ALARMS)
def test_without_data_no_alarm_goes_off(name: str) -> None:
    expected = dict.fromkeys(("BounceRateAlarm", "ComplaintRateAlarm"), "ignore")
    expected["SilenceAlarm"] = "missing"

    assert alarm(name)["TreatMissingData"] == expected.get(name, "notBreaching")


@pytest.mark.parametrize(
    ("name", "metric", "statistic", "comparison", "threshold"),
    [
        ("DeadLettersAlarm", "ApproximateNumberOfMessagesVisible", "Maximum", ">", 0),
        ("OldestMessageAlarm", "ApproximateAgeOfOldestMessage", "Maximum", ">", 600),
        ("StillWaitingAlarm", "AgeAtPostponing", "Maximum", ">", 600_000),
        ("BounceRateAlarm", "Reputation.BounceRate", "Maximum", ">=", 0.05),
        ("ComplaintRateAlarm", "Reputation.ComplaintRate", "Maximum", ">=", 0.001),
        ("ReceiverThrottlesAlarm", "Throttles", "Sum", ">", 0),
        ("MailerThrottlesAlarm", "Throttles", "Sum", ">", 0),
        ("WebhookThrottlesAlarm", "WebhookThrottled", "Sum", ">", 0),
        ("ThrottledAlarm", "Throttled", "Sum", ">", 10),
        ("QuotaUsedUpAlarm", "QuotaUsedUp", "Sum", ">", 0),
        ("TokenReplayedAlarm", "TokenReplayed", "Sum", ">", 0),
        ("SendOutcomeUnknownAlarm", "SendOutcomeUnknown", "Sum", ">", 0),
        ("QueueOutcomeUnknownAlarm", "QueueOutcomeUnknown", "Sum", ">", 0),
        ("ReceiverErrorsAlarm", "Errors", "Sum", ">", 0),
        ("MailerErrorsAlarm", "Errors", "Sum", ">", 0),
        ("UnforeseenAlarm", "Unforeseen", "Sum", ">", 0),
        ("UnpublishedAlarm", "Unpublished", "Sum", ">", 0),
    ],
)
def test_an_alarm_rings_from_its_threshold_on(
    name: str, metric: str, statistic: str, comparison: str, threshold: float
) -> None:
    operators = {">": "GreaterThanThreshold", ">=": "GreaterThanOrEqualToThreshold"}

    assert alarm(name)["MetricName"] == metric
    assert alarm(name)["Statistic"] == statistic
    assert alarm(name)["ComparisonOperator"] == operators[comparison]
    assert alarm(name)["Threshold"] == threshold


def test_refusals_ring_as_the_parameter_says() -> None:
    about = Stack(AlarmRefusals="7").properties("RefusalsAlarm")

    assert (about["MetricName"], about["Statistic"], about["Period"]) == ("Refused", "Sum", 3600)
    assert (about["ComparisonOperator"], about["Threshold"]) == (
        "GreaterThanOrEqualToThreshold",
        "7",
    )


def test_refusals_do_not_count_requests_without_a_token() -> None:
    looked_at = {metric.name for about in ALARMS.values() for metric in operations.of_alarm(about)}
    shown = {metric.name for metric in operations.of_dashboard()}

    assert "Refused" in looked_at
    assert not looked_at & {"Unauthenticated", "TokenMissing"}
    assert {"Unauthenticated", "TokenMissing"} <= shown


def test_silence_is_reported_after_a_first_event_and_not_after_a_first_deploy() -> None:
    # CloudWatch's page "Configuring how CloudWatch alarms treat missing data": with `missing`, an
    # alarm goes to INSUFFICIENT_DATA once its whole range is empty. That is also the state in which
    # an alarm is created, and its actions run when it comes from another state ("PutMetricAlarm").
    about = alarm("SilenceAlarm")

    assert about["TreatMissingData"] == "missing"
    assert about["InsufficientDataActions"] == ["AlarmTopic"]
    assert "insufficient data" in about["AlarmDescription"]


@pytest.mark.parametrize("name", [name for name in ALARMS if name != "SilenceAlarm"])
def test_no_other_alarm_reports_a_lack_of_data(name: str) -> None:
    assert "InsufficientDataActions" not in alarm(name)


def test_silence_rings_as_the_parameter_says_and_is_off_by_default() -> None:
    about = Stack(AlarmSilenceHours="30").properties("SilenceAlarm")

    assert about["MetricName"] == "Received"
    assert (about["Period"], about["EvaluationPeriods"]) == (3600, "30")
    assert (about["ComparisonOperator"], about["Threshold"]) == ("LessThanThreshold", 1)
    assert "SilenceAlarm" not in Stack().resources


def evaluate(expression: str, **values: float) -> float:
    """Evaluate the template's metric math as CloudWatch does."""
    python = re.sub(r"IF\((.+?), (.+?), (.+?)\)", r"(\2 if \1 else \3)", expression)
    return float(eval(python, {}, values))  # noqa: S307 - our own template


@pytest.mark.parametrize(
    ("failed", "requests", "rings"),
    [(0, 0, False), (2, 2, False), (3, 100, False), (5, 100, False), (6, 100, True), (3, 3, True)],
)
def test_more_than_five_percent_failures_ring(failed: int, requests: int, *, rings: bool) -> None:
    (rate,) = (m for m in alarm("ServerErrorsAlarm")["Metrics"] if "Expression" in m)

    value = evaluate(rate["Expression"], errors=failed, requests=requests)

    assert alarm("ServerErrorsAlarm")["ComparisonOperator"] == "GreaterThanThreshold"
    assert (value > alarm("ServerErrorsAlarm")["Threshold"]) is rings


@pytest.mark.parametrize(("sent", "rings"), [(159, False), (160, True), (200, True)])
def test_eighty_percent_of_the_quota_ring(sent: int, *, rings: bool) -> None:
    about = Stack(SesDailyQuota="200").properties("SesQuotaAlarm")
    (used,) = (m for m in about["Metrics"] if "Expression" in m)
    (stat,) = operations.metric_stats(about)

    assert stat["MetricStat"]["Period"] == 86_400
    assert about["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert (evaluate(used["Expression"], sent=sent) >= about["Threshold"]) is rings


@pytest.mark.parametrize("name", ["ServerErrorsAlarm", "WebhookThrottlesAlarm"])
def test_an_alarm_on_what_api_gateway_counts_says_that_it_may_not_count_all(name: str) -> None:
    # API Gateway's page "Monitor HTTP APIs": excessive 429s and its own 5xx may be left out.
    assert "API Gateway may not" in alarm(name)["AlarmDescription"]


@pytest.mark.parametrize("name", ALARMS)
def test_metric_math_has_one_result_and_is_left_to_aws(name: str) -> None:
    metrics = alarm(name).get("Metrics", [])
    condition = read()["Resources"][name].get("Condition")

    # The emulator knows no metric math.
    assert (condition == "OnAws") is bool(metrics)
    if metrics:
        (result,) = (m for m in metrics if m.get("ReturnData", True))
        assert "Expression" in result
        # CloudWatch's page "PutMetricAlarm": ten metrics at most, ids that begin in lower case, and
        # no property that belongs to an alarm on a single metric.
        stats = operations.metric_stats(alarm(name))
        assert len(stats) <= 10
        assert len({m["MetricStat"]["Period"] for m in stats}) == 1
        assert all(re.fullmatch(r"[a-z]\w{0,254}", m["Id"]) for m in metrics)
        assert not {"MetricName", "Namespace", "Period", "Statistic", "Dimensions"} & set(
            alarm(name)
        )


def test_alarms_go_to_the_parameters_address_if_there_is_one() -> None:
    subscription = Stack(AlarmEmail="ops@brand.example").properties("AlarmSubscription")

    assert subscription == {
        "TopicArn": "AlarmTopic",
        "Protocol": "email",
        "Endpoint": "ops@brand.example",
    }
    assert "AlarmSubscription" not in Stack().resources
    assert "AlarmTopic" in Stack().resources


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("", True), ("ops@brand.example", True), ("a@b,c@d", False), ("ops", False), ("a b@c", False)],
)
def test_the_alarms_go_to_one_address(value: str, *, allowed: bool) -> None:
    assert bool(re.fullmatch(_parameters()["AlarmEmail"]["AllowedPattern"], value)) is allowed


def test_only_alarms_of_this_account_may_publish() -> None:
    policy = operations.stack().properties("AlarmTopicPolicy")
    (statement,) = policy["PolicyDocument"]["Statement"]

    assert policy["Topics"] == ["AlarmTopic"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    # CloudWatch may not use AWS's own key for SNS, so that topic would stay silent.
    assert "KmsMasterKeyId" not in operations.stack().resources["AlarmTopic"].get("Properties", {})


def test_what_api_gateway_throttles_is_counted_from_its_log() -> None:
    stack = operations.stack()
    about = stack.properties("WebhookThrottled")
    written = json.loads(stack.properties("HttpApi")["AccessLogSettings"]["Format"])
    (made,) = about["MetricTransformations"]

    assert about["LogGroupName"] == "AccessLog"
    assert about["FilterPattern"] == '{ $.status = "429" }'
    assert written["status"] == "$context.status"
    assert written["stack"] == "roomle-mail"
    assert made["Dimensions"] == [{"Key": "stack", "Value": "$.stack"}]
    assert (made["MetricNamespace"], made["MetricName"]) == ("RoomleMail", "WebhookThrottled")


def test_a_metric_filter_has_the_form_that_cloudwatch_logs_accepts() -> None:
    # CloudWatch Logs' page "PutMetricFilter": one transformation; dimensions only with a pattern
    # for JSON, three at most, and then no default value.
    for each in operations.stack().of_type("AWS::Logs::MetricFilter").values():
        about = each["Properties"]
        (made,) = about["MetricTransformations"]
        assert about["FilterPattern"].startswith("{")
        assert 1 <= len(made["Dimensions"]) <= 3
        assert all(re.fullmatch(r"\$\.\w+", d["Value"]) for d in made["Dimensions"])
        assert "DefaultValue" not in made


def test_the_rule_is_within_eventbridges_size_limits() -> None:
    # EventBridge's pages "PutRule" and "InputTransformer".
    rule = ses_events.rule()
    transformers = [target["InputTransformer"] for target in rule["Targets"]]

    assert len(json.dumps(rule["EventPattern"])) <= 2048
    assert len(rule["Description"]) <= 512
    assert len(transformers) <= 5
    for each in transformers:
        assert len(each["InputPathsMap"]) <= 100
        assert len(each["InputTemplate"]) <= 8192


# Dashboard -------------------------------------------------------------------------------------


def test_the_dashboard_shows_metrics_of_this_stack() -> None:
    for metric in operations.of_dashboard():
        if metric.namespace != "AWS/SES":
            ((dimension, value),) = metric.dimensions
            assert DIMENSION[metric.namespace][0] == dimension
            assert value in DIMENSION[metric.namespace][1]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        operations.EVERYTHING,
        {"LocalStack": "true"},
        {"Mailer": "off", "Delivery": "sqs"},
    ],
)
def test_the_dashboard_shows_every_alarm_that_there_is(parameters: dict[str, str]) -> None:
    stack = Stack(**parameters)
    body = json.loads(stack.properties("Dashboard")["DashboardBody"])
    (shown,) = (w["properties"]["alarms"] for w in body["widgets"] if w["type"] == "alarm")

    assert sorted(shown) == sorted(f"{n}.Arn" for n in stack.of_type("AWS::CloudWatch::Alarm"))


@pytest.mark.parametrize("stack", [operations.stack(), WITHOUT_MAILER], ids=["with", "without"])
def test_no_widget_covers_another(stack: Stack) -> None:
    covered: set[tuple[int, int]] = set()
    for widget in json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]:
        assert widget["x"] + widget["width"] <= 24
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & covered
        covered |= cells


@pytest.mark.parametrize(("required", "said"), [("true", False), ("false", True)])
def test_the_dashboard_says_so_if_no_token_is_required(required: str, *, said: bool) -> None:
    body = json.loads(Stack(RequireToken=required).properties("Dashboard")["DashboardBody"])
    text = body["widgets"][0]["properties"]["markdown"]

    assert ("RequireToken is false" in text) is said


def test_the_first_thing_shown_is_whether_people_get_their_emails() -> None:
    title, today, *_ = operations.dashboard()["widgets"]

    assert "are people getting their emails?" in title["properties"]["markdown"]
    names = [metric[1] for metric in today["properties"]["metrics"]]
    assert {"Received", "Sent", "Queued", "Refused", "Failed"} <= set(names)


# Queries ---------------------------------------------------------------------------------------


def test_the_queries_are_saved() -> None:
    saved = operations.stack().of_type("AWS::Logs::QueryDefinition").values()

    assert {each["Properties"]["Name"] for each in saved} == {
        f"roomle-mail/{question}"
        for question in (
            "What happened to this address",
            "What happened to this event",
            "Why refused",
            "Why failed",
            "Slowest",
            "Events by configurator",
            "What SES says",
            "What emails show of designs",
        )
    }
    for each in saved:
        assert each["Properties"]["LogGroupNames"] == ["ReceiverLog", "MailerLog", "SesLog"]


def test_a_query_is_saved_in_the_form_that_cloudformation_accepts() -> None:
    # CloudFormation's page "AWS::Logs::QueryDefinition".
    for each in operations.stack().of_type("AWS::Logs::QueryDefinition").values():
        about = each["Properties"]
        assert set(about) == {"Name", "LogGroupNames", "QueryString"}
        assert 1 <= len(about["Name"]) <= 255
        assert 1 <= len(about["QueryString"]) <= 10_000
        groups = operations.stack().of_type("AWS::Logs::LogGroup")
        assert set(about["LogGroupNames"]) <= set(groups)


# SES's events ----------------------------------------------------------------------------------


def test_ses_reports_what_happens_to_an_email() -> None:
    stack = operations.stack()
    about = stack.properties("SesEvents")
    destination = about["EventDestination"]

    assert about["ConfigurationSetName"] == "ConfigurationSet"
    assert destination["Enabled"] is True
    assert set(destination["MatchingEventTypes"]) == {
        *("delivery", "bounce", "complaint", "reject", "deliveryDelay", "renderingFailure"),
    }
    # SES accepts only the default bus (its page "Set up an EventBridge destination").
    bus = "arn:aws:events:eu-central-1:123456789012:event-bus/default"
    assert destination["EventBridgeDestination"] == {"EventBusArn": bus}
    assert "EventBusName" not in ses_events.rule()


def test_the_rule_knows_every_kind_of_event_that_ses_is_asked_for() -> None:
    kinds = ses_events.rule()["EventPattern"]["detail-type"]
    asked = operations.stack().properties("SesEvents")["EventDestination"]["MatchingEventTypes"]

    assert set(kinds) == set(ses_events.EVENTS)
    assert len(kinds) == len(asked)


def test_the_rule_writes_into_a_log_group_that_lets_it() -> None:
    stack = operations.stack()
    (target,) = ses_events.rule()["Targets"]
    policy = json.loads(stack.properties("SesEventsMayBeLogged")["PolicyDocument"])
    (statement,) = policy["Statement"]

    assert target["Arn"] == "arn:aws:logs:eu-central-1:123456789012:log-group:SesLog"
    # EventBridge's page "Using resource-based policies": CloudWatch Logs accepts no role.
    assert "RoleArn" not in target
    assert statement == {
        "Sid": "LogEventsOfSes",
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "SesLog.Arn",
    }


# -----------------------------------------------------------------------------------------------


def _parameters() -> dict[str, Any]:
    parameters: dict[str, Any] = read()["Parameters"]
    return parameters
