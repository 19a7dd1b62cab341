"""One deadline for the answer, enforced by a timer that interrupts a blocked call.

A read time-out counts per read, so a server that drips one byte at a time outlasts any of them;
only a signal bounds the whole call. Lambda runs the handler in the main thread, where Python
delivers signals.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from roomle_mail.errors import TimeRunningOut

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# Python drops an exception that a signal raises inside a finaliser, so the timer fires again.
_AGAIN = 0.05


class DeadlineExceeded(BaseException):
    """Time is up. Not an Exception, so that no library swallows it or tries again."""


class Deadline:
    """A moment on the monotonic clock, in seconds."""

    def __init__(self, seconds: float) -> None:
        """Let `seconds` pass from now, at most."""
        self._end = time.monotonic() + seconds

    def remaining(self, *, reserve: float = 0) -> float:
        """Seconds until the deadline, less those kept for what comes afterwards."""
        return self._end - reserve - time.monotonic()

    def run[*A, T](self, work: Callable[[*A], T], *given: *A, reserve: float = 0) -> T:
        """Do some work, and raise DeadlineExceeded in it once only `reserve` seconds are left.

        An interruption that arrives in the work's very last instruction still comes out of it:
        callers record what they reached inside, and look at that, not at the exception.
        """
        # Once it is set it stays: setting and restoring it takes longer than the timer itself.
        if not _Timer.handled:
            signal.signal(signal.SIGALRM, _fire)
            _Timer.handled = True
        _Timer.armed = True
        try:
            signal.setitimer(signal.ITIMER_REAL, max(self.remaining(reserve=reserve), 1e-6), _AGAIN)
            result = work(*given)
        finally:
            _Timer.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    def try_to[*A, T](
        self, work: Callable[[*A], T], *given: *A, reserve: float = 0
    ) -> tuple[T | None, Exception | None]:
        """Like `run`, but return what the work raised; an interruption as TimeRunningOut."""
        try:
            return self.run(work, *given, reserve=reserve), None
        except DeadlineExceeded:
            return None, TimeRunningOut()
        except Exception as err:  # noqa: BLE001 (the caller decides what follows from it)
            return None, err


class _Timer:
    """The process has one; what it still sends when it isn't armed counts for nothing."""

    handled = False
    armed = False


def _fire(_signal: int, _frame: FrameType | None) -> None:
    if _Timer.armed:
        raise DeadlineExceeded
