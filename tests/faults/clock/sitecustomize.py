"""Read by Python at its start: a clock that a test can move, for functions and the emulator.

Only the time of day moves. Time-outs, the deadline and the date in AWS's signatures stay as they
are, which is why this is not Debian's faketime: that moves them too, and has to be installed.
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
        """Seconds since the epoch, as the test would have it."""
        return real() + float(struct.unpack_from("d", moved)[0])

    time.time = now
