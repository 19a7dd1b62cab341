"""Log, metrics, redaction.

For each decision a line of JSON, and one of metrics in CloudWatch's embedded metric format. Both
have the form that Powertools' Logger and Metrics give them (tests compare), but are written by
hand: those two take ten times as long for an event, and longer to import than all of our code.

Nothing here takes a payload, a header, an address or a link: what a line may hold is decided by
the parameters of these functions. Nothing here raises: that something can't be written down must
not turn a decision into another one.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import sys
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from roomle_mail.errors import RoomleMailError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

type Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_WRITTEN = _LEVELS[_LEVELS.index(os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO")) :]
_SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "")
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "RoomleMail")
# Stages in one account and region are told apart by their stack.
_STACK = os.environ.get("STACK_NAME", "local")

_encode = json.JSONEncoder(separators=(",", ":")).encode

# Decision -> metric -> the fact that it measures, in milliseconds.
_DURATIONS = {
    "sent": {"AgeAtSending": "age_ms", "TimeToSes": "time_to_ses_ms"},
    "postponed": {"AgeAtPostponing": "age_ms"},
}

_MILLISECONDS = frozenset(metric for metrics in _DURATIONS.values() for metric in metrics)

# Roomle's ids of configurators are short words; anything else is a sender's text.
_CONFIGURATOR = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def hash_address(folded_address: str, *, key: bytes) -> str:
    """A keyed hash: the same person can be followed through the log, but not found out."""
    return hmac.digest(key, folded_address.encode(), "sha256").hex()[:32]


def safe_configurator(configurator_id: str | None) -> str | None:
    """A configurator's id, as far as it looks like one."""
    if configurator_id is None or _CONFIGURATOR.fullmatch(configurator_id):
        return configurator_id
    return "(unusual)"


def milliseconds_since(moment: float) -> float:
    """How long ago a moment was; `moment` is in seconds since the epoch."""
    return round((time.time() - moment) * 1000, 1)


def log(level: Level, message: str, facts: Mapping[str, object]) -> None:
    """Write a line, unless `LogLevel` leaves it out; a fact that is None is not known."""
    with suppress(Exception):
        if level in _WRITTEN:
            line = {
                "level": level,
                "message": message,
                "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "service": _SERVICE,
            }
            known = {name: value for name, value in facts.items() if value is not None}
            _write(_encode(line | known))


def decided(what: str, facts: Mapping[str, object], *, severe: bool = False) -> None:
    """Log and count one decision: received, sent, queued, suppressed, refused, failed, ...

    It is counted under its own name and under its reason's, so that an alarm on a reason covers
    both functions.
    """
    log("ERROR" if severe else "INFO", what, facts)
    with suppress(Exception):
        reason, durations = facts.get("reason"), _DURATIONS.get(what, {})
        values: dict[str, object] = {what.capitalize(): 1}
        if reason is not None:
            values[str(reason)] = 1
        for metric, fact in durations.items():
            if fact in facts:
                values[metric] = facts[fact]
        _write(
            f'{{"_aws":{{"Timestamp":{int(time.time() * 1000)},{_directive(tuple(values))}}},'
            f'"stack":"{_STACK}",{_encode(values)[1:]}'
        )


@cache
def _directive(names: tuple[str, ...]) -> str:
    """What CloudWatch is to make of these values: the same each time, so it is encoded once."""
    metrics = [
        {"Name": name, "Unit": "Milliseconds" if name in _MILLISECONDS else "Count"}
        for name in names
    ]
    directive = {"Namespace": _NAMESPACE, "Dimensions": [["stack"]], "Metrics": metrics}
    return f'"CloudWatchMetrics":[{_encode(directive)}]'


@contextmanager
def best_effort(what: str, event_id: str | None) -> Iterator[None]:
    """Log what fails in the block and go on: nothing in it may change what was reached."""
    try:
        yield
    except Exception as err:  # noqa: BLE001 (that is the point)
        log("ERROR", "could not follow up", {"event_id": event_id, "failed": what, **explain(err)})


def explain(error: BaseException) -> dict[str, object]:
    """The facts of an error that may stand in a log line.

    An error that isn't ours is told by its class and where it came from, without its message,
    which may repeat a payload.
    """
    if not isinstance(error, RoomleMailError):
        frames = traceback.extract_tb(error.__traceback__)
        trace = [f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames]
        return {"reason": "Unforeseen", "error": type(error).__name__, "trace": trace}
    facts: dict[str, object] = {"reason": error.reason}
    for name in ("hint", "detail", "problem", "fields"):
        if value := getattr(error, name, None):
            facts[name] = value
    if error.__cause__ is not None:
        facts["cause"] = type(error.__cause__).__name__
    return facts


def _write(line: str) -> None:
    # One call, so that Lambda makes one log event of it; the stream of the moment, so that tests
    # can catch it.
    sys.stdout.write(line + "\n")
