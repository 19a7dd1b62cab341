"""Queued message -> email: one message from first to last.

A passing failure hides the message for a visibility time-out that grows; after the queue's
maxReceiveCount (about six hours) SQS itself moves it to the dead-letter queue. What can never be
sent is moved at once, so that an operator learns of it now. A message that was sent to a
dead-letter queue can be redriven only with its destination named (SQS's page
"StartMessageMoveTask").

Both moves start SQS's clock again, so its retention does not bound an event's age. The mailer does:
it drops an event that is older than `max_event_age`. The table remembers for longer than that, so
an event is never sent twice, however often it is redriven.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Self

from roomle_mail import errors, events, telemetry
from roomle_mail.aws import aws_errors
from roomle_mail.credentials import CredentialStore
from roomle_mail.deadline import Deadline
from roomle_mail.delivery import SEND_TAKES, Queued, Sender
from roomle_mail.designs import Designs, Wanted
from roomle_mail.emails import NO_DESIGN, Brand, Catalog
from roomle_mail.idempotency import IdempotencyStore
from roomle_mail.settings import Settings
from roomle_mail.table import Table
from roomle_mail.tokens import Credential

# Seconds. Batch size times this stays below the mailer's time-out.
EMAIL_TAKES = 5.0
_FOLLOW_UP_TAKES = 1.5
_FIRST_WAIT, _LONGEST_WAIT = 30, 900
_RECEIVES = re.compile(r"[1-9][0-9]{0,8}")

type End = Literal["sent", "skipped", "expired", "dead-lettered"]

_HOPELESS = (
    errors.BodyMalformed,
    errors.InvalidEvent,
    errors.LinkNotAllowed,
    errors.NoTemplate,
    errors.EmailRefused,
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the queue; `receives` says how often it was received, this time included."""

    id: str
    receipt: str
    body: str = field(repr=False)
    receives: int

    @classmethod
    def from_sqs(cls, record: Mapping[str, Any]) -> Self:
        """From a record with a `messageId` (Lambda's page "Using Lambda with Amazon SQS").

        Never fails: what is odd in one record must not fail the others of its batch.
        """
        attributes, body = record.get("attributes"), record.get("body")
        given = attributes if isinstance(attributes, dict) else {}
        receives = str(given.get("ApproximateReceiveCount"))
        return cls(
            id=record["messageId"],
            receipt=str(record.get("receiptHandle", "")),
            # A dead letter can't be empty.
            body=body if isinstance(body, str) and body else "(none)",
            receives=int(receives) if _RECEIVES.fullmatch(receives) else 1,
        )

    @property
    def wait(self) -> int:
        """Seconds until the next try."""
        return min(_FIRST_WAIT << min(self.receives - 1, 5), _LONGEST_WAIT)


def messages_of(event: object, *, queue_url: str) -> list[Message]:
    """The messages of our queue in Lambda's event.

    There are none in a ping that keeps a function warm, and in the test events of Lambda's console,
    which come from other services or from a queue `MyQueue`.
    """
    queue = queue_url.rpartition("/")[2]
    records = event.get("Records") if isinstance(event, dict) else None
    return [
        Message.from_sqs(each)
        for each in (records if isinstance(records, list) else [])
        if isinstance(each, dict)
        and isinstance(each.get("messageId"), str)
        and str(each.get("eventSourceARN", queue)).rpartition(":")[2] == queue
    ]


@dataclass(frozen=True, slots=True)
class Queues:
    """The queue that messages come from, and the dead-letter queue; `client` makes the client."""

    client: Callable[[], Any]
    url: str
    dead_letter_queue_url: str

    def postpone(self, message: Message) -> None:
        """Hide a message until its next try; raises AwsCallFailed."""
        with aws_errors():
            self.client().change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.receipt, VisibilityTimeout=message.wait
            )

    def dead_letter(self, message: Message, reason: str) -> None:
        """Copy a message to the dead-letter queue; raises AwsCallFailed."""
        with aws_errors():
            self.client().send_message(
                QueueUrl=self.dead_letter_queue_url,
                MessageBody=message.body,
                MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
            )


