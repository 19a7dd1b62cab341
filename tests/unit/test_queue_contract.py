"""The queue's contract in docs/ is valid, and the page explains all of it.

tests/aws/test_consumer.py compares it with what the shipped code writes.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from pydantic import BaseModel, ValidationError

from roomle_mail import events
from tools import queue_contract
from tools.queue_models import ITEMS, QueuedEvent
from tools.sam import ROOT

PAGE = (ROOT / "docs" / "consumer.md").read_text()
DOCUMENTS = {path.stem: schema for path, schema in queue_contract.documents().items()}
MODELS: dict[str, type[BaseModel]] = {"message": QueuedEvent, **ITEMS}
ADDRESS = "anna.customer@customer.example"


@pytest.mark.parametrize("name", MODELS)
def test_a_schema_is_valid_versioned_and_takes_its_example(name: str) -> None:
    schema = DOCUMENTS[name]
    (example,) = schema["examples"]

    meta.validate(schema)
    assert Draft202012Validator(schema).is_valid(example)
    MODELS[name].model_validate(example)
    assert schema["$id"] == f"urn:roomle-mail:queue:{name}:1"
    # New fields don't change the version.
    assert Draft202012Validator(schema).is_valid(example | {"new": 1})


@pytest.mark.parametrize("name", sorted(events.EVENTS))
def test_a_message_may_have_any_event_that_calls_for_an_email(name: str) -> None:
    message = queue_contract.example(name)

    assert Draft202012Validator(DOCUMENTS["message"]).is_valid(message)
    QueuedEvent.model_validate(message)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "2"},
        {"id": "?"},
        {"recipient": ADDRESS},
        {"received": -1},
        {"correlation": "a b"},
        {"event": {"event": "email.orderConfirmation", "data": {}}},
        {"event": {"event": events.EXPORT, "data": {"email": ADDRESS, "itemId": "a"}}},
    ],
    ids=str,
)
def test_a_message_that_breaks_the_contract_is_told_by_model_and_schema(
    changes: dict[str, Any],
) -> None:
    changed = queue_contract.example() | changes

    assert not Draft202012Validator(DOCUMENTS["message"]).is_valid(changed)
    with pytest.raises(ValidationError):
        QueuedEvent.model_validate(changed)


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize(
    "changes", [{"state": "lost"}, {"key": "token#1"}, {"owner": ""}, {"expires": "soon"}], ids=str
)
def test_an_item_that_breaks_the_contract_is_told_by_model_and_schema(
    name: str, changes: dict[str, Any]
) -> None:
    (example,) = DOCUMENTS[name]["examples"]

    assert not Draft202012Validator(DOCUMENTS[name]).is_valid(example | changes)
    with pytest.raises(ValidationError):
        ITEMS[name].model_validate(example | changes)


def test_the_page_explains_every_field_of_a_message_and_every_item() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE)

    assert rows == list(QueuedEvent.model_fields)
    for name, model in ITEMS.items():
        assert f"(schemas/queue/{name}.json)" in PAGE
        for field in model.model_fields:
            assert f"`{field}`" in PAGE
