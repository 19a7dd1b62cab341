"""The queue's contract, for programs that consume it in the mailer's place: JSON Schema, AsyncAPI.

`make contract` writes it, together with the webhook's and the event bus's (tools/contract.py). The
models are in tools/queue_models.py.
"""

from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from roomle_mail import events
from tools import fixtures, queue_models
from tools.queue_models import EventItem, QueuedEvent
from tools.sam import ROOT

type Schema = dict[str, Any]

SCHEMAS = ROOT / "docs" / "schemas" / "queue"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SPACE, VERSION = "urn:roomle-mail:queue", 1
ID = "0f5d3a6c8e1b4f7a9c2d5e8f1a4b7c0d"
RECEIVED = 1772366399.874
REMEMBERED_FOR = 30 * 86_400


def example(name: str = events.EXPORT) -> Schema:
    """Return an example of a message's body."""
    more = {"resultUrl": fixtures.ASSET} if name == events.EXPORT else {}
    return {
        "version": "1",
        "id": ID,
        "event": fixtures.payload(name, **more),
        "recipient": "9dad95638118a9bfd25c00462c8b6e2e",
        "received": RECEIVED,
        "correlation": "a1B2c3D4e5F6g7H=",
    }


def item_example(model: type[EventItem]) -> Schema:
    """Return an example of an item, with plain values."""
    state = model.model_json_schema()["properties"]["state"]["const"]
    item = {
        "key": f"event#{ID}",
        "owner": "5f2b8c1d9e7a4063b1f8c2d5e9a70b34",
        "state": state,
        "expires": int(RECEIVED) + REMEMBERED_FOR,
    }
    return item | ({"until": RECEIVED + 120} if state == "claimed" else {})


def message_schema() -> Schema:
    """Return the JSON Schema of a message's body."""
    return {**QueuedEvent.model_json_schema(), "examples": [example()]}


def item_schema(model: type[EventItem]) -> Schema:
    """Return the JSON Schema of an item."""
    return {**model.model_json_schema(), "examples": [item_example(model)]}


def asyncapi_schemas() -> dict[str, Schema]:
    """Return the message's schema and those it refers to, as AsyncAPI's components."""
    _, schema = models_json_schema(
        [(QueuedEvent, "validation")], ref_template="#/components/schemas/{model}"
    )
    found: dict[str, Schema] = schema["$defs"]
    return found


def documents() -> dict[Path, Schema]:
    """Return the schemas, by file."""
    schemas = {"message": message_schema()} | {
        name: item_schema(model) for name, model in queue_models.ITEMS.items()
    }
    return {
        SCHEMAS / f"{name}.json": {"$schema": DIALECT, "$id": f"{SPACE}:{name}:{VERSION}", **schema}
        for name, schema in schemas.items()
    }
