"""What a command prints: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from rich.console import Console

STYLES = {"ok": "green", "info": "cyan", "warn": "yellow", "fail": "bold red", "skip": "dim"}

# Of a column that is cut to fit.
_NARROWEST = 8


class Exit(IntEnum):
    """The exit codes, as `--help` documents them."""

    FINE = 0
    NOT_FINE = 1
    USAGE = 2
    UNREACHABLE = 3


class CliError(Exception):
    """A command can't continue; `advice` says what to do, `code` is the exit code."""

    def __init__(self, problem: str, advice: str = "", *, code: Exit = Exit.UNREACHABLE) -> None:
        super().__init__(problem)
        self.advice = advice
        self.code = code


def out() -> Console:
    """The console for results, created each time because a test may have replaced the stream."""
    return _console(sys.stdout)


def err() -> Console:
    """The console for everything else."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    """A console that prints text from outside as it is, never as markup."""
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)


def show_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def show_json_line(value: object) -> None:
    """Print JSON on one line, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, aligned; names without a value are left out."""
    known = [(name, visible(str(value))) for name, value in facts if value not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        out().print(f"{name:<{width}}  {value}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as wide as the terminal; in a pipe nothing is cut off."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else visible(str(cell)) for cell in row))
    console = out()
    if console.is_terminal:
        console.print(table)
        return
    console.width = 250
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def lines_of(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    width: int,
    uncut: Collection[str],
) -> list[str]:
    """A table with each row on one line, cut to fit; only `uncut` columns may make it wider."""
    cells = [list(columns), *([visible(str(each or "-")) for each in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    for place in reversed(range(len(widths))):
        if over > 0 and columns[place] not in uncut:
            least = max(_NARROWEST, len(columns[place]))
            cut = max(0, min(over, widths[place] - least))
            widths[place], over = widths[place] - cut, over - cut
    return ["  ".join(map(_cut, row, widths)).rstrip() for row in cells]


def _cut(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"


def visible(text: str) -> str:
    """Make control characters visible: text from outside must not control a terminal."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def note(text: str) -> None:
    """Print a note in addition to the result."""
    err().print(visible(text), style="dim")


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar, or a spinner if the total is unknown; yields what advances it."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
    )

    console = err()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.update(task, advance=steps)


@contextmanager
def stages(total: int) -> Iterator[Callable[[str], Any]]:
    """Show which step is running; yields a function to call as each begins.

    Without a terminal, as in a job's log, each step is a line.
    """
    console = err()
    if not console.is_terminal:
        yield note
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=total)
        done = -1

        def begin(name: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=name, completed=done)

        yield begin
