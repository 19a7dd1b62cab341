"""The published models and the code agree: same verdict, same places of errors.

`roomle_mail.events` states the rules for pydantic's core, tools/contract_models.py for its classes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import SchemaValidator

from roomle_mail import events
from roomle_mail.errors import BodyMalformed, InvalidEvent, NoTemplate
from tests.faults.fuzz import runs
from tests.faults.fuzz.checks import written
from tools import contract, contract_models

type Verdict = str | list[str]

LONGEST = 4_096
ADDRESSES = [
    "jane.doe@customer.example", "a@b", "a@b.c", "a@b.ex", "a@b.4x", "a@-b.ex", "a@b-.ex",
    f"{'x' * 64}@b.example", f"{'x' * 65}@b.example", f"a@{'b' * 63}.example",
    f"a@{'b' * 64}.example", f"a@b.{'c' * 63}", f"a@b.{'c' * 64}",
    f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 57}.ex",
    f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 58}.ex", "a@b.example\n", "\na@b.example",
    "a b@c.example", "a@b.example,c@d.example", "Jane <a@b.example>", "a..b@c.example",
    ".a@b.example", "a.@b.example", "ä@b.example", "a@bä.example", "@b.example", "a@b@c.example",
    "+tag!#$%&'*/=?^_`{|}~-@b.example", '"a"@b.example', "a@[127.0.0.1]", "a@b.example.",
]  # fmt: skip
TEXTS = ["", " ", "x", "x" * LONGEST, "x" * (LONGEST + 1), "\ud800", "ä" * LONGEST]
OTHERS: list[Any] = [None, True, False, 0, 1, 1.5, [], {}, "true", b"x", ["x"], {"x": 1}]
NAMES: list[Any] = [
    *events.EVENTS, "", "x", "x" * 100, "x" * 101, "email", "Email.x", " email.x", "\x1cemail.x",
    "xemail", "e-mail", "email.savedConfiguration ", "email.savedConfiguration\n",
    "email.SAVEDCONFIGURATION", "emailx3DExportAsset", "email.3DExportAssets", "\ud800", None, 1,
    b"x",
]  # fmt: skip
FIELDS = [*events.EMAIL_DATA["fields"], "newField", "configuration_id", "result_url"]
ABSENT = object()


def said_by_the_code(payload: object) -> Verdict:
    """The kind of event, or the places of its errors, in order."""
    try:
        event = events.validate(payload)
    except NoTemplate:
        return "another email"
    except InvalidEvent as err:
        return list(err.fields)
    return "another event" if event is None else event.name


def said_by_the_models(payload: object) -> Verdict:
    try:
        event = contract_models.read(payload)
    except ValidationError as err:
        return [".".join(map(str, each["loc"])) for each in err.errors()]
    if isinstance(event, contract_models.AnotherEmail):
        return "another email"
    return "another event" if isinstance(event, contract_models.AnotherEvent) else event.event


def disagreements(payloads: Iterable[object]) -> list[str]:
    """The payloads that code and models judge differently, with both verdicts."""
    told = ((each, said_by_the_code(each), said_by_the_models(each)) for each in payloads)
    return [f"{each!r:.200}: {code}, {models}" for each, code, models in told if code != models]


def replaced(name: Any, **changes: Any) -> dict[str, Any]:
    """One of Roomle's events with some fields replaced or removed."""
    known = name if name in events.EVENTS else events.EXPORT
    data = contract.example(known)["data"] | changes
    return {"event": name, "data": {key: each for key, each in data.items() if each is not ABSENT}}


def edges() -> Iterator[object]:
    """Both sides of every limit, in every field, alone and together with another fault."""
    yield from OTHERS
    yield {"data": {}}
    for name in NAMES:
        yield replaced(name)
        yield {"event": name}
        yield from ({"event": name, "data": data} for data in OTHERS)
    for name in events.EVENTS:
        for field in FIELDS:
            for value in (*ADDRESSES, *TEXTS, *OTHERS, ABSENT):
                for others in ({}, {"success": False}, {"configurationId": ABSENT}, {"email": "x"}):
                    yield replaced(name, **{**others, field: value})


EDGES = list(edges())


# The models stay the same in the tests of changed rules below.
EXPECTED = [said_by_the_models(each) for each in EDGES]


def noticed() -> bool:
    """Whether the code disagrees with the models about any of the edges."""
    return any(said_by_the_code(each) != told for each, told in zip(EDGES, EXPECTED, strict=True))


