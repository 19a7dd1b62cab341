"""What Roomle's API says about a design, and which doubts about the API its answers settle.

Roomle's REST reference, its web SDK and public code disagree or are silent in places; no call of
ours was ever answered before an operator runs this. The functions themselves rely on none of it:
whatever fails, an email goes out without the design.
"""

from __future__ import annotations

import json
import secrets
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import urllib3

from roomle_mail import tokens
from roomle_mail_cli import sign
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from roomle_mail.tokens import Credential

type Environment = Literal["live", "test"]

# Where the API may be: Roomle's REST reference, its web SDK, public code.
BASES: Mapping[Environment, tuple[str, ...]] = {
    "live": ("https://api.roomle.com/v2", "https://www.roomle.com/api/v2"),
    "test": ("https://www.test.roomle.com/api/v2",),
}
UPLOADS = "https://uploads.roomle.com"
PATIENCE = 5.0  # seconds for each call, much more than an email waits
_MOST = 4 * 1024 * 1024  # bytes of an answer that are read
_OK, _ERROR, _NOT_FOUND = 200, 400, 404
_LENGTHS = ("width", "depth", "height")
_KINDS = {"configuration": "configurations", "item": "items", "plan": "planSnapshots"}
_NAMES = {"configuration": "configuration", "item": "item", "plan": "planSnapshot"}
_CONFIGURATION_PARTS, _ITEM_PARTS = 3, 2


@dataclass(frozen=True, slots=True)
class Subject:
    """What to ask about: an id, what it names, and which of Roomle's databases it is in."""

    id: str
    kind: Literal["configuration", "item", "plan"]
    environment: Environment

    @classmethod
    def of(cls, text: str, *, test: bool) -> Subject:
        """Read an id, or a link to a design; raises CliError."""
        if text.startswith(("http://", "https://")):
            parts = urlsplit(text)
            query = "&".join((parts.query, parts.fragment.rpartition("?")[2]))
            found = parse_qs(query).get("id")
            if not found:
                raise CliError("The link has no parameter `id`.", "Give the id.", code=Exit.USAGE)
            host = f".{parts.hostname}"
            text, test = found[0], test or host.endswith(".test.roomle.com")
        environment: Environment = "test" if test else "live"
        parts_of = len(text.split(":"))
        if not text.isascii() or not text.isprintable() or set(text) & set("/?#% \\"):
            raise CliError(f"{text!r} is not an id of Roomle's.", _FORM, code=Exit.USAGE)
        if text.startswith("ps_"):
            return cls(text, "plan", environment)
        if parts_of == _CONFIGURATION_PARTS and all(text.split(":")):
            return cls(text, "configuration", environment)
        if parts_of == _ITEM_PARTS and all(text.split(":")):
            return cls(text, "item", environment)
        raise CliError(f"{text!r} is not an id of Roomle's.", _FORM, code=Exit.USAGE)

    @property
    def has(self) -> tuple[str, ...]:
        """What Roomle may know of it: a plan has no name and no size."""
        return ("picture",) if self.kind == "plan" else ("picture", "name", "size")

    @property
    def catalog(self) -> str:
        """The catalogue, the id's first part."""
        return self.id.partition(":")[0]

    @property
    def component(self) -> str:
        """The id's first two parts."""
        return ":".join(self.id.split(":")[:2])

    @property
    def path(self) -> str:
        """The path below a base."""
        return f"/{_KINDS[self.kind]}/{self.id}"

    @property
    def picture(self) -> str | None:
        """Where its picture should be."""
        if self.kind == "plan":
            return f"{UPLOADS}/plans/{self.id}/thumbnail.png"
        if self.kind == "configuration":
            return f"{UPLOADS}/configurations/{self.id}/perspectiveImage.png"
        return None


_FORM = (
    "A configuration is catalogue:item:hash, an item catalogue:item, a plan ps_...; or give the "
    "design's link in quotes."
)


