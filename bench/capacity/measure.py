"""Measure on the local stack what the capacity model needs: our own work without AWS's.

Events are posted one after the other, so that nothing waits for anything else. The times come from
the functions' logs.
"""

import json
import platform
import statistics
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from tools import fixtures
from tools.stack import deployment
from tools.stack.local import MAILER, RECEIVER, LocalStack, forwarding_to

COLD_STARTS = 8
# Values kept per measurement: enough for a distribution, few enough for a file.
KEPT = 101
DYNAMODB_WRITES = ("PutItem", "UpdateItem")


def measure(events: int) -> dict[str, Any]:
    """Deploy a stack, post events, read its log."""
    with deployment.running(port=0) as deployed:
        return measure_stack(LocalStack(deployed), events)


def measure_stack(stack: LocalStack, events: int) -> dict[str, Any]:
    """Measure a running stack."""
    cold = [cold_start(stack) for _ in range(COLD_STARTS)]
    with stack.environment(RECEIVER, MAX_EMAILS_PER_HOUR="1000000"):
        post(stack, 10)  # until all is loaded
        receiver = lines_of(stack, RECEIVER, "sent", lambda: post(stack, events))
    with stack.environment(RECEIVER, DELIVERY="sqs", MAX_EMAILS_PER_HOUR="1000000"):
        post(stack, 10)
        settle(stack)
        mailer = lines_of(stack, MAILER, "sent", lambda: post(stack, events))
    return {
        "about": "python -m bench.capacity measure, on the local stack",
        "on": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "events": events,
        "seconds": {
            "receiver": quantiles(receiver["duration_ms"]),
            "mailer": quantiles(mailer["duration_ms"]),
            "cold_start": [round(each, 4) for each in sorted(cold)],
        },
        "log_bytes": {"receiver": receiver["bytes"], "mailer": mailer["bytes"]},
        "writes": {"receiver": writes(stack, RECEIVER), "mailer": writes(stack, MAILER)},
    }


def post(stack: LocalStack, events: int) -> None:
    """Post events of different people, one after the other, until enough were accepted."""
    accepted, refused = 0, 0
    while accepted < events:
        recipient = f"{uuid.uuid4().hex}@{fixtures.DOMAIN}"
        fine = stack.post(fixtures.payload(email=recipient)).status < 300  # noqa: PLR2004 (Roomle's line)
        accepted, refused = accepted + fine, refused + (not fine)
        if refused > 10 + events // 20:
            raise RuntimeError(f"{refused} of {accepted + refused} events were not accepted")


def settle(stack: LocalStack) -> None:
    """Wait until the queue is empty."""
    if not stack.wait_until(lambda: not stack.queued(), within=300):
        raise RuntimeError("the queue does not become empty")


def cold_start(stack: LocalStack) -> float:
    """Measure the time of a first answer minus that of a second one."""
    stack.restart(RECEIVER)
    first, second = (stack.post({"event": "warm.up", "id": uuid.uuid4().hex}) for _ in range(2))
    return max(0.0, first.seconds - second.seconds)


def lines_of(stack: LocalStack, function: str, what: str, work: Any) -> dict[str, Any]:  # noqa: ANN401
    """Read what a function logs during the block."""
    before = len(stack.log(function))
    work()
    settle(stack)
    time.sleep(1)
    new = stack.log(function)[before:]
    read = [json.loads(line) for line in new if line.startswith("{")]
    durations = [line["duration_ms"] for line in read if line.get("message") == what]
    return {
        "duration_ms": durations,
        "bytes": round(sum(len(line) for line in new) / max(len(durations), 1)),
    }


def writes(stack: LocalStack, function: str) -> int:
    """Count the writes to DynamoDB that one event causes, with a counter in its place."""
    with (
        stack.environment(RECEIVER, DELIVERY="sqs" if function == MAILER else "ses"),
        stack.endpoint(function, "DYNAMODB", forwarding_to(stack.emulator)) as calls,
    ):
        post(stack, 1)
        settle(stack)
        calls.clear()
        post(stack, 1)
        settle(stack)
        time.sleep(1)
        return sum(call.endswith(DYNAMODB_WRITES) for call in calls)


def quantiles(milliseconds: list[float]) -> list[float]:
    """Keep the distribution, in seconds."""
    found = statistics.quantiles(milliseconds, n=KEPT + 1, method="inclusive")
    return [round(each / 1000, 5) for each in found]