def test_models_and_code_agree_on_both_sides_of_every_limit() -> None:
    assert disagreements(EDGES) == []


VALUES = st.sampled_from([*ADDRESSES, *TEXTS, *OTHERS]) | st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(NAMES) | st.text(max_size=110),
    st.dictionaries(st.sampled_from(FIELDS), VALUES | JSON | st.just(ABSENT)),
)
def test_models_and_code_agree_on_events_with_any_fields(
    name: Any, changes: dict[str, Any]
) -> None:
    assert disagreements([replaced(name, **changes)]) == []


@given(JSON, st.sampled_from([*NAMES, ABSENT]), st.booleans())
def test_models_and_code_agree_on_any_json(value: Any, name: Any, whole: bool) -> None:
    payload = value if whole or name is ABSENT else {"event": name, "data": value}
    assert disagreements([payload]) == []


LETTERS = st.text("aZ0.-@+\n ä", max_size=8)


@given(st.builds("{}@{}.{}".format, LETTERS, LETTERS, LETTERS), st.sampled_from(events.EVENTS))
def test_models_and_code_agree_on_addresses(address: str, name: str) -> None:
    assert disagreements([replaced(name, email=address)]) == []


def test_models_and_code_agree_on_the_fuzzers_corpus() -> None:
    payloads = []
    for path in runs.kept("event"):
        data = path.read_bytes()
        body = written(data[1:]) if data[:1] == b"=" else data
        try:
            events.validate(events.read(body))
        except BodyMalformed:
            continue
        except (InvalidEvent, NoTemplate):
            pass
        payloads.append(json.loads(body))

    said = [said_by_the_code(payload) for payload in payloads]
    for kind in ("email.savedConfiguration", events.EXPORT, "another email", ["data.email"]):
        assert kind in said
    assert disagreements(payloads) == []


# --- a rule that changes on one side only is noticed -------------------------------------------


def changed(key: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema that differs from this one in the value of a key, and that value."""
    value = schema[key]
    match key:
        case "max_length" | "min_length":
            yield "less", schema | {key: value - 1}
            yield "more", schema | {key: value + 1}
        case "strict" | "required":
            yield "not", schema | {key: not value}
        case "extra_behavior":
            yield "forbid", schema | {key: "forbid"}
        case "fields":
            for field in value:
                # The code itself checks which fields are required.
                if value[field].get("required") is False:
                    left = {name: each for name, each in value.items() if name != field}
                    yield f"without {field}", schema | {key: left}


def mutations(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Each schema that differs from this one in a single rule of pydantic's core, with a name."""
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "nullable":
        yield f"{place} not null", schema["schema"]
    for key, value in schema.items():
        for how, other in changed(key, schema):
            yield f"{place}.{key} {how}", other
        for name, inner in mutations(value, f"{place}.{key}"):
            yield name, schema | {key: inner}


MUTATIONS = [
    *((name, "_payload", schema) for name, schema in mutations(events.PAYLOAD, "payload")),
    *((name, "_email_data", schema) for name, schema in mutations(events.EMAIL_DATA, "data")),
]


@pytest.mark.parametrize(
    ("validator", "schema"),
    [pytest.param(validator, schema, id=name) for name, validator, schema in MUTATIONS],
)
def test_a_rule_of_the_core_that_changes_is_noticed(
    validator: str, schema: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, validator, SchemaValidator(copy.deepcopy(schema)))
    assert noticed()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_MAX_ADDRESS", 253),
        ("_MAX_ADDRESS", 255),
        ("_MAX_LOCAL_PART", 63),
        ("_MAX_LOCAL_PART", 65),
        ("_ADDRESS", re.compile(events._ADDRESS.pattern.replace("0,61", "0,62"))),
        ("_ADDRESS", re.compile(events._ADDRESS.pattern.replace("0,61", "0,60"))),
        ("_ADDRESS", re.compile(events._ADDRESS.pattern.replace("`", ""))),
        ("_ADDRESS", re.compile(events._ADDRESS.pattern.replace("[A-Za-z][", "["))),
        ("EVENTS", events.EVENTS[:-1]),
        ("EXPORT", "email.savedConfiguration"),
    ],
)
def test_a_rule_of_the_code_that_changes_is_noticed(
    name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, name, value)
    assert noticed()
