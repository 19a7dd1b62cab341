"""Makes the files of the package `roomle_mail_emails`."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from html import unescape
from itertools import product
from typing import TYPE_CHECKING, Any

from minijinja import TemplateError

from emails_build import checks, markup, syntax, unread
from emails_build.brands import Brands, read_brands
from emails_build.problems import BuildFailed, Line, Problem, locate, read_text
from emails_build.templates import (
    FAILED,
    Template,
    read_own_templates,
    read_templates,
    unused,
)
from emails_build.texts import (
    INBOX,
    LINK,
    SHARED,
    Texts,
    Uses,
    draft_texts,
    missing_text,
    normalised,
    unknown,
)
from roomle_mail.emails import MAX_NAME, WITH_DESIGN, Brand, Catalog, Content, shard_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

PACKAGE = "roomle_mail_emails"
# Characters: Microsoft's page "Exchange Online limits".
MAX_SUBJECT = 255
_NUMBER = re.compile(r"\d[\d,.]*")
_DATE = "27 Nov 2026, 14:05 UTC"
# As long as they may be.
_NAME, _SIZE = "W" * MAX_NAME, "10000.5 × 10000.5 × 10000.5 cm"
# The blocks of a brand, and what each needs beside its line.
_BLOCKS = {
    "hero": "",
    "phone": "",
    "second_button": ": expected the text `second_button` in texts/{}.toml",
    "note_link": ": expected the texts `note` and `note_label` in texts/{}.toml or the brand's own",
}
_UNDEFINED = re.compile(r"`([\w.]+)` is undefined")
_OPTIONAL = re.compile(
    r"qr|(?:result_)?url|design\.(?:name|picture|size)|brand\.(?:extra|blocks)\.\w+"
    r"|brand\.(?:logo|logo_dark|web_font)(?:\.\w+)?"
)
_SAMPLES = {
    "url": "https://www.roomle.com/t/cp/?id=catalog:item:0123456789ABCDEF&configuratorId=sample",
    "result_url": "https://uploads.roomle.com/configurations/0123456789ABCDEF/sample.glb",
}


def compile_package(source: Path) -> dict[str, str]:
    """Check the folder and make the package's files, name -> content; raises BuildFailed."""
    return checked_package(source).files


def checked_package(source: Path) -> Draft:
    """The package without any problem; raises BuildFailed."""
    draft = draft_package(source)
    # What is wrong in a file is seen in many emails, and needs to be said only once.
    if problems := draft.problems or draft.problems_of_emails():
        raise BuildFailed(problems)
    return draft


@dataclass(frozen=True)
class Rendering:
    """One of the emails, or why there is none; `where` is its brand or configurator.

    `whole` is with every link that Roomle may send, `design` with all that may be known of one.
    """

    template: Template
    brand: Brand
    language: str
    where: str
    whole: bool
    design: bool
    email: Content | TemplateError


