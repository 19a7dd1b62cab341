"""Unit tests reach nothing outside the process: a socket is an error."""

import pytest


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """Switch sockets off for every test in this folder."""
