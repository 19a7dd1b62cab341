"""`dead-letters`: the emails that could not be sent."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomle_mail_cli import screen, times
from roomle_mail_cli.options import (
    Address,
    AsJson,
    Personal,
    Reasons,
    Stack,
    Yes,
    confirm,
    duration,
    read_address,
    refuse,
    texts,
)
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail_cli import letters, lines
    from roomle_mail_cli.deployment import Deployment

WIDTH = 120
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Letters' or events' ids.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


@contextmanager
def receiving(deployment: Deployment) -> Iterator[letters.Held]:
    """Receive the dead letters, with a bar; what is still held at the end is put back."""
    from roomle_mail_cli import letters

    with letters.holding(deployment) as held:
        with screen.progress("reading dead letters", letters.count(deployment) or None) as step:
            held.receive(step)
        yield held


def list_letters(
    *,
    address: Address = None,
    reason: Reasons = None,
    personal: Personal = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: how many for which reason, then each on a line. Times are UTC.

    A letter's age counts from the event. After 14 days it is no longer sent.

    \b
    Examples:
      roomle-mail dead-letters list
      roomle-mail dead-letters list --reason EmailRefused
      roomle-mail dead-letters list --address - --json < address.txt
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    person, reasons = read_address(address), texts("reason", reason)
    deployment = Deployment.find(stack)
    with receiving(deployment) as held:
        found, there = filtered(held, person, reasons), letters.by_reason(held.letters)
    now = datetime.now(UTC)
    if as_json:
        screen.show_json([each.facts(personal=personal, now=now) for each in found])
    else:
        totals = f": {letters.by_reason(found)}" if found else ""
        screen.out().print(screen.visible(f"{number_of(found)}{totals}"))
        for line in table(found, personal=personal, now=now):
            screen.out().print(line)
        if there and not found:
            screen.note(f"Of others there are {there}.")
        if any(each.is_hopeless(now) for each in found):
            screen.note("! older than 14 days, or no event: it would not be sent")
    note_others(held)


def table(found: list[letters.Letter], *, personal: bool, now: datetime) -> list[str]:
    """The letters, each on a line of at most 120 columns; only an address may make it longer."""
    if not found:
        return []
    columns: tuple[str, ...] = ("id", "arrived (UTC)", "age", "reason")
    columns += ("address",) if personal else ("event", "configurator")
    rows = []
    for each in found:
        facts = each.facts(personal=personal, now=now)
        event = str(facts["event"] or "-").removeprefix("email.")
        last = (facts["address"],) if personal else (event, facts["configurator"])
        age = times.age((now - each.arrived).total_seconds())
        too_late = "!" if each.is_hopeless(now) else ""
        rows.append(
            (
                each.event_id or each.id,
                times.show(each.arrived)[:16].replace("T", " "),
                f"{age}{too_late}",
                each.reason,
                *last,
            )
        )
    return screen.lines_of(columns, rows, width=WIDTH, uncut=("id", "address"))


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
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    with receiving(deployment) as held:
        chosen = choose(held, [which], None, None)
    now = datetime.now(UTC)
    facts = [each.facts(personal=personal, now=now) for each in chosen]
    if as_json:
        screen.show_json(facts[0])
        return
    for each in facts:
        body = each.pop("body", None)
        age = times.age(each.pop("age_seconds"))
        screen.show_facts([*each.items(), ("age", age)])
        if body is not None:
            screen.show_json(body)


def redrive(
    ids: Ids = None,
    *,
    everything: All = False,
    address: Address = None,
    reason: Reasons = None,
    rate: Annotated[int | None, typer.Option(min=1, max=500, help="Letters a second.")] = None,
    wait: Annotated[
        float,
        typer.Option(callback=duration, help="Seconds to wait for the results, and print them."),
    ] = 0,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again: move them back to the queue.

    Fix the cause first. An email that was sent in the meantime is not sent again. Letters that
    are older than 14 days, or aren't events, stay: they would not be sent. With --all, SQS moves
    the letters itself (StartMessageMoveTask) where it can; others are moved by this command. With
    --wait the exit code is 1 if a letter came back.

    \b
    Examples:
      roomle-mail dead-letters redrive --all --wait 60
      roomle-mail dead-letters redrive --reason EmailRefused
      roomle-mail dead-letters redrive --all --rate 10 --yes
      roomle-mail dead-letters redrive 6e3c... 91fa...
    """
    from roomle_mail_cli import letters
    from roomle_mail_cli.deployment import Deployment

    check(ids, address, reason, everything=everything)
    person, reasons = read_address(address), texts("reason", reason)
    deployment, started = Deployment.find(stack), datetime.now(UTC)
    with receiving(deployment) as held:
        chosen = choose(held, ids, person, reasons)
        stay = [each for each in chosen if each.is_hopeless(started)]
        chosen = [each for each in chosen if each not in stay]
        if stay:
            screen.note(
                f"{len(stay)} stay, being older than 14 days or no events: they would not be sent. "
                "`dead-letters drop` deletes them."
            )
        ask(f"Move {told(chosen)} back to the queue?", chosen, yes=yes)
        moved_at = datetime.now(UTC)
        before = {each.key for each in mailer_lines(deployment, moved_at)} if wait else set()
        by_sqs = None
        if everything and chosen and not stay:
            held.put_back()
            with screen.progress("moving", len(chosen)) as step:
                by_sqs = letters.redrive(deployment, rate=rate, step=step)
            if by_sqs is None:
                screen.note("This endpoint has no StartMessageMoveTask: moving one by one.")
                held.receive(lambda _: None)
                chosen = choose(held, [each.id for each in chosen], None, None)
        moved = resend(held, chosen, rate=rate) if by_sqs is None else by_sqs
    result: dict[str, Any] = {"moved": moved, "way": "one by one" if by_sqs is None else "sqs"}
    ended = None
    if wait and moved:
        ended = wait_for(deployment, chosen, since=moved_at, before=before, seconds=wait)
    if ended is not None:
        result |= {
            "sent": len(ended.of("sent")),
            "sent_before": len(ended.of("skipped")),
            "came_back": ended.why("dead-lettered"),
            "waiting": ended.why("postponed"),
            "expired": len(ended.of("expired")),
            "undecided": ended.undecided,
        }
    tell(f"{moved} moved to the queue", result, as_json=as_json)
    if ended is not None and not as_json:
        screen.out().print(screen.visible(outcome_told(ended)))
    elif moved and not as_json:
        more = ", or roomle-mail why dead-lettered --since 10m" if deployment.has_mailer else ""
        screen.note(f"What becomes of them: --wait 60{more}")
    note_others(held)
    bad = (ended is not None and ended.of("dead-lettered", "expired")) or unfinished(held)
    raise typer.Exit(Exit.NOT_FINE if bad else Exit.FINE)


