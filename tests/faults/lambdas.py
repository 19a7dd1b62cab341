"""Built functions under AWS's own runtime client, which can be killed; each has its path to AWS."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import queue
import signal
import struct
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.built.conftest import Lambda
from tests.built.runtime_api import Function, Invocation
from tests.faults.proxy import Line, Proxy

CLOCK_CODE = Path(__file__).parent / "clock"
RECEIVER, MAILER = "ReceiverFunction", "MailerFunction"
# Two processors can't load ten functions at once in the time allowed for one.
_loading = threading.Semaphore(2)


class Clock:
    """A movable time of day, shared with processes through a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)

    def move(self, seconds: float) -> None:
        """Move the time of day, forwards or backwards."""
        struct.pack_into("d", self._offset, 0, self._moved + seconds)

    def now(self) -> float:
        return time.time() + self._moved

    @property
    def _moved(self) -> float:
        return float(struct.unpack_from("d", self._offset)[0])

    @property
    def variables(self) -> dict[str, str]:
        return {"MOVED_CLOCK": str(self.path)}


class Mortal(Function):
    """A running function that may be killed at any moment."""

    line: Line
    clock: Clock
    _read: int = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # A killed function's connections may end in any way.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]

    def call(self, event: object, *, timeout: float = 30.0) -> Any:
        """Hand over an event; return the answer, or None if the function died or timed out.

        An error that escapes from the function fails the test.
        """
        invocation = Invocation(
            id=str(uuid.uuid4()),
            event=json.dumps(event).encode(),
            deadline_ms=int((time.time() + timeout) * 1000),
        )
        self._server.invocations.put(invocation)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                answered, result = self._server.results.get(timeout=0.05)
            except queue.Empty:
                if not self.alive and self._server.results.empty():
                    return None
            else:
                assert (answered, result.kind) == (invocation.id, "response"), (
                    f"{result}\n{self.output}"
                )
                return result.payload
        # Lambda ends a function that takes longer than its time-out.
        self.kill()
        return None

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill it without warning (SIGKILL), even if it is frozen."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Stop it, so that it times out."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def new_log(self) -> list[dict[str, Any]]:
        """The lines that it logged since the last call, without metrics."""
        with self._log.open() as file:
            file.seek(self._read)
            text = file.read()
        self._read += len(text.encode())
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [line for line in lines if "_aws" not in line]


@dataclass(frozen=True)
class Functions:
    """Starts functions with the deployment's variables and with changes."""

    aws_lambda: Lambda
    proxy: Proxy
    folder: Path
    variables: Mapping[str, Mapping[str, str]]
    showing: Path
    """Emails whose brands show designs, instead of those of the build."""

    @contextlib.contextmanager
    def started(
        self,
        name: str,
        *,
        cold: bool = False,
        clock: Clock | None = None,
        designs: bool = False,
        **changes: str,
    ) -> Iterator[Mortal]:
        """Run a function during the block, loaded in advance unless it should start cold.

        With `designs` its emails show them. Only a local stack can have another API than Roomle's.
        """
        mark = uuid.uuid4().hex
        line = self.proxy.open_line()
        clock = clock or Clock(self.folder / f"{mark}.clock")
        paths = [str(CLOCK_CODE)]
        if designs:
            changes = {"LOCAL_STACK": "true", "ROOMLE_API": line.url("ROOMLE")} | changes
            paths.append(str(self.showing))
        environment = self.aws_lambda.environment(
            name, **{**self.variables[name], **line.endpoints, **clock.variables, **changes}
        )
        environment["PYTHONPATH"] = os.pathsep.join((*paths, environment["PYTHONPATH"]))
        with contextlib.ExitStack() as ends:
            ends.callback(line.close)
            with contextlib.nullcontext() if cold else _loading:
                function = ends.enter_context(
                    Mortal(
                        self.aws_lambda.python,
                        self.aws_lambda.tasks[name],
                        environment,
                        log=self.folder / f"{name}-{mark}.log",
                    )
                )
                function.line, function.clock = line, clock
                if not cold:
                    # A request without a token and an empty batch call no service.
                    assert function.call({"Records": []}) is not None, function.output
            yield function


def assert_foreseen(function: Mortal) -> list[dict[str, Any]]:
    """Its new log lines; fails if one reports an unexpected error."""
    lines = function.new_log()
    assert not [line for line in lines if line.get("reason") == "Unforeseen"], lines
    return lines
