"""Options that would be ignored, and empty ones, are errors before anything is asked or sent."""

from __future__ import annotations

import inspect
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roomle_mail_cli import app, posting, sign
from roomle_mail_cli.deployment import Deployment
from tests.command_line import CommandLine

KEY, SECRET = "exampleKeyForTests", "example-secret-0"
SEND = ("send", "savedConfiguration", "--to", "you@example.com")
ELSEWHERE = ("--webhook", "http://127.0.0.1:9", "--secret-stdin", "--api-key", KEY)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    for name in ("ROOMLE_API_KEY", "ROOMLE_SECRET", "ROOMLE_MAIL_STACK", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)

    def no_stack(_: object) -> None:
        pytest.fail("the stack was looked for")

    monkeypatch.setattr(Deployment, "find", no_stack)
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    "arguments",
    [
        (*SEND, "--token", "01-x", "--age", "5"),
        (*SEND, "--token", "01-x", "--api-key", KEY),
        (*SEND, "--token", "01-x", "--secret-stdin"),
        (*SEND, "--token", "01-x", "--no-padding"),
        (*SEND, "--item-id", "a:b", "--configuration-id", "a:b:c"),
        (*SEND, "--dry-run", "--wait", "5"),
        (
            "send",
            "savedConfiguration",
            "--field",
            "email=me@example.com",
            "--to",
            "you@example.com",
        ),
        ("send", "--body", "-", "--field", "url=https://x.example", "--url", "https://y.example"),
        (*SEND, *ELSEWHERE, "--algorithm", "02", "--iv", "key"),
        ("sign", "--secret-stdin", "--api-key", KEY, "--algorithm", "02", "--iv", "key"),
        ("doctor", "a-stack", "--stack", "another"),
        ("prove", "a-stack", "--stack", "another"),
        ("dead-letters", "redrive", "--all", "6e3c"),
        ("dead-letters", "redrive", "--all", "--address", "you@example.com"),
        ("dead-letters", "redrive", "--all", "--reason", "EmailRefused"),
        ("dead-letters", "redrive", "6e3c", "--reason", "EmailRefused"),
        ("dead-letters", "drop", "--all", "6e3c"),
        ("dead-letters", "drop", "6e3c", "--address", "you@example.com"),
        ("logs", "--follow", "--limit", "5"),
        ("logs", "--follow", "--count-by", "reason"),
        ("logs", "--count-by", "reason", "--limit", "5"),
        ("logs", "--address", "you@example.com", "--event", "0f3a"),
    ],
    ids=" ".join,
)
def test_an_option_that_would_be_ignored_is_an_error(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    result = cli(*arguments, "--yes" if arguments[0] == "prove" else "--json", stdin=SECRET)
    assert (result.code, result.out) == (2, "")
    assert "would be ignored beside" in result.err
    assert arguments[-1] in result.err or arguments[-2] in result.err or "ID" in result.err


@pytest.mark.parametrize("command", ["doctor", "prove"])
def test_a_stack_before_the_command_is_not_ignored_either(cli: CommandLine, command: str) -> None:
    result = cli("--stack", "another", command, "a-stack")
    assert (result.code, result.out) == (2, "")
    assert "--stack would be ignored beside STACK" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        (*SEND, *ELSEWHERE, "--wait", "5"),
        ("logs", "--for", "3"),
        ("logs", "--event", ""),
        ("logs", "--event", 'a" "b'),
        ("logs", "--address", ""),
        ("logs", "--message", ""),
        ("logs", "--reason", " "),
        ("logs", "--count-by", ""),
        ("logs", "--since", ""),
        ("why", ""),
        ("verify", " "),
        ("why", "--since", "2999-01-01"),
        ("dead-letters", "list", "--reason", ""),
        ("dead-letters", "list", "--address", "nobody"),
        ("dead-letters", "redrive"),
        ("dead-letters", "drop", "--address", ""),
        ("dead-letters", "show", ""),
        ("dead-letters", "show", " "),
        ("dead-letters", "redrive", "6e3c", ""),
        ("dead-letters", "drop", ""),
        ("send", "", "--to", "you@example.com"),
        ("send", "--body", ""),
        ("doctor", "--design", ""),
        ("design", ""),
        (*SEND[:2], "--body", "-", "--secret-stdin"),
        (*SEND, "--webhook", ""),
        (*SEND, *ELSEWHERE, "--header", " "),
        (*SEND, "--api-key", ""),
        (*SEND, *ELSEWHERE, "--header", "a\nb"),
        (*SEND, *ELSEWHERE[:2], "--token", "é€"),
        ("doctor", ""),
        ("logs", "--stack", ""),
        ("dead-letters", "drop", "--all", "--yes", "--stack", ""),
        ("--region", "", "logs"),
        ("dead-letters", "--profile", "", "list"),
    ],
    ids=" ".join,
)
def test_what_is_missing_or_empty_is_an_error(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    result = cli(*arguments, stdin=SECRET)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("roomle-mail: ")
    assert "''" not in result.err.partition("\n")[0]


CAPTURED = {
    "event": "email.savedConfiguration",
    "data": {
        "success": True, "email": "customer@customer.example", "configurationId": "a:b:c",
        "url": "https://www.roomle.com/t/cp/?id=a:b:c", "newField": [1],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "name", "changes"),
    [
        (("--to", "you@example.com"), "email.savedConfiguration", {"email": "you@example.com"}),
        (("shareConfiguration",), "email.shareConfiguration", {}),
        (("--failed",), "email.savedConfiguration", {"success": False}),
        (("--url", "https://a.example/"), "email.savedConfiguration",
         {"url": "https://a.example/"}),
        (("--field", "newField=2"), "email.savedConfiguration", {"newField": 2}),
        (("--item-id", "a:b"), "email.savedConfiguration",
         {"itemId": "a:b", "configurationId": None}),
    ],
)  # fmt: skip
def test_options_replace_what_a_body_has_and_nothing_else(
    cli: CommandLine,
    tmp_path: Path,
    arguments: tuple[str, ...],
    name: str,
    changes: dict[str, object],
) -> None:
    path = tmp_path / "captured.json"
    path.write_text(json.dumps(CAPTURED))
    result = cli("send", "--body", str(path), *arguments, *ELSEWHERE, "--dry-run", "--json",
                 stdin=SECRET)  # fmt: skip
    assert result.code == 0, result
    sent = json.loads(result.json["body"])
    wanted = {**CAPTURED["data"], **changes}  # type: ignore[dict-item]
    assert sent["event"] == name
    assert sent["data"] == {key: value for key, value in wanted.items() if value is not None}


@pytest.mark.parametrize(
    ("answer", "told", "command"),
    [
        (401, '{"status": "refused", "code": "unauthorized"}', "roomle-mail why refused\n"),
        (503, '{"status": "failed", "code": "throttled"}', "roomle-mail why failed\n"),
        (500, '{"message": "Internal Server Error"}', "roomle-mail why\n"),
    ],
)
def test_a_bad_answer_comes_with_the_command_that_says_why(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, answer: int, told: str, command: str
) -> None:
    monkeypatch.setattr(posting, "post", lambda _: posting.Answer(answer, told, 0.1, None, "a1="))
    result = cli(*SEND, *ELSEWHERE[:2], "--token", "01-x")
    assert (result.code, "a1=" in result.out) == (1, True)
    assert result.err.endswith(command)


@pytest.mark.parametrize("token", ["nonsense", "01-" + 64 * "A"])
def test_the_event_id_of_a_refused_token_is_the_one_in_the_log(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    monkeypatch.setattr(posting, "post", lambda _: posting.Answer(401, "{}", 0.1, None, None))
    path = tmp_path / "captured.json"
    path.write_text("{}")
    result = cli("send", "--body", str(path), *ELSEWHERE[:2], "--token", token, "--json")
    assert result.json["event_id"] == posting.refused_id(token, b"{}")


def test_an_empty_session_is_not_replaced_by_a_random_one(cli: CommandLine) -> None:
    result = cli("sign", "--session", "", "--secret-stdin", "--api-key", KEY, stdin=SECRET)
    explained = cli("verify", result.out.strip(), "--secret-stdin", "--api-key", KEY, "--json",
                    stdin=SECRET)  # fmt: skip
    assert explained.json["fits"][0]["session"] == "(0 characters)"


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "1e300", "-5"])
@pytest.mark.parametrize(
    "arguments", [("dead-letters", "redrive", "--all", "--wait"), (*SEND, "--wait")], ids=" ".join
)
def test_a_wait_without_an_end_or_below_zero_is_an_error(
    cli: CommandLine, arguments: tuple[str, ...], seconds: str
) -> None:
    result = cli(*arguments, seconds)
    assert (result.code, result.out) == (2, "")
    assert "not a number of seconds" in result.err


