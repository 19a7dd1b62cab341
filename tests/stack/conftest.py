"""What the tests of this folder share: the stack, deployed once, and a unique address."""

import uuid
from collections.abc import Iterator

import pytest

from tests.command_line import CommandLine
from tests.stack import troubles
from tools.stack.deployment import Stack
from tools.stack.local import MAILER, RECEIVER, LocalStack


@pytest.fixture(scope="session")
def shared_stack(deployed: Stack) -> Iterator[LocalStack]:
    """The deployed stack; see tools/stack/local.py."""
    stack = LocalStack(deployed)
    yield stack
    troubles.forget(stack)


@pytest.fixture(scope="module")
def stack(shared_stack: LocalStack) -> Iterator[LocalStack]:
    """The deployed stack, without what other files' tests left: they may run in any order."""
    troubles.forget(shared_stack)
    with shared_stack.environment(RECEIVER), shared_stack.environment(MAILER):
        # Both have restarted. They get the same variables again at the end.
        assert shared_stack.warm_up()
        yield shared_stack


@pytest.fixture
def recipient() -> str:
    """An address that no other test mails to."""
    return f"{uuid.uuid4().hex}@customer.example"


@pytest.fixture
def cli(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line in the environment of AWS's own tools."""
    for name, value in stack.emulator.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("ROOMLE_API_KEY", "ROOMLE_SECRET", "ROOMLE_MAIL_STACK"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(monkeypatch, capsys)
