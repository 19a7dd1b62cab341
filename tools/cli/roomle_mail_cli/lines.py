"""The log lines of a person or an event.

A line has only the hash of an address, keyed by the secret that signed the event. So a search needs
the secret, and tries all current and previous keys.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from roomle_mail.events import normalize_address
from roomle_mail.telemetry import hash_address
from roomle_mail_cli import keys
from roomle_mail_cli.deployment import aws_errors
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from roomle_mail_cli.deployment import Deployment

# API Gateway's own log says nothing about an event.
_LEFT_OUT = frozenset({"AccessLog"})
_FUNCTIONS = {"ReceiverLog": "receiver", "MailerLog": "mailer"}
_POLL = 2.0
# Lines may become searchable in a different order from the one they were written in.
_LATE = 15
_SINCE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Keys that Powertools adds to each line; they are not shown.
_UNASKED = frozenset(
    {
        "timestamp",
        "level",
        "location",
        "message",
        "service",
        "sampling_rate",
        "xray_trace_id",
        "cold_start",
        "function_name",
        "function_memory_size",
        "function_arn",
        "function_request_id",
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: who wrote it, what happened, and the details."""

    at: datetime
    source: str
    what: str
    facts: dict[str, Any]

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        at = self.at.isoformat(timespec="milliseconds")
        return {"at": at, "source": self.source, "what": self.what} | self.facts

    def __str__(self) -> str:
        """For people."""
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.source:<8} {self.what} {facts}".rstrip()


def since(text: str, *, now: datetime) -> datetime:
    """Read `30m`, `2h`, `7d` or an ISO date; raises CliError."""
    if match := _SINCE.fullmatch(text):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"{text!r} is not a time.", "Write 30m, 2h, 7d or 2026-01-31T09:30.", code=Exit.USAGE
        ) from None
    return moment if moment.tzinfo else moment.astimezone()


def hashes(deployment: Deployment, address: str) -> list[str]:
    """All hashes under which the log may have an address; raises CliError."""
    folded = normalize_address(address.strip())
    found = [
        hash_address(folded, key=credential.hash_key) for _, credential in keys.known(deployment)
    ]
    with aws_errors():
        # Without a required token, the key is a random one that the stack keeps.
        item = (
            deployment.client("dynamodb")
            .get_item(TableName=deployment.output("TableName"), Key={"key": {"S": "pepper"}})
            .get("Item")
        )
    if item:
        found.append(hash_address(folded, key=bytes(item["value"]["B"])))
    return list(dict.fromkeys(found))


def groups(deployment: Deployment) -> dict[str, str]:
    """Log groups by who writes them: receiver, mailer, and SES's own events if they are kept."""
    found = deployment.of_type("AWS::Logs::LogGroup")
    return {
        _FUNCTIONS.get(name, "ses"): group for name, group in found.items() if name not in _LEFT_OUT
    }


def search(deployment: Deployment, terms: Sequence[str], *, start: datetime) -> list[Line]:
    """All lines that contain one of the terms (all lines if there are none), oldest first."""
    found = {
        str(line): line
        for source, group in groups(deployment).items()
        for term in terms or [""]
        for line in _read(deployment, source, group, term, start=start)
    }
    # SES's events contain the event's id, but not the hash.
    events = {line.facts.get("event_id") for line in found.values()} - {None, *terms}
    if terms and events and "ses" in groups(deployment):
        group = groups(deployment)["ses"]
        for event in events:
            for line in _read(deployment, "ses", group, str(event), start=start):
                found[str(line)] = line
    return sorted(found.values(), key=lambda line: line.at)


def follow(
    deployment: Deployment,
    terms: Sequence[str],
    *,
    start: datetime,
    lasting: float | None,
) -> Generator[Line]:
    """Lines as they arrive, for `lasting` seconds or until Ctrl-C."""
    shown: set[str] = set()
    began = time.monotonic()
    while True:
        for line in search(deployment, terms, start=start):
            if str(line) not in shown:
                shown.add(str(line))
                yield line
        if lasting is not None and time.monotonic() - began >= lasting:
            return
        start = max(start, datetime.now(UTC) - timedelta(seconds=_LATE))
        time.sleep(_POLL)


def _read(
    deployment: Deployment, source: str, group: str, term: str, *, start: datetime
) -> Iterator[Line]:
    with aws_errors():
        pages = deployment.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(
            logGroupName=group,
            startTime=int(start.timestamp() * 1000),
            **({"filterPattern": f'"{term}"'} if term else {}),
        ):
            for event in page["events"]:
                line = read(source, event)
                if line is not None:
                    yield line


def read(source: str, event: dict[str, Any]) -> Line | None:
    """Read one log event; None for Lambda's own lines and for metrics."""
    try:
        said = json.loads(event["message"])
    except ValueError:
        return None  # Lambda's own
    # Metrics come the same way (CloudWatch's page "Embedded metric format").
    if not isinstance(said, dict) or "_aws" in said:
        return None
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    # A field that an SES event lacks is an empty text.
    facts = {name: value for name, value in said.items() if name not in _UNASKED and value != ""}
    return Line(at, source, str(said.get("message")), facts)
