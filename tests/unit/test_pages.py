"""What the local pages have in common, as far as it needs no browser."""

import gc
import warnings
from collections.abc import Callable

from werkzeug.test import create_environ

from tools import pages


def test_a_browser_that_turns_away_leaves_no_file_open() -> None:
    app = pages.application("some", pages.HERE.parent / "simulator")
    file = create_environ("/pages/frames.js", base_url="http://127.0.0.1")
    answers: list[str] = []

    def start(status: str, *_: object) -> Callable[[bytes], object]:
        answers.append(status)
        return lambda _: None

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        content = app(file, start)
        first = next(iter(content))
        # Nobody reads on, and nobody closes.
        del content
        gc.collect()

    assert answers == ["200 OK"]
    assert first == (pages.HERE / "static" / "frames.js").read_bytes()
    assert not told
