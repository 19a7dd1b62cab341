"""Tokens: what verifies, what does not, and what a spelling or a splice can't change."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Literal

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from hypothesis import example, given
from hypothesis import strategies as st

from roomle_mail import tokens
from roomle_mail.errors import (
    TokenAlgorithmNotAllowed,
    TokenMalformed,
    TokenRejected,
    TokenUnverified,
)
from roomle_mail.tokens import Credential
from roomle_mail_cli.sign import make_token

# Roomle's page "Authentication" publishes these as its example.
EXAMPLE = Credential("aValidApiKey", b"a-Secr3t_Str1ng!")
EXAMPLE_TOKEN = (
    "02-jOi87tgUadH3EGwcs/FPR44LlPEVoayzgkkkzmMbPwz50gNngNxgX8aNmNZ1SMAy31j1qsB9RvlF1RxiILGYDQ=="
)
EXAMPLE_MOMENT = datetime(2020, 12, 31, 23, 0, tzinfo=UTC)

NOW = datetime(2026, 3, 1, 12, 0, 30, 123_000, tzinfo=UTC)
BLOCK = tokens.BLOCK


def claims_of(
    header: str,
    *,
    credentials: tuple[Credential, ...] = (EXAMPLE,),
    iv: str = "fixed",
    algorithms: tuple[str, ...] = ("01",),
) -> tokens.Claims:
    token = tokens.decode(header, algorithms=algorithms)
    mode: Literal["fixed", "prefix"] = "prefix" if iv == "prefix" else "fixed"
    return tokens.verify(token, credentials, iv=mode)


def token(now: datetime = NOW, **form: object) -> str:
    given = {"api_key": "aValidApiKey", "secret": "a-Secr3t_Str1ng!"} | form
    return make_token(now=now, **given)  # type: ignore[arg-type]


def data_of(header: str) -> bytes:
    text = header[3:] if header[2:3] == "-" else header
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "==")


def test_roomles_public_example_verifies() -> None:
    claims = claims_of(EXAMPLE_TOKEN, algorithms=("01", "02"))

    assert claims.issued_at == EXAMPLE_MOMENT.timestamp()
    assert claims.credential == EXAMPLE


def test_the_public_example_needs_its_algorithm_to_be_allowed() -> None:
    with pytest.raises(TokenAlgorithmNotAllowed):
        claims_of(EXAMPLE_TOKEN)


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("iv", ["zero", "key", "prefix"])
def test_a_token_that_openssl_made_verifies(bits: int, iv: str) -> None:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is needed to hold our tokens against another implementation"
    secret = b"0123456789abcdefghijklmnopqrstuv"[: bits // 8]
    vector = {"zero": bytes(16), "key": secret[:16], "prefix": bytes(range(16))}[iv]
    text = b"2026-03-01T12:00:30.123Z;a;session;aValidApiKey"

    made = subprocess.run(
        [openssl, "enc", f"-aes-{bits}-cbc", "-K", secret.hex(), "-iv", vector.hex()],
        input=text,
        capture_output=True,
        check=True,
    ).stdout
    sent = (vector if iv == "prefix" else b"") + made
    header = f"01-{base64.b64encode(sent).decode()}"

    claims = claims_of(
        header,
        credentials=(Credential("aValidApiKey", secret),),
        iv="prefix" if iv == "prefix" else "fixed",
    )
    assert claims.issued_at == NOW.timestamp()


@pytest.mark.parametrize("algorithm", ["01", "none"])
@pytest.mark.parametrize("alphabet", ["standard", "url"])
@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("iv", ["zero", "key", "prefix"])
@pytest.mark.parametrize("zone", ["Z", "+01", "+0530", "-0930"])
def test_every_form_of_a_token_verifies(
    algorithm: str, alphabet: str, padding: bool, iv: str, zone: str
) -> None:
    header = token(algorithm=algorithm, alphabet=alphabet, padding=padding, iv=iv, zone=zone)

    claims = claims_of(header, iv="prefix" if iv == "prefix" else "fixed")

    assert claims.issued_at == NOW.timestamp()


@given(
    session=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    length=st.sampled_from([16, 24, 32]),
    iv=st.sampled_from(["zero", "key", "prefix"]),
    data=st.data(),
)
def test_what_was_signed_is_what_is_claimed(
    session: str, moment: datetime, length: int, iv: str, data: st.DataObject
) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    ascii_text = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=length)
    secret = data.draw(ascii_text)[:length]
    credential = Credential("key", secret.encode())

    header = make_token(now=moment, api_key="key", secret=secret, session=session, iv=iv)  # type: ignore[arg-type]

    claims = claims_of(
        header,
        credentials=(credential,),
        iv="prefix" if iv == "prefix" else "fixed",
    )
    assert claims.issued_at == moment.timestamp()
    assert claims.credential is credential


@pytest.mark.parametrize("iv", ["zero", "key", "prefix"])
def test_a_token_with_any_flipped_bit_is_refused_or_keeps_the_replay_key(iv: str) -> None:
    """In `prefix` the date's bits can be flipped: the key must stay, for that is the only guard."""
    mode = "prefix" if iv == "prefix" else "fixed"
    header = token(iv=iv, session="a-session-of-some-length")
    original = claims_of(header, iv=mode)
    data = data_of(header)

    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        changed = f"01-{base64.b64encode(flipped).decode()}"
        try:
            claims = claims_of(changed, iv=mode)
        except TokenRejected:
            continue
        assert claims.replay_key == original.replay_key, f"bit {bit}"


