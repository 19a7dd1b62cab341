"""Every fault of AWS's services and Roomle's API, with every delivery, on cold and warm functions.

The functions are the built ones under AWS's runtime client. All cases run at the same time, because
most of them wait. Then one test per case checks the outcome of its event.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from tests.faults import figures, world
from tests.faults.lambdas import MAILER, RECEIVER, Functions, Mortal, assert_foreseen
from tests.faults.ledger import Entry, Ledger, broken_promise
from tests.faults.pool import DELIVERIES, SOON, Pool
from tests.faults.proxy import (
    ANSWER_SLOWLY,
    BREAK,
    BUS_FAULTS,
    DRIP,
    DROP,
    FAULTS,
    HALVE,
    HANG,
    NO_CONNECTION,
    REFUSE,
    RESET,
    SERVICES,
    THROTTLE,
    Call,
    Fault,
    Service,
)
from tests.faults.world import BATCH, Aws
from tools import artefacts

# Cold starts are slow, so each service fails once in each way.
COLD_FAULTS = (
    THROTTLE, REFUSE, BREAK, NO_CONNECTION, RESET, HANG, ANSWER_SLOWLY, DRIP, HALVE, DROP,
)  # fmt: skip
COLD_DELIVERY = {"SQS": "sqs"}
FULL = 8  # seconds for the answer, the parameter's default
RECEIVERS_CALLS: dict[Service, tuple[str, ...]] = {
    "SESV2": ("SendEmail",),
    "SQS": ("SendMessage",),
    "SECRETS_MANAGER": ("GetSecretValue",),
    "DYNAMODB": ("PutItem", "UpdateItem"),
    "EVENTBRIDGE": ("PutEvents",),
    # The first of three; within SOON there may be no time for the others.
    "ROOMLE": ("configurations",),
}
MAILERS_CALLS: dict[Service, tuple[str, ...]] = {
    "SESV2": ("SendEmail",),
    "SQS": ("SendMessage", "ChangeMessageVisibility"),
    "DYNAMODB": ("PutItem", "UpdateItem"),
    "ROOMLE": ("configurations", "components", "picture"),
}
# The earlier fault that leads to a call that a healthy function doesn't make.
LEADS_TO: dict[tuple[str, Service, str], tuple[Service, str, Fault]] = {
    ("ses,sqs", "SQS", "SendMessage"): ("SESV2", "SendEmail", THROTTLE),
    ("mailer", "SQS", "SendMessage"): ("SESV2", "SendEmail", REFUSE),
    ("mailer", "SQS", "ChangeMessageVisibility"): ("SESV2", "SendEmail", THROTTLE),
}
# Longer than the secret is cached, so that the next event reads it again.
SECRET_IS_OLD = 301
# Longer than Roomle is left alone after an outage.
OUTAGE_IS_OLD = 301
TRIES = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one call of a function with one configuration."""

    start: Literal["cold", "warm"]
    way: str  # the receiver's delivery, or "mailer"
    service: Service
    operation: str
    fault: Fault

    def __str__(self) -> str:
        return f"{self.start}, {self.way}: {self.operation} of {self.service}: {self.fault}"

    @property
    def is_called(self) -> bool:
        """Whether a function with this configuration makes the call at all."""
        # What only the mailer sends, the receiver does not look up.
        never = {"ses": {"SQS"}, "sqs": {"SESV2", "ROOMLE"}}
        return self.service not in never.get(self.way, set())

    def set_on(self, function: Mortal) -> None:
        if earlier := LEADS_TO.get((self.way, self.service, self.operation)):
            service, operation, fault = earlier
            function.line.fail(service, fault, operation=operation)
        function.line.fail(self.service, self.fault, operation=self.operation)


def cases() -> list[Case]:
    warm = [
        Case("warm", way, service, operation, fault)
        for way in (*DELIVERIES, "mailer")
        for service, operations in (MAILERS_CALLS if way == "mailer" else RECEIVERS_CALLS).items()
        for operation in operations
        for fault in (BUS_FAULTS if service == "EVENTBRIDGE" else FAULTS)
    ]
    cold = [
        Case(
            "cold",
            COLD_DELIVERY.get(service, "ses,sqs"),
            service,
            RECEIVERS_CALLS[service][0],
            fault,
        )
        for service, fault in itertools.product(SERVICES, COLD_FAULTS)
    ]
    return cold + warm


CASES = cases()


