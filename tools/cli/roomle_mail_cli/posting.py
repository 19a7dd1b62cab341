"""An event as Roomle sends it: body, token, POST, answer."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from roomle_mail import events, tokens
from roomle_mail.errors import TokenRejected
from roomle_mail_cli import sign
from roomle_mail_cli.deployment import is_url
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roomle_mail.settings import Settings
    from roomle_mail.tokens import Credential

# Longer than API Gateway waits for the receiver.
PATIENCE = 35
# From Roomle's page "Webhook".
EXAMPLE_ID = "catalogId:itemId:2564B3D4E19A9C4605DAF5236F0ADFE80DA638F63A49D5D4C8260CB5FF48011C"
EXAMPLE_ASSET = "https://uploads.roomle.com/example/configuration.glb"
_REDIRECT, _SERVER_ERROR = 300, 500


@dataclass(frozen=True, slots=True)
class Request:
    """A POST that is ready to be sent."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """The webhook's answer. `date` is the server's clock, if the answer has one.

    `request_id` is API Gateway's, which lines have as correlation_id (its page "Logging variables":
    the header `apigw-requestid`).
    """

    status: int
    body: str
    seconds: float
    date: datetime | None
    request_id: str | None = None

    @property
    def fine(self) -> bool:
        """Whether Roomle does not send its own email (Roomle's page "Webhook")."""
        return self.status < _REDIRECT

    @property
    def told(self) -> tuple[str | None, str | None]:
        """The answer's `status` and `code`; None if API Gateway itself answered."""
        try:
            read = json.loads(self.body)
            return str(read["status"]), str(read["code"])
        except (ValueError, KeyError, TypeError):
            return None, None

    @property
    def unreceived(self) -> bool:
        """Whether the request can't have reached the receiver, so that no line tells of it.

        API Gateway answers 404, 403 or 429 by itself. With 500 or more the receiver may have run.
        """
        return self.told[1] is None and self.status < _SERVER_ERROR


def event_name(name: str) -> str:
    """Complete an event's name: `savedConfiguration` is `email.savedConfiguration`.

    Any other name has to be in full, with a dot. Raises CliError for what is most likely a typing
    error.
    """
    full = name if "." in name else f"email.{name}"
    if full in events.EVENTS:
        return full
    known = {each.casefold(): each for each in (*events.EVENTS, *short_names())}
    close = get_close_matches(name.casefold(), known, n=1)
    if "." in name and name.casefold() not in known:
        return name
    raise CliError(
        f"{name!r} is not an event." + (f" Did you mean {known[close[0]]}?" if close else ""),
        f"EVENT is one of {', '.join(short_names())}, or another name in full, with a dot.",
        code=Exit.USAGE,
    )


def short_names() -> list[str]:
    """The known events, as they are typed."""
    return [each.removeprefix("email.") for each in events.EVENTS]


def payload(
    name: str,
    *,
    to: str,
    url: str | None = None,
    configuration_id: str | None = None,
    item_id: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write an event; missing arguments are as in Roomle's example. `more` goes into `data`."""
    content = configuration_id or item_id or EXAMPLE_ID
    data: dict[str, Any] = {"success": True, "email": to}
    data |= {"itemId": item_id} if item_id else {"configurationId": content}
    link = url if url is not None else f"https://www.roomle.com/t/cp/?id={quote(content, safe=':')}"
    data["url"] = link
    if event_name(name) == events.EXPORT:
        data["resultUrl"] = EXAMPLE_ASSET
    return {"event": event_name(name), "data": data | dict(more or {})}


def accepted_form(settings: Settings) -> sign.Form:
    """The token form that a deployment accepts, with Roomle's choice where it accepts any."""
    return sign.Form(
        algorithm="01" if "01" in settings.token_algorithms else "02",
        iv="prefix" if settings.token_iv == "prefix" else "zero",
    )


def fresh_token(credential: Credential, form: sign.Form, *, age: float = 0, session: str) -> str:
    """Make a token that is `age` seconds old."""
    now = datetime.fromtimestamp(time.time() - age, UTC)
    return sign.make_token(
        now=now,
        api_key=credential.api_key,
        secret=credential.secret.decode(),
        session=session,
        **form,
    )


def event_id(token: str, body: bytes) -> str | None:
    """The event's id in the log; None if the token is malformed."""
    try:
        return _event_id(tokens.decode(token, algorithms=("01", "02")).data, body)
    except TokenRejected:
        return None


def refused_id(token: str, body: bytes) -> str:
    """The id in the log if the token is refused before it is read."""
    return _event_id(token.encode("utf-8", "replace"), body)


def _event_id(origin: bytes, body: bytes) -> str:
    return hashlib.sha256(origin + b"\0" + hashlib.sha256(body).digest()).hexdigest()[:32]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Does not follow redirects: for Roomle a redirect is a failure, and it sends its own email."""

    def redirect_request(self, *_: object) -> None:
        return None


def post(request: Request) -> Answer:
    """Send a POST and return the answer; raises CliError if none comes."""
    if not is_url(request.url):
        raise CliError(f"{request.url!r} is not an http(s) URL.", code=Exit.USAGE)
    opener = urllib.request.build_opener(_NoRedirect)
    prepared = urllib.request.Request(
        request.url, data=request.body, headers=request.headers, method="POST"
    )
    began = time.monotonic()
    try:
        with opener.open(prepared, timeout=PATIENCE) as response:
            return _answer(response, began)
    except urllib.error.HTTPError as refused:
        with refused:
            return _answer(refused, began)
    except ValueError as err:
        raise CliError(
            f"The request can't be sent: {err}",
            "Check the token, its header and the URL.",
            code=Exit.USAGE,
        ) from err
    except (OSError, HTTPException) as err:
        reason = getattr(err, "reason", err)
        raise CliError(
            f"{request.url} can't be reached: {reason}", "Check the URL and the network."
        ) from err


def _answer(response: Any, began: float) -> Answer:  # noqa: ANN401 (two classes alike)
    body = response.read(100_000).decode("utf-8", "replace")
    headers = response.headers
    return Answer(
        response.status,
        body,
        time.monotonic() - began,
        _date(headers["Date"]),
        headers["apigw-requestid"],
    )


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text or "")
    except ValueError:
        return None
