"""Idempotency: ownership of records, lost answers, and clocks that change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from roomle_mail.deadline import Deadline
from roomle_mail.errors import InProgress, OutcomeUnknown, TokenReplayed
from roomle_mail.idempotency import CLAIM_LAPSES_AFTER, IdempotencyStore, Outcome, Record
from roomle_mail.table import Table

NOW = 1_900_000_000.0
BODY, OTHER = b"1" * 32, b"2" * 32

type Open = Callable[[], IdempotencyStore]


@pytest.fixture
def another(open_table: Callable[[], Table]) -> Open:
    """The records as another invocation sees them."""
    return lambda: IdempotencyStore(open_table())


def claim(store: IdempotencyStore, body: bytes = BODY, now: float = NOW) -> Record | None:
    return store.claim("key", body=body, event_id="event", now=now, lifetime=60)


def test_the_first_claim_is_ours_and_the_second_learns_the_outcome(another: Open) -> None:
    first, second = another(), another()
    assert claim(first) is None
    assert claim(second) == Record("event", NOW, None)

    first.remember("key", Outcome(422, "invalid-event"))

    assert claim(second) == Record("event", NOW, Outcome(422, "invalid-event"))


def test_a_claim_whose_answer_got_lost_is_recognised_by_its_owner(another: Open) -> None:
    """botocore repeats the write, and the condition then finds our own item."""
    store = another()

    assert claim(store) is None
    assert claim(store) is None


def test_an_answer_that_was_cut_off_says_nothing(another: Open) -> None:
    """It names the failed condition in a header, but has no item."""
    claim(another())
    second = another()
    client = second.table.client

    def put_item(**parameters: Any) -> Any:
        try:
            return client.put_item(**parameters)
        except ClientError as err:
            del err.response["Item"]  # type: ignore[typeddict-item]
            raise

    cut: Any = SimpleNamespace(put_item=put_item, exceptions=client.exceptions)

    with pytest.raises(OutcomeUnknown):
        claim(IdempotencyStore(replace(second.table, client=cut)))


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


def test_a_claim_without_a_lifetime_counts_permanently(another: Open) -> None:
    store = another()
    store.claim("key", body=BODY, event_id="event", now=NOW, lifetime=None)

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

    found = second.wait("key", record, body=BODY, deadline=Deadline(5))

    timer.join()
    assert found == outcome


def test_waiting_ends_with_the_deadline(another: Open) -> None:
    claim(another(), now=time.time())
    record = claim(another(), now=time.time())
    assert record

    with pytest.raises(InProgress):
        another().wait("key", record, body=BODY, deadline=Deadline(0.5))


def test_an_event_is_taken_once_then_sent(another: Open) -> None:
    first, second = another(), another()

    assert first.take("event", now=NOW) == "taken"
    assert second.take("event", now=NOW) == "busy"
    first.mark_sent("event")
    assert second.take("event", now=NOW + 10 * CLAIM_LAPSES_AFTER) == "sent"


def test_a_lapsed_claim_is_taken_over_and_the_first_owner_can_no_longer_write(
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


def test_withdrawing_twice_has_the_same_effect(another: Open) -> None:
    store = another()

    assert store.withdraw("event", now=NOW)
    assert store.withdraw("event", now=NOW)
    assert another().withdraw("event", now=NOW)


@pytest.mark.parametrize("ended", [False, True])
def test_an_event_that_the_mailer_has_cannot_be_withdrawn(another: Open, ended: bool) -> None:
    mailer = another()
    mailer.take("event", now=NOW)
    if ended:
        mailer.mark_sent("event")

    assert not another().withdraw("event", now=NOW)
