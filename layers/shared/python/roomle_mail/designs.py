"""An event's configuration, item or plan -> its design: picture, name, size.

Roomle's REST API is called in threads beside the calls to AWS, within one time box. The pages of
its reference leave much open, so nothing that it answers is relied on: what fails, is late, odd or
too large is left out of the email, and nothing here changes an answer.

A time-out bounds one read, so a server that drips can keep a thread busy for longer than the box.
The box ends anyway, and no other lookup begins before that thread has ended, so at most one is left
behind.
"""

import json
import re
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Thread
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import urljoin

import urllib3

from roomle_mail import errors, tokens
from roomle_mail.emails import Design, visible_name
from roomle_mail.events import Event, rebuild_link
from roomle_mail.settings import Settings
from roomle_mail.tokens import Credential

DESIGN_WITHIN = 1.0  # seconds
RESTS_FOR = 300.0  # seconds without a call, after an outage
_MAX_ANSWER = 256 * 1024
_MAX_PICTURE = 4 * 1024 * 1024  # 1024 x 1024 pixels without any compression
_CHUNK = 16 * 1024
_MAX_REDIRECTS = 3
_SHORTEST, _LONGEST = 2, 50_000  # millimetres, as formats.py writes them
_LENGTHS = ("width", "depth", "height")
_OK, _TOO_MANY_REQUESTS, _SERVER_ERROR = 200, 429, 500
_NOT_FOR_US, _NOT_THERE, _REDIRECTS = (400, 401, 403), (404, 410), (301, 302, 303, 307, 308)
# Gmail shows no SVG, and Outlook no WebP.
_PICTURES = ("image/png", "image/jpeg", "image/gif")

type Environment = Literal["live", "test"]

_BASES: Mapping[Environment, str] = {
    "live": "https://api.roomle.com/v2",
    "test": "https://www.test.roomle.com/api/v2",
}
_API_HOSTS = ("api.roomle.com", "www.roomle.com", "www.test.roomle.com")
_UPLOADS = "https://uploads.roomle.com"
_TEST_LINK = re.compile(r"https://(?:[a-z0-9-]+\.)*test\.roomle\.com(?![a-z0-9.-])", re.IGNORECASE)
_ROOMLE = re.compile(r"https://(?:[a-z0-9-]+\.)*roomle\.com(?=/)")

# What may stand in a path: no slash, no dots alone, nothing that would have to be escaped.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"


class Wanted(NamedTuple):
    """What an email may show, and its language. Empty `catalogs` allow any."""

    show: Collection[str]
    picture_hosts: Collection[str]
    catalogs: Collection[str]
    language: str


class _Kind(NamedTuple):
    """What an id may name: its pattern, its place in Roomle's REST reference, and its picture."""

    id: re.Pattern[str]
    path: str
    key: str
    picture: str | None = None


_COMPONENT = _Kind(re.compile(f"{_PART}:{_PART}"), "components", "component")
_ITEM = _Kind(_COMPONENT.id, "items", "item")
_PLAN = _Kind(
    re.compile("ps_[A-Za-z0-9_-]{1,99}"), "planSnapshots", "planSnapshot", "plans/{}/thumbnail.png"
)
_CONFIGURATION = _Kind(
    re.compile(f"{_PART}:{_PART}:[A-Za-z0-9]{{1,128}}"),
    "configurations",
    "configuration",
    "configurations/{}/perspectiveImage.png",
)


class _Without(Exception):
    """Something is left out of the email; the message says why, in our own words."""


class _Outage(_Without):
    """Roomle can't be reached or fails, so it is left alone for a while."""


class _Late(_Without):
    """Roomle's answer takes longer than the time box."""


class _Refused(_Without):
    """Roomle does not take our credentials."""


class _Unknown(_Without):
    """Roomle does not have it."""


