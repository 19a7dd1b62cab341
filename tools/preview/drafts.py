"""The folder layers/emails at one moment, and every email that it makes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from minijinja import TemplateError

from emails_build.package import draft_package
from emails_build.problems import BuildFailed, Problem
from roomle_mail.emails import Brand, Catalog, Email
from roomle_mail.errors import NoTemplate
from roomle_mail.events import EVENTS, EXPORT, Event
from tools import fixtures
from tools.sam import ROOT

SOURCE = ROOT / "layers" / "emails"
FAILED = "-failed"
# What people call Roomle's events.
NAMES = {
    "savedConfiguration": "Saved",
    "shareConfiguration": "Shared",
    "shareConfigurationAR": "AR link",
    "3DExportAsset": "3D export",
}
# The page says so beside the very email.
TOO_LONG = re.compile(r" has [\d,]+ bytes, ")
# Longer than any QR code of ours: with such a link the email has none.
LONG = "&note=" + "x" * 900


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
    """A brand, or a configurator that has values of its own."""

    key: str
    brand: Brand

    @property
    def name(self) -> str:
        """The name for people: two brands may be called alike, so the key is in it."""
        return f"{self.brand.name} ({self.key})"


@dataclass(frozen=True)
class Choice:
    """One email of all: `whole` has every link that Roomle may send, else only those it must."""

    look: Look
    language: str
    kind: Kind
    whole: bool = True


class Drafts:
    """All emails as the folder has them; `problems` are the build's. Raises BuildFailed."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._files, problems = draft_package(source)
        self.problems = tuple(each for each in problems if not TOO_LONG.search(each.message))
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

    def email(self, choice: Choice) -> Email | Problem | None:
        """The email; None where Roomle sends its own; a problem where it can't be filled."""
        try:
            return self._catalog.compose(sample(choice), choice.look.brand)
        except NoTemplate:
            return None
        except TemplateError as err:
            file = self.source / "templates" / f"{choice.kind.key}.mjml"
            return Problem(file, 0, f"can't be filled: {err.detail or err.message}")

    def problems_of(self, choice: Choice) -> tuple[list[Problem], list[Problem]]:
        """The build's problems: those that may show in this email, and all others."""
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


def sample(choice: Choice) -> Event:
    """Make an event of Roomle's with links that the brand allows."""
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
        # The one link that an export must have may tell the language too.
        result_url=f"{asset}?lang={choice.language}" if export and kind.success else None,
        payload={},
    )


class Folder:
    """The folder on disk: read again when a file in it has changed."""

    def __init__(self, source: Path = SOURCE) -> None:
        self.source = source
        self._read = lru_cache(maxsize=1)(self._draft)

    def stamp(self) -> str:
        """Return what is another when a file was edited, added or removed."""
        found = [
            (str(path), path.stat().st_mtime_ns)
            for pattern in ("*.toml", "texts/*", "templates/**/*")
            for path in sorted(self.source.glob(pattern))
            if path.is_file()
        ]
        return f"{hash(tuple(found)):x}"

    def drafts(self) -> Drafts | BuildFailed:
        """The emails as they are now, or why there are none."""
        return self._read(self.stamp())

    def _draft(self, _stamp: str) -> Drafts | BuildFailed:
        try:
            return Drafts(self.source)
        except BuildFailed as failed:
            return failed


def relative(problem: Problem, source: Path) -> Problem:
    """Name the file as people in the repository do."""
    for base in (ROOT, source.parent):
        if problem.file.is_relative_to(base):
            return Problem(problem.file.relative_to(base), problem.line, problem.message)
    return problem
