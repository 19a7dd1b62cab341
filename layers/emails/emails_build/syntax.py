"""The template language's syntax, with the line of each error.

minijinja says that a block isn't closed, but not which one, and MJML joins lines. So blocks are
matched here.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emails_build.problems import Line, Problem

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_RAW = re.compile(r"(\{%[-+]?\s*raw\s*[-+]?%\}).*?(?=\{%[-+]?\s*endraw\b)", re.DOTALL)
_START = re.compile(r"\{\{|\{%")
_TAG = re.compile(r"\{%[-+]?\s*(\w+)((?:\"[^\"]*\"|'[^']*'|[^\"'%]|%(?!\}))*)%\}")
_ONE_BRACE = re.compile(
    r"(?<![{\"'])\{\s*((?:t|brand|design)\.\w[\w.]*|url|result_url|link|qr|language)\s*\}{1,2}(?!\})"
)
_THREE_BRACES = re.compile(r"\{\{\{\s*([\w.]+)[^{}]*\}\}\}")
# What emails.py gives to templates, and the names that shared templates set.
KNOWN = frozenset(
    """
    align brand date design dir false label language link none parts qr range result_url start t
    true url words
    """.split()  # noqa: SIM905 (a list of words in quotes takes a line each)
)
_SET = re.compile(r"\{%[-+]? set \w+ = ([A-Za-z_]\w*)(?= [-+]?%\}|\.| \|)")
# What Roomle says of a design would become HTML; the brand's own values are checked.
_UNESCAPED = re.compile(
    r"\{\{(?!\s*brand\.)[^}]*\|\s*safe\b[^}]*\}\}"
    r"|\{%[-+]?\s*(?:autoescape\b|(?:set|filter)\b[^%]*\bsafe\b)[^%]*%\}"
)
_BLOCKS = frozenset({"if", "for", "macro", "call", "filter", "with", "autoescape", "raw"})
_INNER = {"else": ("if", "for"), "elif": ("if",)}
_FOREIGN = frozenset({"import", "from", "extends", "block", "endblock"})
_ENDS = frozenset(f"end{each}" for each in (*_BLOCKS, "set"))
_TAGS = _BLOCKS | _ENDS | _INNER.keys() | _FOREIGN | {"set", "include", "do", "break", "continue"}
_INCLUDE_INSTEAD = (
    'include a file instead, with {% include "shared/part.txt" %} '
    'or <mj-include path="shared/part.mjml" />'
)


def without_comments(source: str) -> str:
    """The source without `{# comments #}`; line numbers stay the same."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)


def problems(lines: Sequence[Line]) -> Iterator[Problem]:
    """Blocks that are never closed or never opened, and tags that load other files."""
    text = "\n".join(line.text for line in lines)
    text = _RAW.sub(lambda raw: raw[1] + re.sub(r"[^\n]", " ", raw[0][len(raw[1]) :]), text)
    if left_open := [
        *_left_open(text, lines),
        *_one_brace(text, lines),
        *_unescaped(text, lines),
        *_unknown_names(text, lines),
    ]:
        yield from left_open
        return
    opened: list[tuple[str, Line, str]] = []
    for tag in _TAG.finditer(text):
        name, rest = tag[1], tag[2]
        line = lines[text.count("\n", 0, tag.start())]
        written = " ".join(tag[0].split())
        if name in _FOREIGN:
            yield line.problem(f"{written} isn't supported here: {_INCLUDE_INSTEAD}")
        elif name in _BLOCKS or (name == "set" and "=" not in rest):
            opened.append((name, line, written))
        elif name in _INNER:
            if not opened or opened[-1][0] not in _INNER[name]:
                yield line.problem(f"{written} without {{% {_INNER[name][0]} … %}} before it")
        elif name.startswith("end"):
            start = name.removeprefix("end")
            if all(each[0] != start for each in opened):
                yield line.problem(f"{written} without {{% {start} … %}} before it")
                continue
            while (last := opened.pop())[0] != start:
                yield _unclosed(last)
    yield from map(_unclosed, reversed(opened))


def _left_open(text: str, lines: Sequence[Line]) -> Iterator[Problem]:
    """Placeholders that are not closed before the next one starts."""
    for place in re.finditer(r"\{\{|\{%|\{#", text):
        end = {"{{": "}}", "{%": "%}", "{#": "#}"}[place[0]]
        following = _START.search(text, place.end())
        inside = text[place.end() : following.start() if following else None]
        if end not in inside:
            line = lines[text.count("\n", 0, place.start())]
            words = inside.partition("<")[0].split("\n")[0].strip()
            yield line.problem(
                f"isn't a template: expected end of {place[0]} {words}: write {end} after it"
            )


def _unknown_names(text: str, lines: Sequence[Line]) -> Iterator[Problem]:
    """Tags that there aren't, and what a name is set to that isn't there.

    That would be noticed only where the name is shown, in another file.
    """
    for tag in _TAG.finditer(text):
        name, written = tag[1], " ".join(tag[0].split())
        line = lines[text.count("\n", 0, tag.start())]
        if name not in _TAGS:
            close = difflib.get_close_matches(name, sorted(_TAGS - _FOREIGN), n=1)
            rest = "" if close and close[0] in _ENDS else " …"
            hint = f", did you mean {{% {close[0]}{rest} %}}?" if close else ""
            yield line.problem(f"{written} isn't known{hint}")
        elif (found := _SET.match(written)) and found[1] not in KNOWN:
            close = difflib.get_close_matches(found[1], KNOWN, n=1)
            hint = f", did you mean `{close[0]}`?" if close else ""
            yield line.problem(f"`{found[1]}` is undefined{hint}")


def _one_brace(text: str, lines: Sequence[Line]) -> Iterator[Problem]:
    """Placeholders with too few braces, which would be shown as they are written, or too many."""
    for found in _THREE_BRACES.finditer(text):
        line = lines[text.count("\n", 0, found.start())]
        yield line.problem(f"{found[0]} isn't supported here: write {{{{ {found[1]} }}}}")
    for found in _ONE_BRACE.finditer(text):
        line = lines[text.count("\n", 0, found.start())]
        yield line.problem(
            f"{found[0]} would be shown as it is written: write {{{{ {found[1]} }}}}"
        )


def _unescaped(text: str, lines: Sequence[Line]) -> Iterator[Problem]:
    """What would show text from outside as HTML."""
    for found in _UNESCAPED.finditer(text):
        line = lines[text.count("\n", 0, found.start())]
        yield line.problem(
            f"{found[0]} isn't supported here: a design's name could bring its own HTML: "
            "leave `safe` and `autoescape` out"
        )


def _unclosed(block: tuple[str, Line, str]) -> Problem:
    name, line, written = block
    return line.problem(f"{written} is never closed: expected {{% end{name} %}} after it")
