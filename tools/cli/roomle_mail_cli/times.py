"""Times as this command line reads and prints them: always UTC, and the `Z` says so."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from roomle_mail_cli.screen import CliError, Exit

_AGO = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_BEGINNING = datetime.fromtimestamp(0, UTC)


def parse(text: str, *, now: datetime) -> datetime:
    """Read `30m`, `2h` or `7d` ago, or an ISO date, which is UTC unless it names a zone.

    Raises CliError. Nothing here is older than 1970, so that is the earliest result.
    """
    try:
        if match := _AGO.fullmatch(text):
            moment = now - timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(moment.astimezone(UTC), _BEGINNING)
    except OverflowError:
        return _BEGINNING
    except ValueError:
        raise CliError(
            f"{text!r} is not a time.",
            f"Write 30m, 2h, 7d or {show(now)}. Without a zone it is UTC.",
            code=Exit.USAGE,
        ) from None


def show(moment: datetime) -> str:
    """Write a time so that `parse` reads the same, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def age(seconds: float) -> str:
    """Write a duration in its two largest units: `3d 4h`."""
    minutes = max(0, int(seconds)) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m"
