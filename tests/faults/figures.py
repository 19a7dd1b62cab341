"""The tests' measurements, printed at the end of the run, before pytest's verdict."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

_lines: list[str] = []


def report(line: str) -> None:
    """Print a line at the end of the run."""
    _lines.append(line)


def seeded(test: str) -> random.Random:
    """Random numbers: different in each run, or those of FAULTS_SEED, which is printed."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**9))
    report(f"{test}: FAULTS_SEED={seed}")
    return random.Random(seed)  # noqa: S311 - it has to be repeatable


def number(name: str, default: int) -> int:
    """The amount of work: the environment variable's value, or the default."""
    return int(os.environ.get(name) or default)


def amounts(name: str, *, sample: int, proof: int) -> list[Any]:
    """Give a test two sizes: a sample for `make test`, a campaign for `make proof`.

    The environment variable `name` sets the campaign's size.
    """
    return [sample, pytest.param(number(name, proof), marks=pytest.mark.proof)]


# --- pytest's hooks, imported by tests/conftest.py -------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over the lines of a pytest-xdist worker."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["figures"] = _lines


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the lines of a worker that has ended."""
    _lines.extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print seeds and figures, to repeat a failed run or to quote a successful one."""
    if _lines:
        terminalreporter.section("figures")
        for line in _lines:
            terminalreporter.line(line)
