"""Checks a template's MJML and HTML, before and after MJML is compiled.

The compiler, mrml, accepts much that it then drops or that mail programs don't show.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from functools import lru_cache
from html import unescape
from html.entities import html5
from html.parser import HTMLParser
from itertools import chain
from typing import TYPE_CHECKING

from emails_build import elements, links, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from emails_build.problems import Line, Problem


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Outlook's conditional comments stay.
_COMMENT = re.compile(r"<!--(?!>|\[if\b|<!\[endif\]).*?-->", re.DOTALL)
_OPEN_COMMENT = re.compile(r"<!--(?!>|\[if\b|<!\[endif\])")
_CONDITION = re.compile(
    r"<!--\[if\b[^\]]*\]>(?:<!-->|.*?<!\[endif\]-->)|<!--<!\[endif\]-->", re.DOTALL
)
_CONDITION_MARK = re.compile(r"<!--\[if\b[^\]]*\]>(?:<!-->)?|(?:<!--)?<!\[endif\]-->")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_NOT_HERE = {
    "mj-html-attributes": "write the attributes on the HTML elements themselves",
    "mj-selector": "write the attributes on the HTML elements themselves",
    "mj-html-attribute": "write the attributes on the HTML elements themselves",
    "mj-preview": (
        "shared/layout.mjml writes {{ t.preview }} into a hidden <div>, since <mj-preview> is "
        "white on white, as spam is"
    ),
    "mj-include": 'write it on a separate line, as <mj-include path="shared/part.mjml" />',
}
_STYLE = re.compile(
    r"(<(mj-style|style|script)\b[^>]*>)(.*?)(?=</\2\b)",
    re.DOTALL,
)
_TAG = re.compile(r"(</?([A-Za-z][\w-]*)(?:\s[^<>]*)?/?>)")
_DECLARATION = re.compile(r"<(?:!\[CDATA\[|!DOCTYPE\b|\?)", re.IGNORECASE)
_TAG_START = re.compile(r"</?[A-Za-z][\w:.-]*")
_ATTRIBUTE = re.compile(r"""\s+[^\s=<>"'/]++(?:\s*=\s*(?:"[^"<]*"|'[^'<]*')|(?!\s*=))""")
_TAG_END = re.compile(r"\s*/?>")
_OPEN_VALUE = re.compile(r"""\s*([^\s=<>"'/]+)\s*=\s*(["'])([^<>\n]{,40})""")
_UNQUOTED = re.compile(r"""\s*([^\s=<>"'/]+)\s*=\s*([^\s<>"']+)""")
_DECLARED = re.compile(r"(?:^|[{;])\s*[A-Za-z-]+\s*:([^{};]*)(?=[;}]|$)")
_PROPERTY = re.compile(r"(?:^|[{;])\s*([A-Za-z-]+)\s*:[^{};]*(?=[;}]|$)")
_MARK = "{{#outlook {}#}}"
_ATTRIBUTES = frozenset[str]().union(*elements.ATTRIBUTES.values(), ["name"])
_MJML = frozenset(elements.ATTRIBUTES) | {"mj-all", "mj-class"}
_CHARACTERS = frozenset(html5)
_NEEDED = {"mj-button": "href", "mj-image": "src", "mj-navbar-link": "href"}
_VOID = _names(
    """
    area base br col embed hr img input link meta source track wbr
    """
)
# Mail programs drop these, or distrust the email because of them.
_UNSHOWN = {
    "script": "no mail program runs scripts: delete it",
    **dict.fromkeys(
        ("iframe", "frame", "object", "embed", "applet", "audio", "video", "canvas", "svg", "math"),
        "mail programs don't show it: use a picture that links to it",
    ),
    **dict.fromkeys(
        ("form", "input", "textarea", "select", "button"),
        "mail programs don't let people fill in forms: link to a page with the form",
    ),
    "link": "mail programs load no style sheets: write the styles into <mj-style>",
    "base": "mail programs ignore it: write whole links, https://…",
}
_LINKS = frozenset({"href", "action", "formaction", "xlink:href", "cite"})
_PICTURES = frozenset({"src", "background", "background-url", "poster", "thumbnails-src", "srcset"})
_LINK_BEGINS = ("https://", "mailto:", "tel:", "sms:", "#")
_PICTURE_BEGINS = ("https://", "cid:")
_CSS_URL = re.compile(r"""url\(\s*["']?\s*([^"')\s]*)""", re.IGNORECASE)
_CSS_ACTIVE = re.compile(r"@import\b|\bexpression\s*\(|javascript:|-moz-binding", re.IGNORECASE)
_LOADED = re.compile(r'\b(?:src|background)="(https?://([^/"{}]+)[^"]*)"')
_LED_TO = re.compile(r'\shref="https://([^/"?#]+)')
_LOADED_HOST = re.compile(r"""(?:\s(?:src|background)=["']|url\(["']?)https://([^/"'?#)]+)""")
_RENDERED_LINK = re.compile(r'\s(?:href|src|background)="([^"]*)"')
_ICONS = re.compile(r"<mj-(?:social|accordion|carousel|navbar)\b")


def without_comments(source: str) -> str:
    """The source without comments, except Outlook's; line numbers stay the same."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), source)


def not_mjml(lines: Sequence[Line]) -> list[Problem]:
    """What can't be compiled, or would be lost."""
    if found := [*_less_than(lines), *_open_comments(lines), *_open_tags(lines)]:
        return found
    reader = _read(tuple(lines))
    # What follows an element that isn't closed seems to be misplaced.
    unclosed = any(problem.message.endswith("is never closed") for problem in reader.broken)
    return [
        problem
        for problem in reader.broken
        if not (unclosed and " can't be within " in problem.message)
    ]


def problems(lines: Sequence[Line]) -> list[Problem]:
    """What mail programs drop or distrust, also in parts for Outlook only."""
    everywhere = _read(tuple(lines))
    text = "\n".join(line.text for line in lines)
    begin, for_outlook = 0, ""
    for found in _CONDITION.finditer(text):
        inside = _CONDITION_MARK.sub(lambda mark: _blank(mark[0]), found[0])
        for_outlook += _blank(text[begin : found.start()]) + inside
        begin = found.end()
    for_outlook += _blank(text[begin:])
    outlook = _Reader(
        [
            replace(line, text=words)
            for line, words in zip(lines, for_outlook.split("\n"), strict=True)
        ]
    )
    return [*everywhere.doubtful, *outlook.doubtful, *unknown_characters(lines)]


def in_text_part(lines: Sequence[Line]) -> Iterator[Problem]:
    """HTML in a text part, which is shown as it is written, and links that are not safe."""
    for line in lines:
        yield from map(line.problem, _around_placeholders(line.text, links.in_words, _html))


def _html(said: str) -> Iterator[str]:
    tags = _TAG.findall(said)
    html = (tag for tag, name in tags if name.lower() in elements.HTML or name[:3] == "mj-")
    if tag := next(html, None):
        yield f"{tag} would be shown as it is written: a text part has no HTML, delete it"


def _markdown(said: str) -> Iterator[str]:
    if found := words.markdown(said):
        yield f'"{found}" would be shown as it is written: expected HTML in <mj-text>'


def _around_placeholders(text: str, *checks: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """What checks say about words; placeholders are words to them, and told as they are written."""
    # Characters for private use, which a file can't have: words.hidden() refuses them.
    marks = {f"{{{chr(0xE100 + n)}": each for n, each in enumerate(_PLACEHOLDER.findall(text))}
    left = iter(marks)
    marked = _PLACEHOLDER.sub(lambda _: next(left), text)
    for message in chain.from_iterable(check(marked) for check in checks):
        yield re.sub(r"\{[\ue100-\uf8ff]", lambda mark: marks[mark[0]], message)


def unknown_characters(lines: Sequence[Line]) -> Iterator[Problem]:
    """Names of characters that HTML doesn't know, such as `&nbps;`, and characters that turn words.

    These are right-to-left overrides and the like, also as `&#8238;`.
    """
    for line in lines:
        if found := words.TURNING.search(unescape(line.text)):
            yield line.problem(
                f"&#{ord(found[0])}; turns the order of what follows, unseen: delete it, "
                'or write dir="rtl" or "ltr" on the HTML element'
            )
        for name in re.findall(r"&([A-Za-z]\w*);", line.text):
            if f"{name};" not in _CHARACTERS:
                hint = _close(f"{name};", _CHARACTERS)
                yield line.problem(f"&{name}; is no character{hint.replace('`', '`&', 1)}")


def set_aside(source: str) -> tuple[str, list[str]]:
    """The source with marks in place of conditional comments, whose HTML need not be balanced."""
    comments: list[str] = []

    def mark(found: re.Match[str]) -> str:
        comments.append(found[0])
        return _MARK.format(len(comments) - 1) + "\n" * found[0].count("\n")

    return _CONDITION.sub(mark, source), comments


def put_back(html: str, comments: Sequence[str]) -> str:
    """The HTML with its conditional comments back in place of the marks."""
    for number, comment in enumerate(comments):
        html = html.replace(_MARK.format(number), comment)
    return html


def rendered(lines: Sequence[Line], html: str, text: str) -> Iterator[Problem]:
    """Links of the finished email that a template assembled: `{{ "http://" ~ host }}`."""
    for why in dict.fromkeys(links.in_words(text)):
        text_part = [line for line in lines if line.file.suffix == ".txt"]
        # What of it is in the template: most links end with what is inserted.
        found = (line for line in text_part if "://" in line.text)
        yield next(found, text_part[0]).problem(why)
    for link in dict.fromkeys(map(unescape, _RENDERED_LINK.findall(html))):
        if not link.lower().startswith((*_LINK_BEGINS, *_PICTURE_BEGINS)):
            found = (line for line in lines if link and link in line.text)
            expected = f'expected links of https://, mailto: or tel:, got "{link[:100]}"'
            yield next(found, lines[0]).problem(expected)


def hosts(html: str) -> tuple[set[str], set[str]]:
    """The hosts that an email's links lead to, and those that it loads something from."""
    return set(_LED_TO.findall(html)), set(_LOADED_HOST.findall(html))


def strangers(lines: Sequence[Line], html: str) -> Iterator[Problem]:
    """Pictures that MJML adds itself, from hosts that nobody chose."""
    source = "\n".join(line.text for line in lines)
    hosts = {host for link, host in _LOADED.findall(html) if link not in source}
    for host in sorted(hosts):
        line = next((line for line in lines if _ICONS.search(line.text)), lines[0])
        yield line.problem(
            f"loads MJML's own pictures from {host}: give pictures of yours by `src`, "
            "`icon-wrapped-url` and the like"
        )


def _less_than(lines: Sequence[Line]) -> Iterator[Problem]:
    """MJML reads `<` as the start of a tag, even in a placeholder."""
    for line in lines:
        for found in _PLACEHOLDER.findall(line.text):
            if "<" in re.sub(r"'[^']*'|\"[^\"]*\"", "", found):
                yield line.problem(f"MJML can't read `<` in {found}: swap the sides and write `>`")


def _open_comments(lines: Sequence[Line]) -> Iterator[Problem]:
    for line in lines:
        if _OPEN_COMMENT.search(line.text):
            yield line.problem("isn't MJML: a comment that is never closed: write --> after it")
        if found := _DECLARATION.search(line.text):
            yield line.problem(f"isn't MJML: {found[0]} isn't supported here: delete it")


def _open_tags(lines: Sequence[Line]) -> Iterator[Problem]:
    """Tags and quotation marks that are not closed, which would swallow what follows."""
    text = "\n".join(line.text for line in lines)
    text = _STYLE.sub(lambda found: found[1] + _blank(found[3]), _CONDITION.sub(_blanked, text))
    text = _PLACEHOLDER.sub(_hidden, text)
    for tag in _TAG_START.finditer(text):
        at = tag.end()
        while attribute := _ATTRIBUTE.match(text, at):
            at = attribute.end()
        if _TAG_END.match(text, at):
            continue
        place = at + len(text[at:]) - len(text[at:].lstrip())
        if opened := _OPEN_VALUE.match(text, at):
            name, mark, value = opened[1], opened[2], _shown(opened[3])
            why = f"{name}={mark}{value} is never closed: write {mark} after the value"
        elif unquoted := _UNQUOTED.match(text, at):
            # Word processors write curly quotes.
            name, value = unquoted[1], _shown(unquoted[2].strip("“”„"))
            why = f'values in quotes: write {name}="{value}"'
        elif text[at:].lstrip()[:1] in {"", "<"}:
            place = tag.start()
            name = tag[0].lstrip("</").lower()
            sign = "" if name in _MJML | elements.HTML else ", or &lt; for the sign"
            why = f"{tag[0]} is never closed: write > after it{sign}"
        else:
            why = f"{tag[0]} … {_shown(text[place : place + 20].split()[0])} can't be read"
        yield lines[text.count("\n", 0, place)].problem(f"isn't MJML: {why}")


def _open_rule(styles: str, line: int) -> tuple[int, str] | None:
    """The first line on which braces of a style sheet, which begins on `line`, don't match."""
    opened: list[tuple[int, bool]] = []
    begin = 0
    for found in re.finditer(r"[{};\n]", styles):
        before = styles[begin : found.start()].strip()
        if found[0] == "\n":
            line += 1
            continue
        begin = found.end()
        in_rule = bool(opened) and not opened[-1][1]
        if found[0] == "{":
            if in_rule:
                break
            opened.append((line, before.startswith("@media")))
        elif found[0] == ";" and not in_rule and not before.startswith("@"):
            return line, "expected { before this"
        elif found[0] == "}" and not opened:
            return line, "} without { before it"
        elif found[0] == "}":
            opened.pop()
    return (opened[-1][0], "a rule that is never closed: write } after it") if opened else None


class _Reader(HTMLParser):
    """Goes through a template's elements; placeholders are text to it."""

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__()
        self.broken: list[Problem] = []
        self.doubtful: list[Problem] = []
        self._lines = lines
        self._open: list[tuple[str, Line]] = []
        text = "\n".join(line.text for line in lines)
        self._classes = set(re.findall(r"<mj-class\s[^>]*?\bname=[\"']([^\"']*)", text))
        # What only Outlook reads need not be balanced.
        text = _CONDITION.sub(_blanked, text)
        self.feed(_PLACEHOLDER.sub(_hidden, text))

    def close(self) -> None:
        super().close()
        if self._open and not self.broken:
            self._unclosed()

    @property
    def _line(self) -> Line:
        return self._lines[self.getpos()[0] - 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._check(tag, [(name, _shown(value or "")) for name, value in attrs])
        if tag == "mj-style":
            self.set_cdata_mode(tag)
        if tag not in _VOID:
            self._open.append((tag, self._line))
        elif not (self.get_starttag_text() or "").endswith("/>") and tag not in {"br", "hr"}:
            self._break(f"<{tag}> is never closed: write it with /> at its end, as in XML")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._check(tag, [(name, _shown(value or "")) for name, value in attrs])

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        elif any(name == tag for name, _ in self._open):
            self._unclosed()
            while self._open.pop()[0] != tag:
                pass
        else:
            self._break(f"</{tag}> without <{tag}>")

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] in elements.HOLDS:
            words = _PLACEHOLDER.sub(lambda found: _blank(found[0]), _shown(data))
            if stray := words.strip():
                said = " ".join(stray.split())[:60]
                number = self.getpos()[0] + words[: words.index(stray)].count("\n")
                self.broken.append(
                    self._lines[number - 1].problem(
                        f'isn\'t MJML: "{said}" is in <{self._open[-1][0]}>: '
                        "expected it in <mj-text>"
                    )
                )
        if self._open and self._open[-1][0] not in {"mj-style", "style", "script"}:
            self._check_words(data)
        if self._open and self._open[-1][0] in {"mj-style", "style"}:
            before = self.getpos()[0] - 1
            styles = _PLACEHOLDER.sub(lambda found: _blank(found[0]), _shown(data))
            if wrong := _open_rule(styles, before):
                self.broken.append(self._lines[wrong[0]].problem(f"isn't CSS: {wrong[1]}"))
            for number, words in enumerate(data.split("\n")):
                self._check_style(_shown(words), self._lines[before + number])

    def _check_words(self, data: str) -> None:
        for number, text in enumerate(data.split("\n"), self.getpos()[0] - 1):
            found = _around_placeholders(_shown(text), links.in_words, _markdown)
            self.doubtful += map(self._lines[number].problem, found)

    def _break(self, message: str) -> None:
        self.broken.append(self._line.problem(f"isn't MJML: {message}"))

    def _unclosed(self) -> None:
        tag, line = self._open[-1]
        self.broken.append(line.problem(f"isn't MJML: <{tag}> is never closed"))

    def _doubt(self, message: str) -> None:
        self.doubtful.append(self._line.problem(message))

    def _check(self, tag: str, attributes: list[tuple[str, str]]) -> None:
        if tag in _NOT_HERE:
            self._break(f"<{tag}> isn't supported here: {_NOT_HERE[tag]}")
        elif tag.startswith("mj") and tag not in _MJML:
            self._break(f"<{tag}> isn't known{_close(tag, _MJML | frozenset(_NOT_HERE))}")
        elif tag == "mj-style" and dict(attributes).get("inline"):
            self._break(
                '<mj-style inline="inline"> isn\'t supported here: '
                "write the styles on the elements, or leave `inline` out"
            )
        elif why := self._misplaced(tag):
            self._break(why)
        elif tag.startswith("mj"):
            self._check_mjml(tag, attributes)
        elif tag in _UNSHOWN:
            self._doubt(f"<{tag}>: {_UNSHOWN[tag]}")
        elif not tag.startswith("mj"):
            self._check_html(tag, attributes)
        if tag == "meta" and dict(attributes).get("http-equiv", "").lower() == "refresh":
            self._doubt("<meta> that leads elsewhere: mail programs ignore it: delete it")
        for name, value in attributes:
            self._check_attribute(tag, name, value.strip())

    def _within(self, parent: str) -> bool:
        return bool(self._open) and self._open[-1][0] == parent

    def _misplaced(self, tag: str) -> str | None:
        """Why an element can't be here, if it can't."""
        if not self._open or self._within("mj-attributes"):
            return None
        parent = self._open[-1][0]
        around = next((name for name, _ in self._open if name in elements.HOLD_HTML), None)
        if around and tag.startswith("mj"):
            return f"<{tag}> can't be within <{around}>: close that first"
        if parent in elements.HOLDS and tag not in elements.HOLDS[parent]:
            if not tag.startswith("mj"):
                return f"<{tag}> can't be within <{parent}>: expected it in <mj-text>"
            places = " or ".join(
                f"<{name}>" for name, holds in elements.HOLDS.items() if tag in holds
            )
            where = f"expected it in {places}" if places else "shared/layout.mjml begins with it"
            return f"<{tag}> can't be within <{parent}>: {where}"
        return None

    def _check_mjml(self, tag: str, attributes: list[tuple[str, str]]) -> None:
        known = elements.ATTRIBUTES.get(tag, _ATTRIBUTES)
        names = [name for name, _ in attributes]
        if (self.get_starttag_text() or "").startswith("<MJ"):
            self._break(f"<{tag}> has to be written in small letters")
        if _NEEDED.get(tag, tag) not in {*names, tag} and not self._within("mj-attributes"):
            self._doubt(f"<{tag}> has no `{_NEEDED[tag]}`")
        self._check_mjml_attributes(tag, attributes, known)

    def _check_mjml_attributes(
        self, tag: str, attributes: list[tuple[str, str]], known: frozenset[str]
    ) -> None:
        names = [name for name, _ in attributes]
        for name, value in attributes:
            if name == "class" and tag not in {"mj-class", "mj-all"}:
                self._break(f"<{tag}> has no `class`: write `css-class`")
            elif name not in known:
                hint = _close(name, known) or f": expected one of {', '.join(sorted(known))}"
                self._break(f"<{tag}> has no `{name}`{hint}")
            elif names.count(name) > 1:
                self._break(f"<{tag}> has `{name}` twice: delete one")
            elif expected := elements.expected_value(name, value.strip()):
                self._doubt(f'<{tag} {name}>: expected {expected}, got "{value}"')
            elif name == "mj-class":
                for each in value.split():
                    if each not in self._classes and "{" not in each:
                        self._break(f'no <mj-class name="{each}"> in <mj-attributes>')

    def _check_html(self, tag: str, attributes: list[tuple[str, str]]) -> None:
        """Slips of the pen; what nobody knows stays, since mail programs have much of their own."""
        if tag not in elements.HTML and ":" not in tag:
            self._doubt(f"<{tag}> isn't HTML{_close(tag, elements.HTML)}")
        for name, _ in attributes:
            if name not in elements.HTML_ATTRIBUTES and (
                close := _close(name, elements.HTML_ATTRIBUTES, 0.85)
            ):
                self._doubt(f"<{tag}> has no `{name}`{close}")

    def _check_attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on"):
            self._doubt(f"`{name}`: no mail program runs scripts: delete it")
        elif name == "style":
            self._check_style(value, self._line)
        elif name in _PICTURES:
            for each in re.split(r",\s+", value) if name == "srcset" else [value]:
                self._check_link(tag, name, each.partition(" ")[0] if name == "srcset" else each)
        elif name in _LINKS:
            self._check_link(tag, name, value)

    def _check_link(self, tag: str, name: str, value: str) -> None:
        picture = name in _PICTURES
        begins = _PICTURE_BEGINS if picture else _LINK_BEGINS
        # Inserted values were checked at their source.
        if re.match(r"\{\{|\{%", value):
            return
        # Alone it is what stands where a link is still to come.
        if value == "#" or not value.lower().startswith(begins):
            expected = ", ".join(each for each in begins if each not in {"#", "sms:"})
            self._doubt(f'<{tag} {name}>: expected a link of {expected}, got "{value[:100]}"')
        elif (written := links.ascii_link(value)) != value and "{" not in value:
            self._doubt(f'<{tag} {name}>: write the link as "{written}"')
        elif value.lower().startswith("https://") and "{" not in value and not links.rebuilt(value):
            expected = "https:// and a host such as www.brand.example, without user or port"
            self._doubt(f'<{tag} {name}>: expected {expected}, got "{value[:100]}"')
        elif picture and (unshown := links.unshown_format(value)):
            self._doubt(
                f"<{tag} {name}>: mail programs don't show {unshown.upper()}: "
                "expected PNG, JPEG or GIF"
            )

    def _check_style(self, style: str, line: Line) -> None:
        for value in _DECLARED.findall(_PLACEHOLDER.sub("x", style)):
            for name in re.findall(r"\s([a-z-]+)\s*:", value):
                if name in elements.STYLES:
                    self.doubtful.append(line.problem(f"styles: expected ; before `{name}`"))
        for name in _PROPERTY.findall(_PLACEHOLDER.sub("x", style)):
            if name.lower() not in elements.STYLES and (
                close := _close(name.lower(), elements.STYLES, 0.85)
            ):
                self.doubtful.append(line.problem(f"no style is called `{name}`{close}"))
        if found := _CSS_ACTIVE.search(style):
            self.doubtful.append(
                line.problem(f"`{found[0]}`: mail programs drop such styles: delete it")
            )
        for link in _CSS_URL.findall(style):
            if not link.lower().startswith(("https://", "{{", "{%")):
                self.doubtful.append(
                    line.problem(f'a picture of a style: expected https://…, got "{link[:100]}"')
                )


@lru_cache(maxsize=2)
def _read(lines: tuple[Line, ...]) -> _Reader:
    reader = _Reader(lines)
    reader.close()
    return reader


# Placeholders contain quotes and angle brackets, which HTMLParser would read as the document's.
_HIDDEN = str.maketrans({'"': "\ue000", "'": "\ue001", "<": "\ue002", ">": "\ue003", "&": "\ue004"})


_SHOWN = {ord(hidden): shown for shown, hidden in _HIDDEN.items()}


def _hidden(placeholder: re.Match[str]) -> str:
    return placeholder[0].translate(_HIDDEN)


def _shown(value: str) -> str:
    return value.translate(_SHOWN)


def _blank(text: str) -> str:
    return "\n".join(" " * len(line) for line in text.split("\n"))


def _blanked(found: re.Match[str]) -> str:
    return _blank(found[0])


@lru_cache
def _close(name: str, known: frozenset[str], cutoff: float = 0.6) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f", did you mean `{close[0]}`?" if close else ""
