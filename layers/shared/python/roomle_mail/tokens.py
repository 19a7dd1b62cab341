"""header + credentials -> Claims, and tokens of our own.

Roomle's page "Authentication" gives the form `<algorithm>-<base64>` and the plain text
`<timestamp>;<sessionToken>;<apiKey>`; the page "Webhook" says AES CBC PKCS5. The initialisation
vector is not documented, so `TokenIv` sets it. docs/security.md names the attack that each rule
prevents.
"""

import hashlib
import hmac
import json
import os
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from roomle_mail import errors

type Iv = Literal["fixed", "prefix"]

BLOCK = 16
SEALED = "sealed-"  # no algorithm of Roomle's begins like this
_MAX_CHARACTERS = 4_096

# Checked in full before it is parsed: an attacker who can garble the first block would find
# anything that a lenient parser accepts.
_TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d(?:\d\d)?));")


@dataclass(frozen=True)
class Credential:
    """An API key of a tenant and the secret that belongs to it (16, 24 or 32 bytes)."""

    api_key: str
    secret: bytes = field(repr=False)

    @cached_property
    def hash_key(self) -> bytes:
        """A key for hashing addresses: derived, so that no further secret is needed."""
        return hmac.digest(self.secret, b"roomle-mail/address", "sha256")

    @property
    def seal_key(self) -> bytes:
        """A key for `seal`, of 32 bytes."""
        return hmac.digest(self.secret, b"roomle-mail/seal", "sha256")


@dataclass(frozen=True, slots=True)
class Token:
    """A header's token, decoded but not verified: `algorithm` is "01" or "02"."""

    algorithm: str
    data: bytes = field(repr=False)  # could be sent again


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says.

    `issued_at` is in seconds since the epoch. `replay_key` is the same for every token that can be
    made from this one without its key, however it is spelled. `data` is the token's bytes.
    """

    issued_at: float
    credential: Credential
    replay_key: bytes = field(repr=False)
    data: bytes = field(repr=False)  # could be sent again

    def is_expired(self, now: float, *, max_age: float) -> bool:
        """Whether it was issued more than `max_age` seconds before or after `now`."""
        return abs(now - self.issued_at) > max_age


def decode(header: str, *, algorithms: Iterable[str]) -> Token:
    """Decode a header's text; raises TokenMalformed or TokenAlgorithmNotAllowed."""
    if len(header) > _MAX_CHARACTERS:
        raise errors.TokenMalformed
    # A text without prefix may itself begin with `01-` in the URL-safe alphabet. Three characters
    # more or less never make whole blocks both times, so the length decides.
    algorithm = "01"
    if not (data := _decode_blocks(header)):
        algorithm, dash, text = header[:2], header[2:3], header[3:]
        if dash != "-" or not (algorithm.isascii() and algorithm.isdigit()):
            raise errors.TokenMalformed
        data = _decode_blocks(text)
    if algorithm not in algorithms:
        raise errors.TokenAlgorithmNotAllowed(algorithm)
    # Two blocks hold the timestamp; less can't be a token.
    if len(data) < 2 * BLOCK:
        raise errors.TokenMalformed
    return Token(algorithm, data)


def verify(token: Token, credentials: Iterable[Credential], *, iv: Iv) -> Claims:
    """Verify a token of any age; raises TokenUnverified.

    Every credential is tried under every initialisation vector, and no check ends early, so that
    the time does not reveal which check failed.
    """
    claims: Claims | None = None
    hint: str | None = None
    for credential in credentials:
        for mode, ciphertext, plaintext in _decryptions(token, credential.secret):
            issued_at = _issued_at(plaintext, credential)
            if issued_at is None:
                continue
            if mode == iv or token.algorithm == "02":
                claims = Claims(issued_at, credential, _replay_key(ciphertext), token.data)
            else:
                hint = "TokenIv"
    if claims is None:
        raise errors.TokenUnverified(hint)
    return claims


def issue(credential: Credential, *, now: float, algorithm: str, iv: Iv) -> str:
    """A token for our own calls to Roomle, `now` in seconds since the epoch."""
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    padded = pad(f"{moment.replace('+00:00', 'Z')};anonymous;{credential.api_key}".encode(), BLOCK)
    vector = os.urandom(BLOCK) if iv == "prefix" else bytes(BLOCK)
    if algorithm == "02":
        data = AES.new(credential.secret, AES.MODE_ECB).encrypt(padded)
    else:
        data = AES.new(credential.secret, AES.MODE_CBC, iv=vector).encrypt(padded)
        data = vector + data if iv == "prefix" else data
    return f"{algorithm}-{b2a_base64(data, newline=False).decode()}"


def seal(header: str, credential: Credential, *, now: float) -> str:
    """Encrypt a refused header for the log, with `now` in seconds since the epoch.

    Only a holder of the secret can read it, who could make any token anyway. `roomle-mail verify`
    opens it.
    """
    text = json.dumps({"at": now, "token": header[:_MAX_CHARACTERS]}).encode()
    vector = os.urandom(BLOCK)
    cipher = AES.new(credential.seal_key, AES.MODE_CBC, iv=vector)
    data = vector + cipher.encrypt(pad(text, BLOCK))
    return f"{SEALED}{b2a_base64(data, newline=False).decode()}"


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


def _decryptions(token: Token, secret: bytes) -> Iterator[tuple[Iv, bytes, bytes]]:
    """The ciphertext and its plain text, padding included, under each initialisation vector."""
    if token.algorithm == "02":
        yield "fixed", token.data, AES.new(secret, AES.MODE_ECB).decrypt(token.data)
        return
    for vector in (bytes(BLOCK), secret[:BLOCK]):
        yield "fixed", token.data, AES.new(secret, AES.MODE_CBC, iv=vector).decrypt(token.data)
    vector, rest = token.data[:BLOCK], token.data[BLOCK:]
    yield "prefix", rest, AES.new(secret, AES.MODE_CBC, iv=vector).decrypt(rest)


def _issued_at(padded: bytes, credential: Credential) -> float | None:
    """The timestamp in seconds since the epoch; None unless padding, API key and timestamp hold.

    The session token between the timestamp and the API key stays opaque: a check of it would be a
    decryption oracle.
    """
    size = padded[-1]
    padding_holds = 1 <= size <= BLOCK and padded.endswith(bytes((size,)) * size)
    front, _, api_key = padded[: len(padded) - size].rpartition(b";")
    key_holds = hmac.compare_digest(api_key, credential.api_key.encode())
    match = _TIMESTAMP.match(front)
    if not (padding_holds and key_holds and match):
        return None
    try:
        return datetime.fromisoformat(match[1].decode()).timestamp()
    except ValueError:
        return None


def _replay_key(ciphertext: bytes) -> bytes:
    # The first two blocks hold the whole timestamp and can't be spliced; blocks inserted further
    # back make endless other ciphertexts of the same token that verify. A vector in front is
    # chosen by the sender, so it is no part of the ciphertext here.
    return hashlib.sha256(ciphertext[: 2 * BLOCK]).digest()
