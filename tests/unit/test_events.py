"""Events: what is read from a body, and which links and addresses get through."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import events
from roomle_mail.delivery import Queued
from roomle_mail.errors import (
    BodyMalformed,
    InvalidEvent,
    LinkNotAllowed,
    NoTemplate,
    RoomleMailError,
)

HOSTS = ("test.roomle.com", "*.brand.example")

# The example on Roomle's page "Webhook".
EXAMPLE: dict[str, Any] = {
    "event": "email.savedConfiguration",
    "data": {
        "success": True,
        "email": "targetEmail@gmail.com",
        "configurationId": "catalogId:itemId:2564B3D4E19A9C4605DAF5236F0ADFE8",
        "url": "https://test.roomle.com/t/cp/?id=catalogId:itemId:2564&configuratorId=vizmotor",
        "configuratorId": "myConfigurator",
    },
}


def body(event: str = "email.savedConfiguration", /, **changes: Any) -> bytes:
    """The example with fields changed, or removed if the value is ..."""
    data = {key: value for key, value in (EXAMPLE["data"] | changes).items() if value is not ...}
    return json.dumps({"event": event, "data": data}).encode()


def test_roomles_example_is_read() -> None:
    event = events.validate(events.read(json.dumps(EXAMPLE).encode()))

    assert event is not None
    assert event.name == "email.savedConfiguration"
    assert event.recipient == "targetEmail@gmail.com"
    assert event.success is True
    assert event.configuration_id == EXAMPLE["data"]["configurationId"]
    assert event.item_id is None
    assert event.configurator_id == "myConfigurator"
    assert event.url == EXAMPLE["data"]["url"]
    assert event.payload == EXAMPLE


@pytest.mark.parametrize("name", events.EVENTS)
@pytest.mark.parametrize("success", [..., None, True, False])
@pytest.mark.parametrize(
    "content",
    [{}, {"configurationId": "ps_abc"}, {"configurationId": ..., "itemId": "catalog:item"}],
)
def test_every_event_is_read_with_each_success_and_content(
    name: str, success: object, content: dict[str, Any]
) -> None:
    given = body(name, success=success, resultUrl="https://uploads.roomle.com/a.glb", **content)

    event = events.validate(events.read(given))

    assert event is not None
    assert event.success == (None if success is ... else success)


def test_unknown_fields_are_kept() -> None:
    payload = {**EXAMPLE, "attempt": 2, "data": {**EXAMPLE["data"], "extra": {"deep": [1.5, None]}}}

    event = events.validate(events.read(json.dumps(payload).encode()))

    assert event is not None
    assert event.payload == payload


@pytest.mark.parametrize("name", ["plan.saved", "mail.saved", "order.email.saved", "-"])
def test_an_event_that_calls_for_no_email_is_none_with_any_data(name: str) -> None:
    assert events.validate(events.read(json.dumps({"event": name}).encode())) is None
    assert events.validate(events.read(json.dumps({"event": name, "data": 7}).encode())) is None


@pytest.mark.parametrize(
    "name", ["email.new", "email.", "email", "EMAIL.savedConfiguration", " email.x", "emails.x"]
)
def test_an_unknown_event_that_may_call_for_an_email_is_left_to_roomle(name: str) -> None:
    with pytest.raises(NoTemplate):
        events.validate(events.read(body(name)))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b'{"event": "\xc3\x28"}',
        b"\xef\xbb\xbf{}",
        b"{",
        b"{'event': 1}",
        b'{"event": NaN}',
        b'{"event": "a", "n": Infinity}',
        b'{"event": "a", "n": -Infinity}',
        b'{"event": "a", "n": 1e999}',
        b'{"event": "a", "event": "email.savedConfiguration"}',
        b'{"event": "a", "data": {"email": "a@b.example", "email": "c@d.example"}}',
        b'{"event": "a", "n": ' + b"9" * 5_000 + b"}",
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"event": "a"} trailing',
    ],
)
def test_what_is_not_one_clear_json_text_is_malformed(raw: bytes) -> None:
    with pytest.raises(BodyMalformed):
        events.validate(events.read(raw))


@pytest.mark.parametrize(
    "payload",
    [
        None, 7, "text", [], [EXAMPLE], {}, {"event": None}, {"event": 7}, {"event": ""},
        {"event": ["email.savedConfiguration"]}, {"event": "x" * 101},
        {"event": "email.savedConfiguration"},
        {"event": "email.savedConfiguration", "data": None},
        {"event": "email.savedConfiguration", "data": []},
        {"event": "email.savedConfiguration", "data": "text"},
    ],
)  # fmt: skip
def test_json_of_another_shape_is_an_invalid_event(payload: object) -> None:
    with pytest.raises(InvalidEvent):
        events.validate(events.read(json.dumps(payload).encode()))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": ...}, "data.email"),
        ({"email": None}, "data.email"),
        ({"email": 7}, "data.email"),
        ({"configurationId": ...}, "data.configurationId"),
        ({"configurationId": ""}, "data.configurationId"),
        ({"configurationId": 7}, "data.configurationId"),
        ({"url": ...}, "data.url"),
        ({"url": ""}, "data.url"),
        ({"url": ["https://test.roomle.com/"]}, "data.url"),
        ({"url": "https://test.roomle.com/" + "x" * 5_000}, "data.url"),
        ({"success": "yes"}, "data.success"),
        ({"success": 1}, "data.success"),
        ({"configuratorId": {}}, "data.configuratorId"),
    ],
)
def test_a_missing_or_wrong_field_is_named_without_its_value(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidEvent) as caught:
        events.validate(events.read(body(**changes)))

    assert caught.value.fields == (field,)


def test_an_export_that_did_not_fail_needs_the_link_to_its_asset() -> None:
    with pytest.raises(InvalidEvent) as caught:
        events.validate(events.read(body(events.EXPORT)))

    assert caught.value.fields == ("data.resultUrl",)


def test_a_failed_export_needs_no_link() -> None:
    assert events.validate(events.read(body(events.EXPORT, success=False, url=...))) is not None


@pytest.mark.parametrize(
    "address",
    [
        "a@brand.example",
        "first.last+tag@sub.brand.example",
        "o'neil@brand.example",
        "x" * 64 + "@brand.example",
        "a@xn--mller-kva.example",
        "1@1.example",
    ],
)
def test_a_plain_address_is_accepted(address: str) -> None:
    event = events.validate(events.read(body(email=address)))

    assert event is not None
    assert event.recipient == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@brand.example",
        "a@",
        "a@brand",
        "a@@brand.example",
        "a@b@brand.example",
        "a b@brand.example",
        " a@brand.example",
        "a@brand.example ",
        "a@brand.example\n",
        "a@brand.example\r\nBcc: b@evil.example",
        "a\n@brand.example",
        "a@brand.example,b@evil.example",
        "a@brand.example;b@evil.example",
        "A <a@brand.example>",
        "<a@brand.example>",
        '"a"@brand.example',
        "a(comment)@brand.example",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        ".a@brand.example",
        "a.@brand.example",
        "a..b@brand.example",
        "a@-brand.example",
        "a@brand-.example",
        "a@brand..example",
        "a@.brand.example",
        "a@brand.example.",
        "x" * 65 + "@brand.example",
        "x@" + "a." * 130 + "example",
        "a" * 10_000 + "@brand.example",
        "ä@brand.example",
        "a@bränd.example",
        "a@brand.example\x00",
        "a\u202e@brand.example",
        "a%0a@brand.example\t",
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        events.validate(events.read(body(email=address)))

    assert caught.value.fields == ("data.email",)


@pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")])
def test_accepted_json_of_any_depth_can_be_queued_and_read_again(
    opening: str, closing: str
) -> None:
    """Otherwise a 202 could be followed by a dead letter that can never be sent."""
    for depth in (10, 1_000, 4_900, *range(9_900, 10_010, 2)):
        nested = opening * depth + "0" + closing * depth
        raw = body(unknown=0).replace(b'"unknown": 0', b'"unknown": ' + nested.encode())
        try:
            event = events.validate(events.read(raw))
        except BodyMalformed:
            assert depth >= 9_900
            continue
        assert event is not None
        queued = Queued("id", event.payload, "recipient", 0.0, "correlation")
        assert Queued.load(queued.dump()).event == event.payload


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_for_arbitrary_bytes_only_our_own_errors_escape(raw: bytes) -> None:
    try:
        events.validate(events.read(raw))
    except RoomleMailError as err:
        assert err.status in (400, 422, 501)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=10,
)


@given(name=st.sampled_from(events.EVENTS) | st.text(max_size=30), data=JSON, changes=JSON)
def test_for_arbitrary_json_only_our_own_errors_escape(
    name: str, data: object, changes: object
) -> None:
    if isinstance(changes, dict):
        data = EXAMPLE["data"] | changes
    try:
        events.validate({"event": name, "data": data})
    except RoomleMailError as err:
        assert err.status in (422, 501)


@pytest.mark.parametrize(
    ("link", "rebuilt"),
    [
        ("https://test.roomle.com/t/cp/?id=a:b:C&x=1", "https://test.roomle.com/t/cp/?id=a:b:C&x=1"),
        ("https://test.roomle.com", "https://test.roomle.com/"),
        ("https://test.roomle.com:443/a", "https://test.roomle.com/a"),
        ("https://test.roomle.com:/a", "https://test.roomle.com/a"),
        ("https://TEST.Roomle.com/A", "https://test.roomle.com/A"),
        ("HTTPS://test.roomle.com/", "https://test.roomle.com/"),
        ("https://shop.brand.example/p#id=1", "https://shop.brand.example/p#id=1"),
        ("https://a.b.brand.example/", "https://a.b.brand.example/"),
        ("https://test.roomle.com/a%20b?c=%C3%A4", "https://test.roomle.com/a%20b?c=%C3%A4"),
        ('https://test.roomle.com/"><script>', "https://test.roomle.com/%22%3E%3Cscript%3E"),
        ("https://test.roomle.com/{{7*7}}'", "https://test.roomle.com/%7B%7B7*7%7D%7D%27"),
        ("https://test.roomle.com/#a#b", "https://test.roomle.com/#a%23b"),
        ("https://test.roomle.com//evil.example/", "https://test.roomle.com//evil.example/"),
    ],
)  # fmt: skip
def test_a_link_to_an_allowed_host_is_rebuilt(link: str, rebuilt: str) -> None:
    assert events.rebuild_link(link, HOSTS) == rebuilt


@pytest.mark.parametrize(
    "link",
    [
        "",
        "test.roomle.com",
        "//test.roomle.com/",
        "/t/cp",
        "http://test.roomle.com/",
        "ftp://test.roomle.com/",
        "javascript:alert(1)",
        "javascript://test.roomle.com/%0aalert(1)",
        "data:text/html,<script>",
        "https:test.roomle.com",
        "https:/test.roomle.com",
        "https:///test.roomle.com",
        "https://",
        "https:///",
        "https://roomle.com/",
        "https://brand.example/",
        "https://evil.example/",
        "https://evil.example/?test.roomle.com",
        "https://evil.example/#test.roomle.com",
        "https://evil.example/test.roomle.com",
        "https://test.roomle.com.evil.example/",
        "https://eviltest.roomle.com/",
        "https://evilbrand.example/",
        "https://.brand.example/",
        "https://a..brand.example/",
        "https://*.brand.example/",
        "https://test.roomle.com./",
        "https://test.roomle.com:8443/",
        "https://test.roomle.com:80/",
        "https://test.roomle.com:x/",
        "https://test.roomle.com:99999/",
        "https://user@test.roomle.com/",
        "https://user:word@test.roomle.com/",
        "https://@test.roomle.com/",
        "https://test.roomle.com@evil.example/",
        "https://evil.example\\@test.roomle.com/",
        "https://test.roomle.com\\.evil.example/",
        "https:\\\\test.roomle.com/",
        "https://test.roomle.com/\\evil",
        " https://test.roomle.com/",
        "https://test.roomle.com/ ",
        "https://test.roomle.com/a b",
        "https://test.roomle.com/\n",
        "https://test.roo\nmle.com/",
        "https://test.roomle.com/\x00",
        "https://test.roomle.com/\x7f",
        "https://test.roomlé.com/",
        "https://tеst.roomle.com/",  # noqa: RUF001 (a Cyrillic letter, that is the point)
        "https://test。roomle。com/",
        "https://test.roomle.com/ä",
        "https://test.roomle.com/\u202e",
        "https://xn--tst-qdd.roomle.com/",
        "https://[::1]/",
        "https://[test.roomle.com]/",
        "https://[",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://%74est.roomle.com/",
        "https://test%2eroomle.com/",
        "https://test.roomle.com%00.evil.example/",
        "https://test.roomle.com,evil.example/",
        "https://test.roomle.com;evil.example/",
        "https://" + "a" * 5_000 + ".brand.example/",
        "https://test.roomle.com/?" + "[" * 2_000,  # too long once it is quoted
    ],
)
def test_any_other_link_is_refused(link: str) -> None:
    with pytest.raises(LinkNotAllowed):
        events.rebuild_link(link, HOSTS)


@given(
    st.text(max_size=80)
    | st.text(max_size=40).map(lambda text: f"https://test.roomle.com/{text}")
    | st.text(max_size=40).map(lambda text: f"https://{text}brand.example/")
)
def test_every_accepted_link_is_plain_https_to_an_allowed_host(link: str) -> None:
    try:
        rebuilt = events.rebuild_link(link, HOSTS)
    except LinkNotAllowed:
        return

    parts = urlsplit(rebuilt)
    assert parts.scheme == "https"
    assert parts.netloc == "test.roomle.com" or parts.netloc.endswith(".brand.example")
    assert not set(rebuilt) & set("\"'<>\\` {}|^\n\r\t")
    assert rebuilt.isascii()
    assert events.rebuild_link(rebuilt, HOSTS) == rebuilt


@pytest.mark.parametrize(
    ("link", "language"),
    [
        ("", None),
        ("https://x.example/?id=1", None),
        ("https://x.example/?lang=de", "de"),
        ("https://x.example/?a=1&Language=de-AT", "de-at"),
        ("https://x.example/?locale=EN_us#lang=fr", "en_us"),
        ("https://x.example/?lang=", None),
        ("https://[", None),
        ("https://x.example/?" + "a=1&" * 200 + "lang=de", None),
    ],
)
def test_the_language_comes_from_the_links_query(link: str, language: str | None) -> None:
    assert events.link_language(link) == language


@pytest.mark.parametrize(
    "address",
    ["anna@brand.example", "ANNA@Brand.Example", "anna+chair@brand.example", "anna.@brand.example",
     "anna+a+b@brand.example.", "Anna.+x@brand.example"],
)  # fmt: skip
def test_spellings_of_one_mailbox_count_as_one(address: str) -> None:
    assert events.normalize_address(address) == "anna@brand.example"
