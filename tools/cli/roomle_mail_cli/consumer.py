"""What another program has done with queued events, where Mailer is off.

The log doesn't say it, but the table does, if that program keeps the rules of docs/consumer.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from roomle_mail_cli.deployment import aws_errors
from roomle_mail_cli.letters import Outcome
from roomle_mail_cli.lines import Line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from roomle_mail_cli.deployment import Deployment

# States that stay, by what the mailer would log of such an event.
_ENDED = {"sent": "sent", "withdrawn": "skipped"}


def state_of(deployment: Deployment, event_id: str) -> str | None:
    """The state of an event; None if nobody has claimed or withdrawn it."""
    with aws_errors():
        found = deployment.client("dynamodb").get_item(
            TableName=deployment.output("TableName"),
            Key={"key": {"S": f"event#{event_id}"}},
            ConsistentRead=True,
        )
    state: str | None = found.get("Item", {}).get("state", {}).get("S")
    return state


def outcome(deployment: Deployment, event_ids: Collection[str]) -> Outcome:
    """What became of redriven letters. It can't tell why one waits, or that one came back."""
    states = {each: state_of(deployment, each) for each in event_ids}
    ended = {each: _ENDED[state] for each, state in states.items() if state in _ENDED}
    return Outcome(ended, {}, len(event_ids) - len(ended))


def lines(deployment: Deployment, found: Iterable[Line]) -> list[Line]:
    """The state of the events that lines say are queued, as lines; none where there is a mailer."""
    if deployment.has_mailer:
        return []
    queued = [str(line.facts.get("event_id")) for line in found if line.what == "queued"]
    states = {each: state_of(deployment, each) for each in queued}
    return [
        Line(datetime.now(UTC), "table", state, {"message": state, "event_id": event_id})
        for event_id, state in states.items()
        if state is not None
    ]
