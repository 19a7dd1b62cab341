"""The built functions, each behind its own proxy, in front of the AWS emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from emails_build.package import PACKAGE
from roomle_mail.tokens import Credential
from tests import emails_package
from tests.built.conftest import Lambda, aws_lambda
from tests.faults import figures, world
from tests.faults import pool as pools
from tests.faults import proxy as proxies
from tests.faults.lambdas import RECEIVER, Clock, Functions
from tests.faults.pool import Pool
from tests.faults.proxy import Proxy
from tests.faults.world import Aws
from tools import fixtures, sam
from tools.roomle_api import server
from tools.roomle_api.server import RoomleApi

INVOCATIONS = 50_000

__all__ = ["aws_lambda"]  # the fixture is tests/built's


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    clock = Clock(tmp_path_factory.mktemp("clock") / "clock")
    with world.running(clock) as running:
        yield running


@pytest.fixture(scope="session")
def roomle() -> Iterator[RoomleApi]:
    with server.running() as running:
        running.credentials = (Credential(world.API_KEY, world.SECRET.encode()),)
        yield running


@pytest.fixture(scope="session")
def proxy(aws: Aws, roomle: RoomleApi) -> Iterator[Proxy]:
    with proxies.running(aws.emulator.url, roomle.url) as running:
        yield running


@pytest.fixture(scope="session")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built emails, but every brand shows designs."""
    folder = tmp_path_factory.mktemp("showing")
    shutil.copytree(emails_package.build(), folder, dirs_exist_ok=True)
    for path in (folder / PACKAGE / "brands").glob("*.json"):
        brand = json.loads(path.read_text("utf-8"))
        brand |= {"show": ["picture", "name", "size"], "picture_hosts": ["*.roomle.com"]}
        path.write_text(json.dumps(brand), "utf-8")
    return folder


@pytest.fixture(scope="session")
def functions(
    aws: Aws,
    proxy: Proxy,
    aws_lambda: Lambda,
    showing: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Functions:
    folder = tmp_path_factory.mktemp("functions")
    return Functions(aws_lambda, proxy, folder, aws.variables, showing)


@pytest.fixture(scope="session")
def pool(aws: Aws, functions: Functions) -> Iterator[Pool]:
    """Three receivers for each delivery, and three mailers, whose emails show designs."""
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