@dataclass(frozen=True)
class Draft:
    """The package's files as far as they can be made, and what is wrong with them.

    `problems` doesn't include what is wrong with single emails that can be rendered.
    """

    source: Path
    files: dict[str, str]
    templates: Mapping[str, Template]
    own: Mapping[str, Mapping[str, Template]]
    """The templates of brands with a folder of their own."""
    brands: Brands
    found: tuple[Problem, ...]

    def templates_of(self, brand: Brand) -> Mapping[str, Template]:
        """The emails of a brand."""
        return self.own.get(brand.id, self.templates)

    @property
    def problems(self) -> list[Problem]:
        """The problems of the files, and of emails that can't be rendered."""
        rendering = list(self._rendering_problems())
        return list(dict.fromkeys([*self.found, *(rendering or self._unseen_blocks())]))

    def problems_of_emails(self) -> list[Problem]:
        """The problems of every event x language x brand that can be rendered."""
        found: dict[tuple[Any, ...], Problem] = {}
        for each in self.renderings:
            if isinstance(each.email, Content) and each.whole == each.design:
                for problem in self.check(
                    each.template.name, each.brand, each.language, each.email
                ):
                    # An email that has it in one language usually has it in all.
                    place = f" (in {each.language} for {each.where})"
                    kind = _NUMBER.sub("", problem.message.partition(":")[0])
                    key = (problem.file, problem.line, kind)
                    found.setdefault(
                        key, Problem(problem.file, problem.line, problem.message + place)
                    )
        return list(found.values())

    def check(self, name: str, brand: Brand, language: str, email: Content) -> Iterator[Problem]:
        """What is wrong with a rendered email, on the lines that cause it."""
        template = self.templates_of(brand)[name]
        words = self._words(name, brand, language)
        for finding in checks.findings(email.text, email.html, _links(words)):
            line = template.find_shown(finding.clues, words, finding.place, finding.part)
            if line is None and LINK in finding.clues:
                line = next(self._with_link(language), None)
            said = finding.message
            if finding.part == ".txt":
                # A brand's own HTML may lack what the text part of all brands has.
                html = next(x.file for x in template.lines if x.file.name == f"{name}.mjml")
                shown = html.relative_to(self.source).as_posix()
                said = said.replace("(.mjml)", f"({shown} and what it includes)")
            for link, sample in _SAMPLES.items():
                said = said.replace(sample, f"{{{{ {link} }}}}")
            yield (
                line.problem(said)
                if line
                else Problem(self.source / "templates" / f"{name}.mjml", 0, said)
            )

    def _with_link(self, language: str) -> Iterator[Line]:
        """The lines of texts with a place for a link."""
        for file in (self.source / "brands.toml", self.source / "texts" / f"{language}.toml"):
            for number, text in enumerate(read_text(file).split("\n"), 1):
                if LINK in text and not text.startswith("#"):
                    yield Line(text, file, number)

    def hosts(self) -> tuple[list[str], list[str]]:
        """The hosts that the emails' links lead to, and those that they load pictures from."""
        found = [
            markup.hosts(each.email.html)
            for each in self.renderings
            if isinstance(each.email, Content) and each.design == bool(each.brand.show)
        ]
        links, loaded = zip(*found, strict=True) if found else ([], [])
        return sorted(set().union(*links)), sorted(set().union(*loaded))

    @cached_property
    def renderings(self) -> list[Rendering]:
        """Every event x language x brand, with and without optional links and the design."""
        return list(self._render())

    def _render(self) -> Iterator[Rendering]:
        catalog = Catalog(self.files.__getitem__)
        for where, brand in _looks(catalog, self.brands):
            for template, language in product(self.templates_of(brand).values(), brand.languages):
                for whole, known in product((True, False), repeat=2):
                    links = template.uses if whole else template.requires
                    email: Content | TemplateError
                    try:
                        email = catalog.render(
                            template.name,
                            brand,
                            language,
                            links={link: _SAMPLES[link] for link in links},
                            design=_design(brand) if known else {},
                            date=_DATE,
                            qr="qr" if whole else None,
                        )
                    except TemplateError as err:
                        email = err
                    yield Rendering(template, brand, language, where, whole, known, email)

    def _rendering_problems(self) -> Iterator[Problem]:
        failed: dict[Any, Problem] = {}
        for each in self.renderings:
            template = each.template
            if isinstance(each.email, TemplateError):
                err = each.email
                line = template.find(err)
                why = err.detail or err.message
                if undefined := _UNDEFINED.fullmatch(why):
                    why += _meant(undefined[1], each.brand, template)
                why += f" (in {each.language} for {each.where})"
                failed.setdefault((line, err.detail), line.problem(why))
                continue
            known = {(problem.file, problem.line) for problem in template.problems}
            # Words of texts were checked where they are written.
            plain = "" if self.found else each.email.text
            for problem in markup.rendered(template.lines, each.email.html, plain):
                if (problem.file, problem.line) not in known:
                    yield problem
            if len(each.email.subject) > MAX_SUBJECT:
                # Configurators have their brand's.
                key = (template.name, each.language, each.email.subject)
                failed.setdefault(key, self._long_subject(each, each.email.subject))
        yield from failed.values()

    def _long_subject(self, rendering: Rendering, subject: str) -> Problem:
        template, language = rendering.template.name, rendering.language
        key = f"subject{WITH_DESIGN}" if _NAME in subject else "subject"
        file, path = self.source / "texts" / f"{language}.toml", [template, key]
        if key in rendering.brand.texts.get(language, {}).get(template, {}):
            file = self.source / "brands.toml"
            path = [*rendering.where.split(".", 1), "texts", language, *path]
        why = (
            f"{'.'.join(path)}: has {len(subject)} characters with a design's name of {MAX_NAME}, "
            f"expected at most {MAX_SUBJECT}: Exchange cuts longer ones"
        )
        return Problem(file, locate(read_text(file), path), why)

    def _unseen_blocks(self) -> Iterator[Problem]:
        """What a brand has in `blocks`, but none of its emails in a language."""
        file = self.source / "brands.toml"
        shown: dict[tuple[str, str], str] = {}
        for each in self.renderings:
            if isinstance(each.email, Content):
                key = each.where, each.language
                shown[key] = shown.get(key, "") + each.email.html
        brands = {each.where: each.brand for each in self.renderings}
        for (where, language), html in shown.items():
            wanted = {
                name: value
                for name, value in brands[where].look["blocks"][language].items()
                if isinstance(value, str) and name in _BLOCKS
            }
            words = unescape(html) if wanted else ""
            for name, value in wanted.items():
                if value not in words:
                    path = (*where.split(".", 1), "blocks", name)
                    why = f"no email in {language} shows it{_BLOCKS[name].format(language)}"
                    line = locate(read_text(file), path)
                    yield Problem(file, line, f"{'.'.join(path)}: {why}")

    def _words(self, name: str, brand: Brand, language: str) -> dict[str, str]:
        """What a template's placeholders stand for."""
        texts = json.loads(self.files[f"texts/{language}.json"])
        own = brand.texts.get(language, {})
        sections = (texts["shared"], own.get("shared", {}), texts[name], own.get(name, {}))
        words = {f"t.{key}": value for section in sections for key, value in section.items()}
        words |= {f"brand.{key}": value for key, value in brand.look.items()}
        for kind in ("blocks", "extra"):
            values = brand.look[kind][language]
            words |= {f"brand.{kind}.{key}": value for key, value in values.items()}
        return _SAMPLES | {
            key: (
                value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            ).replace("{brand}", brand.name)
            for key, value in words.items()
        }


