"""Makes the files of the package `roomle_mail_emails`."""

from __future__ import annotations

import json
import shutil
from itertools import product
from typing import TYPE_CHECKING, Any

from minijinja import TemplateError

from emails_build import markup
from emails_build.brands import Brands, read_brands
from emails_build.problems import BuildFailed, Problem, locate, read_text
from emails_build.templates import FAILED, Template, read_templates
from emails_build.texts import Texts, draft_texts, everything_used, normalised, unknown
from roomle_mail.emails import MAX_NAME, WITH_DESIGN, Brand, Catalog, shard_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PACKAGE = "roomle_mail_emails"
# Gmail clips at 102 KB; this leaves room for links, tracking by others and forwarding.
MAX_HTML = 60_000
# Characters: Microsoft's page "Exchange Online limits".
MAX_SUBJECT = 255
_DATE = "27 Nov 2026, 14:05 UTC"
_DESIGN = {
    "picture": "https://uploads.roomle.com/configurations/sample/perspectiveImage.png",
    # As long as names may be.
    "name": "W" * MAX_NAME,
    "size": "120.5 × 34.1 × 225.5 cm",
}
_LINKS = (("uses", "qr"), ("requires", None))
_SAMPLES = {
    "url": "https://www.roomle.com/t/cp/?id=catalog:item:0123456789ABCDEF&configuratorId=sample",
    "result_url": "https://uploads.roomle.com/configurations/0123456789ABCDEF/sample.glb",
}


def compile_package(source: Path) -> dict[str, str]:
    """Check the folder and make the package's files, name -> content; raises BuildFailed."""
    files, problems = draft_package(source)
    if problems:
        raise BuildFailed(problems)
    return files


def draft_package(source: Path) -> tuple[dict[str, str], list[Problem]]:
    """The package's files as far as they can be made, and all problems, for a preview.

    Raises BuildFailed if nothing can be shown.
    """
    templates = read_templates(source / "templates")
    uses = {name: template.texts for name, template in templates.items()}
    languages, problems = draft_texts(source / "texts", uses)
    file = source / "brands.toml"
    try:
        brands = read_brands(file, list(languages))
    except BuildFailed as failed:
        raise BuildFailed([*problems, *failed.problems]) from None
    problems += _own_text_problems(file, brands, uses)
    problems += [problem for template in templates.values() for problem in template.problems]
    files = dict(_files(templates, languages, brands))
    problems += _rendering_problems(file, files, templates, languages, brands)
    return files, list(dict.fromkeys(problems))


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
    languages: Mapping[str, Texts],
    brands: Brands,
) -> Iterator[tuple[str, str]]:
    yield "__init__.py", '"""The brands, texts and templates of the emails: built, not edited."""\n'
    outcomes: dict[str, dict[str, Any]] = {}
    for name, template in templates.items():
        outcome = "failure" if name.endswith(FAILED) else "success"
        outcomes.setdefault(name.removesuffix(FAILED), {})[outcome] = {
            "name": name,
            "uses": template.uses,
            "requires": template.requires,
            "qr": template.qr,
        }
        yield f"templates/{name}.html", template.html
        yield f"templates/{name}.txt", template.text
    yield "catalog.json", _json({"default": brands.default, "templates": outcomes})
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


def _with_own_texts(data: Mapping[str, Any]) -> dict[str, Any]:
    own = data.get("texts", {})
    texts = {"texts": {tag: normalised(sections) for tag, sections in own.items()}}
    return dict(data) | (texts if "texts" in data else {})


def _json(data: object) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _own_text_problems(
    file: Path, brands: Brands, uses: Mapping[str, frozenset[str]]
) -> list[Problem]:
    anywhere = everything_used(uses)
    owners = [("brands", key, data) for key, data in brands.brands.items()] + [
        ("configurators", key, data.get("differs", {}))
        for key, data in brands.configurators.items()
    ]
    found = [
        ((kind, key, "texts", tag, *path), message)
        for kind, key, data in owners
        for tag, sections in data.get("texts", {}).items()
        for path, message in unknown(sections, uses, anywhere)
    ]
    text = read_text(file)
    return [Problem(file, locate(text, path), f"{'.'.join(path)}: {why}") for path, why in found]


def _rendering_problems(
    file: Path,
    files: Mapping[str, str],
    templates: Mapping[str, Template],
    languages: Mapping[str, Texts],
    brands: Brands,
) -> list[Problem]:
    """Every event x language x brand, with and without optional links and the design."""
    catalog = Catalog(files.__getitem__)
    problems: dict[Any, Problem] = {}
    for where, brand in _looks(catalog, brands):
        for template, language, (links, qr), design in product(
            templates.values(), brand.languages, _LINKS, (_DESIGN, {})
        ):
            samples = {link: _SAMPLES[link] for link in getattr(template, links)}
            try:
                content = catalog.render(
                    template.name, brand, language, links=samples, design=design, date=_DATE, qr=qr
                )
            except TemplateError as err:
                line = template.find(err)
                why = f"{err.detail or err.message} (in {language} for {where})"
                key = (line, err.detail)
                problems.setdefault(key, Problem(line.file, line.number, why))
                continue
            known = {(each.file, each.line) for each in template.problems}
            for problem in markup.rendered(template.lines, content.html):
                if (problem.file, problem.line) not in known:
                    problems.setdefault(problem, problem)
            size = len(content.html.encode())
            if size > MAX_HTML:
                why = (
                    f"{where}: {template.name} in {language} has {size:,} bytes, "
                    f"expected at most {MAX_HTML:,}: mail programs clip longer ones"
                )
                problems.setdefault((where, template.name, language), Problem(file, 0, why))
            if (length := len(content.subject)) > MAX_SUBJECT:
                named = _DESIGN["name"] in content.subject
                own = brand.texts.get(language, {}).get(template.name, {})
                text, path = languages[language].file, [template.name]
                path.append(f"subject{WITH_DESIGN}" if named else "subject")
                if path[-1] in own:
                    text, path = file, [*where.split(".", 1), "texts", language, *path]
                why = (
                    f"{'.'.join(path)}: has {length} characters for {where} and a design's "
                    f"name of {MAX_NAME}, expected at most {MAX_SUBJECT}: Exchange cuts longer ones"
                )
                place = locate(read_text(text), path)
                problems.setdefault((text, language, *path[-2:]), Problem(text, place, why))
    return list(problems.values())


def _looks(catalog: Catalog, brands: Brands) -> Iterator[tuple[str, Brand]]:
    for identifier, data in brands.brands.items():
        yield f"brands.{identifier}", Brand.of(identifier, _with_own_texts(data))
    for identifier, data in brands.configurators.items():
        if "differs" in data:
            yield f"configurators.{identifier}", catalog.brand(identifier)
