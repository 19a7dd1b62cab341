"""All that a run of the tests prints and logs, searched for the secrets that it used.

Whatever a test prints is kept by pytest, whatever a function prints lies in a file below the
session's temporary folder, and what is elsewhere is added by `also_search`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roomle_mail_cli import sign

# Those of the tests that let functions run; nothing of them may be seen anywhere.
SECRETS = (
    sign.EXAMPLE_SECRET,
    "example-secret-0",
    "example-secret-1",
    "another-secret-0",
    "other-secret-123",
    "old-secret-16-ch",
    "new-secret-16-ch",
)
LEAVES_MUCH = "leaves_much_behind"
LAST = "test_no_secret_appears_in_any_output_of_the_whole_run"

_seen: list[str] = []
_elsewhere: list[Callable[[], str]] = []


def also_search(read: Callable[[], str]) -> None:
    """Search what this gives at the end of the run, too."""
    _elsewhere.append(read)


def leaks(folder: Path) -> Iterator[str]:
    """Where a secret was seen so far; `folder` is the session's temporary one."""
    yield from _seen
    for path in folder.rglob("*.log"):
        if path.is_file() and has_secret(path.read_text(errors="replace")):
            yield str(path.relative_to(folder))
    for read in _elsewhere:
        if has_secret(read()):
            yield "the log of the stack"


def has_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


# --- pytest's hooks, which tests/conftest.py takes over -----------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at all that was captured, and at what a failure shows."""
    sections = [content for _, content in report.sections]
    if has_secret("\n".join([*sections, report.longreprtext])):
        _seen.append(f"{report.nodeid}, {report.when}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that looks at everything come last, and before it what others would wade in."""
    items.sort(
        key=lambda item: (item.name == LAST) * 2 or bool(item.get_closest_marker(LEAVES_MUCH))
    )
