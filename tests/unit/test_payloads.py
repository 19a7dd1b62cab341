"""The published models and the receiver's own checks agree on every payload."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from roomle_mail import events
from roomle_mail.errors import InvalidEvent
from tools.payloads import EmailPayload, Payload

LINK = "https://test.roomle.com/"
VALID: dict[str, Any] = {
    "email": "jane@customer.example",
    "success": True,
    "configurationId": "catalog:item:1",
    "itemId": "catalog:item",
    "configuratorId": "myConfigurator",
    "url": LINK,
    "resultUrl": LINK,
}
# A value that is right, or of another type or size; never one that only an event's rules refuse.
ANY: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        1.5,
        "x",
        "ü" * 4_096,
        "x" * 4_097,
        "\ud800",
        "a\udfffb",
        [],
        {},
        [LINK],
    ]
)
DATA: st.SearchStrategy[object] = st.fixed_dictionaries(
    {}, optional={field: st.just(value) | ANY for field, value in VALID.items()}
) | st.sampled_from([None, [], "text", 7])


def wrong_fields(model: type[Payload], payload: object) -> set[str]:
    """The fields that a model refuses."""
    try:
        model.model_validate(payload)
    except ValidationError as err:
        return {".".join(map(str, each["loc"])) for each in err.errors()}
    return set()


def refused_fields(payload: object) -> set[str]:
    """The fields that the receiver refuses."""
    try:
        events.validate(payload)
    except InvalidEvent as err:
        return set(err.fields)
    return set()


@given(name=st.sampled_from(events.EVENTS), data=DATA, more=st.dictionaries(st.text(), ANY))
@example(name=events.EXPORT, data=VALID | {"success": 1}, more={})
def test_both_refuse_the_same_fields(name: str, data: Any, more: dict[str, object]) -> None:
    payload = {"attempt": more, "event": name, "data": data}
    expected = wrong_fields(EmailPayload, payload)

    refused = refused_fields(payload)

    if expected:
        # What is more than a type, an address for one, the models leave to the receiver.
        assert expected <= refused <= expected | {"data.email"}
    else:
        assert refused <= {"data.email", "data.configurationId", "data.url", "data.resultUrl"}


@given(event=st.just("plan.saved") | ANY)
@example(event="x" * 100)
@example(event="x" * 101)
@example(event="")
def test_both_refuse_the_same_names(event: object) -> None:
    payload = {"event": event}

    assert refused_fields(payload) == wrong_fields(Payload, payload)


@pytest.mark.parametrize("payload", [None, [], "text", 7, True])
def test_both_refuse_what_is_no_object(payload: object) -> None:
    assert wrong_fields(Payload, payload)
    with pytest.raises(InvalidEvent):
        events.validate(payload)