@dataclass
class Trial:
    """Runs every case, and keeps the outcomes of its events."""

    aws: Aws
    functions: Functions
    pool: Pool
    ledger: Ledger = field(default_factory=Ledger)
    entries: dict[Case, list[Entry]] = field(default_factory=dict)
    calls: dict[Case, list[Call]] = field(default_factory=dict)
    """The calls for a case's last event."""
    slowest_batch: float = 0.0
    batch_ended: bool = False

    def run(self) -> None:
        # A group of threads for each kind of case, as many as there are functions for it.
        work_all(
            [
                (1, self.mail_slowest_batch, [None]),
                (len(self.pool.mailers), self.tackle, [c for c in CASES if c.way == "mailer"]),
                *(
                    (
                        len(self.pool.receivers[delivery]),
                        self.tackle,
                        [c for c in CASES if (c.start, c.way) == ("warm", delivery)],
                    )
                    for delivery in DELIVERIES
                ),
            ]
        )
        # Separately, because loading is slow while others work.
        work_all([(8, self.tackle, [c for c in CASES if c.start == "cold"])])
        # Alone, because a design gets a second at most, which others may have used up.
        for case in CASES:
            if not self.is_done(case):
                self.tackle(case)
        self.pool.settle(self.ledger)

    def tackle(self, case: Case) -> None:
        if case.way == "mailer":
            self.mail(case)
        elif case.start == "cold":
            self.receive_cold(case)
        else:
            self.receive_warm(case)

    def receive_cold(self, case: Case) -> None:
        for entry in self.tries(case):
            with (
                turn() as loaded,
                self.functions.started(
                    RECEIVER, cold=True, designs=True, DELIVERY=case.way, ANSWER_WITHIN=str(FULL)
                ) as receiver,
            ):
                receiver.line.watch = lambda *_, loaded=loaded: loaded()
                self.post(case, entry, receiver)
                self.ledger.book(receiver.line.calls)

    def receive_warm(self, case: Case) -> None:
        with self.pool.receiver(case.way) as receiver:
            for entry in self.tries(case):
                if case.service == "SECRETS_MANAGER":
                    receiver.clock.move(SECRET_IS_OLD)
                if case.service == "ROOMLE":
                    receiver.clock.move(OUTAGE_IS_OLD)
                self.post(case, entry, receiver)

    def mail(self, case: Case) -> None:
        with self.pool.mailer() as (mailer, url):
            for entry in self.tries(case):
                if case.service == "ROOMLE":
                    mailer.clock.move(OUTAGE_IS_OLD)
                self.aws.put(world.message(entry.recipient), url)
                batch = self.aws.receive(url)
                with self.faulty(case, mailer):
                    self.aws.mail(mailer, batch, url)
                assert_foreseen(mailer)

    def mail_slowest_batch(self, _: None) -> None:
        """A full batch in which every message takes the maximum time."""
        url = self.aws.create_queue()
        for place in range(BATCH):
            entry = self.ledger.open(f"slowest batch {place}", world.new_recipient())
            self.aws.put(world.message(entry.recipient), url)
        with self.functions.started(MAILER, clock=self.aws.clock, QUEUE_URL=url) as mailer:
            mailer.line.fail("SESV2", HANG)
            mailer.line.fail("SQS", HANG)
            began = time.monotonic()
            self.batch_ended = self.aws.mail(mailer, self.aws.receive(url), url)
            self.slowest_batch = time.monotonic() - began
            assert_foreseen(mailer)

    def post(self, case: Case, entry: Entry, receiver: Mortal) -> None:
        request = world.request(world.payload(entry.recipient), clock=receiver.clock)
        with self.faulty(case, receiver):
            entry.answers.append(world.post(receiver, request))
        entry.read(assert_foreseen(receiver))

    def tries(self, case: Case) -> Iterator[Entry]:
        """Send events until one meets the fault: on a busy machine the time may run out earlier."""
        for _ in range(TRIES):
            entry = self.ledger.open(str(case), world.new_recipient())
            self.entries.setdefault(case, []).append(entry)
            yield entry
            if self.is_done(case):
                return

    def is_done(self, case: Case) -> bool:
        return self.met(case) or not case.is_called or case.fault is NO_CONNECTION

    def met(self, case: Case) -> bool:
        return any(
            call.fault is case.fault and call.operation == case.operation
            for call in self.calls[case]
        )

    @contextlib.contextmanager
    def faulty(self, case: Case, function: Mortal) -> Iterator[None]:
        begin = len(function.line.calls)
        case.set_on(function)
        try:
            yield
        finally:
            function.line.heal()
            self.calls[case] = function.line.calls[begin:]


@pytest.fixture(scope="module")
def trial(aws: Aws, functions: Functions, pool: Pool) -> Trial:
    trial = Trial(aws, functions, pool)
    trial.run()
    return trial