def test_blocks_inserted_into_the_session_keep_the_replay_key() -> None:
    header = token(session="x" * 40)
    data = data_of(header)
    original = claims_of(header).replay_key

    spliced = data[: 3 * BLOCK] + data[BLOCK : 3 * BLOCK] + data[2 * BLOCK :]
    claims = claims_of(f"01-{base64.b64encode(spliced).decode()}")

    assert claims.data != data
    assert claims.replay_key == original


def respell_last_character(header: str) -> str:
    """Set an unused bit of the last character: other text, same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = header.rstrip("=")
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


@pytest.mark.parametrize(
    "respell",
    [
        lambda header: header[3:],
        lambda header: header.rstrip("="),
        lambda header: header[:3] + header[3:].replace("+", "-").replace("/", "_"),
        lambda header: header[3:].replace("+", "-").replace("/", "_").rstrip("="),
        respell_last_character,
    ],
    ids=["no prefix", "no padding", "url alphabet", "all of them", "unused bits"],
)
def test_another_spelling_of_a_token_has_the_same_replay_key(
    respell: object,
) -> None:
    header = token(session="a-session-of-24-letters.")
    other = respell(header)  # type: ignore[operator]

    assert other != header
    assert claims_of(other).replay_key == claims_of(header).replay_key


def test_the_vector_in_front_does_not_change_the_replay_key() -> None:
    """Its sender chooses it, and with it the date: a token years old could be given a new date."""
    old = datetime(2019, 1, 1, 8, 15, 30, 123_000, tzinfo=UTC)
    data = bytearray(data_of(token(now=old, iv="prefix", nonce=bytes(16))))
    for place, (was, now) in enumerate(zip(b"2019-01-01T08:15", b"2026-03-01T12:00", strict=True)):
        data[place] ^= was ^ now

    forged = claims_of(f"01-{base64.b64encode(data).decode()}", iv="prefix")

    genuine = claims_of(token(now=old, iv="prefix", nonce=bytes(16)), iv="prefix")
    assert forged.issued_at == NOW.timestamp()
    assert forged.replay_key == genuine.replay_key


@pytest.mark.parametrize(("sent", "set_to"), [("prefix", "fixed"), ("zero", "prefix")])
def test_the_wrong_setting_of_the_vector_is_refused_and_named(sent: str, set_to: str) -> None:
    with pytest.raises(TokenUnverified) as caught:
        claims_of(token(iv=sent), iv=set_to)

    assert caught.value.hint == "TokenIv"


def test_a_forgery_gets_no_hint() -> None:
    with pytest.raises(TokenUnverified) as caught:
        claims_of(token(secret="0123456789abcdef"))

    assert caught.value.hint is None


@pytest.mark.parametrize("algorithm", ["00", "02", "03", "04", "99"])
def test_an_algorithm_that_is_not_allowed_is_refused(algorithm: str) -> None:
    with pytest.raises(TokenAlgorithmNotAllowed):
        claims_of(f"{algorithm}-{token()[3:]}")


@pytest.mark.parametrize("algorithms", [("01",), ("01", "02")])
def test_a_token_without_encryption_is_refused(algorithms: tuple[str, ...]) -> None:
    """Roomle's web SDK sends plain Base64 as `03-`."""
    text = b"2026-03-01T12:00:30.123Z;anonymous;aValidApiKey;"
    for length in range(len(text), len(text) + 17):
        header = f"03-{base64.b64encode(text.ljust(length, b'x')).decode()}"
        with pytest.raises(TokenRejected):
            claims_of(header, algorithms=algorithms)


