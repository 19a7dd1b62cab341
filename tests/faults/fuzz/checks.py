"""Properties that hold for any bytes that a sender may choose, as a token or as a body.

Only our own errors may escape. The result of accepted input is checked with separate code, not
with the shipped code. A check takes bytes, from the fuzzer or from the corpus.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad, unpad

from roomle_mail import events, tokens
from roomle_mail.delivery import Queued
from roomle_mail.errors import (
    InvalidEvent,
    LinkNotAllowed,
    RoomleMailError,
    TokenMalformed,
    TokenRejected,
    TokenUnverified,
)
from roomle_mail.tokens import Claims, Credential, Token

type Iv = Literal["fixed", "prefix"]

CREDENTIALS = (
    Credential("exampleKeyForTests", b"example-secret-0"),
    Credential("anotherKey", b"0123456789abcdef01234567"),
)
NOW = datetime(2026, 3, 1, 12, 0, 30, 123_000, tzinfo=UTC)
MAX_AGE = 300
TEXT = re.compile(
    rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})(?:Z|([+-])(\d\d)(\d\d)?);.*;([^;]*)",
    re.DOTALL,
)
ALGORITHMS = ("01", "02")

HOSTS = ("test.roomle.com", "*.brand.example")
UNSAFE = re.compile(r"[^!-~]|[\"<>'\\]")
FIELDS = ("email", "configurationId", "itemId", "configuratorId", "url", "resultUrl", "success")


def token(data: bytes) -> None:
    """Use the bytes as a header; if the first byte is not printable, as a text to encrypt."""
    header = sealed(data) if data[:1] < b"\x20" else data.decode("latin-1")
    try:
        read = tokens.decode(header, algorithms=ALGORITHMS)
    except TokenRejected:
        return
    assert repr(read) == f"Token(algorithm='{read.algorithm}')"
    spelled = header.replace("+", "-").replace("/", "_").rstrip("=")
    # Some bits of the last character may be unused.
    assert spelled[:-1].endswith(base64.urlsafe_b64encode(read.data).decode().rstrip("=")[:-1])
    assert spells(read, spelled)
    assert spells(read, spelled.replace("-", "+").replace("_", "/") + "=" * (-len(read.data) % 3))
    for iv in ("fixed", "prefix"):
        check_claims(read, iv)


def sealed(data: bytes) -> str:
    """Encrypt a text as somebody with a key could; the first byte chooses how."""
    kind, text = (data[0], data[1:]) if data else (0, b"")
    secret = CREDENTIALS[kind & 1].secret
    vector = b"any sixteen byte" if kind & 2 else secret[:16] if kind & 4 else bytes(16)
    # The fuzzer also chooses the bytes of the padding.
    padded = text if kind & 16 and text and not len(text) % 16 else pad(text, 16)
    if kind & 8:
        return "02-" + base64.b64encode(AES.new(secret, AES.MODE_ECB).encrypt(padded)).decode()
    start = vector if kind & 2 else b""
    encrypted = start + AES.new(secret, AES.MODE_CBC, iv=vector).encrypt(padded)
    return ("01-" if kind & 1 else "") + base64.b64encode(encrypted).decode()


def spells(read: Token, header: str) -> bool:
    """Return whether a header is the same token in another spelling, or none."""
    try:
        return tokens.decode(header, algorithms=ALGORITHMS) == read
    except TokenMalformed:
        # In the other alphabet `01-` is `01+`, which is not a prefix.
        return not header.startswith(("01-", "02-"))


def check_claims(read: Token, iv: Iv) -> None:
    """A token is accepted if and only if a slow reading by Roomle's page accepts it."""
    expected = set(readings(read, iv))
    try:
        claims = tokens.verify(read, CREDENTIALS, iv=iv)
    except TokenUnverified:
        assert not expected
    else:
        assert told(claims) in expected
        old = abs(claims.issued_at - NOW.timestamp()) > MAX_AGE
        assert claims.is_expired(NOW.timestamp(), max_age=MAX_AGE) is old


def told(claims: Claims) -> tuple[int, str]:
    assert repr(claims.data) not in repr(claims)
    return round(claims.issued_at * 1000), claims.credential.api_key


