"""templates/*.mjml and *.txt -> templates for minijinja."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING

from minijinja import Environment, TemplateError
from mjml import mjml2html

from emails_build import markup, syntax
from emails_build.problems import BuildFailed, Line, Problem, read_text
from emails_build.texts import INBOX
from roomle_mail.events import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

LINKS = ("url", "result_url")
DESIGN = ("picture", "name", "size")
FAILED = "-failed"
_QR = "qr"
_CONTENT = "content"
_PLACEHOLDER = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_ALT = re.compile(r'\salt="([^"]*)"')
_TAGS = re.compile(r"\{[{%].*?[%}]\}|<[^<>]*>")
_VALUE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_ASSEMBLED = re.compile(r"""(?:href|src)=["']([a-z]+:[^"'{}]*\{\{.*?)["'](?=[\s/>])""")
_LOOP = re.compile(r"\{%\s*for\s+\w+\s+in\s+([\w.]+)")
_SET = re.compile(r"\{%\s*set\s+\w+\s*=\s*([\w.]+)")
_MJML_INCLUDE = re.compile(
    r"""\s*<mj-include\s+path\s*=\s*(["'])(?P<path>[^"']+)\1\s*(?:/>|>\s*</mj-include\s*>)\s*"""
)
_TEXT_INCLUDE = re.compile(r"""\s*\{%[-+]?\s*include\s*(["'])(?P<path>[^"']+)\1\s*[-+]?%\}\s*""")
_INCLUDE_TAG = re.compile(r"""<mj-include\b((?:"[^"]*"|'[^']*'|[^"'>])*?)/?>""")
_NOT_OF_INCLUDES = {
    "type": (
        "put the styles into <mj-style> in shared/layout.mjml, and include MJML only, as "
        '<mj-include path="shared/part.mjml" />'
    ),
    "css-inline": (
        "it belongs to an included style sheet, and there are none: write the styles on the "
        "elements, or into <mj-style> in shared/layout.mjml, and leave `css-inline` out"
    ),
}
_LIKE_PATH = frozenset({"src", "href", "file", "name", "url", "include"})
_INCLUDES = re.compile(r"<mj-include\b|\{%[-+]?\s*include\b")
_POSITION = re.compile(r" at position (\d+):")


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
    optional: frozenset[str]
    """Those of `texts` that are only shown after asking whether there are any."""
    extra: frozenset[str]
    """The brand's own values that it shows; `*` for any."""
    design: frozenset[str]
    """What it shows of a design: "picture", "name" and "size"."""
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]
    """Its problems, although it can be rendered."""

    def find_shown(
        self, clues: Sequence[str], words: Mapping[str, str], place: int = 0, part: str = ".mjml"
    ) -> Line | None:
        """The line that shows the first clue that any shows, filled with `words`.

        Of a text that several show it is the one in this `place`; lines of this `part` come first.
        """
        lines = sorted(self.lines, key=lambda line: line.file.suffix != part)
        for clue in filter(None, clues):
            found = list(self._showing(clue, words, lines))
            if found:
                return found[min(place, len(found) - 1)]
        return None

    def _showing(self, clue: str, words: Mapping[str, str], lines: list[Line]) -> Iterator[Line]:
        filled = [_VALUE.sub(lambda found: words.get(found[1], " "), line.text) for line in lines]
        if clue.startswith("#") or ":" in clue:
            for line, text in zip(lines, filled, strict=True):
                # Links that a template assembles: https://www.brand.example/{{ language }}
                assembled = map(_PLACEHOLDER.split, _ASSEMBLED.findall(line.text))
                kept = map(words.get, _SET.findall(line.text))
                forms = [".*".join(map(re.escape, each)) for each in assembled]
                matched = any(re.fullmatch(form, clue) for form in forms)
                if clue in unescape(text) or clue in kept or matched:
                    yield line
        said = re.compile(rf"(?<!\w){re.escape(clue)}(?!\w)")
        for line, text in zip(lines, filled, strict=True):
            shown = " ".join(unescape(_TAGS.sub(" ", text)).split())
            alternatives = map(unescape, _ALT.findall(text))
            looped = (words.get(name, "") for name in _LOOP.findall(line.text))
            if said.search(shown) or clue in alternatives or any(clue in value for value in looped):
                yield line

    def find(self, err: TemplateError) -> Line:
        """The line of what could not be rendered."""
        text = self.lines[-self.text.count("\n") :]
        if err.line and str(err.name).endswith(".txt"):
            return text[err.line - 1]
        if err.range is None or err.template_source is None:
            return self.lines[0]
        source = err.template_source.encode()
        before = source[: err.range[1]].decode(errors="replace")
        rest = source[err.range[1] :].decode(errors="replace")
        begin = max(before.rfind("{{"), before.rfind("{%"), 0)
        end = min((rest.find(mark) + 2 for mark in ("}}", "%}") if mark in rest), default=0)
        placeholder = before[begin:] + rest[:end]
        # MJML joins lines, but keeps their order, so the third one in it is the third one here.
        found = [
            line for line in self.lines[: -len(text)] for _ in range(line.text.count(placeholder))
        ]
        return (
            found[min(before[:begin].count(placeholder), len(found) - 1)]
            if found
            else self.lines[0]
        )


