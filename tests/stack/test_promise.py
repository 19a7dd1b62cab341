"""The one promise, on the deployed stack: exactly one email, the brand's or Roomle's."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from roomle_mail_cli import sign
from tests.stack import troubles
from tools.stack.local import (
    MAILER,
    RECEIVER,
    Behaviour,
    Changing,
    LocalStack,
    answering,
    dripping,
    forwarding_to,
    hanging_up,
    silent_for,
)
from tools.stack.webhook import Answer

THROTTLING = answering(429, "TooManyRequestsException")
BREAKING = answering(500, "InternalFailure")
# As short as the parameter allows, so that blocked calls end soon.
SOON = 3


def payload(email: str, **changes: Any) -> dict[str, Any]:
    event = changes.pop("event", "email.savedConfiguration")
    data = {
        "email": email,
        "configurationId": "catalog:item:2564B3D4",
        "url": "https://test.roomle.com/t/cp/?id=catalog:item:2564B3D4",
    }
    return {"event": event, "data": data | changes}


def keys(stack: LocalStack) -> set[str]:
    """The keys of the table's items, once no mailer is at work that would add some."""
    assert stack.wait_until(lambda: not stack.queued())
    return {item["key"]["S"] for item in stack.items()}


def told(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.code


def test_the_same_post_many_times_at_once_is_one_email_and_one_answer(
    stack: LocalStack, recipient: str
) -> None:
    body, token = payload(recipient), stack.token()
    with stack.patience(RECEIVER):
        answers = at_once(3, lambda: stack.post(body, token=token))

    assert {told(answer) for answer in answers} == {(200, "sent")}
    assert len(stack.emails_to(recipient, at_least=1)) == 1


def at_once[T](times: int, post: Callable[[], T]) -> list[T]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: post(), range(times)))


def respelled(token: str) -> str:
    return token[3:].rstrip("=").replace("+", "-").replace("/", "_")


def spliced(token: str) -> str:
    data = base64.b64decode(token[3:])
    return f"01-{base64.b64encode(data[:48] + data[16:48] + data[32:]).decode()}"


@pytest.mark.parametrize("change", [str, respelled, spliced])
def test_a_token_mails_nobody_else(stack: LocalStack, recipient: str, change: Any) -> None:
    token = stack.token(session="a-session-of-some-length-and-more")
    assert told(stack.post(payload(recipient), token=token)) == (200, "sent")

    answer = stack.post(payload(f"other.{recipient}"), token=change(token))

    assert told(answer) == (401, "unauthorized")
    assert stack.emails_to(f"other.{recipient}") == []
    assert told(stack.post(payload(recipient), token=change(token))) == (200, "sent")
    assert len(stack.emails_to(recipient)) == 1


def test_five_megabytes_are_too_large_and_leave_nothing(stack: LocalStack, recipient: str) -> None:
    before = keys(stack)

    answer = stack.post(payload(recipient, padding="x" * 5_000_000))

    assert told(answer) == (413, "too-large")
    assert keys(stack) <= before


@pytest.mark.parametrize("form", [{"secret": "another-secret-0"}, {"algorithm": "02"}])
def test_a_forgery_writes_nothing(stack: LocalStack, recipient: str, form: Any) -> None:
    before = keys(stack)

    answer = stack.post(payload(recipient), token=stack.token(**form))

    assert told(answer) == (401, "unauthorized")
    assert answer.body == b'{"status": "refused", "code": "unauthorized"}'
    assert keys(stack) <= before


# --- through the queue ------------------------------------------------------------------------


def test_through_the_queue_the_email_comes_a_little_later(
    stack: LocalStack, recipient: str
) -> None:
    with stack.environment(RECEIVER, DELIVERY="sqs"):
        body, token = payload(recipient), stack.token()

        assert [told(stack.post(body, token=token)) for _ in range(2)] == [(202, "queued")] * 2

    assert len(stack.emails_to(recipient, at_least=1)) == 1
    assert stack.wait_until(lambda: not stack.queued())
    assert len(stack.emails_to(recipient)) == 1


