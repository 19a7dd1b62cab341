"""Headless Chromium: an installed one, else Debian's, else Playwright's.

    python -m tools.browser

installs one if there is none: `make browser`.
"""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Locator, Page, Playwright, sync_playwright

from tools import debian

# The shell without windows takes a third of Chromium's processor time. Older systems don't have it.
PACKAGES = ("chromium-headless-shell", "chromium")
NAMES = (*PACKAGES, "chromium-browser", "google-chrome", "google-chrome-stable")
# It must request only the pages that it is given, and must also start as root in a container.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page can make it look up another host.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # The same font rendering on every machine, for screenshots.
    "--font-render-hinting=none",
)


def installed() -> str | None:
    """Return the path of an installed Chromium that starts."""
    for path in filter(None, map(shutil.which, NAMES)):
        # Ubuntu's chromium-browser may be a script that only tells people to install a snap.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([path, "--version"], check=True, capture_output=True, timeout=60)
            return path
    return None


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Run Chromium with a new empty profile during the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=installed(), chromium_sandbox=False, args=list(QUIET)
        )
        try:
            yield browser
        finally:
            browser.close()


def picture(of: Page | Locator, **options: Any) -> bytes:  # noqa: ANN401 (Playwright's own)
    """Take a screenshot, with Playwright's options.

    Chromium refuses one now and then, and takes the same one when it is asked again
    (MarketSquare/robotframework-browser#5237).
    """
    for _ in range(3):
        try:
            return of.screenshot(**options)
        except Error as error:
            if "Unable to capture screenshot" not in error.message:
                raise
    return of.screenshot(**options)


def downloaded(playwright: Playwright) -> bool:
    """Return whether Playwright's Chromium is installed."""
    return Path(playwright.chromium.executable_path).exists()


def install() -> None:
    """Install Chromium unless it is installed; raises CalledProcessError."""
    if installed():
        return
    for package in PACKAGES:
        debian.install("browser", package, "fonts-liberation")
        if installed():
            return
    with sync_playwright() as playwright:
        if downloaded(playwright):
            return
    print("browser: Playwright's Chromium", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    install()
