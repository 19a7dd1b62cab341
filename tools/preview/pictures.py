"""All emails as PNG pictures: desktop and phone, light and dark, the text part, the inbox line."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page

from emails_build.problems import BuildFailed
from roomle_mail.emails import Email
from tools import browser, pages
from tools.pages.emails import SCHEMES
from tools.preview.drafts import Choice, Folder
from tools.preview.page import WIDTHS, View, application

# An email's pictures: in every window, its line in an inbox, its text.
EACH = len(WIDTHS) * len(SCHEMES) + 2


class NothingChosen(Exception):
    """No email is of that brand, language and event. The text says what there is."""


@dataclass(frozen=True)
class Chosen:
    """Which emails: of one brand or configurator, language or event, or of all."""

    brand: str | None = None
    language: str | None = None
    event: str | None = None

    def __contains__(self, choice: Choice) -> bool:
        """Whether an email is one of them."""
        events = {choice.kind.key, choice.kind.event, choice.kind.event.removeprefix("email.")}
        return (
            self.brand in {None, choice.look.key, choice.look.brand.id, configurator(choice)}
            and self.language in {None, choice.language}
            and self.event in {None, *events}
        )


def configurator(choice: Choice) -> str:
    """The configurator that an email is for, if it differs from its brand's."""
    return choice.look.key.partition(", configurator ")[2]


def write(
    folder: Folder,
    target: Path,
    chosen: Chosen | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Write `<brand>/<language>/<email>-<what>.png` for every email; return how many pictures.

    For brands that show designs, each is there twice: without one, and with one, `<email>-design`.

    `tell` is called with the progress after each email. Raises NothingChosen, and BuildFailed if
    there is any problem in the folder.
    """
    drafts = folder.drafts()
    if isinstance(drafts, BuildFailed):
        raise drafts
    if drafts.problems:
        raise BuildFailed(drafts.problems)
    there = [each for each in drafts.choices() if isinstance(drafts.email(each), Email)]
    choices = [
        replace(each, design=design)
        for each in there
        if each in (chosen or Chosen())
        for design in (("none", "all") if each.look.brand.show else ("none",))
    ]
    if not choices:
        brands, languages, events = (
            ", ".join(dict.fromkeys(values))
            for values in (
                (configurator(each) or each.look.key for each in there),
                (each.language for each in there),
                (each.kind.key for each in there),
            )
        )
        raise NothingChosen(
            f"there is no such email. Brands: {brands}. Languages: {languages}. Events: {events}"
        )
    total = len(choices) * EACH
    with pages.served(application(folder), 0) as address, browser.opened() as chromium:
        camera = Camera(chromium, address)
        count = 0
        for choice in choices:
            count += camera.take(choice, target)
            tell(f"{count} of {total}: {choice.look.key}, {choice.language}, {choice.kind.key}")
        return count


class Camera:
    """Browser windows in the sizes and colours of the pictures."""

    def __init__(self, chromium: Browser, address: str) -> None:
        self._address = address.rstrip("/")
        self._windows: dict[str, Page] = {
            f"{width}-{scheme}": chromium.new_page(
                viewport={"width": WIDTHS[width], "height": 400},
                color_scheme=scheme,
                device_scale_factor=2,
            )
            for width, scheme in product(WIDTHS, SCHEMES)
        }
        self._page = chromium.new_page(viewport={"width": 1280, "height": 900})

    def take(self, choice: Choice, target: Path) -> int:
        """Write all pictures of one email; return how many."""
        view = View(
            choice.look.key,
            choice.language,
            choice.kind.key,
            width="desktop",
            design=choice.design,
        )
        place = target / re.sub(r"[^\w.-]+", "-", choice.look.key) / choice.language
        place.mkdir(parents=True, exist_ok=True)
        email = str(place / choice.kind.key) + ("-design" if choice.design == "all" else "")
        for name, window in self._windows.items():
            # In the window's own colours, as in a mail program.
            window.goto(self._address + view.address("/email", scheme="both"))
            browser.picture(window, path=f"{email}-{name}.png", full_page=True)
        self._page.goto(self._address + view.address())
        parts = {"inbox": ".device .inbox", "text": ".text"}
        for name, selector in parts.items():
            browser.picture(self._page.locator(selector), path=f"{email}-{name}.png")
        return len(self._windows) + len(parts)
