"""The rule for SES's events fits the events and limits that AWS documents."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from emails_build import brands, texts
from tests import emails_package, operations, ses_events
from tests.aws_documented import read

RULE = ses_events.rule()
(TARGET,) = RULE["Targets"]
PATHS: dict[str, str] = TARGET["InputTransformer"]["InputPathsMap"]
TEMPLATE: str = TARGET["InputTransformer"]["InputTemplate"]
VALUES: dict[str, str] = read("ses_events.json")["values"]
KEPT_OF_ALL = {"message", "service", "event_id", "message_id", "brand", "language", "template"}
# SES's page "MessageTag" (API v2), for names and values.
TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


# The pattern -----------------------------------------------------------------------------------


def matches(event: Any) -> bool:
    return EventPattern.load(json.dumps(RULE["EventPattern"])).matches_event(event)


@pytest.mark.parametrize("event", ses_events.SAMPLES.values(), ids=ses_events.SAMPLES)
def test_the_rule_matches_every_event_that_ses_documents(event: dict[str, Any]) -> None:
    assert matches(event)


@pytest.mark.parametrize("event", ses_events.SAMPLES.values(), ids=ses_events.SAMPLES)
def test_the_rule_takes_no_event_of_another_configuration_set(event: dict[str, Any]) -> None:
    mail = event["detail"]["mail"]
    tags = mail["tags"] | {"ses:configuration-set": ["another"]}

    assert not matches(event | {"detail": event["detail"] | {"mail": mail | {"tags": tags}}})


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "brand.example"},
        {"detail-type": "Email Opened"},
        {"detail-type": "Sending Status Disabled"},
        {"detail": {}},
    ],
)
def test_the_rule_matches_nothing_else(changes: dict[str, Any]) -> None:
    assert not matches(ses_events.EVENTS["Email Delivered"] | changes)


# How an event is logged ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ses_events.SAMPLES)
def test_a_line_has_what_its_event_has_and_the_rest_stays_empty(name: str) -> None:
    line = ses_events.logged(ses_events.SAMPLES[name])

    assert {n: v for n, v in line.items() if n not in KEPT_OF_ALL and v} == (
        ses_events.RECORDS[name]["kept"]
    )
    assert {n: line[n] for n in KEPT_OF_ALL} == {
        "message": ses_events.RECORDS[name]["detail-type"],
        "service": "ses",
        "event_id": "0f" * 16,
        "message_id": "0107018d-message-id-000000",
        "brand": "default",
        "language": "en",
        "template": "saved",
    }


@pytest.mark.parametrize("name", ses_events.SAMPLES)
def test_an_event_without_our_tags_leaves_their_fields_empty(name: str) -> None:
    line = ses_events.logged(ses_events.record(name, {}))

    assert {line[each] for each in ("event_id", "brand", "language", "template")} == {""}
    assert line["message_id"]


@pytest.mark.parametrize("event", ses_events.SAMPLES.values(), ids=ses_events.SAMPLES)
def test_no_event_of_ses_brings_an_address_or_a_subject_into_the_log(event: dict[str, Any]) -> None:
    text = json.dumps(ses_events.logged(event))

    assert "@" not in text
    assert "customer" not in text
    assert "brand.example" not in text
    assert "Your design" not in text


@given(
    st.fixed_dictionaries(
        {
            name: st.from_regex(re.compile(VALUES[path], re.ASCII), fullmatch=True)
            # The fields of the envelope are never missing.
            | (st.nothing() if path in {"$.time", "$.detail-type"} else st.none())
            for name, path in PATHS.items()
        }
    )
)
def test_a_line_is_json_for_all_values_that_are_documented(values: dict[str, str | None]) -> None:
    line = ses_events.line(TEMPLATE, values)

    assert sorted(line.values()) == sorted(
        ["ses", *(value or "" for name, value in values.items() if name != "time")]
    )


def test_every_path_is_one_that_ses_documents() -> None:
    assert set(PATHS.values()) == set(VALUES)


def test_a_value_that_would_break_a_line_is_noticed() -> None:
    event = ses_events.event("Email Rejected")
    event["detail"]["reject"] = {"reason": 'a "quoted" word'}

    with pytest.raises(json.JSONDecodeError):
        ses_events.logged(event)


# Limits ----------------------------------------------------------------------------------------


def test_paths_and_template_are_within_eventbridges_limits() -> None:
    # EventBridge's page "InputTransformer".
    assert len(PATHS) <= 100
    assert all(re.fullmatch(r"(?!(?i:aws))[A-Za-z0-9_-]{1,256}", name) for name in PATHS)
    assert all(len(path) <= 256 for path in PATHS.values())
    assert 1 <= len(TEMPLATE) <= 8192


@pytest.mark.parametrize("path", PATHS.values())
def test_a_path_has_a_syntax_that_eventbridge_accepts(path: str) -> None:
    # EventBridge's page "Input transformation": dots, letters, digits, dashes, underscores and
    # array indices; no brackets around names.
    assert re.fullmatch(r"\$(\.[A-Za-z0-9_-]+(\[[0-9]+\])?)+", path)


def test_the_template_uses_each_variable_and_no_other() -> None:
    assert set(re.findall(r"<([^>]*)>", TEMPLATE)) == set(PATHS)


def test_a_variable_outside_of_quotes_is_in_every_event() -> None:
    # A missing variable becomes empty, which would not be valid JSON there.
    outside = re.findall(r"<(\w+)>", re.sub(r'"(?:\\.|[^"\\])*"', "", TEMPLATE))

    assert [PATHS[name] for name in outside] == ["$.time"]
    assert all("time" in event for event in ses_events.SAMPLES.values())


def test_no_variable_is_a_key() -> None:
    filled = json.loads(re.sub(r'(?<!["\\])<\w+>(?![\\"])', "0", TEMPLATE))

    assert set(filled) == {"timestamp", "message"}
    assert not [key for key in json.loads(filled["message"]) if "<" in key]


def test_rule_and_target_are_within_eventbridges_limits() -> None:
    # EventBridge's pages "Quotas", "PutRule" and "Target".
    assert len(json.dumps(RULE["EventPattern"])) <= 2048
    assert len(RULE["Description"]) <= 512
    assert len(RULE["Targets"]) <= 5
    assert re.fullmatch(r"[.\-_A-Za-z0-9]{1,64}", TARGET["Id"])


def test_ses_publishes_every_kind_that_the_rule_asks_for() -> None:
    # SES's page "EventDestination" has the types' names in a configuration set.
    asked = operations.stack().properties("SesEvents")["EventDestination"]["MatchingEventTypes"]
    published = {record["eventType"] for record in ses_events.RECORDS.values()}

    assert {each.lower() for each in asked} == {e.replace(" ", "").lower() for e in published}


# Tags ------------------------------------------------------------------------------------------


@given(st.from_regex(brands._ID, fullmatch=True))
def test_every_possible_brand_id_is_a_tag_that_ses_accepts(brand: str) -> None:
    assert TAG.fullmatch(brand)


# A language is a file name, so it has at most 250 characters without the suffix.
@given(st.from_regex(texts.TAG, fullmatch=True).filter(lambda tag: len(tag) <= 250))
def test_every_possible_language_is_a_tag_that_ses_accepts(language: str) -> None:
    assert TAG.fullmatch(language)


def test_every_template_is_a_tag_that_ses_accepts() -> None:
    built = emails_package.build() / "roomle_mail_emails" / "templates"
    names = {path.stem for path in built.iterdir()}

    assert names
    assert all(TAG.fullmatch(name) for name in names)
