"""Unit tests reach nothing outside the process: to connect is an error."""

from pathlib import Path

import pytest
import pytest_socket

from emails_build.package import compile_package
from tests.emails_building import few, source, whole

__all__ = ["few", "source", "whole"]


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let no test in this folder connect to anything.

    Only connecting: a server of another folder's tests may still run, and has to go on accepting.
    """
    pytest_socket.socket_allow_hosts([])


@pytest.fixture(scope="session")
def unedited(few: Path) -> dict[str, str]:
    """The package that `source` makes as it is."""
    return dict(compile_package(few))