def outcome_told(ended: letters.Outcome) -> str:
    """What became of redriven letters, in a sentence."""

    def with_reasons(decision: str) -> str:
        return ", ".join(f"{n} {reason}" for reason, n in ended.why(decision).items())

    parts = [
        (len(ended.of("sent")), "sent", ""),
        (len(ended.of("skipped")), "had been sent before", ""),
        (len(ended.of("dead-lettered")), "came back", with_reasons("dead-lettered")),
        (len(ended.of("postponed")), "wait for another try", with_reasons("postponed")),
        (len(ended.of("expired")), "dropped, being older than 14 days", ""),
        (ended.undecided, "not tried yet", ""),
    ]
    return ", ".join(
        f"{number} {what}{f' ({why})' if why else ''}" for number, what, why in parts if number
    )


def mailer_lines(deployment: Deployment, since: datetime) -> list[lines.Line]:
    """What the mailer has logged, from a minute before, since clocks differ."""
    from roomle_mail_cli import lines

    start = since - timedelta(minutes=1)
    return lines.search(deployment, lines.Query(sources=["mailer"]), start=start)


def wait_for(
    deployment: Deployment,
    moved: list[letters.Letter],
    *,
    since: datetime,
    before: set[str],
    seconds: float,
) -> letters.Outcome:
    """Wait until the log tells what became of letters, or time is up. Without a mailer, the table.

    `before` are the keys of lines from before they were moved, which tell of an earlier try.
    """
    from roomle_mail_cli import consumer, letters

    event_ids = {str(each.event_id) for each in moved}
    ends = time.monotonic() + seconds
    with screen.progress("waiting for what becomes of them", len(event_ids)) as step:
        done = 0
        while True:
            if deployment.has_mailer:
                found = [each for each in mailer_lines(deployment, since) if each.key not in before]
                ended = letters.outcome(found, event_ids)
            else:
                ended = consumer.outcome(deployment, event_ids)
            step(len(ended.of(*letters.FINAL)) - done)
            done = len(ended.of(*letters.FINAL))
            if done == len(event_ids) or time.monotonic() > ends:
                return ended
            time.sleep(1)