@dataclass(slots=True)
class Call:
    """One call and what came of it. `problem` says why there is no complete answer."""

    what: str
    method: str
    url: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    seconds: float = 0.0
    problem: str = ""

    @property
    def json(self) -> Any:  # noqa: ANN401 (whatever it is)
        """The answer as JSON; None if it is none."""
        try:
            return json.loads(self.body.decode())
        except (ValueError, RecursionError):
            return None

    def content(self, name: str) -> dict[str, Any]:
        """The object under a key of the answer; empty if it isn't there."""
        read = self.json if self.status == _OK else None
        found = read.get(name) if isinstance(read, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def media_type(self) -> str:
        """The answer's type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def told(self) -> str:
        """The outcome in a few words."""
        if self.problem:
            return self.problem
        kind = f" {self.media_type}" if self.media_type else ""
        return f"{self.status}{kind}"

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "what": self.what,
            "method": self.method,
            "url": self.url,
            "status": self.status,
            "seconds": round(self.seconds, 3),
            **({"problem": self.problem} if self.problem else {}),
        }


@dataclass(slots=True)
class Roomle:
    """Asks Roomle, or what stands in for all its hosts; `calls` is what was asked."""

    stand_in: str | None
    calls: list[Call] = field(default_factory=list)
    # Calls that were given up keep their connections for a while.
    pool: urllib3.PoolManager = field(default_factory=partial(urllib3.PoolManager, maxsize=32))

    def ask(self, what: str, url: str, headers: Mapping[str, str], *, method: str = "GET") -> Call:
        """Make one call, follow no redirect, and wait five seconds at most."""
        if self.stand_in:
            parts = urlsplit(url)
            url = f"{self.stand_in.rstrip('/')}{parts.path}"
        call = Call(what, method, url)
        self.calls.append(call)
        began = time.monotonic()
        # A time-out counts for each read, so a server that drips would outlast it.
        asking = threading.Thread(target=self._ask, args=(call, headers), daemon=True)
        asking.start()
        asking.join(PATIENCE)
        if asking.is_alive():
            call = self.calls[-1] = Call(what, method, url)
            call.problem = f"no complete answer within {PATIENCE:.0f} s"
        call.seconds = time.monotonic() - began
        return call

    def _ask(self, call: Call, headers: Mapping[str, str]) -> None:
        try:
            with self.pool.request(
                call.method, call.url, headers={"User-Agent": "roomle-mail"} | dict(headers),
                timeout=PATIENCE, redirect=False, retries=False, preload_content=False,
                decode_content=False,
            ) as response:  # fmt: skip
                call.status = response.status
                call.headers = {name.lower(): value for name, value in response.headers.items()}
                while len(call.body) <= _MOST and (chunk := response.read1(64 * 1024)):
                    call.body += chunk
                response.close()
            if len(call.body) > _MOST:
                call.problem = f"{call.status}, longer than {_MOST // 1024 // 1024} MB"
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as err:
            call.problem = _in_words(err)


def _in_words(err: Exception) -> str:
    """What is wrong with the way to Roomle, without addresses of objects."""
    known = {
        urllib3.exceptions.NameResolutionError: "its name can't be resolved",
        urllib3.exceptions.NewConnectionError: "no connection",
        urllib3.exceptions.SSLError: "TLS failed",
        urllib3.exceptions.ProxyError: "the proxy refuses it",
        urllib3.exceptions.TimeoutError: "no answer in time",
        urllib3.exceptions.IncompleteRead: "the answer breaks off",
        urllib3.exceptions.ProtocolError: "the connection was cut, or it is not HTTP",
    }
    return next((text for kind, text in known.items() if isinstance(err, kind)), "not readable")


# --- the doubts -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doubt:
    """A question that Roomle's documentation leaves open, and what the answers say to it."""

    question: str
    answer: str
    settled: bool = True

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"question": self.question, "answer": self.answer, "settled": self.settled}


@dataclass(slots=True)
class Inquiry:
    """One run: the subject, the asker and what was found out.

    `credential` is None for a tenant without an API key. `now` is in seconds since the epoch.
    """

    subject: Subject
    roomle: Roomle
    credential: Credential | None
    form: tuple[str, tokens.Iv]
    languages: tuple[str, ...]
    now: float
    base: str = ""
    found: dict[str, Any] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)

    def headers(self, language: str | None = None, token: str | None = None) -> dict[str, str]:
        """The four headers that every call must contain."""
        headers = {
            "language": language or self.languages[0],
            "currentTenant": self.subject.catalog,
        }
        if self.credential is not None:
            algorithm, iv = self.form
            own = tokens.issue(self.credential, now=self.now, algorithm=algorithm, iv=iv)
            headers |= {"apiKey": self.credential.api_key, "token": token or own}
        return headers

    def ask(self, what: str, path: str, headers: Mapping[str, str] | None = None) -> Call:
        """Ask below the base that works."""
        return self.roomle.ask(what, f"{self.base}{path}", headers or self.headers())

    def settle(self, question: str, answer: str) -> None:
        """Note an answer."""
        self.doubts.append(Doubt(question, answer))

    def leave(self, question: str, why: str) -> None:
        """Note that it stays open."""
        self.doubts.append(Doubt(question, why, settled=False))


