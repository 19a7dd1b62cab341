"""What the command line says without asking AWS."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import events, tokens
from roomle_mail.errors import SecretUnusable, TokenRejected
from roomle_mail.tokens import Credential
from roomle_mail_cli import forms, keys, lines, posting, reading, screen, sign
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


# --- a text that can be read, but has another form --------------------------------------------

STAMP = "2026-01-15T09:30:00"
OTHER_FORMS = {
    "{stamp}Z;anonymous;{key}": "it has no milliseconds",
    "{stamp}.123456Z;anonymous;{key}": "microseconds instead of milliseconds",
    "{stamp}.123456789Z;anonymous;{key}": "nanoseconds instead of milliseconds",
    "{stamp}.1Z;anonymous;{key}": "1 digit behind the seconds",
    "{stamp},123Z;anonymous;{key}": "a comma before the milliseconds",
    "{stamp}.123+02:00;anonymous;{key}": "the zone +02:00 has a colon",
    "{stamp}.123;anonymous;{key}": "it has no zone",
    "{stamp}.123z;anonymous;{key}": "the zone z is none of Java's X",
    "{stamp}.123 CET;anonymous;{key}": "the zone CET is none of Java's X",
    "{stamp}.123+01[Europe/Vienna];anonymous;{key}": "it names a place, [Europe/Vienna]",
    "2026-01-15 09:30:00.123Z;anonymous;{key}": "there is no T between date and time",
    "2026-01-15T09:30Z;anonymous;{key}": "it has no seconds",
    "20260115T093000.123Z;anonymous;{key}": "the date has no hyphens",
    "2026-01-32T09:30:00.123Z;anonymous;{key}": "there is no such moment",
    "Thu, 15 Jan 2026 09:30:00 GMT;anonymous;{key}": "Its time is written in another way",
    "1768469400;anonymous;{key}": "Its time is seconds since 1970",
    "1768469400123;anonymous;{key}": "Its time is milliseconds since 1970",
    "1768469400.5;anonymous;{key}": "Its time is seconds since 1970",
    "{stamp}.123Z;anonymous;{key}\n": "It ends with a line break",
    "{stamp}.123Z;anonymous;{key}\r\n": "It ends with a line break",
    " {stamp}.123Z;anonymous;{key}": "It begins or ends with a blank",
    "{stamp}.123Z;anonymous": "It has no API key: one part is missing",
    "{stamp}.123Z;anonymous;": "It has no API key: the last part is empty",
    "{stamp}.123Z;anonymous; {key}": "There is a blank before the API key",
    "{stamp}.123Z;anonymous;\t{key}": "There is a blank before the API key",
    "{stamp}.123Z;{key}": "It has no session token",
    "{stamp}.123Z": "It has no semicolon, so neither a session token nor an API key",
}
WAYS: list[sign.Form] = [
    {"iv": "zero"}, {"iv": "key"}, {"iv": "prefix"}, {"algorithm": "02"}, {"algorithm": "none"},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("text", OTHER_FORMS)
def test_a_readable_text_of_another_form_is_explained_and_the_secret_is_not_blamed(
    text: str, way: sign.Form
) -> None:
    written = text.format(stamp=STAMP, key=API_KEY).encode()
    explanation = explained(sign.encode(sign.encrypt(written, secret=SECRET, form=way), way))

    told = "\n".join(explanation.advice)
    assert not explanation.accepted
    assert OTHER_FORMS[text] in told
    assert f"The secret of '{API_KEY}' is right" in told
    assert "differ" not in told
    assert "names the API key" not in told
    assert explanation.best is not None
    assert explanation.best.iv == (None if way.get("algorithm") == "02" else way.get("iv", "zero"))


BINARY = b"caf\xe9\0\x80\xff"
UNREADABLE = {
    "a session token that is not UTF-8": (
        f"{STAMP}Z;".encode() + BINARY + f";{API_KEY}".encode(), "it has no milliseconds",
    ),
    "such a session token, and a line break": (
        f"{STAMP}.123Z;".encode() + BINARY + f";{API_KEY}\n".encode(), "ends with a line break",
    ),
    "such a session token, and no API key": (
        f"{STAMP}.123Z;".encode() + BINARY, "It has no API key",
    ),
    "an API key with a byte behind it": (
        f"{STAMP}.123Z;anonymous;{API_KEY}\0".encode(), "characters that can't be shown",
    ),
    "UTF-16": (f"{STAMP}.123Z;anonymous;{API_KEY}".encode("utf-16"), "It is UTF-16"),
    "a mark in front": (
        f"{STAMP}.123Z;anonymous;{API_KEY}".encode("utf-8-sig"), "a byte order mark",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_text_of_which_only_the_time_can_be_read_blames_neither_secret_nor_vector(
    name: str, way: sign.Form
) -> None:
    text, told = UNREADABLE[name]
    explanation = explained(sign.encode(sign.encrypt(text, secret=SECRET, form=way), way))

    advice = "\n".join(explanation.advice)
    assert told in advice
    assert f"The secret of '{API_KEY}' is right" in advice
    assert explanation.best is not None
    assert explanation.best.iv == (None if way.get("algorithm") == "02" else way.get("iv", "zero"))


def test_a_vector_that_makes_other_letters_of_the_first_block_is_not_taken_for_another_form() -> (
    None
):
    block = AES.new(SECRET.encode(), AES.MODE_CBC, iv=b"1234567890abcdef")
    text = f"{STAMP}.123Z;anonymous;{API_KEY}".encode()
    told = "\n".join(explained(sign.encode(block.encrypt(pad(text, 16)), {})).advice)
    assert "the initialisation vector is none of the three" in told


def test_a_token_in_hexadecimal_digits_is_recognised() -> None:
    data = sign.encrypt(f"{STAMP}.123Z;anonymous;{API_KEY}".encode(), secret=SECRET, form={})
    assert "hexadecimal" in "\n".join(explained(f"01-{data.hex()}").advice)


def test_several_differences_are_told_at_once_with_the_other_api_key() -> None:
    text = b"2026-01-15 09:30:00+01:00;anonymous;another\n"
    told = "\n".join(explained(sign.encode(sign.encrypt(text, secret=SECRET, form={}), {})).advice)
    for each in ("line break", "no T between", "no milliseconds", "has a colon", "'another'"):
        assert each in told


def test_what_may_be_a_session_token_is_not_shown_where_parts_are_missing(
    cli: CommandLine,
) -> None:
    text = f"{STAMP}Z;{SESSION}".encode()
    header = sign.encode(sign.encrypt(text, secret=SECRET, form={}), {})
    for arguments in ([], ["--json"]):
        result = cli("verify", header, "--secret-stdin", "--api-key", API_KEY, *arguments,
                     stdin=SECRET)  # fmt: skip
        assert "no API key" in result.out
        assert SESSION not in result.out + result.err


def test_padding_with_zero_bytes_is_recognised() -> None:
    text = f"{STAMP}.123Z;anonymous;{API_KEY}".encode()
    text += bytes(-len(text) % 16 or 16)
    data = AES.new(SECRET.encode(), AES.MODE_CBC, iv=bytes(16)).encrypt(text)
    assert "zero bytes for padding" in "\n".join(explained(sign.encode(data, {})).advice)


def test_a_published_example_of_a_text_without_milliseconds(cli: CommandLine) -> None:
    header = "01-iBHBunfM4hIter4wF0SeTz5kwpSxRZ4sYMCUBeoihf0xmsS8lW1+6kDSzx9dvMZw"
    result = cli("verify", header, "--secret-stdin", "--api-key", "shopKey7",
                 stdin="sofa-and-chair-1")  # fmt: skip
    assert result.code == 1
    assert "2026-07-01T10:00:00Z: it has no milliseconds" in result.out
    assert "is right: don't change it" in result.out


@given(st.text(max_size=60))
def test_every_text_is_described_without_an_error(text: str) -> None:
    assert isinstance(forms.differences(text, API_KEY), list)
    assert forms.moment(text) is None or forms.is_time(text.strip())


@given(FORMS)
def test_a_text_of_roomles_form_has_no_differences(form: Any) -> None:
    written = sign.format_timestamp(NOW, zone=form["zone"])
    assert forms.differences(f"{written};{form['session'].strip()};{API_KEY}", API_KEY) == []


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


def test_what_could_not_be_tried_has_no_table(cli: CommandLine) -> None:
    tried, not_tried = (
        cli("verify", each, "--secret-stdin", "--api-key", API_KEY, stdin=SECRET).out
        for each in (token(), "abc")
    )
    assert "Tried:" in tried
    assert "Tried:" not in not_tried
    assert "cut off?" in not_tried


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


# --- the secret -------------------------------------------------------------------------------

GOOD = json.dumps({API_KEY: SECRET})
WRONG_SECRETS: dict[str, tuple[str, str]] = {
    "": ("it is empty, or bytes instead of text", "roomle-mail secret set API_KEY"),
    "no json": ("it is not JSON", "roomle-mail secret set API_KEY --replace"),
    f"{GOOD}}}": (f"wrong at character {len(GOOD) + 1} of {len(GOOD) + 1}", "--replace"),
    "[1]": ("not an object", "--replace"),
    "{}": ("at least one API key", "--replace"),
    '{"k": 1}': ("the secret of 'k' is not a text but int", "roomle-mail secret set k"),
    '{"k": "short"}': ("the secret of 'k' has 5 characters", "roomle-mail secret set k"),
    json.dumps({"k": f"{SECRET}\n"}): ("17 characters, 1 of them blanks or line breaks", "set k"),
    json.dumps({"k": "example-secrét-0"}): ("number 13 is not ASCII", "secret set k"),
    json.dumps({"k": "a-Secr3t_Str1ng!"}): ("that Roomle published", "secret set k"),
    json.dumps({"a;b": SECRET}): ("API key number 1 (3 characters)", "--replace < keys.json"),
    json.dumps({API_KEY: SECRET, "b": "x", "c": "yy"}): (
        "'b' has 1 char",
        "secret set < keys.json",
    ),
    json.dumps({"b": "x", "c;": "yy"}): ("'b' has 1 char", "secret set --replace < keys.json"),
}


@pytest.mark.parametrize("text", WRONG_SECRETS)
def test_a_wrong_secret_is_explained_by_its_part_and_length_with_what_fixes_it(text: str) -> None:
    what, fix = WRONG_SECRETS[text]
    found = keys.fault(text, allow_published=False)
    assert found is not None
    assert what in found.what
    assert fix in found.fix
    assert SECRET not in found.what + found.fix


@pytest.mark.parametrize("after", ["", "\n"])
@pytest.mark.parametrize("length", range(1, len(GOOD)))
def test_a_secret_whose_end_is_missing_is_told_to_be_cut_off(length: int, after: str) -> None:
    text = GOOD[:length].rstrip()
    found = keys.fault(text + after, allow_published=False)
    assert found is not None
    assert f"it is cut off after {len(text)} characters" in found.what
    assert SECRET not in found.what


VALUES = st.one_of(
    st.text(max_size=33),
    st.sampled_from([SECRET, SECRET * 2, "a-Secr3t_Str1ng!", SECRET[:-1], f"{SECRET}\n"]),
    st.integers(),
    st.none(),
)


@given(
    st.one_of(
        st.text(max_size=40),
        st.dictionaries(st.one_of(st.text(max_size=5), st.just("k")), VALUES).map(json.dumps),
        st.lists(st.integers()).map(json.dumps),
        st.just("[" * 100_000),
    )
)
def test_a_secret_is_wrong_exactly_where_the_receiver_refuses_it(text: str) -> None:
    try:
        keys.parse(text, allow_published=False)
        usable = True
    except SecretUnusable:
        usable = False
    found = keys.fault(text, allow_published=False)
    assert (found is None) == usable
    assert found is None or (found.what and found.fix)


def test_a_line_break_at_the_end_is_told_and_does_not_count(cli: CommandLine) -> None:
    arguments = ("sign", "--secret-stdin", "--api-key", API_KEY)
    with_break, without = cli(*arguments, stdin=f"{SECRET}\r\n"), cli(*arguments, stdin=SECRET)
    assert (with_break.code, without.code) == (0, 0)
    assert "line break" in with_break.err
    assert without.err == ""


# --- events -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", events.EVENTS)
def test_an_event_needs_nothing_but_an_address(name: str) -> None:
    event = events.validate(posting.payload(name.removeprefix("email."), to="a@customer.example"))
    assert event is not None
    assert event.name == name


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("savedconfiguration", "savedConfiguration"),
        ("SAVEDCONFIGURATION", "savedConfiguration"),
        ("saveConfiguration", "savedConfiguration"),
        ("shareConfigurationAr", "shareConfigurationAR"),
        ("3dExportAsset", "3DExportAsset"),
        ("email.savedconfiguration", "email.savedConfiguration"),
    ],
)
def test_a_mistyped_event_is_asked_about(cli: CommandLine, name: str, meant: str) -> None:
    result = cli("send", name, "--to", "a@b.example", "--webhook", "http://127.0.0.1:9",
                 "--secret-stdin", "--api-key", API_KEY, "--dry-run", stdin=SECRET)  # fmt: skip
    assert (result.code, result.out) == (2, "")
    assert f"Did you mean {meant}?" in result.err


@pytest.mark.parametrize("name", ["email.orderConfirmation", "order.created"])
def test_any_other_event_is_sent_under_its_full_name(cli: CommandLine, name: str) -> None:
    result = cli("send", name, "--to", "a@b.example", "--webhook", "http://127.0.0.1:9",
                 "--secret-stdin", "--api-key", API_KEY, "-n", "--json", stdin=SECRET)  # fmt: skip
    assert json.loads(result.json["body"])["event"] == name


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


@pytest.mark.parametrize(
    "command",
    [
        "doctor", "prove --yes", "secret list", "dead-letters list", "design demo:sofa", "why",
        "logs", "send savedConfiguration --to you@example.com", "verify 01-x",
    ],
)  # fmt: skip
def test_a_program_learns_by_json_why_a_command_cannot_continue(
    cli: CommandLine, command: str, tmp_path: Path
) -> None:
    missing = str(tmp_path / "stack.json")
    result = cli(*command.split(), "--json", "--stack", missing)
    assert result.code == 3
    assert result.json == {
        "error": f"{missing} does not exist.",
        "advice": "Start a local stack: make local",
    }
    assert f"roomle-mail: {missing} does not exist." in result.err
    assert cli(*command.split(), "--stack", missing).out == ""
