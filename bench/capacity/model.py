"""A discrete-event model (simpy) of event processing under load.

It models API Gateway's throttle, Lambda's environments, SES's rate, the queue, and the mailer with
its waits. The duration of our own work is measured on the local stack. Limits are in
bench/capacity/inputs.toml and prices in docs/prices.toml, each with its source.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import tomllib
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import simpy

from roomle_mail.limits import SHARDS
from roomle_mail.mailer import Message
from tools.sam import ROOT

INPUTS = (Path(__file__).with_name("inputs.toml"), ROOT / "docs" / "prices.toml")
MEASURED = Path(__file__).with_name("measured.json")
HOUR = 3_600.0
IN_TIME = 60.0  # an email is in time if SES has it this soon after the event
SEED = 20_260_115
# The template's; tests/unit/test_capacity.py compares.
BATCH, MAX_RECEIVES, MEMORY_MB = 5, 28, 1024

type Mode = Literal["ses", "sqs", "ses,sqs"]
MODES: tuple[Mode, ...] = ("ses", "sqs", "ses,sqs")
type Process = Generator[simpy.Event, Any]


@cache
def inputs() -> dict[str, float]:
    """Read the inputs, `section.name` -> value."""
    return {name: float(each["value"]) for name, each in sourced_inputs().items()}


@cache
def sourced_inputs() -> dict[str, dict[str, Any]]:
    """Read the inputs, `section.name` -> value and source."""
    return {
        f"{section}.{name}": each
        for path in INPUTS
        for section, names in tomllib.loads(path.read_text()).items()
        for name, each in names.items()
    }


@cache
def measured() -> dict[str, Any]:
    """Read the measurements from the local stack."""
    return dict(json.loads(MEASURED.read_text()))


# --- what is deployed -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The relevant parameters of the template, with their defaults, and the account's rate."""

    delivery: Mode = "ses,sqs"
    throttle_rate: float = 50
    throttle_burst: float = 100
    max_emails_per_hour: int = 10_000
    mailer_concurrency: int = 2
    ses_rate: float = field(default_factory=lambda: inputs()["limits.ses_rate_per_s"])
    event_bus: bool = False
    slower: float = 1.0
    """The factor by which everything takes longer than calculated."""


@dataclass(frozen=True, slots=True)
class Load:
    """Events in an hour or another time; `peak` is the share that comes within five minutes."""

    events: int
    peak: float = 0.0
    seconds: float = HOUR

    def arrivals(self, random_: random.Random) -> list[float]:
        """Return the times of the events, in seconds."""
        in_peak = round(self.events * self.peak)
        moments = [1_500 + 300 * random_.random() for _ in range(in_peak)]
        moments += [self.seconds * random_.random() for _ in range(self.events - in_peak)]
        return sorted(moments)

    @property
    def rate(self) -> float:
        """Events per second at the peak."""
        even = self.events * (1 - self.peak) / self.seconds
        return even + self.events * self.peak / 300


