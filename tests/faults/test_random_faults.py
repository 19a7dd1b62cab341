"""Events under random faults: the promise holds for all combinations.

FAULTS_EVENTS sets how many there are in `make proof`, FAULTS_SEED repeats a run.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.faults import figures, world
from tests.faults.lambdas import Mortal, assert_foreseen
from tests.faults.ledger import Entry, Ledger
from tests.faults.pool import DELIVERIES, SOON, Pool
from tests.faults.proxy import BUS_FAULTS, FAULTS, THROTTLE, Fault, Service
from tests.faults.world import Aws
from tools import fixtures

SAMPLE, EVENTS = 50, 2_000
CALLS: tuple[tuple[Service, str], ...] = (
    ("SESV2", "SendEmail"),
    ("SQS", "SendMessage"),
    ("SQS", "ChangeMessageVisibility"),
    ("SECRETS_MANAGER", "GetSecretValue"),
    ("DYNAMODB", "PutItem"),
    ("DYNAMODB", "UpdateItem"),
    ("EVENTBRIDGE", "PutEvents"),
    ("ROOMLE", "configurations"),
    ("ROOMLE", "components"),
    ("ROOMLE", "picture"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The faults for one event or batch."""

    delivery: str
    kind: str
    faults: Sequence[tuple[Service, str, Fault, int | None]]
    comes_again: bool
    secret_is_old: bool

    def set_on(self, function: Mortal) -> None:
        for service, operation, fault, times in self.faults:
            function.line.fail(service, fault, operation=operation, times=times)


def plans(chance: random.Random, events: int) -> list[Plan]:
    return [plan(chance) for _ in range(events)]


def plan(chance: random.Random) -> Plan:
    delivery = chance.choice(DELIVERIES)
    faults = [failure(chance) for _ in range(chance.choices((0, 1, 2, 3), (30, 50, 15, 5))[0])]
    if delivery == "ses,sqs" and chance.random() < 0.4:
        faults.append(("SESV2", "SendEmail", THROTTLE, None))
    return Plan(
        delivery,
        chance.choice((fixtures.SAVED, fixtures.SHARED, fixtures.SHARED_AR, fixtures.EXPORTED)),
        faults,
        comes_again=chance.random() < 0.15,
        # Roomle's last outage is over then, too.
        secret_is_old=chance.random() < 0.2,
    )


def failure(chance: random.Random) -> tuple[Service, str, Fault, int | None]:
    service, operation = chance.choice(CALLS)
    faults = BUS_FAULTS if service == "EVENTBRIDGE" else FAULTS
    # A fault that blocks takes seconds, and there are thousands of events.
    fault = chance.choices(faults, [1 if fault.blocks else 6 for fault in faults])[0]
    times = 1 if fault.blocks else chance.choice((1, 1, 2, None))
    return service, operation, fault, times


@pytest.mark.parametrize("events", figures.amounts("FAULTS_EVENTS", sample=SAMPLE, proof=EVENTS))
def test_events_under_random_faults_keep_the_promise(aws: Aws, pool: Pool, events: int) -> None:
    chance = figures.seeded("random faults")
    ledger = Ledger()
    mailers_plans = iter(plans(chance, 10_000))
    received = threading.Event()

    def receive(plan: Plan) -> None:
        with pool.receiver(plan.delivery) as receiver:
            entry = ledger.open(str(plan), world.new_recipient())
            if plan.secret_is_old:
                receiver.clock.move(301)
            request = world.request(world.payload(entry.recipient, plan.kind), clock=receiver.clock)
            plan.set_on(receiver)
            begin = len(receiver.line.calls)
            post(receiver, request, entry)
            receiver.line.heal()
            # A POST that was never recorded counts as new when it comes again.
            if not any(c.operation == "PutItem" and c.acted for c in receiver.line.calls[begin:]):
                entry.undone.add("claim")
            if plan.comes_again:
                post(receiver, request, entry)

    def post(receiver: Mortal, request: dict[str, object], entry: Entry) -> None:
        entry.answers.append(world.post(receiver, request))
        entry.read(assert_foreseen(receiver))

    def mail() -> None:
        mailer = pool.mailers[0]
        while not received.is_set():
            if batch := aws.receive():
                next(mailers_plans).set_on(mailer)
                assert aws.mail(mailer, batch)
                mailer.line.heal()
                ledger.read((each["body"] for each in batch), assert_foreseen(mailer))
            else:
                time.sleep(0.1)

    began = time.monotonic()
    crew = sum(map(len, pool.receivers.values()))
    with ThreadPoolExecutor(1) as mailing, ThreadPoolExecutor(crew) as receiving:
        mailed = mailing.submit(mail)
        try:
            work = plans(chance, events)
            for done in [receiving.submit(receive, each) for each in work]:
                done.result()
        finally:
            received.set()
        mailed.result()
    pool.settle(ledger)

    figures.report(f"random faults: {ledger}; took {time.monotonic() - began:.0f} s")
    assert not ledger.broken_promises(), "\n".join(ledger.broken_promises())
    assert not late(ledger, within=math.inf if events == SAMPLE else SOON)


def late(ledger: Ledger, *, within: float) -> list[str]:
    """The events whose receiver exceeded its deadline, and was ended by Lambda or took longer.

    Times are only meaningful without other load, as in `make proof`.
    """
    return [
        str(entry)
        for entry in ledger.entries.values()
        if any(answer.died or answer.seconds >= within for answer in entry.answers)
    ]
