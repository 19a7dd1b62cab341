"""What was already answered, sent or withdrawn.

docs/decisions.md says why this is not Powertools' idempotency. Items, by the start of their `key`:

- `token#`: what the receiver answered to a POST; a claim is never taken over.
- `event#`: what the mailer did with an event; a claim lapses and is then taken over.

Times are in seconds since the epoch. Every call may raise AwsCallFailed.
"""

import hmac
import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from roomle_mail import errors
from roomle_mail.deadline import Deadline
from roomle_mail.table import Item, Table

EVENTS_REMEMBERED_FOR = 30 * 86_400  # longer than queue, dead-letter queue and redrive together
CLAIM_LAPSES_AFTER = 120  # longer than the mailer's time-out, shorter than the visibility time-out
_RECEIVER_ENDS_WITHIN = 12  # its function's time-out, and clocks that differ
_POLL = 0.2
_REDIRECT, _SERVER_ERROR = 300, 500


class Outcome(NamedTuple):
    """An answer: HTTP status and code."""

    status: int
    code: str

    @property
    def label(self) -> str:
        """What happened, in a word, for the answer and the log."""
        if self.status < _REDIRECT:
            return self.code
        # Without a template a later try changes nothing either, so it counts as refused.
        refused = self.status < _SERVER_ERROR or self.status == errors.NoTemplate.status
        return "refused" if refused else "failed"


class Record(NamedTuple):
    """What is known of a POST: its event id, and its outcome once there is one."""

    event_id: str
    claimed_at: float
    outcome: Outcome | None


type Taken = Literal["taken", "sent", "withdrawn", "busy"]


@dataclass(frozen=True, slots=True)
class IdempotencyStore:
    """The records in the table, as its owner sees them."""

    table: Table

    # --- the receiver's: one POST -------------------------------------------------------------

    def claim(
        self, key: str, *, body: bytes, event_id: str, now: float, lifetime: float | None
    ) -> Record | None:
        """Claim a POST: None if it is ours now, else what is known of it.

        `body` is the body's hash; the claim counts for `lifetime` seconds, permanently if None.
        Raises TokenReplayed where the key was claimed for another body.
        """
        attributes: dict[str, dict[str, str | bytes]] = {
            "body": {"B": body},
            "event": {"S": event_id},
            "claimed": {"N": str(now)},
        }
        if lifetime is not None:
            attributes["expires"] = {"N": str(int(now + lifetime))}
        # DynamoDB deletes an expired item within days, not at once (its page "Time to Live").
        free = (
            "attribute_not_exists(#key) OR #expires < :now"
            " OR (attribute_exists(#again) AND #body = :body)"
        )
        values: Item = {":now": {"N": str(now)}, ":body": {"B": body}}
        found = self.table.put(f"token#{key}", attributes, free, values)
        return None if found is None else _record(found, body)

    def look_up(self, key: str, *, body: bytes) -> Record | None:
        """What is known of a POST, without claiming it; raises TokenReplayed like `claim`."""
        found = self.table.get(f"token#{key}")
        return None if found is None else _record(found, body)

    def wait(self, key: str, record: Record, *, body: bytes, deadline: Deadline) -> Outcome:
        """Wait for the outcome of a POST that another invocation processes; raises InProgress."""
        while record.outcome is None:
            died = time.time() - record.claimed_at > _RECEIVER_ENDS_WITHIN
            if died or deadline.remaining() < _POLL:
                raise errors.InProgress
            time.sleep(_POLL)
            record = self.look_up(key, body=body) or record
        return record.outcome

    def remember(self, key: str, outcome: Outcome, *, again: bool = False) -> None:
        """Write the outcome of a POST that is ours; with `again` the same POST may be claimed."""
        values: dict[str, dict[str, Any]] = {
            ":status": {"N": str(outcome.status)},
            ":code": {"S": outcome.code},
        }
        change = "SET #status = :status, #code = :code"
        if again:
            change, values[":again"] = f"{change}, #again = :again", {"BOOL": True}
        self.table.update_own(f"token#{key}", change, values)

    # --- the mailer's: one event --------------------------------------------------------------

    def take(self, event_id: str, *, now: float) -> Taken:
        """Claim an event for sending: "taken" if it is ours now, else its state."""
        found = self.table.put(
            f"event#{event_id}",
            {**_event("claimed", now), "until": {"N": str(now + CLAIM_LAPSES_AFTER)}},
            "attribute_not_exists(#key) OR (#state = :claimed AND #until < :now)",
            {":claimed": {"S": "claimed"}, ":now": {"N": str(now)}},
        )
        if found is None:
            return "taken"
        state = found["state"]["S"]
        return state if state in ("sent", "withdrawn") else "busy"

    def mark_sent(self, event_id: str) -> None:
        """Write that an event's email is in SES's custody."""
        self.table.update_own(f"event#{event_id}", "SET #state = :sent", {":sent": {"S": "sent"}})

    def release(self, event_id: str) -> None:
        """Give an event's claim back, so that the next try need not wait for it to lapse."""
        self.table.update_own(f"event#{event_id}", "SET #until = :past", {":past": {"N": "0"}})

    def withdraw(self, event_id: str, *, now: float) -> bool:
        """Make the mailer skip an event; False if the mailer already has it."""
        key, free = f"event#{event_id}", "attribute_not_exists(#key)"
        found = self.table.put(key, _event("withdrawn", now), free)
        return found is None or found["state"]["S"] == "withdrawn"


def _event(state: str, now: float) -> dict[str, dict[str, str]]:
    return {"state": {"S": state}, "expires": {"N": str(int(now + EVENTS_REMEMBERED_FOR))}}


def _record(item: Item, body: bytes) -> Record:
    if not hmac.compare_digest(bytes(item["body"]["B"]), body):
        raise errors.TokenReplayed
    outcome = Outcome(int(item["status"]["N"]), item["code"]["S"]) if "status" in item else None
    return Record(item["event"]["S"], float(item["claimed"]["N"]), outcome)
