"""A test for each attack, named after it, against the whole receiver.

docs/security.md lists the attacks and the defences. If a lower layer stops an attack, its own tests
cover it too (tests/unit/test_tokens.py, test_events.py, test_emails_hostile.py).
"""

from __future__ import annotations

import base64
import copy
import itertools
import json
import math
import re
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from roomle_mail import tokens
from roomle_mail.errors import SettingsInvalid, TokenRejected
from roomle_mail.tokens import Credential
from roomle_mail_cli import sign
from tests.aws.conftest import API_KEY, SECRET, World, saved, world
from tests.faults import figures
from tests.faults import world as functions_world
from tests.faults.pool import Pool
from tests.powertools import LambdaContext

__all__ = ["world"]

BLOCK = 16
UNAUTHORIZED = (401, "unauthorized")
SENT = (200, "sent")
SESSION = "a-session-of-some-length-and-more-of-it"


def bytes_of(event: dict[str, Any]) -> bytes:
    return base64.b64decode(event["headers"]["token"].removeprefix("01-"))


def with_token(event: dict[str, Any], token: bytes | str) -> dict[str, Any]:
    if isinstance(token, bytes):
        token = f"01-{base64.b64encode(token).decode()}"
    context = event["requestContext"] | {"timeEpoch": int(time.time() * 1000)}
    return {**event, "headers": event["headers"] | {"token": token}, "requestContext": context}


def with_body(event: dict[str, Any], payload: object) -> dict[str, Any]:
    return {**event, "body": json.dumps(payload)}


def encrypted(text: bytes, secret: str = SECRET) -> bytes:
    return AES.new(secret.encode(), AES.MODE_CBC, iv=bytes(BLOCK)).encrypt(text)


def now_text() -> str:
    return sign.format_timestamp(datetime.now(UTC))


# --- the cipher -------------------------------------------------------------------------------


def test_padding_oracle_every_answer_is_the_same(world: World) -> None:
    chance = figures.seeded("padding oracle")
    receiver = world.app("receiver")
    event = world.request(session=SESSION)
    data = bytes_of(event)
    answers = set()
    for _ in range(1_000):
        mutated = bytearray(data)
        # Vaudenay's attack decrypts the last block by changing the one before.
        for place in chance.sample(range(len(data) - 2 * BLOCK, len(data)), chance.randint(1, 3)):
            mutated[place] ^= chance.randrange(1, 256)
        answer = receiver.handler(with_token(event, bytes(mutated)), LambdaContext())
        answers.add((answer["statusCode"], answer["body"], tuple(answer["headers"].items())))

    body = '{"status": "refused", "code": "unauthorized"}'
    assert answers == {(401, body, (("content-type", "application/json"),))}
    assert world.emails() == []
    assert world.items() == []


@pytest.mark.proof
def test_padding_oracle_the_time_says_nothing(world: World) -> None:
    """Welch's t on interleaved samples without their slow tail, as dudect does it.

    dudect counts 10 as a certain leak; noise alone gives less than 5.
    """
    chance = figures.seeded("timing")
    receiver = world.app("receiver")
    event = world.request(session=SESSION)
    text = f"{now_text()};{SESSION};"
    right = pad(f"{text}{API_KEY}".encode(), BLOCK)
    kinds = {
        "wrong key": pad(f"{text}{API_KEY[:-1]}X".encode(), BLOCK),
        "wrong padding": right[:-1] + b"\0",
        "wrong padding length": right[:-1] + b"\xff",
        "wrong timestamp": b"X" + right[1:],
        "wrong key again": pad(f"{text}{API_KEY[:-1]}X".encode(), BLOCK),
    }
    assert len({len(each) for each in kinds.values()}) == 1
    tokens_of = {kind: encrypted(plain) for kind, plain in kinds.items()}
    times: dict[str, list[int]] = {kind: [] for kind in kinds}
    for _ in range(figures.number("FAULTS_SAMPLES", 1_500)):
        for kind in chance.sample(list(kinds), len(kinds)):
            request = with_token(event, tokens_of[kind])
            # Processor time, so that no other program on this machine counts.
            began = time.thread_time_ns()
            answer = receiver.handler(request, LambdaContext())
            times[kind].append(time.thread_time_ns() - began)
            assert answer["statusCode"] == 401

    found = {kind: welch(times["wrong key"], times[kind]) for kind in kinds if kind != "wrong key"}
    told = ", ".join(f"{kind} {t:+.1f}" for kind, t in found.items())
    figures.report(f"timing of refusals, Welch's t against a wrong key: {told}")
    assert max(map(abs, found.values())) < 10


