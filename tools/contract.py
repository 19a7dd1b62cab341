"""The webhook's contract: JSON Schema for each event, OpenAPI 3.1 for the whole.

The contracts of the event bus (tools/bus_contract.py) and of the queue (tools/queue_contract.py)
are written with it.

    python -m tools.contract            # make contract
    python -m tools.contract --check

The events come from the pydantic models of tools/contract_models.py, the answers from the errors of
the shipped code. tests/unit/test_contract.py compares schemas and code,
tests/unit/test_contract_models.py models and code.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic.json_schema import models_json_schema

from roomle_mail import errors, events
from roomle_mail.idempotency import Outcome
from tools import bus_contract, contract_models, fixtures, queue_contract
from tools.contract_models import Schema
from tools.sam import ROOT

DOCS = ROOT / "docs"
OPENAPI = DOCS / "openapi.json"
SCHEMAS = DOCS / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BODY_LIMIT = 64 * 1024

# The answers with 200 and 202 are not errors, so no class has them.
DONE = (Outcome(200, "sent"), Outcome(200, "suppressed"), Outcome(200, "ignored"),
        Outcome(200, "forwarded"), Outcome(202, "queued"))  # fmt: skip
MEANING = {
    "sent": "SES took the email",
    "queued": "the queue took it",
    "suppressed": "this recipient has reached the hourly limit",
    "ignored": "not an email event, and the stack has no event bus",
    "forwarded": "not an email event, and the event bus took it",
    "unauthorized": "no token, or any fault in it: forged, expired, used for another body",
    "malformed": "the body is not JSON in UTF-8",
    "invalid-event": "fields are missing or wrong",
    "link-not-allowed": "a link is not https to a host that the brand allows",
    "brand-not-allowed": "the API key may not send for this brand",
    "too-large": f"the body is larger than {BODY_LIMIT} bytes",
    "no-template": "there is no template for this email",
    "email-refused": "SES refuses the email permanently",
    "unavailable": "not now: throttled, outcome unknown, out of time, over the stack's hourly cap, "
    "or a service can't be reached",
    "internal": "an unexpected error",
}
# Answers of API Gateway itself (its page "Throttle requests to your HTTP APIs" and others).
GATEWAY = {
    404: "another path or method",
    413: "a body over 10 MB",
    429: "more requests than ThrottleRate and ThrottleBurst allow",
    500: "Lambda could not run the receiver, or refused a body over 6 MB",
    503: "the receiver did not answer in time",
}


# --- events -----------------------------------------------------------------------------------


def event_schema(name: str) -> Schema:
    """Return the JSON Schema of one of Roomle's events."""
    schema = contract_models.EVENTS[name].model_json_schema()
    return {**schema, "title": name, "examples": [example(name)]}


def components() -> dict[str, Schema]:
    """Return the schemas of all events, as OpenAPI's components."""
    _, schema = models_json_schema(
        [(model, "validation") for model in contract_models.MODELS],
        ref_template="#/components/schemas/{model}",
    )
    found: dict[str, Schema] = schema["$defs"]
    for name, shown in examples().items():
        found[name]["examples"] = [shown]
    return found


def examples() -> dict[str, Schema]:
    """Return an example event for each model, by the model's name."""
    found = {model.__name__: example(name) for name, model in contract_models.EVENTS.items()}
    return found | {
        "AnotherEvent": {"event": "configuration.deleted", "data": {}},
        "AnotherEmail": {"event": "email.orderConfirmation", "data": {}},
    }


def example(name: str) -> Schema:
    """Return an event as in Roomle's documentation."""
    more = {"resultUrl": fixtures.ASSET} if name == events.EXPORT else {}
    return fixtures.payload(name, **more)


# --- answers ----------------------------------------------------------------------------------


def outcomes() -> list[Outcome]:
    """List every answer that the receiver can give."""
    found = {Outcome(each.status, each.code) for each in classes(errors.RoomleMailError)}
    return sorted({*DONE, *found}, key=lambda each: (each.status, each.code))


