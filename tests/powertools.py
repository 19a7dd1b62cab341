"""What Powertools needs in a test: Lambda's context, and the test's own stream."""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import dataclass

from roomle_mail import telemetry


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """AWS's page "Using the Lambda context object to retrieve Python function information"."""

    function_name: str = "receiver"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:receiver"
    aws_request_id: str = "function-request-id-of-a-test"


class _Stdout(io.TextIOBase):
    """Standard output as it is now: pytest replaces it for each test."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)


def log_to_current_stdout() -> None:
    """Capture log lines, although Powertools keeps the stream from when it was loaded."""
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(_Stdout())