def readings(read: Token, iv: Iv) -> Iterator[tuple[int, str]]:
    """Every time and API key that a token can contain under any reading."""
    for credential in CREDENTIALS:
        for plain in decrypted(read, credential.secret, iv):
            try:
                found = TEXT.fullmatch(unpad(plain, 16))
            except ValueError:
                continue
            if found and found[11] == credential.api_key.encode():
                moment = moment_of(found)
                if moment is not None:
                    yield moment, credential.api_key


def decrypted(read: Token, secret: bytes, iv: Iv) -> Iterator[bytes]:
    if read.algorithm == "02":
        yield AES.new(secret, AES.MODE_ECB).decrypt(read.data)
    elif iv == "prefix":
        yield AES.new(secret, AES.MODE_CBC, iv=read.data[:16]).decrypt(read.data[16:])
    else:
        for vector in (bytes(16), secret[:16]):
            yield AES.new(secret, AES.MODE_CBC, iv=vector).decrypt(read.data)


def moment_of(found: re.Match[bytes]) -> int | None:
    """Milliseconds since the epoch; None for a date, time or offset that doesn't exist."""
    sign, hours, minutes = found[8] or b"+", int(found[9] or 0), int(found[10] or 0)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if sign == b"-" else 1)
    if abs(offset) >= timedelta(days=1):
        return None
    try:
        year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    since = local - datetime(1970, 1, 1, tzinfo=UTC) - offset
    return since // timedelta(milliseconds=1) + int(found[7])


def event(data: bytes) -> None:
    """Use the bytes as a body, and use the result as the receiver does."""
    body = written(data[1:]) if data[:1] == b"=" else data
    try:
        read = events.validate(events.read(body))
    except RoomleMailError as err:
        if isinstance(err, InvalidEvent):
            # Fields are named in the log: only our names, and nothing from the sender.
            known = {"", "event", "data", *(f"data.{field}" for field in FIELDS)}
            assert set(err.fields) <= known, err.fields
        return
    if read is None:
        return
    assert read.name in events.EVENTS
    local, _, domain = read.recipient.rpartition("@")
    assert local
    assert "." in domain
    assert not UNSAFE.search(read.recipient.replace("'", ""))
    assert not set(read.recipient) & set(",;:()[]")
    assert read.recipient.count("@") == 1
    assert read.configuration_id or read.item_id
    if read.name != events.EXPORT:
        assert read.url
    elif read.success is not False:
        assert read.result_url
    folded = events.normalize_address(read.recipient)
    assert events.normalize_address(folded) == folded
    queued = Queued("id", read.payload, "recipient", 0.0, "correlation")
    assert Queued.load(queued.dump()) == queued
    assert events.validate(queued.event) == read
    for link in filter(None, (read.url, read.result_url)):
        language = events.link_language(link)
        assert language is None or language == language.casefold()
        check_link(link)


def written(lines: bytes) -> bytes:
    """Build a body from lines: one for the event, one for each field; after `=` comes raw JSON.

    With this format the fuzzer need not discover JSON's syntax by itself.
    """
    name, *values = (line(each) for each in lines.split(b"\n"))
    pairs = zip(FIELDS, values, strict=False)
    data = ",".join(f'"{field}":{value}' for field, value in pairs if value)
    return f'{{"event":{name or '""'},"data":{{{data}}}}}'.encode("utf-8", "surrogatepass")


def line(value: bytes) -> str:
    text = value.decode("utf-8", "surrogateescape")
    return text[1:] if text[:1] == "=" else json.dumps(text) if text else ""


def check_link(link: str) -> None:
    try:
        rebuilt = events.rebuild_link(link, HOSTS)
    except LinkNotAllowed:
        return
    parts = urlsplit(rebuilt)
    assert (parts.scheme, parts.port, parts.username, parts.password) == ("https", None, None, None)
    host = str(parts.hostname)
    assert host == "test.roomle.com" or host.endswith(".brand.example")
    assert rebuilt.startswith(f"https://{host}/")
    # The rebuilt link leads to the same place.
    authority = re.split(r"[/?#]", link)[2].lower()
    assert re.fullmatch(rf"{re.escape(host)}(:0*(443)?)?", authority), authority
    assert not UNSAFE.search(rebuilt), rebuilt
    assert events.rebuild_link(rebuilt, HOSTS) == rebuilt


CHECKS = {"token": token, "event": event}
