"""Lambda's side of the Runtime API, and a function that runs against it.

AWS's page "Using the Lambda runtime API for custom runtimes" describes the calls. The function
itself runs under AWS's own client, awslambdaric, in a separate process.
"""

import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

VERSION = "/2018-06-01/runtime"
FUNCTION_TIMEOUT = 30  # seconds


@dataclass(frozen=True, slots=True)
class Result:
    """A function's result for one invocation, or for its start ("init error")."""

    kind: Literal["response", "error", "init error"]
    payload: Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """One event for the function."""

    id: str
    event: bytes
    deadline_ms: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.invocations: queue.Queue[Invocation | None] = queue.Queue()
        self.results: queue.Queue[tuple[str | None, Result]] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != f"{VERSION}/invocation/next":
            self._answer(404, b"{}")
            return
        # Lambda keeps the runtime waiting, frozen, until there is an event.
        invocation = self.server.invocations.get()
        if invocation is None:
            self._answer(500, b"{}")
            return
        self._answer(
            200,
            invocation.event,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": (
                    "arn:aws:lambda:eu-central-1:123456789012:function:built"
                ),
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path.removeprefix(f"{VERSION}/").split("/"):
            case ["init", "error"]:
                self.server.results.put((None, Result("init error", json.loads(body))))
            case ["invocation", invocation_id, "error"]:
                self.server.results.put((invocation_id, Result("error", json.loads(body))))
            case ["invocation", invocation_id, "response"]:
                self.server.results.put((invocation_id, Result("response", json.loads(body))))
            case _:
                self._answer(404, b"{}")
                return
        self._answer(202, b'{"status": "OK"}')

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Print nothing: only the function's own output matters."""


class Function:
    """A built function, started as on Lambda, waiting for events.

    ``python`` runs it in ``task`` (Lambda's /var/task) with only the variables of ``environment``;
    its output goes to the file ``log``.
    """

    def __init__(
        self, python: Path, task: Path, environment: Mapping[str, str], *, log: Path
    ) -> None:
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [python, "-m", "awslambdaric", "app.handler"],
                cwd=task,
                env={
                    **environment,
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    "LAMBDA_TASK_ROOT": str(task),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._server.invocations.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def output(self) -> str:
        """Everything that the function has printed so far."""
        return self._log.read_text()

    def invoke(self, event: object) -> Any:
        """Hand over an event and return the answer; anything else fails the test."""
        invocation = Invocation(
            id=str(uuid.uuid4()),
            event=json.dumps(event).encode(),
            deadline_ms=int((time.time() + FUNCTION_TIMEOUT) * 1000),
        )
        self._server.invocations.put(invocation)
        answered, result = self._next_result()
        assert (answered, result.kind) == (invocation.id, "response"), f"{result}\n{self.output}"
        return result.payload

    def init_error(self) -> Any:
        """Wait for the start to fail, and return how."""
        _, result = self._next_result()
        assert result.kind == "init error", result
        return result.payload

    def _next_result(self) -> tuple[str | None, Result]:
        end = time.monotonic() + FUNCTION_TIMEOUT
        while time.monotonic() < end:
            try:
                return self._server.results.get(timeout=0.1)
            except queue.Empty:
                if self._process.poll() is not None and self._server.results.empty():
                    break
        message = f"no answer; the function ended with {self._process.poll()}:\n{self.output}"
        raise AssertionError(message)
