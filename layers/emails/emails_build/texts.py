"""texts/<language>.toml, checked."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from emails_build import words
from emails_build.problems import BuildFailed, Problem, locate, read_toml
from roomle_mail.emails import WITH_DESIGN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{[^{}]*\}?|\}")
_DESIGN = "{design}"
_ALWAYS_KNOWN = frozenset({"{brand}", "{date}"})
# Where shared/paragraph puts a link; only texts that are shown by it may have one.
LINK = "{link}"
_WITHOUT_LINK = frozenset({"subject", "preview", "heading", "text", "button", "reason"})
# Where a line break would be shown as a space, or end a header.
_ONE_LINE = re.compile(
    r"subject|preview|heading|phone|hours|social|privacy|size|(?:\w+_)?(?:button|label|link|alt)"
)
# Except the no-break spaces that French has before double punctuation marks.
_SPACES = re.compile(r"[ \t\r\n]+")
SHARED = "shared"
# The keys that the inbox shows instead of a template, or that have several paragraphs.
INBOX, PARAGRAPHS = frozenset({"subject", "preview"}), "text"


@dataclass(frozen=True, slots=True)
class Texts:
    """One language's file."""

    file: Path
    source: str
    raw: Mapping[str, Any]

    def data(self) -> dict[str, Any]:
        """The data that the functions read."""
        return {"dir": self.raw["dir"], "name": self.raw["name"]} | normalised(
            {key: value for key, value in self.raw.items() if isinstance(value, dict)}
        )


@dataclass(frozen=True, slots=True)
class Uses:
    """The keys of texts that templates show, by email, and those of them that have to be there."""

    shown: Mapping[str, AbstractSet[str]]
    required: Mapping[str, AbstractSet[str]]

    @property
    def anywhere(self) -> frozenset[str]:
        """The keys that any template shows."""
        return frozenset().union(*self.shown.values())

    def may_be_empty(self, email: str, key: str) -> bool:
        """Whether a text may be missing or empty."""
        emails = self.required if email == SHARED else (email,)
        return not any(key in self.required.get(each, ()) for each in emails)


def read_texts(folder: Path, uses: Uses) -> dict[str, Texts]:
    """Read and check all languages."""
    languages, problems = draft_texts(folder, uses)
    if problems:
        raise BuildFailed(problems)
    return languages


def draft_texts(folder: Path, uses: Uses) -> tuple[dict[str, Texts], list[Problem]]:
    """All languages, with marks in place of missing texts, and all problems.

    Raises BuildFailed if a file can't be read at all.
    """
    # Names that start with a dot belong to editors and systems: `.#de.toml`, `._de.toml`.
    files = sorted(file for file in folder.glob("*.toml") if not file.name.startswith("."))
    if not files:
        raise BuildFailed([Problem(folder, 0, "expected texts such as en.toml")])
    problems: list[Problem] = []
    unreadable: list[Problem] = []
    languages: dict[str, Texts] = {}
    for file in files:
        try:
            raw, source = read_toml(file)
        except BuildFailed as failed:
            unreadable += failed.problems
            continue
        texts = Texts(file, source, raw)
        languages[file.stem] = Texts(file, source, _completed(texts, uses))
        if not TAG.fullmatch(file.stem):
            problems.append(Problem(file, 0, 'expected a file name such as "de.toml"'))
        problems += [
            Problem(file, locate(source, path), f"{'.'.join(path)}: {message}")
            for path, message in _wrong(texts, uses)
        ]
    if unreadable:
        raise BuildFailed(unreadable + problems)
    return languages, problems


def _completed(texts: Texts, uses: Uses) -> dict[str, Any]:
    """The existing texts, and a conspicuous mark for each missing one, for the preview."""

    def section(name: str) -> dict[str, str]:
        found = texts.raw.get(name)
        items = found.items() if isinstance(found, dict) else ()
        return {
            key: text
            for key, text in items
            if isinstance(text, str) and (text.strip() or uses.may_be_empty(name, key))
        }

    shared = section(SHARED)
    raw: dict[str, Any] = {
        "name": str(texts.raw.get("name", texts.file.stem)),
        "dir": "rtl" if texts.raw.get("dir") == "rtl" else "ltr",
        SHARED: shared,
    }
    for template, keys in uses.required.items():
        own = section(template)
        missing = keys - own.keys() - shared.keys()
        raw[template] = own | {key: missing_text(template, key) for key in missing}
    return raw


