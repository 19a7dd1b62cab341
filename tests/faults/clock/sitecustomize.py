"""Python runs this at its start: a clock that a test can move, for functions and the emulator.

Only the time of day moves. Time-outs, the deadline and the date in AWS's signatures don't. Debian's
faketime would move them too, and would have to be installed.
"""

import mmap
import os
import struct
import time

if path := os.environ.get("MOVED_CLOCK"):
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs a cold start
        moved = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real = time.time

    def now() -> float:
        """Seconds since the epoch, as the test sets them."""
        return real() + float(struct.unpack_from("d", moved)[0])

    time.time = now
