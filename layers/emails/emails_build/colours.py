"""Readable colours for any colours of a brand.

WCAG 2.2, 1.4.3 requires a contrast of 4.5 between a text and its background, 1.4.11 one of 3
between a control and its background. The formulas are WCAG's "relative luminance" and "contrast
ratio".
"""

from __future__ import annotations

from functools import lru_cache

TEXT, CONTROL = 4.5, 3.0
_BLACK, _WHITE = "#000000", "#ffffff"
_STEPS = 64


def contrast(one: str, other: str) -> float:
    """From 1 (alike) to 21 (black and white), of two colours written `#rrggbb`."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def on(background: str) -> str:
    """White if it is readable on this background, else black, which then is."""
    return _WHITE if contrast(_WHITE, background) >= TEXT else _BLACK


def mix(one: str, other: str, share: float) -> str:
    """Mix one colour with a `share` of the other, from 0 to 1."""
    channels = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in channels)


@lru_cache
def readable(colour: str, background: str, ratio: float = TEXT) -> str:
    """The nearest colour with enough contrast: unchanged, darker, or lighter, in the same hue."""
    for step in range(_STEPS + 1):
        for candidate in (mix(colour, _BLACK, step / _STEPS), lighter(colour, step / _STEPS)):
            if contrast(candidate, background) >= ratio:
                return candidate
    raise AssertionError  # black or white has 4.5 on any background


def lighter(colour: str, share: float) -> str:
    """The colour on its way to white, by a `share` from 0 to 1: first brighter, then paler.

    Mixing with white from the start would make a dark brand's colour grey.
    """
    most = max(_channels(colour))
    if most == 0:
        return mix(colour, _WHITE, share)
    bright = "#" + "".join(f"{round(each * 255 / most):02x}" for each in _channels(colour))
    # As much of the way as the colour lacks of full brightness.
    turn = 1 - most / 255
    if share < turn:
        return mix(colour, bright, share / turn)
    return mix(bright, _WHITE, (share - turn) / (1 - turn))


def scheme(button: str, background: str, surface: str, text: str) -> dict[str, str]:
    """All colours of the templates from a brand's four, for light or for dark."""
    text = readable(text, surface)
    return {
        "background": background,
        "surface": surface,
        "text": text,
        "muted": readable(mix(text, surface, 0.35), surface),
        "link": readable(button, surface),
        "footer": readable(mix(on(background), background, 0.4), background),
        "line": mix(text, surface, 0.85),
        "button": button,
        "button_text": on(button),
        "button_border": readable(button, surface, CONTROL),
    }


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))


def _luminance(colour: str) -> float:
    red, green, blue = (
        # The formula's own numbers.
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
        for value in (channel / 255 for channel in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
