"""Checks finished emails: size, contrast, pictures, and what only one of the parts says.

Colours are calculated from the HTML and the cascade of its style sheets, as mail programs do, once
for light and once for dark mode.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from html import unescape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cssselect2
import html5lib
import tinycss2
from tinycss2.color3 import RGBA, parse_color

from emails_build.texts import LINK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from xml.etree.ElementTree import Element

type Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# Layouts put these after the preview line, to keep the email's text out of it.
FILLERS = "\N{COMBINING GRAPHEME JOINER}\N{ZERO WIDTH NON-JOINER}\N{NO-BREAK SPACE}"
# Gmail clips at 102 KB; this leaves room for links, tracking by others and forwarding.
MAX_HTML = 60_000
# Marks what the text part has no use for, such as "if the button doesn't work".
HTML_ONLY = "html-only"
# WCAG 2.2, 1.4.3: text, and text that is large (in CSS pixels, or bold from less on).
TEXT, LARGE_TEXT = 4.5, 3.0
LARGE, LARGE_IF_BOLD, BOLD = 24.0, 18.66, 600
UNSEEN = frozenset({"head", "script", "style", "title", "template", "noscript"})
# What differs between languages, but not in how an email looks.
_SAID = re.compile(r'<title>.*?</title>|\s(?:lang|aria-label)="[^"]*"', re.DOTALL)
_ALT = re.compile(r'\salt="[^"]*[^"\s][^"]*"')
_WORDS = re.compile(r">([^<]*[^<\s][^<]*)<")
_LINK = re.compile(r'\shref="([^"]*)"')
# Without what ends a sentence behind it.
_ENDS = "'.,;:!?)]"
_WRITTEN = re.compile(rf"https://[^\s<>\"]*[^\s<>\"{re.escape(_ENDS)}]")
_FILLER = re.compile(r"(?:&#847;&zwnj;&nbsp;)+")
BLACK, WHITE = RGBA(0, 0, 0, 1), RGBA(1, 1, 1, 1)
# Browsers' default colours for an email that only declares dark mode.
DARK_CANVAS = RGBA(0.07, 0.07, 0.07, 1)

type Styles = Mapping[str, str]
# Name, value and importance.
type Declarations = tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True)
class Painted:
    """A text on the page, and its colours and size."""

    text: str
    colour: RGBA = BLACK
    background: RGBA = WHITE
    size: float = 16
    weight: int = 400
    in_text: bool = True
    """Whether the text part should say it too."""

    @property
    def needed(self) -> float:
        """The contrast that WCAG's AA requires."""
        large = LARGE_IF_BOLD if self.weight >= BOLD else LARGE
        return LARGE_TEXT if self.size >= large else TEXT

    @property
    def contrast(self) -> float:
        """From 1 (invisible) to 21."""
        dark, light = sorted(map(luminance, (self.colour, self.background)))
        return (light + 0.05) / (dark + 0.05)


class Finding(NamedTuple):
    """What is wrong, and what stands where it is in the template.

    That is a text, the `place`-th one of those that are alike, or else a link or a colour.
    """

    message: str
    clues: tuple[str, ...] = ()
    place: int = 0
    part: Literal[".mjml", ".txt"] = ".mjml"


def links_in(text: str) -> list[str]:
    """The links that are written out in a text."""
    return _WRITTEN.findall(text)


def findings(text: str, html: str, links: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """List all that is wrong with an email, in words for its designer.

    Those of `links` that the text part has belong into the HTML too.
    """
    form = _Form(text, html, links)
    found = () if _is_fine(form) else _found_in(text, html, links)
    return *_size(html), *_left(f"{text} {html}"), *found


class _Form:
    """An email; equal to those that differ only in words, and whose text part has the same words.

    What is fine in one language is fine in the others, so it is read closely only once.
    """

    def __init__(self, text: str, html: str, links: frozenset[str]) -> None:
        self.text, self.html, self.links = text, html, links
        head, start, body = _SAID.sub("", _FILLER.sub("", html)).partition("<body")
        tags = _ALT.sub(' alt="x"', _WORDS.sub("><", start + body))
        plain = _Plain(text)
        words = [unescape(each) for each in _WORDS.findall(body)]
        targets = [unescape(each) for each in _LINK.findall(body)]
        said = [plain.says(each) for each in words]
        linked = [plain.links_to(each) for each in targets]
        lost = plain.lost(links, targets, words)
        self._form = (head, tags, tuple(said), tuple(linked), tuple(lost))

    def __hash__(self) -> int:
        return hash(self._form)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Form) and self._form == other._form


class _Plain:
    """What the text part says."""

    def __init__(self, text: str) -> None:
        self._text, self._words = text, _comparable(text)
        self._digits = re.sub(r"\D", "", text)

    def says(self, words: str) -> bool:
        return _comparable(words) in self._words

    def links_to(self, link: str) -> bool:
        kind, _, target = link.partition(":")
        if kind.startswith("#"):
            return True  # to another place in the HTML
        if kind == "tel":
            return re.sub(r"\D", "", target) in self._digits
        return (target.partition("?")[0] if kind == "mailto" else link) in self._text

    def lost(self, links: Iterable[str], targets: Iterable[str], words: Iterable[str]) -> list[str]:
        """Those of its links that neither the HTML's links nor its words have."""
        there = sorted(set(links).intersection(links_in(self._text)))
        if not there:
            return []
        known, shown = {each.rstrip(_ENDS) for each in targets}, " ".join(words)
        return [link for link in there if link not in known and link not in shown]


