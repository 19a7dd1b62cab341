"""The dead letters: emails that could not be sent, and what can be done with them.

The mailer moves messages that can never be sent, and SQS moves those that failed for six hours.
StartMessageMoveTask moves both kinds back only if its destination is named (SQS's page
"StartMessageMoveTask"). If an endpoint lacks it, letters are received, sent and deleted one by one.
The mailer skips an event that was sent in the meantime, so nothing here can send an email twice.

To look at letters is to receive them, which hides them from everybody else. `holding` puts them
back, also after Ctrl-C, a closed terminal or the end of a job.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from roomle_mail.errors import BodyMalformed
from roomle_mail.events import normalize_address
from roomle_mail.telemetry import safe_configurator
from roomle_mail_cli.deployment import aws_errors, error_code
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from roomle_mail.delivery import Queued
    from roomle_mail_cli.deployment import Deployment
    from roomle_mail_cli.lines import Line

# Seconds. Hidden while a command looks at them, so that each is received once.
HIDDEN_FOR = 120
# Seconds to wait for a letter; any makes SQS ask all of its servers.
LONG_POLL = 1
# The mailer drops an event that is older (`Settings.max_event_age`).
SENDABLE_FOR = timedelta(days=14)
_BATCH = 10
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Why SQS itself moved a letter here, with a mailer and without.
_TRIES_USED_UP, _NOT_CONSUMED = "tries used up", "not consumed"
_LACKING = frozenset(
    {
        "InvalidAction",
        "UnknownOperationException",
        "UnsupportedOperation",
        "NotImplemented",
        "AWS.SimpleQueueService.UnsupportedOperation",
    }
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter. `since` is when it was moved, or when it was queued if SQS moved it."""

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    reason: str
    since: datetime
    queued: Queued | None = field(repr=False)

    @property
    def event_id(self) -> str | None:
        """The event's id, as in the log."""
        return self.queued.id if self.queued else None

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, as Roomle sent it."""
        data = self.queued.event.get("data") if self.queued else None
        return data if isinstance(data, dict) else {}

    @property
    def address(self) -> str | None:
        """The email's recipient."""
        address = self.data.get("email")
        return address if isinstance(address, str) else None

    @property
    def arrived(self) -> datetime:
        """When the event arrived; of what is no event, when it was moved here."""
        return datetime.fromtimestamp(self.queued.received, UTC) if self.queued else self.since

    def is_hopeless(self, now: datetime) -> bool:
        """Whether it can't be sent any more, whatever was fixed: too old, or no event."""
        return self.queued is None or now - self.arrived > SENDABLE_FOR

    def facts(self, *, personal: bool, now: datetime) -> dict[str, Any]:
        """What may be shown; address, links and configuration ids are personal."""
        queued = self.queued
        facts: dict[str, Any] = {
            "id": self.id,
            "reason": self.reason,
            "since": self.since.isoformat(timespec="seconds"),
            "event_id": self.event_id,
            "event": str(queued.event.get("event")) if queued else None,
            "configurator": _configurator(self.data.get("configuratorId")),
            "recipient": queued.recipient if queued else None,
            "received": self.arrived.isoformat(timespec="seconds") if queued else None,
            "age_seconds": int((now - self.arrived).total_seconds()),
            "correlation_id": queued.correlation if queued else None,
        }
        if personal:
            facts |= {"address": self.address, "body": _as_json(self.body)}
        return facts


class Counts(NamedTuple):
    """How many letters there are, approximately: visible ones, and those that are received."""

    visible: int
    hidden: int


