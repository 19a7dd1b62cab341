"""The log as the command line reads it: times, lines, queries, and what the reasons mean."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import errors
from roomle_mail.delivery import Queued
from roomle_mail_cli import diagnosis, letters, lines, reasons, times
from roomle_mail_cli.commands import dead_letters, why
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.letters import Letter
from roomle_mail_cli.lines import Line, Query
from roomle_mail_cli.screen import CliError
from tests.command_line import CommandLine
from tests.unit import cloudformation

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
ZONES = ("UTC", "Europe/Vienna", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati")


@pytest.fixture(params=ZONES)
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This machine's time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


# --- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-14", datetime(2026, 1, 14, tzinfo=UTC)),
        ("2026-01-14T08:00", datetime(2026, 1, 14, 8, tzinfo=UTC)),
        ("2026-01-14 08:00:30", datetime(2026, 1, 14, 8, 0, 30, tzinfo=UTC)),
        ("2026-01-14T08:00:00Z", datetime(2026, 1, 14, 8, tzinfo=UTC)),
        ("2026-01-14T08:00:00+05:30", datetime(2026, 1, 14, 2, 30, tzinfo=UTC)),
        ("30m", NOW - timedelta(minutes=30)),
        ("999999999d", datetime(1970, 1, 1, tzinfo=UTC)),
        ("0001-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_utc_in_every_zone_of_this_machine(
    zone: str,  # noqa: ARG001 (sets the zone)
    text: str,
    moment: datetime,
) -> None:
    assert times.parse(text, now=NOW) == lines.since(text, now=NOW) == moment


def test_what_is_printed_can_be_entered_again(zone: str) -> None:  # noqa: ARG001
    line = Line(NOW.astimezone(), "receiver", "sent", {})
    printed = str(line).split()[0]
    assert printed == "2026-01-15T09:30:00Z"
    assert times.parse(printed, now=NOW) == NOW
    local = datetime.fromtimestamp(NOW.timestamp()).astimezone().isoformat()
    assert times.show(times.parse(local, now=NOW)) == printed


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001
def test_any_printed_time_is_read_as_the_same(moment: datetime) -> None:
    exact = moment.replace(tzinfo=UTC, microsecond=0)
    assert times.parse(times.show(exact), now=NOW) == exact


def test_a_search_does_not_begin_in_the_future() -> None:
    with pytest.raises(CliError, match="in the future") as caught:
        lines.since("2026-01-15T10:30", now=NOW)
    assert "UTC" in caught.value.advice


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0m"), (59, "0m"), (3_700, "1h 1m"), (14 * 86_400 + 7_200, "14d 2h"), (-5, "0m")],
)
def test_an_age_is_told_in_two_units(seconds: float, text: str) -> None:
    assert times.age(seconds) == text


# --- lines ------------------------------------------------------------------------------------


def logged(message: object) -> Line | None:
    text = message if isinstance(message, str) else json.dumps(message)
    return lines.read("receiver", {"message": text, "timestamp": NOW.timestamp() * 1000})


REQUEST = "8f507cfc-e5f2-4e69-9a3b-4b5f7a1d2c3e"


TROUBLE = {
    f"2026-01-15T09:30:00.000Z {REQUEST} Task timed out after 10.01 seconds\n\n": "Task timed out",
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'x'\n"
    "Traceback (most recent call last):": "Runtime.ImportModuleError",
    "[ERROR] SettingsInvalid: TABLE_NAME\nTraceback (most recent call last):": "SettingsInvalid",
    f"RequestId: {REQUEST} Error: Runtime exited with error: signal: killed\n"
    "Runtime.ExitError": "Runtime exited",
    "INIT_REPORT Init Duration: 10010.58 ms\tPhase: init\tStatus: timeout": "Status: timeout",
}


@pytest.mark.parametrize("text", TROUBLE)
def test_lambdas_own_lines_about_trouble_are_read(text: str) -> None:
    line, reason = logged(text), TROUBLE[text]
    assert line is not None
    assert (line.facts["reason"], line.level) == (reason, "ERROR")
    assert "\n" not in str(line)
    assert reasons.is_of_lambda(line)
    assert reasons.explain(line.facts) is reasons.REASONS[reason]


@pytest.mark.parametrize(
    "text",
    [
        f"START RequestId: {REQUEST} Version: $LATEST",
        f"END RequestId: {REQUEST}",
        f"REPORT RequestId: {REQUEST}\tDuration: 10000 ms\tStatus: timeout",
        "INIT_START Runtime Version: python:3.13.v1",
        "INIT_REPORT Init Duration: 300 ms\tPhase: init\tStatus: error\tError Type: A.B",
        '{"_aws": {"CloudWatchMetrics": []}, "Sent": [1.0]}',
        "[]",
        '  File "/var/task/app.py", line 1, in <module>',
    ],
)
def test_what_lambda_writes_all_the_time_and_metrics_are_left_out(text: str) -> None:
    assert logged(text) is None


def test_json_has_every_field_under_its_own_name_and_people_see_fewer() -> None:
    said = {
        "level": "ERROR", "message": "failed", "timestamp": "2026-01-15T09:30:00.000+00:00",
        "service": "receiver", "cold_start": True, "function_request_id": REQUEST,
        "correlation_id": "abc=", "reason": "Throttled", "detail": "x", "answer": 503,
    }  # fmt: skip
    line = logged(said)
    assert line is not None
    assert said.items() <= line.as_json.items()
    assert str(line) == (
        "2026-01-15T09:30:00Z receiver ERROR failed correlation_id=abc= reason=Throttled detail=x "
        "answer=503"
    )


def test_two_lines_with_the_same_text_are_two() -> None:
    events = [
        {"message": "[ERROR] A: b", "timestamp": 0, "eventId": number} for number in ("1", "2")
    ]
    first, second = (lines.read("mailer", each) for each in events)
    assert first is not None
    assert second is not None
    assert first.key != second.key


@pytest.mark.parametrize(
    ("query", "patterns"),
    [
        (Query(), [""]),
        (Query(ids=["a", "b"]), ['"a"', '"b"']),
        (Query(ids=["a"], messages=["refused"]), ['"a" "refused"']),
        (Query(messages=["refused"], reasons=["TokenExpired"]), ['"refused" "TokenExpired"']),
        (Query(messages=["refused", "failed"]), [""]),
        (Query(messages=['a" "b']), [""]),
    ],
)
def test_a_query_asks_cloudwatch_for_all_that_it_wants(query: Query, patterns: list[str]) -> None:
    assert query.patterns == patterns


def a_line(**facts: Any) -> Line:
    return Line(NOW, "receiver", str(facts.get("message")), {"service": "receiver", **facts})


def test_lines_are_counted_by_any_fields() -> None:
    found = [
        a_line(message="refused", reason="TokenUnverified", hint="TokenIv"),
        a_line(message="refused", reason="TokenUnverified"),
        a_line(message="refused", reason="TokenUnverified"),
        a_line(message="refused", reason="InvalidEvent", fields=["event", "data.email"]),
        a_line(message="sent", brand="default"),
    ]
    assert lines.count(found, ["reason"]) == {("TokenUnverified",): 3, ("InvalidEvent",): 1}
    assert lines.count(found, ["reason", "hint"])[("TokenUnverified", "-")] == 2
    assert lines.count(found, ["fields"]) == {("event, data.email",): 1}
    assert lines.count(found, ["source"]) == {("receiver",): 5}


# --- reasons ----------------------------------------------------------------------------------

# Never a line's reason: the bases of others.
BASES = {"RoomleMailError", "TokenRejected", "Unavailable", "AwsCallFailed", "Retryable"}
RAISED = [
    name
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, errors.RoomleMailError) and name not in BASES
]


@pytest.mark.parametrize("name", [*RAISED, "Unforeseen"])
def test_every_error_has_a_meaning_and_a_remedy(name: str) -> None:
    assert name in reasons.REASONS


TO_DO = re.compile(r"roomle-mail |aws |sam (?:build|deploy) |Service Quotas|https://health\.aws")


def test_every_alarm_has_a_cause_and_something_to_do() -> None:
    resources = cloudformation.read()["Resources"]
    alarms = {x for x, each in resources.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms == set(reasons.ALARMS)
    assert set(reasons.WITHOUT_MAILER) < alarms
    everything = [each.reason for each in reasons.ALARMS.values()]
    for each in (*everything, *reasons.WITHOUT_MAILER.values()):
        assert each.meaning.endswith(".")
        assert TO_DO.search(each.remedy) or "own log" in each.remedy


def test_remedies_name_parameters_of_the_template() -> None:
    remedies = [
        each.remedy
        for each in (*(x.reason for x in reasons.ALARMS.values()), *reasons.REASONS.values())
    ]
    set_ = {
        name
        for each in remedies
        for values in re.findall(r"--parameter-overrides((?: \w+=[\w,]+)+)", each)
        for name in re.findall(r"(\w+)=", values)
    }
    assert len(set_) > 5
    assert set_ <= set(cloudformation.read()["Parameters"])


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack on which nothing is broken, and nothing is measured."""
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    monkeypatch.setattr(why, "measured", lambda _, __: "6.0% of the emails bounce")
    monkeypatch.setattr(letters, "peek", lambda _: [])


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("alarm", reasons.ALARMS)
def test_an_alarm_is_explained_although_log_and_stack_tell_nothing(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, alarm: str
) -> None:
    monkeypatch.setattr(lines, "search", lambda *_, **__: [])
    meant = reasons.ALARMS[alarm].reason

    told, as_json = cli("why", alarm), cli("why", alarm, "--json").json

    assert told.code == 0
    shown = " ".join(told.out.split())
    assert f"{alarm} in general: 6.0% of the emails bounce {meant.meaning}" in shown
    assert f"-> {meant.remedy}" in shown
    assert as_json["in_general"] == {"meaning": meant.meaning, "remedy": meant.remedy}
    assert as_json["measured"] == "6.0% of the emails bounce"
    looks_back = "--since looks further back" in told.out
    assert looks_back == (reasons.ALARMS[alarm].query is not None)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("alarm", "line"),
    [
        ("BounceRateAlarm", {"message": "Email Bounced"}),
        ("ComplaintRateAlarm", {"message": "Email Complaint Received"}),
        ("SesQuotaAlarm", {"message": "failed", "reason": "QuotaUsedUp"}),
        # `doctor` sends such requests too.
        ("SilenceAlarm", {"message": "refused", "reason": "TokenMissing"}),
    ],
)
def test_what_single_lines_do_not_explain_is_explained_in_general_too(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, alarm: str, line: dict[str, str]
) -> None:
    monkeypatch.setattr(lines, "search", lambda *_, **__: [a_line(**line)])
    of_line, in_general = cli("why", alarm).out.strip().split("\n\n")
    assert line["message"] in of_line
    assert in_general.startswith(f"{alarm} in general:")


