"""The receiver: what it answers, and what it has done by then."""

from __future__ import annotations

import base64
import copy
import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from roomle_mail.idempotency import IdempotencyStore
from tests.aws.conftest import API_KEY, SECRET, saved
from tests.powertools import LambdaContext

if TYPE_CHECKING:
    from tests.aws.conftest import World

URL = "https://aws.example"
THROTTLED = (429, "TooManyRequestsException", "Too many requests")
REFUSED = (400, "MessageRejected", "Email address is not verified.")
QUOTA = (400, "LimitExceededException", "Daily message quota exceeded.")
BROKEN = (500, "InternalFailure", "")
EXPIRED = (403, "ExpiredTokenException", "The security token included in the request is expired")
STALE = (403, "InvalidSignatureException", "Signature expired: 20260301T120000Z is now earlier")

EXPORT = {
    "event": "email.3DExportAsset",
    "resultUrl": "https://uploads.roomle.com/exports/example.glb",
}


# --- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event", ["email.savedConfiguration", "email.shareConfiguration", "email.shareConfigurationAR"]
)
@pytest.mark.parametrize("success", [True, None, ...])
@pytest.mark.parametrize(
    "content", [{"configurationId": "ps_abc"}, {"configurationId": None, "itemId": "catalog:item"}]
)
def test_an_event_becomes_one_email_with_its_link(
    world: World, event: str, success: object, content: dict[str, Any]
) -> None:
    payload = saved(event=event, success=success, more={"unknown": 1}, **content)
    if success is ...:
        del payload["data"]["success"]

    assert world.post(payload) == (200, "sent")

    (email,) = world.emails()
    body = email["Content"]["Simple"]["Body"]
    assert email["Destination"] == {"ToAddresses": ["anna.customer@customer.example"]}
    assert email["FromEmailAddress"].endswith("<hello@brand.example>")
    assert email["ConfigurationSetName"] == "set"
    assert "https://test.roomle.com/t/cp/?id=catalog:item:2564B3D4" in body["Text"]["Data"]
    assert "https://test.roomle.com/t/cp/?id=catalog:item:2564B3D4" in body["Html"]["Data"]


def test_an_export_links_to_its_asset(world: World) -> None:
    assert world.post(saved(**EXPORT)) == (200, "sent")

    (email,) = world.emails()
    assert EXPORT["resultUrl"] in email["Content"]["Simple"]["Body"]["Text"]["Data"]


def test_a_failed_export_has_an_email_of_its_own(world: World) -> None:
    assert world.post(saved(event=EXPORT["event"], success=False)) == (200, "sent")
    assert len(world.emails()) == 1


def test_the_email_carries_the_events_id_for_ses(world: World) -> None:
    world.post()

    (email,) = world.emails()
    line = world.logs()[-1]
    tags = {tag["Name"]: tag["Value"] for tag in email["EmailTags"]}
    assert tags["event"] == line["event_id"]
    assert all(re.fullmatch(r"[\w.@-]{1,256}", value, re.ASCII) for value in tags.values())


def test_a_body_in_base64_is_read(world: World) -> None:
    event = world.request()
    event["body"] = base64.b64encode(event["body"].encode()).decode()
    event["isBase64Encoded"] = True

    assert world.receive(event) == (200, "sent")


@pytest.mark.parametrize("name", ["Token", "TOKEN", "tOkEn"])
def test_the_header_is_found_in_any_letter_case(world: World, name: str) -> None:
    event = world.request()
    event["headers"][name] = event["headers"].pop("token")

    assert world.receive(event) == (200, "sent")


