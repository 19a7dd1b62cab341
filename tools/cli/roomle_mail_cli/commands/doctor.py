"""`doctor`: what stops a deployment from sending emails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import AsJson, Stack, StackArgument, one_stack
from roomle_mail_cli.screen import Exit

if TYPE_CHECKING:
    from roomle_mail_cli.checks import Check

WORST_LAST = ("ok", "skip", "info", "warn", "fail")


def doctor(
    stack_name: StackArgument = None,
    *,
    stack: Stack = None,
    design: Annotated[
        str | None, typer.Option(help="Try this design, where a brand shows designs.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a deployment: what stops it from sending emails, or soon will, and what to do.

    Run it first when an alarm goes off: it asks AWS what is broken or was changed by hand, and
    reads from the log what went wrong in the last hour. What is worst comes last.

    It changes nothing. It calls the webhook twice without a token, which must be refused, and the
    mailer without a message. Both ring no alarm: requests without a token count as
    Unauthenticated, not as Refused.

    \b
    Examples:
      roomle-mail doctor
      roomle-mail doctor roomle-mail-prod --strict
      roomle-mail doctor --design myCatalog:sofa:2564B3D4...
      roomle-mail doctor .local/stack.json --json
    """
    from roomle_mail_cli import doctor as checking
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(one_stack(stack_name, stack))
    _ = deployment.stack  # without it there is nothing to check
    planned = checking.checks(design)
    found: list[Check] = []
    with screen.progress("checking", len(planned)) as step:
        for name, check in planned.items():
            found += checking.make(name, check, deployment)
            step(1)
    counts = {state: sum(each.state == state for each in found) for state in screen.STYLES}
    if as_json:
        screen.show_json(
            {
                "stack": deployment.name,
                "region": deployment.region,
                "counts": counts,
                "checks": [each.as_json for each in found],
            }
        )
    else:
        show_checks(found)
        deployment.remind(each.advice for each in found)
        told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        screen.out().print(f"\n{told}")
    bad = counts["fail"] or (strict and counts["warn"])
    raise typer.Exit(Exit.NOT_FINE if bad else Exit.FINE)


def show_checks(found: list[Check]) -> None:
    """Print what was found, the worst last. A command stays on one line, to be copied."""
    from rich.text import Text

    width = max(len(each.name) for each in found)
    ordered = sorted(found, key=lambda each: WORST_LAST.index(each.state))
    # What several checks advise stands below the last of them, which is the worst.
    last = {each.advice: place for place, each in enumerate(ordered)}
    for place, each in enumerate(ordered):
        line = Text(f"{each.state:<4}", style=screen.STYLES[each.state])
        line.append(f"  {each.name:<{width}}  {screen.visible(each.found)}", style="default")
        screen.out().print(line)
        if each.advice and last[each.advice] == place:
            screen.out().print(f"      -> {screen.visible(each.advice)}")
