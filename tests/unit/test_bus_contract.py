"""The event bus's contract in docs/ is valid everywhere where it is meant to be used."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from asyncapi3.models.asyncapi import AsyncAPI3
from jsonschema_rs import Draft4Validator, Draft7Validator, Draft202012Validator, meta

from roomle_mail.errors import LinkNotAllowed
from roomle_mail.idempotency import Outcome
from roomle_mail.publishing import SOURCE, VERSION, describe
from roomle_mail.telemetry import Known
from tools import bus_contract
from tools.published_models import EVENTS, Published
from tools.sam import ROOT

ASYNCAPI = bus_contract.asyncapi("1.0.0")
PAGE = (ROOT / "docs" / "event-bus.md").read_text()


def known_of_everything() -> Known:
    return Known(
        event_id="0" * 32, name="email.savedConfiguration", recipient="1" * 32, brand="default"
    )


def described() -> dict[str, Any]:
    """What the code publishes when all is known."""
    links = {"url": "https://test.roomle.com/?a=b", "resultUrl": "https://uploads.roomle.com/a"}
    ids = {"configuratorId": "shop", "configurationId": "a:b:C", "itemId": "a:b", "success": True}
    payload = {"event": "email.savedConfiguration", "data": {**links, **ids}}
    failed = Outcome(422, "link-not-allowed")
    return describe(
        payload,
        known_of_everything(),
        failed,
        LinkNotAllowed("not listed", host=None, field="data.url"),
    )


def test_the_models_have_the_fields_that_are_published() -> None:
    fields = set(EVENTS["email.savedConfiguration"].model_fields)

    # An email's language, and what PublishAddresses adds, are not known here.
    assert set(described()) == fields - {"language", "payload"}
    EVENTS["email.savedConfiguration"].model_validate(described())
    assert described()["version"] == VERSION


def test_every_field_is_explained() -> None:
    fields = {field for model in EVENTS.values() for field in model.model_fields}
    rows = re.findall(r"^\| (`.*?`) \| ", PAGE, re.MULTILINE)

    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == fields


@pytest.mark.parametrize("name", EVENTS)
def test_a_schema_is_valid_and_takes_its_example_only(name: str) -> None:
    schema = bus_contract.detail_schema(name)
    validator = Draft202012Validator(schema)

    meta.validate(schema)
    example = bus_contract.example(name)
    assert validator.is_valid(example)
    EVENTS[name].model_validate(example)
    for changed in (
        {"version": "2"},
        {"outcome": "lost"},
        {"event_id": "?"},
        {"url_host": "a/b?c"},
    ):
        assert not validator.is_valid(example | changed)
        with pytest.raises(ValueError, match="validation error"):
            EVENTS[name].model_validate(example | changed)
    # New fields don't change the version.
    assert validator.is_valid(example | {"new": 1})


def test_the_pages_example_is_valid() -> None:
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    (event,) = [each for each in examples if "detail" in each]

    assert Draft202012Validator(bus_contract.detail_schema(event["detail-type"])).is_valid(
        event["detail"]
    )


# --- EventBridge's schema registry -------------------------------------------------------------


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from parts(each)


@pytest.mark.parametrize("name", EVENTS)
def test_the_registry_gets_openapi_3_0_with_the_event_as_aws_names_it(name: str) -> None:
    # EventBridge's page "Creating an Amazon EventBridge schema": OpenApi3 is version 3.0, the whole
    # event is AWSEvent, and two extensions name the source and the detail-type.
    document = bus_contract.registry(name)
    schemas = document["components"]["schemas"]
    event = schemas["AWSEvent"]

    assert document["openapi"] == "3.0.0"
    assert event["x-amazon-events-source"] == SOURCE
    assert event.get("x-amazon-events-detail-type") == (name if "." in name else None)
    # OpenAPI 3.0 has neither of these (its section "Schema Object").
    for part in parts(schemas):
        assert not part.keys() & {"const", "$defs", "prefixItems", "examples"}
        assert not isinstance(part.get("type"), list)
    inlined = {**event, "components": document["components"]}
    inlined["properties"] = {**event["properties"]}
    (reference,) = (part["$ref"] for part in parts(event) if "$ref" in part)
    inlined["properties"]["detail"] = schemas[reference.rpartition("/")[2]]
    assert Draft4Validator(inlined).is_valid(bus_contract.event(name))


@pytest.mark.parametrize("name", EVENTS)
def test_the_registry_takes_the_schemas_name(name: str) -> None:
    # EventBridge's page "Quotas" and the API's "CreateSchema".
    assert re.fullmatch(r"[0-9A-Za-z_.@-]{1,385}", f"{SOURCE}@{name}")


# --- AsyncAPI ---------------------------------------------------------------------------------


def test_the_asyncapi_document_is_valid() -> None:
    document = AsyncAPI3.model_validate(ASYNCAPI)

    assert document.asyncapi == "3.0.0"


def test_a_wrong_asyncapi_document_would_be_found() -> None:
    wrongs: list[dict[str, Any]] = [
        {"asyncapi": "2.6.0"},
        {"info": {}},
        {"operations": {"a": {"action": "shout"}}},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="validation error"):
            AsyncAPI3.model_validate(ASYNCAPI | wrong)


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    references = [part["$ref"] for part in parts(ASYNCAPI) if "$ref" in part]

    assert references
    for reference in references:
        found: Any = ASYNCAPI
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


@pytest.mark.parametrize(
    "message", ASYNCAPI["components"]["messages"].values(), ids=lambda message: message["name"]
)
def test_a_message_takes_its_example(message: dict[str, Any]) -> None:
    schema = {**message["payload"]["schema"], "components": ASYNCAPI["components"]}
    (example,) = message["examples"]
    # What tells whose event it is, and of which version.
    told = "version" if message["name"] == "QueuedEvent" else "source"

    meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
    assert Draft7Validator(schema).is_valid(example["payload"])
    assert not Draft7Validator(schema).is_valid(example["payload"] | {told: "other"})


def test_every_model_is_a_message_of_the_channel() -> None:
    channels = ASYNCAPI["channels"]
    names = {model.__name__ for model in EVENTS.values()}

    assert set(channels[bus_contract.BUS]["messages"]) == names
    assert set(channels[bus_contract.QUEUE]["messages"]) == {"QueuedEvent"}
    assert set(ASYNCAPI["components"]["messages"]) == names | {"QueuedEvent"}
    assert all(issubclass(model, Published) for model in EVENTS.values())
