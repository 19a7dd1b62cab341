"""For all tests: the built emails can be imported, as from the layer; log lines are captured.

The deployed stack is here too, because tests of several folders need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import emails_package, powertools
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
# Hypothesis would fail an example that takes a fifth of a second, but a busy machine is not an
# error.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Build the emails, before pytest-xdist starts its workers."""
    if not hasattr(config, "workerinput"):
        emails_package.build()


@pytest.fixture(scope="session")
def deployed() -> Iterator[Stack]:
    """One stack on a free port, deployed once, for the tests that ask for it."""
    from tools.stack import deployment, processes  # noqa: PLC0415 (few tests need it)

    processes.interrupt_on_signals()
    with deployment.running(port=0) as stack:
        yield stack