def missing_text(email: str, key: str) -> str:
    """What the preview shows in place of a missing text."""
    return f"[{email}.{key} is missing]"


def _wrong(texts: Texts, uses: Uses) -> Iterator[tuple[Sequence[str], str]]:
    raw = texts.raw
    name = raw.get("name")
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        yield ("name",), 'is missing: expected the language\'s own name, such as "Deutsch"'
    else:
        yield from ((("name",), why) for why in words.problems(name, rtl=True))
    if raw.get("dir") not in {"ltr", "rtl"}:
        yield ("dir",), 'expected "ltr" or, for a script from right to left, "rtl"'
    sections = {key: value for key, value in raw.items() if key not in {"name", "dir"}}
    yield from unknown(sections, uses, rtl=raw.get("dir") == "rtl")
    shared = sections.get(SHARED, {})
    for template, keys in uses.required.items():
        section = sections.get(template)
        if not isinstance(section, dict):
            yield (template,), f"is missing: expected the section [{template}]"
            continue
        for key in sorted(keys - section.keys() - shared.keys()):
            special = f"{key}{WITH_DESIGN}" in section
            why = f", for designs whose name isn't known beside `{key}{WITH_DESIGN}`"
            yield (template, key), f"is missing: expected a text{why if special else ''}"


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    meant = f", did you mean `{close[0]}`?" if close else ""
    return meant or f": expected one of {', '.join(known)}"


def unknown(
    sections: Mapping[str, Any], uses: Uses, *, rtl: bool
) -> Iterator[tuple[Sequence[str], str]]:
    """Keys that no template shows, and values that are not texts or can't be shown.

    `rtl` if the language is written from right to left.
    """
    for name, section in sections.items():
        if name != SHARED and name not in uses.shown:
            yield (name,), f"isn't an email{_hint(name, [SHARED, *uses.shown])}"
            continue
        if not isinstance(section, dict):
            yield (name,), f"expected a section, written [{name}]"
            continue
        keys = uses.anywhere if name == SHARED else uses.shown[name]
        for key, value in section.items():
            if key.removesuffix(WITH_DESIGN) not in keys:
                yield (name, key), f"isn't shown{_hint(key, sorted(keys))}"
            elif not isinstance(value, str):
                yield (name, key), "expected a text in quotes"
            elif value.strip():
                yield from (((name, key), why) for why in _wrong_text(key, value, rtl=rtl))
            elif not uses.may_be_empty(name, key.removesuffix(WITH_DESIGN)):
                yield (name, key), "expected a text in quotes"


def _wrong_text(key: str, value: str, *, rtl: bool) -> Iterator[str]:
    if found := words.markup(value) or words.markup_of_lines(value):
        yield (
            f'"{found}" would be shown as it is written: texts hold no HTML and no Markdown, '
            "links and emphasis belong in the template"
        )
    special = key.endswith(WITH_DESIGN)
    if "\n" in value.strip() and _ONE_LINE.fullmatch(key.removesuffix(WITH_DESIGN)):
        yield (
            "expected one line, got a line break: "
            "write \\ at the end of a line that goes on in the next"
        )
    yield from words.problems(value, rtl=rtl)
    for inside in _PLACEHOLDER.findall(value):
        if inside == _DESIGN and not special:
            yield (
                f"a design's name may be unknown: write the text with {_DESIGN} as "
                f"`{key}{WITH_DESIGN}`, and keep `{key}` without it for designs without a name"
            )
        elif inside == LINK and key not in _WITHOUT_LINK:
            continue
        elif inside not in {*_ALWAYS_KNOWN, _DESIGN}:
            # Of a brace that is never closed it is all that follows.
            got = shorten(inside, 60, placeholder="…")
            yield f'expected {{brand}}, {{date}} or {_DESIGN} in braces, got "{got}"'
    if special and _DESIGN not in value:
        yield f"expected {_DESIGN} in it: if it isn't needed, delete this text"


def normalised(sections: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Any]]:
    """Each text in one line, and `text` as a list of its paragraphs."""
    return {
        name: {
            key: _paragraphs(value)
            if key.removesuffix(WITH_DESIGN) == PARAGRAPHS
            else _SPACES.sub(" ", value.strip())
            for key, value in section.items()
        }
        for name, section in sections.items()
    }


def _paragraphs(value: str) -> list[str]:
    return [_SPACES.sub(" ", part) for part in re.split(r"\n\s*\n", value.strip())]