def test_an_email_that_ses_throttles_goes_through_the_queue(
    stack: LocalStack, recipient: str
) -> None:
    with stack.endpoint(RECEIVER, "SESV2", THROTTLING) as calls:
        assert told(stack.post(payload(recipient))) == (202, "queued")
        assert len(calls) == 1

    assert len(stack.emails_to(recipient, at_least=1)) == 1


def test_what_the_mailer_can_never_send_is_a_dead_letter_at_once_and_redriving_sends_it_once(
    stack: LocalStack, recipient: str
) -> None:
    with (
        stack.endpoint(MAILER, "SESV2", answering(400, "MessageRejected")),
        stack.environment(RECEIVER, DELIVERY="sqs"),
    ):
        assert told(stack.post(payload(recipient))) == (202, "queued")
        assert stack.wait_until(lambda: any(recipient in m.body for m in stack.dead_letters()))
        assert stack.emails_to(recipient) == []

    redrive(stack)

    assert len(stack.emails_to(recipient, at_least=1)) == 1
    assert stack.wait_until(lambda: not stack.queued())
    assert stack.dead_letters() == []
    assert len(stack.emails_to(recipient)) == 1


def redrive(stack: LocalStack) -> None:
    """Do what SQS's message move task does, because the emulator lacks it."""
    sqs = stack.client("sqs")
    source = stack.deployed.outputs["DeadLetterQueueUrl"]
    found = sqs.receive_message(QueueUrl=source, MaxNumberOfMessages=10).get("Messages", [])
    assert found
    for message in found:
        sqs.send_message(QueueUrl=stack.deployed.outputs["QueueUrl"], MessageBody=message["Body"])
        sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])


def test_one_poisoned_message_does_not_keep_the_others(stack: LocalStack, recipient: str) -> None:
    sqs, url = stack.client("sqs"), stack.deployed.outputs["QueueUrl"]
    poison = f"not json, for {recipient}"
    entries = [{"Id": "poison", "MessageBody": poison}]
    for place in range(3):
        message = {
            "id": f"{place:032x}", "event": payload(f"p{place}.{recipient}"), "recipient": "hash",
            "received": time.time(), "correlation": "test",
        }  # fmt: skip
        entries.append({"Id": str(place), "MessageBody": json.dumps(message)})
    sqs.send_message_batch(QueueUrl=url, Entries=entries)

    for place in range(3):
        assert len(stack.emails_to(f"p{place}.{recipient}", at_least=1)) == 1
    assert stack.wait_until(lambda: any(m.body == poison for m in stack.dead_letters()))
    sqs.purge_queue(QueueUrl=stack.deployed.outputs["DeadLetterQueueUrl"])


def test_a_temporary_failure_waits_in_the_queue(stack: LocalStack, recipient: str) -> None:
    began = time.time()
    with stack.endpoint(MAILER, "SESV2", THROTTLING) as calls:
        with stack.environment(RECEIVER, DELIVERY="sqs"):
            assert told(stack.post(payload(recipient))) == (202, "queued")
        assert stack.wait_until(lambda: len(calls) >= 1)
        assert stack.wait_until(
            lambda: any(began + 29 <= m.visible_at <= time.time() + 31 for m in stack.queued())
        )

    # On a busy machine the second try may come before the fault is gone; the third is a minute
    # later.
    assert len(stack.emails_to(recipient, at_least=1, within=240)) == 1


# --- when SES fails ---------------------------------------------------------------------------


