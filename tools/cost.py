"""Calculate what a stack costs, from docs/cost.toml and docs/prices.toml.

`python -m tools.cost` updates the two tables in docs/operations.md.
"""

import re
import tomllib
from typing import Any

from tools.sam import ROOT

PAGE = ROOT / "docs" / "operations.md"
GB = 1e9
MEMORY_GB = 1  # MemorySize


def inputs() -> dict[str, dict[str, Any]]:
    """Read prices and amounts; the prices of both files are merged."""
    ours = tomllib.loads((ROOT / "docs" / "cost.toml").read_text())
    theirs = tomllib.loads((ROOT / "docs" / "prices.toml").read_text())["prices"]
    shared = {name: price["value"] for name, price in theirs.items()}
    return {**ours, "prices": shared | ours["prices"]}


def per_1000_emails() -> list[tuple[str, str, float]]:
    """Purpose, calculation, and US dollars for 1,000 emails."""
    price, work = inputs()["prices"], inputs()["work"]
    thousand = [
        ("SES", "1,000 emails", price["ses_per_1000_emails"]),
        ("API Gateway", "1,000 requests", price["api_gateway_per_million"] / 1e3),
        (
            "Lambda",
            f"1,000 runs of {work['lambda_ms']} ms at {MEMORY_GB} GB, Arm",
            price["lambda_per_million"] / 1e3
            + work["lambda_ms"] * MEMORY_GB * price["lambda_per_gb_second"],
        ),
        (
            "DynamoDB",
            f"{work['table_writes']} writes each",
            work["table_writes"] * price["dynamodb_per_million_writes"] / 1e3,
        ),
        (
            "Logs",
            f"{work['log_bytes']} bytes each",
            1e3 * work["log_bytes"] / GB * price["logs_per_gb"],
        ),
        (
            "X-Ray",
            f"at most {work['traces']} trace each",
            work["traces"] * price["trace_per_million"] / 1e3,
        ),
        (
            "Secrets Manager",
            f"at most {work['secret_calls']} call each",
            work["secret_calls"] * price["secret_per_10000_calls"] / 10,
        ),
    ]
    return [*thousand, ("**Sum**", "", sum(dollars for _, _, dollars in thousand))]


def per_month() -> list[tuple[str, str, float]]:
    """Purpose, calculation, and US dollars for a month without any email."""
    price, stack = inputs()["prices"], inputs()["stack"]
    month = [
        ("Secret", f"{stack['secrets']}", stack["secrets"] * price["secret_per_month"]),
        (
            "Alarms",
            f"{stack['alarm_metrics']} metrics looked at",
            stack["alarm_metrics"] * price["alarm_metric_per_month"],
        ),
        (
            "Metrics",
            f"{stack['custom_metrics']}, if something is measured every hour",
            stack["custom_metrics"] * price["custom_metric_per_month"],
        ),
        ("Dashboard", f"{stack['dashboards']}", stack["dashboards"] * price["dashboard_per_month"]),
        (
            "SQS",
            f"{stack['idle_polls_per_month']:,} times Lambda asks the queue",
            stack["idle_polls_per_month"] / 1e6 * price["sqs_per_million"],
        ),
    ]
    return [*month, ("**Sum**", "", sum(dollars for _, _, dollars in month))]


def table(rows: list[tuple[str, str, float]], digits: int) -> str:
    """Return a table in Markdown."""
    lines = [f"| {what} | {how} | {dollars:.{digits}f} |" for what, how, dollars in rows]
    return "\n".join(["| for | calculated as | US$ |", "|---|---|--:|", *lines])


def render(page: str) -> str:
    """Put the tables into the page, each between its markers."""
    for name, made in (
        ("per 1000 emails", table(per_1000_emails(), 4)),
        ("per month", table(per_month(), 2)),
    ):
        mark = f"<!-- cost {name} -->"
        page, replaced = re.subn(
            rf"{mark}\n.*?<!-- end -->",
            f"{mark}\n{made}\n<!-- end -->",
            page,
            flags=re.DOTALL,
        )
        if replaced != 1:
            raise ValueError(f"{PAGE.name} has no place for the cost {name}")
    return page


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text()))
