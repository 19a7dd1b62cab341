"""How a token's text differs from the one that Roomle documents. Pure.

Roomle's page "Authentication" gives the form `yyyy-MM-dd'T'HH:mm:ss.SSSX;session;apiKey`. The
receiver accepts no other, since a lenient parser would help somebody who garbles tokens
(docs/security.md). A person who looks at a refused token needs to know that it is the form, and not
the secret, that is wrong.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

FORM = "yyyy-MM-dd'T'HH:mm:ss.SSSX;session;apiKey"
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8})(?P<between>\D?)"
    r"(?P<time>\d\d(?::?\d\d){1,2})(?:(?P<sign>[.,])(?P<fraction>\d+))?"
    r" ?(?P<zone>[A-Za-z]{1,5}|[+-]\d\d?(?::?\d\d){0,2})?(?P<place>\[[\w/+-]+\])?",
    re.ASCII,
)
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)
_WITH_NAMES = re.compile(
    r"(?:[A-Z][a-z]{2},? )?(?:\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2}) .{8,25}"
)
# Digits -> what is counted since 1970, and how many are a second.
_EPOCHS = (
    (range(9, 12), "seconds", 1),
    (range(12, 15), "milliseconds", 10**3),
    (range(15, 18), "microseconds", 10**6),
    (range(18, 21), "nanoseconds", 10**9),
)
_MILLISECONDS = 3
_NAMES = {6: "microseconds", 9: "nanoseconds"}
_PARTS = 3


def is_time(text: str) -> bool:
    """Whether a text is a moment in any of the ways that are known here."""
    return bool(
        _ISO.fullmatch(text) or _ISO_DATE.fullmatch(text) or _WITH_NAMES.fullmatch(text)
    ) or (_epoch(text) is not None)


def moment(text: str) -> float | None:
    """The moment in seconds since 1970, if a text names one with its zone."""
    if (epoch := _epoch(text)) is not None:
        return epoch[1]
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return read.timestamp() if read.tzinfo else None


def differences(text: str, api_key: str) -> list[str]:
    """How a token's text differs from Roomle's form; empty if it does not.

    Neither the session token nor anything that could be one is repeated.
    """
    found = []
    stripped = text.strip()
    if text.endswith(("\n", "\r")):
        found.append("It ends with a line break.")
    elif text != stripped:
        found.append("It begins or ends with a blank.")
    timestamp, *others = stripped.split(";")
    found += _of_time(timestamp)
    if not others:
        found.append("It has no semicolon, so neither a session token nor an API key.")
    elif len(others) + 1 < _PARTS:
        alone = others[0] == api_key
        found.append(f"It has no {'session token' if alone else 'API key'}: one part is missing.")
    elif not others[-1]:
        found.append("It has no API key: the last part is empty.")
    elif others[-1] != others[-1].strip():
        found.append("There is a blank before the API key.")
    elif others[-1] != api_key and not others[-1].isprintable():
        found.append("Its API key has characters that can't be shown.")
    return found


def _of_time(text: str) -> list[str]:
    if (epoch := _epoch(text)) is not None:
        return [f"Its time is {epoch[0]} since 1970 ({text})."]
    found = _ISO.fullmatch(text)
    if found is None:
        shown = text if is_time(text) else f"{len(text)} characters"
        return [f"Its time is written in another way ({shown})."]
    told = [*_of_clock(found), *_of_fraction(found), *_of_zone(found)]
    if not told and _moment(text) is None:
        told = ["there is no such moment"]
    return [f"Its time is {text}: {each}." for each in told]


def _of_clock(found: re.Match[str]) -> list[str]:
    told = []
    if "-" not in found["date"]:
        told.append("the date has no hyphens")
    if found["between"] != "T":
        told.append("there is no T between date and time")
    if ":" not in found["time"]:
        told.append("the time has no colons")
    if len(found["time"].replace(":", "")) < len("HHmmss"):
        told.append("it has no seconds")
    return told


def _of_fraction(found: re.Match[str]) -> list[str]:
    digits = len(found["fraction"] or "")
    if not digits:
        return ["it has no milliseconds"]
    if digits != _MILLISECONDS:
        behind = "1 digit" if digits == 1 else f"{digits} digits"
        name = _NAMES.get(digits, f"{behind} behind the seconds")
        return [f"it has {name} instead of milliseconds"]
    return ["there is a comma before the milliseconds"] if found["sign"] == "," else []


def _of_zone(found: re.Match[str]) -> list[str]:
    zone = found["zone"]
    if found["place"]:
        return [f"it names a place, {found['place']}"]
    if not zone:
        return ["it has no zone"]
    if zone == "Z" or re.fullmatch(r"[+-]\d\d(?:\d\d)?", zone, re.ASCII):
        return []
    if ":" in zone:
        return [f"the zone {zone} has a colon; Java's X writes {zone.replace(':', '')} or Z"]
    return [f"the zone {zone} is none of Java's X, such as Z, +01, +0530"]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _epoch(text: str) -> tuple[str, float] | None:
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and (not fraction or fraction.isdigit())):
        return None
    for digits, name, second in _EPOCHS:
        if len(whole) in digits:
            seconds = int(whole) / second
            # Eight digits are a date; more than these years ahead is no moment of an event.
            return (
                (name, seconds) if seconds < datetime(2200, 1, 1, tzinfo=UTC).timestamp() else None
            )
    return None
