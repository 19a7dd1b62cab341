"""Brands that show designs, and what plays Roomle, for functions that run in one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from roomle_mail.emails import Brand, Catalog
from tests.aws.conftest import World
from tools.roomle_api import server
from tools.roomle_api.server import RoomleApi


def show_designs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every brand show designs."""
    read = Catalog.brand

    def brand(catalog: Catalog, configurator_id: str | None) -> Brand:
        return replace(
            read(catalog, configurator_id),
            show=("picture", "name", "size"),
            picture_hosts=("*.roomle.com",),
        )

    monkeypatch.setattr(Catalog, "brand", brand)


@pytest.fixture
def roomle(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RoomleApi]:
    """The stand-in. Every brand shows designs meanwhile."""
    show_designs(monkeypatch)
    with server.running() as roomle:
        roomle.credentials = ()
        world.set(LOCAL_STACK="true", ROOMLE_API=roomle.url)
        yield roomle
