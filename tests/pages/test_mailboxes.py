"""The emails in mailboxes that ignore, recolour or scale what others show unchanged."""

from __future__ import annotations

import re
from io import BytesIO
from itertools import product
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from roomle_mail.emails import Catalog, Email
from tests.pages.conftest import DRAFTS, Open, Window
from tools import browser
from tools.pages.emails import SCHEMES, Scheme, with_pictures
from tools.preview.drafts import KINDS, RECEIVED, Choice, Drafts, sample
from tools.preview.page import pictures

LONG = "2564B3D4E19A9C4605DAF5236F0ADFE80DA638F63A49D5D4C8260CB5FF48011C" * 20
# Styles that GMX, WEB.DE, Yahoo or AOL ignore, according to caniemail.com.
BREAKS = re.compile(r"(?:word-break|overflow-wrap|word-wrap|line-break|hyphens):[^;\"]*;?")
# Beyond the window's right edge or before its left one.
OUTSIDE = """() => [...document.querySelectorAll("body *")].filter(each => {
    const place = each.getBoundingClientRect();
    return place.width && each.tagName !== "A" &&
        (Math.floor(place.right) > innerWidth || Math.ceil(place.left) < 0);
}).map(each => each.outerHTML.slice(0, 100))"""
# Outlook.com replaces each element's colour, and marks the element.
RECOLOURED = """() => {
    for (const each of document.querySelectorAll("[style], [bgcolor]")) {
        if (each.style.color) {
            each.setAttribute("data-ogsc", each.style.color);
            each.style.color = "rgb(1, 2, 3)";
        }
        if (each.style.backgroundColor || each.getAttribute("bgcolor")) {
            each.setAttribute("data-ogsb", each.style.backgroundColor);
            each.style.backgroundColor = "rgb(3, 2, 1)";
        }
    }
}"""
# The elements that are displayed in a colour chosen by Outlook.com.
OUTLOOKS_OWN = """() => [...document.querySelectorAll("body *")].filter(each => {
    const style = getComputedStyle(each);
    const words = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    return each.checkVisibility() && (
        (words && style.color === "rgb(1, 2, 3)") || style.backgroundColor === "rgb(3, 2, 1)");
}).map(each => each.outerHTML.slice(0, 100))"""
LOOKS = {look.brand.id: look for look in reversed(DRAFTS.looks)}.values()
CHOICES = [
    choice
    for look, kind in product(LOOKS, KINDS)
    if isinstance(DRAFTS.email(choice := Choice(look, look.brand.language, kind)), Email)
]


def name(value: object) -> str:
    if isinstance(value, Choice):
        return f"{value.look.key}-{value.kind.key}"
    return str(value)


def email_of(choice: Choice, drafts: Drafts = DRAFTS) -> Email:
    email = drafts.email(choice)
    assert isinstance(email, Email)
    return email


def show(window: Window, html: str) -> None:
    window.invited = "https://www.brand.example/mail/logo"
    window.page.set_content(html, wait_until="commit")
    window.page.wait_for_function("document.readyState !== 'loading'")


def assert_fits(window: Window) -> None:
    assert window.too_wide == 0
    assert window.page.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("choice", CHOICES, ids=name)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [360, 600])
def test_a_long_link_stays_in_the_card_where_word_break_is_ignored(
    open_window: Open, choice: Choice, width: int, scheme: Scheme
) -> None:
    email = email_of(choice)
    html = with_pictures(email.html, pictures(email)).replace("2564B3D4", LONG)
    assert LONG in html or choice.kind.key == "3DExportAsset-failed"
    window = open_window(width, scheme)
    show(window, BREAKS.sub("", html))
    assert_fits(window)
    window.keep(f"-{name(choice)}")


@pytest.mark.parametrize("width", [360, 600])
def test_a_long_link_is_one_quiet_line_and_whole_where_style_sheets_are_ignored(
    open_window: Open, width: int
) -> None:
    html = email_of(CHOICES[0]).html.replace("2564B3D4", LONG)
    window = open_window(width)
    height = "link => link.getBoundingClientRect().height"
    link = window.page.locator(".fine td a")

    show(window, html)
    assert_fits(window)
    assert link.evaluate(height) < 20
    assert LONG in link.inner_text()

    show(window, re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL))
    assert link.evaluate(height) > 200


@pytest.mark.parametrize(
    ("width", "device", "shown"),
    [
        (600, {}, True),
        (375, {}, False),
        # Held sideways.
        (844, {"has_touch": True, "is_mobile": True}, False),
    ],
)
def test_the_code_for_a_phones_camera_is_not_shown_on_a_phone(
    open_window: Open, width: int, device: dict[str, bool], shown: bool
) -> None:
    [choice] = [each for each in CHOICES if name(each) == "default-shareConfigurationAR"]
    email = email_of(choice)
    window = open_window(width, **device)
    show(window, with_pictures(email.html, pictures(email)))

    for each in window.page.locator(".camera").all():
        assert each.is_visible() is shown
    assert window.page.locator(".camera").count() == 3
    assert window.page.get_by_role("link", name="View in your room").is_visible()