def test_the_parameter_sets_the_name_of_the_header(world: World) -> None:
    world.set(TOKEN_HEADER="X-Brand-Token")

    assert world.post(header="x-brand-token") == (200, "sent")
    assert world.post() == (401, "unauthorized")


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("payload", [{"event": "plan.saved"}, {"event": "x", "data": [1]}])
def test_an_event_that_calls_for_no_email_is_ignored(world: World, payload: dict[str, Any]) -> None:
    assert world.post(payload) == (200, "ignored")
    assert world.emails() == []


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        ("", (400, "malformed")),
        ("not json", (400, "malformed")),
        ("\ud800", (400, "malformed")),
        ("[" * 10_000, (400, "malformed")),
        ("[]", (422, "invalid-event")),
        (saved(email="a@customer.example, b@customer.example"), (422, "invalid-event")),
        (saved(url=None), (422, "invalid-event")),
        (saved(url="https://evil.example/"), (422, "link-not-allowed")),
        (saved(url="https://uploads.roomle.com.evil.example/"), (422, "link-not-allowed")),
        (saved(**EXPORT | {"resultUrl": "https://evil.example/a.glb"}), (422, "link-not-allowed")),
        (saved(event="email.somethingNew"), (501, "no-template")),
        (saved(success=False), (501, "no-template")),
        (saved(padding="x" * 64 * 1024), (413, "too-large")),
    ],
)
def test_an_event_that_we_do_not_mail_is_left_to_roomle(
    world: World, payload: object, answer: tuple[int, str]
) -> None:
    assert world.post(payload) == answer
    assert world.emails() == []
    assert world.queued() == []


@pytest.mark.parametrize(
    "form",
    [
        {"secret": "another-secret-0"},
        {"api_key": "anotherKey"},
        {"algorithm": "02"},
        {"iv": "prefix"},
        {"now": time.time() - 3_600},
        {"now": time.time() + 3_600},
    ],
    ids=["secret", "api key", "algorithm", "vector", "past", "future"],
)
def test_a_token_that_does_not_verify_gets_one_uniform_answer_and_writes_nothing(
    world: World, form: dict[str, Any]
) -> None:
    event = world.request(**form)
    answer = world.app("receiver").handler(event, LambdaContext())

    assert answer["statusCode"] == 401
    assert answer["body"] == '{"status": "refused", "code": "unauthorized"}'
    assert world.emails() == []
    assert world.items() == []


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "text",
        {"headers": None},
        {"headers": []},
        {"headers": {"token": 7}},
        {"headers": {"token": ""}},
        {"headers": {"token": "a" * 10_000}},
        {"headers": {"token": "01-AAAA"}, "body": 7, "requestContext": 7},
        {"headers": {}, "requestContext": {"timeEpoch": "soon"}},
    ],
    ids=str,
)
def test_a_request_of_any_shape_without_a_usable_token_is_refused(
    world: World, event: object
) -> None:
    assert world.receive(event) == (401, "unauthorized")
    assert world.items() == []


def test_two_spellings_of_the_header_are_ambiguous(world: World) -> None:
    event = world.request()
    event["headers"]["Token"] = event["headers"]["token"]

    assert world.receive(event) == (401, "unauthorized")


def test_two_headers_that_were_joined_are_refused(world: World) -> None:
    event = world.request()
    event["headers"]["token"] = f"{event['headers']['token']},{event['headers']['token']}"

    assert world.receive(event) == (401, "unauthorized")


# --- the token's settings ---------------------------------------------------------------------


def test_ecb_counts_where_it_is_allowed_and_a_warning_says_so(world: World) -> None:
    world.set(TOKEN_ALGORITHMS="01,02")

    assert world.post(algorithm="02") == (200, "sent")
    warned = [line["parameter"] for line in world.logs() if line["level"] == "WARNING"]
    assert warned == ["TokenAlgorithms"]


def test_a_token_with_the_other_vector_is_named_only_in_the_log(world: World) -> None:
    assert world.post(iv="prefix") == (401, "unauthorized")

    (line,) = world.logs()
    assert line["hint"] == "TokenIv"


def test_a_token_in_another_header_is_named_only_in_the_log(world: World) -> None:
    event = world.request()
    event["headers"]["x-roomle-token"] = event["headers"].pop("token")

    assert world.receive(event) == (401, "unauthorized")
    (line,) = world.logs()
    assert (line["reason"], line["hint"]) == ("TokenMissing", "TokenHeader")
    assert "x-roomle" not in json.dumps(line)


@pytest.mark.parametrize("value", ["", "01-", "a text", "2026-01-01", "01-2345", 1, None])
def test_other_headers_are_no_hint(world: World, value: object) -> None:
    event = world.request()
    event["headers"] = {"x-other": value}

    assert world.receive(event) == (401, "unauthorized")
    (line,) = world.logs()
    assert "hint" not in line


