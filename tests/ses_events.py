"""SES's events as EventBridge delivers them, and how the stack's rule transforms them."""

import json
import re
from typing import Any

from tests import operations
from tests.aws_documented import read

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
    paths = transformer["InputPathsMap"]
    values = {name: look_up(path, of) for name, path in paths.items()}
    return line(transformer["InputTemplate"], values)


def line(template: str, values: dict[str, Any]) -> dict[str, str]:
    """The log line that a template makes of its variables' values."""
    transformed = json.loads(fill(template, values))
    # A log group accepts only these (EventBridge's page "Input transformation").
    assert set(transformed) == {"timestamp", "message"}
    assert transformed["timestamp"] == values["time"]
    message: dict[str, str] = json.loads(transformed["message"])
    return message


def fill(template: str, values: dict[str, Any]) -> str:
    """Fill a template as EventBridge does (its page "Input transformation").

    Values are not escaped. A variable that the event doesn't have becomes an empty text. Outside
    quotes, a text gets quotes.
    """

    def put(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith('"'):
            return re.sub(r"<(\w+)>", lambda name: str(values[name[1]] or ""), text)
        return json.dumps(values[text[1:-1]])

    return re.sub(r'"(?:\\.|[^"\\])*"|<\w+>', put, template)


def look_up(path: str, of: Any) -> Any:
    """Follow a path of names and indices; None if it leads nowhere."""
    assert path.startswith("$.")
    for name, index in re.findall(r"([\w-]+)(?:\[(\d)\])?", path[2:]):
        of = of.get(name) if isinstance(of, dict) else None
        if index and of is not None:
            of = of[int(index)]
    return of
