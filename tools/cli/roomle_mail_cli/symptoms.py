"""What went wrong lately, according to the log: each reason once, with its cause and remedy.

The functions' lines have a `reason` (docs/operations.md, "Look around"). Lambda itself writes about
runs that could not start or end (Lambda's page "Troubleshoot execution issues").
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from roomle_mail_cli.deployment import aws_errors
from roomle_mail_cli.lines import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail_cli.deployment import Deployment

# How Lambda writes about a run that failed, and what it means.
_LAMBDA = (
    ("Task timed out", "TimedOut"),
    ("ImportModuleError", "ImportFailed"),
    ("SettingsInvalid", "SettingsInvalid"),
    ("OutOfMemory", "OutOfMemory"),
    ("signal: killed", "OutOfMemory"),
    ("Runtime exited", "Crashed"),
    ("[ERROR]", "Crashed"),
)
# A term that every line about a failed run has.
_LAMBDA_TERMS = ("Task timed out", "[ERROR]", "Runtime exited", "OutOfMemory")
_ACCEPTED = ("sent", "queued", "ignored", "repeated", "suppressed")
# Seconds for reading one log group, so that a busy stack's log does not keep anybody waiting.
_PATIENCE = 3.0
_NEVER = datetime.min.replace(tzinfo=UTC)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(slots=True)
class Symptom:
    """What happened with one reason: how often, and when last. `facts` is the latest line."""

    source: str
    what: str
    reason: str
    hint: str
    count: int = 0
    last: datetime = _NEVER
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What the latest line says about it, without ids."""
        named = ("detail", "problem", "fields", "error", "trace", "said")
        return ", ".join(f"{name} {self.facts[name]}" for name in named if self.facts.get(name))


def recent(deployment: Deployment, *, start: datetime) -> list[Symptom]:
    """Everything that went wrong since `start`, the most frequent first. Raises CliError."""
    found: dict[tuple[str, ...], Symptom] = {}
    for source, group in groups(deployment).items():
        if source == "ses":
            continue
        for at, facts in _lines(deployment, group, "reason", start):
            if "reason" in facts:
                _add(found, source, at, facts)
        seen: set[str] = set()
        for term in _LAMBDA_TERMS:
            for event in _read(deployment, group, term, start):
                said = _lambda(event["message"])
                if said is not None and event["eventId"] not in seen:
                    seen.add(event["eventId"])
                    _add(found, source, _moment(event), said)
    return sorted(found.values(), key=lambda each: -each.count)


def has_accepted_since(deployment: Deployment, moment: datetime) -> bool:
    """Whether an event was accepted after a moment. Raises CliError."""
    group = groups(deployment)["receiver"]
    for decision in _ACCEPTED:
        for at, facts in _lines(deployment, group, decision, moment):
            if facts.get("message") == decision and at > moment:
                return True
    return False


def _add(
    found: dict[tuple[str, ...], Symptom], source: str, at: datetime, facts: dict[str, Any]
) -> None:
    key = (source, str(facts.get("message")), str(facts["reason"]), str(facts.get("hint") or ""))
    symptom = found.setdefault(key, Symptom(*key))
    symptom.count += 1
    if at >= symptom.last:
        symptom.last, symptom.facts = at, facts


def _lines(
    deployment: Deployment, group: str, term: str, start: datetime
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """The functions' own lines with a term, without metrics."""
    for event in _read(deployment, group, term, start):
        try:
            facts = json.loads(event["message"])
        except ValueError:
            continue
        if isinstance(facts, dict) and "_aws" not in facts:
            yield _moment(event), facts


def of_lambda(message: str) -> str | None:
    """Why a run failed, from what Lambda says about it; None if it says nothing known."""
    return next((reason for term, reason in _LAMBDA if term in message), None)


def _lambda(message: str) -> dict[str, Any] | None:
    """What Lambda says about a failed run; None for a line of the functions."""
    if message.startswith("{"):
        return None
    reason = of_lambda(message)
    if reason is None:
        return None
    first = message.strip().splitlines()[0]
    return {
        "message": "failed", "reason": reason,
        "said": _UNSEEN.sub(" ", first.partition("[ERROR] ")[2] or first)[:200],
    }  # fmt: skip


def _read(
    deployment: Deployment, group: str, term: str, start: datetime
) -> Iterator[dict[str, Any]]:
    until = time.monotonic() + _PATIENCE
    with aws_errors():
        pages = deployment.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(
            logGroupName=group,
            startTime=int(start.timestamp() * 1000),
            filterPattern=f'"{term}"',
        ):
            yield from page["events"]
            if time.monotonic() > until:
                return


def _moment(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
