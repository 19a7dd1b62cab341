"""What one check of `doctor` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

type State = Literal["ok", "info", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found, and what to do about it.

    The status is ok; info for what could be better or is worth knowing; warn for what may become a
    failure; fail for what keeps emails from being sent or delivered; skip for what could not be
    checked.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    @property
    def as_json(self) -> dict[str, str]:
        """For JSON output."""
        return {name: value for name, value in asdict(self).items() if value}