def _meant(name: str, brand: Brand, template: Template) -> str:
    """What to write instead of a name that is undefined, if that can be told."""
    if _OPTIONAL.fullmatch(name):
        return f": there may be none, so ask first, {{% if {name} is defined %}}"
    known = {*syntax.KNOWN, "brand.id"}
    known |= {f"t.{key}" for key in template.texts}
    known |= {f"brand.{key}" for key in brand.look}
    for scheme, colours in brand.look["colours"].items():
        known |= {f"{x}{scheme}.{key}" for x in ("", "brand.colours.") for key in colours}
    group, dot, last = name.rpartition(".")
    alike = {
        (x.removeprefix(f"{group}.") if dot else x).casefold(): x
        for x in known
        if not dot or x.rpartition(".")[0] == group
    }
    close = difflib.get_close_matches(last.casefold(), alike, n=1, cutoff=0.75)
    return f", did you mean `{alike[close[0]]}`?" if close else ""


def _links(words: Mapping[str, str]) -> frozenset[str]:
    """The links among what is inserted, such as the event's and the brand's."""
    return frozenset(link for each in words.values() for link in checks.links_in(each))


def draft_package(source: Path) -> Draft:
    """Read the folder and make what can be made, for a preview.

    Raises BuildFailed if nothing can be shown.
    """
    names = tuple(unread.problems(source))
    try:
        draft = _draft_of_read(source)
    except BuildFailed as failed:
        raise BuildFailed([*names, *failed.problems]) from None
    return replace(draft, found=(*names, *draft.found))


