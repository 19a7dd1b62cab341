"""body -> Event. Pure.

Roomle's page "Webhook" documents the fields. The payload has grown over time, so unknown fields
are kept and passed on. Known fields are checked, since they end up in an email.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from roomle_mail import errors

EXPORT = "email.3DExportAsset"
EVENTS = (
    "email.savedConfiguration",
    "email.shareConfiguration",
    "email.shareConfigurationAR",
    EXPORT,
)

_MAX_ADDRESS, _MAX_LOCAL_PART, _MAX_LINK = 254, 64, 4_096
# Python reads JSON that is nested ten thousand deep. A queued event is one level deeper, so the
# receiver accepts less than the mailer can read.
_MAX_BRACKETS = 5_000

# RFC 5321 mailbox in its plain form: no quoting, comments, display names or address literals. A
# comma or line break would address somebody else; Roomle mails addresses outside ASCII itself.
_ADDRESS = re.compile(
    r"(?P<local>[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]",
)
# The generic syntax of RFC 3986, for https, a host of two labels or more and the default port: no
# user, no other port, no address literal; then visible ASCII without the backslash.
_LINK = re.compile(
    r"https://([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+)(?::(?:443)?)?"
    r'(/[!"$->@-\[\]-~]*)?(?:\?([!"$-\[\]-~]*))?(?:#([!-\[\]-~]*))?',
    re.ASCII | re.IGNORECASE,
)
# Percent-encodes what could end an HTML attribute or a line; what else a URL may hold stays.
_ODD = re.compile(r"[^A-Za-z0-9/?:@!$&()*+,;=._~%-]")
_HOST = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII)
_LANGUAGE = re.compile("lang|locale", re.ASCII | re.IGNORECASE)

# The fields in the terms of pydantic's core: importing pydantic's classes takes a fifth of a cold
# start. tools/contract_models.py has the classes, and a test holds both to the same verdict.
_TEXTS = ("configurationId", "itemId", "configuratorId", "url", "resultUrl")
_object = partial(core_schema.typed_dict_schema, extra_behavior="allow")
_required = core_schema.typed_dict_field


def _optional(schema: CoreSchema) -> core_schema.TypedDictField:
    return _required(core_schema.nullable_schema(schema), required=False)


_text = _optional(core_schema.str_schema(strict=True, max_length=_MAX_LINK))
_success = _optional(core_schema.bool_schema(strict=True))
_email = _required(core_schema.str_schema(strict=True))
_name = _required(core_schema.str_schema(strict=True, min_length=1, max_length=100))
EMAIL_DATA = _object({"email": _email, "success": _success, **dict.fromkeys(_TEXTS, _text)})
PAYLOAD = _object({"event": _name})
_payload, _email_data = SchemaValidator(PAYLOAD), SchemaValidator(EMAIL_DATA)


class Event(NamedTuple):
    """An event that calls for an email.

    `recipient` is the checked address. `url` is the link to the content and `result_url` the link
    to the 3D asset, both as Roomle sent them: use `rebuild_link`. `payload` is all that Roomle
    sent.
    """

    name: str
    recipient: str
    success: bool | None
    configuration_id: str | None
    item_id: str | None
    configurator_id: str | None
    url: str | None
    result_url: str | None
    payload: Mapping[str, Any]


def read(body: bytes) -> dict[str, Any]:
    """Read a POST's body as an event of any kind; raises BodyMalformed, InvalidEvent."""
    if body.count(b"[") + body.count(b"{") > _MAX_BRACKETS:
        raise errors.BodyMalformed
    try:
        payload = _DECODER.decode(body.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise errors.BodyMalformed from err
    return _validated(_payload, payload)


def validate(payload: object) -> Event | None:
    """Check an event, from a POST or from the queue; None if it calls for no email.

    Raises InvalidEvent, and NoTemplate for an unknown `email.*` event.
    """
    payload = _validated(_payload, payload)
    name = payload["event"]
    # Roomle writes `email.`. What only resembles it may call for an email too, and an answer of 501
    # never loses one, as "ignored" would.
    if not name.strip().casefold().startswith("email"):
        return None
    if name not in EVENTS:
        raise errors.NoTemplate
    data = _validated(_email_data, payload.get("data"), "data")
    # An empty text says as little as none.
    configuration, item, configurator, url, result = [data.get(text) or None for text in _TEXTS]
    address, success = data["email"], data.get("success")
    fine = {
        "data.email": _is_address(address),
        "data.configurationId": configuration or item,
        "data.url": url or name == EXPORT,
        # Only a failed export has nothing to link to.
        "data.resultUrl": result or name != EXPORT or success is False,
    }
    if problems := [place for place, holds in fine.items() if not holds]:
        raise errors.InvalidEvent(*problems)
    return Event(name, address, success, configuration, item, configurator, url, result, payload)


def rebuild_link(link: str, hosts: Collection[str], *, field: str = "") -> str:
    """Rebuild a link from its checked parts; raises LinkNotAllowed, which names the `field`.

    `hosts` are exact names, or `*.name` for all below a name (not the name itself).
    """

    def refused(problem: str) -> errors.LinkNotAllowed:
        return errors.LinkNotAllowed(problem, host=link_host(link), field=field)

    parts = _LINK.fullmatch(link) if len(link) <= _MAX_LINK else None
    if parts is None:
        raise refused("not a plain https link")
    host, path, query, fragment = parts.groups()
    host = host.lower()
    if not _host_allowed(host, hosts):
        raise refused("the brand does not list the host")
    place = f"{path or '/'}?{query}" if query else path or "/"
    fragment = f"#{_quoted(fragment)}" if fragment else ""
    rebuilt = f"https://{host}{_quoted(place)}{fragment}"
    # Quoting makes a link longer.
    if len(rebuilt) > _MAX_LINK:
        raise refused("too long once it is quoted")
    return rebuilt


def link_language(link: str) -> str | None:
    """The language that a link asks for in its query or after its `#`, in lower case.

    Roomle's events have no locale, but a share link may carry the shop's own parameters, and a page
    that finds its way by the fragment has them there: `https://shop.example/#/?id=a&lang=de`.
    """
    # Parsing parameters is slow, and few links have one of these.
    if not _LANGUAGE.search(link):
        return None
    try:
        parts = urlsplit(link)
        queries = (parts.query, parts.fragment.split("?", 1)[-1])
        parameters = [each for query in queries for each in parse_qsl(query, max_num_fields=100)]
    except ValueError:
        return None
    for name, value in parameters:
        if name.casefold() in {"lang", "language", "locale"}:
            return value.casefold()
    return None


def link_host(link: str | None) -> str | None:
    """The host that any link names, allowed or not; None if it names none that DNS could know."""
    try:
        host = urlsplit(link or "").hostname
    except ValueError:
        return None
    return host if host and _HOST.fullmatch(host) else None


def normalize_address(address: str) -> str:
    """One spelling for each mailbox, for counting: no capitals, no `+tag`, no trailing dots."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0].rstrip('.')}@{domain.rstrip('.')}"


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text) if len(text) <= _MAX_ADDRESS else None
    return match is not None and len(match["local"]) <= _MAX_LOCAL_PART


def _host_allowed(host: str, hosts: Collection[str]) -> bool:
    labels = host.split(".")
    above = (".".join(labels[place:]) for place in range(1, len(labels)))
    return host in hosts or any(f"*.{name}" in hosts for name in above)


def _quoted(part: str) -> str:
    return _ODD.sub(lambda odd: f"%{ord(odd[0]):02X}", part)


def _validated(validator: SchemaValidator, value: object, *place: str) -> dict[str, Any]:
    try:
        valid: dict[str, Any] = validator.validate_python(value)
    except ValidationError as err:
        # Only the places: pydantic's messages repeat the values.
        found = err.errors(include_input=False, include_url=False, include_context=False)
        places = (".".join(map(str, (*place, *each["loc"]))) for each in found)
        raise errors.InvalidEvent(*places) from None
    return valid


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers disagree on duplicate keys, so reject them.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError
    return result


def _finite(number: str) -> float:
    # Python reads NaN and Infinity, which are not JSON, and 1e999 as infinity.
    value = float(number)
    if not math.isfinite(value):
        raise ValueError
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_finite, parse_float=_finite)