def work_all(crews: Iterable[tuple[int, Callable[[Any], None], Sequence[Any]]]) -> None:
    """Run all groups of threads at the same time."""
    with contextlib.ExitStack() as ends:
        working = []
        for size, work, cases in crews:
            crew = ends.enter_context(ThreadPoolExecutor(size))
            working += [crew.submit(work, case) for case in cases]
        for each in working:
            each.result()


_turns = threading.Semaphore(2)


@contextlib.contextmanager
def turn() -> Iterator[Callable[[], None]]:
    """Wait for a free processor to load on; return a function that releases it."""
    _turns.acquire()
    ended = threading.Lock()

    def end() -> None:
        if ended.acquire(blocking=False):
            _turns.release()

    try:
        yield end
    finally:
        end()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_under_any_fault_an_event_leads_to_one_email_and_the_function_answers_by_itself(
    case: Case, trial: Trial
) -> None:
    for entry in trial.entries[case]:
        assert broken_promise(entry) is None, str(entry)
        # Lambda ends a function that exceeds its deadline.
        assert not any(answer.died for answer in entry.answers), str(entry)
    if case.fault is not NO_CONNECTION:
        assert trial.met(case) == case.is_called
    if case.way != "mailer":
        # SQS and DynamoDB may be called again, but SES is called once.
        assert sum(call.operation == "SendEmail" for call in trial.calls[case]) <= 1


@pytest.mark.parametrize("fault", BUS_FAULTS, ids=str)
def test_under_any_fault_of_the_bus_an_event_is_forwarded_only_if_the_bus_has_it(
    fault: Fault, pool: Pool
) -> None:
    other = {"event": "configuration.deleted", "data": {"configurationId": uuid.uuid4().hex}}
    with pool.receiver("ses,sqs") as receiver:
        begin = len(receiver.line.calls)
        request = world.request(other, clock=receiver.clock)
        receiver.line.fail("EVENTBRIDGE", fault)
        answer = world.post(receiver, request)
        receiver.line.heal()
        taken = [call for call in receiver.line.calls[begin:] if call.operation == "PutEvents"]
        again = world.post(receiver, request)
        assert_foreseen(receiver)

    told = (answer.status, answer.code)
    assert told in {(200, "forwarded"), (503, "unavailable")}
    if told == (200, "forwarded"):
        assert any(call.acted for call in taken)
    assert (again.status, again.code) == (200, "forwarded")


def test_a_bus_that_does_not_exist_changes_no_answer_and_no_email(
    functions: Functions, pool: Pool
) -> None:
    ledger = Ledger()
    entry = ledger.open("no such bus", world.new_recipient())
    with functions.started(RECEIVER, DELIVERY="ses", EVENT_BUS="no-such-bus") as receiver:
        request = world.request(world.payload(entry.recipient), clock=receiver.clock)
        entry.answers.append(world.post(receiver, request))
        ledger.book(receiver.line.calls)
    pool.settle(ledger)

    assert (entry.answers[0].code, entry.emails) == ("sent", 1)


@pytest.mark.proof  # a busy machine runs out of time, whatever Roomle does
@pytest.mark.parametrize("case", [c for c in CASES if c.service == "ROOMLE"], ids=str)
def test_a_fault_of_roomles_changes_no_answer_and_keeps_no_email(case: Case, trial: Trial) -> None:
    answer = (202, "queued") if case.way == "sqs" else (200, "sent")
    for entry in trial.entries[case]:
        assert {(each.status, each.code) for each in entry.answers} <= {answer}, str(entry)
        assert (entry.sent, entry.dead_letters) == (1, 0), str(entry)


@pytest.mark.proof  # a busy machine takes longer
@pytest.mark.parametrize("case", CASES, ids=str)
def test_under_any_fault_the_answer_comes_in_time(case: Case, trial: Trial) -> None:
    limit = FULL if case.start == "cold" else SOON
    for entry in trial.entries[case]:
        assert all(answer.seconds < limit for answer in entry.answers), str(entry)


@pytest.mark.proof  # the same
def test_the_slowest_batch_ends_within_the_mailers_time_out(trial: Trial) -> None:
    assert trial.batch_ended
    figures.report(f"slowest batch of the mailer: {trial.slowest_batch:.1f} s")


def test_the_time_outs_and_the_batch_are_the_templates() -> None:
    resources = artefacts.template()["Resources"]
    receiver, mailer = (resources[name]["Properties"] for name in (RECEIVER, MAILER))

    assert receiver["Timeout"] == world.RECEIVER_TIMEOUT
    assert mailer["Timeout"] == world.MAILER_TIMEOUT
    assert mailer["Events"]["Queue"]["Properties"]["BatchSize"] == BATCH