def welch(one: list[int], other: list[int]) -> float:
    """Welch's t of two samples, both cut off at the same high percentile."""
    limit = statistics.quantiles(one + other, n=10)[7]
    a, b = ([x for x in sample if x <= limit] for sample in (one, other))
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return (statistics.fmean(a) - statistics.fmean(b)) / error


@pytest.mark.parametrize("algorithm", ["00", "02", "03", "04", "1", "001", "AES", "none"])
def test_algorithm_downgrade(world: World, algorithm: str) -> None:
    """`02` is ECB, `03` no encryption at all: Roomle's web SDK sends it."""
    event = world.request()
    text = f"{now_text()};anonymous;{API_KEY}".encode()
    for data in (
        bytes_of(event),
        pad(text, BLOCK),
        text,
        AES.new(SECRET.encode(), AES.MODE_ECB).encrypt(pad(text, BLOCK)),
    ):
        token = f"{algorithm}-{base64.b64encode(data).decode()}"
        assert world.receive(with_token(event, token)) == UNAUTHORIZED
    assert world.items() == []


def test_algorithm_downgrade_by_a_parameter_is_no_valid_deployment(world: World) -> None:
    for algorithms in ("03", "01,03", "00", ""):
        world.set(TOKEN_ALGORITHMS=algorithms)
        with pytest.raises(SettingsInvalid):
            world.app("receiver")


def test_iv_rewriting_in_prefix_mode_on_a_token_years_old(world: World) -> None:
    """Anyone who holds a token can change its date without the key: only the record stops it."""
    world.set(TOKEN_IV="prefix")
    old = datetime(2019, 1, 1, 8, 15, 30, tzinfo=UTC)
    event = world.request(session=SESSION)
    token = sign.make_token(
        now=old, api_key=API_KEY, secret=SECRET, session=SESSION, iv="prefix", nonce=bytes(BLOCK)
    )
    data = base64.b64decode(token[3:])

    def dated_again() -> bytes:
        vector = bytearray(BLOCK)
        for place, (was, to_be) in enumerate(
            zip(b"2019-01-01T08:15", now_text()[:BLOCK].encode(), strict=True)
        ):
            vector[place] = data[place] ^ was ^ to_be
        return bytes(vector) + data[BLOCK:]

    assert world.receive(with_token(event, data)) == UNAUTHORIZED
    answers = [
        world.receive(with_body(with_token(event, dated_again()), saved(email=f"p{n}@x.example")))
        for n in range(20)
    ]

    # If it was never seen before, it counts once, as the parameter's description warns.
    assert answers == [SENT] + [UNAUTHORIZED] * 19
    assert len(world.emails()) == 1
    (item,) = world.items("token#")
    assert "expires" not in item


def test_iv_rewriting_has_no_effect_if_the_vector_is_fixed(world: World) -> None:
    """A token that was never used here: no record stops it, only that the vector is fixed."""
    old = datetime(2019, 1, 1, 8, 15, 30, tzinfo=UTC)
    event = world.request(session=SESSION)
    ivs: list[tuple[Literal["zero", "key"], bytes]] = [
        ("zero", bytes(BLOCK)),
        ("key", SECRET.encode()),
    ]
    for iv, before in ivs:
        token = sign.make_token(now=old, api_key=API_KEY, secret=SECRET, session=SESSION, iv=iv)
        data = base64.b64decode(token[3:])
        rewritten = bytes(
            was ^ to_be ^ vector
            for was, to_be, vector in zip(
                b"2019-01-01T08:15", now_text()[:BLOCK].encode(), before, strict=True
            )
        )
        for vector in (rewritten, bytes(BLOCK), SECRET.encode()):
            assert world.receive(with_token(event, vector + data)) == UNAUTHORIZED
            assert world.receive(with_token(event, data)) == UNAUTHORIZED

    assert world.items() == []


