"""The bench: how it evaluates its results. The measurements themselves are not tested."""

import asyncio
import json
import runpy
from collections import Counter
from pathlib import Path

import pytest

from bench import measure, report, variants
from bench.markdown import filled
from bench.variants import Variant, as_format_1, posts
from bench.wire import Event, Server, Work
from roomle_mail import events
from roomle_mail.emails import Catalog

TRACE = """\
import time: self [us] | cumulative | imported package
import time:       100 |        100 | encodings
import time:        10 |         10 |       json.decoder
import time:        20 |         30 |     json
import time:       300 |        330 |   botocore.session
import time:        40 |        370 | app
import time:         5 |          5 | decimal
"""


def test_a_module_of_the_standard_library_counts_for_the_package_that_imported_it() -> None:
    found = measure.by_package(TRACE)

    assert found == {"Python": 105e-6, "boto3": 330e-6, "own code": 40e-6}


def test_the_document_shows_what_was_measured_last() -> None:
    text = report.DOCUMENT.read_text()

    assert filled(text, report.TABLES) == text
    for name in report.TABLES:
        assert f"<!-- table {name} -->" in text


def test_a_target_is_judged_by_the_figure_that_is_shown() -> None:
    assert report.Target("", 1.05, 1.0549).met == "met"
    assert report.Target("", 1.05, 1.0551).met == "**not met**"
    assert report.Target("", 15, 14.96, "{:.1f} µs").met == "met"


def variant(**changes: object) -> Variant:
    return Variant(name="some", title="some", task=Path(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("calls", "answer", "fine"),
    [
        ({"GetSecretValue": 1, "SendEmail": 2, "PutItem": 2, "UpdateItem": 6}, 200, True),
        ({"GetSecretValue": 1, "SendEmail": 2, "PutItem": 2, "UpdateItem": 5}, 200, False),
        ({"GetSecretValue": 1, "SendEmail": 2, "PutItem": 2, "UpdateItem": 6}, 503, False),
    ],
)
def test_a_variant_that_leaves_a_call_out_or_does_not_answer_is_noticed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    calls: dict[str, int],
    answer: int,
    fine: bool,
) -> None:
    monkeypatch.setattr(measure, "PLACE", tmp_path)
    (tmp_path / "some.log").touch()
    work = Work((), 2, calls=Counter(calls))
    work.answers = [b'{"statusCode": %d}' % answer] * 2

    if fine:
        measure.check(variant(), work)
    else:
        with pytest.raises(RuntimeError, match="some"):
            measure.check(variant(), work)


def test_an_event_has_the_time_of_its_arrival() -> None:
    (post,) = posts(1)

    now = json.loads(Event.of(post).now())

    assert now | {"requestContext": None} == post | {"requestContext": None}
    assert now["requestContext"]["timeEpoch"] >= post["requestContext"]["timeEpoch"]
    assert Event.of(as_format_1(post)).now() == json.dumps(as_format_1(post)).encode()


class Wire(asyncio.Transport):
    """Records what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def test_a_record_that_is_there_is_not_put_again() -> None:
    server, wire = Server(), Wire()
    server.begin(Work((), 0))
    head = b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.PutItem"
    body = b'{"Item": {"key": {"S": "token#a"}}}'

    server.records = {b"token#b"}
    for _ in range(2):
        server.answer(wire, b"/", head, body)

    first, second = wire.written
    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"HTTP/1.1 400")
    assert b"ConditionalCheckFailedException" in second
    assert server.work.calls == {"PutItem": 2}


def test_the_peers_email_is_as_long_as_the_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    (post,) = posts(1)
    event = events.validate(json.loads(post["body"]))
    assert event
    catalog = Catalog.load()
    ours = catalog.compose(event, catalog.brand(event.configurator_id), received=0)
    peers = Path(variants.__file__).parent / "peers"
    for name in ("SECRET_ID", "TABLE_NAME", "CONFIGURATION_SET", "MEMORY", "LIMITS"):
        monkeypatch.setenv(name, "-")
    monkeypatch.setenv("TOKEN_MAX_AGE", "300")

    job = runpy.run_path(str(peers / "job.py"))

    assert len(job["HTML"]) == pytest.approx(len(ours.html), rel=0.1)
