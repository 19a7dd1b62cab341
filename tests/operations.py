"""The names in the template's alarms, dashboard and queries, to compare with what is written."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.aws_documented import insights
from tests.unit.cloudformation import Stack

NAMESPACE = "RoomleMail"
# Parameters that create everything that is left out by default.
EVERYTHING = {"AlarmEmail": "ops@brand.example", "AlarmSilenceHours": "24"} | {
    "RequireToken": "false", "EventBus": "shop"}  # fmt: skip


@cache
def stack() -> Stack:
    """The stack with everything that can be in it."""
    return Stack(**EVERYTHING)


@cache
def alarms() -> dict[str, dict[str, Any]]:
    """Alarms by their logical id."""
    return {n: r["Properties"] for n, r in stack().of_type("AWS::CloudWatch::Alarm").items()}


@cache
def dashboard() -> dict[str, Any]:
    """The dashboard's body."""
    body: dict[str, Any] = json.loads(stack().properties("Dashboard")["DashboardBody"])
    return body


@cache
def queries() -> dict[str, str]:
    """The saved queries and the dashboard's query, by name."""
    saved = stack().of_type("AWS::Logs::QueryDefinition").values()
    shown = [each["properties"] for each in dashboard()["widgets"] if each["type"] == "log"]
    return {q["Properties"]["Name"]: q["Properties"]["QueryString"] for q in saved} | {
        f"dashboard: {widget['title']}": widget["query"] for widget in shown
    }


@dataclass(frozen=True)
class Metric:
    """A metric in use; dimensions are pairs (name, value)."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def of_alarm(properties: dict[str, Any]) -> list[Metric]:
    """The metrics that an alarm looks at."""
    found = [each["MetricStat"]["Metric"] for each in metric_stats(properties)] or [properties]
    return [
        Metric(
            each["Namespace"],
            each["MetricName"],
            tuple((d["Name"], d["Value"]) for d in each.get("Dimensions", [])),
        )
        for each in found
    ]


def metric_stats(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics in an alarm's metric math."""
    return [each for each in properties.get("Metrics", []) if "MetricStat" in each]


def of_dashboard() -> list[Metric]:
    """The metrics that the dashboard shows."""
    listed = [
        each
        for widget in dashboard()["widgets"]
        for each in widget["properties"].get("metrics", [])
        if isinstance(each[0], str)
    ]
    texts = [[part for part in each if isinstance(part, str)] for each in listed]
    return [
        Metric(space, name, tuple(zip(rest[::2], rest[1::2], strict=True)))
        for space, name, *rest in texts
    ]


def metrics() -> set[Metric]:
    """All metrics that alarms and dashboard name."""
    return {each for alarm in alarms().values() for each in of_alarm(alarm)} | set(of_dashboard())


def fields(query: str) -> set[str]:
    """The fields of log lines that a query names, without those that it creates."""
    return insights.parse(query).fields
