"""The local stack's and the demo's own logic; tests/stack runs both for real."""

import json
import platform
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emails_build.package import PACKAGE
from roomle_mail import emails
from roomle_mail_cli import project
from tests import emails_package
from tools import demo, sam
from tools.demo import Result
from tools.roomle_api.server import RoomleApi
from tools.stack import deployment, foreground, processes, template
from tools.stack.deployment import Stack
from tools.stack.emulator import Emulator
from tools.stack.webhook import Answer, Email
from tools.tenant import Tenant

STACK = Stack(
    emulator=Emulator(port=1, folder=Path("none")),
    roomle=RoomleApi(),
    outputs={},
    bus_queue_url="",
    webhook_url="",
    functions={},
)
EMAIL = Email(
    sender="hello@brand.example",
    recipients=("jane.doe@customer.example",),
    subject="Your design is saved",
    text="text",
    html="<p>text</p>",
)
EXPECTED = emails.Email(
    recipient="jane.doe@customer.example",
    sender="hello@brand.example",
    reply_to=(),
    subject="Your design is saved",
    text="",
    html="",
    headers=(),
    images=(),
    brand="default",
    language="en",
    template="savedConfiguration",
)


def test_every_sender_of_a_brand_is_found_wherever_it_stands() -> None:
    brands = {
        "default": "one",
        "brands": {
            "one": {"sender": "One <hello@one.example>", "colours": {"text": "#000"}},
            "two": {"sender": "hello@two.example"},
        },
        "configurators": {"three": {"brand": "two", "sender": "hello@three.example"}},
    }
    assert project.sender_addresses(brands) == {
        "hello@one.example",
        "hello@two.example",
        "hello@three.example",
    }


@pytest.mark.parametrize("called", ["${Receiver.Arn}", "${Receiver}"])
def test_a_route_calls_a_function_or_an_alias_of_one(called: str) -> None:
    uri = {"Fn::Sub": f"arn:${{AWS::Partition}}:lambda:path/functions/{called}/invocations"}
    assert deployment.function_called(uri, {"Receiver": "its name"}) == "its name"


def test_a_route_that_calls_no_function_is_an_error() -> None:
    with pytest.raises(ValueError, match="no function"):
        deployment.function_called({"Fn::Sub": "https://brand.example"}, {})


def test_a_deviation_from_what_the_template_no_longer_has_is_an_error() -> None:
    for deviation in template.DEVIATIONS:
        with pytest.raises(KeyError):
            deviation.make({"Parameters": {}, "Resources": {}}, "")


