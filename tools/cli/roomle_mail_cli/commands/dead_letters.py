"""`dead-letters`: the emails that could not be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import Address, AsJson, Personal, Stack, Yes, confirm
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment


def take(deployment: Deployment, address: str | None = None) -> list[letters.Letter]:
    """Receive the dead letters, or one person's; the others are put back at once."""
    from roomle_mail_cli import letters

    with screen.progress("reading dead letters", letters.count(deployment) or None) as step:
        found = letters.collect(deployment, step)
    if address is None:
        return found
    wanted = screen.read_stdin().strip() if address == "-" else address
    mine = [each for each in found if letters.same_address(each, wanted)]
    letters.put_back(deployment, [each for each in found if each not in mine])
    return mine


def choose(
    deployment: Deployment, ids: list[str] | None, address: str | None, *, everything: bool
) -> list[letters.Letter]:
    """Receive the chosen letters and put back the others; raises CliError if there are none."""
    from roomle_mail_cli import letters

    if not (ids or address or everything):
        raise CliError("Which ones?", "Give ids, --address or --all.", code=Exit.USAGE)
    found = take(deployment, address)
    chosen = [each for each in found if not ids or {each.id, each.event_id} & set(ids)]
    letters.put_back(deployment, [each for each in found if each not in chosen])
    known = {name for each in chosen for name in (each.id, each.event_id)}
    if unknown := [each for each in ids or [] if each not in known]:
        letters.put_back(deployment, chosen)
        raise CliError(f"There is no dead letter {', '.join(unknown)}.", code=Exit.NOT_FINE)
    return chosen


def list_letters(
    *,
    address: Address = None,
    personal: Personal = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: the reason and the event of each.

    \b
    Examples:
      roomle-mail dead-letters list
      roomle-mail dead-letters list --address - --json < address.txt
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    found = take(deployment, address)
    letters.put_back(deployment, found)
    if as_json:
        screen.show_json([each.facts(personal=personal) for each in found])
        return
    columns: tuple[str, ...] = ("id", "since", "reason", "event", "configurator", "event_id")
    columns += ("address",) if personal else ("recipient",)
    rows = [each.facts(personal=personal) for each in found]
    screen.show_table(columns, [[row[each] or "-" for each in columns] for row in rows])
    screen.note(f"{len(found)} dead letters")


def show_letter(
    which: Annotated[str, typer.Argument(metavar="ID", help="Its id, or its event's.")],
    *,
    personal: Personal = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter.

    \b
    Examples:
      roomle-mail dead-letters show 6e3c...
      roomle-mail dead-letters show 6e3c... --show-personal-data
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    chosen = choose(deployment, [which], None, everything=False)
    letters.put_back(deployment, chosen)
    facts = [each.facts(personal=personal) for each in chosen]
    if as_json:
        screen.show_json(facts[0])
        return
    for each in facts:
        body = each.pop("body", None)
        screen.show_facts(each.items())
        if body is not None:
            screen.show_json(body)


def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Letters' or events' ids.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    address: Address = None,
    rate: Annotated[
        int | None, typer.Option(min=1, max=500, help="With --all: letters a second.")
    ] = None,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again: move them back to the queue.

    Fix the cause first. An email that was sent in the meantime is not sent again. With --all, SQS
    moves the letters itself (StartMessageMoveTask) where it can; single ones are moved by this
    command.

    \b
    Examples:
      roomle-mail dead-letters redrive --all
      roomle-mail dead-letters redrive --all --rate 10 --yes
      roomle-mail dead-letters redrive 6e3c... 91fa...
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    if everything and not ids and address is None:
        number = letters.count(deployment)
        if number:
            confirm(f"Move all {number} dead letters back to the queue?", yes=yes)
        moved: int | None = 0
        if number:
            with screen.progress("moving", number) as step:
                moved = letters.redrive(deployment, rate=rate, step=step)
        way = "sqs"
        if moved is None:
            screen.note("This endpoint has no StartMessageMoveTask: moving one by one.")
            moved, way = resend(deployment, take(deployment)), "one by one"
    else:
        chosen = choose(deployment, ids, address, everything=everything)
        ask(deployment, f"Move {len(chosen)} dead letters back to the queue?", chosen, yes=yes)
        moved, way = resend(deployment, chosen), "one by one"
    tell(f"{moved} moved to the queue", {"moved": moved, "way": way}, as_json=as_json)


def drop(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Letters' or events' ids.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    address: Address = None,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters permanently: nobody gets these emails.

    \b
    Examples:
      roomle-mail dead-letters drop 6e3c...
      roomle-mail dead-letters drop --address - < address.txt   # to erase a person's data
      roomle-mail dead-letters drop --all --yes
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    chosen = choose(deployment, ids, address, everything=everything)
    ask(deployment, f"Delete {len(chosen)} dead letters permanently?", chosen, yes=yes)
    with screen.progress("deleting", len(chosen)) as step:
        dropped = letters.drop(deployment, chosen, step)
    tell(f"{dropped} deleted", {"dropped": dropped}, as_json=as_json)


def resend(deployment: Deployment, chosen: list[letters.Letter]) -> int:
    """Move letters one by one, with a bar."""
    from roomle_mail_cli import letters

    with screen.progress("moving", len(chosen)) as step:
        return letters.resend(deployment, chosen, step)


def ask(deployment: Deployment, question: str, chosen: list[letters.Letter], *, yes: bool) -> None:
    """Ask about the received letters; put them back unless the answer is yes."""
    from roomle_mail_cli import letters

    if not chosen:
        return
    try:
        confirm(question, yes=yes)
    except (CliError, typer.Abort):
        letters.put_back(deployment, chosen)
        raise


def tell(text: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """Say what was done."""
    if as_json:
        screen.show_json(facts)
    else:
        screen.out().print(text)
