"""docs/emails.md names everything that a designer may write, and its steps lead to emails."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from emails_build import colours
from emails_build.brands import Blocks, Brand, Colours, WebFont
from emails_build.package import compile_package
from tests.emails_package import EMAILS
from tools.sam import ROOT

PAGE = (ROOT / "docs" / "emails.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*Brand.model_fields, *Blocks.model_fields])
def test_every_line_of_a_brand_has_a_row(name: str) -> None:
    assert re.search(rf"^\| (?:`\w+`, )*`{name}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", [*colours.scheme("#000000", "#ffffff", "#ffffff", "#000000")])
def test_every_colour_has_a_row_that_says_whether_a_brand_sets_it(name: str) -> None:
    [row] = re.findall(rf"^\| `{name}` \|.*\| (yes)? ?\|$", PAGE, re.MULTILINE)
    assert bool(row) == (name in Colours.model_fields)


@pytest.mark.parametrize("name", WebFont.model_fields)
def test_every_line_of_a_web_font_is_in_the_example(name: str) -> None:
    assert re.search(rf"^{name} = ", PAGE, re.MULTILINE)


@pytest.mark.parametrize("field", ["logo_width", "corner_radius"])
def test_limits_are_those_that_the_build_has(field: str) -> None:
    low, high = (
        getattr(each, name)
        for name in ("ge", "le")
        for each in Brand.model_fields[field].metadata
        if hasattr(each, name)
    )
    [row] = re.findall(rf"^\| `{field}` \|.*", PAGE, re.MULTILINE)
    assert f"from {low} to {high}; {Brand.model_fields[field].default}" in row


def test_the_way_to_the_first_email_leads_there(tmp_path: Path) -> None:
    source = tmp_path / "emails"
    shutil.copytree(EMAILS, source, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    text = (source / "brands.toml").read_text("utf-8")
    tables = re.split(r"(?m)^(?=\[)", text)
    kept = [each for each in tables if not each.startswith(("[brands.studio", "[configurators."))]
    assert len(kept) < len(tables)
    changed = "".join(kept)
    for old, new in (
        ('name = "Example Furniture"', 'name = "Nordform"'),
        ('languages = ["en", "de", "fr", "it", "es", "nl"]', 'languages = ["en"]'),
        ('logo_dark = "https://www.brand.example/mail/logo-dark.png"\n', ""),
        ("logo_width = 200", "logo_width = 180"),
        ('button = "#1f4d43"', 'button = "#8c1d40"'),
    ):
        assert old in changed
        changed = changed.replace(old, new)
    (source / "brands.toml").write_text(changed, "utf-8")
    made = compile_package(source)
    assert "Nordform" in made["brands/default.json"]
    assert [name for name in made if name.startswith("brands/")] == ["brands/default.json"]
