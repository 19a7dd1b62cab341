"""For all tests: the built emails can be imported, as from the layer; log lines are captured.

The deployed stack is here too, because tests of several folders need it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import aws_data, emails_package, powertools
from tests.faults.figures import (
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.secrecy import (
    no_secret_is_in_any_output,
    pytest_collection_modifyitems,
    pytest_runtest_logreport,
)

if TYPE_CHECKING:
    from tools.stack.deployment import Stack

__all__ = [
    "no_secret_is_in_any_output",
    "pytest_collection_modifyitems",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

powertools.log_to_current_stdout()
aws_data.share()
# Hypothesis would fail an example that takes a fifth of a second, but a busy machine is not an
# error.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Build the tests' emails, before pytest-xdist starts its workers.

    Tools and programs that tests start use them too.
    """
    os.environ["ROOMLE_MAIL_EMAILS"] = str(emails_package.EMAILS)
    sys.addaudithook(emails_package.guard)
    if not hasattr(config, "workerinput"):
        emails_package.build()


def pytest_collection_finish() -> None:
    """Leave the collected tests, which stay to the end, out of every garbage collection."""
    gc.freeze()


def pytest_report_header() -> str | None:
    """Say where the tests' emails are no longer those of layers/emails."""
    with emails_package.guard.allowed():
        own, ours = map(emails_package.content, (emails_package.OWN, emails_package.EMAILS))
    names = sorted(name for name in own.keys() | ours.keys() if own.get(name) != ours.get(name))
    if not names:
        return None
    return (
        f"emails: tests/emails is used. It differs from layers/emails in {', '.join(names[:5])}"
        f"{', …' if names[5:] else ''}. Right for your own brand; after a change of the example: "
        "make example"
    )


@pytest.fixture
def own_emails(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The emails in layers/emails, as they are."""
    monkeypatch.setenv("ROOMLE_MAIL_EMAILS", "")
    with emails_package.guard.allowed():
        yield emails_package.OWN


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    """One stack on a free port, deployed once, for the tests that ask for it."""
    from tools.stack import deployment, processes  # noqa: PLC0415 (few tests need it)

    processes.interrupt_on_signals()
    with deployment.running(port=0) as stack:
        yield stack
