"""The bench: how it evaluates its results. The measurements themselves are not tested."""

import asyncio
import json
import re
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from bench import measure, report, variants
from bench.markdown import filled
from bench.variants import Variant, as_format_1, posts
from bench.wire import API_KEY, SECRET, Event, Server, Work
from roomle_mail.credentials import CredentialStore
from roomle_mail.delivery import SesSender, SqsQueue
from roomle_mail.designs import Designs
from roomle_mail.emails import Catalog
from roomle_mail.mailer import Mailer, Message, Queues
from roomle_mail.receiver import Receiver, Request
from roomle_mail.settings import Settings
from tools import fixtures

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


type Call = tuple[str, dict[str, Any]]

SECRET_VALUE = {
    "SecretString": json.dumps({API_KEY: SECRET}),
    "CreatedDate": datetime(2026, 1, 15, tzinfo=UTC),
}
ENVIRONMENT = fixtures.environment()["MailerFunction"] | {
    "EVENT_BUS": "",
    "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
    "MAX_EMAILS_PER_HOUR": "10000",
    "MEMORY": "true",
    "LIMITS": "true",
}


class Clients:
    """All of boto3's clients at once; records what writes and sends."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        def call(**given: Any) -> dict[str, Any]:
            if operation == "get_secret_value":
                return SECRET_VALUE
            self.calls.append((operation, given))
            return {}

        return call


def calls_of_ours(name: str, event: dict[str, Any]) -> list[Call]:
    settings, clients = Settings.from_environment(ENVIRONMENT), Clients()
    credentials = CredentialStore(
        clients, "secret", overlap=0, allow_published=False, warn=lambda _: None
    )
    sender, designs = SesSender(clients, "set"), Designs.by(settings)
    if name == "app":
        receiver = Receiver(
            settings=settings,
            catalog=Catalog.load(),
            credentials=credentials,
            dynamodb=clients,
            sender=sender,
            queue=SqsQueue(lambda: clients, settings.queue_url),
            designs=designs,
        )
        receiver.process(Request.from_http(event, now=time.time()))
    else:
        mailer = Mailer(
            settings=settings,
            catalog=Catalog.load(),
            dynamodb=clients,
            sender=sender,
            queues=Queues(lambda: clients, settings.queue_url, settings.dead_letter_queue_url),
            designs=designs,
            credentials=credentials,
        )
        for record in event["Records"]:
            mailer.process(Message.from_sqs(record))
    return clients.calls


def calls_of_the_floor(
    name: str, event: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> list[Call]:
    clients, peers = Clients(), Path(variants.__file__).parent / "peers"
    for variable, value in ENVIRONMENT.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(boto3, "client", lambda _service: clients)
    monkeypatch.syspath_prepend(str(peers))
    monkeypatch.delitem(sys.modules, "job", raising=False)
    runpy.run_path(str(peers / "floor" / f"{name}.py"))["handler"](event, None)
    monkeypatch.delitem(sys.modules, "job")
    return clients.calls


def outline(given: object) -> object:
    """The names in a call's parameters, and its expressions."""
    if isinstance(given, dict):
        return {
            name: value if name.endswith("Expression") else outline(value)
            for name, value in given.items()
        }
    return [outline(each) for each in given] if isinstance(given, list) else type(given)


def length(given: object) -> int:
    """How long a call's parameters are, except that a time has more or fewer digits each time."""
    return len(re.sub(r"\d+\.\d+", "0", json.dumps(given, default=bytes.hex)))


@pytest.mark.parametrize(
    ("name", "make"), [("app", posts), ("mailer", variants.batches)], ids=["receiver", "mailer"]
)
def test_the_floor_makes_the_same_calls_with_as_much_in_them(
    monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[int], list[dict[str, Any]]]
) -> None:
    event = make(1)[0]

    ours = calls_of_ours(name, event)
    floor = calls_of_the_floor(name, event, monkeypatch)

    assert [operation for operation, _ in ours] == [operation for operation, _ in floor]
    for (_, given), (_, by_hand) in zip(ours, floor, strict=True):
        assert outline(by_hand) == outline(given)
        # Never more, since that would make the floor slower than it has to be.
        assert 0.95 * length(given) < length(by_hand) <= length(given)
