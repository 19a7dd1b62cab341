"""templates/*.mjml and *.txt -> what minijinja renders."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
_CONTENT = "content"
_ELEMENT = re.compile(r"<(mj-[a-z0-9-]*|mjml)")
# mrml lets an element pass that it doesn't know.
_ELEMENTS = frozenset(
    """mjml mj-head mj-body mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title
    mj-all mj-attributes mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class mj-column
    mj-divider mj-font mj-group mj-hero mj-image mj-include mj-navbar mj-navbar-link mj-preview
    mj-raw mj-section mj-social mj-social-element mj-spacer mj-style mj-table mj-text mj-title
    mj-wrapper""".split(),
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
        """The first line that contains these words."""
        pattern = re.compile(rf"(?<![\w.]){re.escape(words.strip())}(?!\w)")
        return next((line for line in self.lines if pattern.search(line.text)), self.lines[0])


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
            raise BuildFailed([_misspelt(err, lines)]) from None
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
        place = re.search(r" in root template(?: at position (\d+))?", str(err))
        message = f"isn't MJML: {str(err).partition(' in root template')[0]}"
        if place is None or place[1] is None:
            raise BuildFailed([Problem(file, 0, message)]) from None
        end = 0
        for line in lines:
            end += len(line.text.encode()) + 1
            if end > int(place[1]):
                break
        raise BuildFailed([Problem(line.file, line.number, message)]) from None


def _misspelt(err: TemplateError, lines: list[Line]) -> Problem:
    # MJML joins lines, so the line is found by checking the file's own lines one after the other.
    detail = f"isn't a template: {err.detail or err.message}"
    blocks = 0
    for line in lines:
        alone = Environment(undefined_behavior="strict")
        try:
            alone.add_template("line", line.text)
        except TemplateError as problem:
            if "end of input" not in str(problem) and "end" not in (problem.detail or ""):
                return Problem(line.file, line.number, detail)
            blocks += 1
    return Problem(lines[0].file, 0, detail)
