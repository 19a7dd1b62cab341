"""Read an email as a mail program does: the message by email.parser, its HTML by html5lib."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import BytesParser
from functools import cached_property
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

import html5lib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail.emails import Email

# When the tests' events came, in seconds since the epoch.
RECEIVED = datetime(2026, 11, 27, 14, 5, tzinfo=UTC).timestamp()

_UNSEEN = {"head", "script", "style", "title", "meta", "link", "template", "noscript"}
_FILLER = "&#847;&zwnj;&nbsp;"
_FILLERS = re.compile(f"(?:{_FILLER})+")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")


def message(email: Email) -> EmailMessage:
    """The message that a mail program gets: built as SES's page "SendEmail" says, and parsed."""
    body = MIMEMultipart("alternative")
    body.attach(MIMEText(email.text, "plain", "utf-8"))
    body.attach(MIMEText(email.html, "html", "utf-8"))
    whole = MIMEMultipart("related")
    whole.attach(body)
    for image in email.images:
        part = MIMEImage(image.data, image.media_type.partition("/")[2])
        part["Content-ID"] = f"<{image.content_id}>"
        part.add_header("Content-Disposition", "inline", filename=image.name)
        whole.attach(part)
    whole["From"] = email.sender
    whole["To"] = email.recipient
    whole["Reply-To"] = ", ".join(email.reply_to)
    whole["Subject"] = Header(email.subject, "utf-8", header_name="Subject").encode()
    for name, value in email.headers:
        whole[name] = value
    parsed = BytesParser(policy=policy.default).parsebytes(whole.as_bytes())
    assert isinstance(parsed, EmailMessage)
    return parsed


@dataclass(frozen=True)
class Painted:
    """A text as it is displayed."""

    text: str
    colour: str
    background: str


class Page:
    """A parsed HTML document, with one filler in place of the hundred after the preview line."""

    def __init__(self, html: str) -> None:
        # They would take a third of the time.
        read = _FILLERS.sub(_FILLER, html)
        self.root: Element = html5lib.parse(read, treebuilder="etree", namespaceHTMLElements=False)
        self.source = html

    @property
    def elements(self) -> list[Element]:
        return [each for each in self.root.iter() if not _is_comment(each)]

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        """The elements and the names of their attributes, without values."""
        return [(each.tag, tuple(sorted(each.keys()))) for each in self.elements]

    @property
    def values(self) -> list[str]:
        """Every text and every attribute's value."""
        texts = [text for each in self.root.iter() for text in (each.text, each.tail) if text]
        return texts + [value for each in self.elements for _, value in each.items()]

    def find(self, tag: str, css_class: str = "") -> list[Element]:
        return [
            each
            for each in self.root.iter(tag)
            if not css_class or css_class in each.get("class", "").split()
        ]

    @property
    def title(self) -> str:
        return self.find("title")[0].text or ""

    @property
    def preview(self) -> str:
        """What an inbox shows next to the subject: the document's first text."""
        body = self.find("body")[0]
        first = next(text.strip() for text in body.itertext() if text.strip())
        return first.rstrip(
            "\N{COMBINING GRAPHEME JOINER}\N{ZERO WIDTH NON-JOINER}\N{NO-BREAK SPACE}"
        )

    @property
    def links(self) -> list[str]:
        return [each.get("href", "") for each in self.find("a")]

    @property
    def buttons(self) -> list[Element]:
        """Links that look like buttons: those with their own background."""
        return [each for each in self.find("a") if "background" in _style(each)]

    @property
    def text(self) -> str:
        """All visible text, in one line."""
        return _WHITE_SPACE.sub(" ", " ".join(each.text for each in self.painted))

    @cached_property
    def painted(self) -> list[Painted]:
        return list(_painted(self.find("body")[0], "#000000", "#ffffff"))


def _is_comment(element: Element) -> bool:
    # An element's tag is its name, but a comment's is a function.
    return callable(element.tag)


def _style(element: Element) -> dict[str, str]:
    pairs = (each.partition(":") for each in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _painted(element: Element, colour: str, background: str) -> Iterator[Painted]:
    style = _style(element)
    if _is_comment(element) or element.tag in _UNSEEN or style.get("display") == "none":
        return
    colour = style.get("color", colour)
    background = style.get("background-color", style.get("background", background))
    texts = [element.text, element.get("alt")]
    yield from (
        Painted(text.strip(), colour, background) for text in texts if text and text.strip()
    )
    for child in element:
        yield from _painted(child, colour, background)
        if child.tail and child.tail.strip():
            yield Painted(child.tail.strip(), colour, background)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio, calculated independently of the build."""

    def luminance(colour: str) -> float:
        assert re.fullmatch(r"#[0-9a-f]{6}", colour), colour
        parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(c * share for c, share in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
