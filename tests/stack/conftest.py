"""One stack, deployed once on a free port, for all tests of this folder."""

import uuid
from collections.abc import Iterator

import pytest

from tests.stack.local import LocalStack
from tools.stack import deployment, processes


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The deployed stack; what it can do is told in tests/stack/local.py."""
    processes.interrupt_on_signals()
    with deployment.running(port=0) as deployed:
        yield LocalStack(deployed)


@pytest.fixture
def recipient() -> str:
    """An address that no other test mails to."""
    return f"{uuid.uuid4().hex}@customer.example"