def test_a_body_without_options_is_sent_byte_by_byte(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "captured.json"
    path.write_text(' {"event" :\n"x"} ')
    result = cli("send", "--body", str(path), *ELSEWHERE, "--dry-run", "--json", stdin=SECRET)
    assert result.json["body"] == ' {"event" :\n"x"} '


def test_options_cannot_replace_anything_in_a_body_that_is_no_event(
    cli: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "captured.json"
    path.write_text("success=true")
    result = cli("send", "--body", str(path), "--to", "you@example.com", *ELSEWHERE, stdin=SECRET)
    assert result.code == 2
    assert "not one of Roomle's events" in result.err


def test_a_local_stack_has_its_own_region_and_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "stack.json"
    path.write_text(json.dumps({"region": "eu-central-1", "endpoint_url": "http://127.0.0.1:9"}))
    cli = CommandLine(monkeypatch, capsys)
    for option in (("--region", "us-east-1"), ("--profile", "mine")):
        result = cli("secret", "list", "--stack", str(path), *option)
        assert (result.code, "would be ignored" in result.err) == (2, True)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna", "America/Los_Angeles"])
@pytest.mark.parametrize(
    "at", ["2026-01-15T09:30", "2026-01-15 09:30:20", "2026-01-15T10:30+01:00"]
)
def test_the_time_of_a_token_is_utc_unless_it_names_a_zone(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, zone: str, at: str
) -> None:
    moment = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    token = sign.make_token(now=moment, api_key=KEY, secret=SECRET)
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        result = cli("verify", token, "--at", at, "--secret-stdin", "--api-key", KEY, stdin=SECRET)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert result.code == 0, result


# Options of the same name that mean different things.
DIFFERENT = {
    "api_key": ("secret set", "secret remove"),
    "as_json": ("logs",),
    "design": ("doctor", "prove"),
    "event": ("send", "logs"),
    "token": ("send", "verify"),
    "wait": ("send", "dead-letters redrive"),
}


def test_what_several_commands_have_is_declared_once() -> None:
    grouped = {
        f"{group} {name}": command
        for group, (_, commands) in app.GROUPS.items()
        for name, command in commands.items()
    }
    declared: dict[str, list[object]] = {}
    for command, function in {**app.COMMANDS, **grouped}.items():
        for each in inspect.signature(function, eval_str=True).parameters.values():
            if command not in DIFFERENT.get(each.name, ()):
                declared.setdefault(each.name, []).append(each.annotation)
    assert {"stack", "since", "reason", "address", "url"} <= declared.keys()
    assert [x for x, found in declared.items() if any(each != found[0] for each in found)] == []
