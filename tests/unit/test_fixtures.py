"""The files in events/ are those that tools/fixtures.py writes, and have AWS's shape."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model, SqsModel

from roomle_mail.settings import Settings
from roomle_mail_cli import sign
from tests.unit import cloudformation
from tools import fixtures

RECEIVED = [f"receiver/{name}" for name in fixtures.posts()]
QUEUED = [f"mailer/{name}" for name in fixtures.batches()]


def test_the_files_are_current() -> None:
    written = {
        path.relative_to(fixtures.DIRECTORY): path.read_text()
        for path in fixtures.DIRECTORY.glob("**/*.json")
    }

    assert written == {path: fixtures.render(value) for path, value in fixtures.files()}, (
        "python -m tools.fixtures writes them again"
    )


def test_every_fixture_is_expected_to_end_somehow() -> None:
    assert [*fixtures.expectations()] == RECEIVED + QUEUED


def test_every_answer_of_the_receiver_has_a_fixture() -> None:
    # 202, 502 and 503 depend on AWS and not on the event; "suppressed" on the events before it.
    codes = {fixtures.expectations()[name]["code"] for name in RECEIVED}

    assert codes == set(fixtures.STATUSES)


@pytest.mark.parametrize("name", RECEIVED)
def test_an_event_has_the_shape_of_payload_format_2(name: str) -> None:
    event = APIGatewayProxyEventV2Model.model_validate(fixtures.load(name))

    assert (event.routeKey, event.requestContext.http.method) == ("POST /webhook", "POST")


@pytest.mark.parametrize("name", QUEUED)
def test_a_batch_has_the_shape_of_sqs(name: str) -> None:
    batch = SqsModel.model_validate(fixtures.load(name))

    assert len({record.messageId for record in batch.Records}) == len(batch.Records)


def test_no_two_stored_events_share_a_token() -> None:
    # The second would be a replay.
    tokens = [
        value
        for name in RECEIVED
        if fixtures.expectations()[name].get("sign") is not False
        for header, value in fixtures.load(name)["headers"].items()
        if header.lower() == "token"
    ]

    assert len(set(tokens)) == len(tokens) > 0


def test_a_fresh_fixture_has_a_token_of_now() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)

    fresh = fixtures.fresh(
        "receiver/share_configuration",
        now=now,
        api_key="aValidApiKey",
        secret="a-Secr3t_Str1ng!",
    )

    assert fresh["requestContext"]["timeEpoch"] == now.timestamp() * 1000
    stored = fixtures.load("receiver/share_configuration")
    assert fresh["headers"]["token"] != stored["headers"]["token"]
    assert fixtures.body_of(fresh) == fixtures.body_of(stored)


def test_a_fresh_fixture_keeps_a_token_that_is_itself_the_fault() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)

    fresh = fixtures.fresh(
        "receiver/forged_token",
        now=now,
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )

    assert fresh["headers"] == fixtures.load("receiver/forged_token")["headers"]
    assert fresh["requestContext"]["timeEpoch"] == now.timestamp() * 1000


def test_a_body_in_base64_is_posted_decoded() -> None:
    event = fixtures.load("receiver/saved_configuration_in_base64")

    assert event["isBase64Encoded"] is True
    assert json.loads(fixtures.body_of(event))["event"] == fixtures.SAVED


def test_writing_removes_a_fixture_that_no_longer_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixtures, "DIRECTORY", tmp_path)
    old = tmp_path / "receiver" / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    readme = tmp_path / "README.md"
    readme.write_text("")

    fixtures.write()

    assert not old.exists()
    assert readme.exists()
    assert len(list(tmp_path.glob("*/*.json"))) == len(RECEIVED) + len(QUEUED)


@pytest.mark.parametrize("function", ["ReceiverFunction", "MailerFunction"])
def test_env_json_sets_every_variable_of_the_template(function: str) -> None:
    template = cloudformation.read()
    shared, own = (
        each["Environment"]["Variables"]
        for each in (
            template["Globals"]["Function"],
            template["Resources"][function]["Properties"],
        )
    )

    # `sam local invoke` drops what the template does not name.
    assert set(fixtures.environment()[function]) == {*shared, *own}


@pytest.mark.parametrize("function", ["ReceiverFunction", "MailerFunction"])
def test_env_json_lets_the_stored_tokens_pass_but_not_the_expired_one(function: str) -> None:
    settings = Settings.from_environment(fixtures.environment()[function])
    now = datetime.now(UTC).timestamp()

    assert now - fixtures.MOMENT.timestamp() < settings.token_max_age
    assert now - datetime(2001, 1, 1, tzinfo=UTC).timestamp() > settings.token_max_age
