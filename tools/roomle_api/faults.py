"""What can be wrong with Roomle's answers, or with the way to them."""

import gzip
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from tools.roomle_api import pictures
from tools.roomle_api.content import SOFA, Call, Kind

JSON_KINDS: frozenset[Kind] = frozenset(("configuration", "component", "item", "plan"))
PICTURE_KINDS: frozenset[Kind] = frozenset(("picture", "item-picture"))
# Seconds. All are longer than an email waits for a design.
SLOW, HANGING, DRIP = 3.0, 30.0, 0.1
LARGE = 5 * 1024 * 1024
ELSEWHERE = "https://elsewhere.example/picture.png"
# Where a machine on AWS gets its role's credentials.
INSIDE = "http://169.254.169.254/latest/meta-data/"

type Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is sent; Content-Length is added then, unless it is there."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, content: object, status: int = HTTPStatus.OK) -> "Reply":
        """JSON. Like Python's own writer, it can write NaN, which no JSON has."""
        body = json.dumps(content, ensure_ascii=False).encode()
        return cls(status, {"Content-Type": "application/json;charset=utf-8"}, body)

    @classmethod
    def error(cls, status: int, text: str) -> "Reply":
        """An error; Roomle documents its key, not its form."""
        return cls.of({"error": {"code": status, "message": text}}, status)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Each part may change what the part before it has made.

    `label` completes "Roomle's API ...".
    """

    label: str
    content: Callable[[Call, Content], Content] = lambda _, content: content
    reply: Callable[[Call, Reply], Reply] = lambda _, reply: reply
    send: Callable[[BaseHTTPRequestHandler, Reply], None] | None = None


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Send an answer as a good server does."""
    _send_head(handler, reply)
    if handler.command != "HEAD":
        handler.wfile.write(reply.body)


