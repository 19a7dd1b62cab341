"""A proxy between a function and AWS or Roomle that fails on demand, per service and call.

We wrote a small one. toxiproxy works below HTTP, so it can't tell one call from another, answer
with an AWS error, or lose the answer of a successful call. mitmproxy can, but to refuse a
connection, cut an answer off or send one byte per second it needs another server behind it, which
is most of this file. It also takes several times as long for each call.

Requests pass unchanged, because the `Host` header is signed. Each service and function has its own
port, because a connection is refused before there is a call to look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

type Service = Literal["SESV2", "SQS", "SECRETS_MANAGER", "DYNAMODB", "EVENTBRIDGE", "ROOMLE"]

# botocore's names in AWS_ENDPOINT_URL_…
AWS: tuple[Service, ...] = ("SESV2", "SQS", "SECRETS_MANAGER", "DYNAMODB", "EVENTBRIDGE")
SERVICES: tuple[Service, ...] = (*AWS, "ROOMLE")
HOST = "127.0.0.1"
_END = b"\r\n\r\n"  # of a head
SLOW = 0.25  # seconds that a slow answer takes
_RESET = struct.pack("ii", 1, 0)  # no linger: a close sends RST

# What each service says when it throttles or refuses (each one's page "Common errors").
_THROTTLES: dict[Service, tuple[int, str]] = {
    "SESV2": (429, "TooManyRequestsException"),
    "SQS": (403, "RequestThrottled"),
    "SECRETS_MANAGER": (400, "ThrottlingException"),
    "DYNAMODB": (400, "ProvisionedThroughputExceededException"),
    "EVENTBRIDGE": (400, "ThrottlingException"),
    "ROOMLE": (429, "TooManyRequests"),
}
_REFUSES: dict[Service, tuple[int, str]] = {
    "SESV2": (400, "MessageRejected"),
    "SQS": (403, "AccessDenied"),
    "SECRETS_MANAGER": (400, "AccessDeniedException"),
    "DYNAMODB": (400, "AccessDeniedException"),
    "EVENTBRIDGE": (400, "AccessDeniedException"),
    "ROOMLE": (403, "Forbidden"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. `acts`: the service carries out the request before the failure."""

    name: str
    acts: bool
    blocks: bool = False  # until the caller gives up

    def __str__(self) -> str:
        return self.name


THROTTLE = Fault("throttle", acts=False)
REFUSE = Fault("answer 4xx", acts=False)
BREAK = Fault("answer 5xx", acts=False)
BREAK_AFTER = Fault("answer 5xx after acting", acts=True)
NO_CONNECTION = Fault("refuse the connection", acts=False)
RESET = Fault("reset the connection", acts=False)
HANG = Fault("hang", acts=False, blocks=True)
HANG_AFTER = Fault("hang after acting", acts=True, blocks=True)
ANSWER_SLOWLY = Fault("answer slowly", acts=True)
DRIP = Fault("answer one byte a second", acts=True, blocks=True)
HALVE = Fault("answer half", acts=True)
HALVE_CLEANLY = Fault("answer half of the JSON", acts=True)
DROP = Fault("drop the answer after acting", acts=True)
FAULTS = (
    THROTTLE, REFUSE, BREAK, BREAK_AFTER, NO_CONNECTION, RESET, HANG, HANG_AFTER, ANSWER_SLOWLY,
    DRIP, HALVE, HALVE_CLEANLY, DROP,
)  # fmt: skip
# PutEvents answers 200 even if it took nothing (EventBridge's page "PutEventsResultEntry").
FAIL_ENTRY = Fault("fail the entry", acts=False)
BUS_FAULTS = (*FAULTS, FAIL_ENTRY)


# What is answered instead of the service's answer.
_INSTEAD: dict[Fault | None, dict[Service, tuple[int, str]]] = {
    THROTTLE: _THROTTLES,
    REFUSE: _REFUSES,
    BREAK: dict.fromkeys(SERVICES, (500, "InternalFailure")),
    BREAK_AFTER: dict.fromkeys(SERVICES, (500, "InternalFailure")),
}


