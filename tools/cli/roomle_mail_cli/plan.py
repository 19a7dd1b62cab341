"""The steps of a proof, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roomle_mail.errors import SettingsInvalid
from roomle_mail_cli import causes, observation, proof, steps
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail_cli.deployment import Deployment

STEPS: dict[str, proof.Step] = {
    "secret": steps.prove_secret,
    "permissions": steps.prove_permissions,
    "resources": steps.prove_resources,
    "events": steps.prove_events,
    "event bus": steps.prove_event_bus,
    "design": steps.prove_design,
    "refusals": steps.prove_refusals,
    "dead letter": steps.prove_dead_letter,
    "redrive": steps.prove_redrive,
    # After what is refused: the doctor takes a refusal that an accepted event followed as over.
    "repeat": steps.prove_repeat,
    "alarm": observation.prove_alarm,
    "SES's events": steps.prove_ses_events,
    "saved queries": observation.prove_queries,
    "dashboard": observation.prove_dashboard,
    "alarms": observation.prove_alarms,
}

_OF_SENDING = ("design", "dead letter", "redrive", "SES's events")


def _not_ours(name: str) -> proof.Step:
    because = "Mailer=off: another program sends the emails"
    return lambda _: iter([proof.not_tried(name, because)])


def steps_for(deployment: Deployment) -> dict[str, proof.Step]:
    """All steps, or those that are possible without the receiver's settings, which all others need.

    Raises CliError where AWS does not let them be read.
    """
    try:
        _ = deployment.settings
    except CliError as err:
        if not (isinstance(err.__cause__, SettingsInvalid) or causes.is_gone(err.__cause__)):
            raise
        problem = err
    else:
        others = () if deployment.has_mailer else _OF_SENDING
        return STEPS | {name: _not_ours(name) for name in others}

    def receiver(running: proof.Proof) -> Iterator[proof.Result]:
        yield proof.of_error(running, "receiver", problem)

    def impossible(name: str) -> proof.Step:
        return lambda _: iter([proof.not_tried(name, "the receiver's settings can't be read")])

    possible = ("permissions", "resources", "alarm", "alarms")
    rest = {name: STEPS[name] if name in possible else impossible(name) for name in STEPS}
    return {"receiver": receiver, **rest}