def counts(deployment: Deployment) -> Counts:
    """Count the letters; raises CliError."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    with aws_errors():
        attributes = deployment.client("sqs").get_queue_attributes(
            QueueUrl=deployment.output("DeadLetterQueueUrl"), AttributeNames=list(names)
        )["Attributes"]
    return Counts(*(int(attributes[name]) for name in names))


def count(deployment: Deployment) -> int:
    """About how many there are, hidden ones included."""
    return sum(counts(deployment))


def peek(deployment: Deployment) -> list[Letter]:
    """Look at ten letters at most, without hiding them from anyone."""
    with aws_errors():
        found = deployment.client("sqs").receive_message(
            QueueUrl=deployment.output("DeadLetterQueueUrl"),
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=0,
            WaitTimeSeconds=1,
            AttributeNames=["SentTimestamp"],
            MessageAttributeNames=["reason"],
        )
    return [_letter(deployment, each) for each in found.get("Messages", [])]


def by_reason(letters: Iterable[Letter]) -> str:
    """How many there are for which reason, the most frequent first."""
    found = Counter(each.reason for each in letters)
    return ", ".join(f"{number} {reason}" for reason, number in found.most_common())


@dataclass(slots=True)
class Held:
    """The letters that this command has received and hidden.

    `hidden` is how many others are hidden, by somebody else. `complete` is False if there were too
    many to receive in time.
    """

    deployment: Deployment
    letters: list[Letter] = field(default_factory=list)
    hidden: int = 0
    complete: bool = True

    def receive(self, step: Callable[[int], Any]) -> None:
        """Receive all letters."""
        sqs, url = self.deployment.client("sqs"), self.deployment.output("DeadLetterQueueUrl")
        before, began = counts(self.deployment), time.monotonic()
        found: dict[str, Letter] = {}
        # A long poll asks all of SQS's servers, so an empty answer means that nothing is left.
        while time.monotonic() < began + HIDDEN_FOR / 2:
            with aws_errors(), uninterrupted():
                messages = sqs.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=_BATCH,
                    VisibilityTimeout=HIDDEN_FOR,
                    WaitTimeSeconds=LONG_POLL,
                    AttributeNames=["SentTimestamp"],
                    MessageAttributeNames=["reason"],
                ).get("Messages", [])
                found |= {each["MessageId"]: _letter(self.deployment, each) for each in messages}
                self.letters = sorted(found.values(), key=lambda each: each.arrived)
            if not messages:
                break
            step(len(messages))
        else:
            self.complete = False
        # SQS's counts are approximate, and late.
        self.hidden = max(0, min(before.hidden, sum(before) - len(found)))

    def put_back(self, letters: Collection[Letter] | None = None) -> None:
        """Make letters visible again, all of them by default."""
        letters = self.letters if letters is None else letters
        if not letters:
            return
        url = self.deployment.output("DeadLetterQueueUrl")
        with aws_errors(), uninterrupted():
            for batch in batched(letters, _BATCH, strict=False):
                # What fails here was deleted, or is visible again already.
                self.deployment.client("sqs").change_message_visibility_batch(
                    QueueUrl=url,
                    Entries=[
                        {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": 0}
                        for n, each in enumerate(batch)
                    ],
                )
        self._let_go(letters)

    def drop(self, letters: Sequence[Letter], step: Callable[[int], Any]) -> int:
        """Delete letters permanently."""
        url = self.deployment.output("DeadLetterQueueUrl")
        for letter in letters:
            with aws_errors(), uninterrupted():
                self.deployment.client("sqs").delete_message(
                    QueueUrl=url, ReceiptHandle=letter.receipt
                )
                self._let_go([letter])
            step(1)
        return len(letters)

    def resend(
        self, letters: Sequence[Letter], step: Callable[[int], Any], *, rate: int | None = None
    ) -> int:
        """Send letters to the queue again, one by one, at most `rate` a second."""
        for letter in letters:
            with uninterrupted():
                resend(self.deployment, [letter], step)
                self._let_go([letter])
            if rate:
                time.sleep(1 / rate)
        return len(letters)

    def _let_go(self, letters: Collection[Letter]) -> None:
        gone = {each.id for each in letters}
        self.letters = [each for each in self.letters if each.id not in gone]


@contextmanager
def holding(deployment: Deployment) -> Iterator[Held]:
    """Hold letters; at the end, however it comes, put back those that are still held."""
    held = Held(deployment)
    with _ends_in_order():
        try:
            yield held
        finally:
            held.put_back()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and its like until a call is over and its result is noted."""
    waiting: list[int] = []

    def note(number: int, _: object) -> None:
        waiting.append(number)

    with _handled(_SIGNALS, note):
        yield
    for number in waiting[:1]:
        signal.raise_signal(number)


