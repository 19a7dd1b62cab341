"""Take the README's screenshots from a real local stack: `make pictures`."""

from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tools import browser, pages
from tools.preview.drafts import Folder
from tools.preview.page import WIDTHS
from tools.preview.page import application as preview
from tools.sam import ROOT
from tools.simulator import page as simulator
from tools.stack import deployment, processes

TARGET = ROOT / "docs" / "images"


def main() -> None:
    """Deploy a stack, send an event to it, and take all pictures."""
    processes.interrupt_on_signals()
    TARGET.mkdir(parents=True, exist_ok=True)
    with (
        deployment.running(port=0) as stack,
        simulator.beside(stack, 0) as played,
        pages.served(preview(Folder()), 0) as shown,
        browser.opened() as chromium,
    ):
        take_emails(chromium, played)
        take_simulator(chromium, played)
        take_preview(chromium, shown)
    for picture in sorted(TARGET.glob("*.png")):
        processes.say("pictures", f"{picture.relative_to(ROOT)}, {picture.stat().st_size:,} bytes")


def window(
    chromium: Browser, width: int, height: int, scheme: Literal["light", "dark"] = "light"
) -> Page:
    """Open a window with a high resolution."""
    return chromium.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=2
    )


def take_emails(chromium: Browser, address: str) -> None:
    """Two emails as they arrived: one on a desktop in light mode, one on a phone in dark mode."""
    page = window(chromium, 1280, 900)
    play(page, address, configurator="exampleStudio", language="en")
    arrived = page.locator("#received iframe").get_attribute("src")
    desk = window(chromium, WIDTHS["desktop"], 400)
    desk.goto(address.rstrip("/") + str(arrived))
    save(desk, "email", whole=True)

    play(page, address, event="email.shareConfigurationAR", configurator="exampleStudio")
    arrived = page.locator("#received iframe").get_attribute("src")
    phone = window(chromium, WIDTHS["phone"], 400, "dark")
    phone.goto(address.rstrip("/") + str(arrived))
    save(phone, "email-phone-dark", whole=True)


def take_simulator(chromium: Browser, address: str) -> None:
    """SES throttles: one email arrives, through the queue."""
    page = window(chromium, 1200, 1120)
    play(page, address, configurator="exampleStudio", language="en", ses="throttles")
    page.locator("#request > summary").click()
    page.evaluate("scrollTo(0, 0)")
    save(page, "simulator")


def take_preview(chromium: Browser, address: str) -> None:
    """The preview of one email."""
    page = window(chromium, 1440, 900)
    page.goto(f"{address}?brand=studio&language=en&scheme=light&width=desktop")
    page.wait_for_selector(".frame iframe[data-fitted]", state="attached")
    save(page, "preview")


def play(page: Page, address: str, **choices: str) -> None:
    """Send an event on the simulator page, and wait until it is settled."""
    page.goto(address)
    for name, value in choices.items():
        page.locator(f"#{name}").select_option(value)
    page.get_by_role("button", name="Send the event").click()
    page.wait_for_selector("#story[data-settled=true]", timeout=90_000)
    page.wait_for_timeout(500)


def save(page: Page, name: str, *, whole: bool = False) -> Path:
    """Save a picture."""
    path = TARGET / f"{name}.png"
    browser.picture(page, path=path, full_page=whole, animations="disabled")
    return path


if __name__ == "__main__":
    main()