@dataclass(slots=True)
class Call:
    """A call. `acted`: AWS carried it out. `answered`: the caller got the complete answer."""

    service: Service
    operation: str
    request: bytes = field(repr=False)
    fault: Fault | None = None
    acted: bool = False
    answered: bool = False
    at: float = field(default_factory=time.monotonic)

    @property
    def body(self) -> Any:
        return json.loads(self.request)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    service: Service
    operation: str | None
    times: int | None


type Watch = Callable[[Call, Literal["before", "after"]], None]


class Line:
    """One function's path to AWS and Roomle: its ports, the current faults, the calls so far."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._planned: list[_Planned] = []
        self._ports = {service: _Port(self, service) for service in SERVICES}
        self.calls: list[Call] = []
        # Called for each call before it is passed on, and after AWS acted but before the answer.
        # Raising a ConnectionError withholds the answer.
        self.watch: Watch | None = None

    @property
    def endpoints(self) -> dict[str, str]:
        """The variables that send a function's calls to AWS here."""
        return {f"AWS_ENDPOINT_URL_{service}": self.url(service) for service in AWS}

    def url(self, service: Service) -> str:
        return f"http://{HOST}:{self._ports[service].number}"

    def fail(
        self,
        service: Service,
        fault: Fault,
        *,
        operation: str | None = None,
        times: int | None = None,
    ) -> None:
        """Make calls fail until `heal`: of one operation or all, `times` often or always."""
        if fault is NO_CONNECTION:
            self._proxy.run(self._ports[service].refuse())
        else:
            self._planned.append(_Planned(fault, service, operation, times))

    def heal(self) -> None:
        """Pass on all calls from now on."""
        self._planned.clear()
        for port in self._ports.values():
            if port.refusing:
                self._proxy.run(port.listen())

    def clear(self) -> None:
        """Heal, and forget the calls so far."""
        self.heal()
        self.calls.clear()

    def acted(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation and call.acted]

    def close(self) -> None:
        for port in self._ports.values():
            self._proxy.run(port.close())

    def fault_for(self, service: Service, operation: str) -> Fault | None:
        for planned in self._planned:
            if (
                planned.service == service
                and planned.operation in (None, operation)
                and planned.times != 0
            ):
                if planned.times is not None:
                    planned.times -= 1
                return planned.fault
        return None

    def backend(self, service: Service) -> tuple[str, int]:
        return self._proxy.roomle if service == "ROOMLE" else self._proxy.aws


