"""The deadline ends a blocked call, wherever it blocks, and leaves no timer behind."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from roomle_mail.deadline import Deadline, DeadlineExceeded


def sleep() -> None:
    time.sleep(2)


def test_a_source_that_drips_one_byte_at_a_time_is_cut_off() -> None:
    """Each byte comes within the read time-out, so the read time-out would never end it."""
    ours, theirs = os.pipe()
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            os.write(theirs, b".")

    def read() -> None:
        while os.read(ours, 1):
            pass

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        with pytest.raises(DeadlineExceeded):
            Deadline(0.3).run(read)
    finally:
        stop.set()
        dripper.join()
        os.close(ours)
        os.close(theirs)


def test_an_interruption_that_is_swallowed_comes_again() -> None:
    """Python prints and drops an exception that a signal raises inside a finaliser."""
    swallowed = 0

    def swallow() -> None:
        nonlocal swallowed
        while True:
            try:
                sleep()
            except DeadlineExceeded:
                swallowed += 1
                if swallowed == 3:
                    raise

    with pytest.raises(DeadlineExceeded):
        Deadline(0.1).run(swallow)


def test_what_ends_in_time_gives_its_result_and_is_not_interrupted_afterwards() -> None:
    assert Deadline(60).run(lambda: "done") == "done"

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_later_deadline_outlasts_an_earlier_one() -> None:
    later, earlier = Deadline(3600), Deadline(0.1)

    with pytest.raises(DeadlineExceeded):
        earlier.run(sleep)

    assert earlier.remaining() <= 0
    assert 0 < later.remaining() < 3600


def test_a_deadline_that_has_passed_interrupts_at_once() -> None:
    with pytest.raises(DeadlineExceeded):
        Deadline(-1).run(sleep)


def test_no_library_that_catches_exceptions_swallows_an_interruption() -> None:
    assert not issubclass(DeadlineExceeded, Exception)
