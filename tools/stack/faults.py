"""A server that takes the place of an AWS service: it fails in some way, or forwards requests.

AWS_ENDPOINT_URL_<SERVICE> in a function's environment points to it, with botocore's name of the
service: SESV2, SQS, DYNAMODB, SECRETS_MANAGER.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tools.stack import webhook
from tools.stack.emulator import HOST, Emulator
from tools.stack.webhook import Answer

# Answers one request, or does not.
type Behaviour = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def serving(behaviour: Behaviour) -> Iterator[tuple[str, list[str]]]:
    """Serve on loopback during the block; yields the URL and the requests so far."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            target = self.headers.get("X-Amz-Target", "")
            requests.append(f"{self.command} {self.path} {target}".rstrip())
            with contextlib.suppress(ConnectionError):
                behaviour(self)
            self.close_connection = True

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}", requests
        finally:
            server.shutdown()


@dataclass
class Changing:
    """Behave in one way until another is set."""

    behaviour: Behaviour

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.behaviour(handler)


def answering(status: int, error: str = "", message: str = "") -> Behaviour:
    """Answer every request with an AWS error: `answering(429, "TooManyRequests...")`."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        body = json.dumps({"__type": error, "message": message}).encode()
        read_body(handler)
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        if error:
            handler.send_header("x-amzn-ErrorType", error)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hanging_up(handler: BaseHTTPRequestHandler) -> None:
    """Take the request and close the connection without an answer."""
    read_body(handler)


def silent_for(seconds: float) -> Behaviour:
    """Take the request and wait."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        read_body(handler)
        time.sleep(seconds)

    return behave


def dripping(seconds: float) -> Behaviour:
    """Answer one byte every tenth of a second, so that no read ever times out."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        read_body(handler)
        handler.send_response(200)
        handler.send_header("Content-Length", str(int(seconds * 10)))
        handler.end_headers()
        for _ in range(int(seconds * 10)):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    return behave


def forwarding_to(
    emulator: Emulator,
    *,
    then: Behaviour | None = None,
    seen: Callable[[bytes, Answer], None] | None = None,
) -> Behaviour:
    """Forward requests to the emulator and return its answers, or do something else afterwards.

    `forwarding_to(stack.emulator, then=hanging_up)` loses the answer of a call that worked.
    `seen` is called with each request's body and the emulator's answer.
    """

    def behave(handler: BaseHTTPRequestHandler) -> None:
        body = read_body(handler)
        headers = {
            name: value
            for name, value in handler.headers.items()
            if name.lower() not in {"content-length", "connection"}
        }
        answer = webhook.post(
            f"{emulator.url}{handler.path}", body, headers, method=handler.command
        )
        if seen is not None:
            seen(body, answer)
        if then is not None:
            then(handler)
            return
        handler.send_response(answer.status)
        for name, value in answer.headers.items():
            if name not in {"content-length", "transfer-encoding", "connection", "date"}:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    return behave


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    """Read a request's body; a second read returns nothing."""
    length = int(handler.headers.get("Content-Length") or 0)
    del handler.headers["Content-Length"]
    return handler.rfile.read(length)