@dataclass(frozen=True, slots=True)
class _Sources:
    """Where an email's files are: in a brand's folder, or else in the one of all."""

    folders: tuple[Path, ...]
    email: str

    def find(self, name: str) -> Path:
        found = (folder / name for folder in self.folders if (folder / name).exists())
        return next(found, self.folders[-1] / name)


def read_templates(folder: Path) -> dict[str, Template]:
    """Compile all emails; raises BuildFailed."""
    known = [event.removeprefix("email.") for event in EVENTS]
    names = _emails_in(folder)
    if not names:
        example = f"{known[0]}.mjml"
        raise BuildFailed([Problem(folder, 0, f"expected templates such as {example}")])
    return _compile([folder], names)


def read_own_templates(
    folder: Path, common: Mapping[str, Template]
) -> dict[str, dict[str, Template]]:
    """Compile all emails of each brand that has a folder of its own; raises BuildFailed."""
    shared = {part for each in common.values() for part in _parts(each, folder)}
    return {
        own.name: _compile([own, folder], sorted({*common, *_emails_in(own)}))
        for own in sorted(folder.iterdir())
        if own.is_dir()
        and own.name != "shared"
        and own.name not in shared
        and not own.name.startswith(".")
    }


def unused(folder: Path, templates: Iterable[Template]) -> Iterator[Problem]:
    """Files of a brand's folder that none of its emails has."""
    used = {line.file for template in templates for line in template.lines}
    for file in sorted((*folder.rglob("*.mjml"), *folder.rglob("*.txt"))):
        if file.is_file() and file not in used and not file.name.startswith("."):
            why = "isn't used: expected the name of a file in templates/ that it replaces"
            yield Problem(file, 0, why)


def _parts(template: Template, folder: Path) -> Iterator[str]:
    """The folders that a template includes files from."""
    for file in {line.file for line in template.lines}:
        first, *rest = file.relative_to(folder).parts
        if rest:
            yield first


def _emails_in(folder: Path) -> list[str]:
    # Names that start with a dot belong to editors and systems: `.#de.toml`, `._de.toml`.
    return sorted(file.stem for file in folder.glob("*.mjml") if not file.name.startswith("."))


def _compile(folders: Sequence[Path], names: Sequence[str]) -> dict[str, Template]:
    problems: list[Problem] = []
    templates: dict[str, Template] = {}
    known = [event.removeprefix("email.") for event in EVENTS]
    for name in names:
        sources = _Sources(tuple(folders), name)
        if name.removesuffix(FAILED) not in known:
            right = {each.casefold(): each for x in known for each in (x, f"{x}{FAILED}")}
            close = difflib.get_close_matches(name.casefold(), right, n=1, cutoff=0.75)
            hint = f", did you mean {right[close[0]]}.mjml?" if close else ""
            expected = f"{', '.join(known)}, each perhaps with {FAILED}"
            why = f"isn't an email of Roomle's{hint or f': expected {expected}'}"
            problems.append(Problem(sources.find(f"{name}.mjml"), 0, why))
            continue
        try:
            templates[name] = _read(sources)
        except BuildFailed as failed:
            problems += failed.problems
    problems += [
        Problem(text, 0, f"has no {text.stem}.mjml next to it")
        for text in sorted(folders[0].glob("*.txt"))
        if text.stem not in names and "." not in text.stem
    ]
    if problems:
        raise BuildFailed(problems)
    return templates


