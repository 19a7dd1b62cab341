"""An email as a mail program shows it: in a locked-down frame, in light or dark."""

import base64
import mimetypes
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.utils import parseaddr
from html import unescape
from pathlib import Path

import html5lib
from flask import Response

from emails_build.checks import FILLERS, SCHEMES, Scheme

__all__ = ["SCHEMES", "InboxLine", "Picture", "Scheme", "framed", "with_pictures", "with_scheme"]

ASKS_FOR_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)")
OFFERS_SCHEMES = re.compile(r"(color-schemes?(?:\"\s+content=\"|\s*:\s*))light dark")
# A link's page opens next to this one, and is not locked down itself.
SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
LOADED = re.compile(r"""(\s(?:src|background)="|url\(["']?)(https://[^"'()\s<>]+)""")
ALWAYS, NEVER = "(min-width: 0)", "(max-width: 0)"


@dataclass(frozen=True)
class Picture:
    """An inline picture, which the HTML refers to by `cid:` and its content id."""

    content_id: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class InboxLine:
    """What an inbox shows of an email."""

    name: str
    address: str
    subject: str
    preview: str

    @classmethod
    def of(cls, sender: str, subject: str, html: str) -> "InboxLine":
        """Read it as a mail program does, from the subject's header and the HTML."""
        name, address = parseaddr(sender)
        return cls(
            name=str(make_header(decode_header(name))) or address,
            address=address,
            subject=subject,
            preview=preview_line(html),
        )


def preview_line(html: str) -> str:
    """Return the document's first text, which inboxes show next to the subject."""
    body = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False).find("body")
    assert body is not None  # noqa: S101 (html5lib makes one)
    texts = (text.strip(f"{FILLERS} \r\n\t") for text in body.itertext())
    return next(filter(None, texts), "")


def with_scheme(html: str, scheme: Scheme) -> str:
    """Return the HTML as it looks in one colour scheme, regardless of the browser's."""

    def decided(match: re.Match[str]) -> str:
        return ALWAYS if match[1] == scheme else NEVER

    return OFFERS_SCHEMES.sub(rf"\g<1>{scheme}", ASKS_FOR_SCHEME.sub(decided, html))


def with_pictures(html: str, pictures: Iterable[Picture]) -> str:
    """Return the HTML with its inline pictures embedded."""
    for picture in pictures:
        data = base64.b64encode(picture.data).decode()
        inline = f"data:{picture.media_type};base64,{data}"
        html = html.replace(f'src="cid:{picture.content_id}"', f'src="{inline}"')
    return html


def with_remote(html: str, look: Callable[[str], tuple[str, bytes] | None]) -> str:
    """Return the HTML with those remote pictures embedded that `look` has, by their URL."""

    def embedded(match: re.Match[str]) -> str:
        found = look(unescape(match[1]))
        if found is None:
            return match[0]
        media_type, data = found
        return f'src="data:{media_type};base64,{base64.b64encode(data).decode()}"'

    return re.sub(r'src="(https://[^"]*)"', embedded, html)


def with_own_files(html: str, folder: Path) -> str:
    """Return the HTML with pictures and fonts of a folder in place of those on the web.

    A file stands for every link that ends with its path in the folder.
    """
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*")}

    def own(found: re.Match[str]) -> str:
        parts = re.split("[?#]", found[2])[0].split("/")[3:]
        # The longest first, so that two brands' logos may have one name.
        names = ("/".join(parts[start:]) for start in range(len(parts)))
        file = next((files[name] for name in names if name in files), None)
        if file is None:
            return found[0]
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return f"{found[1]}data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"

    return LOADED.sub(own, html)


def framed(
    html: str,
    pictures: Iterable[Picture],
    scheme: Scheme | None,
    *,
    own_files: Path | None = None,
    remote_images: bool = False,
) -> Response:
    """Return an email for a frame: scripts and forms don't work in it, links open a new page.

    Pictures and fonts from other hosts are blocked, as many mail programs do, unless
    `remote_images`. `own_files` has files that stand for them.
    """
    html = with_pictures(html, pictures)
    if own_files:
        html = with_own_files(html, own_files)
    if scheme:
        html = with_scheme(html, scheme)
    html = re.sub(r"(<head\b[^>]*>)", r'\1<base target="_blank">', html, count=1)
    remote = " https:" if remote_images else ""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
        f"img-src data:{remote}; font-src data:{remote}; sandbox {SANDBOX}"
    )
    return response
