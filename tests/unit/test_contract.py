"""The contract in docs/ is current and agrees with the code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from roomle_mail import events
from roomle_mail.errors import InvalidEvent, NoTemplate
from tools import contract, contract_models, fixtures

VALIDATORS = {
    name: Draft202012Validator(contract.event_schema(name)) for name in events.EVENTS
}  # fmt: skip
OPENAPI = contract.openapi()
ANSWERS = OPENAPI["paths"]["/webhook"]["post"]["responses"]


def test_the_files_are_current() -> None:
    assert contract.outdated() == [], "run 'make contract'"


def test_a_file_that_differs_or_is_not_needed_is_found(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "SCHEMAS", tmp_path)
    monkeypatch.setattr(contract, "OPENAPI", tmp_path / "openapi.json")
    (tmp_path / "email.old.json").write_text("{}")
    (tmp_path / "openapi.json").write_text("{}")
    names = {path.name for path in contract.outdated()}
    assert {"email.old.json", "openapi.json", "email.savedConfiguration.json"} <= names


@pytest.mark.parametrize("name", events.EVENTS)
def test_a_schema_is_valid_and_so_is_its_example(name: str) -> None:
    schema = contract.event_schema(name)
    meta.validate(schema)
    [shown] = schema["examples"]
    assert not list(VALIDATORS[name].iter_errors(shown))
    assert events.validate(shown) is not None


def test_every_event_and_every_field_of_the_code_is_described() -> None:
    assert list(contract_models.EVENTS) == list(events.EVENTS)
    for model in contract_models.MODELS:
        assert model.model_json_schema()["description"]
    for data in (contract_models.LinkData, contract_models.ExportData):
        fields = data.model_json_schema()["properties"]
        assert set(fields) == set(events.EMAIL_DATA["fields"])
        assert all(field["description"] for field in fields.values())


# --- schema and code say the same -------------------------------------------------------------

ADDRESSES = [
    "jane.doe@customer.example", "a@b", "a@b.c", "a@b.ex", f"{'x' * 64}@b.example",
    f"{'x' * 65}@b.example", f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 57}.ex",
    f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 58}.ex", "a@b.example\n", "a b@c.example",
    "a@b.example,c@d.example", "Jane <a@b.example>", "a..b@c.example", "ä@b.example", "@b.example",
]  # fmt: skip
TEXTS = ["", " ", "x", "x" * 4_096, "x" * 4_097]
SCALARS: list[Any] = [None, True, False, 0, 1, 1.5, [], {}, "true"]
ABSENT = object()
FIELDS = [*events.EMAIL_DATA["fields"], "newField"]


def replaced(name: str, **changes: Any) -> dict[str, Any]:
    """One of Roomle's events with some fields replaced or removed."""
    data = contract.example(name)["data"] | changes
    return {"event": name, "data": {key: each for key, each in data.items() if each is not ABSENT}}


def taken(payload: object) -> bool:
    try:
        return events.validate(payload) is not None
    except InvalidEvent:
        return False


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("name", events.EVENTS)
def test_a_schema_accepts_a_fields_value_exactly_when_the_code_does(name: str, field: str) -> None:
    for value in (*ADDRESSES, *TEXTS, *SCALARS, ABSENT):
        # Alone, and with another field that makes up for it.
        for others in ({}, {"success": False}, {"itemId": "catalog:item"}, {"configurationId": ""}):
            payload = replaced(name, **{**others, field: value})
            assert VALIDATORS[name].is_valid(payload) == taken(payload), payload


VALUES = st.sampled_from([*ADDRESSES, *TEXTS, *SCALARS])


@given(
    st.sampled_from(events.EVENTS),
    st.one_of(
        st.dictionaries(st.sampled_from(FIELDS), VALUES),
        st.one_of(VALUES, st.lists(VALUES, max_size=2)),
    ),
    st.booleans(),
)
def test_a_schema_accepts_what_the_code_accepts(name: str, data: Any, whole: bool) -> None:
    payload = {"event": name, "data": data}
    if whole and isinstance(data, dict):
        payload = replaced(name, **data)
    assert VALIDATORS[name].is_valid(payload) == taken(payload)


@given(st.text(max_size=30), st.sampled_from(["", "email", "Email.", " email.", "xemail"]))
def test_another_event_is_known_by_its_name(name: str, start: str) -> None:
    payload = {"event": start + name, "data": {}}
    try:
        kind = "AnotherEvent" if events.validate(payload) is None else "known"
    except NoTemplate:
        kind = "AnotherEmail"
    except InvalidEvent:
        kind = "none" if not payload["event"] else "known"
    for each in ("AnotherEvent", "AnotherEmail"):
        validator = Draft202012Validator(contract.components()[each])
        assert validator.is_valid(payload) == (kind == each)


# --- answers ----------------------------------------------------------------------------------


def documented(status: int) -> list[Any]:
    schema = ANSWERS[str(status)]["content"]["application/json"]["schema"]
    return [each["properties"] for each in schema.get("anyOf", [schema]) if "$ref" not in each]


@pytest.mark.parametrize("name", [n for n in fixtures.expectations() if n.startswith("receiver/")])
def test_every_answer_to_a_fixture_is_documented(name: str) -> None:
    expected = fixtures.expectations()[name]
    assert expected["code"] in {each["code"]["const"] for each in documented(expected["status"])}


def test_answers_are_those_that_the_readme_lists() -> None:
    ours = {int(status): sorted(each["code"]["const"] for each in documented(int(status)))
            for status in ANSWERS}  # fmt: skip
    assert ours == {
        200: ["forwarded", "ignored", "sent", "suppressed"],
        202: ["queued"],
        400: ["malformed"],
        401: ["unauthorized"],
        404: [],
        413: ["too-large"],
        422: ["brand-not-allowed", "invalid-event", "link-not-allowed"],
        429: [],
        500: ["internal"],
        501: ["no-template"],
        502: ["email-refused"],
        503: ["unavailable"],
    }


def test_the_status_says_who_mails() -> None:
    for status in ANSWERS:
        for each in documented(int(status)):
            told = each["status"]["const"]
            assert (told in ("refused", "failed")) == (int(status) >= 300)
