"""All emails as PNG pictures: desktop and phone, light and dark, the text part, the inbox line."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page

from emails_build.problems import BuildFailed
from roomle_mail.emails import Email
from tools import browser, pages
from tools.pages.emails import SCHEMES
from tools.preview.drafts import Choice, Folder
from tools.preview.page import WIDTHS, View, application


def write(folder: Folder, target: Path) -> int:
    """Write `<brand>/<language>/<email>-<what>.png` for every email; return how many pictures.

    For brands that show designs, each is there twice: without one, and with one, `<email>-design`.

    Raises BuildFailed if there is any problem in the folder.
    """
    drafts = folder.drafts()
    if isinstance(drafts, BuildFailed):
        raise drafts
    if drafts.problems:
        raise BuildFailed(drafts.problems)
    choices = [
        replace(each, design=design)
        for each in drafts.choices()
        if isinstance(drafts.email(each), Email)
        for design in (("none", "all") if each.look.brand.show else ("none",))
    ]
    with pages.served(application(folder), 0) as address, browser.opened() as chromium:
        camera = Camera(chromium, address)
        return sum(camera.take(choice, target) for choice in choices)


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
            window.screenshot(path=f"{email}-{name}.png", full_page=True)
        self._page.goto(self._address + view.address())
        parts = {"inbox": ".device .inbox", "text": ".text"}
        for name, selector in parts.items():
            self._page.locator(selector).screenshot(path=f"{email}-{name}.png")
        return len(self._windows) + len(parts)
