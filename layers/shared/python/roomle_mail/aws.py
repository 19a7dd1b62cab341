"""The clients of AWS, and what their errors mean: the only module that knows botocore's errors.

The deadline's timer bounds every call as a whole; the time-outs here only make botocore try
another connection while there is still time.
"""

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from boto3.session import Session
from botocore import exceptions as botocore
from botocore.config import Config
from botocore.parsers import ResponseParserError

from roomle_mail import errors
from roomle_mail.deadline import DeadlineExceeded


class Clients:
    """The clients, all from one session: a second one costs tens of milliseconds at a cold start.

    Each is made when it is first used.
    """

    def __init__(self, session: Session | None = None) -> None:
        """Use `session`, or a new one."""
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
        """DynamoDB; every write that `table` makes may be repeated."""
        return self._client("dynamodb", attempts=3, read=1)

    @cached_property
    def eventbridge(self) -> Any:  # noqa: ANN401
        """EventBridge; an event that got in twice has the same `event_id`."""
        return self._client("events", attempts=2, read=2)

    @cached_property
    def secrets(self) -> Any:  # noqa: ANN401
        """Secrets Manager."""
        return self._client("secretsmanager", attempts=2, read=2)

    def _client(self, service: str, *, attempts: int, read: float) -> Any:  # noqa: ANN401
        config = Config(
            connect_timeout=1,
            read_timeout=read,
            retries={"mode": "standard", "total_max_attempts": attempts},
            # AWS checks them too; botocore's check took 5 % of a warm event.
            parameter_validation=False,
            # Readable in CloudTrail; boto3 adds botocore's version. botocore's own is long, and
            # writing it with every call takes 2 % of a warm event.
            user_agent="roomle-mail",
        )
        return self._session.client(service, config=config)


def reseed_after_restore(environment: Mapping[str, str]) -> None:
    """Let environments that SnapStart restores from one snapshot wait for different random times.

    botocore waits for a random time before it tries again. Nothing else is frozen in a snapshot:
    before its first event a function has opened no connection and holds no secret, owner stamp or
    time. botocore fetches credentials again once they have expired.
    """
    if environment.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        # Lambda's runtime has it; where nothing is restored it may be missing.
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415

        register_after_restore(random.seed)


# SES's page "SendEmail" (API v2) has TooManyRequestsException; the others are AWS's common
# throttling codes, which any service may use.
_THROTTLED = re.compile(
    "Throttl|^(TooManyRequestsException|RequestLimitExceeded|RequestTimeout(Exception)?"
    "|ProvisionedThroughputExceededException|SlowDown)$"
)
# AWS's page "Common Errors" has ExpiredTokenException and RequestExpired; the other codes say the
# same in older protocols. The next call is signed again, with new credentials once there are some.
_EXPIRED = re.compile(
    "^(ExpiredToken(Exception)?|TokenRefreshRequired"
    "|RequestExpired|RequestInTheFuture|RequestTimeTooSkewed)$"
)
# A signature that is wrong has the same code as one that is too old or too new ("Troubleshoot
# Signature Version 4" in the IAM user guide): only the message tells them apart.
_SIGNATURE_EXPIRED = ("signature expired", "signature not yet current")
_BAD_REQUEST, _TOO_MANY_REQUESTS, _SERVER_ERROR = 400, 429, 500


@contextmanager
def aws_errors() -> Iterator[None]:
    """Raise a call's error as an AwsCallFailed, which says whether the service acted.

    An interruption by the deadline counts as a lost answer.
    """
    try:
        yield
    except botocore.ClientError as err:
        raise _from_answer(err) from err
    except (botocore.BotoCoreError, ResponseParserError, DeadlineExceeded) as err:
        raise _from_no_answer(err) from err
    except RuntimeError as err:
        # botocore has no separate class for this failure to renew credentials.
        if "refreshed credentials are still expired" not in str(err):
            raise
        raise errors.CredentialsExpired(type(err).__name__) from err


def _from_no_answer(err: BaseException) -> errors.AwsCallFailed:
    detail = type(err).__name__
    # A proxy or TLS failure may come after the request was sent, so only these two are certain.
    if isinstance(err, (botocore.EndpointConnectionError, botocore.ConnectTimeoutError)):
        return errors.Unreachable(detail)
    # Credentials and parameters are looked at before anything is sent.
    not_renewed = (botocore.CredentialRetrievalError, botocore.MetadataRetrievalError)
    if isinstance(err, (*not_renewed, botocore.TokenRetrievalError)):
        return errors.CredentialsExpired(detail)
    if isinstance(err, (botocore.NoCredentialsError, botocore.ParamValidationError)):
        return errors.CallRefused(detail)
    return errors.OutcomeUnknown(detail)


def _from_answer(err: botocore.ClientError) -> errors.AwsCallFailed:
    code = str(err.response.get("Error", {}).get("Code", ""))
    message = str(err.response.get("Error", {}).get("Message", "")).casefold()
    status = int(err.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # "Common Errors": RequestAbortedException says only that no reply was sent.
    if not _BAD_REQUEST <= status < _SERVER_ERROR or code == "RequestAbortedException":
        return errors.OutcomeUnknown(code)
    # SES's page "Errors related to the sending quotas": both limits come as throttling, and only
    # the message tells them apart.
    if code == "LimitExceededException" or "daily message quota" in message:
        return errors.QuotaUsedUp(code)
    if _EXPIRED.search(code) or any(text in message for text in _SIGNATURE_EXPIRED):
        return errors.CredentialsExpired(code)
    if _THROTTLED.search(code) or status == _TOO_MANY_REQUESTS:
        return errors.Throttled(code)
    return errors.CallRefused(code)
