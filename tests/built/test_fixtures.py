"""Every event of events/, handed to the built functions by AWS's own runtime client."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from roomle_mail_cli import sign
from tests.built.conftest import Services, Start
from tests.built.runtime_api import Function
from tools import fixtures

# Read from the disk, so that an unexpected file fails too.
RECEIVED, QUEUED = (
    sorted(path.stem for path in (fixtures.DIRECTORY / folder).glob("*.json"))
    for folder in ("receiver", "mailer")
)


def answer_of(response: dict[str, Any]) -> tuple[int, dict[str, str]]:
    assert response["headers"] == {"content-type": "application/json"}
    return response["statusCode"], json.loads(response["body"])


def answer_to(expected: dict[str, Any]) -> tuple[int, dict[str, str]]:
    code = expected["code"]
    word = code if expected["status"] == 200 else "refused"
    return expected["status"], {"status": word, "code": code}


def assert_discreet(output: str, event: dict[str, Any]) -> None:
    """Check that the output has no addresses, links or keys; a refused link's host may be there."""
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w+", output), output
    assert not re.search(r"://|\?id=|configuratorId=", output), output
    assert sign.EXAMPLE_SECRET not in output
    for name, value in event.get("headers", {}).items():
        if name.lower() == "token":
            assert value.partition("-")[2][:40] not in output, output


@pytest.mark.parametrize("name", RECEIVED)
def test_the_receiver_answers_a_stored_event_as_expected(
    name: str, receiver: Function, services: Services
) -> None:
    # GIVEN a fixture from its file, and its expected result
    event = fixtures.load(f"receiver/{name}")
    expected = fixtures.expectations()[f"receiver/{name}"]
    printed, emails, writes = receiver.output, services.emails(), services.writes()

    # WHEN it arrives
    answer = answer_of(receiver.invoke(event))

    # THEN the answer is the expected one, and an email arrived only if the event calls for one
    assert answer == answer_to(expected)
    new = services.emails()[len(emails) :]
    if expected["code"] == "sent":
        assert [email.recipients for email in new] == [[expected["recipient"]]]
        assert expected["subject"] in new[0].subject
    else:
        assert new == []
    # AND nothing is written if the token is refused
    if expected["code"] in {"unauthorized", "too-large"}:
        assert services.writes() == writes
    # AND the log reports it, without personal data
    output = receiver.output.removeprefix(printed)
    assert event["requestContext"]["requestId"] in output
    assert_discreet(output, event)

    # WHEN the same POST arrives again, THEN the answer is the same, and no email is sent
    assert answer_of(receiver.invoke(event)) == answer
    assert len(services.emails()) == len(emails) + len(new)


@pytest.fixture(scope="module")
def strict_receiver(start: Start) -> Function:
    """Start a receiver that accepts tokens of up to five minutes, like a real one."""
    return start("ReceiverFunction", TOKEN_MAX_AGE="300")


@pytest.mark.parametrize("name", RECEIVED)
def test_the_receiver_answers_a_freshly_signed_event_as_expected(
    name: str, strict_receiver: Function, services: Services
) -> None:
    expected = fixtures.expectations()[f"receiver/{name}"]
    emails = services.emails()
    event = fixtures.fresh(
        f"receiver/{name}",
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )

    answer = answer_of(strict_receiver.invoke(event))

    assert answer == answer_to(expected)
    assert len(services.emails()) - len(emails) == (expected["code"] == "sent")


def test_a_stored_token_is_too_old_for_a_real_receiver(strict_receiver: Function) -> None:
    stored = fixtures.load("receiver/share_configuration_ar")
    stored["body"] += " "  # a different POST from the known one

    assert answer_of(strict_receiver.invoke(stored))[0] == 401


def test_a_token_that_comes_again_with_another_body_is_a_replay(
    receiver: Function, services: Services
) -> None:
    # GIVEN an event that was already answered
    event = fixtures.load("receiver/share_configuration")
    receiver.invoke(event)
    emails = services.emails()

    # WHEN its token comes with another person's address
    event["body"] = event["body"].replace("share_configuration@", "eve@")

    assert answer_of(receiver.invoke(event)) == (
        401,
        {"status": "refused", "code": "unauthorized"},
    )
    assert services.emails() == emails


@pytest.mark.parametrize("name", QUEUED)
def test_the_mailer_sends_a_stored_batch_as_expected(
    name: str, mailer: Function, services: Services
) -> None:
    # GIVEN a batch from its file, and its expected result
    batch = fixtures.load(f"mailer/{name}")
    expected = fixtures.expectations()[f"mailer/{name}"]
    printed, dead_letters = mailer.output, services.dead_letters()

    # WHEN SQS hands it over
    answer = mailer.invoke(batch)

    # THEN each email was sent once, and what can never be sent is a dead letter
    assert answer == {"batchItemFailures": expected["batchItemFailures"]}
    emails = services.emails_to(expected["recipient"])
    assert len(emails) == len(expected["subjects"])
    for email, subject in zip(emails, expected["subjects"], strict=True):
        assert subject in email.subject
    assert services.dead_letters() - dead_letters == expected["dead_letters"]
    output = mailer.output.removeprefix(printed)
    assert output.count('"receives"') == len(batch["Records"])
    assert_discreet(output, batch)

    # WHEN SQS hands it over again, THEN nobody gets a second email
    assert mailer.invoke(batch) == answer
    assert services.emails_to(expected["recipient"]) == emails


def test_what_the_receiver_queues_is_what_the_mailer_sends(
    start: Start, mailer: Function, services: Services
) -> None:
    # GIVEN a receiver that delivers only to the queue
    receiver = start("ReceiverFunction", DELIVERY="sqs")
    event = fixtures.fresh(
        "receiver/export_3d_asset",
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )
    event["body"] = event["body"].replace("export_3d_asset@", "by_way_of_the_queue@")

    # WHEN it gets an event
    assert answer_of(receiver.invoke(event)) == (202, {"status": "queued", "code": "queued"})

    # THEN the mailer sends what is in the queue
    queue = services.client("sqs")
    answer = queue.receive_message(QueueUrl=services.queue_url, MaxNumberOfMessages=10)
    bodies = [message["Body"] for message in answer["Messages"]]
    batch = fixtures.sqs_event("queue", fixtures.Batch(bodies=bodies, subjects=[]))
    assert mailer.invoke(batch) == {"batchItemFailures": []}
    (email,) = services.emails_to("by_way_of_the_queue@customer.example")
    assert fixtures.SUBJECTS[fixtures.EXPORTED] in email.subject


def test_five_megabytes_are_too_large(receiver: Function, services: Services) -> None:
    event = fixtures.fresh(
        "receiver/too_large",
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )
    event["body"] = "x" * 5_000_000
    writes = services.writes()

    assert answer_of(receiver.invoke(event)) == (413, {"status": "refused", "code": "too-large"})
    assert services.writes() == writes
