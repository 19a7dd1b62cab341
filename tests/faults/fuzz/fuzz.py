"""Coverage-guided fuzzing of what reads a sender's bytes: the token, and the body.

    python fuzz.py {token|event} CORPUS [libFuzzer's options]

Whatever comes, only our own errors may escape, and what is accepted holds to its promises, which
are checked here by other means than the code's own. tests/faults/test_fuzzing.py runs it.
"""

from __future__ import annotations

import base64
import re
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit

import atheris

with atheris.instrument_imports(include=["roomle_mail", "urllib.parse"]):
    from roomle_mail import events, tokens
    from roomle_mail.delivery import Queued
    from roomle_mail.errors import InvalidEvent, LinkNotAllowed, RoomleMailError, TokenRejected
    from roomle_mail.tokens import Credential

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

CREDENTIALS = (
    Credential("exampleKeyForTests", b"example-secret-0"),
    Credential("anotherKey", b"0123456789abcdef01234567"),
)
NOW = datetime(2026, 3, 1, 12, 0, 30, 123_000, tzinfo=UTC)
MAX_AGE = 300
HOSTS = ("test.roomle.com", "*.brand.example")
CONTROL = re.compile(r"[^!-~]|[\"<>'\\]")


def fuzz_token(data: bytes) -> None:
    """Take the bytes for a header, or for a plain text that somebody with the key encrypted."""
    if not data:
        return
    kind, rest = data[0], data[1:]
    if kind % 2:
        header = rest.decode("latin-1")
    else:
        secret = CREDENTIALS[kind // 2 % 2].secret
        cipher = AES.new(secret, AES.MODE_CBC, iv=bytes(16))
        header = base64.b64encode(cipher.encrypt(pad(rest, 16))).decode()
    for iv in ("fixed", "prefix"):
        try:
            token = tokens.decode(header, algorithms=("01", "02"))
            claims = tokens.verify(token, CREDENTIALS, now=NOW.timestamp(), iv=iv, max_age=MAX_AGE)
        except TokenRejected:
            continue
        if kind % 2 == 0 and iv == "fixed":
            timestamp, _, _ = rest.partition(b";")
            moment = datetime.strptime(timestamp.decode("ascii"), "%Y-%m-%dT%H:%M:%S.%f%z")
            assert abs((moment - NOW).total_seconds()) <= MAX_AGE
            assert rest.endswith(b";" + claims.credential.api_key.encode())
            assert rest.count(b";") >= 2
        assert abs(claims.issued_at - NOW.timestamp()) <= MAX_AGE
        respelled = header.replace("+", "-").replace("/", "_").rstrip("=")
        again = tokens.decode(respelled, algorithms=("01", "02"))
        assert again == token


def fuzz_event(data: bytes) -> None:
    """Take the bytes for a body, and use what comes of it as the receiver does."""
    try:
        event = events.parse(data)
    except RoomleMailError as err:
        if isinstance(err, InvalidEvent):
            # Fields are named in the log: names of ours, and nothing of the sender's.
            assert all(re.fullmatch(r"[A-Za-z.]*", field) for field in err.fields), err.fields
        return
    if event is None:
        return
    assert event.name in events.EVENTS
    local, at, domain = event.recipient.rpartition("@")
    assert local
    assert at
    assert "." in domain
    assert not CONTROL.search(event.recipient.replace("'", ""))
    assert not set(event.recipient) & set(",;: ()[]")
    events.fold_address(event.recipient)
    queued = Queued("id", event.payload, "recipient", 0.0, "correlation")
    assert Queued.load(queued.dump()) == queued
    assert events.validate(queued.event) == event
    for link in (event.url, event.result_url):
        language = events.link_language(link)
        assert language is None or language == language.casefold()
        if link is not None:
            check_link(link)


def check_link(link: str) -> None:
    try:
        rebuilt = events.rebuild_link(link, HOSTS)
    except LinkNotAllowed:
        return
    parts = urlsplit(rebuilt)
    assert (parts.scheme, parts.port, parts.username, parts.password) == ("https", None, None, None)
    host = str(parts.hostname)
    assert host == "test.roomle.com" or host.endswith(".brand.example")
    assert not CONTROL.search(rebuilt), rebuilt
    assert events.rebuild_link(rebuilt, HOSTS) == rebuilt


if __name__ == "__main__":
    target = {"token": fuzz_token, "event": fuzz_event}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
