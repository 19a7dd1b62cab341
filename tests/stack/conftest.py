"""What the tests of this folder share: the stack, deployed once, and a unique address."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests import secrecy
from tests.command_line import CommandLine
from tools.stack.deployment import Stack
from tools.stack.local import MAILER, RECEIVER, LocalStack


@pytest.fixture(scope="module")
def stack(deployed: Stack) -> Iterator[LocalStack]:
    """The deployed stack; see tools/stack/local.py. Files may run in any order."""
    stack = LocalStack(deployed)
    with ExitStack() as later:
        for function in (RECEIVER, MAILER):
            # Enters without a change, and so only puts back what it found.
            later.enter_context(stack.environment(function))
        later.callback(stack.forget_messages)
        later.callback(stack.quieten_alarms)
        yield stack
    secrecy.note("the log of the stack", "\n".join([*stack.log(RECEIVER), *stack.log(MAILER)]))


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