def test_an_unprefixed_text_that_begins_like_a_prefix_is_read_whole() -> None:
    """`01-` are characters of the URL-safe alphabet: the length decides."""
    data = base64.urlsafe_b64decode("01-A") + bytes(45)

    read = tokens.decode(base64.urlsafe_b64encode(data).decode(), algorithms=("01",))

    assert read.data == data
    assert read.algorithm == "01"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "01-",
        "01",
        token() + " ",
        " " + token(),
        token() + "\n",
        f"{token()},{token()}",
        f"{token()}, {token()}",
        token() + "=",
        token()[:-1],
        token()[:3] + "=" + token()[3:],
        "01-" + "A" * 22,
        "01-01-" + token()[3:],
        "1-" + token()[3:],
        "01_" + token()[3:],
        "\u0660\u0661-" + token()[3:],
        "01-" + base64.b64encode(bytes(range(240, 256)) * 2).decode().replace("+", "-"),
        "01-" + base64.b64encode(bytes(4096)).decode(),
        "é" * 64,
    ],
)
def test_what_is_not_strict_base64_of_whole_blocks_is_refused(header: str) -> None:
    with pytest.raises(TokenMalformed):
        claims_of(header)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-03-01T12:00:30Z",
        "2026-03-01T12:00:30.123",
        "2026-03-01T12:00:30.1234Z",
        "2026-03-01 12:00:30.123Z",
        "2026-03-01T12:00:30,123Z",
        "2026-03-01T12:00:30.123z",
        "2026-03-01T12:00:30.123+5",
        "2026-03-01T12:00:30.123+05:30",
        "2026-03-01T12:00:30.123+053000",
        "2026-13-01T12:00:30.123Z",
        "2026-02-30T12:00:30.123Z",
        "2026-03-01T25:00:30.123Z",
        "2026-03-01T12:00:30.123+9999",
        "0000-03-01T12:00:30.123Z",
        "٢٠٢٦-03-01T12:00:30.123Z",
        " 2026-03-01T12:00:30.123Z",
        "2026-03-01T12:00:30.123Z ",
        "2026-03-01T12:00:30.123Z\n",
        "20260301T120030.123Z",
        "2026-W09-7T12:00:30.123Z",
        "",
    ],
)
def test_a_timestamp_of_another_pattern_is_refused(timestamp: str) -> None:
    with pytest.raises(TokenUnverified):
        claims_of(encrypted(f"{timestamp};anonymous;aValidApiKey"))


@pytest.mark.parametrize(
    "rest",
    ["", ";", ";aValidApiKey", ";;", ";anonymous;", ";anonymous;avalidapikey",
     ";anonymous;aValidApiKey;", ";anonymous;aValidApiKeys", ";anonymous; aValidApiKey"],
)  # fmt: skip
def test_a_text_without_session_and_its_own_api_key_is_refused(rest: str) -> None:
    with pytest.raises(TokenUnverified):
        claims_of(encrypted(f"2026-03-01T12:00:30.123Z{rest}"))


@pytest.mark.parametrize("spoil", ["first", "zero", "too long", "none"])
def test_padding_other_than_pkcs5_is_refused(spoil: str) -> None:
    padded = pad(b"2026-03-01T12:00:30.123Z;s;aValidApiKey", 16)
    missing = padded[-1]
    assert claims_of(in_blocks(padded)).credential == EXAMPLE

    body = padded[:-missing]
    spoilt = {
        "first": body + b"\0" + padded[1 - missing :],
        "zero": padded[:-1] + b"\0",
        "too long": padded[:-1] + b"\x11",
        "none": body + b"y" * missing,
    }[spoil]
    with pytest.raises(TokenUnverified):
        claims_of(in_blocks(spoilt))


