"""Email -> SES, event -> SQS: the only sending.

SES is called once: botocore would send again after an answer that got lost. If SES certainly did
not take the email, and may later, the next channel is tried. What SES refuses permanently is never
queued, since nobody would send an email then. Where the outcome is unknown, Roomle sends its own
(two emails are better than none).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from roomle_mail.aws import aws_errors
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

SEND_TAKES = 1.0  # seconds; with less time left, no send is begun
_CHARSET = "UTF-8"


class Sender(Protocol):
    """Sends an email."""

    def send(self, email: Email, *, event_id: str) -> str:
        """Send it once and return its message id; raises AwsCallFailed."""


class Queue(Protocol):
    """Takes an event into the queue."""

    def put(self, queued: Queued) -> str:
        """Take it and return its message id; raises AwsCallFailed."""


class Queued(NamedTuple):
    """An event in the queue.

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
    """Which service is responsible for the email from now on, and the message id there."""

    status: Literal["sent", "queued"]
    message_id: str


@dataclass(slots=True)
class Delivery:
    """The delivery of one event. `custody` decides the answer, and nothing else sets it.

    `failed` is why a channel did not take the event. Once the queue was asked, it may have the
    event whatever the call raised: botocore tries twice and tells only how the last try ended.
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
        assert self.failed is not None  # noqa: S101 (there is at least one channel)
        raise self.failed


def send(sender: Sender, email: Email, *, event_id: str) -> str:
    """Send by SES.

    Raises EmailRefused for what SES refuses permanently, SendOutcomeUnknown where it can't be known
    whether SES took it, else AwsCallFailed.
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
        with aws_errors():
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
        return str(answer.get("MessageId", ""))


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A queue of SQS; `client` makes the client at its first use, since few events need it."""

    client: Callable[[], Any]
    url: str

    def put(self, queued: Queued) -> str:  # noqa: D102
        with aws_errors():
            answer = self.client().send_message(QueueUrl=self.url, MessageBody=queued.dump())
        return str(answer.get("MessageId", ""))
