"""The fuzzer, and the inputs it found before; tests/faults/fuzz has the properties.

FAULTS_FUZZING sets the seconds for each kind; to fuzz longer, use `make fuzz`.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from roomle_mail import events, tokens
from tests.faults import figures
from tests.faults.fuzz import runs
from tests.faults.fuzz.checks import CHECKS

SECONDS = 30
REACHED = 0.95


# Functions for what we write ourselves, which no input reaches.
OURS = {"issue", "seal", "seal_key", "hash_key"}


@pytest.mark.parametrize(("kind", "module"), [("token", tokens), ("event", events)])
def test_the_corpus_reaches_nearly_all_code_and_does_no_harm(kind: str, module: ModuleType) -> None:
    known = set(lines(module))
    with watched(str(module.__file__)) as seen:
        for path in runs.kept(kind):
            CHECKS[kind](path.read_bytes())

    reached = len(known & seen)
    figures.report(
        f"kept inputs of {kind}: {len(runs.kept(kind))} reach {reached} of {len(known)} lines"
    )
    assert reached > REACHED * len(known), sorted(known - seen)


@contextlib.contextmanager
def watched(file: str) -> Iterator[set[int]]:
    """Record the lines of a file that run in the block."""
    seen: set[int] = set()
    monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID

    def see(code: CodeType, line: int) -> object:
        if code.co_filename == file:
            seen.add(line)
        return monitoring.DISABLE

    monitoring.use_tool_id(tool, "kept inputs")
    monitoring.register_callback(tool, monitoring.events.LINE, see)
    monitoring.set_events(tool, monitoring.events.LINE)
    try:
        yield seen
    finally:
        monitoring.set_events(tool, monitoring.events.NO_EVENTS)
        monitoring.register_callback(tool, monitoring.events.LINE, None)
        monitoring.free_tool_id(tool)
        monitoring.restart_events()


def lines(module: ModuleType) -> Iterator[int]:
    """The lines in a module's functions."""
    left = [compile(inspect.getsource(module), "", "exec")]
    while left:
        code = left.pop()
        left += [each for each in code.co_consts if isinstance(each, CodeType)]
        if code.co_flags & inspect.CO_OPTIMIZED and code.co_name not in OURS:
            found = {line for _, _, line in code.co_lines() if line}
            yield from found - {code.co_firstlineno}


@pytest.mark.proof
def test_no_input_that_the_fuzzer_makes_does_harm(tmp_path: Path) -> None:
    seconds = figures.number("FAULTS_FUZZING", SECONDS)
    for run in runs.at_the_same_time(seconds, tmp_path):
        assert not run.failed, run.output[-4_000:]
        figures.report(str(run))
        assert run.number(r"Done (\d+) runs") > 1_000
