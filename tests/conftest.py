"""For all tests: the built emails can be imported, as from the layer; log lines can be caught.

The deployed stack is here too, since more than one folder's tests need it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests import emails_package
from tests.secrecy import pytest_collection_modifyitems, pytest_runtest_logreport

if TYPE_CHECKING:
    from tools.stack.deployment import Stack

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_logreport"]


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
