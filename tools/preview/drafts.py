"""The folder layers/emails at one moment, and every email made from it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from minijinja import TemplateError

from emails_build.package import draft_package
from emails_build.problems import BuildFailed, Problem
from roomle_mail.emails import Brand, Catalog, Content, Design, Email
from roomle_mail.errors import NoTemplate
from roomle_mail.events import EVENTS, EXPORT, Event
from roomle_mail_cli import project
from tools import fixtures
from tools.preview import blocks
from tools.sam import ROOT

FAILED = "-failed"
# People's names for Roomle's events.
NAMES = {
    "savedConfiguration": "Saved",
    "shareConfiguration": "Shared",
    "shareConfigurationAR": "AR link",
    "3DExportAsset": "3D export",
}
# Too long for a QR code: with such a link the email has none.
LONG = "&note=" + "x" * 900
PICTURE_HOST = "uploads.roomle.com"
SOFAS = {
    "en": "Corner sofa",
    "de": "Ecksofa",
    "fr": "Canapé d’angle",
    "it": "Divano angolare",
    "es": "Sofá esquinero",
    "nl": "Hoekbank",
}
# What is known of the design: as much as the brand's emails show, all, or nothing.
DESIGNS = ("brand", "all", "none")
RECEIVED = fixtures.MOMENT.timestamp()


@dataclass(frozen=True)
class Kind:
    """An event that succeeded or failed; `key` is its template's name, if it has one."""

    event: str
    success: bool

    @property
    def key(self) -> str:
        """The name of the template, such as `3DExportAsset-failed`."""
        return self.event.removeprefix("email.") + ("" if self.success else FAILED)

    @property
    def name(self) -> str:
        """The name for people."""
        short = self.event.removeprefix("email.")
        return NAMES.get(short, short) + ("" if self.success else ", failed")


KINDS = tuple(Kind(event, success) for event in EVENTS for success in (True, False))


@dataclass(frozen=True)
class Look:
    """A brand, or a configurator with its own values."""

    key: str
    brand: Brand

    @property
    def name(self) -> str:
        """The name for people, with the key, because two brands may have the same name."""
        return f"{self.brand.name} ({self.key})"


@dataclass(frozen=True)
class Choice:
    """One of the emails: `whole` has every link that Roomle may send, else only required ones.

    `design` is one of DESIGNS. `blocks` are its optional parts: those that are set, all, none, or a
    single one.
    """

    look: Look
    language: str
    kind: Kind
    whole: bool = True
    design: str = DESIGNS[0]
    blocks: str = "set"


class Drafts:
    """All emails from the folder; `problems` are the build's. Raises BuildFailed."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._draft = draft_package(source)
        self._files = self._draft.files
        self.problems = tuple(self._draft.problems)
        self._catalog = Catalog(self._read)
        self.looks = tuple(self._looks())

    def _read(self, name: str) -> str:
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def _looks(self) -> Iterator[Look]:
        brands = {
            name.removeprefix("brands/").removesuffix(".json"): json.loads(text)
            for name, text in self._files.items()
            if name.startswith("brands/")
        }
        default = json.loads(self._files["catalog.json"])["default"]
        for identifier in sorted(brands, key=lambda each: each != default):
            yield Look(identifier, Brand.of(identifier, brands[identifier]))
        shards = (name for name in self._files if name.startswith("configurators/"))
        for configurator, values in sorted(
            (key, values)
            for name in shards
            for key, values in json.loads(self._files[name]).items()
        ):
            if "differs" in values:
                brand = self._catalog.brand(configurator)
                yield Look(f"{brand.id}, configurator {configurator}", brand)

    def choices(self) -> Iterator[Choice]:
        """Every brand x language x event x success or failure."""
        for look in self.looks:
            for language in look.brand.languages:
                for kind in KINDS:
                    yield Choice(look, language, kind)

    def each_subject(self) -> Iterator[Choice]:
        """The same, and again without the design where that has another subject."""
        for choice in self.choices():
            yield choice
            unknown = replace(choice, design="none")
            subjects = {
                each.subject
                for each in map(self.email, (choice, unknown))
                if isinstance(each, Email)
            }
            if len(subjects) > 1:
                yield unknown

    def text(self, choice: Choice) -> str:
        """The email's HTML; empty if there is none."""
        email = self.email(choice)
        return email.html if isinstance(email, Email) else ""

    def email(self, choice: Choice) -> Email | Problem | None:
        """The email; None if Roomle sends its own; a problem if it can't be rendered."""
        try:
            return self._catalog.compose(
                sample(choice), self._brand(choice), received=RECEIVED, design=design_of(choice)
            )
        except NoTemplate:
            return None
        except TemplateError as err:
            file = self.source / "templates" / f"{choice.kind.key}.mjml"
            return Problem(file, 0, f"can't be filled: {err.detail or err.message}")

    def check(self, choice: Choice, email: Email) -> list[Problem]:
        """What is wrong with the finished email."""
        content = Content(email.subject, "", email.text, email.html)
        brand, event = self._brand(choice), sample(choice)
        given = {"url": event.url, "result_url": event.result_url}
        links = {name: link for name, link in given.items() if link}
        return list(self._draft.check(choice.kind.key, brand, choice.language, content, links))

    def _brand(self, choice: Choice) -> Brand:
        texts = json.loads(self._files[f"texts/{choice.language}.json"])
        return blocks.shown(
            brand_of(choice), choice.language, choice.kind.key, texts, choice.blocks
        )

    def problems_of(self, choice: Choice) -> tuple[list[Problem], list[Problem]]:
        """The build's problems: those that may affect this email, and all others."""
        here: list[Problem] = []
        elsewhere: list[Problem] = []
        for problem in self.problems:
            (here if self._shows_in(problem, choice) else elsewhere).append(problem)
        return here, elsewhere

    def _shows_in(self, problem: Problem, choice: Choice) -> bool:
        file, key = problem.file, choice.kind.key
        if file.parent.name == "texts":
            section = problem.message.partition(".")[0].partition(":")[0]
            others = {kind.key for kind in KINDS} - {key}
            return file.stem == choice.language and section not in others
        return file.parent.name != "templates" or file.stem == key