def inquire(inquiry: Inquiry, step: Callable[[int], object]) -> None:
    """Ask all that can be asked; `step` is called after each question.

    Raises CliError if Roomle can't be reached at all.
    """
    calls = inquiry.roomle.calls
    for question in QUESTIONS:
        # Where the API does not answer, only the picture, on another host, is worth a try.
        if question in (_bases, _picture) or any(call.status is not None for call in calls):
            question(inquiry)
        step(1)
    if all(call.status is None for call in calls):
        problems = sorted({call.problem for call in calls})
        raise CliError(
            f"Roomle's API can't be reached: {'; '.join(problems)}.",
            "Check the network and the proxy. Meanwhile emails go out without designs.",
        )


def _bases(inquiry: Inquiry) -> None:
    question, subject = "Which base URL works?", inquiry.subject
    calls = {
        base: inquiry.roomle.ask(
            f"{subject.kind} at {base}", f"{base}{subject.path}", inquiry.headers()
        )
        for base in BASES[subject.environment]
    }
    name = _NAMES[subject.kind]
    working = [base for base, call in calls.items() if call.content(name)]
    inquiry.base = (working or [*calls])[0]
    inquiry.found = calls[inquiry.base].content(name)
    told = "; ".join(f"{base}: {call.told}" for base, call in calls.items())
    if working:
        inquiry.settle(question, told)
    else:
        inquiry.leave(question, f"none with this id ({told})")


def _token_forms(inquiry: Inquiry) -> None:
    question = "Which form of token is accepted?"
    credential = inquiry.credential
    if credential is None:
        inquiry.leave(question, "there is no API key to make one with")
        return
    make = partial(
        sign.make_token,
        now=datetime.fromtimestamp(inquiry.now, UTC),
        api_key=credential.api_key,
    )
    secret, size = credential.secret.decode(), len(credential.secret)
    forms = {
        "01, vector of zeros": make(secret=secret, algorithm="01", iv="zero"),
        "01, vector from the key": make(secret=secret, algorithm="01", iv="key"),
        "01, vector in front": make(secret=secret, algorithm="01", iv="prefix"),
        "02": make(secret=secret, algorithm="02"),
        "the word anonym": "anonym",
        "one of a wrong secret": make(secret=secrets.token_hex(size)[:size]),
    }
    calls = {
        form: inquiry.ask(f"token: {form}", inquiry.subject.path, inquiry.headers(token=token))
        for form, token in forms.items()
    }
    accepted = [form for form, call in calls.items() if _accepts(inquiry, call)]
    if not accepted:
        told = ", ".join(sorted({call.told for call in calls.values()}))
        inquiry.leave(question, f"none of those tried ({told})")
    elif len(accepted) == len(forms):
        inquiry.settle(question, "any, also one of a wrong secret: it is not checked")
    else:
        refused = [form for form in forms if form not in accepted]
        inquiry.settle(question, f"{'; '.join(accepted)}. Refused: {'; '.join(refused)}")


def _needed_headers(inquiry: Inquiry) -> None:
    question, all_four = "Which headers are needed?", inquiry.headers()
    if not inquiry.found:
        inquiry.leave(question, "no call with all four succeeded")
        return
    needed = []
    for name in all_four:
        rest = {key: value for key, value in all_four.items() if key != name}
        if not _accepts(inquiry, inquiry.ask(f"without {name}", inquiry.subject.path, rest)):
            needed.append(name)
    others = [name for name in all_four if name not in needed]
    inquiry.settle(
        question, f"{', '.join(needed) or 'none'}; not needed: {', '.join(others) or 'none'}"
    )


