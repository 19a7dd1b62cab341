"""Event + brand -> Email."""

from __future__ import annotations

import dataclasses
import os
import re
import struct
import subprocess
import sys
import zlib

import pytest
import zxingcpp

from roomle_mail.emails import Catalog, language_of
from roomle_mail.errors import InvalidEvent, LinkNotAllowed, NoTemplate
from roomle_mail.events import EVENTS, Event
from tests import emails_package
from tests.emails_reading import RECEIVED, Page

URL = "https://www.roomle.com/t/cp/?id=catalog:item:AB&configuratorId=shop"
ASSET = "https://uploads.roomle.com/exports/AB.glb"


def event(name: str = "email.savedConfiguration", **fields: object) -> Event:
    values: dict[str, object] = {
        "recipient": "person@example.org",
        "success": True,
        "configuration_id": "catalog:item:AB",
        "item_id": None,
        "configurator_id": None,
        "url": URL,
        "result_url": ASSET if name == "email.3DExportAsset" else None,
        "payload": {},
    }
    return Event(name=name, **(values | fields))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load()


def test_an_unknown_or_missing_configurator_gets_the_default_brand(catalog: Catalog) -> None:
    assert catalog.brand(None).id == catalog.brand("unheard-of").id == "default"


def test_a_configurator_gets_its_brand(catalog: Catalog) -> None:
    assert catalog.brand("exampleStudio").id == "studio"


def test_a_configurator_can_differ_in_single_values(catalog: Catalog) -> None:
    brand, differing = catalog.brand("exampleStudio"), catalog.brand("exampleStudioAustria")
    assert differing.id == brand.id
    assert differing.reply_to == ("austria@brand.example",)
    assert differing.sender == brand.sender


def test_a_failure_without_a_template_is_left_to_roomle(catalog: Catalog) -> None:
    with pytest.raises(NoTemplate):
        catalog.compose(event(success=False), catalog.brand(None), received=RECEIVED)


def test_an_event_without_a_template_is_left_to_roomle(catalog: Catalog) -> None:
    with pytest.raises(NoTemplate):
        catalog.compose(event("email.newKind"), catalog.brand(None), received=RECEIVED)


@pytest.mark.parametrize(
    ("name", "field"),
    [("email.savedConfiguration", "url"), ("email.3DExportAsset", "result_url")],
)
def test_an_event_without_the_link_that_the_email_is_about_is_invalid(
    catalog: Catalog, name: str, field: str
) -> None:
    with pytest.raises(InvalidEvent):
        catalog.compose(event(name, **{field: None}), catalog.brand(None), received=RECEIVED)


@pytest.mark.parametrize(
    ("name", "field", "link"),
    [
        ("email.savedConfiguration", "url", "https://evil.example/?roomle.com"),
        ("email.savedConfiguration", "url", "https://roomle.com.evil.example/"),
        ("email.3DExportAsset", "url", "https://evil.example/"),
        ("email.3DExportAsset", "result_url", "https://www.roomle.com/not-an-asset-host"),
    ],
)
def test_no_link_is_shown_whose_host_the_brand_has_not_allowed(
    catalog: Catalog, name: str, field: str, link: str
) -> None:
    with pytest.raises(LinkNotAllowed):
        catalog.compose(event(name, **{field: link}), catalog.brand(None), received=RECEIVED)


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("lang=de", "de"),
        ("language=fr", "fr"),
        ("locale=it", "it"),
        ("LANG=NL", "nl"),
        ("lang=de-AT", "de"),
        ("locale=es_MX", "es"),
        ("locale=DE-de", "de"),
        ("lang=ja", "en"),
        ("lang=", "en"),
        ("lang=deutsch", "en"),
        ("other=de", "en"),
        ("a=1&lang=de&b=2", "de"),
        ("lang=de-x-shop", "de"),
        ("lang=de-Latn-AT-1996", "de"),
        ("#lang=de", "de"),
        ("#/?id=a&lang=de", "de"),
        ("#/t/cp/?id=a&locale=de_AT", "de"),
        ("#/de?id=a", "en"),
        ("lang=fr#/?lang=de", "fr"),
    ],
)
def test_a_links_language_is_taken_if_the_brand_offers_it(
    catalog: Catalog, asked: str, language: str
) -> None:
    email = catalog.compose(event(url=f"{URL}&{asked}"), catalog.brand(None), received=RECEIVED)
    assert email.language == language


