"""The stand-in's HTTP server."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from roomle_mail import tokens
from roomle_mail.errors import TokenRejected
from roomle_mail.tokens import Credential
from roomle_mail_cli.sign import EXAMPLE_API_KEY, EXAMPLE_SECRET
from tools.roomle_api import content, faults, pictures
from tools.roomle_api.content import Call
from tools.roomle_api.faults import Reply
from tools.stack.emulator import HOST

# What "every call must contain" (Roomle's page "Authentication"). How a tenant is named is not
# documented, so by default the stand-in does not need that header.
HEADERS = ("apiKey", "token", "currentTenant", "language")
NEEDED = ("apiKey", "token", "language")
ROOMLE = ".roomle.com"
WORKS = faults.Fault("works")
# For other programs: GET lists the faults, PUT sets one by its name, DELETE ends it.
SWITCH = "/_faults"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that came; `target` as it was written, header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(slots=True)
class RoomleApi:
    """The stand-in. `fault` names what is wrong with all answers; see `faults.choice`.

    `token_forms` are those that it accepts: an algorithm, for 01 with its initialisation vector
    ("fixed" or "prefix"), or `anonym`, which Roomle's own sample uses. Without the headers in
    `needed` it refuses a call. `further_credentials` is called for each request.
    """

    url: str = ""
    fault: str | None = None
    credentials: tuple[Credential, ...] = (Credential(EXAMPLE_API_KEY, EXAMPLE_SECRET.encode()),)
    token_forms: frozenset[str] = frozenset(("01 fixed", "01 prefix", "02"))
    needed: tuple[str, ...] = NEEDED
    checks_tokens: bool = True
    further_credentials: Callable[[], Iterable[Credential]] = tuple
    requests: list[Request] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        if handler.path == SWITCH:
            faults.send(handler, self._switch(handler))
            return
        self.requests.append(Request(handler.command, handler.path, headers))
        call = Call.of(handler.path)
        if call is None:
            faults.send(handler, Reply.error(HTTPStatus.NOT_FOUND, "no such path"))
            return
        if call.needs_credentials and (problem := self._refusal(headers)):
            faults.send(handler, Reply.error(HTTPStatus.UNAUTHORIZED, problem))
            return
        fault, reply = self._decide(call, headers)
        (fault.send or faults.send)(handler, reply)

    def picture(self, url: str) -> tuple[str, bytes] | None:
        """The media type and the bytes of a picture, as a mail program gets it; None for none."""
        parts = urlsplit(url)
        call = Call.of(parts.path)
        if call is None or call.kind != "picture" or not f".{parts.hostname}".endswith(ROOMLE):
            return None
        _, reply = self._decide(call, {})
        media_type = reply.headers.get("Content-Type", "")
        return (media_type, reply.body) if media_type.startswith("image/") else None

    def _decide(self, call: Call, headers: Mapping[str, str]) -> tuple[faults.Fault, Reply]:
        """What is wrong with a call's answer, and the answer."""
        if call.is_unknown:
            return WORKS, Reply.error(HTTPStatus.NOT_FOUND, "unknown id")
        chosen = faults.of_id(call.id) or self.fault
        fault, strikes = faults.choice(chosen) if chosen else (WORKS, ())
        if call.kind not in strikes:
            fault = WORKS
        return fault, fault.reply(call, self._reply(call, fault, headers))

    def _reply(self, call: Call, fault: faults.Fault, headers: Mapping[str, str]) -> Reply:
        if call.kind == "item-picture":
            place = content.picture_of(call.id, "item")
            return Reply(HTTPStatus.TEMPORARY_REDIRECT, {"Location": place}, b"")
        if call.kind == "picture":
            picture = pictures.sofa(content.colour_of(call.id))
            return Reply(HTTPStatus.OK, {"Content-Type": "image/png"}, picture)
        found = fault.content(call, content.answer(call, headers.get("language", "")))
        return Reply.of({content.NAMES[call.kind]: found})

    def _refusal(self, headers: Mapping[str, str]) -> str | None:
        """What is wrong with the four headers; None if nothing is."""
        missing = [name for name in self.needed if not headers.get(name.lower())]
        if missing:
            return f"missing: {', '.join(missing)}"
        if not self.checks_tokens or ("token" not in self.needed and not headers.get("token")):
            return None
        return None if self._verifies(headers) else "the token is not valid"

    def _verifies(self, headers: Mapping[str, str]) -> bool:
        text = headers["token"]
        if text == "anonym":
            return text in self.token_forms
        tenants = (*self.credentials, *self.further_credentials())
        known = [each for each in tenants if each.api_key == headers.get("apikey")]
        for form in self.token_forms - {"anonym"}:
            algorithm, _, iv = form.partition(" ")
            with contextlib.suppress(TokenRejected):
                token = tokens.decode(text, algorithms=(algorithm,))
                tokens.verify(token, known, iv="prefix" if iv == "prefix" else "fixed")
                return True
        return False

    def _switch(self, handler: BaseHTTPRequestHandler) -> Reply:
        if handler.command == "PUT":
            length = int(handler.headers.get("Content-Length") or 0)
            name = handler.rfile.read(length).decode("utf-8", "replace").strip()
            try:
                faults.choice(name)
            except KeyError:
                return Reply.error(HTTPStatus.BAD_REQUEST, "no such fault")
            self.fault = name
        elif handler.command == "DELETE":
            self.fault = None
        known = {name: fault.label for name, fault in faults.FAULTS.items()}
        return Reply.of({"fault": self.fault, "faults": known})


@contextlib.contextmanager
def running(port: int = 0) -> Iterator[RoomleApi]:
    """Serve the stand-in on loopback during the block; port 0 takes a free one."""
    api = RoomleApi()

    class Handler(BaseHTTPRequestHandler):
        # Connections stay open, as Roomle's do.
        protocol_version = "HTTP/1.1"
        # Otherwise a body waits for the acknowledgement of its header.
        disable_nagle_algorithm = True

        def answer(self) -> None:
            with contextlib.suppress(ConnectionError):
                api.answer(self)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Print nothing when a client has gone."""

    with Server((HOST, port), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        api.url = f"http://{HOST}:{server.server_port}"
        try:
            yield api
        finally:
            server.shutdown()
