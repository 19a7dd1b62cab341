"""A long-lived worker: the built receiver, with AWS's answers injected at botocore's socket.

    python steady_worker.py INVOCATIONS

It runs in the function's environment, with the code that signs requests on PYTHONPATH. It prints
its resident memory, in bytes, when it is warm and at the end. It is a separate program, because
only a process has a size.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from roomle_mail_cli import sign
from tools import fixtures

INVOCATIONS = int(sys.argv[1])
WARM = 10_000  # invocations: by then caches are full and the garbage collector has run
# Enough events for Python to resize its table of interned strings, which it does once, after about
# twenty thousand events: the table is 2 MB, and does not grow after that.
TEXTS = 200_000
PAGE = os.sysconf("SC_PAGE_SIZE")
SECRET = json.dumps({sign.EXAMPLE_API_KEY: sign.EXAMPLE_SECRET})
CONTEXT = SimpleNamespace(
    function_name="receiver",
    memory_limit_in_mb=1024,
    invoked_function_arn="an ARN",
    aws_request_id="an id",
)
sends = itertools.count()


class Raw:
    """An answer's body, as botocore reads it."""

    def __init__(self, body: object) -> None:
        self._body = json.dumps(body).encode()

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


def answer(_: URLLib3Session, request: Any) -> AWSResponse:
    """AWS's normal answers, except that SES throttles every tenth email."""
    operation = request.headers.get("X-Amz-Target", b"SendEmail").decode().rpartition(".")[2]
    status: int = 200
    body: dict[str, object] = {}
    if operation == "GetSecretValue":
        body = {"SecretString": SECRET, "CreatedDate": 0}
    elif operation == "SendEmail" and next(sends) % 10 == 0:
        status, body = 429, {"__type": "TooManyRequestsException"}
    elif operation == "PutEvents":
        body = {"FailedEntryCount": 0, "Entries": [{"EventId": "an id"}]}
    elif operation.startswith("Send"):
        body = {"MessageId": "an id"}
    headers: Any = {"content-type": "application/x-amz-json-1.0"}
    return AWSResponse(request.url, status, headers, Raw(body))


def request(event: dict[str, Any], place: int) -> dict[str, Any]:
    """A POST: every twentieth forged, every twentieth without a link, each of another person."""
    # A new person and link each time, and many configurators: none of them may be kept.
    body = fixtures.payload(
        email=f"{place}@customer.example",
        url=fixtures.link_to(f"catalog:item:{place}") if place % 20 != 1 else None,
        configuratorId=f"configurator{place if place % 10 == 0 else place % 100}",
    )
    secret = "another-secret-0" if place % 20 == 0 else sign.EXAMPLE_SECRET
    posted = event | {"body": fixtures.compact(body)}
    return sign.sign(posted, now=datetime.now(UTC), api_key=sign.EXAMPLE_API_KEY, secret=secret)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def main() -> None:
    setattr(URLLib3Session, "send", answer)  # noqa: B010 - a method, for the type checker
    handler = importlib.import_module("app").handler
    event = fixtures.load("receiver/saved_configuration")
    answers: Counter[int] = Counter()
    warm = 0
    for place in range(INVOCATIONS):
        answers[handler(request(event, place), CONTEXT)["statusCode"]] += 1
        if place == WARM:
            for text in range(TEXTS):
                sys.intern(f"text {text}")
            warm = resident()
    json.dump({"warm": warm, "end": resident(), "answers": answers}, sys.stderr)


if __name__ == "__main__":
    main()