def classes(base: type[errors.RoomleMailError]) -> list[type[errors.RoomleMailError]]:
    """List a class of errors and all below it."""
    return [base, *(found for each in base.__subclasses__() for found in classes(each))]


def responses() -> dict[str, Schema]:
    """Return the answers by status."""
    ours: dict[int, list[Outcome]] = {}
    for outcome in outcomes():
        ours.setdefault(outcome.status, []).append(outcome)
    return {str(status): response(status, ours.get(status, []))
            for status in sorted({*ours, *GATEWAY})}  # fmt: skip


def response(status: int, ours: Sequence[Outcome]) -> Schema:
    """Describe one status: its meaning and its possible bodies."""
    meanings = [f"`{each.code}`: {MEANING[each.code]}" for each in ours]
    schemas = [
        {
            "type": "object",
            "properties": {"status": {"const": each.label}, "code": {"const": each.code}},
            "required": ["status", "code"],
            "additionalProperties": False,
        }
        for each in ours
    ]
    if status in GATEWAY:
        meanings.append(f"API Gateway itself: {GATEWAY[status]}")
        schemas.append({"$ref": "#/components/schemas/GatewayAnswer"})
    return {
        "description": "; ".join(meanings),
        "content": {
            "application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
        },
    }


def openapi() -> Schema:
    """Return the OpenAPI document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Roomle Mail",
            "version": project["version"],
            "summary": "The webhook that Roomle posts its email events to",
            "description": "Below 300, the brand's email is on its way, or none is needed. From "
            "300 on, Roomle sends its own. The same POST again gets the same "
            "answer.",
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com",
                "description": "The output WebhookUrl of the stack, or a domain of your own",
                "variables": {"api": {"default": "api"}, "region": {"default": "eu-central-1"}},
            }
        ],
        "security": [{"token": []}],
        "paths": {
            "/webhook": {
                "post": {
                    "operationId": "receive",
                    "summary": "Take an event and send the brand's email",
                    "requestBody": {
                        "required": True,
                        "description": f"UTF-8, {BODY_LIMIT} bytes at most. Unknown fields are "
                        "kept; a name that comes twice in one object is refused.",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "oneOf": [
                                        {"$ref": f"#/components/schemas/{each}"}
                                        for each in examples()
                                    ]
                                },
                                "examples": {
                                    each: {"value": shown} for each, shown in examples().items()
                                },
                            }
                        },
                    },
                    "responses": responses(),
                }
            }
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "token",
                    "description": "`01-` and Base64 of AES/CBC/PKCS5 over "
                    "`<timestamp>;<sessionToken>;<apiKey>`. One token goes with one body. The "
                    "parameters TokenHeader, TokenAlgorithms and TokenIv change it.",
                }
            },
            "schemas": {
                **components(),
                "GatewayAnswer": {
                    "description": "An answer of API Gateway itself",
                    "type": "object",
                    "properties": {"message": {"type": ["string", "null"]}},
                    "required": ["message"],
                },
            },
        },
    }


# --- files ------------------------------------------------------------------------------------


def documents() -> dict[Path, str]:
    """Return all documents, by file."""
    contract = openapi()
    found = {
        OPENAPI: contract,
        **bus_contract.documents(contract["info"]["version"]),
        **queue_contract.documents(),
    }
    for name in events.EVENTS:
        found[SCHEMAS / f"{name}.json"] = {"$schema": DIALECT, **event_schema(name)}
    return {
        path: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for path, document in found.items()
    }


def outdated() -> list[Path]:
    """List the files that differ from the generated documents, or that are not needed."""
    wanted = documents()
    wrong = [path for path, text in wanted.items()
             if not path.is_file() or path.read_text() != text]  # fmt: skip
    return wrong + sorted(
        path for path in SCHEMAS.rglob("*") if path.is_file() and path not in wanted
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if outdated")
    options = parser.parse_args(arguments)
    if options.check:
        for path in outdated():
            print(f"{path.relative_to(ROOT)} is outdated: run 'make contract'")
        return 1 if outdated() else 0
    for path in outdated():
        if path in documents():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(documents()[path])
            print(f"contract: {path.relative_to(ROOT)}")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
