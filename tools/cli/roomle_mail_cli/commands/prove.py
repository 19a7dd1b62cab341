"""`prove`: that a deployment works."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import (
    ApiKey,
    AsJson,
    ConfiguratorId,
    ResultUrl,
    Stack,
    StackArgument,
    Url,
    Yes,
    confirm,
    one_stack,
    refuse,
)

if TYPE_CHECKING:
    from roomle_mail_cli import proof

LONGEST = 600.0
"""The maximum duration of a proof, in seconds."""


def prove(
    stack_name: StackArgument = None,
    *,
    url: Url = None,
    result_url: ResultUrl = None,
    configurator_id: ConfiguratorId = None,
    design: Annotated[
        str | None, typer.Option(help="The events are about this configuration, item or plan.")
    ] = None,
    within: Annotated[
        float, typer.Option(min=1, max=LONGEST, help="Seconds to take at most.")
    ] = LONGEST,
    yes: Yes = False,
    stack: Stack = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a deployment works, and say how to fix what does not.

    Sends each kind of event to SES's mailbox simulator, which is no real person, and follows it
    through the log, SES's events, metrics and alarms. Posts a repeat, a replay, a forged and an
    expired token. Puts one message on the dead-letter path and redrives another. Makes one alarm
    ring. Runs the saved queries, and reads every metric of the dashboard. It asks once before it
    begins, and leaves no message and no alarm state behind, also after Ctrl-C.

    The report of --json has no addresses, tokens, secrets, API keys, links or account numbers:
    attach it to a bug report.

    \b
    Examples:
      roomle-mail prove
      roomle-mail prove --design myCatalog:sofa:2564B3D4...
      roomle-mail prove roomle-mail-prod --yes --json > report.json
      roomle-mail prove .local/stack.json --yes
    """
    from roomle_mail_cli import keys, observation, plan, proof, steps
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(one_stack(stack_name, stack))
    _ = deployment.stack  # without it there is nothing to prove
    to_make = plan.steps_for(deployment)
    readable = "receiver" not in to_make
    if readable and not deployment.settings.require_token:
        refuse("RequireToken=false", "api_key")
    signs = readable and deployment.settings.require_token
    fault = keys.trouble(deployment) if signs else None
    credential = keys.choose(keys.current(deployment), api_key) if signs and not fault else None
    emails = len(steps.KINDS) * len(steps.MAILBOXES) + 1
    does = f"sends {emails} emails to" if deployment.has_mailer else "queues events for"
    confirm(
        f"Prove {deployment.name} in {deployment.region}? It {does} SES's mailbox simulator, takes "
        f"{within / 60:.0f} minutes and costs a few cents, both at most. One alarm is made to "
        "ring, and TokenReplayedAlarm, DeadLettersAlarm and RefusalsAlarm may ring because of "
        "what is tried.",
        yes=yes,
    )
    began = time.monotonic()
    running = proof.Proof(
        deployment,
        credential,
        proof.Example(url, result_url, configurator_id, design),
        # The remaining time is for undoing.
        ends=began + within * 0.9,
        hidden={credential.secret.decode()} if credential else set(),
    )
    if not running.local and deployment.has_mailer:
        running.finally_do("the suppression list", partial(observation.clear_suppressions, running))
    with screen.stages(len(to_make) + 1) as begin:
        results = proof.run(running, to_make, begin)
    # People at a terminal need to know which API key's secret to set.
    named = fault.api_keys if fault else (credential.api_key,) if credential else ()
    results = proof.redacted(running, results, named if as_json else ())
    counts = {state: sum(each.state == state for each in results) for state in proof.STYLES}
    if as_json:
        screen.show_json(
            {
                "stack": deployment.name,
                "region": deployment.region,
                "version": deployment.outputs.get("Version"),
                "began": running.began.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - began, 1),
                "run": running.run,
                "counts": counts,
                "results": [each.as_json for each in results],
            }
        )
    else:
        show_results(results, counts)
        deployment.remind(each.fix for each in results)
    raise typer.Exit(proof.status(results))


def show_results(results: list[proof.Result], counts: dict[str, int]) -> None:
    """Print a proof's results for people."""
    from rich.text import Text

    from roomle_mail_cli import proof

    rows: list[tuple[object, ...]] = []
    shown: dict[str, str] = {}
    for each in results:
        rows.append((Text(each.state, style=proof.STYLES[each.state]), each.name, each.found))
        if each.cause:
            rows.append(("", "", f"likely cause: {each.cause}"))
        if each.fix:
            above = shown.setdefault(each.fix, each.name)
            rows.append(("", "", f"-> {each.fix if above == each.name else f'as for {above}'}"))
    screen.show_table(("", "what", "found"), rows)
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    screen.out().print(f"\n{told}")