@dataclass(slots=True)
class Designs:
    """Looks designs up; made once for an execution environment.

    `stand_in` is the base URL of what plays Roomle on a local stack. Our tokens have the form of
    those that Roomle sends: `token_algorithm`, `token_iv`.
    """

    on: bool
    stand_in: str | None
    token_algorithm: str
    token_iv: tokens.Iv
    _failed_at: dict[Environment, float] = field(default_factory=dict)
    _last: "Lookup | None" = None

    @classmethod
    def by(cls, settings: Settings) -> Self:
        """As a deployment chose."""
        # Where both are allowed, the better one.
        algorithm = "01" if "01" in settings.token_algorithms else "02"
        return cls(settings.designs, settings.roomle_api, algorithm, settings.token_iv)

    def begin(
        self,
        event: Event,
        wanted: Wanted,
        *,
        credential: Callable[[], Credential | None],
        now: float,
        spare: float,
    ) -> "Lookup":
        """Begin to look up an event's design, and return at once.

        `credential` is called in the lookup's thread. `now` is in seconds since the epoch, `spare`
        are the seconds that the caller can do without: half of them are used, one at most.
        """
        within = min(DESIGN_WITHIN, spare / 2)
        lookup = Lookup(self, event, wanted, now, within)
        if not wanted.show:
            return lookup
        resting = now - self._failed_at.get(lookup.environment, float("-inf"))
        against = {
            "switched off": not self.on,
            "odd id": lookup.kind is None,
            "other catalog": not lookup.is_of_catalog(lookup.catalog),
            "no time left": within <= 0,
            "outage": 0 <= resting < RESTS_FOR,
            "busy": self._last is not None and self._last.is_running(),
        }
        lookup.problems += [reason for reason, holds in against.items() if holds][:1]
        if not lookup.problems:
            self._last = lookup
            lookup.start(credential)
        return lookup

    def rest(self, environment: Environment, now: float) -> None:
        """Stop calling this environment of Roomle's for a while."""
        self._failed_at[environment] = now