def test_the_prefix_setting_takes_prefixed_tokens_only_and_remembers_them_permanently(
    world: World,
) -> None:
    world.set(TOKEN_IV="prefix")

    assert world.post(iv="prefix") == (200, "sent")
    assert world.post(iv="zero") == (401, "unauthorized")
    (item,) = world.items("token#")
    assert "expires" not in item


def test_without_require_token_an_unsigned_event_is_sent_and_a_warning_says_so(
    world: World,
) -> None:
    world.set(REQUIRE_TOKEN="false")
    event = world.request()
    del event["headers"]["token"]

    assert world.receive(event) == (200, "sent")
    assert world.receive(event) == (200, "sent")
    assert len(world.emails()) == 1
    warned = [line["parameter"] for line in world.logs() if line["level"] == "WARNING"]
    assert warned == ["RequireToken"]


def test_without_require_token_the_same_body_is_a_new_event_after_a_minute(world: World) -> None:
    world.set(REQUIRE_TOKEN="false")
    world.receive(world.request())
    table = world.app("receiver").clients.dynamodb
    (item,) = world.items("token#")
    table.update_item(
        TableName="table",
        Key={"key": {"S": item["key"]}},
        UpdateExpression="SET expires = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )
    event = world.request()
    event["requestContext"]["requestId"] = "another-request"

    assert world.receive(event) == (200, "sent")
    assert len(world.emails()) == 2


@pytest.mark.parametrize("allowed", [False, True])
def test_a_brand_that_lists_its_keys_is_mailed_for_under_those_only(
    world: World, allowed: bool
) -> None:
    receiver = world.app("receiver")
    brand = receiver.catalog.brand(None)
    listed = frozenset({API_KEY if allowed else "another"})
    receiver.catalog.brand = lambda _: _with(brand, api_keys=listed)

    expected = (200, "sent") if allowed else (422, "brand-not-allowed")
    assert world.post() == expected


def _with(brand: Any, **changes: Any) -> Any:
    return copy.replace(brand, **changes)


# --- repeats and replays ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (saved(), (200, "sent")),
        ({"event": "other"}, (200, "ignored")),
        ("not json", (400, "malformed")),
        (saved(url="https://evil.example/"), (422, "link-not-allowed")),
        (saved(success=False), (501, "no-template")),
    ],
)
def test_the_same_post_again_gets_the_same_answer(
    world: World, payload: object, answer: tuple[int, str]
) -> None:
    event = world.request(payload)

    assert [world.receive(event) for _ in range(3)] == [answer] * 3
    assert len(world.emails()) == (1 if answer[1] == "sent" else 0)


def test_a_failure_is_final(world: World) -> None:
    """Roomle has sent its email by then, so a second try that succeeds would send a second one."""
    world.door.answer("sesv2.SendEmail", REFUSED)
    event = world.request()

    assert world.receive(event) == (502, "email-refused")
    assert world.receive(event) == (502, "email-refused")
    assert world.emails() == []


def test_a_known_post_keeps_its_answer_when_its_token_has_expired(world: World) -> None:
    world.set(TOKEN_MAX_AGE="1")
    event = world.request()
    assert world.receive(event) == (200, "sent")
    time.sleep(1.2)

    assert world.receive(event) == (200, "sent")
    event["body"] += " "
    assert world.receive(event) == (401, "unauthorized")
    assert len(world.emails()) == 1


def respelled(event: dict[str, Any]) -> str:
    return str(event["headers"]["token"][3:].rstrip("=").replace("+", "-").replace("/", "_"))


def spliced(event: dict[str, Any]) -> str:
    data = base64.b64decode(event["headers"]["token"][3:])
    inserted = data[:48] + data[16:48] + data[32:]
    return f"01-{base64.b64encode(inserted).decode()}"