@contextmanager
def _ends_in_order() -> Iterator[None]:
    """Let a closed terminal and the end of a job run what puts letters back."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    with _handled((signal.SIGTERM, signal.SIGHUP), end):
        yield


@contextmanager
def _handled(signals: Iterable[int], handler: Callable[[int, object], None]) -> Iterator[None]:
    # Python handles signals only in its main thread; nobody can interrupt another one.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in signals}
    # What is ignored, as with `nohup`, stays so.
    before = {each: old for each, old in before.items() if old not in (signal.SIG_IGN, None)}
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, old in before.items():
            signal.signal(each, old)


def resend(deployment: Deployment, letters: Collection[Letter], step: Callable[[int], Any]) -> int:
    """Send letters to the queue again, one by one: send before deleting, so that none is lost."""
    sqs = deployment.client("sqs")
    queue, dead = deployment.output("QueueUrl"), deployment.output("DeadLetterQueueUrl")
    with aws_errors():
        for letter in letters:
            sqs.send_message(QueueUrl=queue, MessageBody=letter.body)
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter.receipt)
            step(1)
    return len(letters)


def redrive(deployment: Deployment, *, rate: int | None, step: Callable[[int], Any]) -> int | None:
    """Let SQS move all letters back; return how many, or None if the endpoint can't do that.

    `rate` is in messages a second, 500 at most. Raises CliError.
    """
    sqs = deployment.client("sqs")
    source = _arn(deployment, "DeadLetterQueueUrl")
    try:
        with aws_errors():
            try:
                sqs.start_message_move_task(
                    SourceArn=source,
                    # The mailer moves letters itself, so SQS doesn't know where they came from.
                    DestinationArn=_arn(deployment, "QueueUrl"),
                    **({"MaxNumberOfMessagesPerSecond": rate} if rate else {}),
                )
            except ClientError as err:
                if error_code(err) in _LACKING:
                    return None
                raise
            return _follow(sqs, source, step)
    except KeyboardInterrupt:
        raise CliError(
            "Stopped watching; SQS continues to move them.",
            "aws sqs list-message-move-tasks shows the progress.",
            code=Exit.INTERRUPTED,
        ) from None


def _follow(sqs: Any, source: str, step: Callable[[int], Any]) -> int:  # noqa: ANN401
    moved = 0
    while True:
        task = sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"][0]
        now_moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
        step(now_moved - moved)
        moved = now_moved
        if task["Status"] == "FAILED":
            raise CliError(f"SQS stopped moving: {task.get('FailureReason', 'no reason given')}")
        if task["Status"] not in ("RUNNING", "CANCELLING"):
            return moved
        time.sleep(1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of redriven letters, by their events' ids, as far as the log tells.

    `ended` is the last decision about each; `reasons` is why a letter came back or waits.
    """

    ended: dict[str, str]
    reasons: dict[str, str]
    undecided: int

    def of(self, *decisions: str) -> list[str]:
        """The ids of which this was decided."""
        return [each for each, decision in self.ended.items() if decision in decisions]

    def why(self, *decisions: str) -> dict[str, int]:
        """How many ended like that for which reason."""
        return dict(Counter(self.reasons[each] for each in self.of(*decisions)).most_common())


FINAL = ("sent", "skipped", "expired", "dead-lettered")


def outcome(lines: Iterable[Line], event_ids: Collection[str]) -> Outcome:
    """Read from the mailer's lines, oldest first, what became of events."""
    ended: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for line in lines:
        event_id = str(line.facts.get("event_id"))
        if event_id in event_ids and line.what in (*FINAL, "postponed"):
            ended[event_id] = line.what
            reasons[event_id] = str(line.facts.get("reason", "-"))
    return Outcome(ended, reasons, len(event_ids) - len(ended))


def same_address(letter: Letter, address: str) -> bool:
    """Whether this person is the recipient, in any spelling of the address."""
    if letter.address is None:
        return False
    return normalize_address(letter.address) == normalize_address(address)


def _letter(deployment: Deployment, message: dict[str, Any]) -> Letter:
    from roomle_mail.delivery import Queued  # noqa: PLC0415 (imports boto3)

    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    sent = int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000
    try:
        queued = Queued.load(message["Body"])
    except BodyMalformed:
        queued = None
    if not reason:
        # SQS itself moves a message without a reason; so does somebody else who writes one.
        given_up = _TRIES_USED_UP if deployment.has_mailer else _NOT_CONSUMED
        reason = given_up if queued else BodyMalformed.__name__
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        reason=reason,
        since=datetime.fromtimestamp(sent, UTC),
        queued=queued,
    )


def _arn(deployment: Deployment, output: str) -> str:
    found = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.output(output), AttributeNames=["QueueArn"]
    )
    return str(found["Attributes"]["QueueArn"])


def _configurator(value: object) -> str | None:
    return safe_configurator(value) if isinstance(value, str) else None


def _as_json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body
