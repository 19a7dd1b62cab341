"""`why`: causes and remedies, in plain words, for what the log shows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen, times
from roomle_mail_cli.options import AsJson, Since, Stack
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail_cli import lines, reasons
    from roomle_mail_cli.causes import Cause
    from roomle_mail_cli.deployment import Deployment


def why(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="WHAT",
            help="A message (refused, failed, ...), a reason, an alarm, or an event's or request's "
            "id. Default: all trouble.",
        ),
    ] = None,
    *,
    since: Since = "1h",
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Say why something was refused, failed or waits: the causes in the log, and the remedies.

    Where the log alone does not tell the cause, the stack's secret, permissions, resources and
    sending are looked at too. Times are UTC.

    \b
    Examples:
      roomle-mail why
      roomle-mail why refused --since 1d
      roomle-mail why RefusalsAlarm
      roomle-mail why 0f3a...
    """
    from roomle_mail_cli import lines, reasons
    from roomle_mail_cli.deployment import Deployment

    if what is not None and not what.strip():
        raise CliError("WHAT is empty.", "Leave it out for all trouble.", code=Exit.USAGE)
    start = lines.since(since, now=datetime.now(UTC))
    what = what and reasons.spelled(what)
    query = reasons.query_for(what)
    deployment = Deployment.find(stack)
    if what in reasons.OF_THE_MAILER and not deployment.has_mailer:
        raise CliError(
            f"The stack has no {what}: its parameter Mailer is off.",
            "Your consumer's own log and alarms say more (docs/consumer.md).",
            code=Exit.USAGE,
        )
    with screen.progress("reading the log", None):
        found = lines.search(deployment, query, start=start) if query else []
        if what == "DeadLettersAlarm":
            found += of_letters(deployment, found)
        groups = reasons.group(found)
        broken = look(deployment, what, groups)
        in_general = general(deployment, what or "", explained=bool(groups or broken))
        fact = measured(deployment, what) if in_general else ""
    if as_json:
        screen.show_json(
            {
                "since": start.isoformat(timespec="seconds"),
                "causes": [each.as_json for each in groups],
                "found": {"why": broken.why, "fix": broken.fix} if broken else None,
                "measured": fact or None,
                "in_general": asdict(in_general) if in_general else None,
            }
        )
    else:
        for each in groups:
            show_group(each)
        if broken:
            show(f"Found on the stack: {broken.why}", f"-> {broken.fix}")
        if not groups and not broken:
            show(nothing(what, found, start))
        if in_general:
            facts = [f"   {fact}"] if fact else []
            show(
                f"{what} in general:", *facts,
                f"   {in_general.meaning}", f"-> {in_general.remedy}",
            )  # fmt: skip
        told = [*(each.remedy for each in groups), broken.fix if broken else ""]
        deployment.remind([*told, in_general.remedy if in_general else ""])
    known = groups or broken or found or query is None or not query.ids
    raise typer.Exit(Exit.FINE if known else Exit.NOT_FINE)


def general(deployment: Deployment, what: str, *, explained: bool) -> reasons.Reason | None:
    """What an alarm means, if that is not `explained` by the log or the stack."""
    from roomle_mail_cli import reasons

    alarm = reasons.ALARMS.get(what)
    if alarm is None or (explained and not alarm.in_general):
        return None
    if deployment.has_mailer:
        return alarm.reason
    return reasons.WITHOUT_MAILER.get(what, alarm.reason)


def measured(deployment: Deployment, what: str | None) -> str:
    """What AWS measures of the trouble that an alarm is about; empty if that is nothing."""
    from roomle_mail_cli import doctor, senders

    try:
        if what == "SesQuotaAlarm":
            return doctor.quota(senders.account(deployment)).found
        if what in ("OldestMessageAlarm", "StillWaitingAlarm"):
            return next(doctor.check_queue(deployment)).found
        if what == "SilenceAlarm":
            return next(doctor.check_silence(deployment)).found
        found = doctor.measured(deployment).get(what or "")
    except CliError:
        return ""  # what AWS does not allow to look at is no cause
    return found.found if found else ""


def of_letters(deployment: Deployment, known: list[lines.Line]) -> list[lines.Line]:
    """Lines as the mailer would have written them about some of the dead letters that are there.

    Letters that the `known` lines tell of are left out, and those without an event if a line has
    their reason.
    """
    from roomle_mail_cli import letters, lines

    told = {line.facts.get(name) for line in known for name in ("event_id", "reason")}
    return [
        lines.Line(
            each.since,
            "mailer" if deployment.has_mailer else "queue",
            "dead-lettered",
            {"message": "dead-lettered", "service": "mailer", "reason": each.reason}
            | ({"event_id": each.event_id} if each.event_id else {}),
        )
        for each in sorted(letters.peek(deployment), key=lambda each: each.since)
        if (each.event_id or each.reason) not in told
    ]


def nothing(what: str | None, found: list[lines.Line], start: datetime) -> str:
    """What to print if there is no cause to tell."""
    from roomle_mail_cli import reasons

    if what in reasons.ALARMS and reasons.ALARMS[what].query is None:
        return "No line of the log is about this alarm, and the stack shows nothing that is broken."
    if found:
        return f"{found[-1].what} at {times.show(found[-1].at)}: nothing went wrong."
    return (
        f"The log has nothing about {what or 'trouble'} since {times.show(start)}; --since looks "
        "further back. What the log does not tell: roomle-mail doctor"
    )


def look(deployment: Deployment, what: str | None, groups: list[reasons.Group]) -> Cause | None:
    """What is broken on the stack, if the log's reasons or the alarm ask for it."""
    from roomle_mail_cli import diagnosis, reasons

    alarm = reasons.ALARMS.get(what or "")
    if any(each.asks_the_stack for each in groups) or (alarm and alarm.on_the_stack):
        return diagnosis.broken(deployment)
    return None


def show(*lines: str) -> None:
    """Print lines that belong together."""
    for line in lines:
        screen.out().print(screen.visible(line))
    screen.out().print()


def show_group(group: reasons.Group) -> None:
    """Print a cause and its remedy."""
    last = group.last
    reason = "" if last.facts.get("reason") in (None, last.what) else f" {last.facts['reason']}"
    times_ = f"{len(group.lines)} times, last" if len(group.lines) > 1 else "once,"
    ids = {x: last.facts.get(x, "-") for x in ("event_id", "correlation_id")}
    about = {name: value for name, value in ids.items() if value != "-"}
    details = ", ".join(f"{name} {value}" for name, value in (group.details | about).items())
    show(
        f"{last.source}: {last.what}{reason}, {times_} {times.show(last.at)}",
        *([f"   {details}"] if details else []),
        f"   {group.reason.meaning}",
        f"-> {group.remedy}",
    )