@pytest.mark.parametrize("change", [respelled, spliced, lambda event: event["headers"]["token"]])
def test_a_token_seen_with_another_body_is_a_replay(world: World, change: Any) -> None:
    event = world.request(session="a-session-of-some-length-and-more")
    assert world.receive(event) == (200, "sent")

    again = {**event, "body": json.dumps(saved(email="victim@customer.example"))}
    again["headers"] = {"token": change(event)}
    assert world.receive(again) == (401, "unauthorized")

    assert len(world.emails()) == 1
    line = world.logs()[-1]
    assert line["reason"] == "TokenReplayed"
    assert line["hint"] == "TokenReuse"


@pytest.mark.parametrize("change", [respelled, spliced])
def test_a_token_in_another_form_with_the_same_body_is_a_repeat(world: World, change: Any) -> None:
    event = world.request(session="a-session-of-some-length-and-more")
    assert world.receive(event) == (200, "sent")

    event["headers"] = {"token": change(event)}

    assert world.receive(event) == (200, "sent")
    assert len(world.emails()) == 1


def test_where_roomle_reuses_tokens_another_body_is_another_event(world: World) -> None:
    world.set(TOKEN_REUSE="allow")
    event = world.request()
    another = {**event, "body": json.dumps(saved(email="bob@customer.example"))}

    for _ in range(2):
        assert world.receive(event) == (200, "sent")
        assert world.receive(another) == (200, "sent")

    assert len(world.emails()) == 2


def test_a_repeat_waits_for_the_first_request_and_gives_up_in_time(world: World) -> None:
    world.set(ANSWER_WITHIN="3")
    event = world.request()
    receiver = world.app("receiver")
    world.door.raise_("sesv2.SendEmail", SystemExit())  # the first one dies while working
    with pytest.raises(SystemExit):
        receiver.handler(event, LambdaContext())

    event["requestContext"]["timeEpoch"] = int(time.time() * 1000)
    world.door.requests.clear()
    assert world.receive(event) == (503, "unavailable")

    # It looked several times, and then stopped.
    assert world.door.requests.count("dynamodb.GetItem") > 1
    assert world.emails() == []


def test_a_repeat_of_a_post_that_died_long_ago_does_not_wait(world: World) -> None:
    event = world.request()
    world.door.raise_("sesv2.SendEmail", SystemExit())
    with pytest.raises(SystemExit):
        world.app("receiver").handler(event, LambdaContext())
    (item,) = world.items("token#")
    world.app("receiver").clients.dynamodb.update_item(
        TableName="table",
        Key={"key": {"S": item["key"]}},
        UpdateExpression="SET claimed = :past",
        ExpressionAttributeValues={":past": {"N": str(time.time() - 60)}},
    )

    world.door.requests.clear()
    assert world.receive(event) == (503, "unavailable")
    assert "dynamodb.GetItem" not in world.door.requests


# --- delivery ---------------------------------------------------------------------------------

LOST = ReadTimeoutError(endpoint_url=URL)
CUT = ConnectionClosedError(endpoint_url=URL)
NO_CONNECTION = EndpointConnectionError(endpoint_url=URL)
NO_ANSWER_TO_CONNECT = ConnectTimeoutError(endpoint_url=URL)


@pytest.mark.parametrize(
    ("fault", "alone", "with_queue"),
    [
        (THROTTLED, (503, "unavailable"), (202, "queued")),
        (EXPIRED, (503, "unavailable"), (202, "queued")),
        (STALE, (503, "unavailable"), (202, "queued")),
        (NO_CONNECTION, (503, "unavailable"), (202, "queued")),
        (NO_ANSWER_TO_CONNECT, (503, "unavailable"), (202, "queued")),
        (REFUSED, (502, "email-refused"), (502, "email-refused")),
        (QUOTA, (503, "unavailable"), (503, "unavailable")),
        (BROKEN, (503, "unavailable"), (503, "unavailable")),
        (LOST, (503, "unavailable"), (503, "unavailable")),
        (CUT, (503, "unavailable"), (503, "unavailable")),
    ],
    ids=["throttled", "expired", "stale signature", "refused connection", "connect time-out",
         "refused", "quota", "5xx", "lost", "cut"],
)  # fmt: skip
@pytest.mark.parametrize("delivery", ["ses", "ses,sqs"])
def test_ses_is_called_once_and_only_a_certain_temporary_failure_goes_to_the_queue(
    world: World, fault: Any, alone: tuple[int, str], with_queue: tuple[int, str], delivery: str
) -> None:
    world.set(DELIVERY=delivery)
    put = world.door.raise_ if isinstance(fault, Exception) else world.door.answer
    put("sesv2.SendEmail", fault)

    expected = alone if delivery == "ses" else with_queue
    assert world.post() == expected

    assert world.door.requests.count("sesv2.SendEmail") == 1
    assert world.emails() == []
    assert len(world.queued()) == (1 if expected[0] == 202 else 0)


