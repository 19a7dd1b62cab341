"""Log, metrics, redaction.

One line per decision. Nothing here takes a payload, a header, an address or a link: what a line
may hold is decided by the parameters of these functions.
"""

from __future__ import annotations

import hmac
import re
import traceback
from contextlib import contextmanager, suppress
from pathlib import PurePath
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from roomle_mail.errors import RoomleMailError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = Logger()
metrics = Metrics(namespace="RoomleMail")

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


def decided(what: str, facts: Mapping[str, object], *, severe: bool = False) -> None:
    """Log and count one decision: sent, queued, suppressed, ignored, refused, failed, ..."""
    known = {name: value for name, value in facts.items() if value is not None}
    # The decision is made: that it can't be written down must not turn it into another one.
    with suppress(Exception):
        (logger.error if severe else logger.info)(what, extra=known)
        count(what.capitalize())
        if reason := known.get("reason"):
            count(f"{what.capitalize()}{reason}")
        metrics.flush_metrics()


@contextmanager
def best_effort(what: str, event_id: str | None) -> Iterator[None]:
    """Log what fails in the block and go on: nothing in it may change what was reached."""
    try:
        yield
    except Exception as err:  # noqa: BLE001 (that is the point)
        facts = {"event_id": event_id, "failed": what, **explain(err)}
        with suppress(Exception):
            logger.error("could not follow up", extra=facts)  # noqa: TRY400 (traces repeat values)


def count(name: str, value: float = 1) -> None:
    """Count what happened."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


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
