"""Check alarms and metrics against the documentation of CloudWatch and the services."""

import re
from collections.abc import Mapping
from typing import Any

from tests.aws_documented import read

DOCUMENTED = read("cloudwatch.toml")
HOUR, DAY, WEEK = 3600, 86_400, 7 * 86_400


def metric_problems(namespace: str, name: str, dimensions: list[str], unit: str = "") -> list[str]:
    """Why AWS never stores this metric, so that it has no data."""
    documented = DOCUMENTED["metrics"].get(namespace)
    if documented is None:
        return [f"unknown namespace {namespace}"]
    if name not in documented["units"]:
        return [f"{namespace} has no metric {name}"]
    found = []
    if sorted(dimensions) not in [sorted(each) for each in documented["dimensions"]]:
        found.append(f"{name} is not stored by {dimensions}")
    if unit and unit != documented["units"][name]:
        found.append(f"{name} is in {documented['units'][name]}, not in {unit}")
    return found


def is_statistic(text: str) -> bool:
    """Whether CloudWatch has a statistic of that name."""
    extended: str = DOCUMENTED["statistics"]["extended"]
    return text in DOCUMENTED["alarm"]["statistics"] or bool(re.fullmatch(extended, text))


def alarm_problems(alarm: Mapping[str, Any]) -> list[str]:
    """Everything that CloudWatch refuses, or why the alarm would never ring."""
    limits = DOCUMENTED["alarm"]
    found = []
    if alarm["ComparisonOperator"] not in limits["comparisons"]:
        found.append("unknown ComparisonOperator")
    if alarm.get("TreatMissingData", "missing") not in limits["missing_data"]:
        found.append("unknown TreatMissingData")
    if len(alarm.get("AlarmDescription", "")) > 1024:
        found.append("AlarmDescription is too long")
    if any(len(alarm.get(each, [])) > 5 for each in ("AlarmActions", "OKActions")):
        found.append("more than five actions")
    if "Threshold" not in alarm:
        found.append("no Threshold")
    if ("MetricName" in alarm) is ("Metrics" in alarm):
        return [*found, "neither a metric nor metric math, or both"]
    if "Metrics" in alarm:
        found += _math_problems(alarm["Metrics"])
        stats = [each["MetricStat"] for each in alarm["Metrics"] if "MetricStat" in each]
        periods = [int(each["Period"]) for each in stats]
        found += [f"unknown Stat {s['Stat']}" for s in stats if not is_statistic(s["Stat"])]
        found += [] if "Period" not in alarm else ["a Period together with metric math"]
    else:
        periods = [int(alarm.get("Period", 0))]
        found += _statistic_problems(alarm)
    return found + _period_problems(periods, alarm)


def _statistic_problems(alarm: Mapping[str, Any]) -> list[str]:
    plain, extended = alarm.get("Statistic"), alarm.get("ExtendedStatistic")
    if (plain is None) is (extended is None):
        return ["neither Statistic nor ExtendedStatistic, or both"]
    if plain is not None:
        return [] if plain in DOCUMENTED["alarm"]["statistics"] else [f"unknown Statistic {plain}"]
    return [] if is_statistic(str(extended)) else [f"unknown ExtendedStatistic {extended}"]


def _period_problems(periods: list[int], alarm: Mapping[str, Any]) -> list[str]:
    evaluations = int(alarm["EvaluationPeriods"])
    found = [
        f"Period {period} is not possible"
        for period in periods
        if period not in {10, 20, 30} and (period <= 0 or period % 60)
    ]
    longest = max(periods, default=0)
    if longest * evaluations > (WEEK if longest >= HOUR else DAY):
        found.append("it looks back too far")
    if not 1 <= int(alarm.get("DatapointsToAlarm", evaluations)) <= evaluations:
        found.append("more DatapointsToAlarm than EvaluationPeriods")
    return found


def _math_problems(metrics: list[Mapping[str, Any]]) -> list[str]:
    ids = [each["Id"] for each in metrics]
    found = [] if len(metrics) <= 10 else ["more than ten metrics"]
    found += [f"Id {each} is not possible" for each in ids if not re.fullmatch(r"[a-z]\w*", each)]
    if len(set(ids)) < len(ids):
        found.append("an Id occurs twice")
    if sum(each.get("ReturnData", True) for each in metrics) != 1:
        found.append("not exactly one result")
    for each in metrics:
        if ("Expression" in each) is ("MetricStat" in each):
            found.append(f"{each['Id']} is neither an expression nor a metric, or both")
        # Functions are written in capitals, unlike ids.
        asked = set(re.findall(r"\b[a-z]\w*", each.get("Expression", "")))
        found += [f"{each['Id']} asks for {name}, which is not there" for name in asked - set(ids)]
    return found