def brand_of(choice: Choice) -> Brand:
    """The brand; for a design that is shown as a whole, with all that `show` can say."""
    brand = choice.look.brand
    if choice.design != "all":
        return brand
    hosts = brand.picture_hosts or (PICTURE_HOST,)
    return replace(brand, show=("picture", "name", "size"), picture_hosts=hosts)


def design_of(choice: Choice) -> Design:
    """What Roomle says of the design."""
    if choice.design == "none":
        return Design()
    host = brand_of(choice).picture_hosts[:1] or (PICTURE_HOST,)
    return Design(
        picture=f"https://{host[0].replace('*', 'www')}/configurations/sample/perspectiveImage.png",
        name=SOFAS.get(choice.language, SOFAS["en"]),
        width=2412,
        depth=985.5,
        height=780,
    )


def sample(choice: Choice) -> Event:
    """Make one of Roomle's events with links that the brand allows."""
    brand, kind = choice.look.brand, choice.kind
    host = brand.link_hosts[0].replace("*", "www")
    link = (
        f"https://{host}/t/cp/?id={fixtures.CONFIGURATION}&configuratorId=shop"
        f"&lang={choice.language}"
    )
    asset = f"https://{brand.asset_hosts[0].replace('*', 'www')}/exports/1a2b3c4d/design.glb"
    export = kind.event == EXPORT
    return Event(
        name=kind.event,
        recipient=fixtures.RECIPIENT,
        success=kind.success,
        configuration_id=fixtures.CONFIGURATION,
        item_id=None,
        configurator_id=None,
        url=link if choice.whole else None if export else link + LONG,
        # The one link that an export must have may also set the language.
        result_url=f"{asset}?lang={choice.language}" if export and kind.success else None,
        payload={},
    )


class Folder:
    """The folder on disk, read again when a file in it has changed."""

    def __init__(self, source: Path | None = None) -> None:
        self.source = source or project.emails()
        self._read = lru_cache(maxsize=1)(self._draft)

    def stamp(self) -> str:
        """Return a value that changes when a file is edited, added or removed."""
        found = [
            (str(path), path.stat().st_mtime_ns)
            for pattern in ("*.toml", "texts/*", "templates/**/*", "pictures/**/*")
            for path in sorted(self.source.glob(pattern))
            if path.is_file()
        ]
        return f"{hash(tuple(found)):x}"

    def drafts(self) -> Drafts | BuildFailed:
        """The current emails, or why there are none."""
        return self._read(self.stamp())

    def _draft(self, _stamp: str) -> Drafts | BuildFailed:
        try:
            return Drafts(self.source)
        except BuildFailed as failed:
            return failed


def relative(problem: Problem, source: Path) -> Problem:
    """Return the file's path in the repository."""
    return problem.relative_to(ROOT).relative_to(source.parent)
