"""Log and metrics: what a line says, and that a failure to write it does no harm."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from roomle_mail import errors, telemetry
from roomle_mail.deadline import Deadline
from roomle_mail.delivery import Delivery, SesSender, SqsQueue
from roomle_mail.emails import Email
from roomle_mail.events import Event
from roomle_mail.receiver import Progress, Request
from roomle_mail.table import Table
from roomle_mail.telemetry import Known
from tests.powertools import LambdaContext

ADDRESS = "anna@customer.example"
BEGAN = 1_700_000_000.0


def event(configurator_id: str | None = None) -> Event:
    return Event(
        name="email.savedConfiguration",
        recipient=ADDRESS,
        success=True,
        configuration_id="catalog:item:AB",
        item_id=None,
        configurator_id=configurator_id,
        url="https://www.roomle.com/?id=catalog:item:AB",
        result_url=None,
        payload={"email": ADDRESS},
    )


def email(language: str = "en") -> Email:
    return Email(
        recipient=ADDRESS,
        sender="hello@brand.example",
        reply_to=(),
        subject="Subject",
        text="https://www.roomle.com/?id=catalog:item:AB",
        html="https://www.roomle.com/?id=catalog:item:AB",
        headers=(),
        images=(),
        brand="default",
        language=language,
        template="savedConfiguration",
    )


def known(**changes: Any) -> Known:
    facts: dict[str, Any] = {
        "began": BEGAN,
        "received_at": BEGAN - 0.0099,
        "event_id": "an-id",
        "recipient": "a-hash",
        "event": event("myConfigurator"),
        "brand": "default",
        "email": email(),
        "message_id": "message-id",
        "sent_at": BEGAN + 0.0302,
    }
    return Known(**facts | changes)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(autouse=True)
def _clear_state() -> Iterator[None]:
    telemetry.logger.clear_state()  # another test in this process may have left some
    yield
    telemetry.logger.clear_state()


def test_a_line_says_what_is_known_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.decided("sent", known(event=event(None)), answer=200)

    line = lines(capsys.readouterr().out)[0]
    assert (line["level"], line["message"]) == ("INFO", "sent")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["timestamp"])
    assert line.pop("duration_ms") > 0
    for added_by_powertools in ("level", "message", "timestamp", "service"):
        del line[added_by_powertools]
    assert line == {
        "event_id": "an-id",
        "event": "email.savedConfiguration",
        "brand": "default",
        "language": "en",
        "recipient": "a-hash",
        "message_id": "message-id",
        "answer": 200,
        "age_ms": 40.1,
        "time_to_ses_ms": 30.2,
    }


def test_what_is_not_known_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.decided("refused", Known(), error=errors.TokenMalformed())

    line = lines(capsys.readouterr().out)[0]
    assert set(line) == {"level", "message", "timestamp", "service", "reason", "duration_ms"}


def test_a_line_has_what_powertools_users_expect_of_an_invocation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-6b05cc4b-9f49409e0be85bcc36e64638;Sampled=1")

    @telemetry.logger.inject_lambda_context(clear_state=True)
    def handler(event: Any, _context: object) -> None:
        if event:
            telemetry.logger.set_correlation_id(event)
        telemetry.received(known())

    handler("one-request", LambdaContext())
    handler(None, LambdaContext(aws_request_id="the-next"))

    first, second = lines(capsys.readouterr().out)
    assert first["correlation_id"] == "one-request"
    assert "correlation_id" not in second
    assert first["function_request_id"] == "function-request-id-of-a-test"
    assert second["function_request_id"] == "the-next"
    assert second["cold_start"] is False
    assert first["xray_trace_id"] == "1-6b05cc4b-9f49409e0be85bcc36e64638"


@pytest.mark.parametrize("received", [True, False])
def test_what_was_received_is_counted_with_what_became_of_it(
    capsys: pytest.CaptureFixture[str], *, received: bool
) -> None:
    telemetry.decided("sent", known(), received=received)

    sent, measured = lines(capsys.readouterr().out)
    assert sent["message"] == "sent"
    assert (measured.get("Received"), measured["Sent"]) == ([1] if received else None, [1])


@pytest.mark.parametrize(
    ("decision", "error", "values"),
    [
        ("sent", None, {"Sent": 1, "AgeAtSending": 40.1, "TimeToSes": 30.2}),
        ("queued", None, {"Queued": 1}),
        ("queued", errors.Throttled(), {"Queued": 1, "Throttled": 1}),
        ("refused", errors.TokenExpired(), {"Refused": 1, "TokenExpired": 1}),
        ("refused", errors.TokenMissing(), {"Unauthenticated": 1, "TokenMissing": 1}),
        ("failed", errors.SendOutcomeUnknown(), {"Failed": 1, "SendOutcomeUnknown": 1}),
        ("dead-lettered", errors.EmailRefused(), {"DeadLettered": 1, "EmailRefused": 1}),
        (
            "postponed",
            errors.Throttled(),
            {"Postponed": 1, "Throttled": 1, "AgeAtPostponing": 40.1},
        ),
    ],
)
def test_a_decision_is_counted_by_stack(
    decision: str,
    error: errors.RoomleMailError | None,
    values: dict[str, float],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        telemetry.decided(decision, known(), error=error)

    _, line, _, again = lines(capsys.readouterr().out)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "RoomleMail"
    assert directive["Dimensions"] == [["stack"]]
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert units == {
        name: "Count" if value == 1 else "Milliseconds" for name, value in values.items()
    }
    assert {name: line[name] for name in values} == {
        name: [value] for name, value in values.items()
    }
    # The second time counts one event, not both together.
    assert line.pop("_aws")["Timestamp"] <= again.pop("_aws")["Timestamp"]
    assert line == again


@pytest.mark.parametrize(("severe", "level"), [(False, "INFO"), (True, "ERROR")])
def test_a_severe_decision_is_an_error(
    capsys: pytest.CaptureFixture[str], *, severe: bool, level: str
) -> None:
    telemetry.decided("failed", Known(), severe=severe)

    assert lines(capsys.readouterr().out)[0]["level"] == level


def test_below_the_log_level_a_decision_is_still_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("ERROR")
    try:
        telemetry.decided("sent", known())
    finally:
        telemetry.logger.setLevel(level)

    (line,) = lines(capsys.readouterr().out)
    assert line["Sent"] == [1]


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(
    st.builds(
        known,
        event_id=ANY_TEXT | st.none(),
        recipient=ANY_TEXT | st.none(),
        event=st.builds(event, ANY_TEXT | st.none()) | st.none(),
        brand=ANY_TEXT | st.none(),
        email=st.builds(email, ANY_TEXT) | st.none(),
        message_id=ANY_TEXT | st.none(),
        received_at=st.floats() | st.none(),
        sent_at=st.floats() | st.none(),
    ),
    ANY_TEXT | st.none(),
)
@example(known(event_id="\ud800"), "\udfff")
@example(known(event_id="\x1b[31m\u2028", brand=None), None)
@example(known(event_id=object()), None)
def test_every_log_line_stays_one_line(facts: Known, detail: str | None) -> None:
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", written)
        error = None if detail is None else errors.CallRefused(detail)
        telemetry.decided("failed", facts, error=error)

    lines = written.getvalue().split("\n")[:-1]
    assert [json.loads(line).get("message") for line in lines] == ["failed", None]
    assert json.loads(lines[1])["Failed"] == [1]
    assert all(line.isascii() for line in lines)
    # Not the address or the link, which are known by now.
    assert ADDRESS not in written.getvalue()
    assert "catalog" not in written.getvalue()


class Broken:
    def write(self, _: str) -> int:
        raise OSError


class Unspeakable:
    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("facts", [known(), known(event_id=Unspeakable()), Known()])
def test_a_line_that_cannot_be_written_raises_nothing(
    facts: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Broken())

    telemetry.received(facts)
    telemetry.decided("sent", facts, error=errors.Throttled())
    telemetry.cut_off(facts, errors.TimeRunningOut())
    with telemetry.best_effort("remember", facts):
        int("x")


def test_what_could_not_be_counted_is_not_counted_with_the_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("sys.stdout", Broken())
        telemetry.decided("failed", known())

    telemetry.decided("sent", known())

    assert "Failed" not in lines(capsys.readouterr().out)[-1]


def test_a_best_effort_failure_is_logged_without_its_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telemetry.best_effort("remember", Known(event_id="an-id")):
        int(ADDRESS)

    (line,) = lines(capsys.readouterr().out)
    assert (line["level"], line["message"], line["failed"], line["event_id"]) == (
        "ERROR",
        "could not follow up",
        "remember",
        "an-id",
    )
    assert line["error"] == "ValueError"
    assert "anna" not in json.dumps(line)


def test_an_error_of_ours_is_explained_by_its_facts() -> None:
    error = errors.EmailRefused("MessageRejected")
    error.__cause__ = errors.CallRefused("MessageRejected")

    assert telemetry.explain(error) == {
        "reason": "EmailRefused",
        "detail": "MessageRejected",
        "cause": "CallRefused",
    }


@pytest.mark.parametrize(
    ("given", "logged"),
    [
        (None, None),
        ("myConfigurator", "myConfigurator"),
        ("brand:shop-1.2_x", "brand:shop-1.2_x"),
        ("anna@customer.example", "(unusual)"),
        ("x" * 65, "(unusual)"),
        ("x\n", "(unusual)"),
        ("", "(unusual)"),
    ],
)
def test_a_configurator_is_logged_if_it_looks_like_one(
    given: str | None, logged: str | None
) -> None:
    assert telemetry.safe_configurator(given) == logged


def test_a_hash_needs_its_key() -> None:
    one, two = (telemetry.hash_address("a@customer.example", key=key) for key in (b"1", b"2"))

    assert one != two
    assert re.fullmatch(r"[0-9a-f]{32}", one)


@pytest.mark.parametrize(
    "state",
    [
        known(sealed_token="sealed-token"),
        Progress(
            request=Request("id", {"token": ADDRESS}, ADDRESS.encode(), BEGAN),
            table=Table(None, "table", "owner"),
            known=known(),
            delivery=Delivery((), SesSender(None, "set"), SqsQueue(dict, "queue")),
            deadline=Deadline(60),
            payload={"email": ADDRESS},
        ),
    ],
    ids=lambda state: type(state).__name__,
)
def test_the_text_of_what_is_known_has_no_address_link_or_token(state: object) -> None:
    text = repr(state)

    assert "event_id" in text
    assert not any(each in text for each in (ADDRESS, "https://", "sealed-token"))
