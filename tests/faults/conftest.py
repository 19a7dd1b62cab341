"""The built functions, each behind its own proxy, in front of the AWS emulator."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.built.conftest import Lambda, aws_lambda
from tests.faults import figures, world
from tests.faults import pool as pools
from tests.faults import proxy as proxies
from tests.faults.lambdas import RECEIVER, Clock, Functions
from tests.faults.pool import Pool
from tests.faults.proxy import Proxy
from tests.faults.world import Aws
from tools import fixtures, sam

INVOCATIONS = 50_000

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


@pytest.fixture(scope="session")
def steady_worker(aws_lambda: Lambda) -> Iterator[subprocess.Popen[str]]:
    """A long-lived worker, which uses idle processor time."""
    program = Path(__file__).with_name("steady_worker.py")
    invocations = figures.number("FAULTS_INVOCATIONS", INVOCATIONS)
    environment = aws_lambda.environment(RECEIVER, **fixtures.environment()[RECEIVER])
    # The function's own layers come first; the code that makes the requests comes last.
    paths = [environment["PYTHONPATH"], ".", sam.ROOT, sam.ROOT / "tools" / "cli"]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    with subprocess.Popen(
        ["nice", "-n", "19", aws_lambda.python, program, str(invocations)],
        cwd=aws_lambda.tasks[RECEIVER],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="session", autouse=True)
def _begin_early(request: pytest.FixtureRequest) -> None:
    """Run the worker in parallel with other tests, because it takes minutes, if a test needs it."""
    if any("steady_worker" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("steady_worker")
