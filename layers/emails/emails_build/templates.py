"""templates/*.mjml and *.txt -> what minijinja renders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from minijinja import Environment, TemplateError
from mjml import mjml2html

from emails_build.problems import BuildFailed, Problem
from emails_build.texts import INBOX
from roomle_mail.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINKS = ("url", "result_url")
FAILED = "-failed"
_QR = "qr"
_INCLUDE = re.compile(
    r"""\s*(?:<mj-include\s+path="([^"]+)"\s*/>|\{%\s*include\s+"([^"]+)"\s*%\})\s*"""
)
_PLACEHOLDER = re.compile(r"\{[{%].*?[%}]\}")
_CONTENT = "content"
_ELEMENT = re.compile(r"<(mj-[a-z0-9-]*|mjml)")
# mrml lets an element pass that it doesn't know.
_ELEMENTS = frozenset(
    {
        "mjml",
        "mj-head",
        "mj-body",
        "mj-accordion",
        "mj-accordion-element",
        "mj-accordion-text",
        "mj-accordion-title",
        "mj-all",
        "mj-attributes",
        "mj-breakpoint",
        "mj-button",
        "mj-carousel",
        "mj-carousel-image",
        "mj-class",
        "mj-column",
        "mj-divider",
        "mj-font",
        "mj-group",
        "mj-hero",
        "mj-image",
        "mj-include",
        "mj-navbar",
        "mj-navbar-link",
        "mj-preview",
        "mj-raw",
        "mj-section",
        "mj-social",
        "mj-social-element",
        "mj-spacer",
        "mj-style",
        "mj-table",
        "mj-text",
        "mj-title",
        "mj-wrapper",
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a template and where it stands."""

    text: str
    file: Path
    number: int


@dataclass(frozen=True, slots=True)
class Template:
    """One email, compiled; `uses` and `requires` are names of links, `texts` keys of texts."""

    name: str
    html: str
    text: str
    uses: tuple[str, ...]
    requires: tuple[str, ...]
    qr: str | None
    texts: frozenset[str]
    lines: tuple[Line, ...]

    def find(self, words: str) -> Line:
        """The line whose placeholders contain these words."""
        pattern = re.compile(rf"(?<![\w.]){re.escape(words.strip())}(?!\w)")
        found = (
            line
            for line in self.lines
            if any(pattern.search(inside) for inside in _PLACEHOLDER.findall(line.text))
        )
        return next(found, self.lines[0])


def read_templates(folder: Path) -> dict[str, Template]:
    """Compile all emails; raises BuildFailed."""
    problems: list[Problem] = []
    templates: dict[str, Template] = {}
    known = [event.removeprefix("email.") for event in EVENTS]
    files = sorted(folder.glob("*.mjml"))
    if not files:
        problems.append(Problem(folder, 0, f"expected templates such as {known[0]}.mjml"))
    for file in files:
        if file.stem.removesuffix(FAILED) not in known:
            expected = f"{', '.join(known)}, each perhaps with {FAILED}"
            problems.append(Problem(file, 0, f"isn't an email of Roomle's: expected {expected}"))
            continue
        try:
            templates[file.stem] = _read(file)
        except BuildFailed as failed:
            problems += failed.problems
    problems += [
        Problem(text, 0, f"has no {text.stem}.mjml beside it")
        for text in sorted(folder.glob("*.txt"))
        if text.with_suffix(".mjml") not in files
    ]
    if problems:
        raise BuildFailed(problems)
    return templates


