"""Programs that end together with everything that they started, however this one ends."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

# Seconds for a program to end by itself before it is killed.
GRACE = 5.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(step: str, text: str) -> None:
    """Print a line of progress."""
    print(f"{step}: {text}", flush=True)


def interrupt_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def deferred_signals() -> Iterator[None]:
    """Delay a signal that arrives during the block until its end."""
    came: list[int] = []
    before = [
        signal.signal(number, lambda came_now, _: came.append(came_now)) for number in SIGNALS
    ]
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def started(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    output: IO[str],
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a new session, and end the session at the end of the block."""
    with contextlib.ExitStack() as cleanup:
        # A signal in between would leave a program running.
        with deferred_signals():
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            cleanup.callback(end_session, process)
        yield process


def end_session(process: subprocess.Popen[bytes]) -> None:
    """End a program that leads a session, and everything that still runs in the session."""
    with deferred_signals():  # an impatient second Ctrl-C waits
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            deadline = time.monotonic() + GRACE
            while time.monotonic() < deadline:
                process.poll()  # takes the ended program off the process table
                if not has_members(process.pid):
                    return
                time.sleep(0.02)


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a temporary folder for the block."""
    with contextlib.ExitStack() as cleanup:
        with deferred_signals():
            folder = Path(tempfile.mkdtemp(prefix="roomle-mail-"))
            cleanup.callback(remove, folder)
        yield folder


def remove(folder: Path) -> None:
    """Remove a folder and its content."""
    with deferred_signals():
        shutil.rmtree(folder, ignore_errors=True)


def has_members(leader: int) -> bool:
    """Return whether a session still has processes."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS raises this for a group with only zombies
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
