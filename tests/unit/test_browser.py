"""Taking a picture where Chromium refuses one now and then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error

from tools import browser


class Shy:
    """A page whose first pictures are refused."""

    def __init__(self, *problems: str) -> None:
        self._problems = list(problems)

    def screenshot(self, *, path: Path) -> bytes:
        if self._problems:
            raise Error(self._problems.pop(0))
        path.write_bytes(b"picture")
        return b"picture"


REFUSED = "Page.screenshot: Protocol error (Page.captureScreenshot): Unable to capture screenshot"


def test_a_refused_picture_is_taken_again(tmp_path: Path) -> None:
    page: Any = Shy(REFUSED, REFUSED)
    assert browser.picture(page, path=tmp_path / "a.png") == b"picture"
    assert (tmp_path / "a.png").exists()


@pytest.mark.parametrize("problems", [["Timeout 30000ms exceeded."], [REFUSED] * 4])
def test_any_other_problem_or_too_many_refusals_end_it(tmp_path: Path, problems: list[str]) -> None:
    page: Any = Shy(*problems)
    with pytest.raises(Error, match=problems[0][:10]):
        browser.picture(page, path=tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
