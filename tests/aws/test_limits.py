"""Limits: places are counted once, even if calls are repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from roomle_mail.limits import SHARDS, Limits
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
    first, second = (another().reserve_stack(limit=2, now=NOW) for _ in range(2))
    assert first
    assert second
    assert another().reserve_stack(limit=2, now=NOW) is None

    for _ in range(2):
        another().give_back_stack(first, now=NOW)
    assert another().reserve_stack(limit=2, now=NOW) == first
    assert another().reserve_stack(limit=2, now=NOW) is None
    assert another().reserve_stack(limit=2, now=NOW + 3_600)


@pytest.mark.parametrize("limit", [1, 3, SHARDS - 1, SHARDS, SHARDS + 1, 25])
def test_the_stacks_places_are_spread_and_never_more_or_fewer_than_the_limit(
    another: Open, limit: int
) -> None:
    taken = [another().reserve_stack(limit=limit, now=NOW) for _ in range(limit + 3)]

    places = [place for place in taken if place is not None]
    assert taken == places + [None] * 3
    assert len(places) == limit
    assert len(set(places)) == min(limit, SHARDS)


def test_a_thousand_places_a_second_do_not_all_go_to_one_item(another: Open) -> None:
    places = Counter(another().reserve_stack(limit=10_000, now=NOW) for _ in range(100))

    # By chance one may get more than its share, but not half of all.
    assert max(places.values()) < 50