def _draft_of_read(source: Path) -> Draft:
    folder = source / "templates"
    templates = read_templates(folder)
    own = read_own_templates(folder, templates)
    uses = _uses(templates, own)
    languages, problems = draft_texts(source / "texts", uses)
    problems = _told_by_template(templates, languages, problems)
    file = source / "brands.toml"
    try:
        brands = read_brands(file, list(languages))
    except BuildFailed as failed:
        raise BuildFailed([*problems, *failed.problems]) from None
    problems += _own_text_problems(file, brands, uses, languages)
    for brand, emails in own.items():
        if brand not in brands.brands:
            why = f"isn't a brand in brands.toml: expected one of {', '.join(brands.brands)}"
            problems.append(Problem(folder / brand, 0, why))
        problems += unused(folder / brand, emails.values())
    everything = [
        *templates.values(),
        *(each for emails in own.values() for each in emails.values()),
    ]
    problems += [problem for template in everything for problem in template.problems]
    problems += _unused_extra(file, brands, templates, own)
    files = dict(_files(templates, own, languages, brands))
    return Draft(source, files, templates, own, brands, tuple(problems))


def _uses(templates: Mapping[str, Template], own: Mapping[str, Mapping[str, Template]]) -> Uses:
    """What texts the templates show; a brand's own may be in the brand's own texts."""
    shown: dict[str, frozenset[str]] = {}
    required: dict[str, frozenset[str]] = {}
    for emails in (templates, *own.values()):
        for name, template in emails.items():
            shown[name] = shown.get(name, frozenset()) | template.texts
            required.setdefault(name, template.texts - template.optional)
    return Uses(shown, required)


def _told_by_template(
    templates: Mapping[str, Template], languages: Mapping[str, Texts], problems: list[Problem]
) -> list[Problem]:
    """The problems of texts; what no language has is more likely a slip in the template."""
    for name, template in templates.items():
        said = [{**texts.raw["shared"], **texts.raw[name]} for texts in languages.values()]
        for key in sorted(template.texts - INBOX):
            line = next((each for each in template.lines if f"t.{key}" in each.text), None)
            missing = [texts.get(key, missing_text(name, key)) for texts in said]
            if line is None or any(text != missing_text(name, key) for text in missing):
                continue
            others = {
                other
                for texts in said
                for other in texts
                if texts[other] != missing_text(name, other)
            }
            close = difflib.get_close_matches(key, others, n=1, cutoff=0.75)
            hint = f": write it into each file of texts/, under [{name}] or [shared]"
            if close:
                hint = f", did you mean `t.{close[0]}`?"
            elif key in template.optional or len(said) == 1:
                continue
            told = f"{name}.{key}: is missing"
            problems = [each for each in problems if not each.message.startswith(told)]
            problems.insert(0, line.problem(f"t.{key}: no language has this text{hint}"))
    return problems


def _unused_extra(
    file: Path,
    brands: Brands,
    templates: Mapping[str, Template],
    own: Mapping[str, Mapping[str, Template]],
) -> list[Problem]:
    """Values of `extra` that no template of the brand shows."""
    text, found = read_text(file), []
    for brand, data in brands.brands.items():
        used = {key for each in own.get(brand, templates).values() for key in each.extra}
        for key in {key for values in data["look"]["extra"].values() for key in values}:
            if key not in used and "*" not in used:
                path = ("brands", brand, "extra", key)
                close = difflib.get_close_matches(key, used, n=1)
                hint = f", did you mean `{close[0]}`?" if close else ""
                why = f"no template shows {{{{ brand.extra.{key} }}}}{hint}"
                found.append(Problem(file, locate(text, path), f"{'.'.join(path)}: {why}"))
    return found


def write(files: Mapping[str, str], target: Path) -> None:
    """Write the package into the target folder, replacing an earlier one."""
    package = target / PACKAGE
    shutil.rmtree(package, ignore_errors=True)
    for name, content in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")


