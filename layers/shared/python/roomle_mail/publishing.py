"""Event + outcome -> an EventBridge bus, for a brand's other systems.

`PutEvents` says for each entry whether the bus took it, in an answer of 200 (EventBridge's page
"Sending events with PutEvents"). A bus that does not exist takes everything, silently. An entry may
have 1 MB, which a body of 64 KiB never becomes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from roomle_mail import errors, events
from roomle_mail.aws import aws_errors
from roomle_mail.idempotency import Outcome
from roomle_mail.telemetry import Known, explain, safe_configurator, safe_name

SOURCE = "roomle-mail"
VERSION = "1"

_REDIRECT = 300


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts events on one bus, given by its name or ARN.

    `client` makes the client at its first use. With `addresses`, all that Roomle sent goes along.
    """

    client: Callable[[], Any]
    bus: str
    addresses: bool

    def publish(
        self,
        payload: Mapping[str, Any],
        known: Known,
        outcome: Outcome,
        error: Exception | None = None,
    ) -> str:
        """Put an event on the bus and return EventBridge's id of it.

        `error` is why it failed. Raises EntryRefused where the bus did not take it, else
        AwsCallFailed.
        """
        detail = describe(payload, known, outcome, error)
        if self.addresses:
            detail["payload"] = payload
        entry = {
            "EventBusName": self.bus,
            "Source": SOURCE,
            "DetailType": detail["event"],
            # Only ASCII: JSON may hold half a surrogate pair, and UTF-8 may not.
            "Detail": json.dumps(detail, separators=(",", ":")),
        }
        with aws_errors():
            taken = self.client().put_events(Entries=[entry])
        result = (taken.get("Entries") or [{}])[0]
        if taken.get("FailedEntryCount") != 0 or "EventId" not in result:
            raise errors.EntryRefused(str(result.get("ErrorCode", "IncompleteAnswer")))
        return str(result["EventId"])


def describe(
    payload: Mapping[str, Any], known: Known, outcome: Outcome, error: Exception | None = None
) -> dict[str, Any]:
    """What a bus may know of any event: no address, no link with its query, no unknown field.

    What is not known is left out. The fields have the names that they have in the log.
    """
    found = payload.get("data")
    data: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    failed = outcome.status >= _REDIRECT
    moment = datetime.fromtimestamp(known.received_at or known.began, UTC)
    success = data.get("success")
    detail = {
        "version": VERSION,
        "event_id": known.event_id,
        "event": known.name,
        "time": moment.isoformat(timespec="milliseconds"),
        "configurator": safe_configurator(_text(data, "configuratorId")),
        "brand": known.brand,
        "language": known.email and known.email.language,
        "configuration": safe_name(_text(data, "configurationId")),
        "item": safe_name(_text(data, "itemId")),
        "success": success if isinstance(success, bool) else None,
        "url_host": events.link_host(_text(data, "url")),
        "result_url_host": events.link_host(_text(data, "resultUrl")),
        "recipient": known.recipient,
        "outcome": "failed" if failed else outcome.code,
        "answer": outcome.status,
        "reason": explain(error)["reason"] if failed and error else None,
    }
    return {name: value for name, value in detail.items() if value is not None}


def _text(data: Mapping[str, Any], name: str) -> str | None:
    """A text that isn't empty, which says as little as none."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None
