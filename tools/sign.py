"""Make Roomle's tokens and sign API Gateway events with them: for tools and tests only.

The shipped code never makes a token. Roomle's page "Authentication" gives the form; what it leaves
open (the initialisation vector of ``01``, the time zone's spelling) is an argument here, so that
each choice can be tried.

    python -m tools.sign events/receiver/saved_configuration.json | sam local invoke ReceiverFunction -e -
"""

import argparse
import base64
import copy
import json
import os
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

# Roomle's page "Authentication" publishes this pair as its example; it protects nothing.
EXAMPLE_API_KEY = "aValidApiKey"
EXAMPLE_SECRET = "a-Secr3t_Str1ng!"  # noqa: S105 - published by Roomle

type Algorithm = Literal["01", "02", "none"]
type Iv = Literal["zero", "key", "prefix"]
type Alphabet = Literal["standard", "url"]


def format_timestamp(moment: datetime, *, zone: str = "Z") -> str:
    """Write a moment in Java's pattern ``yyyy-MM-dd'T'HH:mm:ss.SSSX``.

    ``moment`` is aware of its time zone. ``zone`` is ``Z`` or an offset as ``X`` and ``XX`` write
    it, ``+01`` or ``+0530``.
    """
    if zone == "Z":
        local = moment.astimezone(UTC)
    else:
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0))
        local = moment.astimezone(timezone(sign * offset))
    # strftime's %Y does not pad years below 1000 on every platform; isoformat does.
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds") + zone


def encrypt(
    text: bytes, *, secret: str, algorithm: Algorithm = "01", iv: Iv = "zero", nonce: bytes = b""
) -> bytes:
    """Encrypt a token's plain text; returns the ciphertext, behind its vector if ``iv="prefix"``.

    ``nonce`` is that vector, 16 bytes; a random one where none is given.
    """
    key = secret.encode()
    padded = pad(text, AES.block_size)
    if algorithm == "02":
        return AES.new(key, AES.MODE_ECB).encrypt(padded)
    if iv == "prefix":
        vector = nonce or secrets.token_bytes(AES.block_size)
    else:
        vector = bytes(AES.block_size) if iv == "zero" else key[: AES.block_size]
    ciphertext = AES.new(key, AES.MODE_CBC, iv=vector).encrypt(padded)
    return vector + ciphertext if iv == "prefix" else ciphertext


def encode(
    ciphertext: bytes,
    *,
    algorithm: Algorithm = "01",
    alphabet: Alphabet = "standard",
    padding: bool = True,
) -> str:
    """Spell a ciphertext as a header's value; the algorithm ``none`` leaves out its prefix."""
    encoder = base64.b64encode if alphabet == "standard" else base64.urlsafe_b64encode
    text = encoder(ciphertext).decode()
    if not padding:
        text = text.rstrip("=")
    return text if algorithm == "none" else f"{algorithm}-{text}"


def make_token(
    *,
    now: datetime,
    api_key: str,
    secret: str,
    session: str = "anonymous",
    algorithm: Algorithm = "01",
    iv: Iv = "zero",
    nonce: bytes = b"",
    alphabet: Alphabet = "standard",
    padding: bool = True,
    zone: str = "Z",
) -> str:
    """Make the value of Roomle's ``token`` header.

    ``algorithm`` is ``01`` (AES/CBC), ``02`` (AES/ECB) or ``none`` (AES/CBC without a prefix);
    ``iv`` says where CBC's vector comes from: ``zero`` bytes, the ``key``'s first sixteen, or
    ``prefix``: ``nonce`` or random bytes in front of the ciphertext.
    """
    text = f"{format_timestamp(now, zone=zone)};{session};{api_key}".encode()
    ciphertext = encrypt(text, secret=secret, algorithm=algorithm, iv=iv, nonce=nonce)
    return encode(ciphertext, algorithm=algorithm, alphabet=alphabet, padding=padding)


def stamp(event: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return a copy of an API Gateway event that arrives ``now``, its token untouched."""
    stamped = copy.deepcopy(event)
    context = stamped.setdefault("requestContext", {})
    context["timeEpoch"] = int(now.timestamp() * 1000)
    context["time"] = now.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return stamped


def sign(
    event: dict[str, Any],
    *,
    now: datetime,
    api_key: str,
    secret: str,
    session: str | None = None,
    algorithm: Algorithm = "01",
    iv: Iv = "zero",
    nonce: bytes = b"",
    alphabet: Alphabet = "standard",
    padding: bool = True,
    zone: str = "Z",
    header: str = "token",
) -> dict[str, Any]:
    """Return a copy of an API Gateway payload 2.0 event that arrives ``now`` with a fresh token.

    Whatever token the event had is replaced. Without a ``session`` the token gets a random one, so
    that two events signed in the same millisecond are not replays of each other.
    """
    signed = stamp(event, now=now)
    headers: dict[str, str] = signed.setdefault("headers", {})
    for name in [name for name in headers if name.lower() == header.lower()]:
        del headers[name]
    headers[header] = make_token(
        now=now,
        api_key=api_key,
        secret=secret,
        session=secrets.token_hex(16) if session is None else session,
        algorithm=algorithm,
        iv=iv,
        nonce=nonce,
        alphabet=alphabet,
        padding=padding,
        zone=zone,
    )
    return signed


def keeps_its_token(path: Path) -> bool:
    """Tell whether a fixture's token is itself what is wrong with it (``"sign": false``)."""
    expectations = path.resolve().parent.parent / "expected.json"
    if not expectations.is_file():
        return False
    name = f"{path.resolve().parent.name}/{path.stem}"
    return json.loads(expectations.read_text()).get(name, {}).get("sign") is False


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; key and secret come from the environment or are Roomle's example."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.sign",
        description="Print an API Gateway event as if Roomle had sent it now.",
    )
    parser.add_argument("event", type=Path, help="a file of events/receiver, or - for stdin")
    parser.add_argument("--algorithm", choices=("01", "02", "none"), default="01")
    parser.add_argument("--iv", choices=("zero", "key", "prefix"), default="zero")
    parser.add_argument("--alphabet", choices=("standard", "url"), default="standard")
    parser.add_argument("--no-padding", dest="padding", action="store_false")
    parser.add_argument("--zone", default="Z", help="Z, +01, +0530 ... (default: %(default)s)")
    parser.add_argument("--session", help="the session token (default: a random one)")
    parser.add_argument("--header", default="token", help="the header's name")
    parser.add_argument(
        "--api-key",
        default=os.environ.get("ROOMLE_API_KEY", EXAMPLE_API_KEY),
        help="default: $ROOMLE_API_KEY, else Roomle's public example",
    )
    parser.add_argument(
        "--secret",
        default=os.environ.get("ROOMLE_SECRET", EXAMPLE_SECRET),
        help="default: $ROOMLE_SECRET, else Roomle's public example",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one event, signed anew; a fixture whose token is the fault only gets the new time."""
    options = vars(parse_arguments(arguments))
    path: Path = options.pop("event")
    text = sys.stdin.read() if str(path) == "-" else path.read_text()
    event, now = json.loads(text), datetime.now(UTC)
    if str(path) != "-" and keeps_its_token(path):
        fresh = stamp(event, now=now)
    else:
        fresh = sign(event, now=now, **options)
    json.dump(fresh, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
