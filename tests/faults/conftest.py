"""The built functions, each behind a proxy of its own, in front of the emulator of AWS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.built.conftest import Lambda, aws_lambda
from tests.faults import figures, world
from tests.faults import pool as pools
from tests.faults import proxy as proxies
from tests.faults.lambdas import Clock, Functions
from tests.faults.pool import Pool
from tests.faults.proxy import Proxy
from tests.faults.world import Aws

__all__ = ["aws_lambda"]  # the fixture is tests/built's


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    clock = Clock(tmp_path_factory.mktemp("clock") / "clock")
    with world.running(clock) as running:
        yield running


@pytest.fixture(scope="session")
def proxy(aws: Aws) -> Iterator[Proxy]:
    with proxies.running(aws.emulator.url) as running:
        yield running


@pytest.fixture(scope="session")
def functions(
    aws: Aws, proxy: Proxy, aws_lambda: Lambda, tmp_path_factory: pytest.TempPathFactory
) -> Functions:
    return Functions(aws_lambda, proxy, tmp_path_factory.mktemp("functions"), aws.variables)


@pytest.fixture(scope="session")
def pool(aws: Aws, functions: Functions) -> Iterator[Pool]:
    """Three receivers for each delivery, and three mailers."""
    with pools.started(aws, functions, receivers=3, mailers=3) as pool:
        yield pool


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print seeds and figures: a run that failed can be repeated, one that passed be quoted."""
    if lines := figures.reported():
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
