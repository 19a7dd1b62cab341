"""Functions that die while working, and queues that deliver twice, late, or unreadable messages.

Afterwards each event was sent once, or is in the dead-letter queue. If the function dies after SES
took the email and before it stored that, this counts as a lost answer of SES.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

from tests.faults import figures, world
from tests.faults.lambdas import MAILER, RECEIVER, Functions, Mortal
from tests.faults.ledger import Entry, Ledger
from tests.faults.pool import Pool
from tests.faults.proxy import ANSWER_SLOWLY, REFUSE, SERVICES, THROTTLE, Call
from tests.faults.world import BATCH, MAILER_TIMEOUT, Aws

type When = Literal["before", "after"]
type Moment = tuple[str, int, When]  # a call's operation, its number, before or after it

# The receiver's calls: claim, two limits, delivery, outcome, bus. Was the email in custody?
RECEIVERS_MOMENTS: list[tuple[str, Moment, bool]] = [
    ("ses", ("PutItem", 1, "before"), False),
    ("ses", ("PutItem", 1, "after"), False),
    ("ses", ("SendEmail", 1, "before"), False),
    ("ses", ("SendEmail", 1, "after"), True),
    ("ses", ("UpdateItem", 3, "before"), True),
    ("ses", ("UpdateItem", 3, "after"), True),
    ("ses", ("PutEvents", 1, "before"), True),
    ("ses", ("PutEvents", 1, "after"), True),
    ("sqs", ("SendMessage", 1, "before"), False),
    ("sqs", ("SendMessage", 1, "after"), True),
    ("sqs", ("UpdateItem", 3, "before"), True),
]
MAILERS_MOMENTS: list[Moment] = [
    (operation, 3, when)
    for operation in ("PutItem", "SendEmail", "UpdateItem")
    for when in ("before", "after")
]
RANDOM_DEATHS = figures.amounts("FAULTS_DEATHS", sample=2, proof=20)
LAMBDA_TIMEOUT = 2.0  # instead of the functions' own, which would only take longer


def at(moment: Moment, end: Callable[[], None]) -> Callable[[Call, When], None]:
    """Watch a function's calls, and kill it at one of them."""
    operation, place, when = moment
    met = itertools.count(1)

    def watch(call: Call, side: When) -> None:
        if (call.operation, side) == (operation, when) and next(met) == place:
            end()
            raise ConnectionError

    return watch


def post_at_death(
    functions: Functions,
    entry: Entry,
    delivery: str,
    doom: Callable[[Mortal], None],
    *,
    timeout: float = world.RECEIVER_TIMEOUT,
) -> list[Call]:
    """Kill a receiver during an event; return its calls."""
    with functions.started(RECEIVER, DELIVERY=delivery) as receiver:
        doom(receiver)
        request = world.request(world.payload(entry.recipient), clock=receiver.clock)
        entry.answers.append(world.post(receiver, request, timeout=timeout))
        return receiver.line.calls


def mail_at_death(
    aws: Aws,
    functions: Functions,
    batch: Sequence[dict[str, Any]],
    doom: Callable[[Mortal], None],
    *,
    timeout: float = MAILER_TIMEOUT,
) -> list[Call]:
    """Kill a mailer during a batch; return its calls.

    If SES took an email but the mailer could not store that, it counts as a lost answer.
    """
    with functions.started(MAILER, clock=aws.clock, QUEUE_URL=aws.queue_url) as mailer:
        doom(mailer)
        aws.mail(mailer, batch, timeout=timeout)
        acted = [call for call in mailer.line.calls if call.acted]
    sends = [place for place, call in enumerate(acted) if call.operation == "SendEmail"]
    if sends and all(call.operation != "UpdateItem" for call in acted[sends[-1] :]):
        acted[sends[-1]].answered = False
    return acted


def batches(aws: Aws, ledger: Ledger, count: int) -> list[list[dict[str, Any]]]:
    """Queue events, and receive them in full batches."""
    for place in range(count * BATCH):
        entry = ledger.open(f"queued {place}", world.new_recipient())
        aws.put(world.message(entry.recipient))
    return [aws.receive() for _ in range(count)]


def killed(moment: Moment) -> Callable[[Mortal], None]:
    def doom(function: Mortal) -> None:
        function.line.watch = at(moment, function.kill)

    return doom


