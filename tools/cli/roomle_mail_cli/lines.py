"""The log: its lines about a person, an event, a reason, or all of them.

A line has only the hash of an address, keyed by the secret that signed the event. So a search needs
the secret, and tries all current and previous keys.

Lambda writes lines of its own, as plain text (its page "Sending Lambda function logs to CloudWatch
Logs"). Those that tell of trouble are read too, since then the function itself wrote nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from roomle_mail.events import normalize_address
from roomle_mail.telemetry import hash_address
from roomle_mail_cli import keys, times
from roomle_mail_cli.deployment import aws_errors
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from roomle_mail_cli.deployment import Deployment

# API Gateway's own log says nothing about an event.
_LEFT_OUT = frozenset({"AccessLog"})
_FUNCTIONS = {"ReceiverLog": "receiver", "MailerLog": "mailer"}
_POLL = 2.0
# Lines may become searchable in a different order from the one they were written in.
_LATE = 15
# What Powertools adds to each line, which `--json` alone shows.
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
_ID = re.compile(r"[\w=+/.:-]{1,128}", re.ASCII)
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
# Lambda's own lines that tell of trouble. REPORT repeats it, and INIT_REPORT all but a time-out.
_TROUBLE = re.compile(
    r"(Task timed out) after [\d.]+ seconds|\[ERROR\] ([A-Za-z_][\w.]*)|(Runtime exited)"
    r"|_REPORT .*(Status: timeout)"
)
_REQUEST = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log: who wrote it, what happened, and all its fields by their names.

    `key` tells it from a line with the same text.
    """

    at: datetime
    source: str
    what: str
    facts: dict[str, Any]
    key: str = ""

    @property
    def level(self) -> str:
        """How severe it is."""
        return str(self.facts.get("level", "INFO"))

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs: the line's own fields, and who wrote it when."""
        at = self.at.isoformat(timespec="milliseconds")
        return {"at": at, "source": self.source, "what": self.what} | self.facts

    def __str__(self) -> str:
        """For people."""
        severe = "" if self.level == "INFO" else f"{self.level} "
        facts = " ".join(f"{x}={value}" for x, value in self.facts.items() if x not in _UNASKED)
        return f"{times.show(self.at)} {self.source:<8} {severe}{self.what} {facts}".rstrip()


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines to find.

    `ids` are hashes, events' ids and requests' ids, or any other text: one of them must be in the
    line. `messages` and `reasons` are exact, and `sources` are who wrote it. Whatever is empty
    excludes nothing. No line has one of the reasons `without`.
    """

    ids: Sequence[str] = ()
    messages: Sequence[str] = ()
    reasons: Sequence[str] = ()
    sources: Sequence[str] = ()
    without: Sequence[str] = ()

    def matches(self, line: Line) -> bool:
        """Whether a line has one of the messages and one of the reasons."""
        reason = str(line.facts.get("reason"))
        return (
            (not self.messages or line.what in self.messages)
            and (not self.reasons or reason in self.reasons)
            and reason not in self.without
        )

    @property
    def patterns(self) -> list[str]:
        """CloudWatch's filter patterns, one query each; they find all lines that match, or more."""
        # Terms in quotes must all be in the line; for one of several there is no such pattern.
        always = [each[0] for each in (self.messages, self.reasons) if len(each) == 1]
        return [
            " ".join(f'"{term}"' for term in (*given, *always) if '"' not in term)
            for given in ([each] for each in self.ids)
            if self.ids
        ] or [" ".join(f'"{term}"' for term in always if '"' not in term)]


def since(text: str, *, now: datetime) -> datetime:
    """Read the time from which the log is searched; raises CliError."""
    moment = times.parse(text, now=now)
    if moment > now:
        raise CliError(
            f"{text!r} is in the future: {times.show(moment)}. Now it is {times.show(now)}.",
            "Times are UTC. For local time add the zone: 2026-01-31T09:30+01:00",
            code=Exit.USAGE,
        )
    return moment


