"""What MJML and HTML know: elements, where they may be, and their attributes.

MJML's are those of its documentation, "Components". The compiler, mrml, accepts any.
"""

from __future__ import annotations

import re

from tinycss2.color3 import parse_color


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _sides(name: str) -> str:
    return f"{name} {name}-bottom {name}-left {name}-right {name}-top"


_PADDING = _sides("padding")
_BORDER = f"{_sides('border')} border-radius"
_INNER_BORDER = f"{_sides('inner-border')} inner-border-radius"
_FONT = "color font-family font-size font-style font-weight"
_LETTERS = f"{_FONT} letter-spacing line-height text-decoration text-transform"
_ICON = (
    "icon-align icon-height icon-position icon-unwrapped-alt icon-unwrapped-url icon-width "
    "icon-wrapped-alt icon-wrapped-url"
)
_LINK = "href name rel target title"
_IN_COLUMN = f"container-background-color {_PADDING}"
_SECTION = (
    f"background-color background-position background-position-x background-position-y "
    f"background-repeat background-size background-url direction full-width gutter text-align "
    f"text-padding {_BORDER} {_PADDING}"
)
_CONTENTS = _names(
    "mj-accordion mj-button mj-carousel mj-divider mj-image mj-navbar mj-raw mj-social mj-spacer "
    "mj-table mj-text"
)

# The attributes of each element, and what it may hold. All have `css-class` and `mj-class`.
ATTRIBUTES = {
    name: _names(f"css-class mj-class {attributes}")
    for name, attributes in {
        "mjml": "dir lang owa xmlns",
        "mj-accordion": f"border font-family {_ICON} {_IN_COLUMN}",
        "mj-accordion-element": f"background-color border font-family {_ICON}",
        "mj-accordion-text": f"background-color {_LETTERS} {_PADDING}",
        "mj-accordion-title": f"background-color {_FONT} {_PADDING}",
        "mj-attributes": "",
        "mj-body": "background-color id width",
        "mj-breakpoint": "width",
        "mj-button": (
            f"align background-color height inner-padding text-align vertical-align width "
            f"{_LINK} {_LETTERS} {_BORDER} {_IN_COLUMN}"
        ),
        "mj-carousel": (
            f"align border-radius icon-width left-icon right-icon tb-border tb-border-radius "
            f"tb-hover-border-color tb-selected-border-color tb-width thumbnails {_IN_COLUMN}"
        ),
        "mj-carousel-image": (
            f"alt border-radius src tb-border tb-border-radius thumbnails-src {_LINK}"
        ),
        "mj-column": (
            f"background-color direction inner-background-color vertical-align width "
            f"{_BORDER} {_INNER_BORDER} {_PADDING}"
        ),
        "mj-divider": f"align border-color border-style border-width width {_IN_COLUMN}",
        "mj-font": "href name",
        "mj-group": "background-color direction vertical-align width",
        "mj-head": "",
        "mj-hero": (
            f"background-color background-height background-position background-url "
            f"background-width border-radius height inner-background-color mode vertical-align "
            f"width {_sides('inner-padding')} {_IN_COLUMN}"
        ),
        "mj-image": (
            f"align alt fluid-on-mobile font-size height max-height sizes src srcset usemap width "
            f"{_LINK} {_BORDER} {_IN_COLUMN}"
        ),
        "mj-navbar": (
            f"align base-url hamburger ico-align ico-close ico-color ico-font-family ico-font-size "
            f"ico-line-height ico-open ico-text-decoration ico-text-transform {_PADDING} "
            f"{_sides('ico-padding')}"
        ),
        "mj-navbar-link": f"{_LINK} {_LETTERS} {_PADDING}",
        "mj-raw": "position",
        "mj-section": _SECTION,
        "mj-social": (
            f"align border border-radius icon-height icon-padding icon-size inner-padding mode "
            f"table-layout text-padding vertical-align {_LETTERS} {_IN_COLUMN}"
        ),
        "mj-social-element": (
            f"align alt background-color border border-radius icon-height icon-padding "
            f"icon-position icon-size sizes src srcset text-padding vertical-align {_LINK} "
            f"{_LETTERS} {_PADDING}"
        ),
        "mj-spacer": f"height {_BORDER} {_IN_COLUMN}",
        "mj-style": "inline",
        "mj-table": (
            f"align cellpadding cellspacing role table-layout vertical-align width {_LETTERS} "
            f"{_BORDER} {_IN_COLUMN}"
        ),
        "mj-text": f"align background-color height vertical-align {_LETTERS} {_IN_COLUMN}",
        "mj-title": "",
        "mj-wrapper": f"gap {_SECTION}",
    }.items()
}
HOLDS = {
    "mjml": _names("mj-body mj-head mj-raw"),
    "mj-head": _names("mj-attributes mj-breakpoint mj-font mj-raw mj-style mj-title"),
    "mj-body": _names("mj-hero mj-raw mj-section mj-wrapper"),
    "mj-wrapper": _names("mj-hero mj-raw mj-section"),
    "mj-section": _names("mj-column mj-group mj-raw"),
    "mj-group": _names("mj-column mj-raw"),
    "mj-column": _CONTENTS,
    "mj-hero": _CONTENTS,
    "mj-accordion": _names("mj-accordion-element mj-raw"),
    "mj-accordion-element": _names("mj-accordion-text mj-accordion-title mj-raw"),
    "mj-carousel": _names("mj-carousel-image"),
    "mj-navbar": _names("mj-navbar-link mj-raw"),
    "mj-social": _names("mj-raw mj-social-element"),
}
# Their contents are HTML.
HOLD_HTML = ATTRIBUTES.keys() - HOLDS.keys() - {"mj-attributes"}