def test_blocks_inserted_into_the_session(world: World) -> None:
    """A thousand different ciphertexts of one token give one email."""
    chance = figures.seeded("inserted blocks")
    event = world.request(session=SESSION)
    data = bytes_of(event)
    blocks = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
    # Between the timestamp's two blocks and the last two, which hold the API key.
    made = {data}
    while len(made) < 1_000:
        inserted = b"".join(chance.choices(blocks, k=chance.randint(1, 12)))
        made.add(b"".join(blocks[:3]) + inserted + b"".join(blocks[2:]))
    accepted = [each for each in made if verifies(each)]
    assert len(accepted) > 900

    answers = [world.receive(with_token(event, accepted[0]))]
    for place, each in enumerate(accepted[1:]):
        again = with_token(event, each)
        if place % 2:
            again = with_body(again, saved(email=f"victim{place}@x.example"))
        answers.append(world.receive(again))

    assert set(answers) == {SENT, UNAUTHORIZED}
    (email,) = world.emails()
    assert email["Destination"]["ToAddresses"] == ["anna.customer@customer.example"]


def verifies(data: bytes, credential: Credential | None = None) -> bool:
    try:
        claims = tokens.verify(
            tokens.decode(f"01-{base64.b64encode(data).decode()}", algorithms=("01",)),
            (credential or Credential(API_KEY, SECRET.encode()),),
            iv="fixed",
        )
    except TokenRejected:
        return False
    return not claims.is_expired(time.time(), max_age=300)


