"""Email -> SES, event -> SQS: the only sending.

SES is called once: botocore would send again after an answer that got lost. What failed for
certain and in passing goes the next way; what SES refuses for good is never queued, since nobody
would mail then; what can't be known is Roomle's to mail (two emails are better than none).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from roomle_mail.aws import AWS_ERRORS, translate
from roomle_mail.errors import (
    AwsCallFailed,
    BodyMalformed,
    CallRefused,
    EmailRefused,
    OutcomeUnknown,
    QueueOutcomeUnknown,
    Retryable,
    SendOutcomeUnknown,
    TimeRunningOut,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomle_mail.deadline import Deadline
    from roomle_mail.emails import Email
    from roomle_mail.settings import Channel

SEND_TAKES = 1.0  # seconds that a send gets at the least; with less left, none is begun
_CHARSET = "UTF-8"


class Sender(Protocol):
    """Who sends an email."""

    def send(self, email: Email, *, event_id: str) -> str:
        """Send it, once; the id it got. Raises AwsCallFailed."""


class Queue(Protocol):
    """Who takes an event into the queue."""

    def put(self, queued: Queued) -> str:
        """Take it; the id it got. Raises AwsCallFailed."""


class Queued(NamedTuple):
    """An event on its way through the queue.

    `recipient` is the keyed hash of the address, `received` in seconds since the epoch,
    `correlation` API Gateway's request id.
    """

    id: str
    event: Mapping[str, Any]
    recipient: str
    received: float
    correlation: str

    def dump(self) -> str:
        """As a message's body."""
        return json.dumps(self._asdict(), separators=(",", ":"))

    @classmethod
    def load(cls, body: str) -> Queued:
        """From a message's body; raises BodyMalformed."""
        try:
            read = json.loads(body)
            return cls(
                id=str(read["id"]),
                event=dict(read["event"]),
                recipient=str(read["recipient"]),
                received=float(read["received"]),
                correlation=str(read["correlation"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise BodyMalformed from err


class Custody(NamedTuple):
    """Who answers for the email from now on, and the id that it got there."""

    status: Literal["sent", "queued"]
    message_id: str


@dataclass(slots=True)
class Delivery:
    """One event's way out. `custody` is the fact that decides the answer, set by nothing else.

    `failed` is why an earlier way than the last one did not take it. Once the queue was asked, it
    may have the event whatever became of the call: that the last try failed for certain says
    nothing of an earlier one whose answer got lost.
    """

    custody: Custody | None = None
    failed: AwsCallFailed | None = None
    queue_asked: bool = False

    def deliver(
        self,
        email: Email,
        queued: Queued,
        *,
        channels: tuple[Channel, ...],
        sender: Sender,
        queue: Queue,
        deadline: Deadline,
        reserve: float,
    ) -> Custody:
        """Try the channels in order.

        Raises TimeRunningOut before a send that could not end in time, EmailRefused,
        QueueOutcomeUnknown, or another AwsCallFailed.
        """
        for channel in channels:
            if deadline.remaining(reserve=reserve) < SEND_TAKES:
                raise TimeRunningOut from self.failed
            try:
                if channel == "ses":
                    self.custody = Custody("sent", send(sender, email, event_id=queued.id))
                else:
                    self.queue_asked = True
                    self.custody = Custody("queued", put(queue, queued))
            except Retryable as err:
                self.failed = err
            else:
                return self.custody
        assert self.failed is not None  # noqa: S101 (there is at least one way)
        raise self.failed


def send(sender: Sender, email: Email, *, event_id: str) -> str:
    """Send by SES.

    Raises EmailRefused for what SES refuses for good, SendOutcomeUnknown where it can't be known,
    else AwsCallFailed.
    """
    try:
        return sender.send(email, event_id=event_id)
    except CallRefused as err:
        raise EmailRefused(err.detail) from err
    except OutcomeUnknown as err:
        raise SendOutcomeUnknown(err.detail) from err


def put(queue: Queue, queued: Queued) -> str:
    """Hand an event to SQS.

    Raises QueueOutcomeUnknown where it can't be known whether SQS took it, else AwsCallFailed.
    """
    try:
        return queue.put(queued)
    except OutcomeUnknown as err:
        raise QueueOutcomeUnknown from err


@dataclass(frozen=True, slots=True)
class SesSender:
    """SES's API v2, page "SendEmail"; the client must not repeat a call."""

    client: Any
    configuration_set: str

    def send(self, email: Email, *, event_id: str) -> str:  # noqa: D102
        body = {
            "Html": {"Data": email.html, "Charset": _CHARSET},
            "Text": {"Data": email.text, "Charset": _CHARSET},
        }
        content: dict[str, Any] = {
            "Subject": {"Data": email.subject, "Charset": _CHARSET},
            "Body": body,
            "Headers": [{"Name": name, "Value": value} for name, value in email.headers],
        }
        if email.images:
            content["Attachments"] = [
                {
                    "RawContent": image.data,
                    "ContentDisposition": "INLINE",
                    "ContentId": image.content_id,
                    "ContentType": image.media_type,
                    "ContentTransferEncoding": "BASE64",
                    "FileName": image.name,
                }
                for image in email.images
            ]
        try:
            answer = self.client.send_email(
                FromEmailAddress=email.sender,
                Destination={"ToAddresses": [email.recipient]},
                ReplyToAddresses=list(email.reply_to),
                Content={"Simple": content},
                ConfigurationSetName=self.configuration_set,
                EmailTags=[
                    {"Name": "event", "Value": event_id},
                    {"Name": "template", "Value": email.template},
                    {"Name": "brand", "Value": email.brand},
                    {"Name": "language", "Value": email.language},
                ],
            )
        except AWS_ERRORS as err:
            raise translate(err) from err
        return str(answer.get("MessageId", ""))


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A queue of SQS; `client` is made at the first use, since few events need it."""

    client: Callable[[], Any]
    url: str

    def put(self, queued: Queued) -> str:  # noqa: D102
        try:
            answer = self.client().send_message(QueueUrl=self.url, MessageBody=queued.dump())
        except AWS_ERRORS as err:
            raise translate(err) from err
        return str(answer.get("MessageId", ""))