def frozen(moment: Moment) -> Callable[[Mortal], None]:
    def doom(function: Mortal) -> None:
        function.line.watch = at(moment, function.freeze)

    return doom


def killed_after(seconds: float) -> Callable[[Mortal], None]:
    """Slow the function down, so that any moment can be hit."""

    def doom(function: Mortal) -> None:
        for service in SERVICES:
            function.line.fail(service, ANSWER_SLOWLY)
        threading.Timer(seconds, function.kill).start()

    return doom


@pytest.mark.parametrize("random_deaths", RANDOM_DEATHS)
def test_a_receiver_may_die_at_any_moment(
    functions: Functions, pool: Pool, random_deaths: int
) -> None:
    ledger = Ledger()
    chance = figures.seeded("deaths of receivers")
    dooms = [
        *((delivery, killed(moment)) for delivery, moment, _ in RECEIVERS_MOMENTS),
        *(
            (chance.choice(("ses", "sqs")), killed_after(chance.uniform(0, 2)))
            for _ in range(random_deaths)
        ),
    ]
    with ThreadPoolExecutor(2) as working:
        for each in [
            working.submit(post_at_death, functions, entry, delivery, doom)
            for delivery, doom in dooms
            for entry in [ledger.open(f"receiver, {delivery}", world.new_recipient())]
        ]:
            ledger.book(each.result())
    entry = ledger.open("receiver that timed out", world.new_recipient())
    doom = frozen(("SendMessage", 1, "after"))
    ledger.book(post_at_death(functions, entry, "sqs", doom, timeout=LAMBDA_TIMEOUT))
    pool.settle(ledger)

    # API Gateway answered 5xx in any case, so Roomle mails. Our email comes at most once.
    for entry in ledger.entries.values():
        assert entry.answers[0].roomle_mails or entry.sent, str(entry)
        assert entry.sent <= 1, str(entry)
        assert entry.dead_letters == 0, str(entry)
    for (_, moment, in_custody), entry in zip(
        RECEIVERS_MOMENTS, ledger.entries.values(), strict=False
    ):
        assert (entry.answers[0].status, entry.sent) == (500, in_custody), f"{moment}: {entry}"
    figures.report(f"deaths of receivers: {ledger}")


def test_a_post_whose_receiver_died_is_not_mailed_when_it_comes_again(
    functions: Functions, pool: Pool
) -> None:
    """Roomle has mailed by then."""
    request = world.request(world.payload(world.new_recipient()), clock=pool.aws.clock)
    with functions.started(RECEIVER, clock=pool.aws.clock, DELIVERY="ses") as doomed:
        doomed.line.watch = at(("PutItem", 1, "after"), doomed.kill)
        assert world.post(doomed, request).status == 500

    with pool.receiver("ses") as receiver:
        begin = len(receiver.line.calls)
        answer = world.post(receiver, request)
        calls = receiver.line.calls[begin:]

    assert (answer.status, answer.code) == (503, "unavailable")
    assert all(call.operation != "SendEmail" for call in calls)


@pytest.mark.parametrize("random_deaths", RANDOM_DEATHS)
def test_a_mailer_may_die_at_any_moment(
    aws: Aws, functions: Functions, pool: Pool, random_deaths: int
) -> None:
    ledger = Ledger()
    chance = figures.seeded("deaths of mailers")
    dooms = [
        *(killed(moment) for moment in MAILERS_MOMENTS),
        *(killed_after(chance.uniform(0, 4)) for _ in range(random_deaths)),
    ]
    with ThreadPoolExecutor(2) as working:
        for each in [
            working.submit(mail_at_death, aws, functions, batch, doom)
            for batch, doom in zip(batches(aws, ledger, len(dooms)), dooms, strict=True)
        ]:
            ledger.book(each.result())
    (batch,) = batches(aws, ledger, 1)
    doom = frozen(("SendEmail", 3, "after"))
    ledger.book(mail_at_death(aws, functions, batch, doom, timeout=LAMBDA_TIMEOUT))
    pool.settle(ledger)

    assert not ledger.broken_promises(), "\n".join(ledger.broken_promises())
    for entry in ledger.entries.values():
        assert entry.sent == 1 + entry.lost, str(entry)
    figures.report(f"deaths of mailers: {ledger}")


