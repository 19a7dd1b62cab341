"""Search everything that a test run prints and logs for the secrets that it used.

Pytest keeps what a test prints. What a function prints is in a file below the session's temporary
folder; `note` adds other texts. Every run ends with the search, and so does each of pytest-xdist's
workers: finding a secret is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roomle_mail_cli import sign

# The secrets of the tests that run functions; they must not appear anywhere.
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
# Tests in these folders run functions, so a full run has something to search.
FOLDERS_WITH_FUNCTIONS = {"aws", "built", "faults", "stack"}

# Every line that a function logs contains this.
_OF_A_FUNCTION = '"service"'

_seen: list[str] = []
_functions_wrote: list[str] = []
_elsewhere: dict[str, str] = {}


def note(where: str, text: str) -> None:
    """Search this text too."""
    _elsewhere[where] = text


@dataclass(frozen=True)
class Found:
    """The places where a secret was found, and where a function's lines were."""

    leaks: list[str]
    functions_wrote: list[str]


def search(folder: Path) -> Found:
    """Search everything that was written so far; `folder` is the session's temporary folder."""
    texts = {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in folder.rglob("*.log")
        if path.is_file()
    }
    texts |= _elsewhere
    return Found(
        leaks=_seen + [where for where, text in texts.items() if has_secret(text)],
        functions_wrote=_functions_wrote
        + [where for where, text in texts.items() if _OF_A_FUNCTION in text],
    )


def has_secret(text: str) -> bool:
    return any(secret in text for secret in SECRETS)


# --- hooks for tests/conftest.py ------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_in_any_output(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    yield
    found = search(tmp_path_factory.getbasetemp())
    assert not found.leaks, f"a secret was seen: {found.leaks}"
    folders = {item.path.parent.name for item in request.session.items}
    assert found.functions_wrote or not folders >= FOLDERS_WITH_FUNCTIONS, "nothing was searched"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Search what was captured, and what a failure shows."""
    text = "\n".join([*(content for _, content in report.sections), report.longreprtext])
    if has_secret(text):
        _seen.append(f"{report.nodeid}, {report.when}")
    if _OF_A_FUNCTION in text:
        _functions_wrote.append(f"{report.nodeid}, {report.when}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the searching tests last."""
    items.sort(key=lambda item: bool(item.get_closest_marker(LEAVES_MUCH)))
