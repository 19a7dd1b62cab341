"""`LogRefusedTokens`: a refused token is in the log for the holder of the secret alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from roomle_mail.tokens import SEALED, Credential
from roomle_mail_cli import reading
from tests.aws.conftest import API_KEY, SECRET, World, saved

OWN, OTHER = Credential(API_KEY, SECRET.encode()), Credential(API_KEY, b"another-secret-0")

type Event = dict[str, Any]


def used_before(world: World) -> Event:
    event: Event = world.request()
    world.receive(event)
    return event | {"body": json.dumps(saved(configurationId="catalog:item:other"))}


REFUSED: dict[str, Callable[[World], Event]] = {
    "TokenUnverified": lambda world: world.request(secret="another-secret-0"),
    "TokenMalformed": lambda world: world.request() | {"headers": {"token": "01-no token"}},
    "TokenAlgorithmNotAllowed": lambda world: world.request(algorithm="02"),
    "TokenExpired": lambda world: world.request(now=1e9),
    "TokenReplayed": used_before,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_token_is_logged_for_the_holder_of_the_secret(world: World, reason: str) -> None:
    world.set(LOG_REFUSED_TOKENS="true")
    event = REFUSED[reason](world)
    assert world.receive(event)[0] == 401

    line = world.logs()[-1]
    header = event["headers"]["token"]
    assert (line["message"], line["reason"]) == ("refused", reason)
    assert line["sealed_token"].startswith(SEALED)
    assert header not in world.output()
    opened = reading.unseal(line["sealed_token"], [OTHER, OWN])
    assert opened
    assert opened[0] == header
    assert abs(opened[1] - event["requestContext"]["timeEpoch"] / 1000) < 60
    assert reading.unseal(line["sealed_token"], [OTHER]) is None


def test_the_same_token_is_sealed_differently_each_time(world: World) -> None:
    world.set(LOG_REFUSED_TOKENS="true")
    event = world.request(secret="another-secret-0")
    for _ in range(2):
        world.receive(event)
    first, second = (line["sealed_token"] for line in world.logs())
    assert first != second


@pytest.mark.parametrize("text", ["sealed-", "sealed-?", "sealed-AAAA", f"sealed-{'A' * 64}"])
def test_what_was_never_sealed_opens_as_nothing(text: str) -> None:
    assert reading.unseal(text, [OWN]) is None


def test_a_token_that_is_accepted_is_not_logged(world: World) -> None:
    world.set(LOG_REFUSED_TOKENS="true")
    assert world.post()[0] == 200
    assert SEALED not in world.output()


def test_without_the_parameter_no_token_is_logged(world: World) -> None:
    for event in (make(world) for make in REFUSED.values()):
        world.receive(event)
    assert SEALED not in world.output()


def test_an_oversized_header_is_cut(world: World) -> None:
    world.set(LOG_REFUSED_TOKENS="true")
    world.receive(world.request() | {"headers": {"token": "A" * 9_000}})
    opened = reading.unseal(world.logs()[-1]["sealed_token"], [OWN])
    assert opened
    assert opened[0] == "A" * 4_096