@dataclass(slots=True)
class Progress:
    """What one message has reached so far. `claimed` is the id of the event that we claimed."""

    message: Message
    store: IdempotencyStore
    known: telemetry.Known
    claimed: str | None = None
    end: End | None = None


@dataclass(slots=True)
class Mailer:
    """Processes queued messages; made once for an execution environment."""

    settings: Settings
    catalog: Catalog
    dynamodb: Any
    sender: Sender
    queues: Queues
    designs: Designs
    credentials: CredentialStore

    def process(self, message: Message) -> bool:
        """Process a message: True if it may be deleted, False if it stays in the queue."""
        known = telemetry.Known(sqs_message_id=message.id)
        # An owner for each message: the same event may come twice in one batch.
        table = Table.open(self.dynamodb, self.settings.table_name)
        progress = Progress(message, IdempotencyStore(table), known)
        telemetry.logger.set_correlation_id(None)
        following_up, mailing = Deadline(EMAIL_TAKES), Deadline(EMAIL_TAKES - _FOLLOW_UP_TAKES)
        _, error = mailing.try_to(self._mail, progress, mailing)
        _, failure = following_up.try_to(self._follow_up, progress, error)
        if failure:
            telemetry.cut_off(known, failure)
        telemetry.decided(
            progress.end or "postponed",
            known,
            error=error,
            severe=progress.end in (None, "expired", "dead-lettered"),
            receives=message.receives,
        )
        return progress.end is not None

    # --- processing a message -----------------------------------------------------------------

    def _mail(self, progress: Progress, deadline: Deadline) -> None:
        """Message, claim, event, brand, links, design, email."""
        known = progress.known
        queued = Queued.load(progress.message.body)
        telemetry.logger.set_correlation_id(queued.correlation)
        known.event_id, known.recipient = queued.id, queued.recipient
        known.received_at = queued.received
        if time.time() - queued.received > self.settings.max_event_age:
            progress.end = "expired"
            return
        taken = progress.store.take(queued.id, now=time.time())
        if taken == "busy":
            raise errors.InProgress
        if taken != "taken":
            progress.end = "skipped"
            return
        progress.claimed = queued.id

        event = events.validate(queued.event)
        if event is None:
            raise errors.InvalidEvent("event")
        known.event = event
        brand = self.catalog.brand(event.configurator_id)
        known.brand = brand.id
        compose = partial(
            self.catalog.compose, event, brand, received=queued.received, event_id=queued.id
        )
        email = known.email = compose()
        show = self.catalog.shows(event, brand)
        lookup = self.designs.begin(
            event,
            Wanted(show, brand.picture_hosts, brand.catalogs, email.language),
            credential=lambda: self._credential(brand),
            now=time.time(),
            spare=deadline.remaining() - SEND_TAKES,
        )
        design, known.design = lookup.result(), lookup.outcome
        if design != NO_DESIGN:
            # The email without it is made already, so nothing in a design can prevent an email.
            with telemetry.best_effort("show the design", known):
                email = compose(design=design)
        known.message_id = self.sender.send(email, event_id=queued.id)
        progress.end = "sent"
        known.sent_at = time.time()

    def _credential(self, brand: Brand) -> Credential | None:
        """For calls to Roomle, the first one of the brand's: the queue holds no API key."""
        known = self.credentials.get(time.time())
        allowed = (each for each in known if each.api_key in (brand.api_keys or (each.api_key,)))
        return next(allowed, None)

    # --- what follows from it -----------------------------------------------------------------

    def _follow_up(self, progress: Progress, error: Exception | None) -> None:
        """Move or postpone what was not sent, and remember or release the claim."""
        message, known = progress.message, progress.known
        if progress.end is None and isinstance(error, _HOPELESS):
            with telemetry.best_effort("move to the dead letters", known):
                self.queues.dead_letter(message, type(error).__name__)
                progress.end = "dead-lettered"
        if progress.end is None:
            with telemetry.best_effort("postpone", known):
                self.queues.postpone(message)
        if progress.claimed is not None:
            with telemetry.best_effort("remember", known):
                if progress.end == "sent":
                    progress.store.mark_sent(progress.claimed)
                else:
                    progress.store.release(progress.claimed)
