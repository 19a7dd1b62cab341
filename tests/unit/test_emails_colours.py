"""Any brand's colours can be read."""

from __future__ import annotations

import colorsys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails_build.colours import contrast as built
from emails_build.colours import lighter, on, readable, scheme
from tests.emails_reading import contrast

any_colour = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    ("background", "text"),
    [
        ("#1f4d43", "#ffffff"),
        ("#f2c14e", "#000000"),
        ("#ffffff", "#000000"),
        ("#000000", "#ffffff"),
        ("#767676", "#ffffff"),
        ("#777777", "#000000"),
    ],
)
def test_the_buttons_text_is_white_where_that_can_be_read_and_black_elsewhere(
    background: str, text: str
) -> None:
    assert on(background) == text


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21.0), ("#767676", "#ffffff", 4.54), ("#abcdef", "#abcdef", 1.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, expected: float) -> None:
    assert round(built(one, other), 2) == expected == round(contrast(other, one), 2)


@given(any_colour, any_colour, any_colour, any_colour)
def test_every_text_reaches_aa_in_any_colours(
    button: str, background: str, surface: str, text: str
) -> None:
    found = scheme(button, background, surface, text)
    for name in ("text", "muted", "link"):
        assert contrast(found[name], surface) >= 4.5, name
    assert contrast(found["footer"], background) >= 4.5
    assert contrast(found["button_text"], found["button"]) >= 4.5
    assert contrast(found["button_border"], surface) >= 3


@given(any_colour, any_colour)
def test_a_colour_that_can_be_read_stays_as_it_is(colour: str, background: str) -> None:
    if contrast(colour, background) >= 4.5:
        assert readable(colour, background) == colour


def hue(colour: str) -> float:
    return colorsys.rgb_to_hsv(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))[
        0
    ]


@pytest.mark.parametrize(
    "button", ["#1f4d43", "#203040", "#7a1f1d", "#8c1d40", "#0b3d91", "#3b2a1a"]
)
def test_a_dark_brands_button_is_made_no_lighter_than_needed_and_keeps_its_hue(button: str) -> None:
    surface = "#1e1e1f"
    lightened = readable(button, surface, 3)

    assert 3 <= contrast(lightened, surface) < 3.3
    assert abs(hue(lightened) - hue(button)) < 0.02
    saturation = [
        max(channels) - min(channels)
        for channels in (bytes.fromhex(each[1:]) for each in (button, lightened))
    ]
    assert saturation[1] >= saturation[0]


@pytest.mark.parametrize("button", ["#000000", "#111111", "#0a0505"])
def test_a_black_button_becomes_no_lighter_than_needed(button: str) -> None:
    assert 3 <= contrast(readable(button, "#1e1e1f", 3), "#1e1e1f") < 3.3


@given(any_colour)
def test_a_colour_on_its_way_to_white_starts_and_ends_there_and_gets_no_darker(colour: str) -> None:
    steps = [lighter(colour, step / 16) for step in range(17)]

    assert (steps[0], steps[-1]) == (colour, "#ffffff")
    ratios = [contrast(step, "#000000") for step in steps]
    assert ratios == sorted(ratios)
