"""What one check of `doctor` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

type State = Literal["ok", "info", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found, and what to do about it.

    ok is fine, info could be better or is worth knowing, warn may become a failure, fail keeps
    emails from being sent or delivered, skip could not be asked.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    @property
    def as_json(self) -> dict[str, str]:
        """For programs."""
        return {name: value for name, value in asdict(self).items() if value}