@pytest.mark.parametrize(
    ("says", "shows", "changed"),
    [
        ({"show": [], "picture_hosts": []}, ["picture", "name", "size"], ["one"]),
        ({"show": ["name"], "picture_hosts": []}, ["name"], []),
    ],
)
def test_a_brand_shows_designs_locally_unless_it_says_what_it_shows(
    tmp_path: Path, says: dict[str, list[str]], shows: list[str], changed: list[str]
) -> None:
    brand = tmp_path / "brands" / "one.json"
    brand.parent.mkdir()
    brand.write_text(json.dumps(says))

    assert deployment.show_designs(tmp_path) == changed

    assert json.loads(brand.read_text())["show"] == shows


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "arm64"), ("aarch64", "arm64")],
)
def test_the_local_stack_runs_on_the_hosts_own_processor(
    monkeypatch: pytest.MonkeyPatch, machine: str, architecture: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert template.architecture() == architecture


@pytest.mark.parametrize(
    ("arrived", "expected", "fault"),
    [
        ([], [EXPECTED], "1 emails should have arrived, not 0"),
        ([EMAIL, EMAIL], [EXPECTED], "1 emails should have arrived, not 2"),
        ([EMAIL], [], "0 emails should have arrived, not 1"),
        ([EMAIL], [EXPECTED._replace(subject="Shared")], "with the subject 'Shared'"),
        ([EMAIL], [EXPECTED._replace(sender="eve@other.example")], "from eve@other.example"),
        ([EMAIL], [EXPECTED._replace(recipient="eve@other.example")], "to eve@other.example"),
        ([replace(EMAIL, html="")], [EXPECTED], "text and HTML should both be there"),
    ],
)
def test_the_demo_sees_an_email_that_is_missing_extra_or_another(
    arrived: list[Email], expected: list[emails.Email], fault: str
) -> None:
    assert any(fault in each for each in demo.faults_of(arrived, expected))


@pytest.mark.parametrize(("arrived", "expected"), [([EMAIL], [EXPECTED]), ([], [])])
def test_the_demo_accepts_the_expected_result(
    arrived: list[Email], expected: list[emails.Email]
) -> None:
    assert demo.faults_of(arrived, expected) == []


@pytest.mark.parametrize(
    ("status", "code", "outcomes", "fine"),
    [
        (200, "sent", ["sent"], True),
        (200, "sent", [], False),
        (200, "sent", ["sent", "sent"], False),
        (200, "sent", ["failed"], False),
        (200, "forwarded", ["forwarded"], True),
        (501, "no-template", ["failed"], True),
        (422, "invalid-event", ["failed"], True),
        (422, "invalid-event", [], True),
        (401, "unauthorized", [], True),
        (401, "unauthorized", ["failed"], False),
    ],
)
def test_the_demo_looks_at_what_the_event_bus_got(
    status: int, code: str, outcomes: list[str], *, fine: bool
) -> None:
    published = [{"detail": {"outcome": outcome}} for outcome in outcomes]

    faults = demo.faults_of_bus(published, {"status": status, "code": code})

    assert (faults == []) is fine


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([Result("one", "200 sent", [EMAIL], [])], 0),
        ([Result("one", "200 sent", [EMAIL], []), Result("two", "500", [], ["wrong"])], 1),
        ([], 1),
    ],
)
def test_the_demo_succeeds_only_if_all_was_as_expected(
    monkeypatch: pytest.MonkeyPatch, results: list[Result], status: int
) -> None:
    monkeypatch.setattr(demo, "run", lambda _: iter(results))
    assert demo.show(STACK) == status


def test_the_demo_prints_answer_recipient_subject_and_text() -> None:
    printed = str(Result("one", "200 sent", [EMAIL], ["a fault"]))
    for part in ("one: 200 sent", *EMAIL.recipients, EMAIL.subject, "| text", "a fault"):
        assert part in printed


@pytest.mark.parametrize(
    "body", [b"", b"Internal Server Error", b"[]", b'{"message": "Not Found"}']
)
def test_an_answer_that_is_not_ours_has_no_code(body: bytes) -> None:
    assert Answer(500, {}, body, 0.0).code is None


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: a shell makes background programs ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_waits_until_what_it_would_interrupt_is_done() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117 - the order matters
        with processes.deferred_signals():
            signal.raise_signal(signal.SIGINT)
            done.append("all")
    assert done == ["all"]


def test_programs_run_pinned_and_with_our_own_interpreter() -> None:
    command = sam.command("--version")
    assert str(sam.ROOT / "requirements" / "sam.txt") in command
    assert Path(command[command.index("--python") + 1]).is_absolute()


@pytest.mark.parametrize(("arguments", "mailer"), [([], "on"), (["--mailer", "off"], "off")])
def test_a_stack_without_a_mailer_can_be_asked_for(arguments: list[str], mailer: str) -> None:
    assert foreground.parser("tools.stack", None).parse_args(arguments).mailer == mailer


def test_the_demo_expects_that_a_stack_without_a_mailer_queues(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, Any]] = []

    def post(_: Stack, name: str, expected: dict[str, Any]) -> Result:
        asked.append(expected)
        return Result(name, "", [], [])

    monkeypatch.setattr(demo, "post", post)
    monkeypatch.setattr(Stack, "tenant", Tenant(emails_package.build() / PACKAGE))
    alone = replace(STACK, functions={"ReceiverFunction": "receiver"})

    names = [each.name for each in demo.run(alone)]

    assert names
    assert all(name.startswith("receiver/") for name in names)
    assert "sent" not in {each["code"] for each in asked}
    assert (202, "queued") in {(each["status"], each["code"]) for each in asked}