def test_blocks_of_two_tokens_spliced(world: World) -> None:
    first, second = (
        world.request(saved(), session=f"{SESSION}{n}", now=time.time() - n) for n in range(2)
    )
    for event in (first, second):
        assert world.receive(event) == SENT
    blocks = [
        [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
        for data in map(bytes_of, (first, second))
    ]

    passed = 0
    for cut, resumed in itertools.product(range(1, len(blocks[0])), range(len(blocks[1]))):
        for one, other in (blocks, blocks[::-1]):
            spliced = b"".join(one[:cut] + other[resumed:])
            passed += verifies(spliced)
            answer = world.receive(
                with_body(with_token(first, spliced), saved(email="victim@x.example"))
            )
            assert answer == UNAUTHORIZED

    assert passed, "none of them got as far as the memory"
    assert len(world.emails()) == 2


@pytest.mark.parametrize("tries", figures.amounts("FAULTS_GARBAGE", sample=2_000, proof=50_000))
def test_timestamp_with_garbage_that_a_lenient_parser_would_take(tries: int) -> None:
    """`C1|random|C2|C3`: the date stays, garbage follows, and the API key is at the end."""
    chance = figures.seeded("garbage")
    data = encrypted(pad(f"{now_text()};{SESSION};{API_KEY}".encode(), BLOCK))
    credential = Credential(API_KEY, SECRET.encode())
    for _ in range(tries):
        forged = data[:BLOCK] + chance.randbytes(BLOCK) + data[BLOCK:]
        assert not verifies(forged, credential)

    # The attack is real: date, padding, form and API key are right each time.
    text = AES.new(SECRET.encode(), AES.MODE_CBC, iv=bytes(BLOCK)).decrypt(forged)
    assert text.startswith(now_text()[:13].encode())
    assert text.rstrip(text[-1:]).endswith(f";{API_KEY}".encode())


# --- replay -----------------------------------------------------------------------------------


def spellings(token: str) -> set[str]:
    text = token.removeprefix("01-")
    forms = {text, text.rstrip("="), text.replace("+", "-").replace("/", "_")}
    forms |= {form.rstrip("=") for form in forms}
    # The unused bits of the last character, if there are any.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    if text.endswith("="):
        stripped = text.rstrip("=")
        last = alphabet.index(stripped[-1])
        forms |= {stripped[:-1] + alphabet[last | bit] for bit in range(1, 4)}
    forms |= {f"01-{form}" for form in forms}
    return forms | {f" {token}", f"{token} ", f"{token}\n", f"{token},{token}", token.lower()}


@pytest.mark.parametrize("session", [SESSION, SESSION[:-5], SESSION[:-10]])
def test_replay_in_every_spelling(world: World, session: str) -> None:
    event = world.request(session=session)
    assert world.receive(event) == SENT

    for place, spelling in enumerate(spellings(event["headers"]["token"])):
        again = with_token(event, spelling)
        assert world.receive(again) in (SENT, UNAUTHORIZED)
        other = with_body(again, saved(email=f"victim{place}@x.example"))
        assert world.receive(other) == UNAUTHORIZED

    assert len(world.emails()) == 1


def test_replay_while_the_first_is_at_work(world: World) -> None:
    event = world.request()
    answers = []

    def replay() -> None:
        victim = with_body(event, saved(email="victim@x.example"))
        answers.append(world.receive(victim))

    world.door.faults["sesv2.SendEmail"] = [replay]

    assert world.receive(event) == SENT
    assert answers == [UNAUTHORIZED]
    assert len(world.emails()) == 1


# --- keys -------------------------------------------------------------------------------------


def set_secret(world: World, keys: dict[str, str]) -> None:
    world.app("receiver").clients.secrets.put_secret_value(
        SecretId="secret", SecretString=json.dumps(keys)
    )


def test_token_of_another_tenants_key_with_our_api_key_inside(world: World) -> None:
    set_secret(world, {API_KEY: SECRET, "otherTenant": "other-secret-123"})

    assert world.post(api_key=API_KEY, secret="other-secret-123") == UNAUTHORIZED
    assert world.post(api_key="otherTenant", secret=SECRET) == UNAUTHORIZED
    assert world.post(api_key="otherTenant", secret="other-secret-123") == SENT


def test_default_secret(world: World) -> None:
    """Roomle encrypts with a default secret if a tenant has no API key: it proves nothing."""
    for secret in (sign.EXAMPLE_SECRET, "0" * 16, "\0" * 16, "1234567890123456"):
        for api_key in (API_KEY, sign.EXAMPLE_API_KEY, "", "null"):
            assert world.post(api_key=api_key, secret=secret) == UNAUTHORIZED
    assert world.items() == []


def test_default_secret_set_by_the_operator(world: World) -> None:
    set_secret(world, {API_KEY: sign.EXAMPLE_SECRET})

    assert world.post(secret=sign.EXAMPLE_SECRET) == (503, "unavailable")


def test_one_tenant_mailing_in_anothers_name(world: World) -> None:
    set_secret(world, {"tenantA": SECRET, "tenantB": "other-secret-123"})
    receiver = world.app("receiver")
    brand = receiver.catalog.brand(None)
    receiver.catalog.brand = lambda name: copy.replace(brand, api_keys=frozenset({name}))

    def post(configurator: str, api_key: str, secret: str) -> tuple[int, str]:
        return world.post(saved(configuratorId=configurator), api_key=api_key, secret=secret)

    assert post("tenantA", "tenantA", SECRET) == SENT
    assert post("tenantB", "tenantA", SECRET) == (422, "brand-not-allowed")
    assert post("tenantA", "tenantB", "other-secret-123") == (422, "brand-not-allowed")
    assert post("tenantB", "tenantB", "other-secret-123") == SENT


def test_secret_that_leaked_and_was_rotated_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.post() == SENT
    set_secret(world, {API_KEY: "another-secret-0"})
    assert world.post(secret="another-secret-0") == SENT
    assert world.post() == SENT

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_601)

    assert world.post(now=time.time()) == UNAUTHORIZED
    assert world.post(now=time.time(), secret="another-secret-0") == SENT
    # A leaked secret can be disabled at once: by SecretOverlap, or by rotating twice.
    set_secret(world, {API_KEY: "a-third-secret-0"})
    set_secret(world, {API_KEY: "a-fourth-secret0"})
    world.set(SECRET_OVERLAP="3600")
    assert world.post(now=time.time(), secret="another-secret-0") == UNAUTHORIZED


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [(-299, SENT), (299, SENT), (-302, UNAUTHORIZED), (302, UNAUTHORIZED)],
)
def test_future_and_past_timestamps_at_both_edges(
    world: World, seconds: float, answer: tuple[int, str]
) -> None:
    assert world.post(now=time.time() + seconds) == answer