class Lookup:
    """The lookup of one event's design.

    `outcome` is for the log: what is shown, and why the rest is not. It stays None where the email
    shows nothing that such a design can have.
    """

    def __init__(
        self, designs: Designs, event: Event, wanted: Wanted, now: float, within: float
    ) -> None:
        """Prepare a lookup that may take `within` seconds from now."""
        self.id = event.configuration_id or event.item_id or ""
        self.catalog = self.id.partition(":")[0]
        kinds = (_CONFIGURATION, _ITEM, _PLAN)
        self.kind = next((kind for kind in kinds if kind.id.fullmatch(self.id)), None)
        # A shop's own deep link names no host of Roomle's, but the other link may.
        is_test = any(_TEST_LINK.match(link or "") for link in (event.url, event.result_url))
        self.environment: Environment = "test" if is_test else "live"
        self.outcome: str | None = None
        self.problems: list[str] = []
        self._designs = designs
        self._wanted = wanted
        self._language = _primary(wanted.language)
        self._now = now
        self._ends = time.monotonic() + within
        # What is late in less time than Roomle usually gets is no outage.
        self._has_full_time = within >= DESIGN_WITHIN
        self._found: dict[str, Any] = {}
        self._outage = False
        self._late = False
        self._thread: Thread | None = None

    def start(self, credential: Callable[[], Credential | None]) -> None:
        """Run it in a thread of its own."""
        self._thread = Thread(target=self._try, args=(self._look, credential), daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            self.problems.append("no thread")

    def is_running(self) -> bool:
        """Whether its thread has not ended yet."""
        return self._thread is not None and self._thread.is_alive()

    def is_of_catalog(self, name: object) -> bool:
        """Whether the brand shows designs of this catalogue."""
        return not self._wanted.catalogs or name in self._wanted.catalogs

    def result(self) -> Design:
        """Wait until it has ended or its time is up, and return what was found by then."""
        if self._thread is not None:
            self._thread.join(max(0.0, self._ends - time.monotonic()))
        is_late = self.is_running()
        is_outage = self._outage or ((is_late or self._late) and self._has_full_time)
        # What a late thread still does must change neither the email nor its line in the log.
        found, problems = dict(self._found), {*self.problems, *["late"] * is_late}
        if is_outage:
            self._designs.rest(self.environment, self._now)
        if self._wanted.show:
            self.outcome = _told(found, problems) or None
        return Design(**found)

    # --- in its own threads -------------------------------------------------------------------

    def _try(self, part: Callable[..., None], *given: object) -> None:
        try:
            part(*given)
        except _Without as err:
            self.problems.append(str(err))
            self._outage |= isinstance(err, _Outage)
            self._late |= isinstance(err, _Late)
        except Exception as err:  # noqa: BLE001 (whatever it is, the email goes out without)
            self.problems.append(type(err).__name__)

    def _look(self, credential: Callable[[], Credential | None]) -> None:
        headers = self._headers(credential)
        with urllib3.PoolManager(ssl_context=_tls()) as pool:
            self._ask(_Roomle(pool, headers, self._ends, self._designs.stand_in))

    def _ask(self, roomle: "_Roomle") -> None:
        assert self.kind is not None  # noqa: S101 (else it is not started)
        base, found = _BASES[self.environment], None
        try:
            found = roomle.get(f"{base}/{self.kind.path}/{self.id}", self.kind.key, self.id)
        except _Refused as err:
            # Anyone can see the pictures of configurations and plans.
            self.problems.append(str(err))
        else:
            if not self.is_of_catalog(found.get("catalog", self.catalog)):
                raise _Without("other catalog")
        picture = Thread(target=self._try, args=(self._picture, roomle, found or {}), daemon=True)
        picture.start()
        # Plans have no name and no size.
        if found is not None and self.kind is not _PLAN:
            self._try(self._size, found)
            self._try(self._name, roomle, found)
        picture.join()

    def _headers(self, credential: Callable[[], Credential | None]) -> dict[str, str]:
        """What every call must contain (Roomle's page "Authentication"), as far as it is known."""
        headers = {"User-Agent": "roomle-mail", "language": self._language}
        if self.kind is not _PLAN:
            # Roomle documents the header, but not what names a tenant.
            headers["currentTenant"] = self.catalog
        known = None
        with suppress(errors.RoomleMailError):
            known = credential()
        if known is not None:
            algorithm, iv = self._designs.token_algorithm, self._designs.token_iv
            headers["apiKey"] = known.api_key
            headers["token"] = tokens.issue(known, now=self._now, algorithm=algorithm, iv=iv)
        return headers

    def _picture(self, roomle: "_Roomle", found: Mapping[str, Any]) -> None:
        if "picture" not in self._wanted.show:
            return
        uploaded = self.kind.picture if self.kind else None
        link = found.get("perspectiveImage")
        if link is None and uploaded:
            link = f"{_UPLOADS}/{uploaded.format(self.id)}"
        if not isinstance(link, str):
            raise _Without("no picture")
        self._found["picture"] = roomle.find_picture(link, self._wanted.picture_hosts)

    def _size(self, found: Mapping[str, Any]) -> None:
        if "size" not in self._wanted.show:
            return
        lengths = {name: found.get(name) for name in _LENGTHS}
        if not all(map(_is_length, lengths.values())):
            raise _Without("no size")
        self._found |= lengths

    def _name(self, roomle: "_Roomle", found: Mapping[str, Any]) -> None:
        if "name" not in self._wanted.show:
            return
        root = found.get("rootComponentId")
        if self.kind is _CONFIGURATION and isinstance(root, str) and _COMPONENT.id.fullmatch(root):
            found, catalog = self._root(roomle, root), root.partition(":")[0]
            if not all(map(self.is_of_catalog, (catalog, found.get("catalog", catalog)))):
                raise _Without("other catalog")
        language, label = found.get("language"), found.get("label")
        is_foreign = isinstance(language, str) and _primary(language) != self._language
        name = visible_name(label) if isinstance(label, str) else None
        if is_foreign or name is None:
            raise _Without("no name")
        self._found["name"] = name

    def _root(self, roomle: "_Roomle", identifier: str) -> Mapping[str, Any]:
        base = _BASES[self.environment]
        with suppress(_Unknown):
            return roomle.get(f"{base}/components/{identifier}", "component", identifier)
        # Roomle's pages disagree on whether it names a component or an item.
        return roomle.get(f"{base}/items/{identifier}", "item", identifier)


@dataclass(slots=True)
class _Roomle:
    """Calls to Roomle until the time is up. Each raises _Without."""

    pool: urllib3.PoolManager
    headers: Mapping[str, str] = field(repr=False)  # the API key and a token
    ends: float  # on the monotonic clock
    stand_in: str | None

    def get(self, url: str, key: str, identifier: str) -> Mapping[str, Any]:
        """The object that an id names."""
        _, response = self._send("GET", url, _API_HOSTS, self.headers)
        with response, _only_answers():
            _check(response.status)
            if "json" not in response.headers.get("Content-Type", "").lower():
                raise _Without("odd answer")
            body = self._read(response)
        try:
            found: Mapping[str, Any] = json.loads(body.decode())[key]
            is_other = found.get("id", identifier) != identifier
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as err:
            raise _Without("odd answer") from err
        if is_other:
            raise _Without("odd answer")
        return found

    def find_picture(self, link: str, hosts: Collection[str]) -> str:
        """Where a picture really is, on an allowed host."""
        url, response = self._send("HEAD", _allowed(link, hosts), hosts, {})
        with response:
            try:
                _check(response.status)
            except (_Refused, _Unknown) as err:
                raise _Without("no picture") from err
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            size = response.headers.get("Content-Length")
        is_sized = size is None or (size.isdecimal() and 0 < int(size[:9]) <= _MAX_PICTURE)
        if media_type not in _PICTURES or not is_sized:
            raise _Without("no picture")
        return url

    def _send(
        self, method: str, url: str, hosts: Collection[str], headers: Mapping[str, str]
    ) -> tuple[str, urllib3.BaseHTTPResponse]:
        """Ask, and follow redirects to these hosts: the last URL and its answer."""
        for _ in range(1 + _MAX_REDIRECTS):
            with _only_answers():
                response = self.pool.request(
                    method, self._routed(url), headers=headers,
                    timeout=urllib3.Timeout(total=self._time_left()),
                    redirect=False, retries=False, preload_content=False, decode_content=False,
                )  # fmt: skip
            if response.status not in _REDIRECTS:
                return url, response
            response.close()
            try:
                target = urljoin(url, response.headers["Location"])
            except (KeyError, ValueError) as err:
                raise _Without("odd answer") from err
            url = _allowed(target, hosts)
        raise _Without("odd answer")

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        body = b""
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > _MAX_ANSWER:
                raise _Without("too large")
            self._time_left()
        return body

    def _time_left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise _Late("late")
        return left

    def _routed(self, url: str) -> str:
        """Where a URL leads: on a local stack, Roomle's hosts are the stand-in."""
        return url if self.stand_in is None else _ROOMLE.sub(self.stand_in, url)


def _told(found: Collection[str], problems: Collection[str]) -> str:
    shown = [each for each in ("picture", "name") if each in found] + ["size"] * ("width" in found)
    words = {"shown": shown, "without": sorted(problems)}
    return "; ".join(f"{word}: {', '.join(which)}" for word, which in words.items() if which)


@contextmanager
def _only_answers() -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.HTTPError as err:
        # To urllib3 a connection that can't be made is a time-out too.
        unreachable = isinstance(err, urllib3.exceptions.NewConnectionError)
        if isinstance(err, urllib3.exceptions.TimeoutError) and not unreachable:
            raise _Late("late") from err
        raise _Outage("no answer") from err


def _allowed(url: str, hosts: Collection[str]) -> str:
    try:
        return rebuild_link(url, hosts)
    except errors.LinkNotAllowed as err:
        raise _Without("other host") from err


def _check(status: int) -> None:
    if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
        raise _Outage("failing")
    if status in _NOT_FOR_US:
        raise _Refused("refused")
    if status in _NOT_THERE:
        raise _Unknown("unknown id")
    if status != _OK:
        raise _Without("odd answer")


def _is_length(value: Any) -> bool:  # noqa: ANN401 (whatever JSON has)
    # NaN is neither shorter nor longer, and True is a number to Python.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and _SHORTEST <= value <= _LONGEST


def _primary(language: str) -> str:
    """The language without script and region: Roomle's own links have two letters."""
    return language.replace("_", "-").partition("-")[0].casefold()


@cache
def _tls() -> ssl.SSLContext:
    # Once: reading the system's certificates takes milliseconds.
    return ssl.create_default_context()