FAILING: dict[str, tuple[Behaviour, bool, tuple[int, str]]] = {
    "refuses": (answering(400, "MessageRejected"), False, (502, "email-refused")),
    "quota": (answering(400, "LimitExceededException"), False, (503, "unavailable")),
    "breaks": (BREAKING, False, (503, "unavailable")),
    "hangs up": (hanging_up, False, (503, "unavailable")),
    "is silent": (silent_for(8), True, (503, "unavailable")),
    "drips": (dripping(8), True, (503, "unavailable")),
}


def test_when_ses_fails_roomle_gets_an_answer_in_time_and_ses_is_called_once(
    stack: LocalStack, recipient: str, subtests: pytest.Subtests
) -> None:
    ses = Changing(hanging_up)
    with stack.endpoint(RECEIVER, "SESV2", ses, ANSWER_WITHIN=str(SOON)) as calls:
        assert stack.warm_up()
        for name, (behaviour, slow, answer) in FAILING.items():
            ended: list[str] = []
            ses.behaviour = noted(behaviour, ended)
            address = f"{name.replace(' ', '-')}.{recipient}"
            with subtests.test(name):
                calls.clear()
                body, token = payload(address), stack.token()
                first = stack.post(body, token=token)
                waited_out = slow and bool(ended)
                again = stack.post(body, token=token)

                assert told(first) == told(again) == answer
                assert not waited_out
                assert len(calls) == 1
                assert stack.emails_to(address) == []
                assert stack.queued() == []


