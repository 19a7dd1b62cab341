"""Run a stack until some work is done or Ctrl-C is pressed."""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from subprocess import CalledProcessError

from tools.stack import deployment, emulator, processes
from tools.stack.deployment import Stack

# The exit status that shells use after Ctrl-C.
INTERRUPTED = 130


def parser(prog: str, description: str | None) -> argparse.ArgumentParser:
    """Return the options of all commands that run a stack."""
    made = argparse.ArgumentParser(prog=prog, description=description)
    made.add_argument(
        "--port",
        type=int,
        default=emulator.PORT,
        help="where the emulator listens, on loopback; 0 is any free port (default: %(default)s)",
    )
    made.add_argument(
        "--description",
        type=Path,
        default=deployment.DESCRIPTION,
        help="the file that describes the stack while it runs (default: .local/stack.json)",
    )
    made.add_argument(
        "--mailer",
        choices=("on", "off"),
        default="on",
        help="the parameter Mailer; off leaves the queue to another program (docs/consumer.md)",
    )
    return made


def in_foreground(
    options: argparse.Namespace,
    work: Callable[[Stack], int],
    *,
    stay: bool,
    beside: Callable[[Stack], AbstractContextManager[object]] = nullcontext,
) -> int:
    """Run a stack, describe it in a file, do the work; return the exit status.

    With `stay` it runs until Ctrl-C or a signal, and `beside` runs with it. Everything is cleaned
    up in any case.
    """
    processes.interrupt_on_signals()
    status = INTERRUPTED
    try:
        with (
            deployment.running(options.port, mailer=options.mailer == "on") as stack,
            deployment.described(stack, options.description),
        ):
            status = work(stack)
            if stay:
                with beside(stack):
                    processes.say("stack", f"webhook at {stack.webhook_url}")
                    processes.say("stack", f"described in {options.description}")
                    processes.say("stack", "stays until Ctrl-C")
                    stay_up(stack)
    except KeyboardInterrupt:
        pass
    except (CalledProcessError, emulator.EmulatorFailedError) as failure:
        print(f"failed: {failure}", file=sys.stderr, flush=True)
        status = 1
    return status


def stay_up(stack: Stack) -> None:
    """Wait for a signal; raises EmulatorFailedError if the emulator ends before one comes."""
    while emulator.answers(stack.emulator):
        time.sleep(1)
    raise emulator.EmulatorFailedError("the emulator has ended")
