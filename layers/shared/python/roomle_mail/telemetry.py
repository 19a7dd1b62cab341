"""Log, metrics, redaction.

For each decision a line of JSON as Powertools' Logger writes it, and one of metrics, in
CloudWatch's embedded metric format, whose form Powertools' Metrics makes once.

Nothing here takes a payload, a header, an address or a link: what a line may hold is decided by
the parameters of these functions. Nothing here raises: that something can't be written down must
not turn a decision into another one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pydantic_core import PydanticSerializationError, to_json

from roomle_mail.errors import RoomleMailError

if TYPE_CHECKING:
    from collections.abc import Mapping

type Level = Literal["INFO", "WARNING", "ERROR"]

# A fifth of the time of json's. Only ASCII, so that nothing in a line steers a terminal.
_encode = partial(to_json, ensure_ascii=True)

logger = Logger()
# The one that Powertools set up, with the level that `LogLevel` asks for.
_logger = logging.getLogger(logger.service)
_LEVELS = logging.getLevelNamesMapping()
# Stages in one account and region are told apart by their stack; an empty service keeps it the
# only dimension, so that an alarm covers both functions.
metrics = Metrics(namespace="RoomleMail", service="")
metrics.set_default_dimensions(stack=os.environ.get("STACK_NAME", "local"))

# Decision -> metric -> the fact that it measures, in milliseconds.
_DURATIONS = {
    "sent": {"AgeAtSending": "age_ms", "TimeToSes": "time_to_ses_ms"},
    "postponed": {"AgeAtPostponing": "age_ms"},
}
_MEASURED = {metric for durations in _DURATIONS.values() for metric in durations}

# Roomle's ids of configurators are short words; anything else is a sender's text.
_CONFIGURATOR = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def hash_address(folded_address: str, *, key: bytes) -> str:
    """A keyed hash: the same person can be followed through the log, but not found out."""
    return hashlib.blake2b(folded_address.encode(), key=key, digest_size=16).hexdigest()


def safe_configurator(configurator_id: str | None) -> str | None:
    """A configurator's id, as far as it looks like one."""
    if configurator_id is None or _CONFIGURATOR.fullmatch(configurator_id):
        return configurator_id
    return "(unusual)"


def milliseconds_since(moment: float) -> float:
    """How long ago a moment was; `moment` is in seconds since the epoch."""
    return round((time.time() - moment) * 1000, 1)


def log(level: Level, message: str, facts: Mapping[str, object], *, measures: str = "") -> None:
    """Write a line, unless `LogLevel` leaves it out; a fact that is None is not known.

    What was measured is written with it, and always.
    """
    try:
        told = _logger.isEnabledFor(_LEVELS[level])
        sys.stdout.write((_line(level, message, facts) if told else "") + measures)
    except PydanticSerializationError:
        # Half a character, which JSON may hold and UTF-8 may not, or what JSON doesn't know.
        spelled = {name: ascii(value) for name, value in facts.items() if value is not None}
        log(level, message, spelled, measures=measures)
    except Exception:  # noqa: BLE001
        return


def _line(level: Level, message: str, facts: Mapping[str, object]) -> str:
    """A line as Powertools' Logger writes it, which takes some four times as long.

    Where it was written is left out, for all are written here.
    """
    line = {
        "level": level,
        "message": message,
        "timestamp": datetime.now(UTC),
        "service": logger.service,
        **facts,
    }
    if None in facts.values():
        line = {name: value for name, value in line.items() if value is not None}
    if trace := os.environ.get("_X_AMZN_TRACE_ID"):
        line["xray_trace_id"] = trace.partition(";")[0].removeprefix("Root=")
    return f"{_encode(line).decode()}\n"


def decided(
    what: str, facts: Mapping[str, object], *, received: bool = False, severe: bool = False
) -> None:
    """Log and count one decision: sent, queued, suppressed, refused, failed, ...

    It is counted under its own name and under its reason's, together with its event where that
    was `received`.
    """
    values: dict[str, list[object]] = {"Received": [1]} if received else {}
    values["".join(part.capitalize() for part in what.split("-"))] = [1]
    if (reason := facts.get("reason")) is not None:
        values[str(reason)] = [1]
    for metric, fact in _DURATIONS.get(what, {}).items():
        if (value := facts.get(fact)) is not None:
            values[metric] = [value]
    log("ERROR" if severe else "INFO", what, facts, measures=_measures(values))


def _measures(values: Mapping[str, object]) -> str:
    try:
        before, after = _form(tuple(values))
        return f"{before}{int(time.time() * 1000)}{after}{_encode(values).decode()[1:]}\n"
    except Exception:  # noqa: BLE001
        return ""


@lru_cache(maxsize=128)
def _form(names: tuple[str, ...]) -> tuple[str, str]:
    """Powertools' line of these metrics, up to its time and from there to where values begin.

    Making it took a twentieth of a millisecond of each event. Raises Powertools' errors for what
    can be no name.
    """
    try:
        for name in names:
            unit = MetricUnit.Milliseconds if name in _MEASURED else MetricUnit.Count
            metrics.add_metric(name, unit, 0)
        line = metrics.serialize_metric_set()
    finally:
        metrics.clear_metrics()
    frame = _encode({key: value for key, value in line.items() if key not in names}).decode()
    before, _, after = frame.partition(str(line["_aws"]["Timestamp"]))
    return before, f"{after.removesuffix('}')},"


@dataclass(slots=True)
class BestEffort:
    """Log what fails in the block and go on: nothing in it may change what was reached."""

    what: str
    event_id: str | None

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, err: BaseException | None, _trace: object) -> bool:
        if not isinstance(err, Exception):
            return False
        facts = {"event_id": self.event_id, "failed": self.what, **explain(err)}
        log("ERROR", "could not follow up", facts)
        return True


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