def test_time_going_backwards(pool: Pool) -> None:
    """Or days ahead: nothing counts twice, nothing is forgotten, nothing blocks."""
    with pool.receiver("ses") as receiver:
        payload = functions_world.payload(functions_world.new_recipient())
        request = functions_world.request(payload, clock=receiver.clock)
        victim = functions_world.payload(functions_world.new_recipient())
        replay = with_body(request, victim)
        assert functions_world.post(receiver, request).status == 200

        for seconds in (-10, -4_000, 90_000, 8 * 86_400, -20 * 86_400):
            receiver.clock.move(seconds)
            # The same POST gets the same answer, and a different one gets none, at any age of the
            # token.
            assert functions_world.post(receiver, request).status == 200
            assert functions_world.post(receiver, replay).status == 401
            fresh = functions_world.payload(functions_world.new_recipient())
            answer = functions_world.post(
                receiver, functions_world.request(fresh, clock=receiver.clock)
            )
            assert answer.status == 200


# --- size and shape ---------------------------------------------------------------------------


OVERSIZED: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "local part": ({"email": "a" * 65 + "@x.example"}, (422, "invalid-event")),
    "domain": ({"email": "a@" + "x" * 250 + ".example"}, (422, "invalid-event")),
    "no address": ({"email": "a" * 50_000}, (422, "invalid-event")),
    "path": ({"url": "https://test.roomle.com/" + "x" * 5_000}, (422, "invalid-event")),
    "host": ({"url": "https://" + "a." * 5_000 + "roomle.com/"}, (422, "invalid-event")),
    "parameters": ({"url": "https://test.roomle.com/?" + "&a=1" * 900}, SENT),
    "languages": ({"url": "https://test.roomle.com/?" + "&lang=de" * 400}, SENT),
    "configurator": ({"configuratorId": "x" * 4_097}, (422, "invalid-event")),
    "configuration": ({"configurationId": "x" * 4_097}, (422, "invalid-event")),
    "unknown field": ({"unknown": "x" * 60_000}, SENT),
    "body": ({"unknown": "x" * 66_000}, (413, "too-large")),
    "number of fields": ({f"field{n}": n for n in range(3_000)}, SENT),
}


@pytest.mark.parametrize("what", OVERSIZED)
def test_oversized_everything(world: World, what: str) -> None:
    change, answer = OVERSIZED[what]
    assert world.post(saved(**change)) == answer


def test_oversized_by_one(world: World) -> None:
    def padded(size: int) -> str:
        body = json.dumps(saved(unknown=""))
        return body.replace('"unknown": ""', f'"unknown": "{"x" * (size - len(body))}"')

    assert world.post(padded(65_536)) == SENT
    assert world.post(padded(65_537)) == (413, "too-large")
    # A token has at most 4,096 characters; the session fills them.
    session = "s" * (3_072 - 16 - len(f"{now_text()};;{API_KEY}"))
    for more, answer in ((0, SENT), (16, UNAUTHORIZED)):
        event = world.request(session=session + "s" * more)
        token = event["headers"]["token"].removeprefix("01-")
        assert (len(token) > 4_096) == (answer == UNAUTHORIZED)
        assert world.receive(with_token(event, token)) == answer


def test_oversized_event_name(world: World) -> None:
    assert world.post({"event": "email." + "x" * 1_000, "data": {}}) == (422, "invalid-event")


