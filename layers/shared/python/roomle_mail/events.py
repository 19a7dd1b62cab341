"""body -> Event. Pure.

Roomle's page "Webhook" documents the fields. The payload has grown over time, so unknown fields
are kept and passed on; what is known is checked, since it ends up in an email.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from roomle_mail.errors import BodyMalformed, InvalidEvent, LinkNotAllowed, NoTemplate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXPORT = "email.3DExportAsset"
EVENTS = (
    "email.savedConfiguration",
    "email.shareConfiguration",
    "email.shareConfigurationAR",
    EXPORT,
)

_MAX_ADDRESS, _MAX_LOCAL_PART, _MAX_LINK = 254, 64, 4_096

# RFC 5321 mailbox in its plain form: no quoting, comments, display names or address literals. A
# comma or line break would address somebody else; an address outside ASCII is left to Roomle.
_ADDRESS = re.compile(
    r"(?P<local>[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]",
)
_LINK = re.compile(r"[!-\[\]-~]+")  # visible ASCII without the backslash
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")

_Text = Annotated[StrictStr, Field(max_length=_MAX_LINK)]


class Payload(BaseModel):
    """The envelope: what every event of Roomle's has."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    event: Annotated[StrictStr, Field(min_length=1, max_length=100)]


class EmailData(BaseModel):
    """`data` of the `email.*` events."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    email: StrictStr
    success: StrictBool | None = None
    configurationId: _Text | None = None  # noqa: N815 (Roomle's names)
    itemId: _Text | None = None  # noqa: N815
    configuratorId: _Text | None = None  # noqa: N815
    url: _Text | None = None
    resultUrl: _Text | None = None  # noqa: N815


class EmailPayload(Payload):
    """The envelope of the `email.*` events."""

    data: EmailData


@dataclass(frozen=True, slots=True)
class Event:
    """One event that owes a person an email.

    `recipient` is the checked address; `url` is the link to the content and `result_url` the one
    to the 3D asset, both as Roomle sent them (`rebuild_link` before use); `payload` is all that
    Roomle sent.
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


def parse(body: bytes) -> Event | None:
    """Read a POST's body; None for an event that owes nobody an email.

    Raises BodyMalformed, InvalidEvent, and NoTemplate for an email that we don't know.
    """
    try:
        payload = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as err:
        raise BodyMalformed from err
    return validate(payload)


def validate(payload: object) -> Event | None:
    """Like parse, for JSON that is already read."""
    name = _validated(Payload, payload).event
    # Roomle writes `email.`; anything that only resembles it may owe an email too, and an answer
    # of 501 never loses one, as "ignored" would.
    if not name.strip().casefold().startswith("email"):
        return None
    if name not in EVENTS:
        raise NoTemplate
    assert isinstance(payload, dict)  # noqa: S101 (for the type checker: it was validated)
    data = _validated(EmailPayload, payload).data
    problems = [
        *(["data.email"] if not _is_address(data.email) else []),
        *(["data.configurationId"] if not (data.configurationId or data.itemId) else []),
        *(["data.url"] if name != EXPORT and not data.url else []),
        # A failed export has nothing to link to; any other has.
        *(
            ["data.resultUrl"]
            if name == EXPORT and data.success is not False and not data.resultUrl
            else []
        ),
    ]
    if problems:
        raise InvalidEvent(*problems)
    return Event(
        name=name,
        recipient=data.email,
        success=data.success,
        configuration_id=data.configurationId or None,
        item_id=data.itemId or None,
        configurator_id=data.configuratorId or None,
        url=data.url or None,
        result_url=data.resultUrl or None,
        payload=payload,
    )


def rebuild_link(link: str, hosts: Collection[str]) -> str:
    """The link put together anew from its checked parts; raises LinkNotAllowed.

    `hosts` are exact names, or `*.name` for all below a name (not the name itself).
    """
    if not _LINK.fullmatch(link) or len(link) > _MAX_LINK:
        raise LinkNotAllowed
    try:
        parts = urlsplit(link)
        host, port = parts.hostname or "", parts.port
    except ValueError as err:
        raise LinkNotAllowed from err
    if (
        parts.scheme != "https"
        or "@" in parts.netloc
        or port not in (None, 443)
        or not _HOST.fullmatch(host)
        or not _host_allowed(host, hosts)
    ):
        raise LinkNotAllowed
    query = f"?{_quoted(parts.query)}" if parts.query else ""
    fragment = f"#{_quoted(parts.fragment)}" if parts.fragment else ""
    return f"https://{host}{_quoted(parts.path) or '/'}{query}{fragment}"


def link_language(link: str | None) -> str | None:
    """The language that a link asks for, lower case, if it asks for one.

    Roomle's events have no locale; a share link may carry query parameters of the shop's own.
    """
    try:
        parameters = parse_qsl(urlsplit(link or "").query, max_num_fields=100)
    except ValueError:
        return None
    for name, value in parameters:
        if name.casefold() in {"lang", "language", "locale"}:
            return value.casefold()
    return None


def fold_address(address: str) -> str:
    """One spelling for one mailbox, for counting: letter case, `+tag`, trailing dots."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local.partition('+')[0].rstrip('.')}@{domain.rstrip('.')}"


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text) if len(text) <= _MAX_ADDRESS else None
    return match is not None and len(match["local"]) <= _MAX_LOCAL_PART


def _host_allowed(host: str, hosts: Collection[str]) -> bool:
    if host in hosts:
        return True
    labels = host.split(".")
    return any(f"*.{'.'.join(labels[start:])}" in hosts for start in range(1, len(labels)))


def _quoted(part: str) -> str:
    # Everything that a URL may hold stays; what could end an HTML attribute or a line does not.
    return quote(part, safe="/?:@!$&()*+,;=-._~%")


def _validated[Model: BaseModel](model: type[Model], payload: object) -> Model:
    try:
        return model.model_validate(payload)
    except ValidationError as err:
        # Only where and of what kind: pydantic's messages repeat the values.
        found = err.errors(include_input=False, include_url=False, include_context=False)
        raise InvalidEvent(*(".".join(map(str, each["loc"])) for each in found)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal keys they take, so a body that has them is nobody's.
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError
    return result


def _refuse(_constant: str) -> NoReturn:
    raise ValueError


def _finite(number: str) -> float:
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise ValueError
    return value