def _send_head(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    for name, value in ({"Content-Length": str(len(reply.body))} | dict(reply.headers)).items():
        handler.send_header(name, value)
    handler.end_headers()


# --- the connection ---------------------------------------------------------------------------


def _late(handler: BaseHTTPRequestHandler, reply: Reply, *, seconds: float) -> None:
    time.sleep(seconds)
    send(handler, reply)


def _drip(handler: BaseHTTPRequestHandler, reply: Reply, *, head: bool = False) -> None:
    """Send byte by byte, so that no read ever times out."""
    if not head:
        _send_head(handler, reply)
    slowly = b"HTTP/1.1 200 OK\r\nX-Slow: " + b"-" * 1000 if head else reply.body
    for byte in slowly[:1000]:
        handler.wfile.write(bytes((byte,)))
        handler.wfile.flush()
        time.sleep(DRIP)
    handler.close_connection = True


def _endless(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    handler.send_response(reply.status)
    handler.send_header("Content-Type", reply.headers.get("Content-Type", ""))
    handler.end_headers()
    handler.close_connection = True
    ends = time.monotonic() + HANGING
    while handler.command != "HEAD" and time.monotonic() < ends:
        handler.wfile.write(b" " * 65_536)


def _hang_up(handler: BaseHTTPRequestHandler, _: Reply) -> None:
    handler.close_connection = True


def _reset(handler: BaseHTTPRequestHandler, _: Reply) -> None:
    # Lingering for no time at all makes the system reset the connection instead of closing it.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def _stop_halfway(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    _send_head(handler, reply)
    handler.wfile.write(reply.body[: len(reply.body) // 2])
    handler.close_connection = True


def _raw(handler: BaseHTTPRequestHandler, _: Reply, *, data: bytes) -> None:
    handler.wfile.write(data)
    handler.close_connection = True


# --- the answer -------------------------------------------------------------------------------


def _status(_: Call, reply: Reply, *, status: int) -> Reply:
    if status == HTTPStatus.NO_CONTENT:
        return replace(reply, status=status, body=b"")
    return Reply.error(status, HTTPStatus(status).phrase)


def _body(_: Call, reply: Reply, *, change: Callable[[bytes], bytes]) -> Reply:
    return replace(reply, body=change(reply.body))


def _header(_: Call, reply: Reply, *, name: str, value: str) -> Reply:
    return replace(reply, headers={**reply.headers, name: value})


def _page(_call: Call, _reply: Reply) -> Reply:
    page = b"<!doctype html><title>Roomle</title><p>We will be back soon.</p>"
    return Reply(HTTPStatus.OK, {"Content-Type": "text/html; charset=utf-8"}, page)


def _redirect(_call: Call, _reply: Reply, *, to: str | None) -> Reply:
    return Reply(HTTPStatus.FOUND, {"Location": to} if to is not None else {}, b"")


def _to_itself(call: Call, reply: Reply) -> Reply:
    ends = {"picture": "/perspectiveImage.png", "item-picture": "/perspectiveImage"}
    paths = {"component": "components", "item": "items", "plan": "planSnapshots"}
    path = paths.get(call.kind.removesuffix("-picture"), "configurations")
    return _redirect(call, reply, to=f"/{path}/{call.id}{ends.get(call.kind, '')}")


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 10 * LARGE)


def _compressed(_: Call, reply: Reply) -> Reply:
    headers = {**reply.headers, "Content-Encoding": "gzip"}
    return replace(reply, headers=headers, body=_bomb())


def _only_pictures(change: Callable[[Call, Reply], Reply], call: Call, reply: Reply) -> Reply:
    return change(call, reply) if call.kind in PICTURE_KINDS else reply


def _opaque(_: Call, reply: Reply) -> Reply:
    return replace(reply, body=pictures.sofa((90, 110, 130), transparent=False))


def _one_pixel(_: Call, reply: Reply) -> Reply:
    return replace(reply, body=pictures.sofa((90, 110, 130), size=1))


# --- the content ------------------------------------------------------------------------------


def _sizes(call: Call, content: Content, *, value: object) -> Content:
    del call
    return content | {name: value for name in ("width", "depth", "height") if name in content}


def _set(_: Call, content: Content, *, name: str, value: object) -> Content:
    return {**content, name: value} if name in content else content


def _without(_: Call, content: Content, *, names: tuple[str, ...]) -> Content:
    return {name: value for name, value in content.items() if name not in names}


def _digits(body: bytes) -> bytes:
    """Write each size as a number of five thousand digits, which Python's JSON refuses to read."""
    return re.sub(rb'("(?:width|height|depth)": )[0-9.]+', rb"\g<1>" + b"9" * 5000, body)


def _missing_unless(kind: Kind, call: Call, reply: Reply) -> Reply:
    others = {"component", "item"} - {kind}
    return _status(call, reply, status=404) if call.kind in others else reply


_DEEP = b"[" * 100_000 + b"]" * 100_000

FAULTS: Mapping[str, Fault] = {
    # the connection
    "slow": Fault("answers after three seconds", send=partial(_late, seconds=SLOW)),
    "hangs": Fault("takes the request and says nothing", send=partial(_late, seconds=HANGING)),
    "dripping": Fault("answers one byte every tenth of a second", send=_drip),
    "dripping-header": Fault("answers its header byte by byte", send=partial(_drip, head=True)),
    "endless": Fault("answers without an end", send=_endless),
    "hangs-up": Fault("closes the connection without an answer", send=_hang_up),
    "reset": Fault("resets the connection", send=_reset),
    "half": Fault("closes the connection in the middle of its answer", send=_stop_halfway),
    "not-http": Fault("answers something that is not HTTP", send=partial(_raw, data=b"hello\r\n")),
    "long-header": Fault(
        "answers with a header of a megabyte",
        send=partial(_raw, data=b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n"),
    ),
    # the answer
    **{
        str(status): Fault(
            f"answers {status} {HTTPStatus(status).phrase}", reply=partial(_status, status=status)
        )
        for status in (204, 400, 401, 403, 404, 410, 429, 500, 503)
    },
    "html": Fault("answers with a page instead of data", reply=_page),
    "empty": Fault("answers with nothing", reply=partial(_body, change=lambda _: b"")),
    "large": Fault(
        "answers five megabytes", reply=partial(_body, change=lambda body: body + b" " * LARGE)
    ),
    "compressed": Fault("answers with fifty megabytes, compressed", reply=_compressed),
    "no-type": Fault(
        "does not say what type its answer has",
        reply=partial(_header, name="Content-Type", value=""),
    ),
    "wrong-type": Fault(
        "says that its answer is a page",
        reply=partial(_header, name="Content-Type", value="text/html"),
    ),
    "svg": Fault(
        "says that its answer is an SVG, which may hold scripts",
        reply=partial(_header, name="Content-Type", value="image/svg+xml"),
    ),
    "broken-json": Fault(
        "answers broken JSON", reply=partial(_body, change=lambda body: body[: len(body) // 2])
    ),
    "deep-json": Fault("answers deeply nested JSON", reply=partial(_body, change=lambda _: _DEEP)),
    "list": Fault("answers a list", reply=partial(_body, change=lambda body: b"[" + body + b"]")),
    "null": Fault("answers null", reply=partial(_body, change=lambda _: b"null")),
    "not-utf-8": Fault(
        "answers in another encoding", reply=partial(_body, change=lambda body: b"\xff\xfe" + body)
    ),
    "error": Fault(
        "answers 200 with an error", reply=lambda _call, _reply: Reply.of({"error": "unknown"})
    ),
    "redirect-elsewhere": Fault(
        "redirects to another host", reply=partial(_redirect, to=ELSEWHERE)
    ),
    "redirect-inside": Fault("redirects into AWS", reply=partial(_redirect, to=INSIDE)),
    "redirect-file": Fault(
        "redirects to a file", reply=partial(_redirect, to="file:///etc/passwd")
    ),
    "redirect-loop": Fault("redirects to itself", reply=_to_itself),
    "redirect-nowhere": Fault("redirects without an address", reply=partial(_redirect, to=None)),
    "redirect-broken": Fault(
        "redirects to a broken address", reply=partial(_redirect, to="https://[")
    ),
    # sizes
    "sizes-huge": Fault("says that it is as large as a planet", partial(_sizes, value=1.2e13)),
    "sizes-negative": Fault("says that its sizes are negative", partial(_sizes, value=-1200)),
    "sizes-zero": Fault("says that its sizes are zero", partial(_sizes, value=0)),
    "sizes-nan": Fault("says that its sizes are NaN", partial(_sizes, value=float("nan"))),
    "sizes-infinite": Fault(
        "says that its sizes are infinite", partial(_sizes, value=float("inf"))
    ),
    "sizes-text": Fault("writes its sizes as text", partial(_sizes, value="1200 mm")),
    "sizes-true": Fault("says true instead of a size", partial(_sizes, value=True)),
    "sizes-null": Fault("says null instead of a size", partial(_sizes, value=None)),
    "sizes-list": Fault("says a list instead of a size", partial(_sizes, value=[1200])),
    "sizes-digits": Fault(
        "writes its sizes in five thousand digits", reply=partial(_body, change=_digits)
    ),
    "no-sizes": Fault("names no sizes", partial(_without, names=("width", "depth", "height"))),
    "no-depth": Fault("names no depth", partial(_without, names=("depth",))),
    # names
    **{
        f"name-{name}": Fault(label, partial(_set, name="label", value=value))
        for name, (label, value) in {
            "markup": (
                "names it in HTML",
                '<script>alert(1)</script><a href="https://e.example">x',
            ),
            "template": ("names it in a template's words", "{{ 7 * 7 }} {% x %} {brand} {design}"),
            "link": (
                "names it as a link",
                "Win! https://elsewhere.example/prize www.elsewhere.example",
            ),
            "lines": ("names it in several lines", "Sofa\r\nBcc: victim@customer.example\r\n\r\nx"),
            "controls": ("names it with control characters", "So\x00fa\x1b[31m\x7f"),
            "direction": ("names it from right to left", "Sofa \u202egnp.exe\u2066 \u200b\ufeff"),
            "long": ("names it in ten thousand characters", "Sofa " * 2000),
            "marks": ("names it with a tower of accents", "S" + "\u0301" * 500),
            "lone": ("names it with half a character", "Sofa \ud800"),
            "empty": ("gives it an empty name", ""),
            "spaces": ("gives it a name of spaces", " \u00a0\u2003 "),
            "number": ("gives it a number as its name", 4711),
            "list": ("gives it a list as its name", ["Sofa"]),
        }.items()
    },
    "no-name": Fault("gives it no name", partial(_without, names=("label",))),
    "name-other": Fault(
        "names it in another language than asked for",
        lambda _, content: (
            content | {"label": SOFA["fr"], "language": "fr"} if "label" in content else content
        ),
    ),
    # pictures
    "no-picture": Fault(
        "has no picture of it",
        partial(_without, names=("perspectiveImage", "topImage")),
        partial(_only_pictures, partial(_status, status=404)),
    ),
    **{
        f"{name}-picture": Fault(label, partial(_set, name="perspectiveImage", value=value))
        for name, (label, value) in {
            "foreign": ("keeps its picture on another host", ELSEWHERE),
            "plain": ("keeps its picture without TLS", "http://uploads.roomle.com/picture.png"),
            "script": ("has a script as its picture", "javascript:alert(1)"),
            "data": ("has its picture in the link itself", "data:image/png;base64,AAAA"),
            "quoted": (
                "has markup in its picture's link",
                'https://uploads.roomle.com/"onerror="x',
            ),
            "odd": ("has a list as its picture", ["https://uploads.roomle.com/picture.png"]),
        }.items()
    },
    "opaque-picture": Fault(
        "has a picture that is not transparent", reply=partial(_only_pictures, _opaque)
    ),
    "one-pixel": Fault("has a picture of one pixel", reply=partial(_only_pictures, _one_pixel)),
    "no-head": Fault(
        "answers HEAD with 405",
        send=lambda handler, reply: send(
            handler, Reply.error(405, "no HEAD") if handler.command == "HEAD" else reply
        ),
    ),
    # what an id means
    "other-id": Fault("answers about another design", partial(_set, name="id", value="x:y:0")),
    "other-catalog": Fault(
        "says another catalogue than the id", partial(_set, name="catalog", value="elsewhere")
    ),
    "no-root": Fault("names no component", partial(_without, names=("rootComponentId",))),
    "hostile-root": Fault(
        "names a path as its component",
        partial(_set, name="rootComponentId", value="../../tenants/1?x=y#z"),
    ),
    "only-item": Fault(
        "knows the id's first parts as an item only", reply=partial(_missing_unless, "item")
    ),
    "only-component": Fault(
        "knows the id's first parts as a component only",
        reply=partial(_missing_unless, "component"),
    ),
}
_WHERE: Mapping[str, frozenset[Kind]] = {
    "api": JSON_KINDS,
    "picture": PICTURE_KINDS,
    **{kind: frozenset((kind,)) for kind in JSON_KINDS},
}
_IN_AN_ID = re.compile(r"(?:^|[:_])fault-([a-z0-9-]+)", re.ASCII)


def choice(text: str) -> tuple[Fault, frozenset[Kind]]:
    """Read a fault's name, and what it strikes: `slow` is for all, `picture-slow` for pictures.

    Before the name may stand api, picture, configuration, component, item or plan. Raises KeyError
    for an unknown name.
    """
    if text in FAULTS:
        return FAULTS[text], JSON_KINDS | PICTURE_KINDS
    where, _, name = text.partition("-")
    return FAULTS[name], _WHERE[where]


def of_id(content_id: str) -> str | None:
    """The fault that an id names, if any."""
    found = _IN_AN_ID.search(content_id)
    with suppress(KeyError):
        if found:
            choice(found[1])
            return found[1]
    return None