def test_delivery_by_queue_only_does_not_call_ses(world: World) -> None:
    world.set(DELIVERY="sqs")

    assert world.post() == (202, "queued")

    assert "sesv2.SendEmail" not in world.door.requests
    (message,) = world.queued()
    body = json.loads(message["body"])
    assert body["event"] == saved()
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert body["correlation"] == "request-id-of-a-test"


@pytest.mark.parametrize("fault", [NO_CONNECTION, THROTTLED, (403, "AccessDenied", "")])
def test_what_the_queue_certainly_did_not_take_is_left_to_roomle(world: World, fault: Any) -> None:
    world.set(DELIVERY="sqs")
    put = world.door.raise_ if isinstance(fault, Exception) else world.door.answer
    put("sqs.SendMessage", fault, fault, fault)

    assert world.post() == (503, "unavailable")
    assert world.queued() == []


@pytest.mark.parametrize("last", [LOST, NO_CONNECTION, THROTTLED, (403, "AccessDenied", "")])
def test_what_the_queue_may_have_taken_is_withdrawn(world: World, last: Any) -> None:
    """botocore retries, and reports only how the last try ended."""
    world.set(DELIVERY="sqs")
    world.door.raise_("sqs.SendMessage", LOST)
    put = world.door.raise_ if isinstance(last, Exception) else world.door.answer
    put("sqs.SendMessage", last)
    event = world.request()

    assert world.receive(event) == (503, "unavailable")

    (item,) = world.items("event#")
    assert item["state"] == "withdrawn"
    assert world.receive(event) == (503, "unavailable")


def test_an_event_that_the_mailer_has_is_in_custody(world: World) -> None:
    world.set(DELIVERY="sqs")
    event = world.request()
    world.app("receiver")

    def taken_by_the_mailer() -> None:
        (claim,) = world.items("token#")
        store = IdempotencyStore(world.table())
        assert store.take(claim["event"], now=time.time()) == "taken"
        raise LOST

    world.door.faults["sqs.SendMessage"] = [taken_by_the_mailer, lambda: _raise(LOST)]

    assert world.receive(event) == (202, "queued")
    assert world.receive(event) == (202, "queued")


def _raise(error: Exception) -> None:
    raise error


