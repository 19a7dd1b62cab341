"""Event + brand -> Email."""

from __future__ import annotations

import pytest

from roomle_mail.emails import Catalog
from roomle_mail.errors import InvalidEvent, LinkNotAllowed, NoTemplate
from roomle_mail.events import Event

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


def test_an_unknown_configurator_and_none_get_the_default_brand(catalog: Catalog) -> None:
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
        catalog.compose(event(success=False), catalog.brand(None))


def test_an_event_without_a_template_is_left_to_roomle(catalog: Catalog) -> None:
    with pytest.raises(NoTemplate):
        catalog.compose(event("email.newKind"), catalog.brand(None))


@pytest.mark.parametrize(
    ("name", "field"),
    [("email.savedConfiguration", "url"), ("email.3DExportAsset", "result_url")],
)
def test_an_event_without_the_link_that_the_email_is_about_is_invalid(
    catalog: Catalog, name: str, field: str
) -> None:
    with pytest.raises(InvalidEvent):
        catalog.compose(event(name, **{field: None}), catalog.brand(None))


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
        catalog.compose(event(name, **{field: link}), catalog.brand(None))
