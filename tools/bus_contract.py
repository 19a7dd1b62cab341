"""The event bus's contract: JSON Schema, EventBridge's schema registry, AsyncAPI 3.

`make contract` writes it, together with the webhook's (tools/contract.py). The models are in
tools/published_models.py. The AsyncAPI document also has the queue (tools/queue_contract.py).
"""

from pathlib import Path
from typing import Any

from roomle_mail.publishing import SOURCE
from tools import published_models, queue_contract
from tools.sam import ROOT

type Schema = dict[str, Any]

DOCS = ROOT / "docs"
ASYNCAPI = DOCS / "asyncapi.json"
SCHEMAS = DOCS / "schemas" / "bus"
REGISTRY = DOCS / "schemas" / "registry"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BUS, QUEUE = "eventBus", "queue"
CONFIGURATION = "catalogId:itemId:2564B3D4E19A9C4605DAF5236F0ADFE80DA638F63A49D5D4C8260CB5FF48011C"


def example(name: str) -> Schema:
    """Return an example of an event's `detail`."""
    detail: Schema = {
        "version": "1",
        "event_id": "0f5d3a6c8e1b4f7a9c2d5e8f1a4b7c0d",
        "event": name,
        "time": "2026-03-01T11:59:59.874+00:00",
        "configurator": "myConfigurator",
        "configuration": CONFIGURATION,
    }
    match name:
        case "another-email":
            end: Schema = {"outcome": "failed", "answer": 501, "reason": "NoTemplate"}
            return detail | {"event": "email.orderConfirmation"} | end
        case "another-event":
            end = {"outcome": "forwarded", "answer": 200}
            return detail | {"event": "configuration.deleted"} | end
        case _:
            host = "result_url_host" if name == "email.3DExportAsset" else "url_host"
            return detail | {
                "brand": "default",
                "language": "en",
                "success": True,
                host: "uploads.roomle.com" if host.startswith("result") else "test.roomle.com",
                "recipient": "9dad95638118a9bfd25c00462c8b6e2e",
                "outcome": "sent",
                "answer": 200,
            }


def detail_schema(name: str) -> Schema:
    """Return the JSON Schema of an event's `detail`."""
    schema = published_models.EVENTS[name].model_json_schema()
    return {**schema, "title": name, "examples": [example(name)]}


def envelope(detail: Schema, *, name: str | None) -> Schema:
    """Return the schema of a whole event (EventBridge's page "Event structure reference")."""
    kind: Schema = {"type": "string"} if name is None else {"type": "string", "enum": [name]}
    properties: Schema = {
        "version": {"type": "string"},
        "id": {"type": "string"},
        "source": {"type": "string", "enum": [SOURCE]},
        "detail-type": kind,
        "account": {"type": "string"},
        "region": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "resources": {"type": "array", "items": {"type": "string"}},
        "detail": detail,
    }
    return {"type": "object", "required": list(properties), "properties": properties}


# --- EventBridge's schema registry -------------------------------------------------------------


def registry(name: str) -> Schema:
    """Return an event as the registry takes it, type OpenApi3 (CreateSchema's page)."""
    component = published_models.EVENTS[name].__name__
    known = name in NAMED
    return {
        "openapi": "3.0.0",
        "info": {"version": "1.0.0", "title": f"{SOURCE}@{name}"},
        "paths": {},
        "components": {
            "schemas": {
                "AWSEvent": {
                    **envelope(
                        {"$ref": f"#/components/schemas/{component}"}, name=name if known else None
                    ),
                    "x-amazon-events-source": SOURCE,
                    **({"x-amazon-events-detail-type": name} if known else {}),
                },
                component: openapi_3_0(published_models.EVENTS[name].model_json_schema()),
            }
        },
    }


def openapi_3_0(part: Any) -> Any:  # noqa: ANN401 (any part of a schema)
    """Return a schema in the dialect of OpenAPI 3.0, which has no `const`."""
    if isinstance(part, dict):
        changed = {name: openapi_3_0(value) for name, value in part.items() if name != "const"}
        return changed | ({"enum": [part["const"]]} if "const" in part else {})
    return [openapi_3_0(each) for each in part] if isinstance(part, list) else part