def checked_id(text: str) -> str:
    """The id of an event or a request, if it may be one; raises CliError.

    Hexadecimal ids are in small letters in the log. API Gateway's have both.
    """
    found = text.strip()
    if _HEXADECIMAL.fullmatch(found):
        found = found.lower()
    if not _ID.fullmatch(found):
        raise CliError(
            f"{text!r} is not the id of an event or a request.",
            "`send` prints both, and lines have them as event_id and correlation_id.",
            code=Exit.USAGE,
        )
    return found


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


def search(deployment: Deployment, wanted: Query | Sequence[str], *, start: datetime) -> list[Line]:
    """All lines that match, or that contain one of some ids, oldest first."""
    query = wanted if isinstance(wanted, Query) else Query(ids=wanted)
    found = {
        line.key: line
        for source, group in groups(deployment).items()
        if not query.sources or source in query.sources
        for pattern in query.patterns
        for line in _read(deployment, source, group, pattern, start=start)
    }
    # SES's events contain the event's id, but neither the hash nor a request's id.
    events = {line.facts.get("event_id") for line in found.values()} - {None, *query.ids}
    asked = not query.sources or "ses" in query.sources
    if query.ids and events and asked and "ses" in groups(deployment):
        group = groups(deployment)["ses"]
        for event in events:
            for line in _read(deployment, "ses", group, f'"{event}"', start=start):
                found[line.key] = line
    return sorted(filter(query.matches, found.values()), key=lambda line: line.at)


def are_any(deployment: Deployment, query: Query, *, start: datetime) -> bool:
    """Whether there is a line that matches after a moment; reads no further than it has to."""
    return any(
        line.at > start and query.matches(line)
        for source, group in groups(deployment).items()
        if not query.sources or source in query.sources
        for pattern in query.patterns
        for line in _read(deployment, source, group, pattern, start=start)
    )


def follow(
    deployment: Deployment, query: Query, *, start: datetime, lasting: float | None
) -> Generator[Line]:
    """Lines as they arrive, for `lasting` seconds or until Ctrl-C."""
    shown: set[str] = set()
    began = time.monotonic()
    while True:
        for line in search(deployment, query, start=start):
            if line.key not in shown:
                shown.add(line.key)
                yield line
        if lasting is not None and time.monotonic() - began >= lasting:
            return
        start = max(start, datetime.now(UTC) - timedelta(seconds=_LATE))
        time.sleep(_POLL)


def count(lines: Iterable[Line], fields: Sequence[str]) -> Counter[tuple[str, ...]]:
    """How many lines have which values of some fields; lines with none of them don't count."""
    rows = ([line.as_json.get(name) for name in fields] for line in lines)
    return Counter(tuple(map(as_text, row)) for row in rows if any(x is not None for x in row))


def as_text(value: object) -> str:
    """A field's value on one line; `-` where a line has no such field."""
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _read(
    deployment: Deployment, source: str, group: str, pattern: str, *, start: datetime
) -> Iterator[Line]:
    with aws_errors():
        pages = deployment.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(
            logGroupName=group,
            startTime=int(start.timestamp() * 1000),
            **({"filterPattern": pattern} if pattern else {}),
        ):
            for event in page["events"]:
                line = read(source, event)
                if line is not None:
                    yield line


def read(source: str, event: dict[str, Any]) -> Line | None:
    """Read one log event; None for metrics, and for what Lambda writes all the time."""
    text = str(event["message"])
    at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    key = str(event.get("eventId") or f"{event.get('logStreamName')} {event['timestamp']} {text}")
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return _of_lambda(source, text, at, key)
    # Metrics come the same way (CloudWatch's page "Embedded metric format").
    if "_aws" in said:
        return None
    # A field that an SES event lacks is an empty text.
    facts = {name: value for name, value in said.items() if value != ""}
    return Line(at, source, str(said.get("message")), facts, key)


def _of_lambda(source: str, text: str, at: datetime, key: str) -> Line | None:
    trouble = _TROUBLE.search(text)
    if trouble is None:
        return None
    reason = next(each for each in trouble.groups() if each)
    # The rest is a traceback, whose last lines may repeat a payload.
    first = text.strip().splitlines()[0][:_LONGEST]
    facts = {"level": "ERROR", "message": first, "reason": reason}
    if request := _REQUEST.search(text):
        facts["function_request_id"] = request[0]
    return Line(at, source, first, facts, key)
