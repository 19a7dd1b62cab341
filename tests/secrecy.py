"""All that a run of the tests prints and logs, searched for the secrets that it used.

Whatever a test prints is kept by pytest, whatever a function prints lies in a file below the
session's temporary folder, and what is elsewhere is added by `also_search`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

# Every line that a function logs has it.
_OF_A_FUNCTION = '"service"'

_seen: list[str] = []
_functions_wrote: list[str] = []
_elsewhere: list[Callable[[], str]] = []


def also_search(read: Callable[[], str]) -> None:
    """Search what this gives at the end of the run, too."""
    _elsewhere.append(read)


@dataclass(frozen=True)
class Found:
    """Where a secret was seen, and where a function's lines were."""

    leaks: list[str]
    functions_wrote: list[str]


def search(folder: Path) -> Found:
    """Search all that was written so far; `folder` is the session's temporary one."""
    texts = {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in folder.rglob("*.log")
        if path.is_file()
    }
    texts |= {f"the log of stack {number}": read() for number, read in enumerate(_elsewhere)}
    return Found(
        leaks=_seen + [where for where, text in texts.items() if has_secret(text)],
        functions_wrote=_functions_wrote
        + [where for where, text in texts.items() if _OF_A_FUNCTION in text],
    )


def has_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


# --- pytest's hooks, which tests/conftest.py takes over -----------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look at all that was captured, and at what a failure shows."""
    text = "\n".join([*(content for _, content in report.sections), report.longreprtext])
    if has_secret(text):
        _seen.append(f"{report.nodeid}, {report.when}")
    if _OF_A_FUNCTION in text:
        _functions_wrote.append(f"{report.nodeid}, {report.when}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the test that looks at everything come last, and before it what others would wade in."""
    items.sort(
        key=lambda item: (item.name == LAST) * 2 or bool(item.get_closest_marker(LEAVES_MUCH))
    )