HTML = _names(
    """
    a abbr acronym address area article aside b base bdi bdo big blockquote body br button canvas
    caption center cite code col colgroup dd del details dfn div dl dt em embed figcaption figure
    font footer form h1 h2 h3 h4 h5 h6 head header hr html i iframe img input ins kbd label legend
    li link main map mark meta nav noscript object ol option p picture pre q s samp script section
    select small source span strike strong style sub summary sup svg table tbody td textarea tfoot
    th thead time title tr tt u ul var video wbr
    """
)
HTML_ATTRIBUTES = _names(
    """
    abbr action align alt background bgcolor border cellpadding cellspacing cite class clear color
    cols colspan content coords datetime dir face height headers hidden href hreflang hspace
    http-equiv id lang media method name nowrap onclick onload rel role rowspan scope shape size
    span src srcset style summary tabindex target title translate type usemap valign value
    vspace width xmlns
    """
)
# Those that emails use; others are only named if they are nearly one of these.
STYLES = _names(
    f"""
    {_sides("border")} {_sides("margin")} {_sides("padding")}
    background background-color background-image background-position background-repeat
    background-size border-collapse border-color border-radius border-spacing border-style
    border-width bottom box-shadow box-sizing caption-side clear color color-scheme content cursor
    direction display flex float font font-family font-size font-style font-variant font-weight
    height hyphens left letter-spacing line-height list-style list-style-type max-height max-width
    min-height min-width object-fit opacity order outline overflow overflow-wrap position quotes
    right src supported-color-schemes table-layout text-align text-decoration text-indent
    text-overflow text-shadow text-transform top transform unicode-bidi unicode-range
    vertical-align visibility white-space width word-break word-spacing word-wrap z-index
    background-attachment background-clip background-origin background-position-x
    background-position-y flex-direction flex-wrap float font-display font-stretch gap
    list-style-image list-style-position outline-color outline-style outline-width overflow-x
    overflow-y text-align-last text-decoration-color text-decoration-line text-decoration-style
    text-decoration-thickness text-underline-offset transform-origin word-spacing
    """
) | frozenset(
    f"border-{side}-{what}"
    for side in ("bottom", "left", "right", "top")
    for what in ("color", "left-radius", "right-radius", "style", "width")
)

_LENGTH = r"(?:\d*\.?\d+(?:px|%)|0|auto)"
_SHAPES = (
    (
        re.compile(r"(?:inner-|ico-|icon-|text-)?padding(?:-\w+)?"),
        re.compile(rf"{_LENGTH}(?: +{_LENGTH}){{0,3}}"),
        "one to four lengths such as 24px 48px 0",
    ),
    (
        re.compile(
            r"(?:background-|icon-|max-|tb-)?(?:height|width)|border-width|(?:ico-)?font-size|gap"
            r"|icon-size"
        ),
        re.compile(_LENGTH),
        "a length such as 24px",
    ),
    (
        re.compile(r"(?:ico-)?line-height"),
        re.compile(r"\d*\.?\d+(?:px|%|em)?|normal"),
        "a length such as 24px",
    ),
    (
        re.compile(r"letter-spacing"),
        re.compile(r"-?\d*\.?\d+(?:px|em)|0|normal"),
        "a length such as 0.5px",
    ),
)
_CHOICES = {
    "align": ("left", "center", "right", "justify"),
    "text-align": ("left", "center", "right", "justify"),
    "ico-align": ("left", "center", "right"),
    "icon-align": ("top", "middle", "bottom"),
    "vertical-align": ("top", "middle", "bottom"),
    "direction": ("ltr", "rtl"),
    "dir": ("ltr", "rtl", "auto"),
    "icon-position": ("left", "right"),
    "background-repeat": ("repeat", "no-repeat"),
    "fluid-on-mobile": ("true", "false"),
    "full-width": ("full-width", "false"),
    "table-layout": ("auto", "fixed", "initial", "inherit"),
}


def expected_value(attribute: str, value: str) -> str | None:
    """What an MJML attribute takes, if this value isn't it; values with placeholders pass."""
    if "{{" in value or "{%" in value:
        return None
    if attribute in _CHOICES:
        return None if value in _CHOICES[attribute] else ", ".join(_CHOICES[attribute])
    if attribute.endswith("color"):
        known = parse_color(value) or value in {"none", "inherit"}
        return None if known else "a colour such as #1f4d43"
    for names, shape, expected in _SHAPES:
        if names.fullmatch(attribute):
            return None if shape.fullmatch(value) else expected
    return None