def _files(
    templates: Mapping[str, Template],
    own: Mapping[str, Mapping[str, Template]],
    languages: Mapping[str, Texts],
    brands: Brands,
) -> Iterator[tuple[str, str]]:
    yield "__init__.py", '"""The brands, texts and templates of the emails: built, not edited."""\n'
    for place, emails in {"": templates, **{f"{brand}/": own[brand] for brand in own}}.items():
        for name, template in emails.items():
            yield f"templates/{place}{name}.html", template.html
            yield f"templates/{place}{name}.txt", template.text
    named = _named(languages, brands)
    index = {
        "default": brands.default,
        "templates": _outcomes(templates, named),
        "own": {brand: _outcomes(emails, named) for brand, emails in own.items()},
    }
    yield "catalog.json", _json(index)
    for tag, texts in languages.items():
        yield f"texts/{tag}.json", _json(texts.data())
    for identifier, data in brands.brands.items():
        yield f"brands/{identifier}.json", _json(_with_own_texts(data))
    shards: dict[str, dict[str, Any]] = {}
    for identifier, data in brands.configurators.items():
        differs = {"differs": _with_own_texts(data["differs"])} if "differs" in data else {}
        shards.setdefault(shard_of(identifier), {})[identifier] = data | differs
    for shard, content in shards.items():
        yield f"configurators/{shard}.json", _json(content)


def _named(languages: Mapping[str, Texts], brands: Brands) -> set[tuple[str, str]]:
    """The texts, by section and key, that some language or brand words with the design's name."""
    own = [
        sections
        for data in (*brands.brands.values(), *brands.configurators.values())
        for sections in data.get("differs", data).get("texts", {}).values()
    ]
    return {
        (name, key.removesuffix(WITH_DESIGN))
        for sections in (*(texts.raw for texts in languages.values()), *own)
        for name, section in sections.items()
        if isinstance(section, dict)
        for key in section
        if key.endswith(WITH_DESIGN)
    }


def _outcomes(
    templates: Mapping[str, Template], named: AbstractSet[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """What each email needs, by event and whether it succeeded."""
    outcomes: dict[str, dict[str, Any]] = {}
    for name, template in templates.items():
        outcome = "failure" if name.endswith(FAILED) else "success"
        words = {(section, key) for section in (SHARED, name) for key in template.texts}
        shows = template.design | ({"name"} if words & named else set())
        outcomes.setdefault(name.removesuffix(FAILED), {})[outcome] = {
            "name": name,
            "uses": template.uses,
            "requires": template.requires,
            "qr": template.qr,
            "shows": sorted(shows),
        }
    return outcomes


def _with_own_texts(data: Mapping[str, Any]) -> dict[str, Any]:
    own = data.get("texts", {})
    texts = {"texts": {tag: normalised(sections) for tag, sections in own.items()}}
    return dict(data) | (texts if "texts" in data else {})


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _own_text_problems(
    file: Path, brands: Brands, uses: Uses, languages: Mapping[str, Texts]
) -> list[Problem]:
    owners = [("brands", key, data) for key, data in brands.brands.items()] + [
        ("configurators", key, data.get("differs", {}))
        for key, data in brands.configurators.items()
    ]
    found = [
        ((kind, key, "texts", tag, *path), message)
        for kind, key, data in owners
        for tag, sections in data.get("texts", {}).items()
        for path, message in unknown(sections, uses, rtl=languages[tag].raw["dir"] == "rtl")
    ]
    text = read_text(file)
    return [Problem(file, locate(text, path), f"{'.'.join(path)}: {why}") for path, why in found]


def _design(brand: Brand) -> dict[str, str]:
    host = (brand.picture_hosts or ("uploads.roomle.com",))[0].replace("*", "www")
    picture = f"https://{host}/configurations/sample/perspectiveImage.png"
    return {"picture": picture, "name": _NAME, "size": _SIZE}


def _looks(catalog: Catalog, brands: Brands) -> Iterator[tuple[str, Brand]]:
    for identifier, data in brands.brands.items():
        yield f"brands.{identifier}", Brand.of(identifier, _with_own_texts(data))
    for identifier, data in brands.configurators.items():
        if "differs" in data:
            yield f"configurators.{identifier}", catalog.brand(identifier)
