"""The answer comes in time under AWS's runtime client, which decides where signals arrive."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from roomle_mail_cli import sign
from tests.built.conftest import Start
from tools import fixtures


class _Dripping(socketserver.StreamRequestHandler):
    """Answers one byte at a time, so that no read ever times out; counts who waits for all."""

    waited_out: ClassVar[list[str]] = []

    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            time.sleep(0.1)
            try:
                self.wfile.write(b" ")
            except OSError:
                return
        self.waited_out.append("SES")


@pytest.fixture
def dripping_server() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dripping) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_answer_comes_in_time_though_ses_drips_one_byte_at_a_time(
    start: Start, dripping_server: str
) -> None:
    # GIVEN a running receiver that has three seconds, and an SES that takes ten
    receiver = start("ReceiverFunction", ANSWER_WITHIN="3", AWS_ENDPOINT_URL_SESV2=dripping_server)
    receiver.invoke(fixtures.load("receiver/no_token"))
    event = fixtures.fresh(
        "receiver/share_configuration",
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )

    # WHEN an event arrives
    answer = receiver.invoke(event)

    # THEN the answer leaves it to Roomle, in time
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"]) == {"status": "failed", "code": "unavailable"}
    assert _Dripping.waited_out == []

    # AND the function still runs, and remembers
    assert receiver.invoke(event)["statusCode"] == 503