@pytest.mark.parametrize("reason", ["CallRefused", "Throttled", "OutcomeUnknown", "TimeRunningOut"])
def test_what_could_not_be_published_is_about_the_bus_and_not_about_the_email(reason: str) -> None:
    told = reasons.explain({"message": "could not publish", "reason": reason})
    assert told
    assert "EventBridge" in told.meaning
    other = reasons.explain({"message": "failed", "reason": reason})
    assert other
    assert "EventBridge" not in other.meaning


def test_refusals_are_told_without_requests_that_have_no_token_as_their_alarm_counts() -> None:
    query = reasons.query_for("RefusalsAlarm")
    assert query is not None
    refused = [a_line(message="refused", reason=each) for each in ("TokenMissing", "TokenExpired")]
    assert [query.matches(each) for each in refused] == [False, True]


def test_dead_letters_that_the_log_does_not_tell_of_are_told_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [
        Letter("1", "", "{}", reason, NOW, queued)
        for reason, queued in (
            ("EmailRefused", Queued("known", {}, "", 0, "")),
            ("EmailRefused", Queued("older", {}, "", 0, "")),
            ("BodyMalformed", None),
        )
    ]
    monkeypatch.setattr(letters, "peek", lambda _: there)
    deployment = SimpleNamespace(has_mailer=True)

    def told(*known: Line) -> list[tuple[str, str]]:
        found = why.of_letters(cast("Deployment", deployment), list(known))
        return [(each.facts["reason"], each.facts.get("event_id", "")) for each in found]

    line = a_line(message="dead-lettered", reason="EmailRefused", event_id="known")
    assert told(line) == [("EmailRefused", "older"), ("BodyMalformed", "")]
    assert told(line, a_line(reason="BodyMalformed")) == [("EmailRefused", "older")]


