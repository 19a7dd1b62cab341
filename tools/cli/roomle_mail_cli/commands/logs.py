"""`logs`: what happened to a person, to an event, or to all of them."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import Stack
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail_cli import lines


def logs(
    *,
    address: Annotated[
        str | None, typer.Option("--address", help="What happened to this address; - is stdin.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="What happened to this event.")
    ] = None,
    since: Annotated[str, typer.Option(help="30m, 2h, 7d, or an ISO date.")] = "1h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until Ctrl-C.")] = False,
    lasting: Annotated[
        float | None, typer.Option("--for", help="With --follow: stop after this many seconds.")
    ] = None,
    stack: Stack = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
) -> None:
    """Show the log: of a person, of an event, or all of it.

    The log contains no addresses, so an address is hashed with the deployment's secrets first. It
    takes a few seconds until a new line can be found.

    \b
    Examples:
      roomle-mail logs --address jane@customer.example --since 7d
      roomle-mail logs --event 0f3a...
      roomle-mail logs --follow
    """
    from roomle_mail_cli import lines
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    start = lines.since(since, now=datetime.now(UTC))
    if address is not None and event is not None:
        raise CliError("Either --address or --event.", code=Exit.USAGE)
    if address is not None:
        terms = lines.hashes(deployment, screen.read_stdin() if address == "-" else address)
    else:
        terms = [event] if event else []
    found = 0
    if follow:
        coming = lines.follow(deployment, terms, start=start, lasting=lasting)
        try:
            with closing(coming):
                for line in coming:
                    found += 1
                    show_line(line, as_json=as_json)
        except KeyboardInterrupt:
            raise typer.Exit(Exit.FINE) from None
    else:
        with screen.progress("reading the log", None):
            lines_found = lines.search(deployment, terms, start=start)
        for line in lines_found:
            found += 1
            show_line(line, as_json=as_json)
    if not found:
        screen.note(f"Nothing since {start:%Y-%m-%d %H:%M} UTC; --since looks further back.")
    raise typer.Exit(Exit.FINE if found or not terms else Exit.NOT_FINE)


def show_line(line: lines.Line, *, as_json: bool) -> None:
    """Print one line of the log."""
    if as_json:
        screen.show_json_line(line.as_json)
    else:
        screen.out().print(screen.visible(str(line)))
