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
from binascii import a2b_base64
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from Crypto.Cipher import AES

from roomle_mail.errors import (
    TokenAlgorithmNotAllowed,
    TokenExpired,
    TokenMalformed,
    TokenUnverified,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

BLOCK = 16
_ZERO_IV = bytes(BLOCK)
_MAX_CHARACTERS = 4_096

# The pattern is checked in full before it is parsed: what a lenient parser takes, an attacker who
# can garble the first block will find.
_TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d(?:\d\d)?));")


@dataclass(frozen=True, slots=True)
class Credential:
    """An API key of a tenant and the secret that belongs to it (16, 24 or 32 bytes)."""

    api_key: str
    secret: bytes = field(repr=False)

    @property
    def hash_key(self) -> bytes:
        """A key for hashing addresses: derived, so that no further secret is needed."""
        return _hash_key(self.secret)


class Token(NamedTuple):
    """A header's token, decoded but not verified: `algorithm` is "01" or "02"."""

    algorithm: str
    data: bytes

    def __repr__(self) -> str:
        """Tell nothing that could be sent again."""
        return f"Token(algorithm={self.algorithm!r})"


class Claims(NamedTuple):
    """What a verified token says.

    `issued_at` is in seconds since the epoch. `replay_key` is the same for all tokens that can be
    made of this one without its key, in whatever spelling.
    """

    issued_at: float
    credential: Credential
    replay_key: bytes
    data: bytes

    def __repr__(self) -> str:
        """Tell nothing that could be sent again."""
        return f"Claims(issued_at={self.issued_at!r}, credential={self.credential!r})"


def decode(header: str, *, algorithms: Iterable[str]) -> Token:
    """Decode a header's text; raises TokenMalformed or TokenAlgorithmNotAllowed."""
    if len(header) > _MAX_CHARACTERS:
        raise TokenMalformed
    # A text without prefix may itself begin with `01-` in the URL-safe alphabet. Three characters
    # more or less never make whole blocks both times, so the length decides.
    algorithm = "01"
    if not (data := _decode_blocks(header)):
        algorithm, dash, text = header[:2], header[2:3], header[3:]
        if dash != "-" or not (algorithm.isascii() and algorithm.isdigit()):
            raise TokenMalformed
        data = _decode_blocks(text)
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
        text = _decrypt(token, credential.secret)
        last = _last_separator(text, credential)
        for mode, reading, start in _readings(token, text, credential.secret):
            issued_at = _issued_at(reading, start, last)
            if issued_at is None:
                continue
            if mode == iv or token.algorithm == "02":
                claims = Claims(issued_at, credential, _replay_key(token, start), token.data)
            else:
                hint = "TokenIv"
    if claims is None:
        raise TokenUnverified(hint)
    if abs(now - claims.issued_at) > max_age:
        raise TokenExpired(claims)
    return claims


def _decode_blocks(text: str) -> bytes:
    """The bytes of strict Base64 in one alphabet, padded in full or not at all, or b""."""
    characters = text.rstrip("=")
    missing = -len(characters) % 4
    if len(characters) * 3 // 4 % BLOCK or len(text) - len(characters) not in (0, missing):
        return b""
    if "+" not in characters and "/" not in characters:
        characters = characters.replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(characters + "=" * missing, strict_mode=True)
    except ValueError:
        return b""


@lru_cache(maxsize=256)
def _hash_key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"roomle-mail/address", "sha256")


@lru_cache(maxsize=256)
def _cipher(secret: bytes) -> Any:  # noqa: ANN401 (pycryptodome's class has no public name)
    # Making it takes three times as long as using it. Block by block it keeps no state.
    return AES.new(secret, AES.MODE_ECB)


def _decrypt(token: Token, secret: bytes) -> bytes:
    """The plain text, with its padding; for CBC under a vector of zeros."""
    blocks = bytearray(len(token.data))
    _cipher(secret).decrypt(token.data, output=blocks)
    if token.algorithm == "02":
        return bytes(blocks)
    return _xor(blocks, _ZERO_IV + token.data[:-BLOCK])


def _xor(one: bytes | bytearray, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def _readings(
    token: Token, text: bytes, secret: bytes
) -> tuple[tuple[Literal["fixed", "prefix"], bytes, int], ...]:
    """The readings of a text under each initialisation vector, and where in it each starts.

    CBC adds the vector to the first block only: the reading under another one follows by
    exclusive or, and where the vector travels in front, the text starts a block later. Of the
    second reading only the beginning is made, since the rest is the same in all of them.
    """
    if token.algorithm == "02":
        return (("fixed", text, 0),)
    under_key = _xor(text[:BLOCK], secret[:BLOCK]) + text[BLOCK : 2 * BLOCK]
    return (("fixed", text, 0), ("fixed", under_key, 0), ("prefix", text, BLOCK))


def _last_separator(padded: bytes, credential: Credential) -> int:
    """The place of the last semicolon, where padding and API key hold, else -1."""
    pad = padded[-1]
    padding_holds = 1 <= pad <= BLOCK and padded.endswith(bytes((pad,)) * pad)
    text = padded[: len(padded) - pad]
    place = text.rfind(b";")
    key_holds = hmac.compare_digest(text[place + 1 :], credential.api_key.encode())
    return place if padding_holds and key_holds else -1


def _issued_at(reading: bytes, start: int, last: int) -> float | None:
    """The timestamp in seconds since the epoch, where `last` is a semicolon after its own.

    What lies between the two is the session token: opaque, since a check of it would answer
    questions about it.
    """
    match = _TIMESTAMP.match(reading, start)
    if match is None or last < match.end():
        return None
    try:
        return datetime.fromisoformat(match[1].decode()).timestamp()
    except ValueError:
        return None


def _replay_key(token: Token, start: int) -> bytes:
    # The first two blocks hold the whole timestamp and can't be spliced; blocks inserted further
    # back make endless other ciphertexts of the same token that verify. A vector in front is the
    # sender's to choose, so it doesn't count.
    return hashlib.sha256(token.data[start : start + 2 * BLOCK]).digest()
