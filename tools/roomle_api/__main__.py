"""Serve the stand-in by itself until Ctrl-C, for `roomle-mail design ID --api URL`."""

import argparse
import contextlib
import sys
import threading
from collections.abc import Sequence

from tools.roomle_api import faults, server
from tools.stack import processes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    known = "\n".join(f"  {name:16}  {fault.label}" for name, fault in faults.FAULTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tools.roomle_api",
        description=f"{__doc__}\n\nRoomle's API, with --fault:\n{known}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="the default is any free one")
    parser.add_argument("--fault", metavar="NAME", help="what is wrong with all answers")
    options = parser.parse_args(arguments)
    if options.fault:
        try:
            faults.choice(options.fault)
        except KeyError:
            parser.error(f"there is no fault {options.fault!r}")
    processes.interrupt_on_signals()
    with contextlib.suppress(KeyboardInterrupt), server.running(options.port) as api:
        api.fault = options.fault
        processes.say("roomle", f"answers at {api.url}")
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