def test_oversized_event_by_way_of_the_queue(world: World) -> None:
    """SQS takes messages of up to 256 KiB, and JSON writes these characters in six bytes each."""
    world.set(DELIVERY="sqs")

    assert world.post(json.dumps(saved(unknown="ä" * 30_000), ensure_ascii=False)) in (
        (202, "queued"),
        (503, "unavailable"),
    )


def nested(depth: int, opening: str, closing: str) -> str:
    return json.dumps(saved(unknown=0)).replace(" 0", opening * depth + "0" + closing * depth)


def with_unknown(json_text: str) -> str:
    return json.dumps(saved(unknown=0)).replace(" 0", f" {json_text}")


# Seconds of processor time, which a busy machine does not increase. A request takes a fraction of a
# second here; a successful bomb would take minutes.
WORK = 5

BOMBS = {
    **{
        f"{depth} lists": nested(depth, "[", "]")
        for depth in (100, 1_000, 4_990, 5_010, 9_990, 9_995, 9_996, 20_000)
    },
    **{f"{depth} objects": nested(depth, '{"a":', "}") for depth in (100, 4_990, 5_010, 9_000)},
    "digits": with_unknown("9" * 60_000),
    "exponent": with_unknown("1e" + "9" * 50),
    "null bytes": with_unknown('"' + "\\u0000" * 9_000 + '"'),
    "keys": json.dumps(saved(unknown={str(n): n for n in range(4_000)})),
    "open lists": "[" * 65_000,
    "open objects": '{"a":' * 12_000,
    "quotes": '"' * 65_000,
}


@pytest.mark.parametrize("delivery", ["ses", "sqs"])
@pytest.mark.parametrize("what", BOMBS)
def test_json_bombs(world: World, delivery: str, what: str) -> None:
    world.set(DELIVERY=delivery)
    began = time.process_time()
    status, code = world.post(BOMBS[what])

    assert time.process_time() - began < WORK
    assert (status, code) in {SENT, (202, "queued"), (400, "malformed")}
    # The mailer can read what was accepted.
    assert world.mail(world.queued()) == []
    assert len(world.emails()) == (status < 300)
    assert world.dead_letters() == []


def test_header_bombs(world: World) -> None:
    event = world.request()
    bombs = {f"x-header-{n}": "x" * 1_000 for n in range(500)}
    assert world.receive({**event, "headers": event["headers"] | bombs}) == SENT

    for token in ("A" * 4_096, "01-" + "A" * 10**6, "=" * 10**5, "-" * 10**5, "\0" * 5_000):
        began = time.process_time()
        assert world.receive(with_token(event, token)) == UNAUTHORIZED
        assert time.process_time() - began < WORK


@pytest.mark.parametrize("place", ["query", "body", "cookie", "other header", "many values"])
def test_request_smuggling_of_a_token_elsewhere_than_in_its_header(
    world: World, place: str
) -> None:
    event = world.request()
    token = event["headers"].pop("token")
    smuggled: dict[str, Callable[[], object]] = {
        "query": lambda: event.update(
            rawQueryString=f"token={token}", queryStringParameters={"token": token}
        ),
        "body": lambda: event.update(body=json.dumps(saved(token=token))),
        "cookie": lambda: event.update(cookies=[f"token={token}"]),
        "other header": lambda: event["headers"].update({"x-token": token, "authorization": token}),
        "many values": lambda: event.update(multiValueHeaders={"token": [token]}),
    }
    smuggled[place]()

    assert world.receive(event) == UNAUTHORIZED


def test_request_smuggling_by_header_case_or_duplicates(world: World) -> None:
    event = world.request()
    token = event["headers"].pop("token")
    for headers in (
        {"token": token, "Token": token},
        {"token": "", "TOKEN": token},
        {"token ": token},
        {"token\r\nx": token},
        {"toĸen": token},
        {"token": [token]},
        {"token": {"value": token}},
        {"token": None},
    ):
        assert world.receive({**event, "headers": headers}) == UNAUTHORIZED


