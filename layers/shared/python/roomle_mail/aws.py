"""The clients of AWS, and what their errors mean: the only place that knows botocore's.

The deadline's timer bounds every call as a whole; the time-outs here only make botocore try
another connection while there is still time.
"""

from __future__ import annotations

import random
from functools import cached_property
from typing import TYPE_CHECKING, Any

from boto3.session import Session
from botocore import exceptions as botocore
from botocore.config import Config
from botocore.parsers import ResponseParserError

from roomle_mail.deadline import DeadlineExceeded
from roomle_mail.errors import (
    AwsCallFailed,
    CallRefused,
    OutcomeUnknown,
    QuotaUsedUp,
    Throttled,
    Unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeGuard


class Clients:
    """What the functions call, all from one session (a second one costs tens of milliseconds).

    A client is made at its first use; touch it to make it at start.
    """

    def __init__(self, session: Session | None = None) -> None:
        """Use one session for all of them."""
        self._session = session or Session()

    @cached_property
    def ses(self) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """SES, called once: a second call after a lost answer would send a second email."""
        return self._client("sesv2", attempts=1, read=8)

    @cached_property
    def sqs(self) -> Any:  # noqa: ANN401
        """SQS; an event that got in twice is sent once."""
        return self._client("sqs", attempts=2, read=2)

    @cached_property
    def dynamodb(self) -> Any:  # noqa: ANN401
        """DynamoDB; every write of `idempotency` survives being made twice."""
        return self._client("dynamodb", attempts=3, read=1)

    @cached_property
    def secrets(self) -> Any:  # noqa: ANN401
        """Secrets Manager."""
        return self._client("secretsmanager", attempts=2, read=2)

    def _client(self, service: str, *, attempts: int, read: float) -> Any:  # noqa: ANN401
        config = Config(
            connect_timeout=1,
            read_timeout=read,
            retries={"mode": "standard", "total_max_attempts": attempts},
            # AWS checks parameters itself: that botocore does so before took 5 % of an event.
            parameter_validation=False,
        )
        return self._session.client(service, config=config)


def differ_after_restore(environment: Mapping[str, str]) -> None:
    """Let environments that SnapStart restores from one snapshot differ from each other.

    botocore waits for random times before it tries again; they would all wait for the same. Nothing
    else is frozen: before its first event a function has opened no connection, and keeps no secret,
    stamp or time. Credentials that expired meanwhile botocore fetches anew.
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        # Lambda's runtime has it; where nothing is restored it may be missing.
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415

        register_after_restore(random.seed)


# SES's page "SendEmail" (API v2) lists TooManyRequestsException and LimitExceededException; the
# others are AWS's common throttling codes, which any service may use.
_THROTTLING = frozenset(
    {
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "KMS.ThrottlingException",
    },
)
_BAD_REQUEST, _TOO_MANY_REQUESTS, _SERVER_ERROR = 400, 429, 500


# What a call to AWS raises, the deadline's interruption included. Each call has an `except` of its
# own: a context manager for all of them took a fortieth of an event's own time.
AWS_ERRORS = (botocore.BotoCoreError, botocore.ClientError, ResponseParserError, DeadlineExceeded)


def translate(err: BaseException) -> AwsCallFailed:
    """Tell by what a call raised whether the service acted."""
    if isinstance(err, botocore.ClientError):
        return _translate_answer(err)
    # A proxy or TLS failure may come after the request went out, so only these two are certain.
    if isinstance(err, botocore.EndpointConnectionError | botocore.ConnectTimeoutError):
        return Unreachable(type(err).__name__)
    # No credentials, and parameters that don't validate, fail before sending.
    if isinstance(err, botocore.NoCredentialsError | botocore.ParamValidationError):
        return CallRefused(type(err).__name__)
    return OutcomeUnknown(type(err).__name__)


def has_code(err: BaseException, code: str) -> TypeGuard[botocore.ClientError]:
    """Tell whether AWS answered with this error code."""
    return isinstance(err, botocore.ClientError) and err.response["Error"]["Code"] == code


def _translate_answer(err: botocore.ClientError) -> AwsCallFailed:
    code = str(err.response.get("Error", {}).get("Code", ""))
    message = str(err.response.get("Error", {}).get("Message", ""))
    status = int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if not _BAD_REQUEST <= status < _SERVER_ERROR:
        return OutcomeUnknown(code)
    # SES's page "Errors related to the sending quotas": both limits come as throttling and are
    # told apart by the text alone.
    if code == "LimitExceededException" or "daily message quota" in message.casefold():
        return QuotaUsedUp(code)
    if code in _THROTTLING or status == _TOO_MANY_REQUESTS:
        return Throttled(code)
    return CallRefused(code)