def noted(behaviour: Behaviour, ended: list[str]) -> Behaviour:
    """The behaviour, and a note when it has ended."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        behaviour(handler)
        ended.append("SES")

    return behave


def test_only_a_lost_answer_of_ses_leads_to_two_emails(stack: LocalStack, recipient: str) -> None:
    losing = forwarding_to(stack.emulator, then=hanging_up)
    with stack.endpoint(RECEIVER, "SESV2", losing) as calls:
        answer = stack.post(payload(recipient))

    assert told(answer) == (503, "unavailable")
    assert len(calls) == 1
    assert len(stack.emails_to(recipient, at_least=1)) == 1


def test_an_event_that_the_queue_may_have_taken_is_not_mailed_if_roomle_mails(
    stack: LocalStack, recipient: str
) -> None:
    losing = forwarding_to(stack.emulator, then=hanging_up)
    with (
        troubles.trigger_off(stack),
        stack.endpoint(RECEIVER, "SQS", losing, DELIVERY="sqs") as calls,
    ):
        body, token = payload(recipient), stack.token()
        assert told(stack.post(body, token=token)) == (503, "unavailable")
        assert told(stack.post(body, token=token)) == (503, "unavailable")
        assert len(stack.queued()) == len(calls)

    assert stack.wait_until(lambda: not stack.queued())
    assert stack.emails_to(recipient) == []


@pytest.mark.parametrize("service", ["DYNAMODB", "SECRETS_MANAGER"])
def test_without_table_or_secret_roomle_mails(
    stack: LocalStack, recipient: str, service: str, subtests: pytest.Subtests
) -> None:
    aws = Changing(BREAKING)
    with stack.endpoint(RECEIVER, service, aws):
        for name in ("breaks", "hangs up", "drips"):
            address = f"{name.replace(' ', '-')}.{recipient}"
            with subtests.test(name):
                aws.behaviour = FAILING[name][0]

                answer = stack.post(payload(address))

                assert told(answer) == (503, "unavailable")
                assert stack.emails_to(address) == []


# --- the secret -------------------------------------------------------------------------------

NEW_SECRET = "example-secret-1"


def test_a_rotation_fails_no_request_when_aws_is_changed_first(
    stack: LocalStack, recipient: str
) -> None:
    api_key = stack.deployed.api_key
    stack.restart(RECEIVER)  # it looks for a new secret once a minute, at most
    assert stack.warm_up()

    with stack.secret({api_key: NEW_SECRET}):
        answers = [
            stack.post(payload(recipient), token=stack.token(secret=secret))
            for secret in (stack.deployed.secret, NEW_SECRET, stack.deployed.secret, NEW_SECRET)
        ]
        assert [told(answer) for answer in answers] == [(200, "sent")] * 4

        with stack.environment(RECEIVER, SECRET_OVERLAP="0"):
            assert told(stack.post(payload(recipient))) == (401, "unauthorized")
            new = stack.post(payload(recipient), token=stack.token(secret=NEW_SECRET))
            assert told(new) == (200, "sent")


@pytest.mark.parametrize("value", ["not json", "{}", '{"aValidApiKey": "too short"}'])
def test_an_unusable_secret_accepts_nothing_and_the_log_says_what_to_fix(
    stack: LocalStack, recipient: str, value: str
) -> None:
    with stack.secret(value), stack.environment(RECEIVER, SECRET_OVERLAP="1"):
        assert told(stack.post(payload(recipient))) == (503, "unavailable")

    assert stack.wait_until(lambda: any('"problem"' in line for line in stack.log(RECEIVER)))
    assert stack.emails_to(recipient) == []


def test_the_published_secret_counts_on_a_local_stack_only(
    stack: LocalStack, recipient: str
) -> None:
    assert stack.deployed.secret == sign.EXAMPLE_SECRET
    with stack.environment(RECEIVER, LOCAL_STACK="false"):
        assert told(stack.post(payload(recipient))) == (503, "unavailable")


# --- other parameters -------------------------------------------------------------------------


def test_prefixed_tokens_count_where_the_parameter_says_so(
    stack: LocalStack, recipient: str
) -> None:
    with stack.environment(RECEIVER, TOKEN_IV="prefix"):
        assert told(stack.post(payload(recipient), token=stack.token(iv="prefix"))) == (200, "sent")
        assert told(stack.post(payload(recipient))) == (401, "unauthorized")
    assert told(stack.post(payload(recipient), token=stack.token(iv="prefix"))) == (
        401, "unauthorized",
    )  # fmt: skip


def test_over_the_recipients_limit_an_event_is_suppressed_and_over_the_cap_left_to_roomle(
    stack: LocalStack, recipient: str
) -> None:
    with stack.environment(RECEIVER, MAX_EMAILS_PER_RECIPIENT_PER_HOUR="1"):
        assert told(stack.post(payload(recipient))) == (200, "sent")
        assert told(stack.post(payload(recipient))) == (200, "suppressed")
    with stack.environment(RECEIVER, MAX_EMAILS_PER_HOUR="1"):
        answers = {told(stack.post(payload(f"{n}.{recipient}"))) for n in range(3)}
    assert (503, "unavailable") in answers


def test_many_at_once_never_exceed_the_limit(stack: LocalStack, recipient: str) -> None:
    with stack.patience(RECEIVER, MAX_EMAILS_PER_RECIPIENT_PER_HOUR="2"):
        answers = at_once(4, lambda: stack.post(payload(recipient)))

    assert sorted(told(answer) for answer in answers) == [
        *[(200, "sent")] * 2,
        *[(200, "suppressed")] * 2,
    ]
    assert len(stack.emails_to(recipient)) == 2


# --- the log ----------------------------------------------------------------------------------


def test_no_log_line_holds_an_address_a_token_a_secret_or_a_links_query(
    stack: LocalStack, recipient: str
) -> None:
    token = stack.token()
    stack.post(payload(recipient), token=token)
    stack.post(payload(f"other.{recipient}"), token=token)
    with stack.environment(RECEIVER, DELIVERY="sqs"):
        stack.post(payload(f"queued.{recipient}"))
    assert stack.emails_to(f"queued.{recipient}", at_least=1)

    text = "\n".join(stack.log(RECEIVER) + stack.log(MAILER))
    assert '"event_id"' in text
    for forbidden in (
        recipient, token[3:30], stack.deployed.secret, stack.deployed.api_key, "2564B3D4",
    ):  # fmt: skip
        assert forbidden not in text