def drop(
    ids: Ids = None,
    *,
    everything: All = False,
    address: Address = None,
    reason: Reasons = None,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters permanently: nobody gets these emails.

    The exit code is 1 if some letters could not be looked at.

    \b
    Examples:
      roomle-mail dead-letters drop 6e3c...
      roomle-mail dead-letters drop --address - < address.txt   # to erase a person's data
      roomle-mail dead-letters drop --reason BodyMalformed
      roomle-mail dead-letters drop --all --yes
    """
    from roomle_mail_cli.deployment import Deployment

    check(ids, address, reason, everything=everything)
    person, reasons = read_address(address), texts("reason", reason)
    deployment = Deployment.find(stack)
    with receiving(deployment) as held:
        chosen = choose(held, ids, person, reasons)
        ask(f"Delete {told(chosen)} permanently?", chosen, yes=yes)
        with screen.progress("deleting", len(chosen)) as step:
            dropped = held.drop(chosen, step)
    tell(f"{dropped} deleted", {"dropped": dropped}, as_json=as_json)
    note_others(held)
    raise typer.Exit(Exit.NOT_FINE if unfinished(held) else Exit.FINE)


# --- choosing ---------------------------------------------------------------------------------


def check(
    ids: list[str] | None, address: str | None, reason: list[str] | None, *, everything: bool
) -> None:
    """Raise CliError unless the options choose letters in one way."""
    if not (ids or everything or address is not None or reason):
        raise CliError("Which ones?", "Give ids, --address, --reason or --all.", code=Exit.USAGE)
    if everything:
        refuse("--all", "ids", "address", "reason")
    if ids:
        refuse("ID", "address", "reason")


def filtered(
    held: letters.Held, address: str | None, reasons: list[str] | None
) -> list[letters.Letter]:
    """Those held letters that are for a person and have one of the reasons."""
    from roomle_mail_cli import letters

    wanted = [each.casefold() for each in reasons or []]
    return [
        each
        for each in held.letters
        if (address is None or letters.same_address(each, address))
        and (not wanted or each.reason.casefold() in wanted)
    ]


def choose(
    held: letters.Held,
    ids: list[str] | None,
    address: str | None,
    reasons: list[str] | None,
) -> list[letters.Letter]:
    """Choose from the held letters and put back the others; raises CliError if one is missing."""
    from roomle_mail_cli import letters

    chosen = [
        each
        for each in filtered(held, address, reasons)
        if not ids or {each.id, each.event_id} & set(ids)
    ]
    known = {name for each in chosen for name in (each.id, each.event_id)}
    missing = [f"{each}" for each in ids or [] if each not in known]
    if reasons and not chosen:
        missing = [f"with the reason {' or '.join(reasons)}"]
    if missing:
        there = f" There are {letters.by_reason(held.letters)}." if held.letters else ""
        raise CliError(
            f"There is no dead letter {', '.join(missing)}.{there}",
            others(held),
            code=Exit.NOT_FINE,
        )
    held.put_back([each for each in held.letters if each not in chosen])
    return chosen


def told(chosen: list[letters.Letter]) -> str:
    """How many letters, for which reasons."""
    from roomle_mail_cli import letters

    return f"{number_of(chosen)} ({letters.by_reason(chosen)})"


def number_of(found: list[letters.Letter]) -> str:
    """How many letters, in words."""
    return "1 dead letter" if len(found) == 1 else f"{len(found)} dead letters"


def ask(question: str, chosen: list[letters.Letter], *, yes: bool) -> None:
    """Ask about letters, if there are any."""
    if chosen:
        confirm(question, yes=yes)


def resend(held: letters.Held, chosen: list[letters.Letter], *, rate: int | None) -> int:
    """Move letters one by one, with a bar."""
    with screen.progress("moving", len(chosen)) as step:
        try:
            return held.resend(chosen, step, rate=rate)
        except BaseException:
            left = len(held.letters)
            screen.note(f"{len(chosen) - left} were moved; {left} are dead letters as before.")
            raise


def unfinished(held: letters.Held) -> bool:
    """Whether there may be letters that were not looked at."""
    return bool(held.hidden) or not held.complete


def others(held: letters.Held) -> str:
    """What to say about the letters that were not looked at."""
    from roomle_mail_cli import letters

    if held.hidden:
        return (
            f"{held.hidden} hidden for up to {letters.HIDDEN_FOR} s more: another command or the "
            "console is looking at them, or was killed while it did. Then try again."
        )
    return "" if held.complete else "There are more than could be read in a minute."


def note_others(held: letters.Held) -> None:
    """Say what was not looked at."""
    if text := others(held):
        screen.note(text)


def tell(text: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """Say what was done."""
    if as_json:
        screen.show_json(facts)
    else:
        screen.out().print(text)
