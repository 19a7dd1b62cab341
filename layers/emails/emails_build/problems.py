"""Reads files that a person wrote, and describes problems with their lines."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emails_build import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MISSING = object()
# What most often causes these, which no editor shows.
_CAUSES = {
    "\N{ZERO WIDTH NO-BREAK SPACE}": (
        "has a byte order mark (U+FEFF), which no editor shows: "
        'save the file as "UTF-8 without BOM", or delete this character'
    ),
    "\0": "has a NUL character: save the file as UTF-8",
}
# What to do about tomllib's messages.
_HINTS = {
    "Illegal character '\\n'": ": the quotation mark at the end of the line is missing",
    "Invalid value": ': write texts and colours in straight quotes, "…", true and false without',
    "Unescaped '\\'": ": write \\\\",
    "Unclosed array": ": write a comma between its values, and ] after them",
    "Cannot overwrite a value": ": the name is here twice",
    "Cannot declare": ": the heading is here twice",
    "Expected newline or end of document": ': a quotation mark within a text is written \\"',
    "Expected '=' after a key": ': write name = "value"',
    "Expected ']' at the end of a table": (
        ": write a name of letters without accents, digits and hyphens, as in [brands.my-brand]"
    ),
}
_COLOUR = re.compile(r"=\s*#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\s*(?:#|$)")
_WITH_COMMA = re.compile(r"=\s*(\d+),(\d+)\s*(?:#|$)")
_WITH_UNIT = re.compile(r"=\s*(\d[\d.]*)\s*(?:px|pt|em|rem|%)\s*(?:#|$)")
# A line of TOML that is unlikely within a text.
_STATEMENT = re.compile(r"""\s*(?:\[[\w."' -]+\]|[\w.-]+ *= *(?:["'\[{0-9]|true|false).*)\s*""")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to fix; `line` counts from 1, 0 means the whole file."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return words.visible(f"{place}: {self.message}")

    def relative_to(self, folder: Path) -> Problem:
        """The same, with the file's path from a folder that it is in."""
        inside = self.file.is_relative_to(folder)
        return replace(self, file=self.file.relative_to(folder)) if inside else self


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, and its place."""

    text: str
    file: Path
    number: int

    def problem(self, message: str) -> Problem:
        """A problem on this line."""
        return Problem(self.file, self.number, message)


class BuildFailed(Exception):
    """At least one problem; all that were found are in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        # Report the problems of a shared layout once.
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))


def read_text(file: Path) -> str:
    """A file's text with Unix line ends; raises BuildFailed."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise BuildFailed([Problem(file, 0, "is missing")]) from None
    except OSError as err:
        why = f"can't be read: {err.strerror}; expected a file"
        raise BuildFailed([Problem(file, 0, why)]) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as err:
        line = data[: err.start].count(b"\n") + 1
        why = "expected text in UTF-8"
        raise BuildFailed([Problem(file, line, why)]) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if _unseen(text):
        lines = enumerate(text.split("\n"), 1)
        found = [(number, unseen) for number, line in lines if (unseen := _unseen(line))]
        raise BuildFailed([Problem(file, number, unseen) for number, unseen in found])
    return text


def _unseen(line: str) -> str | None:
    causes = (cause for character, cause in _CAUSES.items() if character in line)
    return next(causes, None) or words.hidden(line)


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """The file's values and its text; raises BuildFailed."""
    text = read_text(file)
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as err:
        message, _, position = str(err).partition(" (at ")
        found = re.search(r"line (\d+)", position)
        opened = _open_text(text)
        if opened and (found is None or int(found[1]) >= opened[1]):
            why = f'isn\'t TOML: a text that is never closed: expected """ before line {opened[1]}'
            raise BuildFailed([Problem(file, opened[0], why)]) from None
        # An unclosed string or array is only noticed at the end of the document, or at a value.
        line = int(found[1]) if found else _after_last_good(text)
        if message.startswith("Unclosed array"):
            line = _opened_before(text, line)
        hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), "")
        if message.startswith(("Invalid value", "Expected newline")):
            hint = _hint_of_value(text.split("\n")[line - 1]) or hint
        raise BuildFailed([Problem(file, line, f"isn't TOML: {message}{hint}")]) from None
    except RecursionError:
        raise BuildFailed([Problem(file, 1, "isn't TOML: too deeply nested")]) from None


def _hint_of_value(line: str) -> str:
    """What to do about a value without quotes, which tomllib's message doesn't say."""
    if with_unit := _WITH_UNIT.search(line):
        return f": write the number alone, {with_unit[1]}"
    if with_comma := _WITH_COMMA.search(line):
        return f": write a point in a number, {with_comma[1]}.{with_comma[2]}"
    if colour := _COLOUR.search(line):
        return f': write a colour in quotes, "#{colour[1]}"'
    return ""


def _open_text(text: str) -> tuple[int, int] | None:
    """The line of the first text in triple quotes that runs into the next value, and that one's.

    tomllib only notices where the next such text begins, which closes it.
    """
    opened: tuple[int, str] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if opened and _STATEMENT.fullmatch(line):
            return opened[0], number
        for mark in re.findall(r'"""|\'\'\'', line):
            if opened is None:
                opened = number, mark
            elif opened[1] == mark:
                opened = None
    return None


def locate(text: str, path: Sequence[str | int]) -> int:
    """The line on which the value at `path`, or the nearest that encloses it, begins.

    tomllib keeps no line numbers, but parsing beginnings of the file shows where a value ends.
    """
    lines = text.split("\n")
    keys = [key for key in path if isinstance(key, str)]
    while keys:
        if _value(tomllib.loads(text), keys) is not _MISSING:
            break
        keys.pop()
    if not keys:
        return 1
    low, high = 1, len(lines)
    while low < high:
        middle = (low + high) // 2
        if _value(_parsed(lines, middle)[0], keys) is _MISSING:
            low = middle + 1
        else:
            high = middle
    # The value ends on this line; it starts after the last line that is complete without it.
    begin = _parsed(lines, low - 1)[1] + 1
    while begin < low and lines[begin - 1].lstrip()[:1] in {"", "#"}:
        begin += 1
    return begin


def _parsed(lines: Sequence[str], count: int) -> tuple[dict[str, Any], int]:
    """The longest start of at most `count` lines that is valid TOML, and its line count."""
    while count:
        try:
            return tomllib.loads("\n".join(lines[:count]) + "\n"), count
        except tomllib.TOMLDecodeError:
            count -= 1
    return {}, 0


def _after_last_good(text: str) -> int:
    lines = text.split("\n")
    return min(_parsed(lines, len(lines))[1] + 1, len(text.splitlines()))


def _opened_before(text: str, line: int) -> int:
    """The last line up to this one with more brackets opened than closed."""
    lines = text.split("\n")[:line]
    opened = (n for n, words in enumerate(lines, 1) if words.count("[") > words.count("]"))
    return max(opened, default=line)


def _value(data: object, keys: Sequence[str]) -> object:
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return _MISSING
        data = data[key]
    return data