def _read(sources: _Sources) -> Template:
    file, plain = (sources.find(f"{sources.email}{ending}") for ending in (".mjml", ".txt"))
    if not plain.exists():
        raise BuildFailed([Problem(plain, 0, f"is missing: {file.name} needs its text part")])
    mjml = list(_expanded(sources.find("shared/layout.mjml"), sources))
    text = list(_expanded(sources.find("shared/layout.txt"), sources))
    for part, lines, include in (
        (file, mjml, '<mj-include path="content.mjml" />'),
        (plain, text, '{% include "content.txt" %}'),
    ):
        if part not in {line.file for line in lines}:
            why = f"expected {include} in it, where each email's own file stands"
            raise BuildFailed([Problem(sources.find(f"shared/layout{part.suffix}"), 0, why)])
    if problems := [*syntax.problems(mjml), *syntax.problems(text)]:
        raise BuildFailed(problems)
    html_source = _compiled(mjml)
    text_source = "".join(line.text + "\n" for line in text)
    environment = Environment(undefined_behavior="semi_strict")  # type: ignore[call-overload]
    names: set[str] = set()
    for name, source, lines in (("html", html_source, mjml), ("txt", text_source, text)):
        try:
            environment.add_template(f"email.{name}", source)
        except TemplateError as err:
            raise BuildFailed([_misspelt(err, lines)]) from None
        names |= environment.undeclared_variables_in_template(f"email.{name}", nested=True)
    sourced = [_PLACEHOLDER.findall(source) for source in (html_source, text_source)]
    uses = tuple(link for link in LINKS if link in names)
    requires = tuple(link for link in uses if not _asked(link, sourced))
    if _QR in names and not requires:
        line = next(line for line in (*mjml, *text) if re.search(rf"\b{_QR}\b", line.text))
        raise BuildFailed([line.problem("expected a link for its QR code, such as {{ url }}")])
    texts = _below("t", names)
    return Template(
        name=sources.email,
        html=html_source,
        text=text_source,
        uses=uses,
        requires=requires,
        qr=requires[0] if _QR in names else None,
        texts=INBOX | texts,
        optional=frozenset(key for key in texts if _asked(f"t.{key}", sourced)) - INBOX,
        extra=_below("brand.extra", names) | ({"*"} if "brand.extra" in names else set()),
        design=frozenset(DESIGN) if "design" in names else _below("design", names),
        lines=(*mjml, *text),
        problems=(
            *markup.problems(mjml),
            *markup.strangers(mjml, html_source),
            *markup.in_text_part(text),
        ),
    )


def _below(name: str, names: Iterable[str]) -> frozenset[str]:
    """The first names after a name and a dot."""
    start = f"{name}."
    return frozenset(
        each.removeprefix(start).partition(".")[0] for each in names if each.startswith(start)
    )


def _asked(name: str, sources: Iterable[Sequence[str]]) -> bool:
    """Whether each source's placeholders that have a value ask first whether it is defined."""
    value = rf"(?<![\w.]){re.escape(name)}(?![\w.])"
    asks = (
        rf"\bif(?:\s+|\b[^%]*?(?:\band|\bor|\bnot|\()\s*){value}"
        rf"(?=\s*(?:-?%\}}|\band\b|\bor\b|\)|is\s+(?:not\s+)?defined\b))"
        rf"|{value}\s*(?:or\b|\|\s*default\b)"
    )
    told = (" ".join(each for each in source if name in each) for source in sources)
    return all(re.search(asks, source) for source in told if re.search(value, source))


def _expanded(
    file: Path, sources: _Sources, via: Line | None = None, within: tuple[Path, ...] = ()
) -> Iterator[Line]:
    """The lines of a file and of everything that it includes, without comments."""
    if file in within:
        way = " -> ".join(each.name for each in (*within[within.index(file) :], file))
        assert via is not None  # noqa: S101 (the first file is within none)
        raise BuildFailed([via.problem(f"includes itself: {way}; delete one of the includes")])
    if via and not file.exists():
        raise BuildFailed([via.problem(f"expected the file {_missing(file, sources)}")])
    source = read_text(file)
    include = _TEXT_INCLUDE
    if file.suffix == ".mjml":
        source, include = markup.without_comments(source), _MJML_INCLUDE
    for number, words in enumerate(
        syntax.without_comments(source).removesuffix("\n").split("\n"), 1
    ):
        line = Line(words, file, number)
        included = include.fullmatch(words)
        if included:
            part = _included(line, included["path"], sources)
            yield from _expanded(part, sources, line, (*within, file))
        elif _INCLUDES.search(words):
            raise BuildFailed([line.problem(_expected_include(words, file))])
        else:
            yield line


def _missing(file: Path, sources: _Sources) -> str:
    """A file that isn't there, as an include names it, and one that may be meant."""
    folder = sources.folders[-1]
    there = {x.name: x for x in sorted(folder.rglob(f"*{file.suffix}")) if x.parent != folder}
    close = difflib.get_close_matches(file.name, there, n=1, cutoff=0.85)
    hint = f", did you mean {there[close[0]].relative_to(folder).as_posix()}?" if close else ""
    return f"{file.relative_to(folder).as_posix()} in templates/{hint}"


