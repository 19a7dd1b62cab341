"""Log and metrics: the form of the lines, and that they never stand in the way."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics
from hypothesis import given
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


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(telemetry, "_SERVICE", "receiver")
    monkeypatch.setattr(telemetry, "_STACK", "roomle-mail")
    telemetry._directive.cache_clear()
    yield
    telemetry._directive.cache_clear()


@pytest.mark.parametrize("level", ["INFO", "ERROR"])
def test_a_line_is_what_powertools_logger_would_write(
    level: telemetry.Level,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN the line that Powertools writes for the same facts (it keeps one logger per service)
    stream, name = io.StringIO(), f"receiver-{level}"
    monkeypatch.setattr(telemetry, "_SERVICE", name)
    theirs = Logger(
        service=name, stream=stream, location=None, utc=True, use_rfc3339=True, level="INFO"
    )
    getattr(theirs, level.lower())("sent", extra=FACTS)
    (expected,) = lines(stream.getvalue())

    # WHEN we write it
    telemetry.log(level, "sent", FACTS)

    # THEN it differs by its moment alone
    (line,) = lines(capsys.readouterr().out)
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    assert re.fullmatch(form, expected.pop("timestamp"))
    assert re.fullmatch(form, line.pop("timestamp"))
    assert line == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    ("what", "facts", "values"),
    [
        ("received", FACTS, {"Received": 1}),
        ("sent", FACTS, {"Sent": 1, "AgeAtSending": 40.1, "TimeToSes": 30.2}),
        ("queued", FACTS, {"Queued": 1}),
        ("queued", FACTS | {"reason": "Throttled"}, {"Queued": 1, "Throttled": 1}),
        ("refused", {"reason": "TokenExpired"}, {"Refused": 1, "TokenExpired": 1}),
        ("failed", {"reason": "SendUncertain"}, {"Failed": 1, "SendUncertain": 1}),
        (
            "postponed",
            FACTS | {"reason": "Throttled"},
            {"Postponed": 1, "Throttled": 1, "AgeAtPostponing": 40.1},
        ),
    ],
)
def test_a_decision_is_counted_as_powertools_metrics_would(
    what: str, facts: dict[str, Any], values: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN the line that Powertools writes for these values
    theirs = Metrics(namespace="RoomleMail")
    theirs.add_dimension("stack", "roomle-mail")
    for name, value in values.items():
        unit = "Count" if value == 1 else "Milliseconds"
        theirs.add_metric(name=name, unit=unit, value=value)
    expected: dict[str, Any] = dict(theirs.serialize_metric_set())
    theirs.clear_metrics()

    # WHEN the decision is made
    telemetry.decided(what, facts)

    # THEN the second line is that one, with plain numbers for lists of one
    _, line = lines(capsys.readouterr().out)
    assert isinstance(line["_aws"].pop("Timestamp"), int)
    expected["_aws"].pop("Timestamp")
    assert line == expected | values


@pytest.mark.parametrize(("severe", "level"), [(False, "INFO"), (True, "ERROR")])
def test_a_severe_decision_is_an_error(
    capsys: pytest.CaptureFixture[str], *, severe: bool, level: str
) -> None:
    telemetry.decided("failed", {}, severe=severe)

    assert lines(capsys.readouterr().out)[0]["level"] == level


def test_below_the_log_level_a_decision_is_still_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(telemetry, "_WRITTEN", ("ERROR", "CRITICAL"))

    telemetry.decided("sent", FACTS)

    (line,) = lines(capsys.readouterr().out)
    assert line["Sent"] == 1


@given(st.dictionaries(st.sampled_from([*FACTS, "reason"]), st.text() | st.none()))
def test_whatever_a_fact_is_a_line_stays_a_line(facts: dict[str, Any]) -> None:
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", written)
        telemetry.decided("failed", facts)

    assert [json.loads(line) for line in written.getvalue().split("\n")[:-1]]
    assert written.getvalue().count("\n") == 2


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
    with telemetry.best_effort("remember", None):
        int("x")


def test_what_fails_in_a_best_effort_is_logged_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with telemetry.best_effort("remember", "an-id"):
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
    error.__cause__ = errors.Refused("MessageRejected")

    assert telemetry.explain(error) == {
        "reason": "EmailRefused",
        "detail": "MessageRejected",
        "cause": "Refused",
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