class _Port:
    """The server for one service and one function."""

    def __init__(self, line: Line, service: Service) -> None:
        self._line, self._service = line, service
        # It reserves the port but never listens, so connections are refused.
        self._keeper = _bound(0)
        self.number: int = self._keeper.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        line._proxy.run(self.listen())

    @property
    def refusing(self) -> bool:
        return self._server is None

    async def listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=_bound(self.number))

    async def refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.close()

    async def close(self) -> None:
        await self.refuse()
        self._keeper.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        backend: _Connection | None = None
        try:
            while head := await _head(reader):
                body = await reader.readexactly(_content_length(head))
                call = Call(self._service, _operation(self._service, head), body)
                call.fault = self._line.fault_for(self._service, call.operation)
                self._line.calls.append(call)
                self._tell(call, "before")
                answer = b""
                if call.fault is None or call.fault.acts:
                    backend = backend or await _connect(*self._line.backend(self._service))
                    answer = await backend.exchange(head + body)
                    call.acted = answer.split(b" ", 2)[1].startswith(b"2")
                    self._tell(call, "after")
                if not await self._answer(call, answer, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the function ended, or gave up
        finally:
            self._open.discard(writer)
            writer.close()
            if backend is not None:
                backend.close()

    def _tell(self, call: Call, when: Literal["before", "after"]) -> None:
        if self._line.watch is not None:
            self._line.watch(call, when)

    async def _answer(
        self, call: Call, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer as the fault says; True if the connection stays open."""
        match call.fault:
            case fault if fault in _INSTEAD:
                writer.write(_error(*_INSTEAD[fault][self._service]))
                await writer.drain()
                return True
            case fault if fault is FAIL_ENTRY:
                failed = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
                writer.write(_made("200 OK", json.dumps(failed)))
                await writer.drain()
                return True
            case fault if fault in (HANG, HANG_AFTER):
                await reader.read()  # ends when the caller gives up
            case fault if fault is DRIP:
                await _drip(answer, writer)
            case fault if fault is HALVE:
                call.answered = True  # its status has arrived
                head = answer.index(_END) + len(_END)
                writer.write(answer[: (head + len(answer)) // 2])
                await writer.drain()
            case fault if fault is RESET:
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case fault if fault is DROP:
                pass
            case fault:
                await asyncio.sleep(SLOW if fault is ANSWER_SLOWLY else 0)
                call.answered = not reader.at_eof()
                writer.write(_halved(answer) if fault is HALVE_CLEANLY else answer)
                await writer.drain()
                return True
        return False


class Proxy:
    """The proxy, in its own thread."""

    def __init__(self, aws_url: str, roomle_url: str) -> None:
        self.aws, self.roomle = _place(aws_url), _place(roomle_url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def open_line(self) -> Line:
        return Line(self)

    def close(self) -> None:
        async def finish() -> None:
            ours = asyncio.current_task()
            tasks = [task for task in asyncio.all_tasks() if task is not ours]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextlib.contextmanager
def running(aws_url: str, roomle_url: str) -> Iterator[Proxy]:
    """Run a proxy in front of AWS and Roomle during the block."""
    proxy = Proxy(aws_url, roomle_url)
    try:
        yield proxy
    finally:
        proxy.close()


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 80)


# --- HTTP/1.1, as far as the functions and what is behind the proxy use it ---------------


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def exchange(self, request: bytes) -> bytes:
        """Pass a request on; return the complete answer, unchanged."""
        self.writer.write(request)
        await self.writer.drain()
        head = await _head(self.reader)
        if not head:
            raise ConnectionError
        if b"\r\ntransfer-encoding: chunked" in head.lower():
            return head + await self._chunks()
        if request.startswith(b"HEAD "):
            return head
        return head + await self.reader.readexactly(_content_length(head))

    async def _chunks(self) -> bytes:
        read = b""
        while True:
            size = await self.reader.readuntil(b"\r\n")
            read += size + await self.reader.readexactly(int(size, 16) + 2)
            if int(size, 16) == 0:
                return read

    def close(self) -> None:
        self.writer.close()


async def _connect(host: str, port: int) -> _Connection:
    return _Connection(*await asyncio.open_connection(host, port))


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(_END)
    except asyncio.IncompleteReadError:
        return b""


def _header(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


def _content_length(head: bytes) -> int:
    return int(_header(head, b"content-length") or 0)


def _operation(service: Service, head: bytes) -> str:
    if service == "ROOMLE":
        method, path, _ = head.split(b" ", 2)
        return "picture" if method == b"HEAD" else path.split(b"/")[-2].decode()
    if service == "SESV2":
        return "SendEmail" if b"/outbound-emails" in head.split(b"\r\n", 1)[0] else "?"
    return _header(head, b"x-amz-target").rpartition(b".")[2].decode()


def _error(status: int, code: str) -> bytes:
    body = json.dumps({"__type": code, "message": ""})
    return _made(f"{status} Fault\r\nx-amzn-ErrorType: {code}", body)


def _made(head: str, body: str) -> bytes:
    return (
        f"HTTP/1.1 {head}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _halved(answer: bytes) -> bytes:
    """Half of the JSON, in an answer that is complete as HTTP."""
    head, _, body = answer.partition(_END)
    body = body[: len(body) // 2]
    kept = [
        line
        for line in head.split(b"\r\n")
        # botocore would notice by DynamoDB's checksum, which is not always sent.
        if not line.lower().startswith((b"content-length", b"x-amz-crc32", b"transfer-encoding"))
    ]
    return b"\r\n".join([*kept, b"Content-Length: %d" % len(body), b"", body])


async def _drip(answer: bytes, writer: asyncio.StreamWriter) -> None:
    for place in range(len(answer)):
        writer.write(answer[place : place + 1])
        await writer.drain()
        await asyncio.sleep(1)


def _bound(number: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind((HOST, number))
    return found
