"""header + credentials + now -> Claims. Pure.

Roomle's page "Authentication" gives the form `<algorithm>-<base64>` and the plain text
`<timestamp>;<sessionToken>;<apiKey>`; the page "Webhook" says AES CBC PKCS5. The initialisation
vector is documented nowhere, hence `TokenIv`. See docs/security.md for what each rule stands
against.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from Crypto.Cipher import AES
from Crypto.Util.strxor import strxor

from roomle_mail.errors import (
    TokenAlgorithmNotAllowed,
    TokenExpired,
    TokenMalformed,
    TokenUnverified,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK = 16
_ZERO_IV = bytes(BLOCK)
_MAX_CHARACTERS = 4_096

_PREFIXED = re.compile(r"(\d\d)-(.*)", re.ASCII | re.DOTALL)
_BASE64 = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})")
_TO_STANDARD = str.maketrans("-_", "+/")

# The pattern is checked in full before it is parsed: what a lenient parser takes, an attacker who
# can garble the first block will find.
_TIMESTAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d(?:\d\d)?)")


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key of a tenant and the secret that belongs to it (16, 24 or 32 bytes)."""

    api_key: str
    secret: bytes = field(repr=False)

    @property
    def hash_key(self) -> bytes:
        """A key for hashing addresses: derived, so that no further secret is needed."""
        return hmac.digest(self.secret, b"roomle-mail/address", "sha256")


@dataclass(frozen=True, slots=True)
class Token:
    """A header's token, decoded but not verified: `algorithm` is "01" or "02"."""

    algorithm: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    `issued_at` is in seconds since the epoch. `replay_key` is the same for all tokens that can be
    made of this one without its key, in whatever spelling.
    """

    issued_at: float
    credential: Credential
    replay_key: bytes
    data: bytes = field(repr=False)


def decode(header: str, *, algorithms: Iterable[str]) -> Token:
    """Decode a header's text; raises TokenMalformed or TokenAlgorithmNotAllowed."""
    if len(header) > _MAX_CHARACTERS:
        raise TokenMalformed
    # A text without prefix may itself begin with `01-` in the URL-safe alphabet. Three characters
    # more or less never make whole blocks both times, so the length decides.
    if data := _decode_blocks(header):
        algorithm = "01"
    elif (match := _PREFIXED.fullmatch(header)) is None:
        raise TokenMalformed
    else:
        algorithm, data = match[1], _decode_blocks(match[2])
    if algorithm not in algorithms:
        raise TokenAlgorithmNotAllowed
    # Two blocks hold the timestamp; less can't be a token.
    if len(data) < 2 * BLOCK:
        raise TokenMalformed
    return Token(algorithm, data)


def verify(
    token: Token,
    credentials: Iterable[Credential],
    *,
    now: float,
    iv: Literal["fixed", "prefix"],
    max_age: float,
) -> Claims:
    """Verify a token; raises TokenUnverified, or TokenExpired for one that fails by age alone.

    `now` is in seconds since the epoch, `max_age` in seconds and counts both ways. Every
    credential is tried in full and nothing ends early, so that the time tells nothing about which
    check failed.
    """
    claims: Claims | None = None
    hint: str | None = None
    for credential in credentials:
        for mode, text in _plain_texts(token, credential):
            issued_at = _issued_at(text, credential)
            if issued_at is None:
                continue
            if mode == iv or token.algorithm == "02":
                claims = Claims(issued_at, credential, _replay_key(token, mode), token.data)
            else:
                hint = "TokenIv"
    if claims is None:
        raise TokenUnverified(hint)
    if abs(now - claims.issued_at) > max_age:
        raise TokenExpired(claims)
    return claims


def _decode_blocks(text: str) -> bytes:
    """The bytes of strict Base64 in one alphabet, padded in full or not at all, or b""."""
    match = _BASE64.fullmatch(text)
    if match is None:
        return b""
    characters, padding = match.groups()
    missing = -len(characters) % 4
    if len(padding) not in (0, missing):
        return b""
    try:
        data = a2b_base64(
            characters.translate(_TO_STANDARD) + "=" * missing,
            strict_mode=True,
        )
    except Base64Error:
        return b""
    return data if len(data) % BLOCK == 0 else b""


def _plain_texts(
    token: Token, credential: Credential
) -> tuple[tuple[Literal["fixed", "prefix"], bytes], ...]:
    """The readings of a token under each initialisation vector, from one decryption.

    CBC adds the vector to the first block only: the reading under another one follows by
    exclusive or, and where the vector travels in front, it is the cipher block before.
    """
    if token.algorithm == "02":
        return (("fixed", AES.new(credential.secret, AES.MODE_ECB).decrypt(token.data)),)
    zero = AES.new(credential.secret, AES.MODE_CBC, iv=_ZERO_IV).decrypt(token.data)
    return (
        ("fixed", zero),
        ("fixed", strxor(zero[:BLOCK], credential.secret[:BLOCK]) + zero[BLOCK:]),
        ("prefix", zero[BLOCK:]),
    )


def _issued_at(padded: bytes, credential: Credential) -> float | None:
    """The timestamp in seconds since the epoch, where padding, form and API key all hold."""
    pad = padded[-1]
    padding_holds = 1 <= pad <= BLOCK and padded.endswith(bytes((pad,)) * pad)
    text = padded[: len(padded) - pad]
    # What lies between the first and the last semicolon is the session token: opaque, since a
    # check of it would answer questions about it.
    timestamp, first, rest = text.partition(b";")
    _, last, api_key = rest.rpartition(b";")
    form_holds = bool(first and last) and _TIMESTAMP.fullmatch(timestamp) is not None
    key_holds = hmac.compare_digest(api_key, credential.api_key.encode())
    if not (padding_holds and form_holds and key_holds):
        return None
    try:
        return datetime.fromisoformat(timestamp.decode()).timestamp()
    except ValueError:
        return None


def _replay_key(token: Token, mode: Literal["fixed", "prefix"]) -> bytes:
    # The first two blocks hold the whole timestamp and can't be spliced; blocks inserted further
    # back make endless other ciphertexts of the same token that verify. A vector in front is the
    # sender's to choose, so it doesn't count.
    start = BLOCK if mode == "prefix" else 0
    return hashlib.sha256(token.data[start : start + 2 * BLOCK]).digest()