# --- the parts --------------------------------------------------------------------------------


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` per second, `size` at once."""

    rate: float
    size: float
    filled_at: float = 0.0
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.size

    def take(self, now: float) -> bool:
        """Take a token, if there is one."""
        self.level = min(self.size, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


@dataclass(slots=True)
class Environments:
    """Lambda's environments for one function: warm ones are reused, newest first."""

    limit: int
    idle: list[float] = field(default_factory=list)
    busy: int = 0
    most: int = 0
    scaling: Bucket = field(init=False)

    def __post_init__(self) -> None:
        scaling = inputs()["limits.lambda_scaling_per_10_s"]
        self.scaling = Bucket(scaling / 10, scaling)

    def enter(self, now: float) -> bool | None:
        """Start a run: True if it is a cold start, None if it is throttled."""
        kept = inputs()["limits.environment_kept_s"]
        while self.idle and now - self.idle[0] > kept:
            self.idle.pop(0)
        if self.busy >= self.limit:
            return None
        cold = not self.idle
        if cold:
            if not self.scaling.take(now):
                return None
        else:
            self.idle.pop()
        self.busy += 1
        self.most = max(self.most, self.busy)
        return cold

    def leave(self, now: float) -> None:
        """End a run."""
        self.busy -= 1
        self.idle.append(now)


@dataclass(slots=True)
class Queued:
    """A message in the queue."""

    came_at: float
    queued_at: float
    receives: int = 0


@dataclass(slots=True)
class Results:
    """The results of the events."""

    ends: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    work: Counter[str] = field(default_factory=Counter)
    oldest: float = 0.0
    deepest: int = 0
    concurrency: int = 0

    @property
    def events(self) -> int:
        """How many events there were."""
        return self.ends.total()

    @property
    def sent(self) -> int:
        """How many of the brand's emails were sent."""
        return self.ends["sent"]

    @property
    def in_time(self) -> float:
        """The share of all events whose brand email was sent in time."""
        return sum(delay <= IN_TIME for delay in self.delays) / max(self.events, 1)

    @property
    def fallbacks(self) -> float:
        """The share of all events for which Roomle sends its own email."""
        failed = sum(number for end, number in self.ends.items() if end.startswith("Roomle"))
        return failed / max(self.events, 1)

    def delay(self, share: float) -> float:
        """The quantile of the seconds from event to SES, over the emails sent."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan

    def cost(self) -> dict[str, float]:
        """US dollars by service, without free tiers."""
        price, work = inputs(), self.work
        gb = work["lambda_ms"] / 1000 * MEMORY_MB / 1024
        return {
            "SES": self.sent / 1000 * price["prices.ses_per_1000_emails"],
            "API Gateway": self.events / 1e6 * price["prices.api_gateway_per_million"],
            "Lambda": work["runs"] / 1e6 * price["prices.lambda_per_million"]
            + gb * price["prices.lambda_per_gb_second"],
            "DynamoDB": work["writes"] / 1e6 * price["prices.dynamodb_per_million_writes"],
            "SQS": work["sqs"] / 1e6 * price["prices.sqs_per_million"],
            "EventBridge": work["published"] / 1e6 * price["prices.eventbridge_per_million"],
            "logs": work["log_bytes"] / 1e9 * price["prices.logs_per_gb"],
        }

    @property
    def cost_per_1000(self) -> float:
        """US dollars for 1,000 events."""
        return sum(self.cost().values()) / max(self.events, 1) * 1000


# --- how an event is processed -------------------------------------------------------------------


@dataclass(slots=True)
class Stack:
    """One deployment in one account and region, under load."""

    parameters: Parameters
    random: random.Random
    clock: simpy.Environment = field(default_factory=simpy.Environment)
    results: Results = field(default_factory=Results)
    gateway: Bucket = field(init=False)
    ses: Bucket = field(init=False)
    receivers: Environments = field(init=False)
    ready: simpy.Store = field(init=False)
    waiting: dict[int, Queued] = field(default_factory=dict)
    accepted: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        chosen, limits = self.parameters, inputs()
        rate = min(chosen.throttle_rate, limits["limits.api_gateway_rate_per_s"])
        self.gateway = Bucket(rate, chosen.throttle_burst)
        self.ses = Bucket(chosen.ses_rate, max(1, chosen.ses_rate * limits["limits.ses_burst_s"]))
        self.receivers = Environments(int(limits["limits.lambda_concurrency"]))
        self.ready = simpy.Store(self.clock)

    def run(self, load: Load) -> Results:
        """Run the load, and wait until the queue is empty or its messages are given up."""
        self.clock.process(self._arrive(load.arrivals(self.random)))
        for place in range(self.parameters.mailer_concurrency):
            self.clock.process(self._mail(place))
        self.clock.run(until=HOUR + 8 * HOUR)
        self.results.ends["left in the queue"] = len(self.waiting)
        self.results.concurrency = self.receivers.most
        return self.results

    def _arrive(self, moments: list[float]) -> Process:
        for moment in moments:
            yield self.clock.timeout(moment - self.clock.now)
            self.clock.process(self._receive())

    def _receive(self) -> Process:
        came_at, results = self.clock.now, self.results
        if not self.gateway.take(came_at):
            results.ends["Roomle: 429 of API Gateway"] += 1
            return
        cold = self.receivers.enter(came_at)
        if cold is None:
            results.ends["Roomle: Lambda throttled"] += 1
            return
        work = self._takes("receiver")
        start = self._takes("cold_start") if cold else 0.0
        publishing = self._publish()
        results.work["runs"] += 1
        results.work["lambda_ms"] += math.ceil((start + work + publishing) * 1000)
        results.work["log_bytes"] += measured()["log_bytes"]["receiver"]
        results.work["writes"] += measured()["writes"]["receiver"]
        hour = int(came_at // HOUR)
        # Storing the outcome comes after the send. The factor of three quarters is a guess that
        # only shifts milliseconds.
        yield self.clock.timeout(start + work * 0.75)
        end = self._send_or_queue(came_at, hour)
        yield self.clock.timeout(work * 0.25 + publishing)
        if end is not None:
            results.ends[end] += 1
        self.receivers.leave(self.clock.now)

    def _publish(self) -> float:
        """The seconds of the call that puts an event on the bus."""
        if not self.parameters.event_bus:
            return 0.0
        self.results.work["published"] += 1
        return inputs()["speed.other_call_ms"] / 1000 * self.parameters.slower

    def _send_or_queue(self, came_at: float, hour: int) -> str | None:
        """Deliver; return the event's result, or None while it is in the queue."""
        now, results = self.clock.now, self.results
        cap = self.parameters.max_emails_per_hour
        if cap and self.accepted[hour] >= cap:
            return "Roomle: 503 over MaxEmailsPerHour"
        channels = self.parameters.delivery.split(",")
        if "ses" in channels and self.ses.take(now):
            self.accepted[hour] += 1
            results.delays.append(now - came_at)
            return "sent"
        if "sqs" not in channels:
            return "Roomle: 503 SES throttled"
        self.accepted[hour] += 1
        results.work["sqs"] += 1
        message = Queued(came_at, now)
        self.waiting[id(message)] = message
        results.deepest = max(results.deepest, len(self.waiting))
        self.ready.put(message)
        return None

    def _mail(self, place: int) -> Process:
        """Run the mailer in a loop; Lambda adds more such loops over time."""
        first = inputs()["limits.sqs_first_batches"]
        if place >= first:
            more = inputs()["limits.sqs_more_batches_per_minute"] / 60
            yield self.clock.timeout((place - first) / more)
        results, begun = self.results, False
        while True:
            batch = [(yield self.ready.get())]
            while len(batch) < BATCH and self.ready.items:
                batch.append((yield self.ready.get()))
            began = self.clock.now
            results.work["runs"] += 1
            results.work["sqs"] += 2  # receive, delete
            if not begun:
                begun = True
                yield self.clock.timeout(self._takes("cold_start"))
            for message in batch:
                yield self.clock.timeout(self._takes("mailer"))
                self._try(message)
            results.work["lambda_ms"] += math.ceil((self.clock.now - began) * 1000)

    def _try(self, message: Queued) -> None:
        now, results = self.clock.now, self.results
        message.receives += 1
        results.work["log_bytes"] += measured()["log_bytes"]["mailer"]
        results.work["writes"] += measured()["writes"]["mailer"]
        results.oldest = max(results.oldest, now - message.queued_at)
        if self.ses.take(now):
            results.ends["sent"] += 1
            results.delays.append(now - message.came_at)
            self._done(message)
        elif message.receives >= MAX_RECEIVES:
            results.ends["dead letter"] += 1
            self._done(message)
        else:
            results.work["sqs"] += 1  # the change of visibility
            results.work["postponed"] += 1
            self.clock.process(self._wait(message))

    def _done(self, message: Queued) -> None:
        del self.waiting[id(message)]

    def _wait(self, message: Queued) -> Process:
        shipped = Message(id="", receipt="", body="", receives=message.receives)
        yield self.clock.timeout(shipped.wait)
        self.ready.put(message)

    def _takes(self, what: str) -> float:
        """The seconds of a step: a measured value, scaled to Lambda."""
        took: float = self.random.choice(measured()["seconds"][what]) / inputs()["speed.cpu_share"]
        if what != "cold_start":
            calls = measured()["writes"][what] * inputs()["speed.other_call_ms"]
            took += (calls + inputs()["speed.ses_call_ms"]) / 1000
        return took * self.parameters.slower


def simulate(load: Load, parameters: Parameters, *, seed: int = SEED) -> Results:
    """Run one stack under a load."""
    return Stack(parameters, random.Random(seed)).run(load)  # noqa: S311 (no secret)


def advise(load: Load) -> Parameters:
    """Choose parameters for a load, with the queue as the buffer for SES."""
    per_mail = statistics.fmean(measured()["seconds"]["mailer"]) / inputs()["speed.cpu_share"]
    per_mail += (measured()["writes"]["mailer"] * inputs()["speed.other_call_ms"]
                 + inputs()["speed.ses_call_ms"]) / 1000  # fmt: skip
    # A third above the peak, because people don't come evenly.
    height = max(1.0, load.rate * 4 / 3)
    ses_rate = max(inputs()["limits.ses_rate_per_s"], math.ceil(height))
    # The cap is counted in several DynamoDB items.
    too_fast = height > inputs()["limits.dynamodb_writes_per_item_per_s"] * SHARDS
    an_hour = load.events * HOUR / load.seconds
    return Parameters(
        throttle_rate=max(50, math.ceil(height * 2)),
        throttle_burst=min(inputs()["limits.api_gateway_burst"], max(100, math.ceil(height * 4))),
        max_emails_per_hour=0 if too_fast else max(1, math.ceil(an_hour / 500)) * 1_000,
        mailer_concurrency=max(2, math.ceil(height * per_mail)),
        ses_rate=ses_rate,
    )
