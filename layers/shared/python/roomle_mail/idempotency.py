"""Memory: what was already answered, sent, withdrawn or used up. Conditional writes on one table.

Not Powertools' idempotency: docs/decisions.md says why. Items, by the start of their `key`:

- `token#` what the receiver answered to a token, for repeats and replays; never taken over.
- `event#` what the mailer did with an event; a claim lapses and is then taken over.
- `limit#` the places taken for one recipient in one hour, `cap#` those of the whole stack.

Every write survives being made twice, since botocore repeats one whose answer got lost. Times are
in seconds since the epoch.
"""

from __future__ import annotations

import hmac
import os
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from roomle_mail.aws import AWS_ERRORS, has_code, translate
from roomle_mail.errors import InProgress, NoTemplate, OutcomeUnknown, TokenReplayed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roomle_mail.deadline import Deadline

type Item = Mapping[str, Mapping[str, Any]]

_CONDITION_FAILED = "ConditionalCheckFailedException"
_NAME = re.compile(r"#\w+")

_DAY, _HOUR = 86_400, 3_600
EVENTS_REMEMBERED_FOR = 30 * _DAY  # longer than queue, dead-letter queue and redrive together
CLAIM_LAPSES_AFTER = 120  # longer than the mailer's time-out, shorter than the visibility time-out
_RECEIVER_ENDS_WITHIN = 12  # its function's time-out, and clocks that differ
_POLL = 0.2
_REDIRECT, _SERVER_ERROR = 300, 500


class TableClient(Protocol):
    """The calls of boto3's DynamoDB client that are used."""

    def put_item(self, **parameters: Any) -> Mapping[str, Any]: ...  # noqa: ANN401, D102
    def get_item(self, **parameters: Any) -> Mapping[str, Any]: ...  # noqa: ANN401, D102
    def update_item(self, **parameters: Any) -> Mapping[str, Any]: ...  # noqa: ANN401, D102


class Outcome(NamedTuple):
    """An answer as it was first given: HTTP status and code."""

    status: int
    code: str

    @property
    def label(self) -> str:
        """What happened, in a word, for the answer and the log."""
        if self.status < _REDIRECT:
            return self.code
        # An email that there is no template for is refused: trying again changes nothing.
        refused = self.status < _SERVER_ERROR or self.status == NoTemplate.status
        return "refused" if refused else "failed"


class Record(NamedTuple):
    """What is known of a POST: its event id, and its outcome once there is one."""

    event_id: str
    claimed_at: float
    outcome: Outcome | None


_peppers: dict[str, bytes] = {}

type Taken = Literal["taken", "sent", "withdrawn", "busy"]


