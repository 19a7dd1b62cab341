"""What the tests of this folder share: the stack, deployed once, and an address of one's own."""

import uuid

import pytest

from tests.stack.local import LocalStack
from tools.stack.deployment import Stack


@pytest.fixture(scope="session")
def stack(deployed: Stack) -> LocalStack:
    """The deployed stack; what it can do is told in tests/stack/local.py."""
    return LocalStack(deployed)


@pytest.fixture
def recipient() -> str:
    """An address that no other test mails to."""
    return f"{uuid.uuid4().hex}@customer.example"
