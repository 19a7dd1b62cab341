"""What brands do to layers/emails, as docs/emails.md says: edits of a copy of the example."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

type Edit = Callable[[Path], None]

OWN = """
default = "nordform"

[configurators.nordformOutlet]
brand = "outlet"

[brands.nordform]
name = "Nordform Møbler"
sender = "hei@nordform.example"
languages = ["pl", "ar"]
language = "pl"
link_hosts = ["www.nordform.example", "*.nordform.example"]
asset_hosts = ["*.files.nordform.example"]
imprint = "Nordform AS, Storgata 1, 0155 Oslo"
privacy = "https://www.nordform.example/personvern"
colours.button = "#8c1d40"
api_keys = ["nordformKey"]

[brands.outlet]
name = "Nordform Outlet"
sender = "outlet@outlet.nordform.example"
languages = ["en"]
language = "en"
link_hosts = ["outlet.nordform.example"]
asset_hosts = ["files.outlet.example"]
imprint = "Nordform AS, Storgata 1, 0155 Oslo"
privacy = "https://www.nordform.example/personvern"
colours.button = "#203040"
api_keys = ["outletKey", "anotherOutletKey"]
"""

ALONE = """
default = "solo"

[brands.solo]
name = "Solo"
sender = "solo@solo.example"
languages = ["de"]
language = "de"
link_hosts = ["shop.solo.example"]
asset_hosts = ["shop.solo.example"]
imprint = "Solo GmbH"
privacy = "https://shop.solo.example/privacy"
colours.button = "#203040"
"""


def replaced(name: str, old: str, new: str) -> Edit:
    """The edit of one text in one file."""

    def edit(folder: Path) -> None:
        file = folder / name
        text = file.read_text("utf-8")
        assert old in text, f"{name} has no {old!r}"
        file.write_text(text.replace(old, new), "utf-8")

    return edit


def written(brands: str) -> Edit:
    """The edit that writes brands.toml from scratch."""

    def edit(folder: Path) -> None:
        (folder / "brands.toml").write_text(brands, "utf-8")

    return edit


def in_seven_languages(folder: Path) -> None:
    """A brand of one's own with a seventh language, and one from right to left."""
    written(OWN)(folder)
    english = (folder / "texts" / "en.toml").read_text("utf-8")
    polish = english.replace("Your {brand} design is saved", "Twój projekt {brand} jest zapisany")
    (folder / "texts" / "pl.toml").write_text(polish.replace('"English"', '"Polski"'), "utf-8")
    arabic = english.replace('"English"', '"العربية"').replace('"ltr"', '"rtl"')
    (folder / "texts" / "ar.toml").write_text(arabic, "utf-8")


def without(template: str) -> Edit:
    """The edit that leaves an email to Roomle."""

    def edit(folder: Path) -> None:
        for suffix in ("mjml", "txt"):
            (folder / "templates" / f"{template}.{suffix}").unlink()
        for file in (*folder.glob("texts/*.toml"), folder / "brands.toml"):
            sections = re.split(r"(?m)^(?=\[)", file.read_text("utf-8"))
            kept = [each for each in sections if not re.match(rf"\[(.*\.)?{template}\]", each)]
            file.write_text("".join(kept), "utf-8")

    return edit


def of_every_kind(*edits: Edit) -> Edit:
    """Several edits, one after the other."""

    def edit(folder: Path) -> None:
        for each in edits:
            each(folder)

    return edit


def none_left_to_roomle(folder: Path) -> None:
    """The edit that adds an email where Roomle sends its own."""
    for suffix in ("mjml", "txt"):
        template = folder / "templates" / f"savedConfiguration.{suffix}"
        shutil.copy(template, template.with_name(f"savedConfiguration-failed.{suffix}"))
    for file in folder.glob("texts/*.toml"):
        text = file.read_text("utf-8")
        [section] = re.findall(r"(?ms)^\[savedConfiguration\].*?(?=^\[|^#)", text)
        file.write_text(
            text + section.replace("[savedConfiguration]", "\n[savedConfiguration-failed]"), "utf-8"
        )


EDITS: Mapping[str, Edit] = {
    "an own brand and a seventh language": in_seven_languages,
    "one brand alone": written(ALONE),
    "the button's colour": replaced("brands.toml", "#1f4d43", "#7a1f4d"),
    "the brand's name": replaced("brands.toml", '"Example Furniture"', '"Chairs & Sons"'),
    "the brand's language": replaced("brands.toml", 'language = "en"', 'language = "fr"'),
    "the sender": replaced("brands.toml", "hello@brand.example", "mail@chairs.example"),
    "hosts": replaced("brands.toml", '["*.roomle.com"]', '["chairs.example"]'),
    "an English subject": replaced("texts/en.toml", "Your {brand} design is saved", "Saved!"),
    "a remote picture in a template": replaced(
        "templates/savedConfiguration.mjml",
        '<mj-include path="shared/button.mjml" />',
        '<mj-include path="shared/button.mjml" />\n'
        '<mj-image src="https://www.brand.example/chair.png" alt="A chair" />',
    ),
    "an email left to Roomle": without("shareConfiguration"),
    "a template for a failure": none_left_to_roomle,
}
