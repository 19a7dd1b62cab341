"""The running stack, with a switch in front of every AWS service that its functions call."""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tools.pages.emails import Picture
from tools.stack import faults, webhook
from tools.stack.deployment import Stack
from tools.stack.emails import RunningEmails
from tools.stack.faults import Behaviour
from tools.stack.webhook import Answer

RECEIVER, MAILER = "ReceiverFunction", "MailerFunction"
LOGS = {RECEIVER: "ReceiverLog", MAILER: "MailerLog"}
# By botocore's names.
NUDGE = "simulator-nudge"

SES, SQS, DYNAMODB, BUS = "SESV2", "SQS", "DYNAMODB", "EVENTBRIDGE"
NAMES = {SES: "SES", SQS: "the queue", DYNAMODB: "the memory", BUS: "the event bus"}
SERVICES = {RECEIVER: (SES, SQS, DYNAMODB, BUS), MAILER: (SES,)}


@dataclass(frozen=True)
class Taken:
    """A complete email that SES took: the emulator itself keeps no pictures, headers or tags."""

    at: float
    request: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """The event id's tag, which links the email to its event."""
        tags = {tag["Name"]: tag["Value"] for tag in self.request.get("EmailTags", [])}
        return str(tags.get("event", ""))

    @property
    def recipients(self) -> list[str]:
        """The recipients."""
        return list(self.request["Destination"]["ToAddresses"])

    @property
    def sender(self) -> str:
        """The From header's value."""
        return str(self.request["FromEmailAddress"])

    @property
    def address(self) -> str:
        """The sender's address."""
        return parseaddr(self.sender)[1]

    @property
    def reply_to(self) -> list[str]:
        """The addresses for replies."""
        return list(self.request.get("ReplyToAddresses", []))

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The additional headers."""
        return [(each["Name"], each["Value"]) for each in self._simple.get("Headers", [])]

    @property
    def subject(self) -> str:
        """The subject."""
        return str(self._simple["Subject"]["Data"])

    @property
    def html(self) -> str:
        """The HTML part."""
        return str(self._simple["Body"]["Html"]["Data"])

    @property
    def text(self) -> str:
        """The text part."""
        return str(self._simple["Body"]["Text"]["Data"])

    @property
    def pictures(self) -> list[Picture]:
        """The inline pictures."""
        return [
            Picture(each["ContentId"], each["ContentType"], base64.b64decode(each["RawContent"]))
            for each in self._simple.get("Attachments", [])
        ]

    @property
    def _simple(self) -> dict[str, Any]:
        simple: dict[str, Any] = self.request["Content"]["Simple"]
        return simple


class Switch:
    """Stands in front of one service for one function: forwards requests unless told to fail."""

    def __init__(self, usual: Behaviour) -> None:
        self._usual = usual
        self.fault: Behaviour | None = None

        self.asked = 0

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, or fail to."""
        self.asked += 1
        (self.fault or self._usual)(handler)


