"""The tools' tokens are Roomle's: held against Roomle's public example and against OpenSSL."""

import base64
import copy
import io
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from roomle_mail_cli import sign

# Roomle's page "Authentication" works through this example.
EXAMPLE_TEXT = "2020-12-31T23:00:00.000Z;aSessionToken;aValidApiKey"
EXAMPLE_TOKEN = (
    "02-jOi87tgUadH3EGwcs/FPR44LlPEVoayzgkkkzmMbPwz50gNngNxgX8aNmNZ1SMAy31j1qsB9RvlF1RxiILGYDQ=="
)
EXAMPLE_MOMENT = datetime(2020, 12, 31, 23, tzinfo=UTC)
SECRETS = ["a-Secr3t_Str1ng!", "a-secret-of-24-bytes-xxx", "a-secret-of-32-bytes-xxxxxxxxxxx"]


def decrypt_with_openssl(
    ciphertext: bytes, *, secret: str, mode: str = "cbc", vector: bytes = b""
) -> str:
    openssl = shutil.which("openssl")
    assert openssl, "the tests need the openssl command"
    command = [openssl, "enc", "-d", f"-aes-{len(secret) * 8}-{mode}", "-K", secret.encode().hex()]
    if vector:
        command += ["-iv", vector.hex()]
    finished = subprocess.run(
        command, input=ciphertext, capture_output=True, check=True, timeout=30
    )
    return finished.stdout.decode()


def ciphertext_of(token: str) -> bytes:
    return base64.b64decode(token.removeprefix("01-").removeprefix("02-"), validate=True)


def test_roomles_public_example_comes_out_exactly() -> None:
    token = sign.make_token(
        now=EXAMPLE_MOMENT,
        session="aSessionToken",
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
        algorithm="02",
    )

    assert token == EXAMPLE_TOKEN


@pytest.mark.parametrize("secret", SECRETS, ids=["aes-128", "aes-192", "aes-256"])
@pytest.mark.parametrize("iv", ["zero", "key", "prefix"])
def test_openssl_decrypts_a_cbc_token(secret: str, iv: sign.Iv) -> None:
    # GIVEN a token with its vector in one of the three usual places
    token = sign.make_token(
        now=EXAMPLE_MOMENT, session="aSessionToken", api_key="aValidApiKey", secret=secret, iv=iv
    )
    assert token.startswith("01-")
    ciphertext = ciphertext_of(token)
    vector = {"zero": bytes(16), "key": secret.encode()[:16], "prefix": ciphertext[:16]}[iv]
    if iv == "prefix":
        ciphertext = ciphertext[16:]

    # WHEN another implementation than ours decrypts it
    text = decrypt_with_openssl(ciphertext, secret=secret, vector=vector)

    # THEN the plain text is the one that Roomle documents
    assert text == EXAMPLE_TEXT


@pytest.mark.parametrize("secret", SECRETS, ids=["aes-128", "aes-192", "aes-256"])
def test_openssl_decrypts_an_ecb_token(secret: str) -> None:
    token = sign.make_token(
        now=EXAMPLE_MOMENT,
        session="aSessionToken",
        api_key="aValidApiKey",
        secret=secret,
        algorithm="02",
    )

    assert decrypt_with_openssl(ciphertext_of(token), secret=secret, mode="ecb") == EXAMPLE_TEXT


def test_a_prefixed_vector_is_random_unless_one_is_given() -> None:
    def vector(nonce: bytes = b"") -> bytes:
        token = sign.make_token(
            now=EXAMPLE_MOMENT, api_key="k", secret=SECRETS[0], iv="prefix", nonce=nonce
        )
        return ciphertext_of(token)[:16]

    assert vector() != vector()
    assert vector(b"sixteen bytes ok") == b"sixteen bytes ok"


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("Z", "2020-12-31T23:00:00.000Z"),
        ("+01", "2021-01-01T00:00:00.000+01"),
        ("+0530", "2021-01-01T04:30:00.000+0530"),
        ("-0330", "2020-12-31T19:30:00.000-0330"),
    ],
)
def test_a_timestamp_names_the_same_moment_in_any_zone(zone: str, written: str) -> None:
    assert sign.format_timestamp(EXAMPLE_MOMENT, zone=zone) == written
    elsewhere = EXAMPLE_MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert sign.format_timestamp(elsewhere, zone=zone) == written