@lru_cache(maxsize=1024)
def _is_fine(email: _Form) -> bool:
    return not _found_in(email.text, email.html, email.links)


# What isn't fine is asked for twice.
@lru_cache(maxsize=1)
def _found_in(text: str, html: str, links: frozenset[str]) -> tuple[Finding, ...]:
    # html5lib would take a third of its time for the preview line's filler.
    html = _FILLER.sub("", html)
    root = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    texts = {scheme: list(painted(root, scheme)) for scheme in SCHEMES}
    return (
        *_pictures(root),
        *_missing_in_text(root, texts["light"], _Plain(text)),
        *_missing_in_html(root, texts["light"], _Plain(text), links),
        *(finding for scheme in SCHEMES for finding in dict.fromkeys(faint(texts[scheme], scheme))),
    )


def _size(html: str) -> Iterator[Finding]:
    """Compare with the size above which mail programs may clip an email."""
    if (length := len(html.encode())) > MAX_HTML:
        yield Finding(
            f"{length:,} bytes, expected at most {MAX_HTML:,}: mail programs clip longer ones"
        )


def _left(shown: str) -> Iterator[Finding]:
    """Find the place of a link that no paragraph has filled."""
    if LINK in shown:
        why = (
            "{link} would be shown as it is written: a text with it needs a link, as `note` needs "
            "`note_link` in the brand's blocks, and is shown by shared/paragraph"
        )
        yield Finding(why, (LINK,))


def _pictures(root: Element) -> Iterator[Finding]:
    """Find pictures that leave nothing behind if pictures are blocked."""
    for image in root.iter("img"):
        if not (image.get("alt") or "").strip():
            link = image.get("src", "")
            yield Finding(f"a picture without alternative text, `alt`: {link[:100]}", (link,))


def _missing_in_text(root: Element, texts: Iterable[Painted], plain: _Plain) -> Iterator[Finding]:
    """Find words and links that only the HTML has; some people read the text part."""
    places = Counter[str]()
    for each in texts:
        places[each.text] += 1
        if each.in_text and not plain.says(each.text):
            yield Finding(
                f"only the HTML says “{each.text[:60]}”: write it into the text part (.txt) too, "
                f'or mark the element with css-class="{HTML_ONLY}"',
                (each.text,),
                places[each.text] - 1,
            )
    for link in dict.fromkeys(each.get("href", "") for each in _in_text(root)):
        if not plain.links_to(link):
            yield Finding(
                f"only the HTML has the link {link[:100]}: write it into the text part (.txt) too",
                (link,),
            )


def _missing_in_html(
    root: Element, texts: Iterable[Painted], plain: _Plain, links: frozenset[str]
) -> Iterator[Finding]:
    """Find links that only the text part has; most people see the HTML."""
    targets = (each.get("href", "") for each in root.iter("a"))
    for link in plain.lost(links, targets, (each.text for each in texts)):
        yield Finding(
            f"only the text part has the link {link[:100]}: show it in the HTML (.mjml) too",
            (link,),
            part=".txt",
        )


def _in_text(element: Element) -> Iterator[Element]:
    """The links that the text part should have."""
    if HTML_ONLY in element.get("class", "").split():
        return
    if element.tag == "a":
        yield element
    for child in element:
        yield from _in_text(child)