def _read(file: Path) -> Template:
    mjml = list(_expanded(file.parent / "shared" / "layout.mjml", file))
    plain = file.with_suffix(".txt")
    text = list(_expanded(file.parent / "shared" / "layout.txt", plain))
    html_source = _compiled(mjml, file)
    text_source = "".join(line.text + "\n" for line in text)
    environment = Environment(undefined_behavior="strict")
    names: set[str] = set()
    for name, source, lines in (("html", html_source, mjml), ("txt", text_source, text)):
        try:
            environment.add_template(f"email.{name}", source)
        except TemplateError as err:
            raise BuildFailed([_misspelt(err, lines, file)]) from None
        names |= environment.undeclared_variables_in_template(f"email.{name}", nested=True)
    uses = tuple(link for link in LINKS if link in names)
    optional = {
        link
        for link in uses
        if all(
            re.search(rf"\bif\s+{link}\s+is\s+defined\b", source)
            for source in (html_source, text_source)
            if re.search(rf"\b{link}\b", source)
        )
    }
    requires = tuple(link for link in uses if link not in optional)
    if _QR in names and not requires:
        raise BuildFailed([Problem(file, 0, "expected a link for its QR code")])
    return Template(
        name=file.stem,
        html=html_source,
        text=text_source,
        uses=uses,
        requires=requires,
        qr=requires[0] if _QR in names else None,
        texts=INBOX | {name.removeprefix("t.") for name in names if name.startswith("t.")},
        lines=(*mjml, *text),
    )


def _expanded(file: Path, content: Path, via: Line | None = None) -> Iterator[Line]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        at = (via.file, via.number) if via else (file, 0)
        expected = f"expected the file {file.name}, in UTF-8"
        raise BuildFailed([Problem(*at, expected)]) from None
    for number, words in enumerate(text.splitlines(), 1):
        line = Line(words, file, number)
        included = _INCLUDE.fullmatch(words)
        if not included:
            yield line
            continue
        path = included[1] or included[2]
        if path.partition(".")[0] == _CONTENT:
            yield from _expanded(content, content, line)
        else:
            yield from _expanded(content.parent / path, content, line)


def _compiled(lines: list[Line], file: Path) -> str:
    problems = [
        Problem(line.file, line.number, f"isn't MJML: <{name}>")
        for line in lines
        for name in _ELEMENT.findall(line.text)
        if name not in _ELEMENTS
    ] + [
        Problem(line.file, line.number, "expected <mj-include> on a line of its own")
        for line in lines
        if "<mj-include" in line.text
    ]
    if problems:
        raise BuildFailed(problems)
    try:
        return mjml2html("\n".join(line.text for line in lines), disable_comments=True, fonts={})
    except ValueError as err:
        message = f"isn't MJML: {str(err).partition(' in root template')[0]}"
        problem = _Balance(lines).problem or Problem(file, 0, message)
        raise BuildFailed([problem]) from None


def _misspelt(err: TemplateError, lines: list[Line], file: Path) -> Problem:
    """The template's problem on the line of the file, though MJML joins the lines."""
    message = f"isn't a template: {err.detail or err.message}"
    if err.range is None or err.template_source is None:
        return Problem(file, 0, message)
    before = err.template_source.encode()[: err.range[1]].decode(errors="replace")
    words = before[max(before.rfind("{{"), before.rfind("{%"), 0) :]
    found = next((line for line in lines if words in line.text), None) or next(
        (line for line in lines if _left_open(line.text)), None
    )
    return Problem(found.file, found.number, message) if found else Problem(file, 0, message)


def _left_open(text: str) -> bool:
    """Whether a placeholder doesn't end on its line, which is where the error then is."""
    return any(text.count(start) != text.count(end) for start, end in (("{{", "}}"), ("{%", "%}")))


class _Balance(HTMLParser):
    """Finds the MJML element that is not closed, which mrml tells without saying where."""

    def __init__(self, lines: list[Line]) -> None:
        super().__init__()
        self.open: list[tuple[str, Line]] = []
        self.problem: Problem | None = None
        self._lines = lines
        self.feed("\n".join(line.text for line in lines))
        if self.open and not self.problem:
            self._unclosed()

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag.startswith("mj"):
            self.open.append((tag, self._lines[self.getpos()[0] - 1]))

    def handle_startendtag(self, _tag: str, _attributes: object) -> None:
        """Nothing to close."""

    def handle_endtag(self, tag: str) -> None:
        if not tag.startswith("mj") or self.problem:
            return
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        elif any(name == tag for name, _ in self.open):
            self._unclosed()
        else:
            line = self._lines[self.getpos()[0] - 1]
            self.problem = Problem(line.file, line.number, f"isn't MJML: </{tag}> without <{tag}>")

    def _unclosed(self) -> None:
        tag, line = self.open[-1]
        self.problem = Problem(line.file, line.number, f"isn't MJML: <{tag}> is never closed")
