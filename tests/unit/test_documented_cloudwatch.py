"""Metrics, alarms, dashboard and queries are ones that CloudWatch documents."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from tests import operations
from tests.aws_documented import cloudwatch, insights, read
from tests.unit.cloudformation import Stack

STACKS = {
    "everything": operations.stack(),
    "the longest silence": Stack(AlarmSilenceHours="168", AlarmRefusals="1000000"),
    "local": Stack(LocalStack="true"),
    "without a mailer": Stack(Mailer="off", Delivery="sqs", **operations.EVERYTHING),
}
ALARMS = {
    f"{name} of {stack}": alarm["Properties"]
    for stack, made in STACKS.items()
    for name, alarm in made.of_type("AWS::CloudWatch::Alarm").items()
}
FILTERS = operations.stack().of_type("AWS::Logs::MetricFilter")
SCHEMA = read("dashboard.schema.json")


# Metrics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", sorted(operations.metrics(), key=str), ids=str)
def test_every_metric_is_stored_under_its_dimensions(metric: operations.Metric) -> None:
    names = [name for name, _ in metric.dimensions]

    if metric.namespace == operations.NAMESPACE:
        # tests/aws compares the code's metrics with what it writes.
        assert names == ["stack"]
    else:
        assert cloudwatch.metric_problems(metric.namespace, metric.name, names) == []


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_asks_for_no_unit_that_its_metric_does_not_have(name: str) -> None:
    about = ALARMS[name]

    # CloudWatch separates units, so an alarm on another unit never has data.
    assert "Unit" not in about
    assert not [each for each in operations.metric_stats(about) if "Unit" in each["MetricStat"]]


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        (("AWS/Lamda", "Errors", ["FunctionName"]), "unknown namespace"),
        (("AWS/Lambda", "Error", ["FunctionName"]), "has no metric"),
        # These are the names of REST APIs.
        (("AWS/ApiGateway", "5XXError", ["ApiId"]), "has no metric"),
        (("AWS/ApiGateway", "5xx", ["ApiName"]), "is not stored by"),
        (("AWS/SQS", "ApproximateAgeOfOldestMessage", []), "is not stored by"),
        (("AWS/SES", "Send", ["ses:configuration-set"]), "is not stored by"),
        (("AWS/SQS", "ApproximateAgeOfOldestMessage", ["QueueName"], "Count"), "is in Seconds"),
    ],
)
def test_a_metric_that_aws_does_not_store_is_found(metric: Any, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert cloudwatch.metric_problems(*metric) == []


def test_every_namespace_has_its_page() -> None:
    assert all(about["page"] for about in cloudwatch.DOCUMENTED["metrics"].values())


@pytest.mark.parametrize("name", FILTERS)
def test_a_metric_filter_reads_what_the_access_log_has(name: str) -> None:
    about = FILTERS[name]["Properties"]
    log = json.loads(operations.stack().properties("HttpApi")["AccessLogSettings"]["Format"])
    (made,) = about["MetricTransformations"]

    # CloudWatch Logs' page "Filter pattern syntax", JSON log events.
    (field,) = re.findall(r'^\{ \$\.(\w+) = "[^"]+" \}$', about["FilterPattern"])
    dimensions = [each["Value"].removeprefix("$.") for each in made["Dimensions"]]
    assert {field, *dimensions} <= set(log)
    # CloudWatch's page "MetricTransformation": three dimensions at most, and no default with them.
    assert len(dimensions) <= 3
    assert "DefaultValue" not in made
    assert made["Unit"] == "Count"


def test_the_access_log_is_of_variables_that_api_gateway_documents() -> None:
    log = json.loads(operations.stack().properties("HttpApi")["AccessLogSettings"]["Format"])
    variables = {value for value in log.values() if value.startswith("$")}

    assert variables <= set(cloudwatch.DOCUMENTED["access_log"]["variables"])


# Alarms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_is_one_that_cloudwatch_accepts(name: str) -> None:
    assert cloudwatch.alarm_problems(ALARMS[name]) == []


PLAIN: dict[str, Any] = {
    "Namespace": "AWS/SQS",
    "MetricName": "ApproximateNumberOfMessagesVisible",
    "Statistic": "Maximum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
}
STAT = {"Metric": {"Namespace": "AWS/SES", "MetricName": "Send"}, "Stat": "Sum", "Period": 300}
SENT = {"Id": "sent", "ReturnData": False, "MetricStat": STAT}
RATE = {"Id": "rate", "Expression": "IF(sent >= 3, 100 * sent, 0)"}
MATH: dict[str, Any] = {
    "Metrics": [RATE, SENT],
    "EvaluationPeriods": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
}


@pytest.mark.parametrize("alarm", [PLAIN, MATH, PLAIN | {"Period": 3600, "EvaluationPeriods": 168}])
def test_an_alarm_without_fault_passes(alarm: dict[str, Any]) -> None:
    assert cloudwatch.alarm_problems(alarm) == []


@pytest.mark.parametrize(
    ("alarm", "problem"),
    [
        (PLAIN | {"Period": 90}, "Period 90 is not possible"),
        (PLAIN | {"EvaluationPeriods": 289}, "looks back too far"),
        (PLAIN | {"Period": 3600, "EvaluationPeriods": 169}, "looks back too far"),
        (PLAIN | {"Statistic": "p95"}, "unknown Statistic p95"),
        (PLAIN | {"ExtendedStatistic": "p95"}, "or both"),
        (PLAIN | {"ComparisonOperator": "GreaterThan"}, "unknown ComparisonOperator"),
        (PLAIN | {"TreatMissingData": "notbreaching"}, "unknown TreatMissingData"),
        (PLAIN | {"DatapointsToAlarm": 2}, "more DatapointsToAlarm"),
        (PLAIN | {"AlarmDescription": "x" * 1025}, "too long"),
        (PLAIN | MATH, "or both"),
        ({k: v for k, v in PLAIN.items() if k != "Threshold"}, "no Threshold"),
        (MATH | {"Metrics": [RATE, SENT | {"ReturnData": True}]}, "not exactly one result"),
        (MATH | {"Metrics": [RATE | {"ReturnData": False}, SENT]}, "not exactly one result"),
        (MATH | {"Metrics": [RATE | {"Expression": "100 * send"}, SENT]}, "asks for send"),
        (MATH | {"Metrics": [RATE | {"Id": "Rate"}, SENT]}, "Id Rate is not possible"),
        (MATH | {"Metrics": [RATE, SENT, SENT]}, "twice"),
        (MATH | {"Metrics": [RATE | {"MetricStat": STAT}, SENT]}, "or both"),
        (MATH | {"Period": 300}, "a Period together with metric math"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses_is_found(alarm: dict[str, Any], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert cloudwatch.alarm_problems(alarm) == []


# Dashboard -------------------------------------------------------------------------------------


def body(stack: Stack) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(stack.properties("Dashboard")["DashboardBody"])
    return made


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_the_dashboard_has_the_structure_that_cloudwatch_documents(stack: Stack) -> None:
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(body(stack))


def test_the_dashboards_lines_have_known_statistics_and_refer_to_existing_lines() -> None:
    for widget in operations.dashboard()["widgets"]:
        about = widget["properties"]
        options = [line[-1] for line in about.get("metrics", []) if isinstance(line[-1], dict)]
        statistics = [each["stat"] for each in (about, *options) if "stat" in each]
        ids = {each["id"] for each in options if "id" in each}
        asked = {
            name
            for each in options
            for name in re.findall(r"\b[a-z]\w*", each.get("expression", ""))
        }
        assert all(map(cloudwatch.is_statistic, statistics)), about["title"]
        assert asked <= ids, about["title"]


UNITS = {"ms": "Milliseconds", "s": "Seconds"}


def test_a_widgets_unit_is_correct() -> None:
    said = 0
    for widget in operations.dashboard()["widgets"]:
        about = widget["properties"]
        for line in about.get("metrics", []):
            options = line[-1] if isinstance(line[-1], dict) else {}
            label = f"{about['title']} {options.get('label', '')}".rstrip()
            unit = re.search(r", in (m?s)\b", label)
            if unit and isinstance(line[0], str) and line[0] != operations.NAMESPACE:
                said += 1
                units = cloudwatch.DOCUMENTED["metrics"][line[0]]["units"]
                assert units[line[1]] == UNITS[unit[1]], label
    assert said


@pytest.mark.parametrize(
    "change",
    [
        {"type": "graph"},
        {"width": 25},
        {"x": 24},
        {"properties": {"metrics": [["AWS/SQS", "Sent"]]}},
        {"properties": {"region": "eu-central-1", "metrics": []}},
        {"properties": {"region": "eu-central-1", "metrics": [["AWS/SQS"]]}},
        {"properties": {"region": "eu-central-1", "metrics": [["a", "b", {"colour": "#fff"}]]}},
        {"properties": {"region": "eu-central-1", "metrics": [["a", "b"]], "period": 90}},
        {"properties": {"region": "eu-central-1", "metrics": [["a", "b"]], "view": "timeseries"}},
        {"type": "log", "properties": {"region": "eu-central-1", "query": "filter a = 1"}},
        {"type": "alarm", "properties": {"alarms": ["a", "a"]}},
        {"type": "text", "properties": {"text": "a"}},
    ],
)
def test_a_widget_that_cloudwatch_refuses_is_found(change: dict[str, Any]) -> None:
    place = {"x": 0, "y": 0, "width": 12, "height": 6}
    properties = {"region": "eu-central-1", "metrics": [["AWS/SQS", "Sent", "QueueName", "a"]]}
    widget: dict[str, Any] = {"type": "metric", **place, "properties": properties}
    validator = jsonschema_rs.Draft202012Validator(SCHEMA)

    assert validator.is_valid({"widgets": [widget]})
    assert not validator.is_valid({"widgets": [widget | change]})


# Queries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", operations.queries())
def test_every_query_is_one_that_logs_insights_accepts(name: str) -> None:
    query = insights.parse(operations.queries()[name])

    # tests/aws compares the fields with what is written.
    assert query.fields
    # CloudWatch Logs' page "PutQueryDefinition".
    assert len(name) <= 255
    assert len(operations.queries()[name]) <= 10_000


@pytest.mark.parametrize(
    "text",
    [
        'filter a = "b" or c = "d" and not (e like /f/ or g in ["h", "i"])',
        "filter ispresent(a) | sort a desc, b | limit 5",
        "# a comment\nstats count(*) as n, max(@timestamp) as last by a, b\n| sort n desc",
        "fields a, strlen(b) as c | display a, c",
        "SOURCE 'log' | SOURCE 'other' | filter a = 1",
    ],
)
def test_a_query_without_fault_passes(text: str) -> None:
    # Our queries use no regular expressions between slashes.
    assert insights.parse(text.replace("/f/", '"f"')).fields


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("where a = 1", "Unexpected"),
        ("filter a", "Unexpected"),
        ("filter a == 1", "Unexpected"),
        ('filter a = "b', "No terminal"),
        ("filter a = 1 sort b", "Unexpected"),
        ("filter a = 1 |", "Unexpected"),
        ("filter a = 1 | limit 10001", "limit"),
        ("filter exists(a)", "unknown function exists"),
        ("filter ispresent(a, b)", "ispresent takes"),
        ("stats median(a) by b", "unknown function median"),
        ("stats count(*) as n by a | sort b", "stats leaves no field b"),
        ("filter @timestmap = 1", "discovers no field @timestmap"),
        ("filter a = 1 | SOURCE 'log'", "Unexpected"),
    ],
)
def test_a_query_that_logs_insights_refuses_is_found(text: str, problem: str) -> None:
    with pytest.raises(insights.QueryInvalid, match=problem):
        insights.parse(text)


def test_a_querys_log_fields_are_known() -> None:
    query = insights.parse(
        'filter a = "x" and ispresent(b) | stats count(*) as n, max(c) as m by d | sort n desc'
    )

    assert query.fields == {"a", "b", "c", "d"}
    assert query.made == {"n", "m", "d"}
