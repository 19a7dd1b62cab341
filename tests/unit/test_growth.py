"""Work that does not grow with brands, and grows evenly with API keys: counted, not timed."""

import json
import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

import roomle_mail
from roomle_mail import tokens
from roomle_mail.emails import Catalog, shard_of
from roomle_mail.errors import TokenUnverified
from roomle_mail.events import Event, validate
from roomle_mail.tokens import Credential
from tests import emails_package
from tools import fixtures

OURS = str(Path(roomle_mail.__file__).parent)


def calls_of(work: Callable[[], object]) -> int:
    """Counts the calls in and of our own code, which formatting does not change."""
    count = 0

    def profile(frame: FrameType, what: str, _argument: object) -> None:
        nonlocal count
        ours = frame.f_code.co_filename.startswith(OURS)
        count += ours and what in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


# --- brands ---------------------------------------------------------------------------------------


class Shop:
    """The built emails with many brands, each with a configurator; it records what is read."""

    def __init__(self, brands: int) -> None:
        self.package = emails_package.build() / "roomle_mail_emails"
        self.brand = (self.package / "brands" / "default.json").read_text()
        self.shards: dict[str, dict[str, Any]] = {}
        for number in range(brands):
            configurator = self.configurator(number)
            shard = self.shards.setdefault(shard_of(configurator), {})
            shard[configurator] = {"brand": f"brand{number}"}
        self.read: list[str] = []
        self.catalog = Catalog(self.content)

    @staticmethod
    def configurator(number: int) -> str:
        return f"configurator{number:05}"

    def content(self, name: str) -> str:
        folder, _, file = name.partition("/")
        self.read.append(folder)
        if folder == "configurators":
            return json.dumps(self.shards[file.removesuffix(".json")])
        return self.brand if folder == "brands" else (self.package / name).read_text()

    def answer(self, number: int) -> None:
        event = validate(fixtures.payload(configuratorId=self.configurator(number)))
        assert isinstance(event, Event)
        brand = self.catalog.brand(event.configurator_id)
        assert (
            self.catalog.compose(event, brand, received=fixtures.MOMENT.timestamp()).brand
            == f"brand{number}"
        )


def test_an_event_costs_the_same_with_one_brand_and_with_ten_thousand() -> None:
    # GIVEN a process that has handled a first event
    Shop(1).answer(0)
    few, many = Shop(1), Shop(10_000)

    # WHEN the first and the second email of a brand are written
    first = calls_of(lambda: few.answer(0)), calls_of(lambda: many.answer(9_999))
    second = calls_of(lambda: few.answer(0)), calls_of(lambda: many.answer(9_999))

    # THEN both make the same number of calls, and read the same number of files
    assert first[0] == first[1] > second[0]
    assert second[0] == second[1]
    assert few.read == many.read
    assert sorted(set(few.read)) == [
        "brands", "catalog.json", "configurators", "templates", "texts",
    ]  # fmt: skip


def test_ten_thousand_brands_make_files_that_stay_small() -> None:
    shards = Shop(10_000).shards

    assert max(len(json.dumps(shard)) for shard in shards.values()) < 5_000


# --- API keys -------------------------------------------------------------------------------------

SECRET = b"of-the-last-key!"


def token(secret: bytes) -> tokens.Token:
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    text = pad(f"{stamp};anonymous;aKey".encode(), 16)
    data = AES.new(secret, AES.MODE_CBC, iv=bytes(16)).encrypt(text)
    return tokens.decode("01-" + b64encode(data).decode(), algorithms={"01"})


def keys(count: int) -> tuple[Credential, ...]:
    others = [Credential(f"another{n}", b"another-key-%04d" % n) for n in range(count - 1)]
    return (*others, Credential("aKey", SECRET))


def verify(verified: tokens.Token, among: tuple[Credential, ...]) -> None:
    tokens.verify(verified, among, iv="fixed")


def test_each_further_key_costs_the_same() -> None:
    verified = token(SECRET)

    one, eleven, hundred_and_one = (
        calls_of(partial(verify, verified, keys(count))) for count in (1, 11, 101)
    )

    # Sometimes a wrong key gives a text that ends like padding, and one more check is made.
    assert hundred_and_one - one == pytest.approx(10 * (eleven - one), rel=0.2)


def test_a_forged_token_costs_no_more_than_a_valid_one() -> None:
    good, forged = token(SECRET), token(b"of-nobody-at-all")

    def refused() -> None:
        with pytest.raises(TokenUnverified):
            verify(forged, keys(100))

    good_takes = calls_of(lambda: verify(good, keys(100)))

    # Both have the same random part.
    assert calls_of(refused) <= 1.1 * good_takes
