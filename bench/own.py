"""Time a handler's own work, without AWS's, in the function's own interpreter and environment.

Usage, in the function's folder: python -c "<this>" EVENTS RESULT COUNT STATUS
COUNT is the number of events with calls to AWS; without AWS there are ten times as many.

It measures three times:

- alone: boto3's client immediately returns AWS's first answer.
- passed_on: the same, but each line is passed on at once, as by Lambda's client.
- between: AWS is called, and the time inside boto3's client is subtracted.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Switch:
    """Standard output that can be replaced later, because a logger keeps its first stream."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401
        """Write to `stream`."""
        self.stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Do as the stream does."""
        return getattr(self.stream, name)


stdout = Switch(sys.stdout)
sys.stdout = stdout
module, _, name = os.environ["_HANDLER"].partition(".")
handler = getattr(importlib.import_module(module), name)
# The function is imported first, as on Lambda.
Unbuffered: Any = importlib.import_module("awslambdaric.bootstrap").Unbuffered
client: Any = importlib.import_module("botocore.client")

CONTEXT = SimpleNamespace(
    function_name="function",
    memory_limit_in_mb=1024,
    invoked_function_arn="an ARN",
    aws_request_id="an id",
)
QUICK = 10  # this many events take about as long as one that calls AWS

BaseClient: Any = client.BaseClient
make_api_call, clock = BaseClient._make_api_call, time.perf_counter  # noqa: SLF001
answers: dict[object, Any] = {}
spent = 0.0


def timed(self: Any, operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
    """Make the call, and add up its time."""
    global spent  # noqa: PLW0603
    began = clock()
    try:
        answer = make_api_call(self, operation, parameters)
    finally:
        spent += clock() - began
    return answers.setdefault((operation, parameters.get("VersionStage")), answer)


def answered(_self: object, operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the recorded answer."""
    return answers[operation, parameters.get("VersionStage")]


def measure(texts: list[str], count: int, status: int) -> list[float]:
    """Call the handler with `count` events; return the seconds of each."""
    global spent  # noqa: PLW0603
    times = []
    for number in range(count):
        event = json.loads(texts[number % len(texts)])
        if "requestContext" in event:
            event["requestContext"]["timeEpoch"] = int(time.time() * 1000)
        spent = 0.0
        began = clock()
        answer = handler(event, CONTEXT)
        times.append(clock() - began - spent)
        if answer.get("statusCode") != status and answer.get("batchItemFailures") != []:
            raise SystemExit(f"answered {answer}")
    return times


# Lambda's client sets this for each event.
os.environ["_X_AMZN_TRACE_ID"] = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
texts = Path(sys.argv[1]).read_text().splitlines()
count, status = map(int, sys.argv[3:])
BaseClient._make_api_call = timed  # noqa: SLF001
found = {"between": measure(texts, count, status)}
BaseClient._make_api_call = answered  # noqa: SLF001
found["alone"] = measure(texts, QUICK * count, status)
stdout.stream = Unbuffered(stdout.stream)
found["passed_on"] = measure(texts, QUICK * count, status)
Path(sys.argv[2]).write_text(json.dumps(found))
