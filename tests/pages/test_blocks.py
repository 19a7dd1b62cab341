"""What a brand adds to its emails, in a real browser: blocks, shapes, fonts, files of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from roomle_mail.emails import Email
from tests.pages.conftest import Open, Window
from tools import pages
from tools.pages.emails import Scheme, with_own_files
from tools.preview.drafts import KINDS, Choice, Drafts, Folder
from tools.preview.page import application

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
FONT = '[brands.default.web_font]\nname = "Brand Sans"\nregular = "https://b.example/brand.woff2"\n'
CENTRE = """element => {
    const box = element.getBoundingClientRect();
    return Math.abs(box.left + box.right - document.documentElement.clientWidth) / 2;
}"""


@pytest.fixture
def edited(folder: Path) -> Iterator[str]:
    """The preview page of the folder that the test edits."""
    with pages.served(application(Folder(folder)), 0) as address:
        yield address.rstrip("/")


def shown(window: Window, folder: Path, *, brand: int = 0) -> None:
    """Show an email with all blocks, and with the folder's own pictures."""
    drafts = Drafts(folder)
    assert not drafts.problems
    choice = Choice(drafts.looks[brand], "en", KINDS[0], blocks="all")
    email = drafts.email(choice)
    assert isinstance(email, Email)
    assert drafts.check(choice, email) == []
    window.page.set_content(with_own_files(email.html, folder / "pictures"))


@pytest.mark.parametrize("brand", [0, 1])
@pytest.mark.parametrize("width", [360, 600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_blocks_fit_and_everybody_can_read_them(
    open_window: Open, folder: Path, width: int, scheme: Scheme, brand: int
) -> None:
    window = open_window(width, scheme)
    shown(window, folder, brand=brand)
    page = window.page

    assert window.too_wide == 0
    assert window.violations(*WCAG) == []
    for name in ("Find a store", "Order free samples", "+43 1 234 56 78", "Instagram"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    hero = page.locator(".hero img").bounding_box()
    assert hero
    assert hero["width"] == min(width, 600)
    assert abs(hero["height"] - hero["width"] / 1.5) < 1
    assert page.locator(".hero img").evaluate("image => image.naturalWidth") == 1200
    first, second = (page.locator(f".{name} a").bounding_box() for name in ("button", "second"))
    assert first
    assert second
    assert second["y"] > first["y"]
    assert width > 479 or abs(first["width"] - second["width"]) < 1
    window.keep(f"-{brand}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_brand_that_is_centred_is_centred_throughout(
    open_window: Open, folder: Path, scheme: Scheme
) -> None:
    brands = folder / "brands.toml"
    changed = brands.read_text("utf-8").replace(
        "[brands.default]\n", '[brands.default]\nalign = "center"\ncorner_radius = 0\n'
    )
    brands.write_text(changed, "utf-8")
    window = open_window(600, scheme)
    shown(window, folder)

    logo = window.page.locator(f".logo-{scheme} img")
    for each in (logo, window.page.locator(".button a"), window.page.locator(".second a")):
        assert each.evaluate(CENTRE) < 1
        assert each.evaluate("element => getComputedStyle(element).borderRadius") == "0px"
    align = "element => getComputedStyle(element).textAlign"
    for text in ("h1", ".foot div", ".second td"):
        assert window.page.locator(text).first.evaluate(align).endswith("center")
    assert window.page.locator(".hero img").evaluate(CENTRE) < 1
    window.keep()


def test_the_preview_shows_each_block_with_and_without(window: Window, edited: str) -> None:
    window.page.goto(f"{edited}/?brand=studio&language=en&width=phone")
    frame = window.page.frame_locator("iframe")
    choice = window.page.get_by_role("navigation", name="Blocks")
    expect(frame.get_by_role("link", name="Find a store")).to_be_visible()
    expect(frame.get_by_text("Not sure about the fabric?")).to_have_count(0)

    for name, there, text in (
        ("None", 0, "Find a store"),
        ("All", 1, "Not sure about the fabric?"),
        ("Note", 1, "Order free samples"),
        ("Phone", 1, "+43 1 234 56 78"),
        ("Social links", 1, "Instagram"),
        ("Second button", 1, "Find a store"),
    ):
        choice.get_by_role("link", name=name, exact=True).click()
        expect(choice.get_by_role("link", name=name, exact=True)).to_have_attribute(
            "aria-current", "true"
        )
        expect(frame.get_by_text(text)).to_have_count(there)
        assert (text in window.page.locator("#text").inner_text()) == bool(there)
    expect(frame.get_by_text("Order free samples")).to_have_count(0)
    assert window.violations() == []


# --- files of one's own ---------------------------------------------------------------------------


def test_the_example_has_a_logo_that_is_there(window: Window, edited: str) -> None:
    window.page.goto(f"{edited}/?width=phone")
    logo = window.page.frame_locator("iframe").locator(".logo-light img")
    expect(logo).to_have_attribute("alt", "Example Furniture")
    assert logo.evaluate("image => image.complete && image.naturalWidth") == 400
    expect(window.page.locator("#unloaded")).to_have_count(0)


def test_a_logo_can_be_tried_from_a_file_before_it_is_on_a_server(
    window: Window, edited: str, folder: Path
) -> None:
    own = folder / "pictures" / "new"
    own.mkdir()
    (own / "logo.png").write_bytes((folder / "pictures" / "hero.png").read_bytes())
    brands = folder / "brands.toml"
    changed = brands.read_text("utf-8").replace("/mail/logo.png", "/new/logo.png?v=2")
    brands.write_text(changed, "utf-8")

    window.page.goto(f"{edited}/?width=phone")

    logo = window.page.frame_locator("iframe").locator(".logo-light img")
    assert logo.evaluate("image => image.naturalWidth") == 1200


def test_a_logo_and_a_font_that_do_not_load_are_named(
    window: Window, edited: str, folder: Path
) -> None:
    with (folder / "brands.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{FONT}")
    window.invited = "https://"
    window.page.route("https://**", lambda route: route.fulfill(status=404))

    window.page.goto(f"{edited}/?images=loaded&width=both")

    problems = window.page.locator("#unloaded li")
    expect(problems).to_have_count(3)
    for text in (
        "This picture doesn’t load: https://www.brand.example/mail/logo.png",
        "This picture doesn’t load: https://www.brand.example/mail/logo-dark.png",
        "This font doesn’t load: Brand Sans",
    ):
        expect(problems.filter(has_text=text)).to_have_count(1)
    expect(window.page.locator("#fine")).to_have_count(0)
    assert window.violations() == []


def test_a_web_font_is_shown_from_a_file_of_ones_own(
    window: Window, edited: str, folder: Path
) -> None:
    with (folder / "brands.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{FONT}")
    window.page.goto(f"{edited}/email")
    assert "data:font/woff2" not in window.page.content()

    (folder / "pictures" / "brand.woff2").write_bytes(b"wOF2")
    window.page.goto(f"{edited}/email")

    assert "url(data:font/woff2;base64," in window.page.content()
