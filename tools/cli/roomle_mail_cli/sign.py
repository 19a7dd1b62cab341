"""Make Roomle's tokens and sign API Gateway events with them: for tools and tests only.

The shipped code makes tokens in one form, and only for its calls to Roomle. Roomle's page
"Authentication" gives the form. What it leaves open (the initialisation vector of ``01``, the
spelling of the time zone) is an argument here, so that each choice can be tried.

    python -m roomle_mail_cli.sign events/receiver/saved_configuration.json |
        sam local invoke ReceiverFunction --event - --env-vars events/env.json
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
from typing import Any, Literal, TypedDict, Unpack

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

# Roomle's page "Authentication" publishes this pair as its example; it protects nothing.
EXAMPLE_API_KEY = "aValidApiKey"
EXAMPLE_SECRET = "a-Secr3t_Str1ng!"

type Algorithm = Literal["01", "02", "none"]
type Iv = Literal["zero", "key", "prefix"]
type Alphabet = Literal["standard", "url"]


class Form(TypedDict, total=False):
    """The form of a token; the defaults are what Roomle most likely uses.

    ``algorithm`` is ``01`` (AES/CBC), ``02`` (AES/ECB) or ``none`` (AES/CBC without a prefix).
    ``iv`` is where CBC's vector comes from: ``zero`` bytes, the ``key``'s first sixteen, or
    ``prefix``: ``nonce`` or random bytes, sent in front of the ciphertext. ``alphabet`` and
    ``padding`` are base64's; ``zone`` ends the timestamp as Java's ``X`` does: ``Z``, ``+01``,
    ``+0530``.
    """

    algorithm: Algorithm
    iv: Iv
    nonce: bytes
    alphabet: Alphabet
    padding: bool
    zone: str


def format_timestamp(moment: datetime, *, zone: str = "Z") -> str:
    """Write a moment, aware of its time zone, in Java's ``yyyy-MM-dd'T'HH:mm:ss.SSSX``."""
    if zone == "Z":
        local = moment.astimezone(UTC)
    else:
        sign = -1 if zone[0] == "-" else 1
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5] or 0))
        local = moment.astimezone(timezone(sign * offset))
    return local.replace(tzinfo=None).isoformat(timespec="milliseconds") + zone


def encrypt(text: bytes, *, secret: str, form: Form) -> bytes:
    """Encrypt a token's plain text; with ``prefix`` the vector comes before the ciphertext."""
    key = secret.encode()
    padded = pad(text, AES.block_size)
    if form.get("algorithm") == "02":
        return AES.new(key, AES.MODE_ECB).encrypt(padded)
    iv = form.get("iv", "zero")
    if iv == "prefix":
        vector = form.get("nonce") or secrets.token_bytes(AES.block_size)
    else:
        vector = bytes(AES.block_size) if iv == "zero" else key[: AES.block_size]
    ciphertext = AES.new(key, AES.MODE_CBC, iv=vector).encrypt(padded)
    return vector + ciphertext if iv == "prefix" else ciphertext


def encode(ciphertext: bytes, form: Form) -> str:
    """Encode a ciphertext as a header's value."""
    url = form.get("alphabet") == "url"
    text = (base64.urlsafe_b64encode if url else base64.b64encode)(ciphertext).decode()
    if not form.get("padding", True):
        text = text.rstrip("=")
    algorithm = form.get("algorithm", "01")
    return text if algorithm == "none" else f"{algorithm}-{text}"


def make_token(
    *,
    now: datetime,
    api_key: str,
    secret: str,
    session: str = "anonymous",
    **form: Unpack[Form],
) -> str:
    """Make the value of Roomle's ``token`` header."""
    timestamp = format_timestamp(now, zone=form.get("zone", "Z"))
    text = f"{timestamp};{session};{api_key}".encode()
    return encode(encrypt(text, secret=secret, form=form), form)


def stamp(event: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """Return a copy of an API Gateway event that arrives ``now``, with its token unchanged."""
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
    header: str = "token",
    **form: Unpack[Form],
) -> dict[str, Any]:
    """Return a copy of an API Gateway payload 2.0 event that arrives ``now`` with a fresh token.

    The event's token is replaced, and its header keeps its name. Without a ``session`` the token
    gets a random one, so that two events signed in the same millisecond are not replays of each
    other.
    """
    if session is None:
        session = secrets.token_hex(16)
    signed = stamp(event, now=now)
    headers: dict[str, str] = signed.setdefault("headers", {})
    header = next((name for name in headers if name.lower() == header.lower()), header)
    headers[header] = make_token(now=now, api_key=api_key, secret=secret, session=session, **form)
    return signed


def keeps_its_token(path: Path) -> bool:
    """Return whether a fixture's fault is the token itself (``"sign": false``)."""
    expectations = path.resolve().parent.parent / "expected.json"
    if not expectations.is_file():
        return False
    name = f"{path.resolve().parent.name}/{path.stem}"
    return json.loads(expectations.read_text()).get(name, {}).get("sign") is False


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; key and secret come from the environment or are Roomle's example."""
    parser = argparse.ArgumentParser(
        prog="python -m roomle_mail_cli.sign",
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
    """Print one event, signed now; a fixture whose fault is the token gets only the new time."""
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
