"""The AWS clients, each made once, all from one session (a second one costs tens of milliseconds).

The deadline's timer bounds every call as a whole; the time-outs here only make botocore try
another connection while there is still time.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from boto3.session import Session
from botocore.config import Config


class Clients:
    """What the functions call. A client is made at its first use; touch it to make it at start."""

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
        """DynamoDB; every write of `once` survives being made twice."""
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
        )
        return self._session.client(service, config=config)  # type: ignore[call-overload]
