"""Log and metrics: the form of the lines, and that they never stand in the way."""

import io
import json
import re
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from hypothesis import example, given
from hypothesis import strategies as st

from roomle_mail import errors, telemetry

FACTS: dict[str, Any] = {
    "event": "email.savedConfiguration",
    "configurator": None,
    "brand": "default",
    "answer": 200,
    "fields": ("data.email", "data.url"),
    "duration_ms": 12.5,
    "age_ms": 40.1,
    "time_to_ses_ms": 30.2,
}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_holds_what_is_known_and_when(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.log("WARNING", "sent", FACTS)

    (line,) = lines(capsys.readouterr().out)
    assert (line["level"], line["message"]) == ("WARNING", "sent")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"])
    known = {name: value for name, value in FACTS.items() if value is not None}
    assert {name: line.get(name) for name in FACTS} == json.loads(json.dumps(FACTS))
    assert "configurator" not in known
    assert "configurator" not in line
    assert "location" not in line


@pytest.mark.parametrize("trace", [None, "Root=1-6b05cc4b-9f49409e0be85bcc36e64638;Sampled=1"])
@pytest.mark.parametrize("level", ["INFO", "WARNING", "ERROR"])
def test_a_line_is_the_one_that_powertools_own_logger_writes(
    level: telemetry.Level,
    trace: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if trace:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    # It keeps one logger for each service, with the stream that it found at first.
    stream, service = io.StringIO(), f"{telemetry.logger.service}-{level}-{trace}"
    theirs = Logger(service=service, stream=stream, location=None, utc=True, use_rfc3339=True)
    known = {name: value for name, value in FACTS.items() if value is not None}
    getattr(theirs, level.lower())("sent", extra=known)

    telemetry.log(level, "sent", FACTS)

    (line,), (expected,) = lines(capsys.readouterr().out), lines(stream.getvalue())
    for differs in ("timestamp", "service"):
        assert line.pop(differs)
        assert expected.pop(differs)
    assert line == expected


def test_what_was_received_is_counted_with_what_became_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    telemetry.decided("sent", FACTS, received=True)

    sent, measured = lines(capsys.readouterr().out)
    assert sent["message"] == "sent"
    assert (measured["Received"], measured["Sent"]) == ([1], [1])


def test_a_line_of_metrics_is_the_one_that_powertools_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("Received", "Sent"):
        telemetry.metrics.add_metric(name, "Count", 1)
    for name, value in {"AgeAtSending": 40.1, "TimeToSes": 30.2}.items():
        telemetry.metrics.add_metric(name, "Milliseconds", value)
    telemetry.metrics.flush_metrics()
    for _ in range(2):
        telemetry.decided("sent", FACTS, received=True)

    expected, _, ours, _, again = lines(capsys.readouterr().out)
    times = [line["_aws"].pop("Timestamp") for line in (expected, ours, again)]
    assert ours == again == expected
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("what", "facts", "values"),
    [
        ("sent", FACTS, {"Sent": 1, "AgeAtSending": 40.1, "TimeToSes": 30.2}),
        ("queued", FACTS, {"Queued": 1}),
        ("queued", FACTS | {"reason": "Throttled"}, {"Queued": 1, "Throttled": 1}),
        ("refused", {"reason": "TokenExpired"}, {"Refused": 1, "TokenExpired": 1}),
        ("failed", {"reason": "SendOutcomeUnknown"}, {"Failed": 1, "SendOutcomeUnknown": 1}),
        (
            "postponed",
            FACTS | {"reason": "Throttled"},
            {"Postponed": 1, "Throttled": 1, "AgeAtPostponing": 40.1},
        ),
    ],
)
def test_a_decision_is_counted_by_stack(
    what: str, facts: dict[str, Any], values: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.decided(what, facts)

    _, line = lines(capsys.readouterr().out)
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


@pytest.mark.parametrize(("severe", "level"), [(False, "INFO"), (True, "ERROR")])
def test_a_severe_decision_is_an_error(
    capsys: pytest.CaptureFixture[str], *, severe: bool, level: str
) -> None:
    telemetry.decided("failed", {}, severe=severe)

    assert lines(capsys.readouterr().out)[0]["level"] == level


def test_below_the_log_level_a_decision_is_still_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    level = telemetry.logger.log_level
    telemetry.logger.setLevel("ERROR")
    try:
        telemetry.decided("sent", FACTS)
    finally:
        telemetry.logger.setLevel(level)

    (line,) = lines(capsys.readouterr().out)
    assert line["Sent"] == [1]


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(st.dictionaries(st.sampled_from([*FACTS, "reason"]), ANY_TEXT | st.none()))
@example({"event_id": "\ud800"})
@example({"event_id": "\x1b[31m\u2028", "brand": None})
@example({"event_id": object()})
def test_whatever_a_fact_is_a_line_stays_a_line(facts: dict[str, Any]) -> None:
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", written)
        telemetry.decided("failed", facts)

    lines = written.getvalue().split("\n")[:-1]
    assert json.loads(lines[0])["message"] == "failed"
    # A reason that is blank or can't be spelled isn't counted, nor can it be but our own text.
    reason = facts.get("reason")
    named = reason is None or (reason.strip() and not re.search("[\ud800-\udfff]", reason))
    assert len(lines) == (2 if named else 1)
    assert all(json.loads(line) for line in lines)
    assert all(line.isascii() for line in lines)


class Broken:
    def write(self, _: str) -> int:
        raise OSError


@pytest.mark.parametrize("facts", [{"event_id": object()}, {"reason": object()}, {}])
def test_what_can_not_be_written_raises_nothing(
    facts: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Broken())

    telemetry.decided("sent", facts)
    telemetry.log("ERROR", "could not follow up", facts)
    with telemetry.BestEffort("remember", None):
        int("x")


def test_what_fails_in_a_best_effort_is_logged_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telemetry.BestEffort("remember", "an-id"):
        int("anna@customer.example")

    (line,) = lines(capsys.readouterr().out)
    assert (line["message"], line["failed"], line["event_id"]) == (
        "could not follow up",
        "remember",
        "an-id",
    )
    assert line["error"] == "ValueError"
    assert "anna" not in json.dumps(line)


def test_an_error_of_ours_is_told_by_its_facts() -> None:
    error = errors.EmailRefused("MessageRejected")
    error.__cause__ = errors.CallRefused("MessageRejected")

    assert telemetry.explain(error) == {
        "reason": "EmailRefused",
        "detail": "MessageRejected",
        "cause": "CallRefused",
    }


@pytest.mark.parametrize(
    ("given", "told"),
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
def test_a_configurator_is_told_if_it_looks_like_one(given: str | None, told: str | None) -> None:
    assert telemetry.safe_configurator(given) == told


def test_a_hash_needs_its_key() -> None:
    one, two = (telemetry.hash_address("a@customer.example", key=key) for key in (b"1", b"2"))

    assert one != two
    assert re.fullmatch(r"[0-9a-f]{32}", one)