def _included(line: Line, path: str, sources: _Sources) -> Path:
    if path.endswith("/"):
        raise BuildFailed([line.problem(f'expected a file in templates/, got the folder "{path}"')])
    # As in MJML, an include may omit the file's ending.
    path = path.removeprefix("./")
    file = path if "." in path.rpartition("/")[2] else f"{path}{line.file.suffix}"
    if file.rpartition(".")[0] == _CONTENT:
        return sources.find(f"{sources.email}{line.file.suffix}")
    if ".." in path.split("/") or path.startswith("/") or "\\" in path or "{" in path:
        raise BuildFailed([line.problem(f'expected a path within templates/, got "{path}"')])
    return sources.find(file)


def _expected_include(words: str, file: Path) -> str:
    example = '{% include "shared/part.txt" %}'
    if file.suffix == ".mjml":
        if why := _unsupported_attribute(words):
            return why
        example = '<mj-include path="shared/part.mjml" />'
    return f"expected an include on a separate line, written {example}"


def _unsupported_attribute(words: str) -> str | None:
    """What is wrong with the attributes of an <mj-include>, if one is other than `path`."""
    tag = _INCLUDE_TAG.search(words)
    quoted = re.sub(r"""\s*=\s*(?:"[^"]*"|'[^']*')""", " ", tag[1]) if tag else ""
    if unquoted := re.search(r"([\w-]+)\s*=\s*(\S+)", quoted):
        return f'values in quotes: write {unquoted[1]}="{unquoted[2]}"'
    names = quoted.split()
    for name, why in _NOT_OF_INCLUDES.items():
        if name in names:
            return f"`{name}` isn't supported here: {why}"
    other = next((name for name in names if name != "path"), None)
    if other is None:
        return None
    hint = ", did you mean `path`?" if other in _LIKE_PATH else ""
    return f'<mj-include> has no `{other}`{hint or ":"} expected only path="shared/part.mjml"'


def _compiled(lines: list[Line]) -> str:
    if problems := markup.not_mjml(lines):
        raise BuildFailed(problems)
    try:
        compiled = _mjml(lines)
    except ValueError as err:
        # mrml can't parse a script, for example, which doesn't belong there anyway.
        problems = list(markup.problems(lines)) or [_refused(err, lines)]
        raise BuildFailed(problems) from None
    # Written by mrml, but not part of HTML.
    return compiled.replace(' vertical-align="middle"', "").replace(' height="auto"', "")


def _mjml(lines: Sequence[Line]) -> str:
    source, comments = markup.set_aside("\n".join(line.text for line in lines))
    html = mjml2html(source, disable_comments=True, fonts={})
    return markup.put_back(html, comments)


def _refused(err: ValueError, lines: list[Line]) -> Problem:
    """The error of mrml, on the line that it names or else the line that causes it."""
    message = f"isn't MJML: {str(err).partition(' in root template')[0]}"
    if position := _POSITION.search(str(err)):
        before = "\n".join(line.text for line in lines).encode()[: int(position[1])]
        line = lines[before.count(b"\n")]
        return line.problem(f"{message}: {line.text.strip()[:80]}")
    for number, line in enumerate(lines):
        if line.text.strip():
            try:
                _mjml([*lines[:number], Line("", line.file, line.number), *lines[number + 1 :]])
            except ValueError:
                continue
            return line.problem(
                f"{message}: {line.text.strip()[:80]}; write tags as in XML: values in quotes, "
                "each tag closed"
            )
    return lines[0].problem(message)


def _misspelt(err: TemplateError, lines: list[Line]) -> Problem:
    """The template's problem on the line of the file, although MJML joins lines."""
    message = f"isn't a template: {err.detail or err.message}"
    if err.range is not None and err.template_source is not None:
        before = err.template_source.encode()[: err.range[1]].decode(errors="replace")
        words = before[max(before.rfind("{{"), before.rfind("{%"), 0) :]
        for line in lines:
            if words in line.text:
                return line.problem(message)
    left_open = (line for line in lines if _left_open(line.text))
    return next(left_open, lines[-1]).problem(message)


def _left_open(text: str) -> bool:
    """Whether a placeholder doesn't end on its line; then the error is there."""
    return any(text.count(start) != text.count(end) for start, end in (("{{", "}}"), ("{%", "%}")))
