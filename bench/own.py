"""Time a handler without its calls to AWS, in the function's own interpreter and environment.

Usage, in the function's folder: python -c "<this>" EVENTS RESULT COUNT

A call is what boto3's client does from beginning to end; what remains is the function's own work.
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

module, _, name = os.environ["_HANDLER"].partition(".")
handler = getattr(importlib.import_module(module), name)

from botocore import client  # noqa: E402 (the function imports first)

BaseClient: Any = client.BaseClient
make_api_call, clock = BaseClient._make_api_call, time.perf_counter  # noqa: SLF001
spent = 0.0


def timed(self: Any, *arguments: Any) -> Any:  # noqa: ANN401 (whatever the call takes)
    """Make the call, and count how long it took."""
    global spent  # noqa: PLW0603
    began = clock()
    try:
        return make_api_call(self, *arguments)
    finally:
        spent += clock() - began


BaseClient._make_api_call = timed  # noqa: SLF001
events = Path(sys.argv[1]).read_text().splitlines()
result = []
for number in range(int(sys.argv[3])):
    event = json.loads(events[number % len(events)])
    if "requestContext" in event:
        event["requestContext"]["timeEpoch"] = int(time.time() * 1000)
    spent = 0.0
    began = clock()
    handler(event, None)
    result.append(clock() - began - spent)
Path(sys.argv[2]).write_text(json.dumps(result))