def test_lines_with_one_cause_are_one_group_and_the_most_frequent_comes_first() -> None:
    found = [
        a_line(message="received"),
        a_line(message="refused", reason="LinkNotAllowed", event_id="first"),
        a_line(message="failed", reason="Throttled", detail="a"),
        a_line(message="refused", reason="LinkNotAllowed", event_id="second"),
        a_line(message="sent"),
        a_line(message="queued", reason="Throttled", detail="a"),
    ]
    groups = reasons.group(found)
    assert [(len(each.lines), each.last.what) for each in groups] == [
        (2, "refused"), (1, "failed"), (1, "queued"),
    ]  # fmt: skip
    assert groups[0].as_json["event_id"] == "second"
    assert "hosts" in groups[0].reason.remedy


def test_a_token_in_the_log_is_filled_into_the_command_that_opens_it() -> None:
    found = [
        a_line(message="refused", reason="TokenUnverified", sealed_token="sealed-older=="),
        a_line(message="refused", reason="TokenUnverified", sealed_token="sealed-newer=="),
        a_line(message="refused", reason="TokenUnverified"),
        a_line(message="refused", reason="TokenExpired"),
    ]
    with_token, without = reasons.group(found)
    assert with_token.remedy.endswith("The last such token: roomle-mail verify sealed-newer==")
    assert with_token.as_json["remedy"] == with_token.remedy
    assert without.remedy == without.reason.remedy