def test_a_language_that_the_brand_does_not_offer_becomes_the_brands_own(catalog: Catalog) -> None:
    email = catalog.compose(
        event(url=f"{URL}&lang=fr"), catalog.brand("exampleStudio"), received=RECEIVED
    )
    assert email.language == "de"


def test_an_export_takes_its_language_from_either_link(catalog: Catalog) -> None:
    email = catalog.compose(
        event("email.3DExportAsset", url=None, result_url=f"{ASSET}?lang=de"),
        catalog.brand(None),
        received=RECEIVED,
    )
    assert email.language == "de"


def test_a_link_that_is_not_shown_need_not_be_allowed(catalog: Catalog) -> None:
    email = catalog.compose(
        event(result_url="https://evil.example/"), catalog.brand(None), received=RECEIVED
    )
    assert "evil" not in email.html + email.text


@pytest.mark.parametrize("success", [True, False])
def test_an_export_without_a_link_to_the_design_does_without(
    catalog: Catalog, success: bool
) -> None:
    asset = ASSET if success else None
    email = catalog.compose(
        event("email.3DExportAsset", url=None, success=success, result_url=asset),
        catalog.brand(None),
        received=RECEIVED,
    )
    page = Page(email.html)
    assert [each.get("href") for each in page.buttons] == ([ASSET] if success else [])
    assert page.links[:-1] == ([ASSET, ASSET] if success else [])
    assert email.text.count("https://") == len(set(page.links))


def test_a_missing_success_counts_as_success(catalog: Catalog) -> None:
    told = catalog.compose(event("email.3DExportAsset"), catalog.brand(None), received=RECEIVED)
    untold = catalog.compose(
        event("email.3DExportAsset", success=None), catalog.brand(None), received=RECEIVED
    )
    assert told == untold


def test_a_link_is_rebuilt_and_escaped_once(catalog: Catalog) -> None:
    link = 'https://WWW.Roomle.com:443/a"b?x=1&amp;y=%22&z={{7*7}}'
    email = catalog.compose(event(url=link), catalog.brand(None), received=RECEIVED)
    rebuilt = "https://www.roomle.com/a%22b?x=1&amp;y=%22&z=%7B%7B7*7%7D%7D"
    assert [each.get("href") for each in Page(email.html).buttons] == [rebuilt]
    assert rebuilt in email.text.splitlines()


def test_links_in_the_html_have_a_plain_form(catalog: Catalog) -> None:
    html = catalog.compose(event(), catalog.brand(None), received=RECEIVED).html
    assert f'href="{URL.replace("&", "&amp;")}"' in html


def test_a_camera_reads_the_link_from_the_qr_code(catalog: Catalog) -> None:
    email = catalog.compose(
        event("email.shareConfigurationAR"), catalog.brand(None), received=RECEIVED
    )
    [image] = email.images
    [code] = zxingcpp.read_barcodes(_pixels(image.data))
    assert (str(code.format), code.text) == ("QR Code", URL)
    assert (image.media_type, image.name) == ("image/png", "qr.png")
    assert f'src="cid:{image.content_id}"' in email.html


@pytest.mark.parametrize("length", [500, 501, 4_000])
def test_a_link_too_long_for_a_camera_is_mailed_without_a_qr_code(
    catalog: Catalog, length: int
) -> None:
    link = f"{URL}&x=".ljust(length, "y")
    email = catalog.compose(
        event("email.shareConfigurationAR", url=link), catalog.brand(None), received=RECEIVED
    )
    assert len(email.images) == (1 if length <= 500 else 0)
    assert ("cid:" in email.html) == bool(email.images)
    assert link in Page(email.html).links
    for image in email.images:
        [code] = zxingcpp.read_barcodes(_pixels(image.data))
        assert code.text == link


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("zh-Hant-TW", "zh-Hant"),
        ("zh_hant_tw", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-Hans-CN", "zh"),
        ("zh-TW", "zh"),
        ("pt-BR", "pt-BR"),
        ("pt-PT", "en"),
        ("pt-br-x-shop", "pt-BR"),
        ("*", "en"),
        ("-", "en"),
    ],
)
def test_a_language_is_looked_up_as_rfc_4647_says(catalog: Catalog, asked: str, found: str) -> None:
    offered = ("en", "zh", "zh-Hant", "pt-BR")
    brand = dataclasses.replace(catalog.brand(None), languages=offered, language="en")
    assert language_of(event(url=f"{URL}&lang={asked}"), brand)[0] == found


