"""Explain a token: its spelling, how each key and vector decrypts it, what to change.

The receiver must not say why it refuses a token. This module does, for people who have the secret.
The verdict comes from the shipped code (`roomle_mail.tokens`), with the deployment's settings.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as Base64Error
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad
from Crypto.Util.strxor import strxor

from roomle_mail import tokens
from roomle_mail.errors import (
    TokenAlgorithmNotAllowed,
    TokenExpired,
    TokenMalformed,
    TokenRejected,
    TokenUnverified,
)
from roomle_mail_cli import forms, times
from roomle_mail_cli.deployment import aws_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roomle_mail.settings import Settings
    from roomle_mail.tokens import Credential
    from roomle_mail_cli.deployment import Deployment

BLOCK = tokens.BLOCK
MAX_CHARACTERS = 4_096
_TIMESTAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d(?:\d\d)?)")
# What stands behind the first block of a time in Roomle's form, or one close to it.
_REST_OF_TIME = re.compile(rb":\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?;")
_PREFIX = re.compile(r"(\d\d)-(.*)", re.ASCII | re.DOTALL)
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{32}|[0-9A-F]{32}){2,}")
_OTHERS = re.compile(r"[^A-Za-z0-9+/_=-]")

OVER = "AWSPREVIOUS, over"
UNENCRYPTED = (
    "03 is plain Base64 without encryption, which proves nothing: it can't be allowed. "
    "Roomle's support must switch the webhook to 01."
)

type Vector = Literal["zero", "key", "prefix"]
VECTORS: dict[Vector | None, str] = {
    "zero": "sixteen zero bytes",
    "key": "the key's first sixteen bytes",
    "prefix": "sixteen bytes in front of the ciphertext",
    None: "none, as in ECB",
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a header's value is written."""

    characters: int
    algorithm: str
    alphabet: str
    padded: bool
    size: int
    faults: list[str]
    data: bytes = field(repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything except the bytes."""
        return {name: value for name, value in asdict(self).items() if name != "data"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A token as decrypted with one key, algorithm and vector.

    `session` gives only the length, unless it is Roomle's `anonymous`, because it is personal.
    """

    api_key: str
    stage: str
    algorithm: str
    iv: Vector | None
    padding: bool
    timestamp: str | None
    session: str | None
    names: str | None
    """The API key that the text itself names."""
    fits: bool
    issued_at: float | None
    form: tuple[str, ...] = ()
    """How the text differs from Roomle's form, where all of it can be read."""

    @property
    def merit(self) -> tuple[int, ...]:
        """How likely a reading is, compared to others."""
        named = self.names == self.api_key
        return (self.fits, bool(self.form), self.timestamp is not None, named, self.padding)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything known about a token."""

    spelling: Spelling
    readings: list[Reading]
    verdict: str
    accepted: bool
    age: float | None
    advice: list[str]

    @property
    def best(self) -> Reading | None:
        """The reading that fits, or else the closest one."""
        return max(self.readings, key=lambda each: each.merit, default=None)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "accepted": self.accepted,
            "verdict": self.verdict,
            "age_seconds": self.age,
            "spelling": self.spelling.facts,
            "fits": [asdict(each) for each in self.readings if each.fits],
            "closest": asdict(self.best) if self.best and any(self.best.merit) else None,
            "advice": self.advice,
        }


def spell(header: str) -> Spelling:
    """Read as much of a header's value as possible."""
    match = _PREFIX.fullmatch(header)
    # The receiver's own rule: the reading that gives whole blocks.
    if match is not None and not _whole(_decode(header)):
        algorithm, text = match[1], match[2]
    else:
        algorithm, text = "none", header
    body = text.rstrip("=")
    faults = []
    if "," in header:
        faults.append("It has a comma: two token headers were joined.")
    elif strange := sorted(set(_OTHERS.findall(text))):
        faults.append(f"It has characters that are not Base64: {' '.join(map(repr, strange))}")
    if _HEXADECIMAL.fullmatch(text):
        faults.append("It is hexadecimal instead of Base64.")
    if re.search("[+/]", text) and re.search("[-_]", text):
        faults.append("It mixes the standard and the URL-safe alphabet.")
    if len(header) > MAX_CHARACTERS:
        faults.append(f"It is longer than {MAX_CHARACTERS} characters.")
    data = _decode(text)
    if not faults and algorithm != "03":
        if len(data) % BLOCK:
            faults.append(f"It has {len(data)} bytes, which are no whole AES blocks: cut off?")
        elif len(data) < 2 * BLOCK:
            faults.append("It has less than two AES blocks, too little for a timestamp.")
    return Spelling(
        characters=len(header),
        algorithm=algorithm,
        alphabet="URL-safe" if re.search("[-_]", text) else "standard",
        padded=text != body,
        size=len(data),
        faults=faults,
        data=data,
    )


def unseal(text: str, credentials: Iterable[Credential]) -> tuple[str, float] | None:
    """Open what `tokens.seal` wrote: the header, and when it came in seconds since the epoch.

    None if no credential opens it.
    """
    try:
        data = b64decode(text.removeprefix(tokens.SEALED), validate=True)
    except ValueError:
        return None
    vector, rest = data[: tokens.BLOCK], data[tokens.BLOCK :]
    for credential in credentials:
        try:
            cipher = AES.new(credential.seal_key, AES.MODE_CBC, iv=vector)
            opened = json.loads(unpad(cipher.decrypt(rest), tokens.BLOCK))
            return str(opened["token"]), float(opened["at"])
        except (ValueError, KeyError, TypeError):
            continue
    return None


def explain(
    header: str,
    credentials: Sequence[tuple[str, Credential]],
    settings: Settings | None,
    *,
    now: float,
) -> Explanation:
    """Explain a token. `credentials` come with their version's stage; `now` is epoch seconds.

    Without `settings` those of a new deployment apply.
    """
    spelling = spell(header)
    readings = _readings(spelling, credentials)
    best = max(readings, key=lambda each: each.merit, default=None)
    age = now - best.issued_at if best and best.issued_at is not None else None
    allowed = settings.token_algorithms if settings else frozenset({"01"})
    iv, max_age = (settings.token_iv, settings.token_max_age) if settings else ("fixed", 300)
    try:
        claims = tokens.verify(
            tokens.decode(header, algorithms=allowed),
            [each for stage, each in credentials if stage != OVER],
            iv=iv,
        )
        if claims.is_expired(now, max_age=max_age):
            raise TokenExpired
        verdict, accepted = "accepted", True
    except TokenRejected as err:
        verdict, accepted = _verdict(err), False
        if best and best.form and isinstance(err, TokenUnverified):
            verdict = "refused: the text can be read, but it does not have the form of a token's"
    advice = [] if accepted else _advice(spelling, best, allowed, iv, max_age, age)
    return Explanation(spelling, readings, verdict, accepted, age, advice)


def _verdict(err: TokenRejected) -> str:
    words = {
        TokenMalformed: "refused: it is not Base64 of whole AES blocks",
        TokenAlgorithmNotAllowed: "refused: this algorithm is not among TokenAlgorithms",
        TokenExpired: "refused: its time is too far from now",
    }
    return words.get(type(err), "refused: no secret makes a token's text of it under TokenIv")


def _advice(  # noqa: C901, PLR0911 (a list of cases, the first that holds)
    spelling: Spelling,
    best: Reading | None,
    allowed: frozenset[str],
    iv: str,
    max_age: float,
    age: float | None,
) -> list[str]:
    if spelling.algorithm == "03":
        return [UNENCRYPTED]
    if spelling.faults:
        return [*spelling.faults, "Capture the header again and copy all of it."]
    if best is None:
        return ["There is no secret to try."]
    if best.fits:
        found = _of_way("Deploy with", spelling, best, allowed, iv)
        if best.stage == OVER:
            found.append(
                "It was signed with the secret before the last change, whose SecretOverlap is "
                "over: set the new one at Roomle too."
            )
        if age is not None and abs(age) > max_age:
            when = "old" if age > 0 else "ahead"
            found.append(
                f"It is {abs(age):.0f} s {when} and may be {max_age:.0f} s at most "
                "(TokenMaxAge). That is normal for a captured token: --at tells when it came."
            )
        return found
    if best.form:
        return _of_form(best, _of_way("It would also need", spelling, best, allowed, iv))
    if best.timestamp is not None and best.padding and best.names is not None:
        names = f"the token names the API key {best.names!r}"
        return [
            f"The secret fits, but {names} and it is kept for {best.api_key!r}.",
            f"If that is your tenant's key: roomle-mail secret set {best.names}",
        ]
    if best.padding and best.names == best.api_key:
        return [
            "The key fits, because the text ends as it should; only the first block is unreadable.",
            "So the initialisation vector is none of the three that are known.",
            "If you know the minute in which it came, --at shows what it would be.",
        ]
    if _repeats(spelling.data):
        return ["Blocks repeat, so this looks like ECB; but no secret decrypts it."]
    return [
        "No secret decrypts it: the one in Rubens Admin and the one in Secrets Manager differ.",
        "A tenant without an API key in its settings signs with a default secret of Roomle's.",
    ]


def earlier_use(
    deployment: Deployment, header: str, credentials: Sequence[tuple[str, Credential]]
) -> str | None:
    """The table's record of a token; None if it was never used. Raises CliError."""
    settings = deployment.settings
    try:
        claims = tokens.verify(
            tokens.decode(header, algorithms=settings.token_algorithms),
            [each for stage, each in credentials if stage != OVER],
            iv=settings.token_iv,
        )
    except TokenRejected:
        return None
    if settings.token_reuse == "allow":
        return None  # then the body is part of the key
    with aws_errors():
        found = deployment.client("dynamodb").get_item(
            TableName=deployment.output("TableName"),
            Key={"key": {"S": f"token#{claims.replay_key.hex()}"}},
        )
    item = found.get("Item")
    if item is None:
        return None
    at = times.show(datetime.fromtimestamp(float(item["claimed"]["N"]), UTC))
    answer = f"{item['status']['N']} {item['code']['S']}" if "status" in item else "no answer yet"
    return f"at {at}: {answer}, event {item['event']['S']}"


def unknown_vector(spelling: Spelling, secret: bytes, moment: datetime) -> str:
    """The vector that would decrypt the first block to that minute.

    The first block holds exactly `yyyy-MM-dd'T'HH:mm`, so the minute reveals it. A vector that
    repeats a part of the secret is not shown.
    """
    block = AES.new(secret, AES.MODE_ECB).decrypt(spelling.data[:BLOCK])
    vector = strxor(block, moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M").encode())
    parts = {secret[start : start + 3] for start in range(len(secret) - 2)}
    if any(each in vector or each in vector[::-1] for each in parts):
        return "made from the secret"
    readable = vector.isascii() and vector.decode().isprintable()
    return f"{vector.hex()} ({vector.decode()!r})" if readable else vector.hex()


def _readings(spelling: Spelling, credentials: Sequence[tuple[str, Credential]]) -> list[Reading]:
    if spelling.faults or spelling.algorithm == "03" or not _whole(spelling.data):
        return []
    ways: tuple[tuple[str, Vector | None], ...] = (
        ("01", "zero"),
        ("01", "key"),
        ("01", "prefix"),
        ("02", None),
    )
    found = [
        _read(spelling.data, stage, credential, algorithm, iv)
        for (stage, credential), (algorithm, iv) in product(credentials, ways)
    ]
    # The prefix may name the wrong algorithm, so try both.
    return sorted(found, key=lambda each: each.merit, reverse=True)


def _read(
    data: bytes, stage: str, credential: Credential, algorithm: str, iv: Vector | None
) -> Reading:
    padded = _plain_text(data, credential.secret, algorithm, iv)
    text, padding = _unpadded(padded)
    timestamp, first, rest = text.partition(b";")
    session, second, names = rest.rpartition(b";")
    issued_at = _moment(timestamp)
    form = bool(first and second)
    fits = padding and form and issued_at is not None and names == credential.api_key.encode()
    names = names.strip()
    readable = form and names.isascii() and names.decode().isprintable()
    differs = () if fits else _differences(padded, credential.api_key, iv)
    if differs and issued_at is None:
        issued_at = forms.moment(timestamp.decode(errors="replace"))
    return Reading(
        api_key=credential.api_key,
        stage=stage,
        algorithm=algorithm,
        iv=iv,
        padding=padding,
        timestamp=timestamp.decode() if issued_at is not None else None,
        session=_masked(session) if readable and issued_at is not None else None,
        names=names.decode() if readable else None,
        fits=fits,
        issued_at=issued_at,
        form=differs,
    )


def _unpadded(padded: bytes) -> tuple[bytes, bool]:
    """A text without its PKCS5 padding, and whether it had one."""
    pad = padded[-1] if padded else 0
    right = 1 <= pad <= BLOCK and padded.endswith(bytes((pad,)) * pad)
    return (padded[: len(padded) - pad] if right else padded), right


def _differences(padded: bytes, api_key: str, iv: Vector | None) -> tuple[str, ...]:
    """How a text that can be read differs from Roomle's form; nothing if it can't be read."""
    text, padding = _unpadded(padded)
    told = []
    if not padding:
        text = padded.rstrip(b"\0")
        zeros = text != padded
        told = [f"It has {'zero bytes for' if zeros else 'no'} padding instead of PKCS5's."]
    readable, encoding = _decoded(text)
    told += encoding
    timed = forms.is_time(readable.strip().partition(";")[0])
    # Only Roomle knows what a session token may hold; a time is proof enough that the key fits.
    if not timed and not "".join(readable.split()).isprintable():
        return ()
    # Without its first block any CBC text can be read, so other vectors need better proof.
    if not timed and (iv == "prefix" or _REST_OF_TIME.match(text[BLOCK:])):
        return ()
    return (*told, *forms.differences(readable, api_key)) if readable.strip() else ()


def _decoded(text: bytes) -> tuple[str, list[str]]:
    """A text, and how its encoding differs from UTF-8 without a mark in front."""
    for encoding in ("utf-16-le", "utf-16-be"):
        readable = text.decode(encoding, errors="replace").removeprefix("\ufeff")
        if forms.is_time(readable.strip().partition(";")[0]):
            return readable, ["It is UTF-16 instead of UTF-8."]
    readable = text.decode(errors="surrogateescape")
    mark = ["It begins with a byte order mark."] if readable.startswith("\ufeff") else []
    return readable.removeprefix("\ufeff"), mark


def _plain_text(data: bytes, secret: bytes, algorithm: str, iv: Vector | None) -> bytes:
    if algorithm == "02":
        return AES.new(secret, AES.MODE_ECB).decrypt(data)
    if iv == "prefix":
        return AES.new(secret, AES.MODE_CBC, iv=data[:BLOCK]).decrypt(data[BLOCK:])
    vector = bytes(BLOCK) if iv == "zero" else secret[:BLOCK]
    return AES.new(secret, AES.MODE_CBC, iv=vector).decrypt(data)


def _moment(timestamp: bytes) -> float | None:
    if not _TIMESTAMP.fullmatch(timestamp):
        return None
    try:
        return datetime.fromisoformat(timestamp.decode()).timestamp()
    except ValueError:
        return None


def _masked(session: bytes) -> str:
    return "anonymous" if session == b"anonymous" else f"({len(session)} characters)"


def _whole(data: bytes) -> bool:
    return len(data) >= 2 * BLOCK and len(data) % BLOCK == 0


def _of_form(best: Reading, way: list[str]) -> list[str]:
    other = best.names not in (None, "", best.api_key)
    named = f"It names the API key {best.names!r}; the secret is kept for {best.api_key!r}."
    right = (
        f"The secret of {best.api_key!r} is right: don't change it. If Roomle made this token, it "
        "changed the form: ask its support."
    )
    form = f"Roomle's form is {forms.FORM}."
    return [*best.form, form, *([named] if other else []), *way, right]


def _of_way(
    begin: str, spelling: Spelling, best: Reading, allowed: frozenset[str], iv: str
) -> list[str]:
    """What to change so that the algorithm and the vector of a reading are accepted."""
    if spelling.algorithm in ("01", "02") and spelling.algorithm != best.algorithm:
        return [f"It is written as {spelling.algorithm} but encrypted as {best.algorithm}."]
    if best.algorithm not in allowed:
        wanted = ",".join(sorted({*allowed, "02"}))
        caution = "but docs/security.md says what 02 gives up."
        return [f"{begin} TokenAlgorithms={wanted}: {caution}"]
    if best.algorithm == "01" and (best.iv == "prefix") != (iv == "prefix"):
        wanted = "prefix" if best.iv == "prefix" else "fixed"
        return [f"{begin} TokenIv={wanted}: the vector is {VECTORS[best.iv]}."]
    return []


def _repeats(data: bytes) -> bool:
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    return len(set(blocks)) < len(blocks)


def _decode(text: str) -> bytes:
    """Decode Base64 of either alphabet, leniently; b"" if it can't be."""
    body = text.rstrip("=").replace("+", "-").replace("/", "_")
    if _OTHERS.search(body):
        return b""
    try:
        return urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return b""
