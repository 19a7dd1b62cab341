"""What a stranger writes into an event stays out of the email, or stays text in its links."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import events
from roomle_mail.emails import Catalog, Email
from roomle_mail.errors import RoomleMailError
from tests.emails_reading import RECEIVED, Page, message

CATALOG = Catalog.load()
PLAIN = {
    "success": True,
    "email": "person@example.org",
    "configurationId": "catalog:item:AB",
    "itemId": "catalog:item",
    "configuratorId": "shop",
    "url": "https://www.roomle.com/t/cp/?id=AB",
    "resultUrl": "https://uploads.roomle.com/AB.glb",
}
HOSTILE = {
    "markup": '"><script>alert(1)</script>',
    "single quotes": "' onmouseover='alert(1)",
    "template": "{{ 7*7 }}{% raw %}",
    "compact template": "{{7*7}}{%set",
    "placeholder": "{brand}",
    "line breaks": "x\r\nBcc: victim@example.org\r\n\r\nbody",
    "separators": "x\u2028y\u2029z\x85",
    "right to left": "\u202egpj.exe\u2066\u200f",
    "2,000 characters": "A" * 2_000,
    "2,000 angle brackets": "<" * 2_000,
    "entities": "&lt;b&gt;&#123;&#123; 7*7 }}&quot;",
    "comment": "--><!--",
    "control characters": "\x00\x1b[2J\x7f",
    "encoded word": "=?utf-8?q?=0ABcc:_x?=",
    "surrogate": "\ud800",
}
FIELDS = ["email", "configurationId", "itemId", "configuratorId", "unknown"]
LINKS = {
    "in the query": "https://www.roomle.com/t/cp/?id={}",
    "in the path": "https://www.roomle.com/{}",
    "in the fragment": "https://www.roomle.com/#{}",
    "as a name": "https://www.roomle.com/?{}=1",
    "as the language": "https://www.roomle.com/?lang={}",
}
NAMES = list(events.EVENTS)


def compose(name: str, **fields: object) -> Email | None:
    """The email, or None if the event is refused, which is just as good."""
    body = json.dumps({"event": name, "data": PLAIN | fields}).encode()
    try:
        event = events.validate(events.read(body))
        assert event is not None
        return CATALOG.compose(event, CATALOG.brand(event.configurator_id), received=RECEIVED)
    except RoomleMailError:
        return None


@dataclass(frozen=True)
class Read:
    """An email as its recipient's mail program reads it."""

    headers: dict[str, str]
    page: Page
    text: str

    @classmethod
    def of(cls, email: Email) -> Read:
        parsed = message(email)
        assert not parsed.defects
        html, text = parsed.get_body(("html",)), parsed.get_body(("plain",))
        assert html is not None
        assert text is not None
        headers = {name: str(value) for name, value in parsed.items() if "=====" not in value}
        return cls(headers, Page(html.get_content()), text.get_content())

    @property
    def without_links(self) -> tuple[Any, ...]:
        """Everything that is not a link."""
        links = set(self.page.links)
        return (
            self.headers,
            self.page.skeleton,
            [text for text in self.page.values if text.strip() not in links],
            [line for line in self.text.split("\n") if line not in links],
        )


@cache
def plain_email(name: str) -> Email:
    email = compose(name)
    assert email is not None
    return email


@cache
def plain(name: str) -> tuple[Any, ...]:
    return Read.of(plain_email(name)).without_links


def assert_only_links_differ(name: str, email: Email) -> Page:
    read = Read.of(email)
    assert read.without_links == plain(name)
    for link in read.page.links:
        assert link.isascii()
        assert link.startswith("https://")
        assert not set(link) & set("\"'<>\\{}` \t\r\n")
    return read.page


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_of_fields_change_nothing(field: str, value: str) -> None:
    for name in NAMES:
        assert compose(name, **{field: value}) in (None, plain_email(name))


@pytest.mark.parametrize("field", ["url", "resultUrl"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_instead_of_links_are_not_shown(field: str, value: str) -> None:
    for name in NAMES:
        assert compose(name, **{field: value}) in (None, plain_email(name))


# Every place in one email's links, and one place in every email's links. The rest runs in `make
# proof`.
PLACES = [
    pytest.param(name, link, id=f"{name}-{place}", marks=() if decides else pytest.mark.proof)
    for name in NAMES
    for place, link in LINKS.items()
    for decides in [name == NAMES[0] or place == "in the query"]
]


@pytest.mark.parametrize(("name", "link"), PLACES)
@pytest.mark.parametrize("quoted", [True, False], ids=["percent-encoded", "raw"])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_in_links_stay_in_links(
    name: str, link: str, quoted: bool, value: str
) -> None:
    written = quote(value, safe="", errors="surrogatepass") if quoted else value
    asset = link.replace("www.roomle.com", "uploads.roomle.com")
    email = compose(name, url=link.format(written), resultUrl=asset.format(written))
    # A very long link has no QR code, so there is one picture less.
    if email is not None and len(link.format(written)) <= 500:
        page = assert_only_links_differ(name, email)
        assert all(
            "49" not in piece.text or piece.text.startswith("https://") for piece in page.painted
        )


@pytest.mark.parametrize("name", NAMES)
def test_very_long_links_arrive_whole(name: str) -> None:
    url = f"https://www.roomle.com/?id={'A' * 2_000}"
    email = compose(name, url=url)
    assert email is not None
    assert url in Read.of(email).page.links
    assert url in Read.of(email).text.splitlines()
    assert len(email.html) < 60_000


def test_percent_encoded_values_do_reach_the_email() -> None:
    """Otherwise the test above would prove nothing."""
    value = quote(HOSTILE["markup"], safe="")
    email = compose(NAMES[0], url=LINKS["in the query"].format(value))
    assert email is not None
    assert f"https://www.roomle.com/t/cp/?id={value}" in Page(email.html).links


@pytest.mark.parametrize("field", ["configurationId", "itemId", "configuratorId", "unknown"])
def test_fields_other_than_links_are_never_shown(field: str) -> None:
    email = compose(NAMES[0], **{field: "Zebra49"})
    assert email is not None
    assert "Zebra49" not in message(email).as_string()
    assert "Zebra49" not in email.html + email.text + email.subject


@given(st.text(max_size=60), st.sampled_from(NAMES), st.sampled_from(list(LINKS.values())))
def test_any_link_leaves_the_email_as_it_is(value: str, name: str, link: str) -> None:
    written = quote(value, safe="", errors="surrogatepass")
    email = compose(name, url=link.format(written))
    if email is not None and email.language == "en":
        assert_only_links_differ(name, email)
