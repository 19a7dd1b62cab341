"""The deadline may interrupt at any instruction, and answer and custody always agree.

CPython runs signal handlers only at certain places: when a function starts or resumes, after a
call, and when a loop repeats. Each of these places in our own code gets the signal once.
"""

from __future__ import annotations

import contextlib
import dis
import gc
import inspect
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from roomle_mail import receiver
from roomle_mail.idempotency import IdempotencyStore
from roomle_mail.receiver import Progress
from roomle_mail.tokens import Credential
from tests.aws.conftest import API_KEY, SECRET, World, saved, world
from tests.aws.showing import roomle
from tests.faults import figures
from tools.roomle_api.server import RoomleApi

__all__ = ["roomle", "world"]

TOOL = sys.monitoring.DEBUGGER_ID
SAMPLE, ALL = 15, 100_000  # places; there are about a thousand
MOST_LOST = 12
AFTER_YIELD_FROM = 2  # a RESUME of this kind or above does not check for signals


def places_in(code: CodeType) -> Iterator[tuple[CodeType, int]]:
    """The places where CPython checks for signals in a code object and those within it."""
    after_call = False
    for instruction in dis.get_instructions(code):
        name, argument = instruction.opname, instruction.arg or 0
        resumes = name == "RESUME" and argument & 3 < AFTER_YIELD_FROM
        if after_call or resumes or name == "JUMP_BACKWARD":
            yield code, instruction.offset
        after_call = name.startswith("CALL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from places_in(constant)


def codes_of(module: ModuleType) -> Iterator[CodeType]:
    for _, value in inspect.getmembers(module):
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            yield inspect.unwrap(value).__code__
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            yield from codes_of_class(value)


def codes_of_class(found: type) -> Iterator[CodeType]:
    for value in list(vars(found).values()):
        # The attributes of static methods, properties and cached properties that hold the function.
        names = ("__func__", "fget", "func")
        function = next(filter(None, (getattr(value, name, None) for name in names)), value)
        function = inspect.unwrap(function) if callable(function) else function
        if isinstance(function, FunctionType):
            yield function.__code__


@dataclass
class Interrupter:
    """Counts the places that are passed while the timer is set, and sends the signal at one."""

    places: frozenset[tuple[CodeType, int]]
    at: int = -1
    passed: int = 0
    where: str = ""
    seen: list[str] = field(default_factory=list)

    def __call__(self, code: CodeType, offset: int) -> None:
        handler = signal.getsignal(signal.SIGALRM)
        set_to, _ = signal.getitimer(signal.ITIMER_REAL)
        # Python runs signal handlers in the main thread alone.
        if threading.get_ident() != threading.main_thread().ident:
            return
        if not set_to or not callable(handler) or (code, offset) not in self.places:
            return
        self.passed += 1
        if self.passed == self.at:
            lines = (line for start, end, line in code.co_lines() if start <= offset < end)
            self.where = f"{code.co_qualname}:{next(lines)}"
            handler(signal.SIGALRM, None)


@contextlib.contextmanager
def interrupting(interrupter: Interrupter) -> Iterator[None]:
    codes = {code for code, _ in interrupter.places}
    sys.monitoring.use_tool_id(TOOL, "interrupter")
    event = sys.monitoring.events.INSTRUCTION
    sys.monitoring.register_callback(TOOL, event, interrupter)
    for code in codes:
        sys.monitoring.set_local_events(TOOL, code, event)
    try:
        yield
    finally:
        for code in codes:
            sys.monitoring.set_local_events(TOOL, code, 0)
        sys.monitoring.register_callback(TOOL, event, None)
        sys.monitoring.free_tool_id(TOOL)


def our_places(*modules: ModuleType) -> frozenset[tuple[CodeType, int]]:
    ours = [m for name, m in sys.modules.items() if name.startswith("roomle_mail.")]
    codes = [code for module in (*ours, *modules) for code in codes_of(module)]
    return frozenset(place for code in codes for place in places_in(code))


def recorded_progress(monkeypatch: pytest.MonkeyPatch) -> list[Progress]:
    """What the receiver reached with each POST, as a list that grows."""
    begun: list[Progress] = []

    def begin(*arguments: Any) -> Progress:
        begun.append(Progress(*arguments))
        return begun[-1]

    monkeypatch.setattr(receiver, "Progress", begin)
    return begun


THROTTLED = (429, "TooManyRequestsException", "")


@pytest.mark.parametrize("most", figures.amounts("FAULTS_INSTRUCTIONS", sample=SAMPLE, proof=ALL))
@pytest.mark.parametrize("delivery", ["ses", "sqs", "ses,sqs"])
def test_answer_and_custody_agree_at_any_interrupted_instruction(
    world: World, roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, delivery: str, most: int
) -> None:
    roomle.credentials = (Credential(API_KEY, SECRET.encode()),)
    world.set(DELIVERY=delivery, MAX_EMAILS_PER_HOUR="1000000", EVENT_BUS="default")
    # A lookup of a design is begun and awaited by way of `threading`.
    places = our_places(world.app("receiver"), threading)
    store = IdempotencyStore(world.table())
    begun = recorded_progress(monkeypatch)

    def post(number: int, at: int = -1) -> tuple[Interrupter, int]:
        begun.clear()
        world.door.passed.clear()
        if delivery == "ses,sqs":
            world.door.answer("sesv2.SendEmail", THROTTLED)
        interrupter = Interrupter(places, at)
        with interrupting(interrupter):
            status, _ = world.post(saved(email=f"person{number}@customer.example"))
        world.door.faults.clear()
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0), interrupter.where
        return interrupter, status

    post(0)
    whole, status = post(1)
    assert status < 300
    # What only the mailer sends, the receiver does not look up.
    assert bool(roomle.requests) == (delivery != "sqs")
    total = whole.passed
    chance = figures.seeded(f"interruptions, {delivery}")
    chosen = sorted(chance.sample(range(1, total), min(total - 1, most)))

    lost = 0
    for number, at in enumerate(chosen, 2):
        interrupter, status = post(number, at)
        passed = [name for name, _ in world.door.passed]
        sent, queued = (passed.count(name) for name in ("sesv2.SendEmail", "sqs.SendMessage"))
        event_id = begun[-1].known.event_id
        held_back = event_id is not None and store.take(event_id, now=0.0) == "withdrawn"
        told = f"{interrupter.where}: {status}, sent {sent}, queued {queued}, {held_back=}"
        if status < 300:
            assert sent + queued == 1, told
            assert not held_back, told
        else:
            assert held_back or not queued, told
            assert not begun[-1].delivery.custody, told
            lost += sent
    # A few instructions lie between SES's answer and recording it: there the send is interrupted.
    assert lost <= MOST_LOST
    taken = f"{len(chosen)} of {total - 1} places"
    figures.report(f"interruptions, {delivery}: {taken}, {lost} answers of SES lost")


def test_an_answered_post_leaves_no_generator_of_ours_suspended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be closed during a later POST, and an interruption that hits it there is lost."""
    gc.collect()  # what other tests have left
    begun = recorded_progress(monkeypatch)
    world.post(saved())
    assert begun, "its Progress has to be alive"
    ours = [
        found.__qualname__
        for found in gc.get_objects()
        if inspect.isgenerator(found) and "roomle_mail" in found.gi_code.co_filename
    ]
    assert ours == []
