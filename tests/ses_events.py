"""SES's events as EventBridge delivers them, and how the stack's rule transforms them."""

import json
from typing import Any

from tests import operations
from tests.aws_documented import input_transformer, read

DOCUMENTED = read("ses_events.json")
RECORDS: dict[str, dict[str, Any]] = DOCUMENTED["records"]
CONFIGURATION_SET = "ConfigurationSet"
_TAGS = {"event": "0f" * 16, "template": "saved", "brand": "default", "language": "en"}


def record(name: str, tags: dict[str, str]) -> dict[str, Any]:
    """One of the documented records as an event, for an email with these tags."""
    about = RECORDS[name]
    tagged = {tag: [value] for tag, value in tags.items()}
    return {
        **DOCUMENTED["envelope"],
        "detail-type": about["detail-type"],
        "detail": {
            **{key: value for key, value in about.items() if key not in {"detail-type", "kept"}},
            "mail": {**DOCUMENTED["mail"], "tags": {**DOCUMENTED["tags_of_ses"], **tagged}},
        },
    }


def event(kind: str, tags: dict[str, str] | None = None) -> dict[str, Any]:
    """An event of one kind, for an email with these tags."""
    name = next(name for name, about in RECORDS.items() if about["detail-type"] == kind)
    return record(name, tags or _TAGS)


# By kind, and by the record that they come from.
EVENTS = {about["detail-type"]: event(about["detail-type"]) for about in RECORDS.values()}
SAMPLES = {name: record(name, _TAGS) for name in RECORDS}


def rule() -> dict[str, Any]:
    """The rule for SES's events."""
    return operations.stack().properties("SesEventsRule")


def logged(of: dict[str, Any]) -> dict[str, str]:
    """The log line that the rule makes of an event."""
    (target,) = rule()["Targets"]
    transformer = target["InputTransformer"]
    return line(transformer["InputTemplate"], input_transformer.values(transformer, of))


def line(template: str, values: dict[str, Any]) -> dict[str, str]:
    """The log line that a template makes of its variables' values."""
    transformed = json.loads(input_transformer.fill(template, values))
    # A log group accepts only these (EventBridge's page "Input transformation").
    assert set(transformed) == {"timestamp", "message"}
    assert transformed["timestamp"] == values["time"]
    message: dict[str, str] = json.loads(transformed["message"])
    return message
