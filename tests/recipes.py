"""The recipes in docs/recipes, as a brand deploys them, and what their rules make of an event."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.aws_documented import input_transformer
from tests.unit.cloudformation import ROOT, Stack, read
from tools import fixtures

README = ROOT / "docs" / "recipes" / "README.md"
PATHS = {path.stem: path for path in sorted(README.parent.glob("*.yaml"))}
DESIGN_LINK = "https://shop.example/configurator?id="
# What has no default.
GIVEN: dict[str, dict[str, str]] = {
    "hubspot": {"TokenSecret": "hubspot", "DesignLink": DESIGN_LINK},
    "salesforce": {
        "ClientSecret": "salesforce",
        "Domain": "brand.my.salesforce.com",
        "DesignLink": DESIGN_LINK,
    },
}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
# All but the archive.
RULES = [name for name, path in PATHS.items() if "Rule" in read(path)["Resources"]]
# Where only checked fields go, whatever is published.
WITHOUT_ADDRESSES = ("analytics", "log")
CRMS = ("hubspot", "salesforce")


def parameters(name: str, **changes: str) -> dict[str, str]:
    """A recipe's parameters."""
    return {"EventBus": fixtures.BUS} | GIVEN.get(name, {}) | changes


@cache
def stack(name: str, **changes: str) -> Stack:
    """A recipe with its parameters applied."""
    return Stack(PATHS[name], **parameters(name, **changes))


STACKS = {name: stack(name) for name in PATHS} | {
    f"{name} with an alarm": stack(name, AlarmTopic=TOPIC, Replays="accept") for name in RULES
}


def rule(name: str, **changes: str) -> dict[str, Any]:
    """The rule of a recipe."""
    return stack(name, **changes).properties("Rule")


def target(name: str) -> dict[str, Any]:
    """The only target of a recipe's rule."""
    found: dict[str, Any]
    (found,) = rule(name)["Targets"]
    return found


def transformed(name: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe's target gets of an event that its rule matches."""
    text = input_transformer.transform(target(name)["InputTransformer"], event)
    made: dict[str, Any] = json.loads(text)
    return made
