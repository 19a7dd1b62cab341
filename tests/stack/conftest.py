"""What the tests of this folder share: the stack, deployed once, and an address of one's own."""

import uuid

import pytest

from tests import secrecy
from tools.stack.deployment import Stack
from tools.stack.local import MAILER, RECEIVER, LocalStack


@pytest.fixture(scope="session")
def stack(deployed: Stack) -> LocalStack:
    """The deployed stack; what it can do is told in tools/stack/local.py."""
    stack = LocalStack(deployed)
    secrecy.also_search(lambda: "\n".join([*stack.log(RECEIVER), *stack.log(MAILER)]))
    return stack


@pytest.fixture
def recipient() -> str:
    """An address that no other test mails to."""
    return f"{uuid.uuid4().hex}@customer.example"
