"""Programs that are ended together with all that they started, whatever ends us."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

# What a program gets to end by itself before it is killed, in seconds.
GRACE = 5.0


def say(step: str, text: str) -> None:
    """Print a line of progress."""
    print(f"{step}: {text}", flush=True)


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP unwind the program as Ctrl-C does, so that all is cleared away."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if number := getattr(signal, name, None):
            signal.signal(number, leave)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Clear away without being stopped halfway by a second Ctrl-C."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: IO[str],
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, and end that session at the end of the block."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with uninterrupted():
            end_session(process)


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End a program that leads a session, and everything that it left running there."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            process.poll()  # takes the ended program off the process table
            if not session_members(process.pid):
                return
            time.sleep(0.02)


def session_members(leader: int) -> bool:
    """Tell whether a session still has processes."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group that holds zombies only
        return False
    return True


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
) -> None:
    """Run a program to its end; its output is shown only if it fails (CalledProcessError)."""
    with (
        log.open("w") as output,
        started(command, environment=environment, output=output, folder=folder) as process,
    ):
        status = process.wait()
    if status:
        print(log.read_text(), file=sys.stderr, flush=True)
        raise subprocess.CalledProcessError(status, command)