def test_a_message_that_sqs_delivers_twice_and_out_of_order_is_sent_once(
    aws: Aws, functions: Functions, pool: Pool
) -> None:
    chance, ledger = figures.seeded("double delivery"), Ledger()
    taken = list(itertools.chain(*batches(aws, ledger, 4)))
    poison = ["not json", "{}", '{"id": "x", "event": {"event": "email.savedConfiguration"}}']
    for body in poison:
        aws.put(body)
    taken += aws.receive(most=10)

    def mail(mailer: Mortal) -> None:
        order = taken[:]
        random.Random(chance.random()).shuffle(order)  # noqa: S311
        for batch in itertools.batched(order, BATCH, strict=False):
            # Two of Lambda's pollers have the same messages, and only one of them can delete them.
            answer = mailer.call({"Records": list(batch)})
            assert answer is not None
            stay.append({each["itemIdentifier"] for each in answer["batchItemFailures"]})

    stay: list[set[str]] = []
    with (
        functions.started(MAILER, clock=aws.clock, QUEUE_URL=aws.queue_url) as other,
        ThreadPoolExecutor(2) as working,
    ):
        for each in [working.submit(mail, mailer) for mailer in (pool.mailers[0], other)]:
            each.result()
        ledger.book(other.line.calls)
    pool.settle(ledger)

    assert {(entry.sent, entry.dead_letters) for entry in ledger.entries.values()} == {(1, 0)}
    assert set(poison) <= set(aws.dead_letters())


# --- hours ------------------------------------------------------------------------------------


@contextlib.contextmanager
def ses_refusing(mailer: Mortal) -> Iterator[None]:
    mailer.line.fail("SESV2", REFUSE)
    try:
        yield
    finally:
        mailer.line.heal()


def test_a_mailer_that_was_down_for_hours_sends_each_event_once(aws: Aws, pool: Pool) -> None:
    ledger = Ledger()
    with pool.receiver("sqs") as receiver:
        for place in range(12):
            entry = ledger.open(f"waiting {place}", world.new_recipient())
            request = world.request(world.payload(entry.recipient), clock=receiver.clock)
            entry.answers.append(world.post(receiver, request))
    # The mailer went down while processing one of them.
    mailers_claim = aws.receive(most=1)
    assert mailers_claim

    aws.clock.move(9 * 3_600)
    pool.settle(ledger)

    assert {(entry.sent, entry.dead_letters) for entry in ledger.entries.values()} == {(1, 0)}


def test_when_ses_is_down_for_longer_an_event_is_a_dead_letter_and_a_redrive_sends_it_once(
    aws: Aws, pool: Pool
) -> None:
    ledger, mailer = Ledger(), pool.mailers[0]
    entry = ledger.open("given up", world.new_recipient())
    aws.put(world.message(entry.recipient))

    began = aws.clock.now()
    mailer.line.fail("SESV2", THROTTLE)
    aws.drain(mailer)
    hours = (aws.clock.now() - began) / 3_600
    pool.settle(ledger)

    assert (entry.sent, entry.dead_letters) == (0, 1)
    assert hours == pytest.approx(6, abs=0.5)
    figures.report(f"events were tried again for {hours:.1f} h before they were dead letters")

    redrive(aws)
    pool.settle(ledger)

    assert entry.sent == 1


def test_a_redrive_of_a_letter_that_is_there_twice_sends_it_once(aws: Aws, pool: Pool) -> None:
    """The mailer died after moving a message and before Lambda deleted it."""
    ledger, mailer = Ledger(), pool.mailers[0]
    entry = ledger.open("moved twice", world.new_recipient())
    aws.put(world.message(entry.recipient))
    batch = aws.receive()
    with ses_refusing(mailer):
        assert mailer.call({"Records": batch}) == {"batchItemFailures": []}
        assert aws.mail(mailer, batch)
    pool.settle(ledger)
    assert (entry.sent, entry.dead_letters) == (0, 2)

    redrive(aws)
    pool.settle(ledger)

    assert entry.sent == 1


def redrive(aws: Aws) -> None:
    """Do what SQS's message move task does, because the emulator lacks it."""
    sqs = aws.client("sqs")
    while found := sqs.receive_message(
        QueueUrl=aws.dead_letter_queue_url, MaxNumberOfMessages=10
    ).get("Messages"):
        for message in found:
            sqs.send_message(QueueUrl=aws.queue_url, MessageBody=message["Body"])
            sqs.delete_message(
                QueueUrl=aws.dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
