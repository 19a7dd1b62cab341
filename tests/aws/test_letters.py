"""Dead letters as the command line holds them: nothing stays hidden, however a command ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from roomle_mail.delivery import Queued
from roomle_mail_cli import letters, lines
from roomle_mail_cli.commands import dead_letters
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.screen import CliError
from tests.aws.conftest import REGION, saved

DAY = 86_400


def quiet(_: int) -> None:
    """No bar."""


@dataclass
class Mailbox:
    """A deployment's two queues, with a hook where its calls are sent."""

    deployment: Deployment
    before: list[Callable[[str], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        events = self.deployment.client("sqs").meta.events
        events.register_first("before-send.sqs", self._before_send)

    def _before_send(self, event_name: str, **_: Any) -> None:
        for each in self.before:
            each(event_name.rpartition(".")[2])

    def put(self, count: int = 1, *, reason: str | None = "EmailRefused", age: float = 0) -> None:
        for number in range(count):
            event = saved(email=f"p{number}@customer.example")
            queued = Queued(os.urandom(16).hex(), event, "0" * 32, time.time() - age, "request")
            self.put_body(queued.dump(), reason=reason)

    def put_body(self, body: str, *, reason: str | None = None) -> None:
        given = {"DataType": "String", "StringValue": reason or ""}
        boto3.client("sqs", region_name=REGION).send_message(
            QueueUrl=self.deployment.output("DeadLetterQueueUrl"),
            MessageBody=body,
            MessageAttributes={"reason": given} if reason else {},
        )

    def count(self, output: str = "DeadLetterQueueUrl") -> tuple[int, int]:
        """How many messages of a queue are visible, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = boto3.client("sqs", region_name=REGION).get_queue_attributes(
            QueueUrl=self.deployment.output(output), AttributeNames=names
        )["Attributes"]
        visible, hidden = (int(found[name]) for name in names)
        return visible, hidden


@pytest.fixture
def mailbox(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    monkeypatch.setattr(letters, "LONG_POLL", 0)  # moto has one server
    with mock_aws():
        sqs = boto3.client("sqs", region_name=REGION)
        for name in ("Queue", "DeadLetterQueue"):
            deployment.outputs[f"{name}Url"] = sqs.create_queue(QueueName=name)["QueueUrl"]
        yield Mailbox(deployment)


def test_letters_are_hidden_only_while_they_are_held(mailbox: Mailbox) -> None:
    mailbox.put(23)
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
        assert len(held.letters) == 23
        assert held.hidden == 0
        assert mailbox.count() == (0, 23)
    assert mailbox.count() == (23, 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, CliError("no"), ValueError])
def test_an_error_puts_letters_back(mailbox: Mailbox, error: Any) -> None:
    mailbox.put(12)
    with (
        pytest.raises(error if isinstance(error, type) else type(error)),
        letters.holding(mailbox.deployment) as held,
    ):
        held.receive(quiet)
        raise error
    assert mailbox.count() == (12, 0)


ENDS = {
    signal.SIGINT: KeyboardInterrupt,  # Ctrl-C
    signal.SIGTERM: SystemExit,  # the end of a job
    signal.SIGHUP: SystemExit,  # a closed terminal
}


def interrupting(number: signal.Signals, operation: str, nth: int) -> Callable[[str], None]:
    """Send this process a signal while the nth call of an operation is under way."""
    seen: Counter[str] = Counter()

    def hook(name: str) -> None:
        seen[name] += 1
        if name == operation and seen[name] == nth:
            os.kill(os.getpid(), number)

    return hook


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize(
    ("operation", "nth"),
    [("ReceiveMessage", 1), ("ReceiveMessage", 2), ("ReceiveMessage", 4), ("GetQueueAttributes", 1),
     ("ChangeMessageVisibilityBatch", 1), ("ChangeMessageVisibilityBatch", 2)],
)  # fmt: skip
def test_a_signal_during_any_call_leaves_no_letter_hidden(
    mailbox: Mailbox, number: signal.Signals, operation: str, nth: int
) -> None:
    mailbox.put(23)
    mailbox.before.append(interrupting(number, operation, nth))

    with (
        pytest.raises(ENDS[number]),
        letters.holding(mailbox.deployment) as held,
    ):
        held.receive(quiet)

    assert mailbox.count() == (23, 0)


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize(
    ("operation", "nth"), [("SendMessage", 1), ("SendMessage", 3), ("DeleteMessage", 2)]
)
def test_a_signal_while_letters_are_moved_loses_and_doubles_none(
    mailbox: Mailbox, number: signal.Signals, operation: str, nth: int
) -> None:
    mailbox.put(5)
    mailbox.before.append(interrupting(number, operation, nth))

    with (
        pytest.raises(ENDS[number]),
        letters.holding(mailbox.deployment) as held,
    ):
        held.receive(quiet)
        held.resend(held.letters, quiet)

    assert mailbox.count("QueueUrl") == (nth, 0)
    assert mailbox.count() == (5 - nth, 0)


def test_signals_work_as_before_afterwards(mailbox: Mailbox) -> None:
    before = [signal.getsignal(number) for number in ENDS]
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
    assert [signal.getsignal(number) for number in ENDS] == before


def test_letters_that_another_command_holds_are_counted_as_hidden(mailbox: Mailbox) -> None:
    mailbox.put(7)
    boto3.client("sqs", region_name=REGION).receive_message(
        QueueUrl=mailbox.deployment.output("DeadLetterQueueUrl"),
        MaxNumberOfMessages=3,
        VisibilityTimeout=90,
    )
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
    assert (len(held.letters), held.hidden) == (0, 3)
    assert mailbox.count() == (4, 3)
    assert "3 hidden for up to 120 s more" in dead_letters.others(held)


# --- what is in a letter ----------------------------------------------------------------------

STRANGE = {
    "no json": "not json",
    "another kind": '{"Type": "Notification"}',
    "400 digits": json.dumps({"id": "a", "event": {}, "recipient": "b", "correlation": "c"})[:-1]
    + f', "received": {"9" * 400}}}',
    "no number": '{"id":"a","event":{},"recipient":"b","correlation":"c","received":NaN}',
    "no object": "[1]",
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_letter_is_listed_and_dropped_like_any_other(mailbox: Mailbox, name: str) -> None:
    mailbox.put_body(STRANGE[name])
    mailbox.put()
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
        strange = next(each for each in held.letters if each.queued is None)
        assert strange.facts(personal=True, now=datetime.now(UTC))["received"] is None
        assert len(dead_letters.table(held.letters, personal=False, now=datetime.now(UTC))) == 3
        assert strange.is_hopeless(datetime.now(UTC))
        held.drop([strange], quiet)
    assert mailbox.count() == (1, 0)


@pytest.mark.parametrize(("age", "hopeless"), [(0, False), (13.9, False), (14.1, True)])
def test_an_age_counts_from_the_event_and_not_from_the_last_move(
    mailbox: Mailbox, age: float, *, hopeless: bool
) -> None:
    mailbox.put(age=age * DAY)
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
        [letter] = held.letters
        facts = letter.facts(personal=False, now=datetime.now(UTC))
        assert facts["age_seconds"] == pytest.approx(age * DAY, abs=300)
        assert letter.is_hopeless(datetime.now(UTC)) == hopeless


def test_what_came_without_a_reason_was_tried_in_vain_or_is_no_event(mailbox: Mailbox) -> None:
    mailbox.put(2, reason=None)
    mailbox.put_body("hello")
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
        assert letters.by_reason(held.letters) == "2 tries used up, 1 BodyMalformed"


def test_a_list_has_each_letter_on_a_line_of_120_columns(mailbox: Mailbox) -> None:
    mailbox.put(3, reason="SendOutcomeUnknown", age=5 * DAY)
    event = saved(configuratorId="c" * 64, event="email.shareConfigurationAR")
    mailbox.put_body(Queued("0f" * 16, event, "0" * 32, time.time(), "r").dump(), reason="R" * 40)
    mailbox.put_body("x" * 1000, reason="BodyMalformed")
    with letters.holding(mailbox.deployment) as held:
        held.receive(quiet)
        table = dead_letters.table(held.letters, personal=False, now=datetime.now(UTC))
        assert letters.by_reason(held.letters).startswith("3 SendOutcomeUnknown, 1 ")
    assert len(table) == 1 + 5
    assert max(map(len, table)) <= 120
    assert any("0f" * 16 in line for line in table)


# --- what became of a redrive -----------------------------------------------------------------


def test_the_last_decision_about_each_letter_counts() -> None:
    def line(event_id: str, what: str, **facts: Any) -> lines.Line:
        return lines.Line(datetime.now(UTC), "mailer", what, {"event_id": event_id, **facts})

    ended = letters.outcome(
        [
            line("a", "postponed", reason="Throttled"),
            line("a", "sent"),
            line("b", "dead-lettered", reason="EmailRefused"),
            line("c", "postponed", reason="Throttled"),
            line("d", "skipped"),
            line("of another", "sent"),
        ],
        {"a", "b", "c", "d", "e"},
    )
    assert ended.of("sent") == ["a"]
    assert ended.why("dead-lettered") == {"EmailRefused": 1}
    assert ended.why("postponed") == {"Throttled": 1}
    assert ended.undecided == 1
    assert dead_letters.outcome_told(ended) == (
        "1 sent, 1 had been sent before, 1 came back (1 EmailRefused), 1 wait for another try "
        "(1 Throttled), 1 not tried yet"
    )
