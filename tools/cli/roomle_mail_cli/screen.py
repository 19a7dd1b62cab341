"""What a command prints: tables for people, JSON for programs, progress on standard error."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import contextmanager, suppress
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
    BROKEN = 70
    INTERRUPTED = 130


class CliError(Exception):
    """A command can't continue; `advice` says what to do, `code` is the exit code."""

    def __init__(self, problem: str, advice: str = "", *, code: Exit = Exit.UNREACHABLE) -> None:
        super().__init__(problem)
        self.advice = advice
        self.code = code


def prepare() -> None:
    """Let the streams take any text, also where they are closed or not UTF-8.

    What an encoding lacks is written as an escape.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # Python sets a stream to None where the process was started without it.
        if stream is None or stream.closed:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Write nothing more to standard output, whose other end is closed or full.

    Python's page on SIGPIPE has this way: otherwise the interpreter writes what is left at its end.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


def stdin() -> TextIO:
    """Standard input; raises CliError if it is closed."""
    # Python sets it to None where the process was started without one.
    if sys.stdin is None or sys.stdin.closed:
        raise CliError("Standard input is closed.", "Pipe something in: < FILE.", code=Exit.USAGE)
    return sys.stdin


def read_stdin() -> str:
    """All of standard input as text; raises CliError."""
    return decode(read_stdin_bytes(), "standard input")


def read_stdin_bytes() -> bytes:
    """All of standard input; raises CliError."""
    try:
        return stdin().buffer.read()
    except (OSError, ValueError) as err:
        raise CliError(f"Standard input can't be read: {err}", code=Exit.USAGE) from err


def decode(data: bytes, place: str) -> str:
    """Read UTF-8, with or without the mark that Windows puts in front; raises CliError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise CliError(f"{place} is not UTF-8 text.", code=Exit.USAGE) from err


def show_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(_json(value, indent=2))


def show_json_line(value: object) -> None:
    """Print JSON on one line, at once."""
    sys.stdout.write(_json(value))
    sys.stdout.flush()


def _json(value: object, *, indent: int | None = None) -> str:
    # JSON has its own escapes, for streams that can't hold every character.
    is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return json.dumps(value, indent=indent, ensure_ascii=not is_unicode, default=str) + "\n"


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
