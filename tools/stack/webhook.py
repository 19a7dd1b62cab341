"""Both ends of the stack: requests to the webhook, and the emails that are sent."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tools import fixtures
from tools.stack.emulator import Emulator

# Headers that the HTTP client sets, or that a proxy adds on the way.
NOT_SENT = ("host", "content-length", "accept-encoding", "x-")
# Longer than the receiver's and API Gateway's own time-outs.
PATIENCE = 40


@dataclass(frozen=True)
class Answer:
    """The webhook's answer; `seconds` is how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def code(self) -> str | None:
        """The answer's `code`; None if it is API Gateway's own answer."""
        try:
            return str(json.loads(self.body)["code"])
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True)
class Email:
    """An email that the emulator's SES accepted, with what the emulator keeps of it."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Message:
    """A message in a queue: its receive count, and when it is visible again (epoch seconds)."""

    body: str
    received: int
    visible_at: float


def post(
    url: str, body: bytes | None, headers: Mapping[str, str], *, method: str = "POST"
) -> Answer:
    """Send one request as it is, keeping the case of header names, and return the answer."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    began = time.monotonic()
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read(), time.monotonic() - began)
    finally:
        connection.close()


def post_event(url: str, event: Mapping[str, Any]) -> Answer:
    """Send the request that an API Gateway event (payload format 2.0) describes."""
    headers = {
        name: value
        for name, value in event["headers"].items()
        if not name.lower().startswith(NOT_SENT)
    }
    return post(url, fixtures.body_of(dict(event)), headers)


def sent_emails(emulator: Emulator) -> list[Email]:
    """Return all emails that SES accepted, oldest first."""
    accounts = emulator.get("/_ministack/ses/messages")["messages"]
    return [
        Email(
            sender=message["Source"],
            recipients=(*message["To"], *message["CC"], *message["BCC"]),
            subject=message["Subject"],
            text=message["BodyText"] or "",
            html=message["BodyHtml"] or "",
        )
        for messages in accounts.values()
        for message in messages
    ]


def published(emulator: Emulator, bus_queue_url: str) -> list[dict[str, Any]]:
    """Return all events that the event bus got, oldest first, as its rules' targets get them."""
    return [json.loads(message.body) for message in messages_in(emulator, bus_queue_url)]


def messages_in(emulator: Emulator, queue_url: str) -> list[Message]:
    """Return all messages of a queue, including hidden ones, without changing them."""
    page = emulator.get(f"/_ministack/sqs/messages?QueueUrl={quote(queue_url)}")["messages"]
    return [
        Message(
            body=message["Body"],
            received=message["ReceiveCount"],
            visible_at=float(message["VisibleAt"]),
        )
        for regions in page.values()
        for queues in regions.values()
        for messages in queues.values()
        for message in messages
    ]
