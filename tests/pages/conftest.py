"""A real Chromium. With PICTURES=1 screenshots are kept in .local/screenshots."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Error, Page, Request

from tests.emails_package import EMAILS
from tools import browser
from tools.pages.emails import Scheme
from tools.preview.drafts import Drafts
from tools.sam import ROOT
from tools.stack.emulator import HOST

# Read once, because these tests' parameters come from it: every worker collects them all.
DRAFTS = Drafts(EMAILS)
SCREENSHOTS = ROOT / ".local" / "screenshots"
# WCAG 2.2, A and AA, and what axe's makers recommend beyond it.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PHONE, DESKTOP = 375, 1280


@dataclass
class Window:
    """A Chromium page, and the requests that it made."""

    page: Page
    name: str
    invited: str = ""
    """The start of addresses on another host that the test expects to be requested."""
    requests: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._ask)
        self.page.on("pageerror", self._fail)

    @classmethod
    def of(cls, page: Page, request: pytest.FixtureRequest, suffix: str = "") -> Self:
        """The window of a test, named after it."""
        test = f"{request.path.stem}/{request.node.originalname}".replace("test_", "")
        return cls(page, f"{test}{suffix}")

    def check(self) -> None:
        """Check that nothing failed on the page, and that it asked only our own server."""
        assert self.errors == []
        assert self.strangers == []

    def let_go(self) -> None:
        """Stop listening, where the next test goes on with the same page."""
        self.page.remove_listener("request", self._ask)
        self.page.remove_listener("pageerror", self._fail)

    def _ask(self, request: Request) -> None:
        self.requests.append(request)

    def _fail(self, error: Error) -> None:
        self.errors.append(str(error))

    @property
    def strangers(self) -> list[str]:
        """The requests to other hosts, without those that the page's own policy blocked."""
        return [
            request.url
            for request in self.requests
            if not request.url.startswith((f"http://{HOST}:", "data:", "blob:", "about:"))
            and request.failure != "csp"
            and not (self.invited and request.url.startswith(self.invited))
        ]

    @property
    def too_wide(self) -> int:
        """How many pixels the page is wider than its window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return max(width, 0)

    def violations(self, *standards: str) -> list[str]:
        """The problems that axe-core finds. Content in frames is checked separately."""
        options = {
            "runOnly": {"type": "tag", "values": list(standards or STANDARDS)},
            "iframes": False,
            "resultTypes": ["violations"],
        }
        found: list[dict[str, Any]] = Axe().run(self.page, options=options).response["violations"]
        return [
            f"{violation['id']}: {violation['help']}: {node['html'][:160]}"
            for violation in found
            for node in violation["nodes"]
        ]

    def keep(self, what: str = "") -> None:
        """Take a screenshot of the whole page, if any are asked for: they take long."""
        if "PICTURES" not in os.environ:
            return
        folder, _, name = self.name.partition("/")
        name = re.sub(r"[^\w.-]+", "-", f"{name}{what}").strip("-")
        (SCREENSHOTS / folder).mkdir(parents=True, exist_ok=True)
        browser.picture(self.page, path=SCREENSHOTS / folder / f"{name}.png", full_page=True)


# Not longer than a module, because Playwright keeps an event loop in this thread meanwhile.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser.opened() as opened:
        yield opened


type Open = Callable[..., Window]


@pytest.fixture
def open_window(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a window: its width in pixels, its colour scheme, and further options."""
    windows: list[Window] = []

    def opened(width: int = DESKTOP, scheme: Scheme = "light", **options: Any) -> Window:
        page = chromium.new_page(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        page.set_default_timeout(30_000)
        windows.append(Window.of(page, request, f"-{width}-{scheme}"))
        return windows[-1]

    yield opened
    for window in windows:
        window.page.context.close()
    for window in windows:
        window.check()


@pytest.fixture
def window(open_window: Open) -> Window:
    """A window as on a desktop, in light colours."""
    return open_window()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the emails to be edited."""
    return shutil.copytree(EMAILS, tmp_path / "emails")