class Stage:
    """A stack whose AWS services can be made to fail. It handles one POST at a time."""

    def __init__(self, stack: Stack, folder: Path | None = None) -> None:
        self.stack = stack
        self.emails = RunningEmails(stack, folder)
        self.emulator = stack.emulator
        self.mine = threading.Lock()
        self.taken: list[Taken] = []
        # With Mailer=off there is no mailer.
        self.functions = [function for function in SERVICES if function in stack.functions]
        self.switches = {
            (function, service): Switch(
                faults.forwarding_to(self.emulator, seen=self.take if service == SES else None)
            )
            for function in self.functions
            for service in SERVICES[function]
        }
        self.lines: dict[str, list[str]] = {function: [] for function in LOGS}
        self._groups = {function: stack.physical_id(LOGS[function]) for function in self.functions}
        self._reading = threading.Lock()
        self._read: dict[tuple[str, str], int] = {}
        self._began = int(time.time() * 1000)
        self.limit = self.variables(RECEIVER)["MAX_EMAILS_PER_RECIPIENT_PER_HOUR"]

    def take(self, body: bytes, answer: Answer) -> None:
        """Record an email that SES has just taken."""
        if answer.status == 200:  # noqa: PLR2004 (HTTP's OK)
            self.taken.append(Taken(time.time(), json.loads(body)))

    @contextlib.contextmanager
    def failing(self, chosen: Mapping[tuple[str, str], Behaviour]) -> Iterator[None]:
        """Make services fail during the block."""
        for place, fault in chosen.items():
            self.switches[place].fault = fault
        try:
            yield
        finally:
            for place in chosen:
                self.switches[place].fault = None

    def variables(self, function: str) -> dict[str, str]:
        """A function's environment."""
        name = self.stack.functions[function]
        client = self.emulator.client("lambda")
        found = client.get_function_configuration(FunctionName=name)
        variables: dict[str, str] = found["Environment"]["Variables"]
        return variables

    def set_variables(self, function: str, variables: Mapping[str, str]) -> None:
        """Change a function's environment; its next call is a cold start."""
        self.emulator.client("lambda").update_function_configuration(
            FunctionName=self.stack.functions[function],
            Environment={"Variables": dict(variables)},
        )

    def deliver_by(self, channels: str) -> None:
        """Set the stack's parameter Delivery, if it differs; without a mailer it is always sqs."""
        if not self.stack.has_mailer:
            return
        variables = self.variables(RECEIVER)
        if variables["DELIVERY"] != channels:
            self.set_variables(RECEIVER, {**variables, "DELIVERY": channels})

    def play_roomle(self, fault: str | None) -> None:
        """Set what is wrong with Roomle's API.

        After an outage the functions leave Roomle alone for minutes, so they are started again when
        it changes. While it stays, they show that.
        """
        if fault == self.stack.roomle.fault:
            return
        self.stack.roomle.fault = fault
        for function in self.functions:
            changed = {**self.variables(function), "ROOMLE_CHANGED": str(time.time())}
            self.set_variables(function, changed)

    def nudge(self, function: str) -> None:
        """Make the emulator hand on the function's last line, which may wait for another event."""
        event = {"requestContext": {"requestId": NUDGE}}
        self.emulator.client("lambda").invoke(
            FunctionName=self.stack.functions[function], Payload=json.dumps(event)
        )

    def read_logs(self) -> None:
        """Add the functions' new log lines to `lines`."""
        pages = self.emulator.client("logs").get_paginator("filter_log_events")
        with self._reading:
            for function, group in self._groups.items():
                # The emulator's log events have no id, but a stream only grows.
                streams: dict[str, list[str]] = {}
                for page in pages.paginate(logGroupName=group, startTime=self._began):
                    for event in page["events"]:
                        streams.setdefault(event["logStreamName"], []).append(event["message"])
                for stream, messages in streams.items():
                    self.lines[function] += messages[self._read.get((group, stream), 0) :]
                    self._read[group, stream] = len(messages)

    def queued(self) -> list[str]:
        """The bodies of the messages in the queue, including hidden ones."""
        url = self.stack.outputs["QueueUrl"]
        return [message.body for message in webhook.messages_in(self.emulator, url)]

    def published(self) -> list[dict[str, Any]]:
        """What the event bus got."""
        return webhook.published(self.emulator, self.stack.bus_queue_url)


@contextlib.contextmanager
def standing(stack: Stack, folder: Path | None = None) -> Iterator[Stage]:
    """Put the switches into the stack during the block.

    The stack sends the emails of `folder` as they are at each event: layers/emails by default.
    """
    stage = Stage(stack, folder)
    before = {function: stage.variables(function) for function in stage.functions}
    with contextlib.ExitStack() as servers:
        changes: dict[str, dict[str, str]] = {function: {} for function in stage.functions}
        for (function, service), switch in stage.switches.items():
            url, _ = servers.enter_context(faults.serving(switch))
            changes[function][f"AWS_ENDPOINT_URL_{service}"] = url
        for function, added in changes.items():
            stage.set_variables(function, before[function] | added)
        try:
            yield stage
        finally:
            for function, variables in before.items():
                stage.set_variables(function, variables)
            stage.emails.put_back()
            stack.roomle.fault = None