# --- once in custody --------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", ["ses", "sqs"])
@pytest.mark.parametrize("fault", [LOST, ZeroDivisionError()], ids=["lost", "unforeseen"])
def test_once_in_custody_nothing_that_fails_afterwards_changes_the_answer(
    world: World, delivery: str, fault: Exception
) -> None:
    world.set(DELIVERY=delivery, MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0")
    world.app("receiver")
    world.door.raise_("dynamodb.UpdateItem", *[fault] * 3)

    assert world.post() == ((200, "sent") if delivery == "ses" else (202, "queued"))
    assert any(line.get("failed") == "remember" for line in world.logs())


def test_if_the_table_blocks_after_custody_the_answer_is_still_200_in_time(world: World) -> None:
    world.set(ANSWER_WITHIN="3", MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0")
    world.app("receiver")
    world.door.hang("dynamodb.UpdateItem")

    assert world.post() == (200, "sent")
    assert world.door.waited_out == []


# --- what is unavailable ----------------------------------------------------------------------


NEEDED = ["secrets-manager.GetSecretValue", "dynamodb.PutItem", "dynamodb.UpdateItem"]


@pytest.mark.parametrize("operation", NEEDED)
@pytest.mark.parametrize("fault", [LOST, NO_CONNECTION, BROKEN, (400, "AccessDeniedException", "")])
def test_if_a_required_service_is_unavailable_the_answer_is_503_without_an_email(
    world: World, operation: str, fault: Any
) -> None:
    world.app("receiver")
    put = world.door.raise_ if isinstance(fault, Exception) else world.door.answer
    put(operation, *[fault] * 6)

    assert world.post() == (503, "unavailable")
    assert world.emails() == []


@pytest.mark.parametrize(
    "operation",
    [
        "secrets-manager.GetSecretValue",
        "dynamodb.PutItem",
        "dynamodb.UpdateItem",
        "sesv2.SendEmail",
    ],
)
def test_a_call_that_blocks_is_interrupted_in_time(world: World, operation: str) -> None:
    world.set(ANSWER_WITHIN="3", DELIVERY="ses")
    world.app("receiver")
    world.door.hang(operation)

    assert world.post() == (503, "unavailable")
    assert world.door.waited_out == []
    assert world.emails() == []


def test_no_send_starts_that_could_not_end_in_time(world: World) -> None:
    world.set(ANSWER_WITHIN="3")
    event = world.request()
    event["requestContext"]["timeEpoch"] = int((time.time() - 2) * 1000)  # a slow cold start

    assert world.receive(event) == (503, "unavailable")
    assert "sesv2.SendEmail" not in world.door.requests
    assert "sqs.SendMessage" not in world.door.requests


def test_a_stored_event_is_not_late(world: World) -> None:
    event = world.request()
    event["requestContext"]["timeEpoch"] = 1_583_348_638_390

    assert world.receive(event) == (200, "sent")


def test_an_unexpected_error_is_500_and_logged_with_its_place_but_without_its_message(
    world: World,
) -> None:
    receiver = world.app("receiver")
    receiver.catalog.compose = lambda event, *_, **__: {}[event.recipient]

    assert world.post() == (500, "internal")

    line = world.logs()[-1]
    assert line["reason"] == "Unforeseen"
    assert line["error"] == "KeyError"
    assert any("test_receiver.py" in each for each in line["trace"])
    assert "anna.customer" not in json.dumps(line)


# --- limits -----------------------------------------------------------------------------------


def test_over_the_limit_of_one_recipient_an_event_is_suppressed(world: World) -> None:
    world.set(MAX_EMAILS_PER_RECIPIENT_PER_HOUR="2")
    spellings = ["anna@customer.example", "ANNA@customer.example", "anna+x@customer.example"]

    answers = [world.post(saved(email=spelling)) for spelling in spellings]

    assert answers == [(200, "sent"), (200, "sent"), (200, "suppressed")]
    assert world.post(saved(email="bob@customer.example")) == (200, "sent")
    assert len(world.emails()) == 3


def test_a_place_is_given_back_unless_custody_was_reached(world: World) -> None:
    world.set(MAX_EMAILS_PER_RECIPIENT_PER_HOUR="1", MAX_EMAILS_PER_HOUR="1", DELIVERY="ses")
    world.app("receiver")
    world.door.answer("sesv2.SendEmail", THROTTLED, BROKEN, REFUSED)
    world.door.raise_("sesv2.SendEmail", LOST)

    statuses = [world.post()[0] for _ in range(6)]

    assert statuses == [503, 503, 502, 503, 200, 200]
    assert len(world.emails()) == 1


def test_over_the_cap_of_the_stack_roomle_mails(world: World) -> None:
    world.set(MAX_EMAILS_PER_HOUR="2")

    answers = [world.post(saved(email=f"p{n}@customer.example")) for n in range(3)]

    assert answers == [(200, "sent"), (200, "sent"), (503, "unavailable")]


def test_an_event_over_the_cap_uses_none_of_its_recipients_places(world: World) -> None:
    world.set(MAX_EMAILS_PER_HOUR="1", MAX_EMAILS_PER_RECIPIENT_PER_HOUR="2")
    world.post()

    for _ in range(3):
        assert world.post() == (503, "unavailable")
    (item,) = world.items("limit#")
    assert len(item["places"]) == 1


@pytest.mark.parametrize("name", ["MAX_EMAILS_PER_RECIPIENT_PER_HOUR", "MAX_EMAILS_PER_HOUR"])
def test_a_limit_of_zero_is_off(world: World, name: str) -> None:
    world.set(**{name: "0"})
    # One more than a recipient gets by default.
    assert {world.post() for _ in range(21 if "RECIPIENT" in name else 3)} == {(200, "sent")}
    assert world.items("limit#" if "RECIPIENT" in name else "cap#") == []


def test_counters_hold_no_address_and_expire_by_themselves(world: World) -> None:
    world.set(MAX_EMAILS_PER_HOUR="5")
    world.post()

    counters = world.items("limit#") + world.items("cap#")
    assert len(counters) == 2
    for item in counters:
        assert time.time() < item["expires"] <= time.time() + 2 * 3_600
    for spelling in ("anna", "customer.example"):
        assert spelling not in str(world.items())


# --- secrets ----------------------------------------------------------------------------------


def test_the_old_and_the_new_secret_count_while_aws_is_ahead_of_roomle(world: World) -> None:
    assert world.post() == (200, "sent")
    world.app("receiver").clients.secrets.put_secret_value(
        SecretId="secret", SecretString=json.dumps({API_KEY: "another-secret-0"})
    )

    assert world.post() == (200, "sent")
    assert world.post(secret="another-secret-0") == (200, "sent")
    assert world.post() == (200, "sent")


@pytest.mark.parametrize("value", ["not json", "{}", json.dumps({API_KEY: "short"})])
def test_an_unusable_secret_is_503_with_a_line_that_says_what_to_fix(
    world: World, value: str
) -> None:
    world.app("receiver").clients.secrets.put_secret_value(SecretId="secret", SecretString=value)

    assert world.post() == (503, "unavailable")
    (line,) = world.logs()
    assert line["reason"] == "SecretUnusable"
    assert line["problem"]


def nothing() -> None:
    """No fault."""


def test_a_previous_secret_that_is_unreachable_does_not_disable_the_current_one(
    world: World,
) -> None:
    world.app("receiver").clients.secrets.put_secret_value(
        SecretId="secret", SecretString=json.dumps({API_KEY: "another-secret-0"})
    )
    world.door.faults["secrets-manager.GetSecretValue"] = [nothing]
    world.door.answer("secrets-manager.GetSecretValue", (400, "AccessDeniedException", ""))

    assert world.post(secret="another-secret-0") == (200, "sent")
    assert [line["problem"] for line in world.logs() if "problem" in line] == [
        "AWSPREVIOUS: Secrets Manager: AccessDeniedException"
    ]


def test_a_previous_secret_that_blocks_does_not_exceed_the_deadline(world: World) -> None:
    world.set(ANSWER_WITHIN="3")
    world.app("receiver").clients.secrets.put_secret_value(
        SecretId="secret", SecretString=json.dumps({API_KEY: "another-secret-0"})
    )
    world.door.faults["secrets-manager.GetSecretValue"] = [nothing]
    world.door.hang("secrets-manager.GetSecretValue")

    assert world.post(secret="another-secret-0") == (503, "unavailable")
    assert world.door.waited_out == []
    assert world.emails() == []


def test_no_line_holds_an_address_a_token_a_secret_or_a_links_query(world: World) -> None:
    event = world.request()
    world.receive(event)
    world.receive(event)
    world.post(saved(email="not an address"))
    world.post(saved(url="https://evil.example/?id=catalog"))
    world.post(secret="another-secret-0")
    world.door.raise_("sesv2.SendEmail", LOST)
    world.post()

    text = world.output()
    assert text.count("\n") >= 6
    for forbidden in (
        "anna.customer", "not an address", event["headers"]["token"][3:20], SECRET, "catalog:item",
        "://", API_KEY,
    ):  # fmt: skip
        assert forbidden not in text


def test_a_log_that_cannot_be_written_does_not_cost_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, event = world.app("receiver"), world.request()
    monkeypatch.setattr("sys.stdout", Broken())

    answer = receiver.handler(event, LambdaContext())

    assert answer["statusCode"] == 200
    assert len(world.emails()) == 1


class Broken:
    def write(self, _: str) -> int:
        raise OSError
