"""Checks one email: its size, its contrast, its pictures, and unrendered placeholders.

Colours are calculated from the HTML and the cascade of its style sheets, as mail programs do, once
for light and once for dark mode.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element

import cssselect2
import html5lib
import tinycss2
from tinycss2.color3 import RGBA, parse_color

from emails_build.package import MAX_HTML
from roomle_mail.emails import Email
from tools.pages.emails import FILLERS, SCHEMES, Scheme

# WCAG 2.2, 1.4.3: text, and text that is large (in CSS pixels, or bold from less on).
TEXT, LARGE_TEXT = 4.5, 3.0
LARGE, LARGE_IF_BOLD, BOLD = 24.0, 18.66, 600
UNSEEN = frozenset({"head", "script", "style", "title", "template", "noscript"})
UNFILLED = re.compile(r"\{\{|\}\}|\{%|%\}|\{#")
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


def problems(email: Email) -> tuple[str, ...]:
    """List all problems of an email, in words for its designer."""
    return checked(email.subject, email.text, email.html)


@lru_cache(maxsize=1024)
def checked(subject: str, text: str, html: str) -> tuple[str, ...]:
    """Check an email, or return the cached result."""
    root = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
    light = list(painted(root, "light"))
    shown = " ".join([subject, text, *(each.text for each in light)])
    return (
        *unfilled(shown),
        *size(html),
        *pictures(root),
        *(
            line
            for scheme, texts in zip(SCHEMES, (light, painted(root, "dark")), strict=True)
            for line in dict.fromkeys(faint(texts, scheme))
        ),
    )


def unfilled(text: str) -> Iterator[str]:
    """Find placeholders that are left in the email."""
    if found := UNFILLED.search(text):
        around = text[max(found.start() - 20, 0) : found.end() + 20]
        yield f"template syntax is left: “…{around}…”"


def size(html: str) -> Iterator[str]:
    """Compare with the size above which mail programs may clip an email."""
    if (length := len(html.encode())) > MAX_HTML:
        yield f"{length:,} bytes, at most {MAX_HTML:,} are safe: mail programs clip longer ones"


def pictures(root: Element) -> Iterator[str]:
    """Find pictures that leave nothing behind if pictures are blocked."""
    for image in root.iter("img"):
        if not (image.get("alt") or "").strip():
            yield f"a picture without alternative text: {image.get('src', '')[:100]}"


def faint(texts: Iterable[Painted], scheme: Scheme) -> Iterator[str]:
    """Find texts that are hard to read on their background."""
    for each in texts:
        if each.contrast < each.needed:
            yield (
                f"contrast {each.contrast:.2f} of {each.needed:g} in {scheme} mode: "
                f"“{each.text[:60]}”, {written(each.colour)} on {written(each.background)}"
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


def paint(element: Element, sheet: "Sheet", around: Painted) -> Iterator[Painted]:
    """The texts in an element, which inherits from its parent."""
    style = sheet.style(element)
    if element.tag in UNSEEN or style.get("display") == "none":
        return
    here = inherit(element, style, around)
    for text in (element.text, element.get("alt")):
        yield from seen(text, here)
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
    """Return whether a media query matches, as far as emails use them: wide screens, a scheme."""
    if "prefers-color-scheme" in media:
        return scheme in media
    return "max-width" not in media and "print" not in media


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
