"""Words that a person wrote: what would be shown as it is typed, or not be seen at all."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from emails_build import links

if TYPE_CHECKING:
    from collections.abc import Iterator

# HTML's tags and character references.
_HTML = (
    r"</?[A-Za-z][^<>]*>|<(?:a|img|span|div|font)\s|<!--|&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);"
)
# Markdown's links, emphasis and code. A sign between letters, or with a space beside it, is none:
# `snake_case`, `2 * 3 * 4`, a footnote's star.
_MARKDOWN = r"!?\[[^\]\n]+\]\([^)\s]+(?:\s+\"[^\"]*\")?\)" + "".join(
    rf"|(?<![\w/{sign}]){sign}{{{most}}}(?![\s{sign}])[^{sign}]*?(?<!\s){sign}{{{most}}}(?![\w{sign}])"
    for sign, most in ((r"\*", "1,3"), ("_", "1,3"), ("~", "2"), ("`", "1,3"))
)
_MARKUP, _MARKDOWN_ALONE = re.compile(f"{_HTML}|{_MARKDOWN}"), re.compile(_MARKDOWN)
# What Markdown makes of whole lines.
_LINES = re.compile(
    r"^(?:#{1,6} |> )\S.*$|^(?:-{3,}|\*{3,}|_{3,}|={3,})$|^\|.*\|$"
    r"|^ *[-*+] \S.*\n *[-*+] \S|^ *1[.)] \S.*\n *2[.)] \S",
    re.MULTILINE,
)
# Unicode's bidirectional embeddings, overrides and isolates.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Control characters but for line breaks and tabs; characters without a width, or that look like a
# space but are a letter or a symbol; and those that only a font of one's own has. Joiners are part
# of some scripts and of emoji, but not of words in Latin letters, and tags only follow a flag.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u115f\u1160\u180e\u200b\u2028-\u202e\u2060-\u206f"
    "\u2800\u3164\ue000-\uf8ff\ufeff\uffa0\ufff0-\ufffb]"
    "|(?<![\u0250-\uffff\U00010000-\U0010ffff])[\u200c\u200d]"
    "|[\u200c\u200d](?![\u0250-\uffff\U00010000-\U0010ffff])"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]"
)
# Marks of direction are needed in texts from right to left, and only there.
_MARKS = re.compile("[\u061c\u200e\u200f]")


def hidden(text: str) -> str | None:
    """Why a text can't be shown because of a character that nobody sees, if it has one."""
    return _unseen(_HIDDEN.search(text))


def visible(text: str) -> str:
    """The text with such characters written as in TOML, so that they change no terminal."""
    return _HIDDEN.sub(lambda found: f"\\U{ord(found[0]):08X}", text)


def _unseen(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    kind = "private use" if unicodedata.category(found[0]) == "Co" else "control character"
    name = unicodedata.name(found[0], kind).lower()
    return f"has U+{ord(found[0]):04X} ({name}), which nobody sees: delete it"


def markup(text: str) -> str | None:
    """HTML, or Markdown within a line, that would be shown as it is typed."""
    found = _MARKUP.search(text)
    return found[0] if found else None


def markdown(text: str) -> str | None:
    """Markdown within a line."""
    found = _MARKDOWN_ALONE.search(text)
    return found[0] if found else None


def markup_of_lines(text: str) -> str | None:
    """Markdown's headings, lists, quotes, tables and rules."""
    found = _LINES.search(text)
    return found[0].split("\n")[0].strip() if found else None


def problems(text: str, *, rtl: bool = False) -> Iterator[str]:
    """Links and characters that must not be shown; `rtl` if words run from right to left."""
    yield from links.in_words(text)
    if why := hidden(text) or (None if rtl else _unseen(_MARKS.search(text))):
        yield why
