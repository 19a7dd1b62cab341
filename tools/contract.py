"""The webhook's contract: JSON Schema for each event, OpenAPI 3.1 for the whole.

    python -m tools.contract            # make contract
    python -m tools.contract --check

Generated from the shipped code: the fields from its pydantic models, what else `events.validate`
asks for from its constants, the answers from its errors. tests/unit/test_contract.py holds schema
and code against each other.
"""

import argparse
import copy
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from roomle_mail import errors, events
from roomle_mail.idempotency import Outcome
from tools import fixtures
from tools.sam import ROOT

DOCS = ROOT / "docs"
OPENAPI = DOCS / "openapi.json"
SCHEMAS = DOCS / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
BODY_LIMIT = 64 * 1024

type Schema = dict[str, Any]

ABOUT = {
    "email.savedConfiguration": "A person saved a draft.",
    "email.shareConfiguration": "A person shared a configuration.",
    "email.shareConfigurationAR": "A person asked for the link to a configuration in AR.",
    events.EXPORT: "The export of a 3D asset has ended.",
}
FIELDS = {
    "email": "To whom the email goes: one plain address, without a name.",
    "success": "Whether Roomle's own processing succeeded. Older versions leave it out.",
    "configurationId": "The configuration, or a plan's id. Either this or itemId is there.",
    "itemId": "The item, where there is no configuration.",
    "configuratorId": "Where the event comes from; it picks the brand.",
    "url": "The link to the content: https, to a host that the brand allows.",
    "resultUrl": "The link to the 3D asset: https, to a host that the brand allows for assets.",
}
# What the receiver answers with 200 and 202 isn't an error, so no class has it.
DONE = (Outcome(200, "sent"), Outcome(200, "suppressed"), Outcome(200, "ignored"),
        Outcome(202, "queued"))  # fmt: skip
MEANING = {
    "sent": "SES took the email",
    "queued": "the queue took it",
    "suppressed": "this recipient has had enough emails in this hour",
    "ignored": "an event that owes nobody an email",
    "unauthorized": "no token, or any fault in it: forged, expired, used for another body",
    "malformed": "the body is not JSON in UTF-8",
    "invalid-event": "fields are missing or wrong",
    "link-not-allowed": "a link is not https to a host that the brand allows",
    "brand-not-allowed": "the API key may not speak for this brand",
    "too-large": f"the body is larger than {BODY_LIMIT} bytes",
    "no-template": "an email is owed that there is no template for",
    "email-refused": "SES refuses the email for good",
    "unavailable": "not now: throttled, uncertain, out of time, over the stack's hourly cap, or "
    "something that is needed can't be reached",
    "internal": "anything unforeseen",
}
# What API Gateway answers by itself (its page "Throttle requests to your HTTP APIs" and others).
GATEWAY = {
    404: "another path or method",
    413: "a body over 10 MB",
    429: "more requests than ThrottleRate and ThrottleBurst allow",
    500: "Lambda could not run the receiver, or refused a body over 6 MB",
    503: "the receiver did not answer in time",
}


# --- events -----------------------------------------------------------------------------------


def event_schema(name: str) -> Schema:
    """Write the JSON Schema of one of Roomle's events."""
    model = GenerateJsonSchema().generate(events.EMAIL_PAYLOAD)
    data = plain(model["properties"]["data"])
    data["properties"] = {
        field: {"description": FIELDS[field], **plain(schema)}
        for field, schema in data["properties"].items()
    }
    data["properties"]["email"] |= {"maxLength": events._MAX_ADDRESS, "pattern": address_pattern()}  # noqa: SLF001
    data["anyOf"] = [filled("configurationId"), filled("itemId")]
    if name == events.EXPORT:
        # A failed export has nothing to link to.
        failed = {"properties": {"success": {"const": False}}, "required": ["success"]}
        data |= {"if": failed, "else": filled("resultUrl")}
    else:
        data["allOf"] = [filled("url")]
    payload = plain(model)
    payload["properties"] = {"event": {"const": name}, "data": data}
    return {
        "title": name,
        "description": ABOUT[name],
        **payload,
        "examples": [example(name)],
    }