@pytest.mark.parametrize("joint", [",", ", ", ";", " ", "\t", "\0", "\r\n"])
def test_comma_joined_duplicate_token_headers(world: World, joint: str) -> None:
    event = world.request()
    token = event["headers"]["token"]
    for joined in (f"{token}{joint}{token}", f"{token}{joint}", f"{joint}{token}"):
        assert world.receive(with_token(event, joined)) == UNAUTHORIZED


# --- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "http://test.roomle.com/", "//test.roomle.com/", "javascript:alert(1)", "data:text/html,x",
        "javascript://test.roomle.com/%0aalert(1)", "https://evil.example/#test.roomle.com",
        "https://test.roomle.com@evil.example/", "https://evil.example\\@test.roomle.com/",
        "https://test.roomle.com.evil.example/", "https://evilroomle.com/",
        "https://test.roomle.com:8443/", "https://test.roomle.com./", "https://test。roomle。com/",
        "https://user@test.roomle.com/", "https://user:word@test.roomle.com/",
        "https://t\u0435st.roomle.com/", "https://test.roo\nmle.com/", " https://test.roomle.com/",
        "https://test.roomle.com/\u202e", "https://[::1]/", "https://2130706433/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["url", "resultUrl"])
def test_link_tricks(world: World, field: str, link: str) -> None:
    links = {"url": "https://test.roomle.com/x", "resultUrl": "https://uploads.roomle.com/x.glb"}
    payload = saved(event="email.3DExportAsset", **(links | {field: link}))

    assert world.post(payload) == (422, "link-not-allowed")
    assert world.emails() == []
    assert world.queued() == []


# --- injection --------------------------------------------------------------------------------

HOSTILE = (
    "{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "${7*7}", "<%= 7*7 %>", "#{7*7}",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "line\r\nBcc: victim@x.example",
    "\x1b[31mred\x1b[0m", '"}\n{"level":"INFO","message":"forged"}', "\u2028", "\ud800",
    "%0d%0aBcc:", "\x00", "\x85", "\x7f",
)  # fmt: skip
FIELDS = ("configuratorId", "configurationId", "itemId", "unknown", "email", "url", "event")


@pytest.mark.parametrize("field", FIELDS)
def test_template_header_and_log_injection(world: World, field: str) -> None:
    world.set(MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0")
    first = world.request()
    # Emails say the minute, so all of them come at the same moment.
    came = {"timeEpoch": first["requestContext"]["timeEpoch"]}
    assert world.receive(first) == SENT
    (plain,) = map(without_id, world.emails())
    for text in HOSTILE:
        event = world.request(json.dumps(saved(**{field: text})))
        event["requestContext"] |= came
        status, _ = world.receive(event)

        assert status in {200, 400, 422, 501}
        # If there is an email, it is the same as without the text.
        assert all(without_id(email) == plain for email in world.emails()), ascii(text)
        assert_clean(world.output(), text)


def without_id(email: dict[str, Any]) -> dict[str, Any]:
    simple = email["Content"]["Simple"]
    headers = [header for header in simple["Headers"] if header["Name"] != "X-Entity-Ref-ID"]
    tags = [tag for tag in email["EmailTags"] if tag["Name"] != "event"]
    return email | {"EmailTags": tags, "Content": {"Simple": simple | {"Headers": headers}}}


def test_log_injection_by_headers_and_the_body(world: World) -> None:
    for text in HOSTILE:
        event = world.request()
        token = event["headers"]["token"]
        event["headers"] |= {"user-agent": text, text: "x", "token": f"{token}{text}"}
        assert world.receive(event) == UNAUTHORIZED
        assert world.post(text)[0] in {400, 422}
        assert_clean(world.output(), text)


def assert_clean(output: str, text: str) -> None:
    """Every line is one of our JSON objects, in printable characters, without the text."""
    for line in output.splitlines():
        found = json.loads(line)
        assert "_aws" in found or {"level", "message", "service"} <= set(found)
        assert re.fullmatch(r"[ -~]*", line), ascii(line)
        assert found.get("message") != "forged"
    assert text not in output
    assert json.dumps(text)[1:-1] not in output
