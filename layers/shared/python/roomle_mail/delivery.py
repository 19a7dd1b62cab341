"""Email -> SES, event -> SQS: the only sending.

SES is called once: botocore would send again after an answer that got lost. If SES certainly did
not take the email, and may later, the next channel is tried. What SES refuses permanently is never
queued, since nobody would send an email then. Where the outcome is unknown, Roomle sends its own
(two emails are better than none).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, Self, assert_never

from roomle_mail import errors
from roomle_mail.aws import aws_errors
from roomle_mail.deadline import Deadline
from roomle_mail.emails import Email
from roomle_mail.settings import Channel

SEND_TAKES = 1.0  # seconds; with less time left, no send is begun
# What the receiver writes. Anyone with access to the queue can write something else, and these go
# into the log, the table's keys and SES's tags.
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_CORRELATION = re.compile(r"[\w=+/.:-]{0,128}", re.ASCII)
_LATEST = 1e11  # seconds since the epoch; `datetime` can show it


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
        """As a message's body. New fields don't change its version (docs/consumer.md)."""
        return json.dumps({"version": "1", **self._asdict()}, separators=(",", ":"))

    @classmethod
    def load(cls, body: str) -> Self:
        """From a message's body; raises BodyMalformed unless the receiver could have written it."""
        try:
            read = json.loads(body)
            queued = cls(**{name: read[name] for name in cls._fields})
            whole = (
                isinstance(queued.event, dict)
                and not isinstance(queued.received, bool)
                # False for NaN, which Python reads.
                and 0 <= queued.received < _LATEST
                and _ID.fullmatch(queued.id)
                and _ID.fullmatch(queued.recipient)
                and _CORRELATION.fullmatch(queued.correlation)
            )
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise errors.BodyMalformed from err
        if not whole:
            raise errors.BodyMalformed
        return queued


class Sender(Protocol):
    """Sends an email."""

    def send(self, email: Email, *, event_id: str) -> str:
        """Send it once and return its message id.

        Raises EmailRefused for what SES refuses permanently, SendOutcomeUnknown where it can't be
        known whether SES took it, else AwsCallFailed.
        """


class Queue(Protocol):
    """Takes an event into the queue."""

    def put(self, queued: Queued) -> str:
        """Take it and return its message id.

        Raises QueueOutcomeUnknown where it can't be known whether SQS took it, else AwsCallFailed.
        """


class Custody(NamedTuple):
    """Which service is responsible for the email from now on, and the message id there."""

    status: Literal["sent", "queued"]
    message_id: str


@dataclass(slots=True)
class Delivery:
    """The delivery of one event. `custody` decides the answer, and nothing else sets it.

    `failed` is why a channel did not take the event. Once the queue was asked, it may have the
    event, even if the call failed: botocore tries twice and reports only how the last try ended.
    """

    channels: tuple[Channel, ...]
    sender: Sender
    queue: Queue
    custody: Custody | None = None
    failed: errors.AwsCallFailed | None = None
    queue_asked: bool = False

    def deliver(self, email: Email, queued: Queued, *, deadline: Deadline) -> Custody:
        """Try the channels in order.

        Raises TimeRunningOut before a send that could not end in time, EmailRefused,
        QueueOutcomeUnknown, or another AwsCallFailed.
        """
        for channel in self.channels:
            if deadline.remaining() < SEND_TAKES:
                raise errors.TimeRunningOut from self.failed
            try:
                match channel:
                    case "ses":
                        sent = self.sender.send(email, event_id=queued.id)
                        self.custody = Custody("sent", sent)
                    case "sqs":
                        self.queue_asked = True
                        self.custody = Custody("queued", self.queue.put(queued))
                    case _:
                        assert_never(channel)
            except errors.Retryable as err:
                self.failed = err
            else:
                return self.custody
        assert self.failed is not None  # noqa: S101 (there is at least one channel)
        raise self.failed


@dataclass(frozen=True, slots=True)
class SesSender:
    """SES's API v2, page "SendEmail"; the client must not repeat a call."""

    client: Any
    configuration_set: str

    def send(self, email: Email, *, event_id: str) -> str:  # noqa: D102
        content: dict[str, Any] = {
            "Subject": _utf8(email.subject),
            "Body": {"Html": _utf8(email.html), "Text": _utf8(email.text)},
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
        tags = {"event": event_id, "template": email.template}
        tags |= {"brand": email.brand, "language": email.language}
        try:
            with aws_errors():
                answer = self.client.send_email(
                    FromEmailAddress=email.sender,
                    Destination={"ToAddresses": [email.recipient]},
                    ReplyToAddresses=list(email.reply_to),
                    Content={"Simple": content},
                    ConfigurationSetName=self.configuration_set,
                    EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
                )
        except errors.CallRefused as err:
            raise errors.EmailRefused(err.detail) from err
        except errors.OutcomeUnknown as err:
            raise errors.SendOutcomeUnknown(err.detail) from err
        return str(answer.get("MessageId", ""))


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A queue of SQS; `client` makes the client at its first use, since few events need it."""

    client: Callable[[], Any]
    url: str

    def put(self, queued: Queued) -> str:  # noqa: D102
        try:
            with aws_errors():
                answer = self.client().send_message(QueueUrl=self.url, MessageBody=queued.dump())
        except errors.OutcomeUnknown as err:
            raise errors.QueueOutcomeUnknown from err
        return str(answer.get("MessageId", ""))


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
