"""Secrets Manager -> credentials, cached.

The secret is one JSON object, API key -> secret, so that it can hold several tenants and a change
of key. AWSPREVIOUS counts for a while after AWSCURRENT was created, so that the secret can be
changed at AWS before it is changed at Roomle.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from roomle_mail import errors
from roomle_mail.aws import aws_errors
from roomle_mail.tokens import Credential

_FRESH_FOR = 300.0
_REFRESH_EVERY = 60.0
_FAILED_FOR = 10.0
_LENGTHS = frozenset({16, 24, 32})  # AES-128, AES-192, AES-256
_PUBLISHED = b"a-Secr3t_Str1ng!"  # the example on Roomle's page "Authentication": everybody's


class _Fetched(NamedTuple):
    at: float
    current: tuple[Credential, ...]
    previous: tuple[Credential, ...] = ()
    previous_until: float = 0.0
    fresh_for: float = _FRESH_FOR

    def valid(self, now: float) -> tuple[Credential, ...]:
        previous = self.previous if now < self.previous_until else ()
        return (*self.current, *(each for each in previous if each not in self.current))


@dataclass(slots=True)
class CredentialStore:
    """The credentials that count now. Times are in seconds since the epoch.

    `warn` is called with what is wrong with a secret that is not needed, without its content.
    """

    client: Any = field(repr=False)
    secret_id: str
    overlap: float
    allow_published: bool
    warn: Callable[[str], None]
    _fetched: _Fetched | None = field(default=None, repr=False)
    _problem: str = ""
    _failed_at: float = float("-inf")
    _refreshed_at: float = float("-inf")

    def get(self, now: float) -> tuple[Credential, ...]:
        """The valid credentials, at most five minutes old; raises SecretUnusable.

        An unusable secret is read again after ten seconds, so that a flood of requests makes no
        calls meanwhile. Where AWS did not answer, the next request asks again.
        """
        fetched = self._fetched
        if fetched is None or not 0 <= now - fetched.at <= fetched.fresh_for:
            self._fetched = None
            if 0 <= now - self._failed_at < _FAILED_FOR:
                raise errors.SecretUnusable(self._problem)
            try:
                fetched = self._fetched = self._fetch(now)
            except errors.SecretUnusable as err:
                if not isinstance(err.__cause__, errors.AwsCallFailed):
                    self._problem, self._failed_at = err.problem, now
                raise
        return fetched.valid(now)

    def refresh(self, now: float) -> tuple[Credential, ...]:
        """The credentials that were added since the last read, for a token that failed.

        Reads at most once a minute, so that a flood of forgeries makes no calls, and returns
        nothing where there is nothing new or AWS can't be reached.
        """
        if 0 <= now - self._refreshed_at < _REFRESH_EVERY:
            return ()
        self._refreshed_at = now
        known = self.get(now)
        try:
            self._fetched = self._fetch(now)
        except errors.SecretUnusable as err:
            self.warn(err.problem)
            return ()
        return tuple(each for each in self._fetched.valid(now) if each not in known)

    def _fetch(self, now: float) -> _Fetched:
        version = self._read("AWSCURRENT")
        if version is None:
            raise errors.SecretUnusable("The secret does not exist or has no value yet.")
        text, created = version
        current, until = self._parse(text), created + self.overlap
        if now >= until:
            return _Fetched(now, current)
        try:
            before, _ = self._read("AWSPREVIOUS") or ("", 0)
            # A secret may be created without a value and set afterwards.
            previous = self._parse(before) if before else ()
        except errors.SecretUnusable as err:
            self.warn(f"AWSPREVIOUS: {err.problem}")
            passing = isinstance(err.__cause__, errors.AwsCallFailed)
            return _Fetched(now, current, fresh_for=_FAILED_FOR if passing else _FRESH_FOR)
        return _Fetched(now, current, previous, until)

    def _read(self, stage: str) -> tuple[object, float] | None:
        """A version's value, and when it was created; None if there is no such version."""
        try:
            with aws_errors():
                answer = self.client.get_secret_value(SecretId=self.secret_id, VersionStage=stage)
            # botocore takes a text that is not JSON for an empty answer.
            if "CreatedDate" not in answer:
                raise errors.OutcomeUnknown("IncompleteAnswer")
        except errors.AwsCallFailed as err:
            # Both for a secret without any value and for a stage that no version has.
            if err.detail == "ResourceNotFoundException":
                return None
            raise errors.SecretUnusable(f"Secrets Manager: {err.detail}") from err
        value = answer.get("SecretBinary") or answer.get("SecretString", "").strip()
        return value, answer["CreatedDate"].timestamp()

    def _parse(self, text: object) -> tuple[Credential, ...]:
        if not isinstance(text, str) or not text:
            raise errors.SecretUnusable("The secret has no text value.")
        try:
            pairs = json.loads(text)
        except (ValueError, RecursionError):
            # The parser's own error repeats the text.
            raise errors.SecretUnusable("The secret is not JSON.") from None
        if not isinstance(pairs, dict) or not pairs:
            raise errors.SecretUnusable('The secret is not a JSON object {"API key": "secret"}.')
        return tuple(self._credential(api_key, secret) for api_key, secret in pairs.items())

    def _credential(self, api_key: str, secret: object) -> Credential:
        if not api_key or not api_key.isascii() or not api_key.isprintable() or ";" in api_key:
            raise errors.SecretUnusable("An API key in the secret is empty or has odd characters.")
        if not isinstance(secret, str) or not secret.isascii() or len(secret) not in _LENGTHS:
            raise errors.SecretUnusable("A secret is not a text of 16, 24 or 32 ASCII characters.")
        if secret.encode() == _PUBLISHED and not self.allow_published:
            raise errors.SecretUnusable("A secret is the one that Roomle published as its example.")
        return Credential(api_key, secret.encode())