def _escaping(inquiry: Inquiry) -> None:
    question = "May an id be escaped in the path?"
    if ":" not in inquiry.subject.id or not inquiry.found:
        return
    path = f"/{_KINDS[inquiry.subject.kind]}/{quote(inquiry.subject.id, safe='')}"
    call = inquiry.ask("escaped id", path)
    inquiry.settle(question, "yes" if _accepts(inquiry, call) else f"no: {call.told}")


def _sizes(inquiry: Inquiry) -> None:
    question = "Does it have sizes, and in millimetres?"
    if inquiry.subject.kind == "plan" or not inquiry.found:
        return
    lengths = [inquiry.found.get(name) for name in _LENGTHS]
    told = " × ".join(str(each)[:20] for each in lengths)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in lengths)
    if numbers:
        inquiry.settle(question, f"{told} (width × depth × height): compare with the product")
    else:
        inquiry.leave(question, f"not three numbers: {told}")


def _first_parts(inquiry: Inquiry) -> None:
    question, subject = "Are an id's first two parts a component or an item?", inquiry.subject
    if subject.kind == "plan":
        return
    kinds = {"component": "components", "item": "items"}
    calls = {
        name: inquiry.ask(f"{name} of the id", f"/{place}/{subject.component}")
        for name, place in kinds.items()
    }
    known = [name for name, call in calls.items() if call.content(name)]
    root = inquiry.found.get("rootComponentId")
    about = "" if root is None else f"; rootComponentId is {_same(root, subject.component)}"
    if known:
        inquiry.settle(question, f"{' and '.join(known)}{about}")
    else:
        told = ", ".join(f"{name}: {call.told}" for name, call in calls.items())
        inquiry.leave(question, f"neither ({told}){about}")


def _label_languages(inquiry: Inquiry) -> None:
    question = "Does the header choose a label's language?"
    subject, labels = inquiry.subject, {}
    if subject.kind == "plan":
        return
    root = inquiry.found.get("rootComponentId")
    place, name = ("items", "item")
    path = f"/items/{subject.component}"
    if isinstance(root, str) and root.isprintable() and not set(root) & set("/?#% \\"):
        place, name = ("components", "component")
        path = f"/{place}/{root}"
    others = ("en", "de") if len(inquiry.languages) == 1 else ()
    for language in dict.fromkeys((*inquiry.languages, *others)):
        call = inquiry.ask(f"label in {language}", path, inquiry.headers(language))
        found = call.content(name)
        if isinstance(label := found.get("label"), str) and label:
            spoken = found.get("language")
            labels[language] = (label[:80], spoken if isinstance(spoken, str) else None)
    told = ", ".join(
        f"{asked}: {label!r}" + (f" (says it is {spoken})" if spoken else "")
        for asked, (label, spoken) in labels.items()
    )
    if not labels:
        inquiry.leave(question, "there is no label")
    elif len(labels) == 1:
        inquiry.leave(question, f"only one language has a label: {told}")
    elif len({label for label, _ in labels.values()}) == 1:
        inquiry.leave(question, f"the label is the same in all: {told}")
    else:
        inquiry.settle(question, f"yes: {told}")


def _picture(inquiry: Inquiry) -> None:
    question, subject = "Is the picture there, without credentials?", inquiry.subject
    named = inquiry.found.get("perspectiveImage")
    if subject.kind == "item":
        call = inquiry.ask(
            "picture of the item", f"{subject.path}/perspectiveImage", {"Accept": "*/*"}
        )
        place = urlsplit(call.headers.get("location", "")).hostname
        told = f"{call.told}, to {place}" if place else call.told
        inquiry.settle("What does an item's perspectiveImage answer?", told)
    url = subject.picture or (named if isinstance(named, str) else None)
    if url is None or not url.startswith("https://"):
        inquiry.leave(question, "no place of it is known")
        return
    if subject.picture and inquiry.found:
        told = "not named" if named is None else _same(named, subject.picture)
        inquiry.settle("Does perspectiveImage name the place that we know?", told)
    head = inquiry.roomle.ask("picture, HEAD", url, {}, method="HEAD")
    picture = inquiry.roomle.ask("picture", url, {})
    if picture.status != _OK or picture.problem:
        inquiry.leave(question, f"no: HEAD {head.told}, GET {picture.told}")
        return
    if not picture.media_type.startswith("image/"):
        inquiry.leave(question, f"no, that is no picture: HEAD {head.told}, GET {picture.told}")
        return
    size = f"{len(picture.body) / 1024:.0f} KB"
    inquiry.settle(question, f"yes: {picture.media_type}, {size}; HEAD answers {head.told}")
    inquiry.settle("Is the picture transparent?", transparency(picture.body))


