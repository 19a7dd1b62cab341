"""Links and pictures that a person wrote: what mail programs accept, and how to write it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from roomle_mail.errors import LinkNotAllowed
from roomle_mail.events import rebuild_link

if TYPE_CHECKING:
    from collections.abc import Iterator

# What an inbox shows: Gmail shows no SVG, Outlook for Windows neither SVG nor WebP.
_UNSHOWN = frozenset({"svg", "svgz", "webp", "avif", "heic", "heif", "jxl", "tif", "tiff", "bmp"})
PUBLIC_HOST = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE
)
# Mail programs make a link of what looks like one.
_IN_WORDS = re.compile(
    r"(?<!\w)([a-z][a-z0-9+.-]*)://[^\s<>\"']*|(?<!\w)javascript:\S+", re.IGNORECASE
)
_FORMAT_NAMES = frozenset({"format", "fm", "f", "ext", "type", "output"})


def ascii_host(host: str) -> str:
    """A host's name as in the DNS: `möbel.example` is `xn--mbel-5qa.example` (RFC 5891)."""
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
        for label in unicodedata.normalize("NFC", host.lower()).split(".")
    )


def ascii_link(link: str) -> str:
    """A link as written in emails: the host as in the DNS, the rest percent-encoded in UTF-8."""
    found = re.fullmatch(r"(https?://)([^/?#]*)(.*)", link, re.DOTALL)
    if found is None:
        return link
    rest = "".join(c if c.isascii() and c != " " else quote(c) for c in found[3])
    return f"{found[1]}{ascii_host(found[2])}{rest}"


def rebuilt(link: str) -> str | None:
    """The link as emails have it; None if it isn't https:// to a host of the public DNS."""
    try:
        host = urlsplit(link).hostname or ""
        return rebuild_link(link, [host]) if PUBLIC_HOST.fullmatch(host) else None
    except (LinkNotAllowed, ValueError):
        return None


def in_words(words: str) -> Iterator[str]:
    """What is wrong with links that are written out among words.

    Values that are inserted were checked at their source, so a link with braces may lead anywhere.
    """
    if ":" not in words:
        return
    for found in _IN_WORDS.finditer(words):
        link = found[0].rstrip(".,;:!?)]*_…»”’")
        if (found[1] or "").lower() != "https":
            yield f'expected a link of https://, got "{link[:100]}"'
        elif "{" in link or link == "https://":
            continue
        elif (written := ascii_link(link)) != link:
            yield f'write the link as "{written}"'
        elif not rebuilt(link):
            expected = "https:// and a host such as www.brand.example, without user or port"
            yield f'expected {expected}, got "{link[:100]}"'


def ascii_address(address: str) -> str:
    """An address with its host as in the DNS."""
    local, at, host = address.rpartition("@")
    return f"{local}{at}{ascii_host(host)}"


def unshown_format(link: str) -> str | None:
    """The picture's format, if its link shows that mail programs don't display it."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    told = [unquote(parts.path).rpartition(".")[2], *_asked_formats(parts.query)]
    return next((each.lower() for each in told if each.lower() in _UNSHOWN), None)


def _asked_formats(query: str) -> list[str]:
    return [
        value.rpartition("/")[2].partition("+")[0]
        for name, value in parse_qsl(query)
        if name.lower() in _FORMAT_NAMES
    ]
