"""Secrets Manager -> credentials, cached.

The secret is one JSON object, API key -> secret, so that several tenants and a change of key
fit. AWSPREVIOUS counts for a while after AWSCURRENT was created, so that AWS can be changed
before Roomle.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from botocore.exceptions import ClientError

from roomle_mail.aws import aws_errors
from roomle_mail.errors import AwsCallFailed, SecretUnusable, Uncertain
from roomle_mail.tokens import Credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from typing import Any

_FRESH_FOR = 300.0
_REFRESH_EVERY = 60.0
_LENGTHS = frozenset({16, 24, 32})  # AES-128, AES-192, AES-256
_PUBLISHED = b"a-Secr3t_Str1ng!"  # the example on Roomle's page "Authentication": everybody's


class SecretsClient(Protocol):
    """The one call of boto3's client that is used."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]:  # noqa: N803
        """AWS's page "GetSecretValue"."""


class _Fetched(NamedTuple):
    at: float
    current: tuple[Credential, ...]
    previous: tuple[Credential, ...] = ()
    previous_until: float = 0.0


@dataclass(slots=True)
class CredentialStore:
    """The credentials that count now. Times are in seconds since the epoch.

    `warn` is told what is wrong with a secret that is not needed, by a text without its content.
    """

    client: SecretsClient = field(repr=False)
    secret_id: str
    overlap: float
    allow_published: bool
    warn: Callable[[str], None]
    _fetched: _Fetched | None = field(default=None, repr=False)
    _refreshed_at: float = float("-inf")

    def get(self, now: float) -> tuple[Credential, ...]:
        """The valid credentials, at most five minutes old; raises SecretUnusable."""
        if self._fetched is None or not 0 <= now - self._fetched.at <= _FRESH_FOR:
            self._fetched = None
            self._fetched = self._fetch(now)
        return self._valid(self._fetched, now)

    def refresh(self, now: float) -> tuple[Credential, ...]:
        """The credentials that a fresh look adds, for a token that failed.

        Looks at most once a minute, so that a flood of forgeries costs nothing, and returns
        nothing where there is nothing new or AWS can't be asked.
        """
        if 0 <= now - self._refreshed_at < _REFRESH_EVERY:
            return ()
        self._refreshed_at = now
        known = self.get(now)
        try:
            self._fetched = self._fetch(now)
        except SecretUnusable as err:
            self.warn(err.problem)
            return ()
        return tuple(each for each in self._valid(self._fetched, now) if each not in known)

    @staticmethod
    def _valid(fetched: _Fetched, now: float) -> tuple[Credential, ...]:
        previous = fetched.previous if now < fetched.previous_until else ()
        return fetched.current + tuple(each for each in previous if each not in fetched.current)

    def _fetch(self, now: float) -> _Fetched:
        found = self._read("AWSCURRENT")
        if found is None:
            raise SecretUnusable("The secret does not exist or has no value yet.")
        current, created = found
        until = created + self.overlap
        if now >= until:
            return _Fetched(now, current)
        try:
            before = self._read("AWSPREVIOUS")
        except SecretUnusable as err:
            if isinstance(err.__cause__, AwsCallFailed):
                raise
            self.warn(f"AWSPREVIOUS: {err.problem}")
            before = None
        return _Fetched(now, current, before[0] if before else (), until)

    def _read(self, stage: str) -> tuple[tuple[Credential, ...], float] | None:
        try:
            with aws_errors():
                answer = self._ask(stage)
            # botocore takes a text that is not JSON for an empty answer.
            if answer is not None and "CreatedDate" not in answer:
                raise Uncertain("IncompleteAnswer")
        except AwsCallFailed as err:
            raise SecretUnusable(f"Secrets Manager: {err.detail}") from err
        if answer is None:
            return None
        created: datetime = answer["CreatedDate"]
        return self._parse(answer.get("SecretString")), created.timestamp()

    def _ask(self, stage: str) -> Mapping[str, Any] | None:
        try:
            return self.client.get_secret_value(SecretId=self.secret_id, VersionStage=stage)
        except ClientError as err:
            # Both for a secret without any value and for a stage that no version has.
            if err.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise

    def _parse(self, text: object) -> tuple[Credential, ...]:
        if not isinstance(text, str) or not text.strip():
            raise SecretUnusable("The secret has no text value.")
        try:
            pairs = json.loads(text)
        except (ValueError, RecursionError):
            # The parser's own error repeats the text.
            raise SecretUnusable("The secret is not JSON.") from None
        if not isinstance(pairs, dict) or not pairs:
            raise SecretUnusable('The secret is not a JSON object {"API key": "secret"}.')
        return tuple(self._credential(api_key, secret) for api_key, secret in pairs.items())

    def _credential(self, api_key: str, secret: object) -> Credential:
        if not api_key or not api_key.isascii() or not api_key.isprintable() or ";" in api_key:
            raise SecretUnusable("An API key in the secret is empty or has impossible characters.")
        if not isinstance(secret, str) or not secret.isascii() or len(secret) not in _LENGTHS:
            raise SecretUnusable("A secret is not a text of 16, 24 or 32 ASCII characters.")
        if secret.encode() == _PUBLISHED and not self.allow_published:
            raise SecretUnusable("A secret is the one that Roomle published as its example.")
        return Credential(api_key, secret.encode())
