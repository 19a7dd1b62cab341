"""The AWS emulator: ministack, on loopback only, with IAM enforced."""

import contextlib
import json
import os
import random
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import URLError

import boto3
from botocore.config import Config

from tools import sam
from tools.stack import processes

HOST = "127.0.0.1"
# Below the ports that systems assign, and not ministack's default, so that both can run.
PORT = 24566
FREE_PORTS = range(25_000, 32_000)
REGION = "eu-central-1"
# The emulator's root user. These credentials work nowhere else.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
# Starting takes about a second, or longer the first time, when its packages are installed.
PATIENCE = 180.0


class EmulatorFailedError(Exception):
    """The emulator ended, or did not answer in time. The text says why, with the end of its log."""


@dataclass(frozen=True)
class Emulator:
    """An emulator. `folder` is removed with it."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        """The endpoint of all services."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """The emulator's output, with LOG_LEVEL INFO one line per call."""
        return self.folder / "ministack.log"

    @cache  # noqa: B019 - lives as long as the run
    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes clients at run time
        """Return a client with all rights, made once for each service."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Read one of the emulator's own pages, which AWS does not have."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as response:
            return json.load(response)

    def environment(self) -> dict[str, str]:
        """Return the variables that make an AWS program use only the emulator."""
        inherited = {name: value for name, value in os.environ.items() if "AWS_" not in name}
        return {
            **inherited,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": HOST,
            "no_proxy": HOST,
        }


def free_port() -> int:
    """Return a port that nothing listens on now, and that no system assigns to a connection."""
    while taken(port := random.choice(FREE_PORTS)):  # noqa: S311 (nobody gains by guessing it)
        pass
    return port


@contextlib.contextmanager
def running(port: int = PORT) -> Iterator[Emulator]:
    """Run the emulator during the block; port 0 means a free port.

    Raises EmulatorFailedError.
    """
    if port and taken(port):
        raise EmulatorFailedError(f"port {port} is taken; choose another, or 0 for a free one")
    port = port or free_port()
    with processes.scratch_folder() as folder:
        emulator = Emulator(port, folder)
        with (
            emulator.log.open("w") as output,
            processes.started(
                sam.pinned("ministack", "ministack"), environment=settings(emulator), output=output
            ) as process,
        ):
            deadline = time.monotonic() + PATIENCE
            while not answers(emulator):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise EmulatorFailedError(emulator.log.read_text()[-2000:])
                time.sleep(0.1)
            yield emulator


def taken(port: int) -> bool:
    """Return whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def settings(emulator: Emulator) -> dict[str, str]:
    """Return the emulator's environment. Its functions inherit it, so it has little of ours.

    The names are ministack's own. It does not always remove its temporary folders, so TMPDIR is set
    to one that we remove.
    """
    ours = ("PATH", "HOME", "LANG", "UV_", "SSL_", "PIP_", "XDG_", "HTTPS_PROXY", "https_proxy")
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(ours)},
        **CREDENTIALS,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(emulator.port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "TMPDIR": str(emulator.folder),
        "STATE_DIR": str(emulator.folder / "state"),
        "S3_DATA_DIR": str(emulator.folder / "s3"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": HOST,
        # Otherwise it would listen for devices and file transfers, and remove containers with its
        # name.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{emulator.folder}/no-docker.sock",
    }


def answers(emulator: Emulator) -> bool:
    """Return whether the emulator answers and enforces IAM, which shows that it is ours."""
    try:
        return bool(emulator.get("/_ministack/health")["auth"] == "enabled")
    except (URLError, OSError, KeyError, ValueError):
        return False
