"""Chromium, headless: the one that is there, else Debian's, else Playwright's own.

    python -m tools.browser

sees to it that there is one: `make browser`.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# It is to ask for nothing but the pages it is shown, and to start as root in a container too.
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No page that it is shown can make it ask for another host's name.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # The same letters on every machine, for pictures.
    "--font-render-hinting=none",
)


def installed() -> str | None:
    """Return the path of a Chromium of the system that starts."""
    for path in filter(None, map(shutil.which, NAMES)):
        # Ubuntu's chromium-browser may be a script that only asks for a snap.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([path, "--version"], check=True, capture_output=True, timeout=60)
            return path
    return None


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Start Chromium with a new empty profile, and end it with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=installed(), chromium_sandbox=False, args=list(QUIET)
        )
        try:
            yield browser
        finally:
            browser.close()


def downloaded(playwright: Playwright) -> bool:
    """Tell whether Playwright's own Chromium is there."""
    return Path(playwright.chromium.executable_path).exists()


def install() -> None:
    """Install a Chromium unless there is one; raises CalledProcessError."""
    if installed():
        return
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("browser: Debian's Chromium", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        packages = ("--yes", "--no-install-recommends", "chromium", "fonts-liberation")
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["apt-get", "--quiet=2", "update"], check=True)
            subprocess.run(["apt-get", "--quiet=2", "install", *packages], check=True, env=quiet)
        if installed():
            return
    with sync_playwright() as playwright:
        if downloaded(playwright):
            return
    print("browser: Playwright's Chromium", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    install()
