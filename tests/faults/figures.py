"""What the tests measured, printed at the end of the run, before pytest's verdict."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

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
    """How much to do: what the environment variable says, or the default."""
    return int(os.environ.get(name) or default)


def amounts(name: str, *, sample: int, proof: int) -> list[Any]:
    """Give a test two sizes: a sample for `make test`, a campaign for `make proof`.

    The environment variable `name` sets the campaign's size.
    """
    return [sample, pytest.param(number(name, proof), marks=pytest.mark.proof)]
