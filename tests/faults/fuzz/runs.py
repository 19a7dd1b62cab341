"""Runs of the fuzzer.

    python -m tests.faults.fuzz.runs MINUTES

fuzzes token and event at the same time, and adds inputs that reached new code to the corpus.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import sam

KINDS = ("token", "event")
HERE = Path(__file__).parent
PATHS = (sam.ROOT, sam.ROOT / "layers" / "shared" / "python")
MADE = sam.ROOT / "build" / "fuzz"
SLOW = 10  # seconds for one input: none takes a thousandth of that
PATIENCE = 300  # seconds for everything around the run


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a run; `edges` are the transitions between lines of code that it saw."""

    kind: str
    failed: bool
    output: str

    def number(self, pattern: str) -> int:
        found = re.findall(pattern, self.output)
        return int(found[-1]) if found else 0

    def __str__(self) -> str:
        runs, edges = self.number(r"Done (\d+) runs"), self.number(r"cov: (\d+)")
        seconds = self.number(r"runs in (\d+) second")
        return f"fuzzing of {self.kind}: {runs} inputs in {seconds} s, {edges} branches reached"


def kept(kind: str) -> list[Path]:
    """The corpus's inputs."""
    return sorted((HERE / "corpus" / kind).iterdir())


def fuzz(kind: str, seconds: int, folder: Path) -> Run:
    """Fuzz for some seconds; new and failing inputs are written to the folder."""
    new = folder / kind
    new.mkdir(parents=True, exist_ok=True)
    return start(
        kind,
        *(str(new), str(HERE / "corpus" / kind)),
        f"-max_total_time={seconds}",
        f"-timeout={SLOW}",
        f"-dict={HERE / f'{kind}.dict'}",
        f"-artifact_prefix={folder}/{kind}-",
        within=seconds + PATIENCE,
    )


def keep(kind: str, folder: Path) -> Run:
    """Add the fewest new inputs to the corpus that reach what it doesn't."""
    return start(kind, str(HERE / "corpus" / kind), str(folder / kind), "-merge=1", within=PATIENCE)


def start(kind: str, *arguments: str, within: float) -> Run:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.fuzz", kind, *arguments],
        cwd=sam.ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=within,
    )
    return Run(kind, bool(ended.returncode), ended.stdout)


def at_the_same_time(seconds: int, folder: Path) -> Iterator[Run]:
    """Fuzz everything at the same time."""
    with ThreadPoolExecutor() as running:
        yield from running.map(lambda kind: fuzz(kind, seconds, folder), KINDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    seconds = int(parser.parse_args().minutes * 60)
    failed = False
    for run in at_the_same_time(seconds, MADE):
        failed |= run.failed
        print(run if not run.failed else run.output)  # noqa: T201 - a program
        before = len(kept(run.kind))
        keep(run.kind, MADE)
        added = len(kept(run.kind)) - before
        print(f"corpus of {run.kind}: {added} inputs more")  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
