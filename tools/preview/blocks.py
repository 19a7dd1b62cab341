"""A brand with and without the optional parts of its emails, `blocks` in brands.toml."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from roomle_mail.emails import Brand

NAMES = {
    "hero": "Picture",
    "second_button": "Second button",
    "note": "Note",
    "phone": "Phone",
    "hours": "Hours",
    "social": "Social links",
}
# What a block shows where the brand has set none.
_VALUES: Mapping[str, Mapping[str, Any]] = {
    "hero": {
        "hero": "https://www.brand.example/mail/hero.png",
        "hero_height": 400,
        "hero_ratio": "3 / 2",
    },
    "second_button": {"second_button": "https://www.brand.example/stores"},
    "note": {"note_link": "https://www.brand.example/samples"},
    "phone": {"phone": "+43 1 234 56 78", "phone_link": "+4312345678"},
    "hours": {"hours": ["Mon-Fri 9-18", "Sat 10-16"]},
    "social": {
        "social": [{"name": "Instagram", "link": "https://www.instagram.com/brand.example"}]
    },
}
_WORDS: Mapping[str, Mapping[str, str]] = {
    "second_button": {"second_button": "Find a store"},
    "note": {"note": "Not sure about the fabric? {link}.", "note_label": "Order free samples"},
}


def shown(
    brand: Brand, language: str, email: str, texts: Mapping[str, Mapping[str, Any]], which: str
) -> Brand:
    """The brand with all blocks, with none, with a single one, or with those that are set.

    `texts` are those of the language's file.
    """
    if which == "set":
        return brand
    names = {"all": list(NAMES), "none": []}.get(which, [which])
    own = brand.texts.get(language, {})
    words = {
        key: text
        for section in (texts["shared"], own.get("shared"), texts.get(email), own.get(email))
        for key, text in (section or {}).items()
    }
    values = brand.look["blocks"][language]
    blocks = {
        key: values.get(key, sample) for name in names for key, sample in _VALUES[name].items()
    }
    samples = {key: text for name in names for key, text in _WORDS.get(name, {}).items()}
    missing = {key: text for key, text in samples.items() if not words.get(key)}
    if "note" not in names:
        missing["note"] = ""
    return replace(
        brand,
        look={**brand.look, "blocks": {**brand.look["blocks"], language: blocks}},
        texts={**brand.texts, language: {**own, email: {**own.get(email, {}), **missing}}},
    )
