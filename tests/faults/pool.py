"""Loaded, healthy functions, shared by tests that use many at the same time."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults.lambdas import MAILER, RECEIVER, Functions, Mortal
from tests.faults.ledger import Ledger
from tests.faults.world import Aws

DELIVERIES = ("ses", "sqs", "ses,sqs")
# Seconds for the answer: the parameter's minimum, so that blocked calls end soon.
SOON = 3


@dataclass(frozen=True)
class Pool:
    """Receivers by delivery, and mailers; the first mailer reads the receivers' queue."""

    aws: Aws
    receivers: Mapping[str, Sequence[Mortal]]
    mailers: Sequence[Mortal]
    queue_urls: Sequence[str]
    _free: dict[str, queue.Queue[Mortal]] = field(default_factory=dict)
    _free_mailers: queue.Queue[tuple[Mortal, str]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        for each in zip(self.mailers, self.queue_urls, strict=True):
            self._free_mailers.put(each)
        for delivery, receivers in self.receivers.items():
            self._free[delivery] = queue.Queue()
            for receiver in receivers:
                self._free[delivery].put(receiver)

    @contextlib.contextmanager
    def receiver(self, delivery: str) -> Iterator[Mortal]:
        """Wait for a free receiver and use it exclusively; it is healthy afterwards."""
        receiver = self._free[delivery].get()
        try:
            yield receiver
        finally:
            receiver.line.heal()
            self._free[delivery].put(receiver)

    @contextlib.contextmanager
    def mailer(self) -> Iterator[tuple[Mortal, str]]:
        """Use a mailer and its queue exclusively; it is healthy afterwards."""
        found = self._free_mailers.get()
        try:
            yield found
        finally:
            found[0].line.heal()
            self._free_mailers.put(found)

    def all(self) -> list[Mortal]:
        return [*(r for group in self.receivers.values() for r in group), *self.mailers]

    def settle(self, ledger: Ledger) -> None:
        """Heal everything, let the mailers empty the queues, and record all that happened."""
        for function in self.all():
            function.line.heal()
        for mailer, url in zip(self.mailers, self.queue_urls, strict=True):
            self.aws.drain(mailer, url)
        for function in self.all():
            ledger.book(function.line.calls)
            function.line.calls.clear()
        ledger.dead_letter(self.aws.dead_letters())


@contextlib.contextmanager
def started(aws: Aws, functions: Functions, *, receivers: int, mailers: int) -> Iterator[Pool]:
    """Load receivers for each delivery, and mailers."""
    with contextlib.ExitStack() as ends, ThreadPoolExecutor() as starting:
        urls = [aws.queue_url, *(aws.create_queue() for _ in range(mailers - 1))]
        loading = {
            delivery: [
                starting.submit(
                    ends.enter_context,
                    functions.started(
                        RECEIVER, designs=True, DELIVERY=delivery, ANSWER_WITHIN=str(SOON)
                    ),
                )
                for _ in range(receivers)
            ]
            for delivery in DELIVERIES
        }
        loading_mailers = [
            starting.submit(
                ends.enter_context,
                functions.started(MAILER, clock=aws.clock, designs=True, QUEUE_URL=url),
            )
            for url in urls
        ]
        yield Pool(
            aws,
            {delivery: [each.result() for each in group] for delivery, group in loading.items()},
            [each.result() for each in loading_mailers],
            urls,
        )
