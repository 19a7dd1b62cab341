"""The secret: which versions count, for how long, and the message when it is unusable."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from roomle_mail.credentials import CredentialStore
from roomle_mail.errors import SecretUnusable
from roomle_mail.tokens import Credential

START = 1_000_000_000.0
OVERLAP = 3_600

OLD = {"tenant": "old-secret-16-ch"}
NEW = {"tenant": "new-secret-16-ch"}


@dataclass
class FakeSecretsManager:
    """Works as Secrets Manager does: the last version is current, the one before previous."""

    versions: list[tuple[str, float]] = field(default_factory=list)
    reads: int = 0
    broken: Exception | None = None
    broken_stage: str | None = None

    def put(self, value: object, at: float) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        self.versions.append((text, at))

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "the-secret"
        self.reads += 1
        if self.broken and self.broken_stage in {None, VersionStage}:
            raise self.broken
        place = {"AWSCURRENT": -1, "AWSPREVIOUS": -2}[VersionStage]
        if len(self.versions) < -place:
            error = {"Error": {"Code": "ResourceNotFoundException", "Message": ""}}
            raise ClientError(error, "GetSecretValue")  # type: ignore[arg-type]
        text, at = self.versions[place]
        return {"SecretString": text, "CreatedDate": datetime.fromtimestamp(at, UTC)}


@dataclass
class Fixture:
    aws: FakeSecretsManager
    store: CredentialStore
    warnings: list[str]

    def secrets(self, now: float) -> list[str]:
        return [each.secret.decode() for each in self.store.get(now)]


@pytest.fixture
def given() -> Fixture:
    aws = FakeSecretsManager()
    warnings: list[str] = []
    store = CredentialStore(
        aws, "the-secret", overlap=OVERLAP, allow_published=False, warn=warnings.append
    )
    return Fixture(aws, store, warnings)


def test_every_pair_of_the_secret_is_a_credential(given: Fixture) -> None:
    given.aws.put({"a": "1" * 16, "b": "2" * 24, "c": "3" * 32}, START - OVERLAP)

    assert given.store.get(START) == (
        Credential("a", b"1" * 16),
        Credential("b", b"2" * 24),
        Credential("c", b"3" * 32),
    )


def test_the_secret_is_read_once_in_five_minutes(given: Fixture) -> None:
    given.aws.put(OLD, START - OVERLAP)

    for seconds in range(0, 301, 10):
        given.store.get(START + seconds)
    assert given.aws.reads == 1

    given.store.get(START + 301)
    assert given.aws.reads == 2


def test_the_previous_secret_counts_in_the_overlap_and_not_after(given: Fixture) -> None:
    given.aws.put(OLD, START - 10 * OVERLAP)
    given.aws.put(NEW, START)

    assert given.secrets(START + 1) == [NEW["tenant"], OLD["tenant"]]
    assert given.secrets(START + OVERLAP - 1) == [NEW["tenant"], OLD["tenant"]]
    # Still the same cached read, but the overlap ends on time.
    assert given.secrets(START + OVERLAP) == [NEW["tenant"]]
    assert given.secrets(START + 2 * OVERLAP) == [NEW["tenant"]]


def test_without_an_overlap_the_previous_secret_is_invalid_at_once(given: Fixture) -> None:
    given.store.overlap = 0
    given.aws.put(OLD, START - OVERLAP)
    given.aws.put(NEW, START)

    assert given.secrets(START) == [NEW["tenant"]]


def test_a_failing_token_makes_the_new_secret_count_at_once(given: Fixture) -> None:
    given.aws.put(OLD, START - OVERLAP)
    assert given.secrets(START) == [OLD["tenant"]]
    given.aws.put(NEW, START + 1)

    fresh = given.store.refresh(START + 2)

    assert [each.secret.decode() for each in fresh] == [NEW["tenant"]]
    assert given.secrets(START + 2) == [NEW["tenant"], OLD["tenant"]]


def test_a_flood_of_failing_tokens_reads_the_secret_once_a_minute(given: Fixture) -> None:
    given.aws.put(OLD, START - 2 * OVERLAP)
    given.store.get(START)

    for tenth in range(600):
        assert given.store.refresh(START + tenth / 10) == ()
    assert given.aws.reads == 2

    given.store.refresh(START + 60)
    assert given.aws.reads == 3


def test_a_refresh_that_fails_keeps_what_is_known(given: Fixture) -> None:
    given.aws.put(OLD, START - OVERLAP)
    given.store.get(START)
    given.aws.broken = ConnectTimeoutError(endpoint_url="https://secrets.example")

    assert given.store.refresh(START + 1) == ()
    assert given.secrets(START + 2) == [OLD["tenant"]]
    assert given.warnings == ["Secrets Manager: ConnectTimeoutError"]


def test_an_answer_that_was_cut_off_does_not_count(given: Fixture) -> None:
    """botocore takes a text that is not JSON for an empty answer, where the status is 200."""
    given.aws.put(OLD, START - OVERLAP)
    given.aws.get_secret_value = lambda **_: {}  # type: ignore[method-assign]

    with pytest.raises(SecretUnusable, match="IncompleteAnswer"):
        given.store.get(START)


def test_a_secret_older_than_five_minutes_does_not_count_while_aws_is_away(given: Fixture) -> None:
    given.aws.put(OLD, START - OVERLAP)
    given.store.get(START)
    given.aws.broken = ConnectTimeoutError(endpoint_url="https://secrets.example")

    with pytest.raises(SecretUnusable):
        given.store.get(START + 301)
    # It is read again at once, because a temporary failure may be over.
    given.aws.broken = None
    assert given.secrets(START + 301) == [OLD["tenant"]]


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "text", "null", "[]", "{}", "7", '["a"]', '{"a": 1}', '{"a": null}',
        '{"": "1234567890123456"}', '{"a;b": "1234567890123456"}', '{"ä": "1234567890123456"}',
        '{"a": ""}', '{"a": "short"}', '{"a": "12345678901234567"}', '{"a": "ä234567890123456"}',
        '{"a": "1234567890123456", "b": ""}', "[" * 10_000,
    ],
)  # fmt: skip
def test_a_malformed_secret_is_unusable_and_the_reason_does_not_quote_it(
    given: Fixture, value: str
) -> None:
    given.aws.put(value, START)

    with pytest.raises(SecretUnusable) as caught:
        given.store.get(START)

    assert caught.value.status == 503
    assert caught.value.problem
    assert "1234567890" not in caught.value.problem


def test_a_secret_without_a_value_is_unusable(given: Fixture) -> None:
    with pytest.raises(SecretUnusable, match="no value yet"):
        given.store.get(START)


@pytest.mark.parametrize("value", ["not json", "", "{}"])
def test_a_flood_of_requests_reads_an_unusable_secret_once_in_ten_seconds(
    given: Fixture, value: str
) -> None:
    given.aws.put(value, START - OVERLAP)

    problems = set()
    for tenth in range(100):
        with pytest.raises(SecretUnusable) as caught:
            given.store.get(START + tenth / 10)
        problems.add(caught.value.problem)

    assert given.aws.reads == 1
    assert len(problems) == 1


def test_a_secret_that_is_missing_is_looked_for_once_in_ten_seconds(given: Fixture) -> None:
    for tenth in range(100):
        with pytest.raises(SecretUnusable, match="no value yet"):
            given.store.get(START + tenth / 10)

    assert given.aws.reads == 1


def test_a_fixed_secret_counts_after_ten_seconds(given: Fixture) -> None:
    given.aws.put("not json", START - 2 * OVERLAP)
    with pytest.raises(SecretUnusable):
        given.store.get(START)
    given.aws.put(NEW, START + 1)

    assert given.secrets(START + 10) == [NEW["tenant"]]


def test_a_clock_that_goes_back_does_not_keep_a_failure(given: Fixture) -> None:
    given.aws.put("not json", START - 2 * OVERLAP)
    with pytest.raises(SecretUnusable):
        given.store.get(START)
    given.aws.put(NEW, START - 1_000)

    assert given.secrets(START - 1_000) == [NEW["tenant"]]


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_secret_that_began_without_a_value_is_not_an_error(given: Fixture, value: str) -> None:
    given.aws.put(value, START - OVERLAP)
    given.aws.put(NEW, START)

    assert given.secrets(START + 1) == [NEW["tenant"]]
    assert given.warnings == []


def test_a_previous_secret_that_cannot_be_read_does_not_disable_the_current_one(
    given: Fixture,
) -> None:
    given.aws.put(OLD, START - OVERLAP)
    given.aws.put(NEW, START)
    given.aws.broken = ConnectTimeoutError(endpoint_url="https://secrets.example")
    given.aws.broken_stage = "AWSPREVIOUS"

    assert given.secrets(START + 1) == [NEW["tenant"]]
    assert given.warnings == ["AWSPREVIOUS: Secrets Manager: ConnectTimeoutError"]

    # It counts as soon as it can be read, not only after five minutes.
    given.aws.broken = None
    assert given.secrets(START + 12) == [NEW["tenant"], OLD["tenant"]]


def test_a_malformed_previous_secret_is_named_and_the_current_one_counts(given: Fixture) -> None:
    given.aws.put("not json", START - OVERLAP)
    given.aws.put(NEW, START)

    assert given.secrets(START + 1) == [NEW["tenant"]]
    assert given.warnings == ["AWSPREVIOUS: The secret is not JSON."]


def test_roomles_published_secret_is_refused_unless_it_is_allowed(given: Fixture) -> None:
    given.aws.put({"aValidApiKey": "a-Secr3t_Str1ng!"}, START)

    with pytest.raises(SecretUnusable, match="published"):
        given.store.get(START)

    given.store.allow_published = True
    assert given.secrets(START + 10) == ["a-Secr3t_Str1ng!"]


def test_a_clock_that_goes_back_does_not_keep_an_old_secret(given: Fixture) -> None:
    given.aws.put(OLD, START - 2 * OVERLAP)
    given.store.get(START)

    given.store.get(START - 1_000)

    assert given.aws.reads == 2


def test_no_text_form_of_the_store_shows_a_secret(given: Fixture) -> None:
    given.aws.put(OLD, START - OVERLAP)
    given.store.get(START)

    assert OLD["tenant"] not in repr(given.store)
    assert OLD["tenant"] not in repr(given.store.get(START))
