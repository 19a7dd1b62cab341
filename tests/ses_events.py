"""SES's events as EventBridge hands them on, and what the stack's rule makes of them."""

import json
import re
from typing import Any

from tests import operations

CONFIGURATION_SET = "ConfigurationSet"
ADDRESS = "anna.customer@customer.example"
_TAGS = {"event": "0f" * 16, "template": "saved", "brand": "default", "language": "en"}

# SES's page "Examples of event data that Amazon SES publishes to EventBridge".
_DETAILS: dict[str, tuple[str, dict[str, Any]]] = {
    "Email Delivered": (
        "delivery",
        {
            "timestamp": "2026-01-15T10:00:02.000Z",
            "processingTimeMillis": 1204,
            "recipients": [ADDRESS],
            "smtpResponse": f"250 2.6.0 Message received for {ADDRESS}",
            "reportingMTA": "mta.example.com",
        },
    ),
    "Email Bounced": (
        "bounce",
        {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [
                {
                    "emailAddress": ADDRESS,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": f'smtp; 550 5.1.1 <{ADDRESS}>: "user" unknown',
                }
            ],
            "timestamp": "2026-01-15T10:00:02.000Z",
            "feedbackId": "feedback-id",
            "reportingMTA": "dsn; mta.example.com",
        },
    ),
    "Email Complaint Received": (
        "complaint",
        {
            "complainedRecipients": [{"emailAddress": ADDRESS}],
            "timestamp": "2026-01-15T12:00:00.000Z",
            "feedbackId": "feedback-id",
            "complaintSubType": None,
            "userAgent": "Example Feedback Loop",
            "complaintFeedbackType": "abuse",
            "arrivalDate": "2026-01-15T11:59:59.000Z",
        },
    ),
    "Email Rejected": ("reject", {"reason": "Bad content"}),
    "Email Delivery Delayed": (
        "deliveryDelay",
        {
            "timestamp": "2026-01-15T10:30:00.000Z",
            "delayType": "TransientCommunicationFailure",
            "expirationTime": "2026-01-16T00:00:00.000Z",
            "delayedRecipients": [
                {"emailAddress": ADDRESS, "status": "4.4.1", "diagnosticCode": "smtp; 421"}
            ],
        },
    ),
    "Email Rendering Failed": (
        "failure",
        {"errorMessage": "Attribute 'name' is not present.", "templateName": "template"},
    ),
}


def event(kind: str, tags: dict[str, str] | None = None) -> dict[str, Any]:
    """An event of one kind, of an email with these tags."""
    about, detail = _DETAILS[kind]
    given = {"ses:configuration-set": CONFIGURATION_SET, **(tags or _TAGS)}
    return {
        "version": "0",
        "id": "12345678-1234-1234-1234-123456789012",
        "detail-type": kind,
        "source": "aws.ses",
        "account": "123456789012",
        "time": "2026-01-15T10:00:02Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": {
            "eventType": kind,
            "mail": {
                "timestamp": "2026-01-15T10:00:00.000Z",
                "source": "Brand <hello@brand.example>",
                "sendingAccountId": "123456789012",
                "messageId": "0107018d-message-id-000000",
                "destination": [ADDRESS],
                "headersTruncated": False,
                "headers": [{"name": "To", "value": ADDRESS}],
                "commonHeaders": {"to": [ADDRESS], "subject": "Your design is saved"},
                "tags": {name: [value] for name, value in given.items()},
            },
            about: detail,
        },
    }


EVENTS = {kind: event(kind) for kind in _DETAILS}


def rule() -> dict[str, Any]:
    """The rule that takes SES's events."""
    return operations.stack().properties("SesEventsRule")


def logged(of: dict[str, Any]) -> dict[str, str]:
    """The log line that the rule makes of an event."""
    (target,) = rule()["Targets"]
    transformed = json.loads(transform(target["InputTransformer"], of))
    # All that a log group takes (EventBridge's page "Input transformation").
    assert set(transformed) == {"timestamp", "message"}
    assert transformed["timestamp"] == of["time"]
    line: dict[str, str] = json.loads(transformed["message"])
    return line


def transform(transformer: dict[str, Any], of: dict[str, Any]) -> str:
    """Transform as EventBridge does (its page "Input transformation").

    Values are not escaped; a variable that the event doesn't have leaves nothing; outside of
    quotes a text gets some.
    """
    values = {name: look_up(path, of) for name, path in transformer["InputPathsMap"].items()}

    def fill(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith('"'):
            return re.sub(r"<(\w+)>", lambda name: str(values[name[1]] or ""), text)
        return json.dumps(values[text[1:-1]])

    template: str = transformer["InputTemplate"]
    return re.sub(r'"(?:\\.|[^"\\])*"|<\w+>', fill, template)


def look_up(path: str, of: Any) -> Any:
    """Follow a path of names and indices; None where it leads nowhere."""
    assert path.startswith("$.")
    for name, index in re.findall(r"([\w-]+)(?:\[(\d)\])?", path[2:]):
        of = of.get(name) if isinstance(of, dict) else None
        if index and of is not None:
            of = of[int(index)]
    return of
