"""What the tests measured, printed at the end of the run, before pytest's verdict."""

from __future__ import annotations

import os
import random

_lines: list[str] = []


def report(line: str) -> None:
    """Print a line at the end."""
    _lines.append(line)


def reported() -> list[str]:
    return list(_lines)


def seeded(test: str) -> random.Random:
    """Random numbers: other ones in each run, or those of FAULTS_SEED, which is printed."""
    seed = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**9))
    report(f"{test}: FAULTS_SEED={seed}")
    return random.Random(seed)  # noqa: S311 - it has to be repeatable


def number(name: str, default: int) -> int:
    """How much is to be done: by default what there is time for in every run."""
    return int(os.environ.get(name) or default)