def _errors(inquiry: Inquiry) -> None:
    question, subject = "What does an unknown id answer?", inquiry.subject
    zeros = "0" * 64
    unknown = f"ps_{zeros[:32]}" if subject.kind == "plan" else f"{subject.component}:{zeros}"
    if subject.kind == "item":
        unknown = f"{subject.catalog}:{zeros[:16]}"
    call = inquiry.ask("unknown id", f"/{_KINDS[subject.kind]}/{unknown}")
    if call.status is None:
        inquiry.leave(question, call.told)
    elif call.status < _ERROR:
        inquiry.leave(question, f"{call.told}, as if it was there")
    else:
        inquiry.settle(question, f"{call.status}, {shape(call.json)}")


def _limits(inquiry: Inquiry) -> None:
    names = sorted(
        {
            name
            for call in inquiry.roomle.calls
            for name in call.headers
            if "ratelimit" in name or "rate-limit" in name or name == "retry-after"
        }
    )
    question = "Does Roomle say what its rate limits are?"
    if names:
        inquiry.settle(question, f"in {', '.join(names)}")
    else:
        inquiry.leave(question, f"in no header of {len(inquiry.roomle.calls)} answers")


QUESTIONS = (
    *(_bases, _token_forms, _needed_headers, _escaping, _sizes, _first_parts),
    *(_label_languages, _picture, _errors, _limits),
)


def _accepts(inquiry: Inquiry, call: Call) -> bool:
    """Whether the credentials were accepted: the design came, or is missing as it was before."""
    if inquiry.found:
        return bool(call.content(_NAMES[inquiry.subject.kind]))
    return call.status is not None and call.status == _NOT_FOUND and not call.problem


def _same(value: object, expected: str) -> str:
    if value == expected:
        return "the same"
    return f"another: {str(value)[:120]}"


def shape(value: object, depth: int = 2) -> str:
    """The shape of JSON without its values: {"error": {"code": number, "message": text}}."""
    if isinstance(value, dict) and depth:
        inner = ", ".join(
            f'"{str(key)[:40]}": {shape(each, depth - 1)}' for key, each in value.items()
        )
        return f"{{{inner}}}"
    names = {
        bool: "true or false",
        dict: "object",
        list: "list",
        str: "text",
        type(None): "no JSON",
    }
    return next((name for kind, name in names.items() if isinstance(value, kind)), "number")


def transparency(data: bytes) -> str:
    """Whether a picture's corner is transparent, as far as a PNG tells it without decoding it all.

    The first pixel of a PNG's first row is stored as it is, under every filter (W3C's "Portable
    Network Graphics Specification", 9.2).
    """
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "it is not a PNG"
    chunks = dict[bytes, bytes]()
    try:
        for name, content in _chunks(data):
            chunks[name] = chunks.get(name, b"") + content
        width, height, bits, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
        size = f"{width} × {height} pixels"
        if colour in (4, 6) and bits == 8:  # noqa: PLR2004 (grey or RGB with alpha, 8 bits)
            first = zlib.decompressobj().decompress(chunks[b"IDAT"], 5)
            alpha = first[4] if colour == 6 else first[2]  # noqa: PLR2004 (RGB with alpha)
            seen = {0: "yes, its corner is", 255: "its corner is not"}.get(alpha, "partly")
            return f"{seen} ({size})"
    except (KeyError, ValueError, IndexError, struct.error, zlib.error):
        return "it is a broken PNG"
    return f"{'perhaps' if b'tRNS' in chunks else 'no'} ({size})"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def without_prices(found: Mapping[str, Any]) -> dict[str, object]:
    """What Roomle says about a design, but for prices and for the parts, which may hold some."""
    return {
        name: value[:200] if isinstance(value, str) else value
        for name, value in found.items()
        if isinstance(value, str | int | float | bool)
        and name != "parts"
        and "price" not in name.lower()
    }
