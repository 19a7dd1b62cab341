"""EventBridge's input transformers, as its page "Input transformation" describes them."""

import json
import re
from collections.abc import Mapping
from typing import Any

STRING_OR_VARIABLE = re.compile(r'"(?:\\.|[^"\\])*"|<\w+>')


def transform(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """What a target gets of an event."""
    return fill(transformer["InputTemplate"], values(transformer, event))


def values(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the transformer's variables; None for what the event doesn't have."""
    return {name: look_up(path, event) for name, path in transformer["InputPathsMap"].items()}


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template.

    Values are not escaped. A variable that the event doesn't have becomes an empty text. Outside
    quotes, a text gets quotes.
    """

    def put(match: re.Match[str]) -> str:
        text = match[0]
        if text.startswith('"'):
            return re.sub(r"<(\w+)>", lambda name: _in_text(values[name[1]]), text)
        return json.dumps(values[text[1:-1]])

    return STRING_OR_VARIABLE.sub(put, template)


def _in_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def bare(template: str) -> set[str]:
    """The variables outside quotes, which are no JSON if the event doesn't have them."""
    found = STRING_OR_VARIABLE.findall(template)
    return {each[1:-1] for each in found if each.startswith("<")}


def variables(template: str) -> set[str]:
    """All variables of a template."""
    return set(re.findall(r"<(\w+)>", template))


def look_up(path: str, of: Any) -> Any:
    """Follow a path of names and indices; None if it leads nowhere."""
    assert path.startswith("$.")
    for name, index in re.findall(r"([\w-]+)(?:\[(\d)\])?", path[2:]):
        of = of.get(name) if isinstance(of, dict) else None
        if index and of is not None:
            of = of[int(index)]
    return of
