"""The dead letters: emails that could not be sent, and what can be done with them.

The mailer moves messages that can never be sent, and SQS moves those that failed for six hours.
StartMessageMoveTask moves both kinds back only if its destination is named (SQS's page
"StartMessageMoveTask"). If an endpoint lacks it, letters are received, sent and deleted one by one.
The mailer skips an event that was sent in the meantime, so nothing here can send an email twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from roomle_mail.errors import BodyMalformed
from roomle_mail.events import normalize_address
from roomle_mail.telemetry import safe_configurator
from roomle_mail_cli.deployment import aws_errors, error_code
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from roomle_mail.delivery import Queued
    from roomle_mail_cli.deployment import Deployment

# Hidden while a command looks at them, so that each is received once; then they are put back.
_HIDDEN_FOR = 120
_BATCH = 10
_GIVEN_UP_AFTER = "tries used up"
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
    """A dead letter. `since` is when the mailer moved it, or when it was queued if SQS did."""

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

    def facts(self, *, personal: bool) -> dict[str, Any]:
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
            "received": _iso(queued.received) if queued else None,
            "correlation_id": queued.correlation if queued else None,
        }
        if personal:
            facts |= {"address": self.address, "body": _as_json(self.body)}
        return facts


def count(deployment: Deployment) -> int:
    """About how many there are; SQS counts approximately."""
    with aws_errors():
        attributes = deployment.client("sqs").get_queue_attributes(
            QueueUrl=deployment.output("DeadLetterQueueUrl"),
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
    return sum(int(each) for each in attributes.values())


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
    return [_letter(each) for each in found.get("Messages", [])]


def collect(deployment: Deployment, step: Callable[[int], Any] = lambda _: None) -> list[Letter]:
    """Receive all letters. They are hidden for two minutes: `put_back` those that stay."""
    sqs, url = deployment.client("sqs"), deployment.output("DeadLetterQueueUrl")
    letters: dict[str, Letter] = {}
    began = time.monotonic()
    with aws_errors():
        # A long poll asks all of SQS's servers, so an empty answer means that nothing is left.
        while time.monotonic() < began + _HIDDEN_FOR / 2:
            found = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=_HIDDEN_FOR,
                WaitTimeSeconds=1,
                AttributeNames=["SentTimestamp"],
                MessageAttributeNames=["reason"],
            ).get("Messages", [])
            if not found:
                break
            letters |= {each["MessageId"]: _letter(each) for each in found}
            step(len(found))
    return sorted(letters.values(), key=lambda each: each.since)


def put_back(deployment: Deployment, letters: Collection[Letter]) -> None:
    """Make letters visible again at once."""
    url = deployment.output("DeadLetterQueueUrl")
    with aws_errors():
        for letter in letters:
            deployment.client("sqs").change_message_visibility(
                QueueUrl=url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )


def drop(deployment: Deployment, letters: Collection[Letter], step: Callable[[int], Any]) -> int:
    """Delete letters permanently."""
    url = deployment.output("DeadLetterQueueUrl")
    with aws_errors():
        for letter in letters:
            deployment.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
            step(1)
    return len(letters)


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


def same_address(letter: Letter, address: str) -> bool:
    """Whether this person is the recipient, in any spelling of the address."""
    if letter.address is None:
        return False
    return normalize_address(letter.address) == normalize_address(address)


def _letter(message: dict[str, Any]) -> Letter:
    from roomle_mail.delivery import Queued  # noqa: PLC0415 (imports boto3)

    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    sent = int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000
    try:
        queued = Queued.load(message["Body"])
    except BodyMalformed:
        queued = None
    return Letter(
        id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        reason=reason or _GIVEN_UP_AFTER,
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


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")


def _as_json(body: str) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return body
