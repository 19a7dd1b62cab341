"""The secret is rotated under load, or is missing or wrong in every way."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults import figures, world
from tests.faults.lambdas import RECEIVER, Functions, Mortal
from tests.faults.ledger import Answer
from tests.faults.world import API_KEY, SECRET, Aws

NEW_SECRET = "example-secret-1"
ENOUGH = 50  # requests before, during and after the rotation
PATIENCE = 60
SECRET_IS_OLD = 301  # seconds for which a function may use what it read before


class Rotating:
    """A separate secret, and a receiver that uses it."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._client, self.name = aws.client("secretsmanager"), name
        self._client.create_secret(Name=name, SecretString=json.dumps({API_KEY: SECRET}))

    def set(self, value: str) -> None:
        self._client.put_secret_value(SecretId=self.name, SecretString=value)

    def delete(self) -> None:
        self._client.delete_secret(SecretId=self.name, ForceDeleteWithoutRecovery=True)


def post(receiver: Mortal, secret: str) -> Answer:
    payload = world.payload(world.new_recipient())
    return world.post(receiver, world.request(payload, clock=receiver.clock, secret=secret))


@pytest.fixture
def rotating(aws: Aws) -> Rotating:
    return Rotating(aws, world.new_recipient())


@contextlib.contextmanager
def going_by(rotating: Rotating, functions: Functions, aws: Aws) -> Iterator[Mortal]:
    # A secret's age comes from Secrets Manager's clock, which other tests have moved.
    with functions.started(
        RECEIVER, clock=aws.clock, DELIVERY="ses", SECRET_ID=rotating.name
    ) as receiver:
        yield receiver


@pytest.fixture
def receiver(functions: Functions, rotating: Rotating, aws: Aws) -> Iterator[Mortal]:
    with going_by(rotating, functions, aws) as receiver:
        yield receiver


def test_a_rotation_under_load_fails_no_request(
    functions: Functions, rotating: Rotating, receiver: Mortal, aws: Aws
) -> None:
    roomles_secret = [SECRET]
    answers: list[tuple[str, Answer]] = []
    ends = threading.Event()

    def load(one: Mortal) -> None:
        while not ends.is_set():
            secret = roomles_secret[0]
            answers.append((secret, post(one, secret)))

    def go_on() -> None:
        """Wait for some requests."""
        enough, end = len(answers) + ENOUGH, time.monotonic() + PATIENCE
        while len(answers) < enough and time.monotonic() < end:
            time.sleep(0.01)

    with going_by(rotating, functions, aws) as other:
        workers = [threading.Thread(target=load, args=(each,)) for each in (receiver, other)]
        for worker in workers:
            worker.start()
        go_on()
        rotating.set(json.dumps({API_KEY: NEW_SECRET}))  # AWS first,
        go_on()
        roomles_secret[0] = NEW_SECRET  # then Roomle
        go_on()
        ends.set()
        for worker in workers:
            worker.join()

    seen = Counter((secret, answer.status) for secret, answer in answers)
    assert {status for _, status in seen} == {200}
    assert seen[SECRET, 200] >= 2 * ENOUGH
    assert seen[NEW_SECRET, 200] >= ENOUGH - 2  # two were in progress when Roomle changed
    figures.report(
        f"rotation under load: {seen[SECRET, 200]} requests with the old secret and "
        f"{seen[NEW_SECRET, 200]} with the new one, none failed"
    )

    # Both count during the overlap, and the old one is invalid after it.
    assert post(receiver, SECRET).status == 200
    receiver.clock.move(3_601)
    assert post(receiver, SECRET).status == 401
    assert post(receiver, NEW_SECRET).status == 200


def test_a_flood_of_forgeries_delays_a_new_secret_by_at_most_a_minute(
    rotating: Rotating, receiver: Mortal
) -> None:
    assert post(receiver, SECRET).status == 200
    assert post(receiver, "another-secret-0").status == 401  # makes the secret be read again
    rotating.set(json.dumps({API_KEY: NEW_SECRET}))

    asked = len(receiver.line.calls)
    for _ in range(20):
        assert post(receiver, "another-secret-0").status == 401
    assert len(receiver.line.calls) == asked
    receiver.clock.move(61)

    assert post(receiver, NEW_SECRET).status == 200
    assert post(receiver, SECRET).status == 200


def test_a_wrong_secret_accepts_nothing_and_the_log_says_what_to_fix(
    rotating: Rotating, receiver: Mortal
) -> None:
    assert post(receiver, SECRET).status == 200
    values = (
        " ", "text", "[]", "{}", "null", '"text"', SECRET, json.dumps({API_KEY: ""}),
        json.dumps({API_KEY: "too short"}), json.dumps({API_KEY: None}), json.dumps({"": SECRET}),
        json.dumps({API_KEY: SECRET, "other": 7}), json.dumps({API_KEY: "a-Secr3t_Str1ng!"}),
    )  # fmt: skip
    for value in values:
        rotating.set(value)
        refused(receiver)
    rotating.delete()
    refused(receiver)


def refused(receiver: Mortal) -> None:
    receiver.clock.move(SECRET_IS_OLD)
    receiver.new_log()
    answer = post(receiver, SECRET)
    assert (answer.status, answer.code) == (503, "unavailable")
    (line,) = receiver.new_log()
    assert line["reason"] == "SecretUnusable"
    assert line["problem"]


def test_another_key_in_the_secret_accepts_nobody(rotating: Rotating, receiver: Mortal) -> None:
    rotating.set(json.dumps({"anotherKey": SECRET, API_KEY: NEW_SECRET}))
    receiver.clock.move(SECRET_IS_OLD + 3_600)

    assert post(receiver, SECRET).status == 401
    assert post(receiver, NEW_SECRET).status == 200


def test_a_flood_of_requests_reads_an_unusable_secret_once_and_a_fixed_one_soon_counts(
    rotating: Rotating, receiver: Mortal
) -> None:
    rotating.set("text")
    assert post(receiver, SECRET).status == 503
    asked = asked_for_secrets(receiver)
    for _ in range(20):
        assert post(receiver, SECRET).status == 503
    assert asked_for_secrets(receiver) == asked
    rotating.set(json.dumps({API_KEY: NEW_SECRET}))
    receiver.clock.move(11)

    assert post(receiver, NEW_SECRET).status == 200


def asked_for_secrets(receiver: Mortal) -> int:
    return [call.operation for call in receiver.line.calls].count("GetSecretValue")


def test_a_secret_that_began_without_a_value_raises_no_alarm(
    aws: Aws, functions: Functions
) -> None:
    name = world.new_recipient()
    client = aws.client("secretsmanager")
    client.create_secret(Name=name, SecretString=" ")
    client.put_secret_value(SecretId=name, SecretString=json.dumps({API_KEY: SECRET}))

    with functions.started(RECEIVER, DELIVERY="ses", SECRET_ID=name) as receiver:
        receiver.new_log()
        assert post(receiver, SECRET).status == 200
        lines = receiver.new_log()

    assert {line["message"] for line in lines} == {"received", "sent"}
