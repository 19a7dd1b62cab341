"""Sizes and dates as the reader writes them. Pure.

A locale is a language tag such as `de` or `en-US`, in any letter case. The forms are those of
Unicode's CLDR; a date of a language that is not listed here has the form of ISO 8601.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

_LEAST, _MOST = 2, 1_000_000  # mm; less than 2 might be shown as 0
_MM_PER_CM, _MM_PER_INCH = Decimal(10), Decimal("25.4")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Languages with a decimal comma. All others have a point.
_COMMA = _set(
    "af az be bg bs ca cs da de el es et eu fi fo fr fy gl hr hu hy id is it ka kk ky lb lt lv mk "
    "nb nl nn no pl ps pt rm ro ru sk sl sq sr sv tg tk tr tt uk uz vi"
)
# The regions that use the other sign than their language.
_OTHERWISE = {
    "de": _set("ch li"),
    "en": _set("at be cz de dk ee es fi fr ge hu id it lt lv nl no pl pt ro se si sk ua za"),
    "es": _set("419 bz cu do gt hn mx ni pa pe pr sv us"),
    "it": _set("ch"),
}
_ISO_DATE = "%Y-%m-%d %H:%M"
_DATES = {
    "en": "%-d %b %Y, %H:%M",
    "en-us": "%b %-d, %Y, %-I:%M %p",
    "de": "%d.%m.%Y, %H:%M",
    "es": "%d/%m/%Y, %H:%M",
    "fr": "%d/%m/%Y, %H:%M",
    "it": "%d/%m/%Y, %H:%M",
    "nl": "%d-%m-%Y, %H:%M",
}


def size(
    width: float | None, depth: float | None, height: float | None, *, locale: str
) -> str | None:
    """Width × depth × height in cm, in inches for en-US, each with one decimal at most.

    The lengths are in millimetres. None unless all three are known and make sense.
    """
    lengths = [each for each in (width, depth, height) if each and _LEAST <= each <= _MOST]
    if len(lengths) < 3:  # noqa: PLR2004
        return None
    language, region = _parts(locale)
    inches = (language, region) == ("en", "us")
    sign = "," if (language in _COMMA) != (region in _OTHERWISE.get(language, ())) else "."
    numbers = [
        _rounded(length, _MM_PER_INCH if inches else _MM_PER_CM).replace(".", sign)
        for length in lengths
    ]
    return f"{' × '.join(numbers)} {'in' if inches else 'cm'}"


def date(at: datetime, *, locale: str) -> str:
    """A date and its time to the minute, in the datetime's own time zone."""
    language, region = _parts(locale)
    return at.strftime(_DATES.get(f"{language}-{region}") or _DATES.get(language, _ISO_DATE))


def _parts(locale: str) -> tuple[str, str]:
    """A tag's language, and its region (two letters or three digits) or an empty text."""
    language, *rest = locale.casefold().split("-")
    regions = (each for each in rest if len(each) == 2 or each.isdecimal())  # noqa: PLR2004
    return language, next(regions, "")


def _rounded(millimetres: float, unit: Decimal) -> str:
    # A half of a tenth rounds up, as people do, which floats don't.
    tenths = (Decimal(str(millimetres)) / unit).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return f"{tenths.normalize():f}"
