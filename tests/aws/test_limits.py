"""Limits: places are counted once, even if calls are repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from roomle_mail.limits import Limits
from roomle_mail.table import Table

NOW = 1_900_000_000.0

type Open = Callable[[], Limits]


@pytest.fixture
def another(open_table: Callable[[], Table]) -> Open:
    """The limits as another invocation sees them."""
    return lambda: Limits(open_table())


def test_a_recipients_places_are_counted_per_hour(another: Open) -> None:
    def reserve(now: float) -> bool:
        return another().reserve_recipient("hash", limit=2, now=now)

    assert [reserve(NOW) for _ in range(3)] == [True, True, False]
    assert another().reserve_recipient("other", limit=2, now=NOW)
    assert reserve(NOW + 3_600)


def test_a_place_reserved_twice_by_one_owner_is_one_place(another: Open) -> None:
    store = another()

    assert store.reserve_recipient("hash", limit=2, now=NOW)
    assert store.reserve_recipient("hash", limit=2, now=NOW)
    assert another().reserve_recipient("hash", limit=2, now=NOW)
    assert store.reserve_recipient("hash", limit=2, now=NOW)


def test_a_place_given_back_twice_is_one_place(another: Open) -> None:
    first, second = another(), another()
    for store in (first, second):
        store.reserve_recipient("hash", limit=2, now=NOW)
    first.give_back_recipient("hash", now=NOW)
    first.give_back_recipient("hash", now=NOW)

    assert another().reserve_recipient("hash", limit=2, now=NOW)
    assert not another().reserve_recipient("hash", limit=2, now=NOW)


def test_the_stacks_places_are_counted_and_never_below_zero(another: Open) -> None:
    store = another()
    store.give_back_stack(now=NOW)

    assert [store.reserve_stack(limit=2, now=NOW) for _ in range(3)] == [True, True, False]
    store.give_back_stack(now=NOW)
    assert store.reserve_stack(limit=2, now=NOW)
