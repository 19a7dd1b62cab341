"""Settings: what a deployment may choose, and what it may not."""

from __future__ import annotations

import pytest

from roomle_mail.errors import SettingsInvalid
from roomle_mail.settings import Settings

ENVIRONMENT = {
    "DELIVERY": "ses,sqs",
    "ANSWER_WITHIN": "8",
    "TOKEN_HEADER": "Token",
    "TOKEN_ALGORITHMS": "01",
    "TOKEN_MAX_AGE": "300",
    "TOKEN_IV": "fixed",
    "TOKEN_REUSE": "refuse",
    "REQUIRE_TOKEN": "true",
    "SECRET_ID": "secret",
    "SECRET_OVERLAP": "3600",
    "TABLE_NAME": "table",
    "QUEUE_URL": "https://queue.example/q",
    "DEAD_LETTER_QUEUE_URL": "https://queue.example/d",
    "CONFIGURATION_SET": "set",
    "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
    "MAX_EMAILS_PER_HOUR": "0",
    "EVENT_BUS": "",
    "PUBLISH_ADDRESSES": "false",
    "LOG_REFUSED_TOKENS": "false",
    "DESIGNS": "on",
    "LOCAL_STACK": "false",
}
OPTIONAL = {"DEAD_LETTER_QUEUE_URL", "EVENT_BUS", "PUBLISH_ADDRESSES"}


def test_the_environment_becomes_settings() -> None:
    settings = Settings.from_environment(ENVIRONMENT)

    assert settings.delivery == ("ses", "sqs")
    assert settings.token_header == "token"
    assert settings.token_algorithms == {"01"}
    assert settings.require_token is True
    assert settings.warnings == ()


@pytest.mark.parametrize("name", sorted(set(ENVIRONMENT) - OPTIONAL))
@pytest.mark.parametrize("value", [None, "", " ", "?"])
def test_a_missing_or_invalid_value_is_named(name: str, value: str | None) -> None:
    free_texts = {"SECRET_ID", "TABLE_NAME", "QUEUE_URL", "CONFIGURATION_SET"}
    if value == "?" and name in free_texts:
        value = ""
    changed = {key: text for key, text in (ENVIRONMENT | {name: value}).items() if text is not None}

    with pytest.raises(SettingsInvalid, match=name):
        Settings.from_environment(changed)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"TOKEN_ALGORITHMS": "03"}, "TOKEN_ALGORITHMS"),
        ({"TOKEN_ALGORITHMS": "01,03"}, "TOKEN_ALGORITHMS"),
        ({"TOKEN_ALGORITHMS": ","}, "TOKEN_ALGORITHMS"),
        ({"TOKEN_IV": "prefix", "TOKEN_REUSE": "allow"}, "TOKEN_REUSE"),
        ({"DELIVERY": "sqs,ses"}, "DELIVERY"),
        ({"ANSWER_WITHIN": "2"}, "ANSWER_WITHIN"),
        ({"TOKEN_MAX_AGE": "0"}, "TOKEN_MAX_AGE"),
        ({"TOKEN_MAX_AGE": "-5"}, "TOKEN_MAX_AGE"),
        ({"REQUIRE_TOKEN": "no"}, "REQUIRE_TOKEN"),
        ({"EVENT_BUS": "my bus"}, "EVENT_BUS"),
        ({"EVENT_BUS": "aws.partner/shop.example/1"}, "EVENT_BUS"),
        ({"EVENT_BUS": "arn:aws:sqs:eu-central-1:123456789012:queue"}, "EVENT_BUS"),
        ({"EVENT_BUS": "bus", "PUBLISH_ADDRESSES": ""}, "PUBLISH_ADDRESSES"),
    ],
)
def test_an_unsafe_choice_is_refused(changes: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsInvalid, match=name):
        Settings.from_environment(ENVIRONMENT | changes)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"REQUIRE_TOKEN": "false"}, "RequireToken"),
        ({"TOKEN_ALGORITHMS": "01,02"}, "TokenAlgorithms"),
        ({"TOKEN_REUSE": "allow"}, "TokenReuse"),
    ],
)
def test_a_choice_that_weakens_security_is_reported(changes: dict[str, str], warned: str) -> None:
    assert Settings.from_environment(ENVIRONMENT | changes).warnings == (warned,)


@pytest.mark.parametrize(
    "bus",
    [
        "default",
        "shop-events.v1",
        "arn:aws:events:eu-central-1:123456789012:event-bus/default",
        "arn:aws-cn:events:cn-north-1:123456789012:event-bus/shop_events",
    ],
)
def test_a_bus_is_given_by_its_name_or_arn(bus: str) -> None:
    settings = Settings.from_environment(
        ENVIRONMENT | {"EVENT_BUS": bus, "PUBLISH_ADDRESSES": "true"}
    )

    assert (settings.event_bus, settings.publish_addresses) == (bus, True)


def test_without_a_bus_nothing_is_published() -> None:
    without = {name: value for name, value in ENVIRONMENT.items() if name not in OPTIONAL}

    assert Settings.from_environment(without).event_bus == ""
    assert not Settings.from_environment(
        ENVIRONMENT | {"PUBLISH_ADDRESSES": "true"}
    ).publish_addresses


@pytest.mark.parametrize("stand_in", ["http://127.0.0.1:24567", ""])
def test_only_a_local_stack_can_ask_another_than_roomle(stand_in: str) -> None:
    for local_stack, found in {"true": stand_in or None, "false": None}.items():
        changes = {"ROOMLE_API": stand_in, "LOCAL_STACK": local_stack}
        assert Settings.from_environment(ENVIRONMENT | changes).roomle_api == found


@pytest.mark.parametrize(("designs", "found"), [("on", True), ("off", False)])
def test_designs_are_switched_by_a_parameter(designs: str, found: bool) -> None:
    assert Settings.from_environment(ENVIRONMENT | {"DESIGNS": designs}).designs is found
