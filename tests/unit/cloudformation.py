"""A template as CloudFormation sees it with given parameters."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = ROOT / "template.yaml"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "123456789012",
    "AWS::StackName": "roomle-mail",
}
# CloudFormation's page "Pseudo parameters": a property with this value is left out.
NO_VALUE = {"Ref": "AWS::NoValue"}


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms as the long ones: !Ref X is {"Ref": "X"}."""


def _intrinsic(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def read(path: Path = TEMPLATE) -> dict[str, Any]:
    """Read a template as written, with every function in its long form."""
    return deepcopy(_parsed(path.read_text()))


@cache
def _parsed(text: str) -> dict[str, Any]:
    """Parse a template, which takes ten times as long as copying it; callers don't change it."""
    template: dict[str, Any] = yaml.load(text, _Loader)  # noqa: S506 (a safe one)
    return template


class Stack:
    """A template with the parameters applied: conditions decided, functions evaluated.

    Where a value is known only after a deploy, a text stands for it: `Table` for what Ref gives,
    `Table.Arn` for an attribute.
    """

    def __init__(self, path: Path = TEMPLATE, /, **parameters: str) -> None:
        """Check the rules as a deploy does; raises AssertionError if one forbids the parameters."""
        template = _parsed(path.read_text())
        given = {"SenderIdentities": "brand.example"} | parameters
        self._names = PSEUDO | {
            name: given.get(name, str(about.get("Default", "")))
            for name, about in template["Parameters"].items()
        }
        for rule in template.get("Rules", {}).values():
            if self._evaluate(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    assert self._evaluate(assertion["Assert"]), assertion["AssertDescription"]
        # A condition may name those above it.
        self._conditions: dict[str, bool] = {}
        for name, condition in template.get("Conditions", {}).items():
            self._conditions[name] = self._evaluate(condition)
        shared = template.get("Globals", {}).get("Function", {})
        self.resources: dict[str, dict[str, Any]] = {}
        for name, resource in template["Resources"].items():
            if self._is_made(resource):
                if resource["Type"] == "AWS::Serverless::Function":
                    properties = merge(shared, resource["Properties"])
                    self.resources[name] = self._evaluate({**resource, "Properties": properties})
                else:
                    self.resources[name] = self._evaluate(resource)
        self.outputs = {
            name: self._evaluate(output)
            for name, output in template.get("Outputs", {}).items()
            if self._is_made(output)
        }

    def properties(self, name: str) -> dict[str, Any]:
        """Return the properties of a resource."""
        properties: dict[str, Any] = self.resources[name]["Properties"]
        return properties

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the resources of a type, by name."""
        return {n: r for n, r in self.resources.items() if r["Type"] == kind}

    def _is_made(self, part: dict[str, Any]) -> bool:
        return self._conditions.get(part.get("Condition", ""), True)

    def _evaluate(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self._evaluate, value) if each != NO_VALUE["Ref"]]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Fn::If":
                condition, if_true, if_false = argument
                return self._evaluate(if_true if self._conditions[condition] else if_false)
            if name == "Fn::Sub":
                return self._substitute(argument)
            if name in FUNCTIONS:
                names = self._conditions if name == "Condition" else self._names
                return FUNCTIONS[name](self._evaluate(argument), names)
        evaluated = {key: self._evaluate(each) for key, each in value.items()}
        return {key: each for key, each in evaluated.items() if each != NO_VALUE["Ref"]}

    def _substitute(self, argument: Any) -> str:
        text, variables = argument if isinstance(argument, list) else (argument, {})
        names = self._names | self._evaluate(variables)
        return re.sub(r"\$\{([^}]+)\}", lambda match: names.get(match[1], match[1]), text)


FUNCTIONS: dict[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "Condition": lambda name, conditions: conditions[name],
    "Ref": lambda name, names: names.get(name, name),
    "Fn::GetAtt": lambda path, _: ".".join(path),
    "Fn::Equals": lambda pair, _: pair[0] == pair[1],
    "Fn::Not": lambda argument, _: not argument[0],
    "Fn::And": lambda argument, _: all(argument),
    "Fn::Join": lambda argument, _: argument[0].join(argument[1]),
    "Fn::Split": lambda argument, _: argument[1].split(argument[0]),
    "Fn::Select": lambda argument, _: argument[1][int(argument[0])],
}


def merge(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge as SAM merges Globals: maps key by key, anything else is replaced."""
    merged = dict(shared)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(shared.get(key), dict)
        merged[key] = merge(shared[key], value) if both else value
    return merged
