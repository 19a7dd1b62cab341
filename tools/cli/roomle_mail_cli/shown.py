"""What an email would show of a design: the functions' own lookup, for a brand of brands.toml."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from roomle_mail import formats
from roomle_mail.designs import DESIGN_WITHIN, Designs, Wanted
from roomle_mail.events import Event
from roomle_mail_cli import keys, project
from roomle_mail_cli.checks import Check
from roomle_mail_cli.posting import EXAMPLE_ID
from roomle_mail_cli.roomle import Subject
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail.emails import Design
    from roomle_mail.tokens import Credential
    from roomle_mail_cli.deployment import Deployment

EVERYTHING = ("picture", "name", "size")
# Where Roomle keeps pictures, for brands that do not say it yet.
PICTURE_HOSTS = ("uploads.roomle.com", "catalog.roomle.com")
# What is no more than a property of the example.
_ANSWERED = frozenset(("unknown id", "no picture", "no name", "no size"))
_HOSTS = {"live": "www.roomle.com", "test": "test.roomle.com"}


@dataclass(frozen=True, slots=True)
class Brand:
    """What brands.toml says of a brand about designs; `show` is empty if it shows none."""

    id: str
    show: tuple[str, ...]
    picture_hosts: tuple[str, ...]
    catalogs: tuple[str, ...]
    api_keys: tuple[str, ...]
    language: str
    languages: tuple[str, ...]

    @classmethod
    def of(cls, identifier: str, table: dict[str, Any]) -> Brand:
        """Read its table."""
        lists = {
            name: tuple(table.get(name) or ())
            for name in ("show", "picture_hosts", "catalogs", "api_keys", "languages")
        }
        return cls(id=identifier, language=str(table["language"]), **lists)


def brand(identifier: str | None, configurator_id: str | None) -> Brand:
    """The brand that is named, or a configurator's, or the default one; raises CliError."""
    found = project.brands()
    listed = found.get("configurators", {}).get(configurator_id or "", {})
    chosen = identifier or listed.get("brand") or found["default"]
    if chosen not in found["brands"]:
        known = ", ".join(found["brands"])
        raise CliError(f"There is no brand {chosen!r}, only {known}.", code=Exit.USAGE)
    differs = {} if identifier else listed
    return Brand.of(chosen, found["brands"][chosen] | differs)


def languages_of(brand: Brand, asked: list[str]) -> tuple[str, ...]:
    """The languages that are asked for, else the brand's own; raises CliError for others.

    A region, as in `en-US`, decides on units and numbers.
    """
    offered = {each.partition("-")[0].casefold() for each in brand.languages}
    for each in asked:
        if each.replace("_", "-").partition("-")[0].casefold() not in offered:
            known = ", ".join(brand.languages)
            problem = f"The brand {brand.id} does not offer {each!r}, only {known}."
            raise CliError(problem, code=Exit.USAGE)
    return tuple(asked or [brand.language])


def showing() -> list[Brand]:
    """The brands that show designs."""
    brands = [Brand.of(name, table) for name, table in project.brands()["brands"].items()]
    return [each for each in brands if each.show]


@dataclass(frozen=True, slots=True)
class Shown:
    """What an email in a language would show, and the log's words about it.

    `seconds` is how long it took. `there` is what it shows, and `missing` what it lacks of what the
    brand shows and Roomle may know. `problems` are the reasons, in the words of the log.
    """

    language: str
    design: Design
    outcome: str
    seconds: float
    there: tuple[str, ...]
    missing: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def size(self) -> str | None:
        """Width × depth × height, as the email writes it."""
        design = self.design
        return formats.size(design.width, design.depth, design.height, locale=self.language)

    @property
    def as_json(self) -> dict[str, object]:
        """For programs; lengths in millimetres."""
        design = self.design
        return {
            "language": self.language,
            "picture": design.picture,
            "name": design.name,
            "size": self.size,
            "width": design.width,
            "depth": design.depth,
            "height": design.height,
            "missing": list(self.missing),
            "log": self.outcome,
            "seconds": round(self.seconds, 3),
        }


def look_up(
    designs: Designs, subject: Subject, of: Brand, language: str, credential: Credential | None
) -> Shown:
    """Look a design up as the functions do, in their time box."""
    show = of.show or EVERYTHING
    event = Event(
        name="email.savedConfiguration",
        recipient="",
        success=True,
        configuration_id=subject.id,
        item_id=None,
        configurator_id=None,
        # The link's host tells Roomle's databases apart.
        url=f"https://{_HOSTS[subject.environment]}/",
        result_url=None,
        payload={},
    )
    began = time.monotonic()
    lookup = designs.begin(
        event,
        Wanted(show, of.picture_hosts or PICTURE_HOSTS, of.catalogs, language),
        credential=lambda: credential,
        now=time.time(),
        spare=2 * DESIGN_WITHIN,
    )
    design = lookup.result()
    seconds = time.monotonic() - began
    values = {"picture": design.picture, "name": design.name, "size": design.width}
    there = tuple(each for each in show if values[each] is not None)
    missing = tuple(each for each in show if each in subject.has and each not in there)
    problems = tuple(
        sorted(set((lookup.outcome or "").partition("without: ")[2].split(", ")) - {""})
    )
    return Shown(language, design, lookup.outcome or "", seconds, there, missing, problems)


# --- for `doctor` -----------------------------------------------------------------------------


def check_designs(deployment: Deployment, own: str | None) -> Iterator[Check]:
    """Where a brand shows designs, Roomle's API is there and accepts the key.

    `own` is the id of a design to try; without one it is that of Roomle's example, which need not
    exist. An email goes out without what is missing, so nothing here is a failure.
    """
    brands = showing()
    if brands and not deployment.settings.designs:
        yield Check(
            "designs",
            "info",
            f"Designs=off, so the emails of {', '.join(each.id for each in brands)} show none",
            "Deploy with Designs=on.",
        )
        return
    subject = Subject.of(own or EXAMPLE_ID, test=False)
    known = keys.current(deployment) if brands and deployment.settings.require_token else ()
    for each in brands:
        fitting = [one for one in known if not each.api_keys or one.api_key in each.api_keys]
        designs = Designs.by(deployment.settings)
        of = each if own else replace(each, catalogs=())
        found = look_up(designs, subject, of, each.language, next(iter(fitting), None))
        yield _check(each, found, own)


def _check(brand: Brand, found: Shown, own: str | None) -> Check:
    name, took = f"designs of {brand.id}", f"{found.seconds:.2f} s"
    again = f"roomle-mail design {own or 'ID'} --brand {brand.id}"
    if own and not found.missing:
        shows = ", ".join(found.there) or "nothing of it, since a plan has only a picture"
        return Check(name, "ok", f"an email shows {shows} ({took})")
    if own:
        lacks = f"an email would lack {', '.join(found.missing)} ({', '.join(found.problems)})"
        return Check(name, "warn", lacks, f"It goes out without. For details: {again}")
    if set(found.problems) <= _ANSWERED:
        return Check(
            name, "ok", f"Roomle's API answers ({took}); --design ID tries a design of yours"
        )
    return Check(
        name,
        "warn",
        f"emails go out without designs: {', '.join(found.problems)} ({took})",
        f"With a design of yours: {again}",
    )
