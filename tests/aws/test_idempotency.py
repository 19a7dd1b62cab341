"""The memory: who owns what, when an answer got lost, and what a hostile clock can do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from roomle_mail import idempotency
from roomle_mail.deadline import Deadline
from roomle_mail.errors import InProgress, OutcomeUnknown, TokenReplayed
from roomle_mail.idempotency import CLAIM_LAPSES_AFTER, IdempotencyStore, Outcome, Record

NOW = 1_900_000_000.0
BODY, OTHER = b"1" * 32, b"2" * 32

type Open = Callable[[], IdempotencyStore]


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open the memory as another invocation."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-central-1")
        client.create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield lambda: IdempotencyStore.open(client, "table")


def claim(memory: IdempotencyStore, body: bytes = BODY, now: float = NOW) -> Record | None:
    return memory.claim("key", body=body, event_id="event", now=now, lifetime=60)


def test_the_first_claim_is_ours_and_the_second_learns_the_outcome(another: Open) -> None:
    first, second = another(), another()
    assert claim(first) is None
    assert claim(second) == Record("event", NOW, None)

    first.remember("key", Outcome(422, "invalid-event"))

    assert claim(second) == Record("event", NOW, Outcome(422, "invalid-event"))


def test_a_claim_whose_answer_got_lost_is_recognised_by_its_owner(another: Open) -> None:
    """botocore writes again, and the condition then meets our own item."""
    memory = another()

    assert claim(memory) is None
    assert claim(memory) is None


def test_an_answer_that_was_cut_off_tells_nothing(another: Open) -> None:
    """It names the failed condition in a header, but not what is there."""
    claim(another())
    second = another()
    whole = second.client.put_item

    def put_item(**parameters: Any) -> Any:
        try:
            return whole(**parameters)
        except ClientError as err:
            del err.response["Item"]  # type: ignore[typeddict-item]
            raise

    cut = SimpleNamespace(put_item=put_item)

    with pytest.raises(OutcomeUnknown):
        claim(replace(second, client=cut))


def test_another_body_is_a_replay_before_and_after_the_outcome(another: Open) -> None:
    first = another()
    claim(first)
    for _ in range(2):
        with pytest.raises(TokenReplayed):
            claim(another(), OTHER)
        with pytest.raises(TokenReplayed):
            another().look_up("key", body=OTHER)
        first.remember("key", Outcome(200, "sent"))


def test_a_claim_is_not_taken_over_within_its_lifetime(another: Open) -> None:
    claim(another())

    assert claim(another(), now=NOW + 60) is not None
    assert claim(another(), now=NOW + 62) is None


def test_a_claim_without_a_lifetime_counts_for_ever(another: Open) -> None:
    memory = another()
    memory.claim("key", body=BODY, event_id="event", now=NOW, lifetime=None)

    assert claim(another(), now=NOW * 2) is not None


def test_only_the_owner_can_write_an_outcome(another: Open) -> None:
    claim(another())

    another().remember("key", Outcome(200, "sent"))

    found = another().look_up("key", body=BODY)
    assert found is not None
    assert found.outcome is None


def test_what_is_unknown_is_none(another: Open) -> None:
    assert another().look_up("key", body=BODY) is None


def test_waiting_ends_with_the_outcome(another: Open) -> None:
    first, second = another(), another()
    now = time.time()
    claim(first, now=now)
    record = claim(second, now=now)
    assert record
    outcome = Outcome(202, "queued")
    timer = threading.Timer(0.3, lambda: first.remember("key", outcome))
    timer.start()

    found = second.wait("key", record, body=BODY, deadline=Deadline(5), reserve=0)

    timer.join()
    assert found == outcome


def test_waiting_ends_with_the_deadline(another: Open) -> None:
    claim(another(), now=time.time())
    record = claim(another(), now=time.time())
    assert record

    with pytest.raises(InProgress):
        another().wait("key", record, body=BODY, deadline=Deadline(0.5), reserve=0)


def test_an_event_is_taken_once_then_sent(another: Open) -> None:
    first, second = another(), another()

    assert first.take("event", now=NOW) == "taken"
    assert second.take("event", now=NOW) == "busy"
    first.sent("event")
    assert second.take("event", now=NOW + 10 * CLAIM_LAPSES_AFTER) == "sent"


def test_a_lapsed_claim_is_taken_over_and_the_first_owner_cannot_write_any_more(
    another: Open,
) -> None:
    first, second, third = another(), another(), another()
    first.take("event", now=NOW)

    assert second.take("event", now=NOW + CLAIM_LAPSES_AFTER) == "busy"
    assert second.take("event", now=NOW + CLAIM_LAPSES_AFTER + 1) == "taken"
    first.release("event")
    assert third.take("event", now=NOW + CLAIM_LAPSES_AFTER + 2) == "busy"


def test_a_released_claim_can_be_taken_at_once(another: Open) -> None:
    first = another()
    first.take("event", now=NOW)
    first.release("event")

    assert another().take("event", now=NOW) == "taken"


def test_a_withdrawn_event_is_never_taken(another: Open) -> None:
    assert another().withdraw("event", now=NOW)

    assert another().take("event", now=NOW + 10**6) == "withdrawn"


def test_withdrawing_twice_is_withdrawing(another: Open) -> None:
    memory = another()

    assert memory.withdraw("event", now=NOW)
    assert memory.withdraw("event", now=NOW)
    assert another().withdraw("event", now=NOW)


@pytest.mark.parametrize("ended", [False, True])
def test_what_the_mailer_has_cannot_be_withdrawn(another: Open, ended: bool) -> None:
    mailer = another()
    mailer.take("event", now=NOW)
    if ended:
        mailer.sent("event")

    assert not another().withdraw("event", now=NOW)


def test_a_recipients_places_are_counted_per_hour(another: Open) -> None:
    def reserve(now: float) -> bool:
        return another().reserve_recipient("hash", limit=2, now=now)

    assert [reserve(NOW) for _ in range(3)] == [True, True, False]
    assert another().reserve_recipient("other", limit=2, now=NOW)
    assert reserve(NOW + 3_600)


def test_a_place_reserved_twice_by_one_owner_is_one_place(another: Open) -> None:
    memory = another()

    assert memory.reserve_recipient("hash", limit=2, now=NOW)
    assert memory.reserve_recipient("hash", limit=2, now=NOW)
    assert another().reserve_recipient("hash", limit=2, now=NOW)
    assert memory.reserve_recipient("hash", limit=2, now=NOW)


def test_a_place_given_back_twice_is_one_place(another: Open) -> None:
    first, second = another(), another()
    for memory in (first, second):
        memory.reserve_recipient("hash", limit=2, now=NOW)
    first.give_back_recipient("hash", now=NOW)
    first.give_back_recipient("hash", now=NOW)

    assert another().reserve_recipient("hash", limit=2, now=NOW)
    assert not another().reserve_recipient("hash", limit=2, now=NOW)


def test_the_stacks_places_are_counted_and_never_below_none(another: Open) -> None:
    memory = another()
    memory.give_back_stack(now=NOW)

    assert [memory.reserve_stack(limit=2, now=NOW) for _ in range(3)] == [True, True, False]
    memory.give_back_stack(now=NOW)
    assert memory.reserve_stack(limit=2, now=NOW)


def test_the_pepper_is_made_once_for_the_whole_stack(another: Open) -> None:
    idempotency._peppers.clear()
    first = another().pepper()
    idempotency._peppers.clear()  # another execution environment
    assert another().pepper() == first
    assert len(first) == 32
    idempotency._peppers.clear()
