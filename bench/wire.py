"""A small Runtime API and a fake AWS that answers at once, on loopback, in one event loop.

AWS's page "Using the Lambda runtime API for custom runtimes" describes the calls of the first. The
second has the answers to the calls that the functions make. It counts the calls, so that a variant
that leaves one out is noticed.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

API_KEY, SECRET = "aBenchApiKey", "bench-0nly-key-!"

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *[^.\r]*\.(\w+)", re.IGNORECASE)
_RECORD = re.compile(rb'"key": ?\{"S": ?"([^"]+)"')
_RUNTIME = b"/2018-06-01/runtime/"

_SECRET_VALUE = {
    "ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bench-AbCdEf",
    "Name": "bench",
    "VersionId": "00000000-0000-4000-8000-000000000000",
    "SecretString": json.dumps({API_KEY: SECRET}),
    "VersionStages": ["AWSCURRENT"],
    # Long ago, so that the previous version no longer counts and isn't requested.
    "CreatedDate": 1_700_000_000.0,
}
_ANSWERS = {
    "GetSecretValue": json.dumps(_SECRET_VALUE).encode(),
    "GetItem": b"{}",
    "PutItem": b"{}",
    "UpdateItem": b"{}",
    "SendEmail": b'{"MessageId": "010701900000abcd-00000000-0000-4000-8000-000000000000-000000"}',
}
_THERE = b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}'


@dataclass(frozen=True, slots=True)
class Event:
    """An event's bytes in two halves: API Gateway's time of the request goes between them."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, event: object) -> "Event":
        """Split an event at its time, if it has one."""
        before, found, after = json.dumps(event).partition('"timeEpoch": ')
        if not found:
            return cls(before.encode(), b"")
        return cls((before + found).encode(), after.lstrip("0123456789").encode())

    def now(self) -> bytes:
        """Return it as if it arrived now."""
        if not self.after:
            return self.before
        return b"%b%d%b" % (self.before, int(time.time() * 1000), self.after)


@dataclass(slots=True)
class Work:
    """One function's work and its results; times are from `time.perf_counter`."""

    events: Sequence[Event]
    count: int
    sent: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def more(self, count: int) -> None:
        """Add more events."""
        self.count += count
        self.done.clear()


class Server:
    """Both sides of a function, at one address; one function at a time.

    `records` are the keys in the table, if that matters. A second put of a key is then refused,
    because every `PutItem` here has that condition.
    """

    def __init__(self) -> None:
        self.address = ""
        self.records: set[bytes] | None = None
        self._work: Work | None = None
        self._waiting: asyncio.Transport | None = None

    @property
    def work(self) -> Work:
        """The current function's work."""
        if self._work is None:
            raise RuntimeError("no function is being served")
        return self._work

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self), "127.0.0.1", 0
        )
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    def begin(self, work: Work) -> None:
        """Serve another function from now on."""
        self._work, self._waiting = work, None

    async def more(self, count: int) -> None:
        """Give the waiting function more events, and wait for its answers."""
        self.work.more(count)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._hand_over(waiting)
        await self.work.done.wait()

    def answer(self, transport: asyncio.Transport, path: bytes, head: bytes, body: bytes) -> None:
        """Answer a request from the function."""
        if not path.startswith(_RUNTIME):
            self._answer_call(transport, path, head, body)
        elif path.endswith(b"/invocation/next"):
            self._hand_over(transport)
        else:
            self._take(path, body)
            transport.write(_response(b'{"status": "OK"}', b"202 Accepted"))

    def _hand_over(self, transport: asyncio.Transport) -> None:
        work = self.work
        number = len(work.sent)
        if number == work.count:
            self._waiting = transport
            work.done.set()
            return
        event = work.events[number % len(work.events)].now()
        head = (
            b"Lambda-Runtime-Aws-Request-Id: %032x\r\n"
            b"Lambda-Runtime-Deadline-Ms: %d\r\n"
            b"Lambda-Runtime-Invoked-Function-Arn: "
            b"arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n"
            b"Lambda-Runtime-Trace-Id: "
            b"Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n"
        ) % (number, int(time.time() * 1000) + 10_000)
        work.sent.append(time.perf_counter())
        transport.write(_response(event, b"200 OK", head))

    def _take(self, path: bytes, body: bytes) -> None:
        work = self.work
        work.answered.append(time.perf_counter())
        if not path.endswith(b"/response"):
            body = b"error: " + body
        work.answers.append(body)

    def _answer_call(
        self, transport: asyncio.Transport, path: bytes, head: bytes, body: bytes
    ) -> None:
        target = _TARGET.search(head)
        name = target[1].decode() if target else "SendEmail"
        if target is None and path != b"/v2/email/outbound-emails":
            name = f"unknown: {path.decode()}"
        self.work.calls[name] += 1
        self.work.bytes[name] += len(head) + len(body)
        answer = _ANSWERS.get(name)
        if answer is None:
            transport.write(_response(b"{}", b"400 Bad Request"))
        elif self._was_there(name, body):
            transport.write(_response(_THERE, b"400 Bad Request"))
        else:
            transport.write(_response(answer, b"200 OK"))

    def _was_there(self, name: str, body: bytes) -> bool:
        if self.records is None or not (record := _RECORD.search(body)):
            return False
        there = record[1] in self.records
        self.records.add(record[1])
        return name == "PutItem" and there


def _response(body: bytes, status: bytes, head: bytes = b"") -> bytes:
    return (b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b") % (
        status,
        len(body),
        head,
        body,
    )


class _Connection(asyncio.Protocol):
    """One connection, with one request after another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._data = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < whole:
                return
            body, self._data = self._data[end + 4 : whole], self._data[whole:]
            self._server.answer(self._transport, head.split(b" ", 2)[1], head, body)