def test_what_is_unknown_is_still_told() -> None:
    found = reasons.explain({"message": "failed", "reason": "OfALaterVersion"})
    assert found is not None
    assert "OfALaterVersion" in found.meaning


# --- names in any case ------------------------------------------------------------------------

LOG = [
    a_line(message="received", event_id="0f3a" * 8),
    a_line(message="refused", reason="TokenExpired", event_id="1f3b" * 8),
    a_line(message="failed", reason="Throttled", correlation_id="JKJaXmPLvHcESHA="),
]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line on a log of three lines."""
    deployment = SimpleNamespace(has_mailer=True, remind=lambda _: None)
    monkeypatch.setattr(Deployment, "find", lambda _: deployment)

    def search(_: object, query: Query, *, start: datetime) -> list[Line]:
        assert start < datetime.now(UTC)
        ids = set(query.ids)
        return [x for x in LOG if query.matches(x) and (not ids or ids & set(x.facts.values()))]

    monkeypatch.setattr(lines, "search", search)
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--message", "Refused"), ["refused"]),
        (("--message", "REFUSED", "--message", "Failed"), ["refused", "failed"]),
        (("--reason", "tokenexpired"), ["refused"]),
        (("--reason", "THROTTLED", "--message", "Failed"), ["failed"]),
        (("--event", "0F3A" * 8), ["received"]),
        (("--event", "JKJaXmPLvHcESHA="), ["failed"]),
    ],
)
def test_the_log_is_asked_for_messages_reasons_and_ids_in_any_case(
    cli: CommandLine, arguments: tuple[str, ...], found: list[str]
) -> None:
    result = cli("logs", *arguments, "--json")
    assert [json.loads(each)["what"] for each in result.out.splitlines()] == found
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--message", "refusd"), "No message is called refusd. Known: refused, failed,"),
        (("--reason", "Expired"), "No reason is called Expired. Known: TokenMissing,"),
        (("--message", "sent"), None),
        (("--reason", "QuotaUsedUp"), None),
    ],
)
def test_a_message_or_reason_that_there_is_not_is_told_with_those_that_there_are(
    cli: CommandLine, arguments: tuple[str, ...], told: str | None
) -> None:
    result = cli("logs", *arguments)
    assert (result.code, result.out) == (1, "")
    assert "Nothing since" in result.err
    assert told in result.err if told else "Known:" not in result.err


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("what", ["REFUSED", "tokenexpired", "tokenReplayedAlarm", "1F3B" * 8])
def test_why_is_asked_in_any_case(cli: CommandLine, what: str) -> None:
    result = cli("why", what)
    assert result.code == 0, result.err
    assert ("TokenExpired" in result.out) == ("Alarm" not in what)


@pytest.mark.parametrize("alarm", reasons.ALARMS)
@pytest.mark.parametrize(
    "name",
    [
        "{}",
        "roomle-mail-{}-1A2B3C4D5E6F",
        "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:roomle-mail-{}-1A2B3C4D5E6F",
    ],
)
def test_an_alarm_is_known_by_its_name_in_the_template_and_by_that_in_aws_emails(
    alarm: str, name: str
) -> None:
    assert reasons.spelled(name.format(alarm)) == alarm
    assert reasons.spelled(name.format(alarm).lower()) == alarm


@pytest.mark.parametrize(
    ("what", "meant"),
    [
        ("RefusalAlarm", "RefusalsAlarm"),
        ("refusals", "RefusalsAlarm"),
        ("bouncerate", "BounceRateAlarm"),
        ("ReceiverThrottleAlarm", "ReceiverThrottlesAlarm"),
        ("TokenExpird", "TokenExpired"),
    ],
)
def test_a_mistyped_question_is_asked_about(what: str, meant: str) -> None:
    with pytest.raises(CliError, match=f"Did you mean '{meant}'"):
        reasons.query_for(reasons.spelled(what))


@pytest.mark.parametrize("message", reasons.MESSAGES)
def test_why_knows_every_message(message: str) -> None:
    assert reasons.query_for(message) == Query(messages=[message])


def test_an_id_that_a_line_does_not_have_is_not_shown(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = a_line(message="failed", reason="Throttled", event_id="0f3a", correlation_id="-")
    monkeypatch.setattr(lines, "search", lambda *_, **__: [line])
    told = cli("why", "failed").out
    assert "event_id 0f3a" in told
    assert "correlation_id" not in told


def test_dead_letters_are_chosen_by_reason_in_any_case() -> None:
    there = [Letter("1", "", "{}", each, NOW, None) for each in ("EmailRefused", "NoTemplate")]
    held = letters.Held(cast("Deployment", None), there)
    assert dead_letters.filtered(held, None, ["emailrefused"]) == there[:1]
    assert dead_letters.filtered(held, None, ["emailrefuse"]) == []


@pytest.mark.parametrize("what", ["refuse", "NoSuchAlarm", "a b", "x" * 500])
def test_a_question_that_means_nothing_is_answered_with_the_ones_that_do(what: str) -> None:
    with pytest.raises(CliError) as caught:
        reasons.query_for(what)
    assert caught.value.code == 2
    assert caught.value.advice
