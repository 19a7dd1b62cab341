"""The design in the emails: with pictures blocked too, in light and dark, wide and narrow."""

from __future__ import annotations

from itertools import product

import pytest

from roomle_mail.emails import Email
from tests.pages.conftest import DRAFTS, Open, Window
from tests.pages.test_mailboxes import BREAKS, OUTLOOKS_OWN, OUTSIDE, RECOLOURED
from tools.pages.emails import SCHEMES, Scheme, with_pictures
from tools.preview.drafts import KINDS, Choice, design_of
from tools.preview.page import pictures, with_design

LOOKS = {look.brand.id: look for look in reversed(DRAFTS.looks)}.values()
CHOICES = [
    Choice(look, look.brand.language, kind, design="all")
    for look, kind in product(LOOKS, KINDS)
    if kind.success
]
WHITE, INK = "rgb(255, 255, 255)", "rgb(28, 28, 30)"
STYLE = "(each, name) => getComputedStyle(each)[name]"
BOX = """each => {
    const at = each.getBoundingClientRect();
    return [at.left, at.top, at.right, at.bottom];
}"""


def name(value: object) -> str:
    return f"{value.look.key}-{value.kind.key}" if isinstance(value, Choice) else str(value)


def show(window: Window, choice: Choice, *, blocked: bool) -> None:
    email = DRAFTS.email(choice)
    assert isinstance(email, Email)
    html = with_pictures(email.html, pictures(email))
    window.page.route("https://**", lambda route: route.abort())
    window.invited = "https://"
    window.page.set_content(html if blocked else with_design(html, choice))


@pytest.mark.parametrize("choice", CHOICES, ids=name)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [360, 600])
@pytest.mark.parametrize("blocked", [False, True], ids=["loaded", "blocked"])
def test_the_picture_is_in_its_box_above_the_button(
    open_window: Open, choice: Choice, blocked: bool, width: int, scheme: Scheme
) -> None:
    window = open_window(width, scheme)
    show(window, choice, blocked=blocked)
    assert window.too_wide == 0
    assert window.page.evaluate(OUTSIDE) == []

    plate, picture = window.page.locator(".plate"), window.page.locator(".plate img")
    left, top, right, bottom = picture.evaluate(BOX)
    assert (right - left, bottom - top) == (288, 288)
    around = plate.evaluate(BOX)
    assert around[0] <= left
    assert around[1] <= top
    assert around[2] >= right
    assert around[3] >= bottom
    assert bottom < window.page.locator(".button a").evaluate(BOX)[1]
    # A transparent picture is on a light ground in dark mode too.
    assert plate.evaluate(STYLE, "backgroundColor") == WHITE
    assert picture.evaluate(STYLE, "color") == INK
    assert picture.evaluate("each => each.naturalWidth") == (0 if blocked else 1024)
    sofa = design_of(choice).name
    assert sofa
    assert sofa in (picture.get_attribute("alt") or "")
    assert window.page.locator("strong").inner_text() == sofa


@pytest.mark.parametrize("choice", CHOICES, ids=name)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_everybody_can_read_an_email_with_a_design(
    open_window: Open, choice: Choice, scheme: Scheme
) -> None:
    window = open_window(360, scheme)
    show(window, choice, blocked=False)
    assert window.violations("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa") == []
    window.keep(f"-{name(choice)}")


@pytest.mark.parametrize("choice", CHOICES, ids=name)
def test_outlook_coms_dark_mode_leaves_the_picture_its_ground(
    open_window: Open, choice: Choice
) -> None:
    window = open_window(600)
    show(window, choice, blocked=False)
    window.page.evaluate(RECOLOURED)
    assert window.page.evaluate(OUTLOOKS_OWN) == []
    assert window.page.locator(".plate").evaluate(STYLE, "backgroundColor") == WHITE
    assert window.page.locator(".plate img").evaluate(STYLE, "color") == INK


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [360, 600])
def test_the_longest_name_stays_in_the_card(open_window: Open, width: int, scheme: Scheme) -> None:
    choice = CHOICES[0]
    email = DRAFTS.email(choice)
    assert isinstance(email, Email)
    sofa = design_of(choice).name
    assert sofa
    window = open_window(width, scheme)
    window.page.route("https://**", lambda route: route.abort())
    window.invited = "https://"
    # Mail programs may ignore how a word is to be broken.
    html = email.html.replace(sofa, "W" * 80)
    window.page.set_content(html)
    assert window.too_wide == 0
    assert window.page.evaluate(OUTSIDE) == []
    window.page.set_content(BREAKS.sub("", html))
    assert window.too_wide == 0
    outside = window.page.evaluate(OUTSIDE)
    # The cell around it cuts it off.
    assert [each for each in outside if not each.startswith("<strong")] == []
