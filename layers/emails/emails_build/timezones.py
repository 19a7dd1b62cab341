"""Time zones, of the package tzdata: the same on every machine."""

from __future__ import annotations

import importlib.resources
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_FIRST, _LAST = datetime(2025, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_DAY, _QUARTER = timedelta(days=1), timedelta(minutes=15)


@cache
def names() -> frozenset[str]:
    """All time zones, such as `Europe/Vienna`."""
    return frozenset(importlib.resources.files("tzdata").joinpath("zones").read_text().split())


@cache
def offsets(name: str) -> list[tuple[int, int]]:
    """A zone's offsets from UTC until 2050, each with when it begins to count, all in seconds.

    The functions read these: importing zoneinfo takes 3 ms of a cold start.
    """
    with importlib.resources.files("tzdata.zoneinfo").joinpath(name).open("rb") as file:
        zone = ZoneInfo.from_file(file)

    def offset(at: datetime) -> int:
        local = at.astimezone(zone).replace(tzinfo=UTC)
        return round((local - at).total_seconds())

    found = [(0, offset(_FIRST))]
    day = _FIRST
    while day < _LAST:
        if offset(day + _DAY) != offset(day):
            begins = day
            while offset(begins) == offset(day):
                begins += _QUARTER
            found.append((round(begins.timestamp()), offset(begins)))
        day += _DAY
    return found