def in_blocks(text: bytes) -> str:
    data = AES.new(EXAMPLE.secret, AES.MODE_CBC, iv=bytes(16)).encrypt(text)
    return f"01-{base64.b64encode(data).decode()}"


def encrypted(text: str) -> str:
    return in_blocks(pad(text.encode(), 16))


def test_a_session_may_contain_semicolons_and_bytes_that_are_no_text() -> None:
    claims = claims_of(encrypted("2026-03-01T12:00:30.123Z;a;;b;\x00;aValidApiKey"))

    assert claims.issued_at == NOW.timestamp()


def test_another_tenants_secret_with_our_api_key_inside_is_refused() -> None:
    theirs = Credential("theirApiKey", b"0123456789abcdef")
    header = token(api_key="aValidApiKey", secret="0123456789abcdef")

    with pytest.raises(TokenUnverified):
        claims_of(header, credentials=(EXAMPLE, theirs))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_each_of_several_credentials_verifies(place: int) -> None:
    among = tuple(Credential(f"key{n}", f"secret-number-{n:02}".encode()) for n in range(3))

    header = token(api_key=f"key{place}", secret=f"secret-number-{place:02}")

    assert claims_of(header, credentials=among).credential == among[place]


@pytest.mark.parametrize("seconds", [-300, -299.9, 0, 299.9, 300])
def test_a_token_counts_up_to_its_age_both_ways(seconds: float) -> None:
    claims = claims_of(token())

    assert claims.issued_at == NOW.timestamp()
    assert not claims.is_expired(NOW.timestamp() + seconds, max_age=300)


@pytest.mark.parametrize("seconds", [-301, -300.1, 300.1, 301, 10**8])
def test_a_token_of_another_time_is_expired(seconds: float) -> None:
    assert claims_of(token()).is_expired(NOW.timestamp() + seconds, max_age=300)


def test_the_same_instant_in_another_zone_is_another_token() -> None:
    assert claims_of(token()).replay_key != claims_of(token(zone="+01")).replay_key


@given(header=st.text(max_size=300) | st.from_regex(r"0[0-9]-[A-Za-z0-9+/_=-]{0,200}"))
@example(header="01-" + "A" * 43)
def test_for_arbitrary_text_only_our_own_error_escapes(header: str) -> None:
    with pytest.raises(TokenRejected):
        claims_of(header, algorithms=("01", "02"))


@given(blocks=st.binary(min_size=32, max_size=320).map(lambda b: b[: len(b) // 16 * 16]))
def test_for_arbitrary_blocks_only_our_own_error_escapes(blocks: bytes) -> None:
    for iv in ("fixed", "prefix"):
        with pytest.raises(TokenUnverified):
            claims_of(f"01-{base64.b64encode(blocks).decode()}", iv=iv)


@pytest.mark.parametrize("shown", [repr, str])
def test_no_text_form_shows_a_secret_or_token(shown: object) -> None:
    claims = claims_of(token())

    text = shown(claims)  # type: ignore[operator]

    assert "Secr3t" not in text
    assert repr(claims.data)[2:-1] not in text


@pytest.mark.parametrize(("algorithm", "iv"), [("01", "fixed"), ("01", "prefix"), ("02", "fixed")])
@given(now=st.floats(0, 4e9), api_key=st.from_regex(r"[!-:<-~]{1,64}", fullmatch=True))
def test_a_token_of_ours_verifies_like_one_of_roomles(
    algorithm: str, iv: tokens.Iv, now: float, api_key: str
) -> None:
    credential = tokens.Credential(api_key, b"example-secret-0")
    text = tokens.issue(credential, now=now, algorithm=algorithm, iv=iv)

    claims = tokens.verify(tokens.decode(text, algorithms=[algorithm]), [credential], iv=iv)
    assert claims.credential == credential
    assert claims.issued_at == pytest.approx(now, abs=0.001)
