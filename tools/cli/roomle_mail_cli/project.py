"""This folder: its version, the senders of its brands, its template's parameters."""

from __future__ import annotations

import os
import tomllib
from email.utils import parseaddr
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
OWN_EMAILS = ROOT / "layers" / "emails"


def version() -> str:
    """The version in pyproject.toml."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def emails() -> Path:
    """The folder with brands.toml, texts and templates.

    It is layers/emails, unless ROOMLE_MAIL_EMAILS names another. The tests set that, because a
    brand edits layers/emails.
    """
    return Path(os.environ.get("ROOMLE_MAIL_EMAILS") or OWN_EMAILS)


def brands() -> dict[str, Any]:
    """The content of brands.toml."""
    return tomllib.loads((emails() / "brands.toml").read_text(encoding="utf-8"))


def senders() -> set[str]:
    """The addresses that brands.toml sends from."""
    return sender_addresses(brands())


def sender_addresses(table: dict[str, Any]) -> set[str]:
    """The addresses of every `sender` in a table and in the tables inside it."""
    found = {parseaddr(table["sender"])[1]} if "sender" in table else set()
    return found.union(
        *(sender_addresses(each) for each in table.values() if isinstance(each, dict))
    )


def template_parameters() -> set[str]:
    """The names of template.yaml's parameters."""
    import yaml  # noqa: PLC0415 (only `doctor` needs it)

    # Not constructed, because of CloudFormation's short functions.
    template: Any = yaml.compose((ROOT / "template.yaml").read_text(), Loader=yaml_loader())
    sections = {name.value: section for name, section in template.value}
    return {name.value for name, _ in sections["Parameters"].value}


def yaml_loader() -> Any:  # noqa: ANN401 (one of two classes)
    """PyYAML's loader that creates only plain values: where it was built with it, the one in C.

    A template takes it 0.05 s instead of 0.5 s.
    """
    import yaml  # noqa: PLC0415 (the same)

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