@dataclass(slots=True)
class IdempotencyStore:
    """The table, as one invocation's `owner` sees it; every call may raise AwsCallFailed."""

    client: TableClient
    table: str
    owner: str

    @classmethod
    def open(cls, client: TableClient, table: str) -> IdempotencyStore:
        """Make a memory with an owner stamp of its own."""
        return cls(client, table, os.urandom(16).hex())

    # --- the receiver's: one POST -------------------------------------------------------------

    def claim(
        self, key: str, *, body: bytes, event_id: str, now: float, lifetime: float | None
    ) -> Record | None:
        """Claim a POST: None if it is ours, else what is known of it.

        `body` is the body's hash; `lifetime` is how long the claim counts, for ever if None.
        Raises TokenReplayed where the key was claimed for another body.
        """
        item: dict[str, dict[str, Any]] = {
            "key": {"S": f"token#{key}"},
            "body": {"B": body},
            "event": {"S": event_id},
            "owner": {"S": self.owner},
            "claimed": {"N": str(now)},
        }
        if lifetime is not None:
            item["expires"] = {"N": str(int(now + lifetime))}
        # DynamoDB deletes an expired item within days, not at once (its page "Time to Live").
        free = "attribute_not_exists(#key) OR #expires < :now"
        found = self._put(item, free, {":now": {"N": str(now)}})
        return None if found is None else self._record(found, body)

    def look_up(self, key: str, *, body: bytes) -> Record | None:
        """What is known of a POST, without claiming it; raises TokenReplayed like `claim`."""
        try:
            answer = self.client.get_item(
                TableName=self.table, Key={"key": {"S": f"token#{key}"}}, ConsistentRead=True
            )
        except AWS_ERRORS as err:
            raise translate(err) from err
        found = answer.get("Item")
        return None if found is None else self._record(found, body)

    def wait(
        self, key: str, record: Record, *, body: bytes, deadline: Deadline, reserve: float
    ) -> Outcome:
        """The outcome of a POST that may still be at work elsewhere; raises InProgress."""
        while record.outcome is None:
            died = time.time() - record.claimed_at > _RECEIVER_ENDS_WITHIN
            if died or deadline.remaining(reserve=reserve) < _POLL:
                raise InProgress
            time.sleep(_POLL)
            record = self.look_up(key, body=body) or record
        return record.outcome

    def remember(self, key: str, outcome: Outcome) -> None:
        """Write down the outcome of a POST that is ours."""
        self._update(
            f"token#{key}",
            "SET #status = :status, #code = :code",
            "#owner = :owner",
            {
                ":status": {"N": str(outcome.status)},
                ":code": {"S": outcome.code},
                ":owner": {"S": self.owner},
            },
        )

    # --- the mailer's: one event --------------------------------------------------------------

    def take(self, event_id: str, *, now: float) -> Taken:
        """Claim an event for sending: "taken" if it is ours, else what became of it."""
        found = self._put(
            self._event(event_id, "claimed", now) | {"until": {"N": str(now + CLAIM_LAPSES_AFTER)}},
            "attribute_not_exists(#key) OR (#state = :claimed AND #until < :now)",
            {":claimed": {"S": "claimed"}, ":now": {"N": str(now)}},
        )
        if found is None:
            return "taken"
        state = found["state"]["S"]
        return state if state in ("sent", "withdrawn") else "busy"

    def sent(self, event_id: str) -> None:
        """Write down that an event's email is in SES's custody."""
        values = {":sent": {"S": "sent"}, ":owner": {"S": self.owner}}
        self._update(f"event#{event_id}", "SET #state = :sent", "#owner = :owner", values)

    def release(self, event_id: str) -> None:
        """Give an event's claim back, so that the next try need not wait for it to lapse."""
        values = {":past": {"N": "0"}, ":owner": {"S": self.owner}}
        self._update(f"event#{event_id}", "SET #until = :past", "#owner = :owner", values)

    def withdraw(self, event_id: str, *, now: float) -> bool:
        """Make the mailer skip an event; False if the mailer has it already."""
        found = self._put(self._event(event_id, "withdrawn", now), "attribute_not_exists(#key)")
        return found is None or found["state"]["S"] == "withdrawn"

    # --- limits -------------------------------------------------------------------------------

    def reserve_recipient(self, recipient: str, *, limit: int, now: float) -> bool:
        """Take one of a recipient's places in this hour; False if there is none.

        A place is the owner's stamp in a set, so that a repeated write takes none twice.
        """
        return self._update(
            self._limit_key(recipient, now),
            "ADD #places :mine SET #expires = :expires",
            "attribute_not_exists(#places) OR size(#places) < :limit OR contains(#places, :owner)",
            {
                ":mine": {"SS": [self.owner]},
                ":owner": {"S": self.owner},
                ":limit": {"N": str(limit)},
                ":expires": {"N": str(int(now + 2 * _HOUR))},
            },
        )

    def give_back_recipient(self, recipient: str, *, now: float) -> None:
        """Give a recipient's place back."""
        change, there = "DELETE #places :mine", "attribute_exists(#places)"
        mine = {":mine": {"SS": [self.owner]}}
        self._update(self._limit_key(recipient, now), change, there, mine)

    def reserve_stack(self, *, limit: int, now: float) -> bool:
        """Take one of the stack's places in this hour; False if there is none.

        A plain number: a set of so many stamps would not fit an item, and a place lost to a
        repeated write only brings Roomle's own email a little earlier.
        """
        return self._update(
            self._cap_key(now),
            "ADD #taken :one SET #expires = :expires",
            "attribute_not_exists(#taken) OR #taken < :limit",
            {
                ":one": {"N": "1"},
                ":limit": {"N": str(limit)},
                ":expires": {"N": str(int(now + 2 * _HOUR))},
            },
        )

    def give_back_stack(self, *, now: float) -> None:
        """Give the stack's place back."""
        values = {":minus": {"N": "-1"}, ":none": {"N": "0"}}
        self._update(self._cap_key(now), "ADD #taken :minus", "#taken > :none", values)

    # --- without a token ----------------------------------------------------------------------

    def pepper(self) -> bytes:
        """A random key of this stack's own, for where no secret verified a token."""
        if (known := _peppers.get(self.table)) is not None:
            return known
        value = os.urandom(32)
        item: Item = {"key": {"S": "pepper"}, "value": {"B": value}, "owner": {"S": self.owner}}
        found = self._put(item, "attribute_not_exists(#key)")
        return _peppers.setdefault(self.table, value if found is None else found["value"]["B"])

    # ------------------------------------------------------------------------------------------

    @staticmethod
    def _limit_key(recipient: str, now: float) -> str:
        return f"limit#{recipient}#{int(now // _HOUR)}"

    @staticmethod
    def _cap_key(now: float) -> str:
        return f"cap#{int(now // _HOUR)}"

    def _event(self, event_id: str, state: str, now: float) -> dict[str, dict[str, Any]]:
        return {
            "key": {"S": f"event#{event_id}"},
            "state": {"S": state},
            "owner": {"S": self.owner},
            "expires": {"N": str(int(now + EVENTS_REMEMBERED_FOR))},
        }

    @staticmethod
    def _record(item: Item, body: bytes) -> Record:
        if not hmac.compare_digest(bytes(item["body"]["B"]), body):
            raise TokenReplayed
        outcome = Outcome(int(item["status"]["N"]), item["code"]["S"]) if "status" in item else None
        return Record(item["event"]["S"], float(item["claimed"]["N"]), outcome)

    def _put(self, item: Item, condition: str, values: Item | None = None) -> Item | None:
        """Write an item under a condition: None if it is there by our hand, else what is."""
        try:
            self.client.put_item(
                TableName=self.table,
                Item=item,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_expressions(condition),
                # DynamoDB refuses an empty map.
                **({"ExpressionAttributeValues": values} if values else {}),
            )
        except AWS_ERRORS as err:
            if not has_code(err, _CONDITION_FAILED):
                raise translate(err) from err
            found: Item | None = err.response.get("Item")  # type: ignore[assignment]
            if found is None:
                raise OutcomeUnknown("IncompleteAnswer") from err
            # The answer to our own write got lost, and botocore wrote again.
            return None if found["owner"]["S"] == self.owner else found
        return None

    def _update(self, key: str, change: str, condition: str, values: Item) -> bool:
        """Change an item under a condition; False if the condition does not hold."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key={"key": {"S": key}},
                ExpressionAttributeValues=values,
                **_expressions(condition, change),
            )
        except AWS_ERRORS as err:
            if not has_code(err, _CONDITION_FAILED):
                raise translate(err) from err
            return False
        return True


@cache
def _expressions(condition: str, change: str = "") -> dict[str, Any]:
    """What is the same in each such write; each `#name` stands for the attribute of that name.

    Many plain words are reserved (DynamoDB's page "Reserved words").
    """
    return {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": {name: name[1:] for name in _NAME.findall(condition + change)},
        **({"UpdateExpression": change} if change else {}),
    }
