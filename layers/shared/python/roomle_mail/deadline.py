"""One deadline for the answer, enforced by a timer that interrupts a blocked call.

A read time-out counts per read, so a server that drips one byte at a time outlasts any of them;
only a signal bounds the whole call. Lambda runs the handler in the main thread, where Python
delivers signals.
"""

import signal
import time
from collections.abc import Callable
from types import FrameType

from roomle_mail.errors import TimeRunningOut

# Python drops an exception that a signal raises inside a finaliser, so the timer fires again.
_AGAIN = 0.05


class DeadlineExceeded(BaseException):
    """Time is up. Not an Exception, so that no library swallows it or tries again."""


class Deadline:
    """A moment on the monotonic clock, in seconds."""

    def __init__(self, seconds: float) -> None:
        """Let `seconds` pass from now, at most."""
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._end - time.monotonic()

    def run[*A, T](self, work: Callable[[*A], T], *given: *A) -> T:
        """Do some work, and raise DeadlineExceeded in it once no time is left.

        An interruption that arrives in the work's very last instruction still comes out of it:
        callers record what they reached inside, and look at that, not at the exception.
        """
        # Once it is set it stays: setting and restoring it takes longer than the timer itself.
        if not _Timer.handled:
            signal.signal(signal.SIGALRM, _fire)
            _Timer.handled = True
        _Timer.armed = True
        try:
            signal.setitimer(signal.ITIMER_REAL, max(self.remaining(), 1e-6), _AGAIN)
            result = work(*given)
        finally:
            _Timer.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return result

    def try_to[*A, T](
        self, work: Callable[[*A], T], *given: *A
    ) -> tuple[T | None, Exception | None]:
        """Like `run`, but return what the work raised; an interruption as TimeRunningOut."""
        try:
            return self.run(work, *given), None
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