@pytest.mark.parametrize("width", [360, 600])
def test_in_a_script_from_right_to_left_a_link_reads_from_left_to_right(
    open_window: Open, folder: Path, width: int
) -> None:
    file = folder / "texts/en.toml"
    file.write_text(file.read_text("utf-8").replace('dir = "ltr"', 'dir = "rtl"'), "utf-8")
    drafts = Drafts(folder)
    email = email_of(Choice(drafts.looks[0], "en", KINDS[0]), drafts)
    window = open_window(width)
    show(window, BREAKS.sub("", email.html.replace("2564B3D4", LONG)))

    assert_fits(window)
    link = window.page.locator(".fine a")
    assert link.evaluate("link => getComputedStyle(link).direction") == "ltr"
    text = window.page.locator(".text.heading div")
    assert text.evaluate("text => getComputedStyle(text).direction") == "rtl"
    # Both begin at the same edge, the right one.
    cell, heading = window.page.locator(".fine td"), window.page.locator("h1")
    assert cell.evaluate("each => getComputedStyle(each).textAlign") == "right"
    ends = [
        each.evaluate("each => Math.round(each.getBoundingClientRect().right)")
        for each in (cell, heading)
    ]
    assert ends[0] == ends[1]
    window.keep()


@pytest.mark.parametrize("choice", CHOICES, ids=name)
def test_outlook_coms_dark_mode_shows_the_brands_dark_colours(
    open_window: Open, choice: Choice
) -> None:
    email = email_of(choice)
    window = open_window(600)
    show(window, with_pictures(email.html, pictures(email)))
    window.page.evaluate(RECOLOURED)

    assert window.page.evaluate(OUTLOOKS_OWN) == []
    buttons = window.page.locator(".button a")
    for place in range(buttons.count()):
        style = buttons.nth(place).evaluate(
            "each => [getComputedStyle(each).backgroundColor, getComputedStyle(each).color]"
        )
        dark = choice.look.brand.look["colours"]["dark"]
        assert style == [rgb(dark["button"]), rgb(dark["button_text"])]
    if "logo" in choice.look.brand.look:
        assert not window.page.locator(".logo-light").is_visible()
        assert window.page.locator(".logo-dark").evaluate("each => each.checkVisibility()")
    window.keep(f"-{name(choice)}")


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(part) for part in bytes.fromhex(colour[1:]))})"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [360, 600])
def test_a_button_without_attributes_looks_like_the_emails_own(
    open_window: Open, folder: Path, width: int, scheme: Scheme
) -> None:
    file = folder / "templates/savedConfiguration.mjml"
    more = '<mj-button href="https://www.brand.example/">Find a store</mj-button>'
    file.write_text(f"{file.read_text('utf-8')}{more}\n<mj-text>Words</mj-text>\n", "utf-8")
    drafts = Drafts(folder)
    window = open_window(width, scheme)
    show(window, email_of(Choice(drafts.looks[0], "en", KINDS[0]), drafts).html)

    own, plain = window.page.locator(".button a").all()
    look = """each => {
        const style = getComputedStyle(each), cell = getComputedStyle(each.parentElement);
        return [style.color, style.backgroundColor, style.fontSize, style.padding, cell.border,
                each.getBoundingClientRect().left];
    }"""
    assert plain.evaluate(look) == own.evaluate(look)
    left = "each => each.getBoundingClientRect().left"
    words, heading = window.page.get_by_text("Words"), window.page.locator("h1")
    assert words.evaluate(left) == heading.evaluate(left)
    assert window.violations("wcag2aa") == []


@pytest.mark.parametrize("zoom", [1, 2])
def test_every_qr_code_is_read_from_the_screen_as_it_is_shown(open_window: Open, zoom: int) -> None:
    """GIVEN links of every length that has a code WHEN shown THEN a camera could read them."""
    kind = next(kind for kind in KINDS if kind.key == "shareConfigurationAR")
    event = sample(Choice(DRAFTS.looks[0], "en", kind))
    catalog = Catalog.load()
    window = open_window(600, device_scale_factor=zoom)
    read: list[int] = []
    unread: list[int] = []
    for length in range(60, 900, 40):
        link = f"https://www.roomle.com/t/cp/?id={LONG}"[:length]
        email = catalog.compose(event._replace(url=link), catalog.brand(None), received=RECEIVED)
        if not email.images:
            continue
        show(window, with_pictures(email.html, pictures(email)))
        picture = window.page.get_by_role("img", name="QR code")
        picture.scroll_into_view_if_needed()
        found = zxingcpp.read_barcodes(Image.open(BytesIO(browser.picture(picture))))
        (read if [each.text for each in found] == [link] else unread).append(length)
    assert unread == []
    assert read[-1] > 400
