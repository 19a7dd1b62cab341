"""`logs`: what happened to a person, to an event, for a reason, or to all of them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen, times
from roomle_mail_cli.options import (
    Address,
    Reasons,
    Since,
    Stack,
    duration,
    need,
    read_address,
    refuse,
    texts,
)
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Generator

    from roomle_mail_cli import lines


def logs(
    *,
    address: Address = None,
    event: Annotated[
        str | None, typer.Option("--event", help="An event's id, or a request's.")
    ] = None,
    message: Annotated[
        list[str] | None,
        typer.Option(metavar="MESSAGE", help="Only these: refused, failed, sent, ... Repeatable."),
    ] = None,
    reason: Reasons = None,
    since: Since = "1h",
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Only the newest lines.")
    ] = None,
    count_by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Count the lines by a field instead: reason, brand, ... Repeatable.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until Ctrl-C.")] = False,
    lasting: Annotated[
        float | None,
        typer.Option(
            "--for", callback=duration, help="With --follow: stop after this many seconds."
        ),
    ] = None,
    stack: Stack = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
) -> None:
    """Show the log: of a person, of an event, for a reason, or all of it. Times are UTC.

    The log contains no addresses, so an address is hashed with the deployment's secrets first. It
    takes a few seconds until a new line can be found. What Lambda itself writes about a time-out,
    a function that can't start or one that ended is a line too. --json has every field of a line
    under its own name. `why` explains what the lines mean.

    \b
    Examples:
      roomle-mail logs --address jane@customer.example --since 7d
      roomle-mail logs --event 0f3a...
      roomle-mail logs --message refused --message failed --limit 20
      roomle-mail logs --message refused --since 1d --count-by reason --count-by hint
      roomle-mail logs --reason 'Task timed out' --since 2026-01-31T09:30+01:00
      roomle-mail logs --follow
    """
    from roomle_mail_cli import consumer, lines, reasons
    from roomle_mail_cli.deployment import Deployment

    check(address, count_by, follow=follow)
    start = lines.since(since, now=datetime.now(UTC))
    messages = [reasons.spelled(each, reasons.MESSAGES) for each in texts("message", message)]
    whys = [reasons.spelled(each, reasons.REASONS) for each in texts("reason", reason)]
    names = texts("count-by", count_by)
    ids = [] if event is None else [lines.checked_id(event)]
    wanted = None if address is None else read_address(address)
    deployment = Deployment.find(stack)
    if wanted is not None:
        ids = lines.hashes(deployment, wanted)
    query = lines.Query(ids, messages, whys)
    if follow:
        note_unknown(query)
        found = show_coming(
            lines.follow(deployment, query, start=start, lasting=lasting), as_json=as_json
        )
    else:
        with screen.progress("reading the log", None):
            lines_found = lines.search(deployment, query, start=start)
            if event is not None:
                lines_found += consumer.lines(deployment, lines_found)
        found = len(lines_found)
        if names:
            show_counts(lines_found, names, as_json=as_json)
        else:
            for line in lines_found[-(limit or found) :]:
                show_line(line, as_json=as_json)
            if limit and found > limit:
                screen.note(f"The newest {limit} of {found} lines.")
    if not found:
        screen.note(f"Nothing since {times.show(start)}; --since looks further back.")
    if not (found or follow):
        note_unknown(query)
    asked = query.ids or query.messages or query.reasons
    raise typer.Exit(Exit.FINE if found or not asked else Exit.NOT_FINE)


def note_unknown(query: lines.Query) -> None:
    """Name the messages and reasons that there are, if one that was asked for is not among them."""
    from roomle_mail_cli import reasons

    for what, asked, known in (
        ("message", query.messages, reasons.MESSAGES),
        ("reason", query.reasons, tuple(reasons.REASONS)),
    ):
        if unknown := [each for each in asked if each not in known]:
            screen.note(f"No {what} is called {' or '.join(unknown)}. Known: {', '.join(known)}.")


def check(address: str | None, count_by: list[str] | None, *, follow: bool) -> None:
    """Raise CliError for options that would be ignored."""
    if follow:
        refuse("--follow", "limit", "count_by")
    else:
        need("--follow", "lasting")
    if count_by:
        refuse("--count-by", "limit")
    if address is not None:
        refuse("--address", "event")


def show_coming(coming: Generator[lines.Line], *, as_json: bool) -> int:
    """Print lines as they come, until Ctrl-C; return how many."""
    found = 0
    with closing(coming):
        for line in coming:
            found += 1
            show_line(line, as_json=as_json)
    return found


def show_line(line: lines.Line, *, as_json: bool) -> None:
    """Print one line of the log."""
    if as_json:
        screen.show_json_line(line.as_json)
    else:
        screen.out().print(screen.visible(str(line)))


def show_counts(found: list[lines.Line], names: list[str], *, as_json: bool) -> None:
    """Print how many lines have which values, most frequent first."""
    from roomle_mail_cli import lines

    counts = lines.count(found, names).most_common()
    if as_json:
        rows = [dict(zip(names, values, strict=True)) | {"count": n} for values, n in counts]
        screen.show_json(rows)
    elif counts:
        screen.show_table(("count", *names), [(n, *values) for values, n in counts])
    if without := len(found) - sum(n for _, n in counts):
        screen.note(f"{without} of {len(found)} lines have no {' and '.join(names)}.")
    if found and not counts:
        fields = sorted({name for line in found for name in line.as_json})
        raise CliError(
            f"No line has {' and '.join(names)}.",
            f"Fields: {', '.join(fields)}",
            code=Exit.NOT_FINE,
        )