def _comparable(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def faint(texts: Iterable[Painted], scheme: Scheme) -> Iterator[Finding]:
    """Find texts that are hard to read on their background."""
    seen_before = Counter[str]()
    for each in texts:
        place = seen_before[each.text]
        seen_before[each.text] += 1
        if each.contrast < each.needed:
            colours = written(each.colour), written(each.background)
            yield Finding(
                f"contrast {each.contrast:.2f} of {each.needed:g} in {scheme} mode: "
                f"“{each.text[:60]}”, {' on '.join(colours)}",
                (each.text, *colours),
                place,
            )


def painted(root: Element, scheme: Scheme) -> Iterator[Painted]:
    """Every visible text, in document order."""
    sheet = Sheet(root, scheme)
    body = root.find("body")
    assert body is not None  # noqa: S101 (html5lib makes one)
    canvas = Painted("")
    if scheme in sheet.style(root).get("color-scheme", "light") and scheme == "dark":
        canvas = replace(canvas, colour=WHITE, background=DARK_CANVAS)
    yield from paint(body, sheet, canvas)


def paint(element: Element, sheet: Sheet, around: Painted) -> Iterator[Painted]:
    """The texts in an element, which inherits from its parent."""
    style = sheet.style(element)
    if element.tag in UNSEEN or style.get("display") == "none":
        return
    here = inherit(element, style, around)
    yield from seen(element.text, here)
    # What a picture shows needs no place in the text part.
    yield from seen(element.get("alt"), replace(here, in_text=False))
    for child in element:
        if isinstance(child.tag, str):
            yield from paint(child, sheet, here)
        yield from seen(child.tail, here)


def seen(text: str | None, here: Painted) -> Iterator[Painted]:
    """A text, unless it is white space."""
    if text and (stripped := " ".join(text.strip(f"{FILLERS} \r\n\t").split())):
        yield replace(here, text=stripped)


def inherit(element: Element, style: Styles, around: Painted) -> Painted:
    """An element's style."""
    colour = found if (found := read_colour(style.get("color", ""))) else around.colour
    behind = read_colour(style.get("background-color") or (element.get("bgcolor") or ""))
    size = re.fullmatch(r"([\d.]+)px", style.get("font-size", ""))
    weight = {"bold": "700", "normal": "400"}.get(value := style.get("font-weight", ""), value)
    default = 700 if element.tag in {"h1", "h2", "h3", "b", "strong", "th"} else around.weight
    return Painted(
        text="",
        colour=colour,
        background=over(behind, around.background) if behind else around.background,
        size=float(size[1]) if size else around.size,
        weight=int(weight) if weight.isdecimal() else default,
        in_text=around.in_text and HTML_ONLY not in element.get("class", "").split(),
    )


class Sheet:
    """The style sheets of a document, for a screen as wide as the email."""

    def __init__(self, root: Element, scheme: Scheme) -> None:
        self._matcher = cssselect2.Matcher()
        self._elements = {
            wrapper.etree_element: wrapper
            for wrapper in cssselect2.ElementWrapper.from_html_root(root).iter_subtree()
        }
        for style in root.iter("style"):
            if applies(style.get("media") or "", scheme):
                for selector, declarations in rules(style.text or "", scheme):
                    self._matcher.add_selector(selector, declarations)

    def style(self, element: Element) -> Styles:
        """An element's own declarations, the strongest for each property."""
        matched = sorted(self._matcher.match(self._elements[element]), key=lambda each: each[:2])
        declarations = [each for *_, payload in matched for each in payload]
        declarations += inline(element.get("style", ""))
        style: dict[str, str] = {}
        for important in (False, True):
            style.update(
                {name: value for name, value, strong in declarations if strong == important}
            )
        return style


@lru_cache(maxsize=64)
def rules(css: str, scheme: Scheme) -> tuple[tuple[Any, Declarations], ...]:
    """A style sheet's selectors that apply, each with its declarations."""
    return tuple(rules_among(tinycss2.parse_stylesheet(css, *[True] * 2), scheme))


def rules_among(parsed: Iterable[Any], scheme: Scheme) -> Iterator[tuple[Any, Declarations]]:
    """The same for parsed rules, including media rules."""
    for rule in parsed:
        if rule.type == "at-rule" and rule.lower_at_keyword == "media" and rule.content:
            if applies(tinycss2.serialize(rule.prelude), scheme):
                yield from rules_among(tinycss2.parse_rule_list(rule.content, *[True] * 2), scheme)
        elif rule.type == "qualified-rule":
            try:
                selectors = cssselect2.compile_selector_list(rule.prelude)
            except cssselect2.SelectorError:
                continue  # as browsers do
            declarations = tuple(declared(rule.content))
            for selector in selectors:
                yield selector, declarations


@lru_cache(maxsize=1024)
def inline(style: str) -> Declarations:
    """A style attribute's declarations."""
    return tuple(declared(style))


def applies(media: str, scheme: Scheme) -> bool:
    """Return whether a media query matches, as far as emails use them: desktops, a scheme."""
    if "prefers-color-scheme" in media:
        return scheme in media
    return not any(word in media for word in ("max-width", "print", "pointer"))


def declared(source: Any) -> Iterator[tuple[str, str, bool]]:  # noqa: ANN401 (text or tokens)
    """Parse declarations; a background's colour gets its own name."""
    for each in tinycss2.parse_blocks_contents(source, skip_comments=True, skip_whitespace=True):
        if each.type != "declaration":
            continue
        if each.lower_name == "background":
            colour = next((token for token in each.value if parse_color(token)), None)
            value = tinycss2.serialize([colour]) if colour else "transparent"
            yield "background-color", value, each.important
        else:
            yield each.lower_name, tinycss2.serialize(each.value).strip(), each.important


def read_colour(text: str) -> RGBA | None:
    """Parse a CSS colour; None if it is inherited."""
    colour = parse_color(text) if text else None
    return colour if isinstance(colour, RGBA) else None


def over(colour: RGBA, behind: RGBA) -> RGBA:
    """The visible result of a colour that may be translucent."""
    share = colour.alpha
    mixed = (share * a + (1 - share) * b for a, b in zip(colour[:3], behind[:3], strict=True))
    return RGBA(*mixed, 1)


def luminance(colour: RGBA) -> float:
    """WCAG's "relative luminance"."""
    red, green, blue = (
        # The formula's own numbers.
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for part in colour[:3]
    )
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)


def written(colour: RGBA) -> str:
    """A colour in hexadecimal form."""
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour[:3])
