"""An event's configuration, item or plan -> its design: picture, name, size."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Design:
    """What an email shows of a design; lengths are in millimetres. Empty means nothing."""

    picture: str | None = None
    name: str | None = None
    width: float | None = None
    depth: float | None = None
    height: float | None = None
