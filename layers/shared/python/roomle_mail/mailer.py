"""One queued message's try: sent, left in the queue for later, or moved to the dead letters.

What fails in passing waits by its visibility time-out, which grows; after the queue's
maxReceiveCount (about six hours) SQS itself moves the message. What can never be sent is moved at
once, so that an operator learns of it now. A message sent to a dead-letter queue by hand can be
redriven only with its destination named (SQS's page "StartMessageMoveTask").
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from roomle_mail import telemetry
from roomle_mail.aws import AWS_ERRORS, translate
from roomle_mail.deadline import Deadline, DeadlineExceeded
from roomle_mail.delivery import Queued, send
from roomle_mail.errors import (
    BodyMalformed,
    EmailRefused,
    InProgress,
    InvalidEvent,
    LinkNotAllowed,
    NoTemplate,
    TimeRunningOut,
)
from roomle_mail.events import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomle_mail.delivery import Sender
    from roomle_mail.emails import Catalog
    from roomle_mail.idempotency import IdempotencyStore

# Batch size times this stays below the mailer's time-out.
EMAIL_TAKES = 5.0
_SETTLING_TAKES = 1.5
_FIRST_WAIT, _LONGEST_WAIT = 30, 900

type End = Literal["sent", "skipped", "dead-lettered"]

_HOPELESS = (BodyMalformed, EmailRefused, InvalidEvent, LinkNotAllowed, NoTemplate)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as Lambda's poller hands it on; `receives` counts this time too."""

    id: str
    receipt: str
    body: str = field(repr=False)
    receives: int

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Message:
        """Take what the mailer needs (Lambda's page "Using Lambda with Amazon SQS")."""
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            body=record["body"],
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
        )

    @property
    def wait(self) -> int:
        """Seconds until the next try."""
        return min(_FIRST_WAIT << min(self.receives - 1, 5), _LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Queues:
    """The queue that messages come from, and where the hopeless ones go."""

    client: Callable[[], Any]
    url: str
    dead_letters_url: str

    def postpone(self, message: Message) -> None:
        """Hide a message until its next try; raises AwsCallFailed."""
        try:
            self.client().change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=message.wait
            )
        except AWS_ERRORS as err:
            raise translate(err) from err

    def dead_letter(self, message: Message, reason: str) -> None:
        """Copy a message to the dead letters; raises AwsCallFailed."""
        try:
            self.client().send_message(
                QueueUrl=self.dead_letters_url,
                MessageBody=message.body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )
        except AWS_ERRORS as err:
            raise translate(err) from err


@dataclass(slots=True)
class Mailing:
    """What one try has reached so far."""

    message: Message
    memory: IdempotencyStore
    queues: Queues
    _facts: dict[str, object] = field(default_factory=dict)
    _began: float = field(default_factory=time.time)
    _taken: str | None = None
    _end: End | None = None

    def settle(self, catalog: Catalog, sender: Sender) -> bool:
        """Make the try; True if the message may be deleted, False if it stays in the queue."""
        deadline = Deadline(EMAIL_TAKES)
        error: Exception | None = None
        try:
            deadline.run(self._mail, catalog, sender, reserve=_SETTLING_TAKES)
        except DeadlineExceeded:
            error = TimeRunningOut()
        except Exception as err:  # noqa: BLE001 (one message must not fail the others)
            error = err
        cut_off = False
        try:
            deadline.run(self._follow_up, error)
        except DeadlineExceeded:
            # Nothing that takes time: until this ends the timer may still be set.
            cut_off = True
        if cut_off:
            telemetry.log("ERROR", "settling was cut off", {"event_id": self._taken})
        self._log(error)
        return self._end is not None

    def _mail(self, catalog: Catalog, sender: Sender) -> None:
        queued = Queued.load(self.message.body)
        self._facts = {
            "event_id": queued.id,
            "recipient": queued.recipient,
            "correlation_id": queued.correlation,
            "age_ms": telemetry.milliseconds_since(queued.received),
        }
        taken = self.memory.take(queued.id, now=time.time())
        if taken == "busy":
            raise InProgress
        if taken != "taken":
            self._end = "skipped"
            return
        self._taken = queued.id
        event = validate(queued.event)
        if event is None:
            raise InvalidEvent("event")
        email = catalog.compose(event, catalog.brand(event.configurator_id))
        self._facts |= {
            "event": event.name,
            "configurator": telemetry.safe_configurator(event.configurator_id),
            "brand": email.brand,
            "language": email.language,
        }
        self._facts["message_id"] = send(sender, email, event_id=queued.id)
        self._end = "sent"
        self._facts |= {
            "age_ms": telemetry.milliseconds_since(queued.received),
            "time_to_ses_ms": telemetry.milliseconds_since(self._began),
        }

    def _follow_up(self, error: Exception | None) -> None:
        if self._end is None and isinstance(error, _HOPELESS):
            with telemetry.BestEffort("move to the dead letters", self._taken):
                self.queues.dead_letter(self.message, type(error).__name__)
                self._end = "dead-lettered"
        if self._end is None:
            with telemetry.BestEffort("postpone", self._taken):
                self.queues.postpone(self.message)
        if self._taken is not None:
            with telemetry.BestEffort("remember", self._taken):
                if self._end == "sent":
                    self.memory.sent(self._taken)
                else:
                    self.memory.release(self._taken)

    def _log(self, error: Exception | None) -> None:
        facts = self._facts | {
            "receives": self.message.receives,
            "duration_ms": telemetry.milliseconds_since(self._began),
        }
        if error is not None:
            facts |= telemetry.explain(error)
        telemetry.decided(
            self._end or "postponed", facts, severe=self._end in (None, "dead-lettered")
        )