def other_schema() -> Schema:
    """Write the JSON Schema of the events that owe nobody an email."""
    schema = plain(GenerateJsonSchema().generate(events.PAYLOAD))
    schema["properties"]["event"] |= {"not": {"pattern": r"^\s*[Ee][Mm][Aa][Ii][Ll]"}}
    return {
        "title": "Another event",
        "description": "Roomle may forward more events. Those that aren't emails are ignored.",
        **schema,
        "examples": [{"event": "configuration.deleted", "data": {}}],
    }


def unknown_schema() -> Schema:
    """Write the JSON Schema of the emails that there is no template for."""
    schema = plain(GenerateJsonSchema().generate(events.PAYLOAD))
    schema["properties"]["event"] |= {
        "pattern": r"^\s*[Ee][Mm][Aa][Ii][Ll]",
        "not": {"enum": list(events.EVENTS)},
    }
    return {
        "title": "Another email",
        "description": "An email of a kind that came later: 501, so that Roomle sends its own.",
        **schema,
        "examples": [{"event": "email.orderConfirmation", "data": {}}],
    }


def plain(schema: Schema) -> Schema:
    """Take out what pydantic adds for Python: titles, docstrings, defaults."""
    kept = copy.deepcopy(schema)
    for each in (kept, *kept.get("properties", {}).values()):
        for noise in ("title", "description", "default"):
            each.pop(noise, None)
    return kept


def filled(field: str) -> Schema:
    """Ask for a field that is neither missing nor null nor empty."""
    return {"required": [field], "properties": {field: {"type": "string", "minLength": 1}}}


def address_pattern() -> str:
    """Write the rule for addresses so that every dialect of regular expressions reads it alike."""
    pattern = events._ADDRESS.pattern.replace("(?P<local>", "(?:")  # noqa: SLF001
    # The last part is for dialects in which `$` also matches before a line break.
    return f"^(?=.{{1,{events._MAX_LOCAL_PART}}}@){pattern}$(?!\\n)"  # noqa: SLF001


def example(name: str) -> Schema:
    """Write an event as in Roomle's documentation."""
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
    """Write the answers by status."""
    ours: dict[int, list[Outcome]] = {}
    for outcome in outcomes():
        ours.setdefault(outcome.status, []).append(outcome)
    return {str(status): response(status, ours.get(status, []))
            for status in sorted({*ours, *GATEWAY})}  # fmt: skip


def response(status: int, ours: Sequence[Outcome]) -> Schema:
    """Write one status: what it means, and the bodies that it comes with."""
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
    """Write the OpenAPI document."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {component(name): event_schema(name) for name in events.EVENTS}
    named |= {"anotherEvent": other_schema(), "anotherEmail": unknown_schema()}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Roomle Mail",
            "version": project["version"],
            "summary": "The webhook that Roomle posts its email events to",
            "description": "Below 300, nobody else need mail: the brand's email is on its way, or "
            "none is owed. From 300 on, Roomle sends its own. The same POST again gets the same "
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
                                        {"$ref": f"#/components/schemas/{each}"} for each in named
                                    ]
                                },
                                "examples": {
                                    each: {"value": schema["examples"][0]}
                                    for each, schema in named.items()
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
                **named,
                "GatewayAnswer": {
                    "description": "An answer that API Gateway gives by itself",
                    "type": "object",
                    "properties": {"message": {"type": ["string", "null"]}},
                    "required": ["message"],
                },
            },
        },
    }


def component(name: str) -> str:
    """Name an event's schema as OpenAPI allows."""
    return name.removeprefix("email.")


# --- files ------------------------------------------------------------------------------------


def documents() -> dict[Path, str]:
    """Write all documents, by the file that each belongs into."""
    found = {OPENAPI: openapi()}
    for name in events.EVENTS:
        found[SCHEMAS / f"{name}.json"] = {"$schema": DIALECT, **event_schema(name)}
    return {
        path: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for path, document in found.items()
    }


def outdated() -> list[Path]:
    """List the files that are not what they should be, those that are too many included."""
    wanted = documents()
    wrong = [path for path, text in wanted.items()
             if not path.is_file() or path.read_text() != text]  # fmt: skip
    return wrong + sorted(path for path in SCHEMAS.glob("*") if path not in wanted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if outdated")
    options = parser.parse_args(arguments)
    if options.check:
        for path in outdated():
            print(f"{path.relative_to(ROOT)} is outdated: run 'make contract'")
        return 1 if outdated() else 0
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for path in outdated():
        if path in documents():
            path.write_text(documents()[path])
            print(f"contract: {path.relative_to(ROOT)}")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
