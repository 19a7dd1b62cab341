"""A burst on the deployed stack, as fast as possible, and a worker's memory over many events.

FAULTS_BURST and FAULTS_INVOCATIONS set how many.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import figures, world
from tests.faults.ledger import Answer, Entry, Ledger
from tests.stack.conftest import shared_stack, stack
from tools import fixtures
from tools.stack.local import LocalStack

__all__ = ["shared_stack", "stack"]

BURST = 5_000
AT_ONCE = 8
KINDS = (fixtures.SAVED, fixtures.SHARED, fixtures.SHARED_AR, fixtures.EXPORTED)
# A machine that is too busy to answer in time leaves some events to Roomle, but not many.
LATE = 0.02
ANSWER_WITHIN = 8
GROWTH = 0.01


@dataclass(slots=True, eq=False)
class Event:
    """One event of the burst, signed when it is first sent: a token is valid for minutes only."""

    entry: Entry
    kind: str
    forged: bool
    _signed: tuple[str, str] | None = None
    _signing: threading.Lock = field(default_factory=threading.Lock)

    def post(self, stack: LocalStack) -> None:
        with self._signing:
            if self._signed is None:
                body = fixtures.compact(world.payload(self.entry.recipient, self.kind))
                secret = "another-secret-0" if self.forged else None
                self._signed = body, stack.token(secret=secret)
        body, token = self._signed
        answer = stack.post(body, token=token)
        self.entry.answers.append(Answer(answer.status, answer.code, answer.seconds))


def events(chance: random.Random, ledger: Ledger, burst: int) -> list[Event]:
    """The burst in order: a twentieth is forged, a tenth comes twice."""
    made = []
    for place in range(burst):
        kind = chance.choice(KINDS)
        made.append(Event(ledger.open(kind, world.new_recipient()), kind, forged=place % 20 == 0))
    genuine = [place for place in range(burst) if not made[place].forged]
    repeats = set(chance.sample(genuine, burst // 10))
    # Soon after the first one, so that some arrive while it is being processed.
    order = [(place, event) for place, event in enumerate(made)]
    order += [(place + chance.randrange(3 * AT_ONCE), made[place]) for place in repeats]
    return [event for _, event in sorted(order, key=lambda each: each[0])]


@pytest.mark.proof
@pytest.mark.leaves_much_behind
def test_a_burst_with_repeats_and_forgeries_loses_no_email_and_sends_none_twice(
    stack: LocalStack,
) -> None:
    ledger = Ledger()
    burst = events(figures.seeded("burst"), ledger, number := figures.number("FAULTS_BURST", BURST))

    with ThreadPoolExecutor(AT_ONCE) as clients:
        # Load the workers first; that is not part of the burst.
        assert all(clients.map(lambda _: stack.post({"event": "warm.up"}), range(3 * AT_ONCE)))
        began = time.monotonic()
        for done in [clients.submit(event.post, stack) for event in burst]:
            done.result()
    seconds = time.monotonic() - began

    sent = Counter(recipient for email in stack.emails() for recipient in email.recipients)
    for entry in ledger.entries.values():
        entry.sent = sent[entry.recipient]
    assert not ledger.broken_promises(), "\n".join(ledger.broken_promises())
    late = 0
    for event in burst:
        told = {(answer.status, answer.code) for answer in event.entry.answers}
        if event.forged:
            assert told == {(401, "unauthorized")}
            assert not event.entry.sent
        elif told != {(200, "sent")}:
            assert told == {(503, "unavailable")}, event.entry
            late += 1
    assert late <= LATE * number

    times = [a.seconds for entry in ledger.entries.values() for a in entry.answers]
    median, high = statistics.median(times), statistics.quantiles(times, n=100)[98]
    forged = sum(event.forged for event in burst)
    figures.report(
        f"burst: {len(burst)} posts of {number} events ({len(burst) - number} repeats, {forged} "
        f"forgeries) in {seconds:.0f} s, {len(burst) / seconds:.0f} a second"
    )
    figures.report(
        f"burst: {sum(e.sent for e in ledger.entries.values())} emails, none lost, doubled or "
        f"forged; {late} events left to Roomle for lack of time"
    )
    figures.report(
        f"burst: answered within {median:.2f} s (median), {high:.2f} s (99 of 100), "
        f"{max(times):.2f} s (slowest)"
    )
    assert max(times) < ANSWER_WITHIN + 1


@pytest.mark.proof
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="sizes are read from /proc")
def test_a_workers_memory_does_not_grow(steady_worker: subprocess.Popen[str]) -> None:
    _, told = steady_worker.communicate()

    assert steady_worker.returncode == 0, told
    found = json.loads(told.splitlines()[-1])
    invocations = sum(found["answers"].values())
    growth = found["end"] / found["warm"] - 1
    figures.report(
        f"memory of a worker: {found['warm'] / 2**20:.1f} MB when warm, {growth:+.2%} after "
        f"{invocations} invocations"
    )
    assert found["answers"]["401"] == found["answers"]["422"] == invocations // 20
    assert found["answers"]["202"] == -(-invocations * 9 // 100)
    assert growth < GROWTH
