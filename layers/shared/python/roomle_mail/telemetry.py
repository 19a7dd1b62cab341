"""Log, metrics and what may be said of an event, through Powertools.

Each decision (sent, queued, refused, ...) is one line of the log and one of metrics. `Known.fields`
is all that a line can say of an event: no payload, header, address or link.

Nothing here raises: a decision must not change because it can't be written down.
"""

import hashlib
import json
import os
import re
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from roomle_mail import errors
from roomle_mail.emails import Email
from roomle_mail.events import Event

# Only ASCII: nothing in a line can control a terminal, and half a surrogate pair, which JSON may
# hold and UTF-8 may not, is written as an escape.
logger = Logger(
    json_serializer=json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode,
    json_deserializer=str,  # Powertools would try to read each message as JSON
    utc=True,
    use_rfc3339=True,
    location=None,  # would be a line of this module each time
)
# Stages in one account and region are kept apart by their stack; without a service it is the only
# dimension, so one alarm covers both functions.
metrics = Metrics(namespace="RoomleMail", service="")
metrics.set_default_dimensions(stack=os.environ.get("STACK_NAME", "local"))

# Roomle's configurator ids are short words; anything else is a sender's text.
_CONFIGURATOR = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_NAME = re.compile(r"[\w.:-]{1,200}", re.ASCII)


@dataclass(slots=True)
class Known:
    """What is known of an event so far; None is not known.

    `name` is the safe name of any event, `event` one that calls for an email. `recipient` is the
    keyed hash of the address (`hash_address`), `published_id` the id that EventBridge gave the
    event. Times are in seconds since the epoch: `began` is when this invocation began to process
    it, `received_at` when Roomle's POST came, `sent_at` when SES had the email. `design` is
    what the email shows of the design, and why not more.
    """

    began: float = field(default_factory=time.time)
    received_at: float | None = None
    event_id: str | None = None
    recipient: str | None = None
    name: str | None = None
    event: Event | None = field(default=None, repr=False)
    brand: str | None = None
    email: Email | None = field(default=None, repr=False)
    design: str | None = None
    message_id: str | None = None
    sqs_message_id: str | None = None
    sealed_token: str | None = field(default=None, repr=False)
    published_id: str | None = None
    sent_at: float | None = None

    def fields(self, **more: object) -> dict[str, object]:
        """The fields of a line, with `more`, as far as they are known."""
        fields = {
            "event_id": self.event_id,
            "event": self.event.name if self.event else self.name,
            "configurator": self.event and safe_configurator(self.event.configurator_id),
            "brand": self.brand,
            "language": self.email and self.email.language,
            "recipient": self.recipient,
            "design": self.design,
            "message_id": self.message_id,
            "sqs_message_id": self.sqs_message_id,
            "published_id": self.published_id,
            **more,
        }
        # Powertools would omit the others too, but each takes it longer than a field that is known.
        return {name: value for name, value in fields.items() if value is not None}


def hash_address(address: str, *, key: bytes) -> str:
    """A keyed hash of a normalized address: follows a person in the log without naming them."""
    return hashlib.blake2b(address.encode(), key=key, digest_size=16).hexdigest()


def safe_configurator(configurator_id: str | None) -> str | None:
    """A configurator's id if it looks like one, else "(unusual)"."""
    if configurator_id is None or _CONFIGURATOR.fullmatch(configurator_id):
        return configurator_id
    return "(unusual)"


def safe_name(text: str | None) -> str | None:
    """An event's name, a configuration's or item's id, if it looks like one, else "(unusual)"."""
    return text if text is None or _NAME.fullmatch(text) else "(unusual)"


def received(known: Known) -> None:
    """Log that an event was received, once its token and fields are checked."""
    logger.info("received", extra=known.fields())


def decided(
    decision: str,
    known: Known,
    *,
    error: BaseException | None = None,
    severe: bool = False,
    received: bool = False,
    answer: int | None = None,
    receives: int | None = None,
) -> None:
    """Log and count a decision, and with it the reason and, if it was `received`, the event.

    `answer` is the receiver's HTTP status, `receives` how often the mailer got the message.
    """
    now = known.sent_at or time.time()
    age = _milliseconds(known.received_at, now)
    time_to_ses = _milliseconds(known.began, known.sent_at)
    reason = explain(error) if error else {}
    fields = known.fields(
        answer=answer,
        receives=receives,
        sealed_token=known.sealed_token if isinstance(error, errors.TokenRejected) else None,
        age_ms=age,
        time_to_ses_ms=time_to_ses,
        duration_ms=_milliseconds(known.began, time.time()),
        **reason,
    )
    (logger.error if severe else logger.info)(decision, extra=fields)
    # Anyone can send requests without a token, so they must not ring RefusalsAlarm.
    anyone = isinstance(error, errors.TokenMissing)
    counted = ["Unauthenticated" if anyone else decision.title().replace("-", "")]
    counted += [str(reason["reason"])] if reason else []
    counted += ["Received"] if received else []
    counted += ["Published"] if known.published_id else []
    without = decision == "sent" and known.design is not None and "shown" not in known.design
    counted += ["WithoutDesign"] if without else []
    durations = {
        "sent": {"AgeAtSending": age, "TimeToSes": time_to_ses},
        "postponed": {"AgeAtPostponing": age},
    }
    _count(counted, durations.get(decision, {}))


def _count(names: Iterable[str], durations: Mapping[str, float | None]) -> None:
    try:
        for name in names:
            metrics.add_metric(name, MetricUnit.Count, 1)
        for name, value in durations.items():
            if value is not None:
                metrics.add_metric(name, MetricUnit.Milliseconds, value)
        metrics.flush_metrics()
    except Exception:  # noqa: BLE001 (see above: nothing here raises)
        metrics.clear_metrics()


def _milliseconds(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round((end - start) * 1000, 1)


@contextmanager
def best_effort(what: str, known: Known) -> Iterator[None]:
    """Log what fails in the block and go on: it can't change what was decided."""
    try:
        yield
    except Exception as err:  # noqa: BLE001
        failed = {"event_id": known.event_id, "failed": what, **explain(err)}
        # Not logger.exception: the message may repeat a payload.
        logger.error("could not follow up", extra=failed)  # noqa: TRY400


def cut_off(known: Known, error: Exception) -> None:
    """Log that not all that follows from a decision was done, most likely for lack of time."""
    logger.error("follow-up was cut off", extra=known.fields(**explain(error)))


def unpublished(known: Known, error: Exception) -> None:
    """Log and count that the event bus did not get an event, as far as is known."""
    logger.error("could not publish", extra=known.fields(**explain(error)))
    _count(["Unpublished"], {})


def explain(error: BaseException) -> dict[str, object]:
    """What a line may say of an error.

    An error that isn't ours is logged by its class and where it was raised, without its message,
    which may repeat a payload.
    """
    if not isinstance(error, errors.RoomleMailError):
        frames = traceback.extract_tb(error.__traceback__)
        trace = [f"{PurePath(each.filename).name}:{each.lineno} {each.name}" for each in frames]
        return {"reason": "Unforeseen", "error": type(error).__name__, "trace": trace}
    fields: dict[str, object] = {"reason": type(error).__name__}
    known = ("hint", "detail", "problem", "fields", "host", "algorithm")
    fields |= {name: value for name in known if (value := getattr(error, name, None))}
    if error.__cause__ is not None:
        fields["cause"] = type(error.__cause__).__name__
    return fields