def test_a_pictures_content_id_is_unique_for_each_email(catalog: Catalog) -> None:
    def content_id(event_id: str) -> str:
        email = catalog.compose(
            event("email.shareConfigurationAR"),
            catalog.brand(None),
            event_id=event_id,
            received=RECEIVED,
        )
        [image] = email.images
        assert f'src="cid:{image.content_id}"' in email.html
        return image.content_id

    ids = [content_id("a"), content_id("b")]
    assert len(set(ids)) == 2
    assert content_id("a") == ids[0]
    for each in ids:
        # RFC 2392 and 5322: a dot-atom, an @, a dot-atom. SES's Attachment takes 78 characters.
        assert re.fullmatch(r"[a-z0-9.-]+@[a-z0-9.-]+", each)
        assert len(each) <= 78


@pytest.mark.parametrize("name", EVENTS)
def test_two_emails_are_two_conversations(catalog: Catalog, name: str) -> None:
    brand = catalog.brand(None)
    one, other = (
        catalog.compose(event(name), brand, event_id=each, received=RECEIVED) for each in ("a", "b")
    )
    assert dict(one.headers)["X-Entity-Ref-ID"] != dict(other.headers)["X-Entity-Ref-ID"]


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("address", ["no-more@brand.example", None])
def test_a_person_who_did_not_ask_for_the_email_is_offered_to_unsubscribe(
    catalog: Catalog, name: str, address: str | None
) -> None:
    brand = dataclasses.replace(catalog.brand(None), unsubscribe=address)
    headers = dict(catalog.compose(event(name), brand, received=RECEIVED).headers)
    wanted = f"<mailto:{address}>" if address and name == "email.shareConfiguration" else None
    assert headers.get("List-Unsubscribe") == wanted


def test_the_qr_library_is_imported_only_for_the_email_that_has_a_code() -> None:
    """GIVEN a fresh process WHEN other emails are written THEN segno is not loaded."""
    script = """
import sys
from roomle_mail.emails import Catalog, language_of
from roomle_mail.events import EVENTS, Event
catalog = Catalog.load()
url, asset = "https://www.roomle.com/", "https://uploads.roomle.com/x"
for name in ("savedConfiguration", "shareConfiguration", "3DExportAsset", "shareConfigurationAR"):
    event = Event(f"email.{name}", "a@b.example", True, "x", None, None, url, asset, {})
    catalog.compose(event, catalog.brand(None), received=0)
    print(name, "segno" in sys.modules, "pydantic_core" in sys.modules and "mjml" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(emails_package.build())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines() == [
        "savedConfiguration False False",
        "shareConfiguration False False",
        "3DExportAsset False False",
        "shareConfigurationAR True False",
    ]


def _pixels(png: bytes) -> memoryview:
    """A one-bit greyscale PNG, the only kind that segno writes, as a picture of bytes."""
    assert png[12:16] == b"IHDR"
    width, height, depth, colour = struct.unpack(">IIBB", png[16:26])
    assert (depth, colour) == (1, 0)
    data = b""
    place = 8
    while place < len(png):
        [length] = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    size = (width + 7) // 8
    packed = zlib.decompress(data)
    rows = [bytes(size)]
    for start in range(0, len(packed), size + 1):
        kind, row = packed[start], packed[start + 1 : start + 1 + size]
        assert kind in {0, 2}  # as it is, or the difference from the row above
        above = rows[-1] if kind else bytes(size)
        rows.append(bytes((a + b) % 256 for a, b in zip(row, above, strict=True)))
    bits = "".join("".join(f"{byte:08b}" for byte in row)[:width] for row in rows[1:])
    return memoryview(bytes(255 * int(bit) for bit in bits)).cast("B", (height, width))
