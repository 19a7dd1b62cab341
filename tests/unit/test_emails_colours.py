"""Any brand's colours can be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails_build.colours import contrast as built
from emails_build.colours import on, readable, scheme
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
