"""Unit tests reach nothing outside the process: to connect is an error."""

import pytest
import pytest_socket

from tests.emails_building import few, source

__all__ = ["few", "source"]


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let no test in this folder connect to anything.

    Only connecting: a server of another folder's tests may still run, and has to go on accepting.
    """
    pytest_socket.socket_allow_hosts([])
