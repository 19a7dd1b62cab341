"""What the command line says without asking AWS."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import events, tokens
from roomle_mail.errors import TokenRejected
from roomle_mail.tokens import Credential
from roomle_mail_cli import lines, posting, reading, screen, sign
from roomle_mail_cli.app import app
from roomle_mail_cli.screen import CliError
from tests import ses_events
from tests.command_line import CommandLine

API_KEY, SECRET = "exampleKeyForTests", "example-secret-0"
CREDENTIAL = Credential(API_KEY, SECRET.encode())
NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
SESSION = "a-session-token-of-a-person"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    for name in ("AWS_PROFILE", "ROOMLE_API_KEY", "ROOMLE_SECRET", "ROOMLE_MAIL_STACK"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(monkeypatch, capsys)


def token(**form: Any) -> str:
    arguments: dict[str, Any] = {
        "now": NOW,
        "api_key": API_KEY,
        "secret": SECRET,
        "session": SESSION,
    } | form
    return sign.make_token(**arguments)


def explained(header: str, *credentials: Credential) -> reading.Explanation:
    tried = [("given", each) for each in credentials or (CREDENTIAL,)]
    return reading.explain(header, tried, None, now=NOW.timestamp())


# --- tokens -----------------------------------------------------------------------------------

FORMS = st.fixed_dictionaries(
    {
        "algorithm": st.sampled_from(["01", "02", "none"]),
        "iv": st.sampled_from(["zero", "key", "prefix"]),
        "alphabet": st.sampled_from(["standard", "url"]),
        "padding": st.booleans(),
        "zone": st.sampled_from(["Z", "+01", "+0530"]),
        "session": st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=60),
    }
)


@given(FORMS)
def test_every_form_of_a_token_is_recognised_by_the_reading_that_made_it(form: Any) -> None:
    explanation = explained(token(**form))

    best = explanation.best
    assert best is not None
    assert best.fits
    assert best.algorithm == ("02" if form["algorithm"] == "02" else "01")
    assert best.iv == (None if form["algorithm"] == "02" else form["iv"])
    assert best.issued_at == NOW.timestamp()
    assert best.names == API_KEY
    assert explanation.accepted == (form["algorithm"] != "02" and form["iv"] != "prefix")
    assert explanation.accepted == (explanation.advice == [])


@given(
    st.one_of(
        st.text(max_size=200),
        st.binary(max_size=100).map(lambda data: sign.encode(data, {"algorithm": "01"})),
        st.binary(min_size=32, max_size=96).map(
            lambda data: sign.encode(data[: len(data) // 16 * 16], {"algorithm": "02"})
        ),
    )
)
def test_a_token_that_the_receiver_refuses_is_refused_with_advice(header: str) -> None:
    explanation = explained(header)
    try:
        decoded = tokens.decode(header, algorithms=("01",))
        claims = tokens.verify(decoded, [CREDENTIAL], iv="fixed")
        accepted = not claims.is_expired(NOW.timestamp(), max_age=300)
    except TokenRejected:
        accepted = False
    assert explanation.accepted == accepted
    assert accepted or explanation.advice
    json.dumps(explanation.as_json())


WRONG: dict[str, tuple[Callable[[], str], str]] = {
    "cut off": (lambda: token()[:-9], "no whole AES blocks"),
    "two joined": (lambda: f"{token()},{token()}", "two token headers were joined"),
    "unencrypted": (lambda: "03-MjAyNg==", "03 is plain Base64"),
    "old": (lambda: token(now=NOW - timedelta(hours=1)), "TokenMaxAge"),
    "prefixed vector": (lambda: token(iv="prefix"), "TokenIv=prefix"),
    "ECB": (lambda: token(algorithm="02"), "TokenAlgorithms=01,02"),
    "ECB called CBC": (
        lambda: token(algorithm="02").replace("02-", "01-"), "written as 01 but encrypted as 02",
    ),
    "another secret": (lambda: token(secret="example-secret-1"), "No secret decrypts it"),
    "another API key": (lambda: token(api_key="another"), "names the API key 'another'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_each_fault_of_a_token_has_its_own_advice(name: str) -> None:
    make, advice = WRONG[name]
    explanation = explained(make())
    assert not explanation.accepted
    assert advice in "\n".join(explanation.advice)


def without_its_vector(vector: bytes) -> str:
    """A token with an unknown vector: made with `vector`, which is not sent."""
    form = sign.Form(iv="prefix", nonce=vector)
    text = f"{sign.format_timestamp(NOW)};{SESSION};{API_KEY}".encode()
    return sign.encode(sign.encrypt(text, secret=SECRET, form=form)[16:], sign.Form())


def test_an_unknown_vector_is_recognised_and_found_by_the_minute(cli: CommandLine) -> None:
    header = without_its_vector(b"RandomInitVector")
    assert "only the first block is unreadable" in "\n".join(explained(header).advice)
    result = cli("verify", header, "--secret-stdin", "--api-key", API_KEY,
                 "--at", "2026-01-15T09:30:20", stdin=SECRET)  # fmt: skip
    assert "RandomInitVector" in result.out
    assert result.code == 1


def test_a_vector_made_from_the_secret_is_not_shown(cli: CommandLine) -> None:
    header = without_its_vector(SECRET[::-1].encode())
    result = cli("verify", header, "--secret-stdin", "--api-key", API_KEY, "--json",
                 "--at", "2026-01-15T09:30:20", stdin=SECRET)  # fmt: skip
    assert result.json["vector"] == "made from the secret"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_verify_shows_neither_secret_nor_session(cli: CommandLine, arguments: list[str]) -> None:
    result = cli("verify", token(), "--secret-stdin", *arguments,
                 stdin=json.dumps({API_KEY: SECRET, "another": "example-secret-1"}))  # fmt: skip
    assert SESSION not in result.out
    assert f"({len(SESSION)} characters)" in result.out
    for secret in (SECRET, "example-secret-1"):
        assert secret not in result.out + result.err


def test_sign_makes_what_the_receiver_accepts(cli: CommandLine) -> None:
    made = cli("sign", "--secret-stdin", "--api-key", API_KEY, stdin=SECRET)
    claims = tokens.verify(
        tokens.decode(made.out.strip(), algorithms=("01",)),
        [CREDENTIAL],
        iv="fixed",
    )
    assert not claims.is_expired(time.time(), max_age=300)
    assert claims.credential == CREDENTIAL


# --- events -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", events.EVENTS)
def test_an_event_needs_nothing_but_an_address(name: str) -> None:
    event = events.validate(posting.payload(name.removeprefix("email."), to="a@customer.example"))
    assert event is not None
    assert event.name == name


@pytest.mark.parametrize("arguments", [[], ["savedConfiguration"], ["--to", "a@b.example"]])
def test_send_without_event_or_address_is_a_wrong_command_line(
    cli: CommandLine, arguments: list[str]
) -> None:
    result = cli("send", *arguments, "--webhook", "http://127.0.0.1:9", "--secret-stdin",
                 "--api-key", API_KEY, stdin=SECRET)  # fmt: skip
    assert result.code == 2


# --- the log's time ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-01-14T08:00:00+01:00", datetime(2026, 1, 14, 7, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_span_or_a_date(text: str, moment: datetime) -> None:
    assert lines.since(text, now=NOW) == moment


@given(st.text(max_size=30))
def test_any_other_time_is_refused(text: str) -> None:
    try:
        assert lines.since(text, now=NOW).tzinfo is not None
    except CliError as err:
        assert err.code == 2


def test_an_event_of_ses_is_told_by_what_it_has() -> None:
    logged = ses_events.logged(ses_events.EVENTS["Email Bounced"])

    line = lines.read("ses", {"message": json.dumps(logged), "timestamp": 0})

    assert line is not None
    assert line.as_json == {
        "at": "1970-01-01T00:00:00.000+00:00", "source": "ses", "what": "Email Bounced",
        "message": "Email Bounced", "service": "ses",
        "event_id": "0f" * 16, "message_id": "0107018d-message-id-000000", "brand": "default",
        "language": "en", "template": "saved", "bounce_type": "Permanent",
        "bounce_sub_type": "General", "bounce_status": "5.1.1",
    }  # fmt: skip


@given(st.text())
def test_what_strangers_wrote_cannot_steer_a_terminal(text: str) -> None:
    assert screen.visible(text).isprintable()


# --- help -------------------------------------------------------------------------------------


def commands(command: Any, *path: str) -> list[tuple[str, ...]]:
    """All commands, including those in groups."""
    inner = getattr(command, "commands", {})
    below = [found for name, each in inner.items() for found in commands(each, *path, name)]
    return below if inner else [path]


@pytest.mark.parametrize("path", commands(typer.main.get_command(app)), ids=" ".join)
def test_every_command_explains_itself_with_examples(
    cli: CommandLine, path: tuple[str, ...]
) -> None:
    result = cli(*path, "--help")
    assert result.code == 0
    assert "--json" in result.out
    assert re.search(rf"Examples?:\n(.*\n)*?.*roomle-mail {' '.join(path)}", result.out)


def test_help_documents_the_exit_codes(cli: CommandLine) -> None:
    told = cli("--help").out
    for code in screen.Exit:
        assert re.search(rf"^ +{code.value}  \w", told, re.MULTILINE)


def test_a_failure_shows_no_traceback_and_no_variables(cli: CommandLine) -> None:
    result = cli("verify", "01-x", "--secret-stdin", stdin="short-secret")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("roomle-mail: ")
    assert "short-secret" not in result.err
    assert "Traceback" not in result.err