def test_a_timestamp_has_milliseconds_and_a_four_digit_year() -> None:
    moment = datetime(999, 1, 2, 3, 4, 5, 6_789, tzinfo=UTC)

    assert sign.format_timestamp(moment) == "0999-01-02T03:04:05.006Z"


def test_every_spelling_holds_the_same_ciphertext() -> None:
    # GIVEN bytes whose base64 needs both letters that differ and padding
    ciphertext = bytes([0xFB, 0xFF, 0xBF, 0xFB] * 4)

    # THEN each spelling differs as text
    assert sign.encode(ciphertext, {}) == "01-+/+/+/v/v/v7/7/7+/+/+w=="
    assert sign.encode(ciphertext, {"alphabet": "url"}) == "01--_-_-_v_v_v7_7_7-_-_-w=="
    assert sign.encode(ciphertext, {"padding": False}) == "01-+/+/+/v/v/v7/7/7+/+/+w"
    assert sign.encode(ciphertext, {"algorithm": "none"}) == "+/+/+/v/v/v7/7/7+/+/+w=="


def test_signing_replaces_the_token_and_the_time_and_nothing_else() -> None:
    # GIVEN an event with an old token
    event = {
        "headers": {"Token": "01-old", "content-type": "application/json"},
        "requestContext": {"timeEpoch": 1, "time": "old", "requestId": "id"},
        "body": "{}",
    }
    before = copy.deepcopy(event)

    # WHEN it is signed
    signed = sign.sign(event, now=EXAMPLE_MOMENT, api_key="aValidApiKey", secret=SECRETS[0])

    # THEN the copy has one token and arrives now, and the original is as it was
    token = signed["headers"].pop("Token")
    text = decrypt_with_openssl(ciphertext_of(token), secret=SECRETS[0], vector=bytes(16))
    assert text.startswith("2020-12-31T23:00:00.000Z;")
    assert text.endswith(";aValidApiKey")
    assert signed == {
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "timeEpoch": 1609455600000,
            "time": "31/Dec/2020:23:00:00 +0000",
            "requestId": "id",
        },
        "body": "{}",
    }
    assert event == before


def test_two_events_signed_in_the_same_millisecond_differ_in_the_first_two_blocks() -> None:
    # The memory of tokens looks at those two blocks only: equal ones would be a replay.
    first, second = (
        ciphertext_of(
            sign.sign({}, now=EXAMPLE_MOMENT, api_key="k", secret=SECRETS[0])["headers"]["token"]
        )
        for _ in range(2)
    )

    assert first[:32] != second[:32]


def test_the_command_prints_the_event_with_a_new_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixture = tmp_path / "event.json"
    fixture.write_text('{"headers": {"token": "01-old"}, "body": "grün"}')

    sign.main([str(fixture), "--algorithm", "02", "--session", "anonymous", "--header", "X-Token"])

    printed = json.loads(capsys.readouterr().out)
    assert printed["body"] == "grün"
    text = decrypt_with_openssl(
        ciphertext_of(printed["headers"]["X-Token"]), secret=sign.EXAMPLE_SECRET, mode="ecb"
    )
    assert text.endswith(";anonymous;aValidApiKey")


def test_the_command_reads_an_event_from_stdin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"body": "x"}'))

    sign.main(["-", "--api-key", "another", "--secret", SECRETS[2], "--iv", "key"])

    printed = json.loads(capsys.readouterr().out)
    text = decrypt_with_openssl(
        ciphertext_of(printed["headers"]["token"]),
        secret=SECRETS[2],
        vector=SECRETS[2].encode()[:16],
    )
    assert text.endswith(";another")


def test_the_command_leaves_a_token_that_is_itself_the_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a fixture that expected.json marks as not to be signed
    (tmp_path / "receiver").mkdir()
    (tmp_path / "expected.json").write_text('{"receiver/no_token": {"sign": false}}')
    fixture = tmp_path / "receiver" / "no_token.json"
    fixture.write_text('{"headers": {}, "requestContext": {"timeEpoch": 1}}')

    sign.main([str(fixture)])

    # THEN only its time is new
    printed = json.loads(capsys.readouterr().out)
    assert printed["headers"] == {}
    assert printed["requestContext"]["timeEpoch"] > 1