# --- AsyncAPI ---------------------------------------------------------------------------------


def asyncapi(version: str) -> Schema:
    """Return the AsyncAPI 3.0 document."""
    messages = {model.__name__: message(name) for name, model in published_models.EVENTS.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roomle Mail: events for other systems",
            "version": version,
            "description": "Each verified event of Roomle's, with what became of it, on the "
            "EventBridge bus of the parameter EventBus (docs/event-bus.md). And the queue, for a "
            "program that sends the emails in the mailer's place (docs/consumer.md).",
            "license": {
                "name": "Apache 2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "defaultContentType": "application/json",
        "servers": {
            "eventBridge": {
                "host": "events.{region}.amazonaws.com",
                "protocol": "https",
                "description": "The stack puts events here; rules on the bus pass them on.",
                "variables": {"region": {"default": "eu-central-1"}},
            },
            "sqs": {
                "host": "sqs.{region}.amazonaws.com",
                "protocol": "sqs",
                "description": "The stack queues emails here.",
                "variables": {"region": {"default": "eu-central-1"}},
            },
        },
        "channels": {
            BUS: {
                "address": "{bus}",
                "servers": [{"$ref": "#/servers/eventBridge"}],
                "description": "The event bus",
                "parameters": {"bus": {"description": "The parameter EventBus: a name or an ARN"}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            },
            QUEUE: {
                "address": "{queueUrl}",
                "servers": [{"$ref": "#/servers/sqs"}],
                "description": "The queue, where the parameter Mailer is off",
                "parameters": {"queueUrl": {"description": "The output QueueUrl"}},
                "messages": {"QueuedEvent": {"$ref": "#/components/messages/QueuedEvent"}},
            },
        },
        "operations": {
            "publish": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{BUS}"},
                "summary": "Publish an event of Roomle's, with what became of it",
                "messages": [{"$ref": f"#/channels/{BUS}/messages/{name}"} for name in messages],
            },
            "queue": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{QUEUE}"},
                "summary": "Queue an event of Roomle's that calls for an email",
                "messages": [{"$ref": f"#/channels/{QUEUE}/messages/QueuedEvent"}],
            },
        },
        "components": {
            "messages": {**messages, "QueuedEvent": queued_event()},
            "schemas": openapi_3_0(queue_contract.asyncapi_schemas()),
        },
    }


def message(name: str) -> Schema:
    """Return one kind of event as a message."""
    model = published_models.EVENTS[name]
    kind = name if name in NAMED else None
    return {
        "name": name,
        "title": name,
        "summary": " ".join((model.__doc__ or "").split()),
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": envelope(openapi_3_0(model.model_json_schema()), name=kind),
        },
        "examples": [{"payload": event(name)}],
    }


def queued_event() -> Schema:
    """Return the queue's message."""
    return {
        "name": "QueuedEvent",
        "title": "An event of Roomle's that calls for an email",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": {"$ref": "#/components/schemas/QueuedEvent"},
        },
        "examples": [{"payload": queue_contract.example()}],
    }


def event(name: str) -> Schema:
    """Return an example of a whole event."""
    detail = example(name)
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "source": SOURCE,
        "detail-type": detail["event"],
        "account": "111122223333",
        "region": "eu-central-1",
        "time": "2026-03-01T12:00:00Z",
        "resources": [],
        "detail": detail,
    }


# The events that have a name of their own; the others stand for any name.
NAMED = tuple(name for name in published_models.EVENTS if name.startswith("email."))


def documents(version: str) -> dict[Path, Schema]:
    """Return all documents, by file."""
    found = {ASYNCAPI: asyncapi(version)}
    for name in published_models.EVENTS:
        found[SCHEMAS / f"{name}.json"] = {"$schema": DIALECT, **detail_schema(name)}
        found[REGISTRY / f"{SOURCE}@{name}.json"] = registry(name)
    return found
