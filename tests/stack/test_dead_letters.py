"""`roomle-mail dead-letters` on the deployed stack."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.stack import troubles
from tools.stack.local import MAILER, LocalStack

# --- what SES refused -------------------------------------------------------------------------


@pytest.fixture
def dead(stack: LocalStack, recipient: str) -> Iterator[list[str]]:
    """Two addresses whose emails SES refused permanently."""
    addresses = [f"{place}.{recipient}" for place in ("one", "two")]
    stack.forget_dead_letters()
    with stack.unverified(troubles.SENDER):
        for address in addresses:
            troubles.queue(stack, address)
        assert stack.wait_until(lambda: len(stack.dead_letters()) == 2)
    yield addresses
    stack.forget_dead_letters()


def test_dead_letters_are_listed_and_shown_without_personal_data(
    cli: CommandLine, stack: LocalStack, dead: list[str]
) -> None:
    listed = cli("dead-letters", "list", "--json")
    assert {each["reason"] for each in listed.json} == {"EmailRefused"}
    assert {each["event"] for each in listed.json} == {"email.savedConfiguration"}
    for each in listed.json:
        shown = cli("dead-letters", "show", each["event_id"])
        assert each["id"] in shown.out
        for text in (shown.out, listed.out, cli("dead-letters", "list").out):
            assert "customer.example" not in text
            assert "2564B3D4" not in text
    personal = cli("dead-letters", "list", "--show-personal-data", "--json")
    assert {each["address"] for each in personal.json} == set(dead)
    assert len(stack.dead_letters()) == 2


def test_redriving_one_leaves_the_other(
    cli: CommandLine, stack: LocalStack, dead: list[str]
) -> None:
    mine = cli("dead-letters", "list", "--address", "-", "--json", stdin=dead[0].upper()).json
    assert len(mine) == 1

    result = cli("dead-letters", "redrive", mine[0]["id"], "--yes", "--json")

    assert result.json == {"moved": 1, "way": "one by one"}
    assert len(stack.emails_to(dead[0], at_least=1)) == 1
    assert [dead[1] in each.body for each in stack.dead_letters()] == [True]
    # Nothing stays hidden from the next command.
    assert len(cli("dead-letters", "list", "--json").json) == 1


def test_redriving_all_works_where_sqs_cannot_move(
    cli: CommandLine, stack: LocalStack, dead: list[str]
) -> None:
    result = cli("dead-letters", "redrive", "--all", "--yes")

    assert (result.code, result.out) == (0, "2 moved to the queue\n")
    assert "no StartMessageMoveTask" in result.err
    for address in dead:
        assert len(stack.emails_to(address, at_least=1)) == 1
    assert stack.dead_letters() == []


def test_dropping_asks_and_erases_one_persons_letters(
    cli: CommandLine, stack: LocalStack, dead: list[str]
) -> None:
    assert cli("dead-letters", "drop").code == 2
    assert cli("dead-letters", "drop", "--all").code == 2  # nobody there to answer
    assert cli("dead-letters", "drop", "no-such-id", "--yes").code == 1
    assert len(cli("dead-letters", "list", "--json").json) == 2

    assert cli("dead-letters", "drop", "--address", dead[0], "--yes", "--json").json == {
        "dropped": 1
    }
    assert [dead[1] in each.body for each in stack.dead_letters()] == [True]


# --- many, and one that is none ---------------------------------------------------------------


@pytest.fixture
def letters(stack: LocalStack, recipient: str) -> Iterator[int]:
    """Twelve letters of an unverified sender, and one that is no event."""
    stack.forget_dead_letters()
    for place in range(12):
        troubles.queue(stack, f"{place}.{recipient}", reason="EmailRefused")
    sqs, url = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="not json")
    yield 13
    stack.forget_dead_letters()


def test_the_list_begins_with_totals_and_can_be_narrowed(cli: CommandLine, letters: int) -> None:
    out = cli("dead-letters", "list").out.splitlines()
    assert out[0] == f"{letters} dead letters: 12 EmailRefused, 1 BodyMalformed"
    assert len(out) == 2 + letters
    assert max(map(len, out)) <= 120
    narrowed = cli("dead-letters", "list", "--reason", "BodyMalformed", "--json").json
    assert [each["reason"] for each in narrowed] == ["BodyMalformed"]


@pytest.mark.parametrize("number", ["INT", "TERM", "HUP"])
def test_a_command_that_is_stopped_leaves_no_letter_hidden(
    cli: CommandLine, stack: LocalStack, letters: int, number: str
) -> None:
    launcher = Path(sys.executable).with_name("roomle-mail")
    url = stack.deployed.outputs["DeadLetterQueueUrl"]

    def hidden() -> int:
        found = stack.client("sqs").get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]
        return int(found["ApproximateNumberOfMessagesNotVisible"])

    running = subprocess.Popen(
        [str(launcher), "dead-letters", "list"], env=stack.emulator.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert stack.wait_until(lambda: hidden() > 0)
    subprocess.run(["/bin/kill", f"-{number}", str(running.pid)], check=True)
    running.wait(30)

    assert running.returncode != 0
    assert hidden() == 0
    assert len(cli("dead-letters", "list", "--json").json) == letters


def test_what_another_command_holds_is_said_to_be_hidden(
    cli: CommandLine, stack: LocalStack, letters: int
) -> None:
    sqs, url = stack.client("sqs"), stack.deployed.outputs["DeadLetterQueueUrl"]
    taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=90)
    hidden = len(taken["Messages"])

    listed = cli("dead-letters", "list")
    erased = cli("dead-letters", "drop", "--address", "nobody@customer.example", "--yes")

    assert listed.out.startswith(f"{letters - hidden} dead letter")
    assert f"{hidden} hidden for up to 120 s more" in listed.err
    assert erased.code == 1  # not all could be looked at
    for each in taken["Messages"]:
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=each["ReceiptHandle"], VisibilityTimeout=0
        )


def test_letters_of_yesterday_are_explained_too(cli: CommandLine, letters: int) -> None:
    result = cli("why", "DeadLettersAlarm", "--since", "1s", "--json")
    counts = {each["reason"]: each["count"] for each in result.json["causes"]}
    assert sum(counts.values()) <= letters
    assert counts.keys() <= {"EmailRefused", "BodyMalformed"}
    assert all(each["remedy"] for each in result.json["causes"])


def test_a_redrive_waits_and_tells_what_came_back(
    cli: CommandLine, stack: LocalStack, letters: int
) -> None:
    with stack.unverified(troubles.SENDER), stack.handing_on_log(MAILER):
        result = cli(
            "dead-letters", "redrive", "--reason", "EmailRefused", "--yes", "--wait", "60", "--json"
        )
    assert result.code == 1
    assert result.json["moved"] == 12
    assert result.json["came_back"] == {"EmailRefused": 12}
    assert len(cli("dead-letters", "list", "--json").json) == letters

    with stack.handing_on_log(MAILER):
        result = cli("dead-letters", "redrive", "--all", "--yes", "--wait", "60")

    assert result.code == 0
    assert "12 sent" in result.out
    assert "1 stay" in result.err
    assert len(cli("dead-letters", "list", "--json").json) == 1
