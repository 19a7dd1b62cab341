"""The stand-in for Roomle's API on a free port of loopback, and requests to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from roomle_mail_cli import sign
from tools.roomle_api import server
from tools.roomle_api.server import RoomleApi

# Shorter than any fault that keeps a client waiting.
PATIENCE = 0.5
LIMIT = 8 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def token(**form: Any) -> str:
    return sign.make_token(
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
        session=uuid.uuid4().hex,
        **form,
    )


def credentials(language: str = "en", **form: Any) -> dict[str, str]:
    """The four headers that every call must contain."""
    return {
        "apiKey": sign.EXAMPLE_API_KEY,
        "token": token(**form),
        "currentTenant": "example",
        "language": language,
    }


def ask(
    roomle: RoomleApi, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET"
) -> Answer:
    """Ask once, with all four headers by default, and follow no redirect."""
    parts = urlsplit(roomle.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)
    connection.connect()
    # A time-out of the socket counts for each read, so a byte now and then would outlast it.
    giving_up = threading.Timer(PATIENCE, connection.sock.shutdown, (socket.SHUT_RDWR,))
    giving_up.start()
    try:
        given = credentials() if headers is None else headers
        connection.request(method, path, headers=dict(given))
        response = connection.getresponse()
        return Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(LIMIT),
        )
    finally:
        giving_up.cancel()
        connection.close()


@pytest.fixture
def roomle() -> Iterator[RoomleApi]:
    with server.running() as running:
        yield running
