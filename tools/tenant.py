"""Roomle's events as they come with one's own brands: their hosts, configurators, languages, keys.

The events in events/ are for the example brands. Here they are changed so that the brands of a
built package take them, and their results are those that its emails have.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emails_build.package import PACKAGE
from roomle_mail import events
from roomle_mail.emails import Brand, Catalog, Email
from roomle_mail.errors import RoomleMailError
from roomle_mail_cli import sign
from tools import fixtures
from tools.roomle_api.content import catalog_of, design_of

LINK_HOST = str(urlsplit(fixtures.link_to("")).hostname)
ASSET_HOST = str(urlsplit(fixtures.ASSET).hostname)
# A brand decides on these by its hosts and its templates; the others are the same for every brand.
DECIDED_BY_THE_BRAND = {"sent", "link-not-allowed", "no-template"}


@dataclass(frozen=True)
class Tenant:
    """Those who receive the events: all brands of a built package."""

    package: Path

    @classmethod
    def of(cls, layer: Path) -> "Tenant":
        """Make it from a layer, such as the one of `make build`."""
        return cls(layer / "python" / PACKAGE)

    @cached_property
    def catalog(self) -> Catalog:
        """The emails, as the functions make them."""
        return Catalog(lambda name: (self.package / name).read_text(encoding="utf-8"))

    @cached_property
    def configurators(self) -> Mapping[str, str]:
        """The listed configurators, each with its brand's id."""
        listed = [read(path) for path in sorted(self.package.glob("configurators/*.json"))]
        return {key: each["brand"] for shard in listed for key, each in sorted(shard.items())}

    @property
    def another_configurator(self) -> str | None:
        """A configurator of another brand than the default one, if there is any."""
        default = self.catalog.brand(None).id
        return next((key for key, brand in self.configurators.items() if brand != default), None)

    @cached_property
    def _values(self) -> list[Mapping[str, Any]]:
        """The brands, and the configurators that differ from theirs."""
        shards = (read(path) for path in self.package.glob("configurators/*.json"))
        return [
            *(read(path) for path in sorted(self.package.glob("brands/*.json"))),
            *(each.get("differs", {}) for shard in shards for each in shard.values()),
        ]

    @property
    def api_keys(self) -> set[str]:
        """The API keys that the brands list."""
        return {key for each in self._values for key in each.get("api_keys", ())}

    @property
    def senders(self) -> set[str]:
        """The addresses that send."""
        return {parseaddr(each["sender"])[1] for each in self._values if "sender" in each}

    @cached_property
    def languages(self) -> Mapping[str, str]:
        """The languages that any brand offers, with their own names."""
        offered = dict.fromkeys(tag for each in self._values for tag in each.get("languages", ()))
        return {tag: read(self.package / "texts" / f"{tag}.json")["name"] for tag in offered}

    # --- events -------------------------------------------------------------------------------

    def fit(self, body: str) -> tuple[str, Brand]:
        """Change the body of one of the fixtures so that its brand takes it; return both."""
        configurator = next(
            (
                key
                for key in (fixtures.ANOTHER_CONFIGURATOR, fixtures.CONFIGURATOR)
                if f'"{key}"' in body or f'\\"{key}\\"' in body
            ),
            None,
        )
        if configurator == fixtures.ANOTHER_CONFIGURATOR and self.another_configurator:
            body = body.replace(configurator, self.another_configurator)
            configurator = self.another_configurator
        brand = self.catalog.brand(configurator)
        changes = {
            LINK_HOST: host(brand.link_hosts, LINK_HOST),
            ASSET_HOST: host(brand.asset_hosts, ASSET_HOST),
            f"lang={fixtures.ANOTHER_LANGUAGE}": f"lang={another_language(brand)}",
        }
        for old, new in changes.items():
            body = body.replace(old, new)
        return body, brand

    def post(self, name: str, *, now: datetime, secret: str) -> dict[str, Any]:
        """Return a receiver's fixture as if it arrived now; raises KeyError for an unknown one."""
        event = fixtures.load(name)
        body, brand = self.fit(fixtures.body_of(event).decode("utf-8", "surrogateescape"))
        if "body" in event:
            event = fixtures.with_body(event, body.encode("utf-8", "surrogateescape"))
        return fixtures.renew(name, event, now=now, api_key=api_key(brand), secret=secret)

    def batch(self, name: str, *, now: float) -> list[str]:
        """Return the bodies of a mailer's fixture as if they were received now (epoch seconds)."""
        bodies = [self.fit(record["body"])[0] for record in fixtures.load(name)["Records"]]
        return [received(body, now) for body in bodies]

    def link(self, brand: Brand) -> str:
        """Return the link to the example's design that a brand's events have."""
        return fixtures.link_to(fixtures.CONFIGURATION, host=host(brand.link_hosts, LINK_HOST))

    def asset(self, brand: Brand) -> str:
        """Return the link to the example's 3D file that a brand's events have."""
        return fixtures.ASSET.replace(ASSET_HOST, host(brand.asset_hosts, ASSET_HOST))

    @cached_property
    def own_links(self) -> set[str]:
        """The links of all brands' events."""
        hosts = {
            name: {host(tuple(each[name]), usual) for each in self._values if name in each}
            for name, usual in (("link_hosts", LINK_HOST), ("asset_hosts", ASSET_HOST))
        }
        return {
            *(fixtures.link_to(fixtures.CONFIGURATION, host=each) for each in hosts["link_hosts"]),
            *(fixtures.ASSET.replace(ASSET_HOST, each) for each in hosts["asset_hosts"]),
        }

    # --- their results ------------------------------------------------------------------------

    def email(self, payload: object, received: float, *, designs: bool) -> Email:
        """Make the email that Roomle's JSON calls for; raises RoomleMailError if it is refused.

        With `designs` it shows what the stand-in for Roomle's API says of the design.
        """
        event = events.validate(payload)
        if event is None:
            raise ValueError("calls for no email")
        brand = self.catalog.brand(event.configurator_id)
        email = self.catalog.compose(event, brand, received=received)
        identifier = event.configuration_id or event.item_id or ""
        if not designs or (brand.catalogs and catalog_of(identifier) not in brand.catalogs):
            return email
        design = design_of(identifier, email.language)
        return self.catalog.compose(event, brand, received=received, design=design)

    def expected(self, name: str, *, received: float, designs: bool = False) -> dict[str, Any]:
        """Return what becomes of a fixture: expected.json's entry, changed as the brands decide.

        `emails` are all emails that are sent if it is received then (epoch seconds), with designs
        as the stand-in for Roomle's API has them, or without.
        """
        expected = fixtures.expectations()[name]
        if name.startswith("mailer/"):
            return {**expected, **self._mailed(name, received, designs)}
        if expected["code"] not in DECIDED_BY_THE_BRAND:
            return {**expected, "emails": []}
        body = fixtures.body_of(fixtures.load(name)).decode()
        try:
            email = self.email(json.loads(self.fit(body)[0]), received, designs=designs)
        except RoomleMailError as refused:
            return {**expected, "status": refused.status, "code": refused.code, "emails": []}
        return {**expected, "status": 200, "code": "sent", "emails": [email]}

    def _mailed(self, name: str, received: float, designs: bool) -> dict[str, Any]:  # noqa: FBT001
        emails: list[Email] = []
        # The mailer skips a message that comes again.
        messages = list(dict.fromkeys(self.batch(name, now=0)))
        for message in messages:
            emails += self._email_of(message, received, designs)
        return {"emails": emails, "dead_letters": len(messages) - len(emails)}

    def _email_of(self, message: str, received: float, designs: bool) -> Iterator[Email]:  # noqa: FBT001
        try:
            yield self.email(json.loads(message)["event"], received, designs=designs)
        except (RoomleMailError, ValueError, KeyError):
            return


def read(path: Path) -> dict[str, Any]:
    """Read a file of the package."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def received(body: str, now: float) -> str:
    """Return a queued message as if it was received now, because the mailer drops old events."""
    try:
        return fixtures.compact(json.loads(body) | {"received": now})
    except ValueError:
        return body  # one of the fixtures is no event


def host(allowed: tuple[str, ...], usual: str) -> str:
    """Return the usual host if it is allowed, else one that is."""
    if any(
        usual == each or (each.startswith("*.") and usual.endswith(each[1:])) for each in allowed
    ):
        return usual
    return allowed[0].replace("*", "www", 1)


def another_language(brand: Brand) -> str:
    """Return a language that the brand offers and does not use by itself, if there is any."""
    others = [each for each in brand.languages if each != brand.language]
    usual = fixtures.ANOTHER_LANGUAGE
    return usual if usual in others else next(iter(others), brand.language)


def api_key(brand: Brand) -> str:
    """Return an API key that may send in the brand's name."""
    return next(iter(brand.api_keys), sign.EXAMPLE_API_KEY)
