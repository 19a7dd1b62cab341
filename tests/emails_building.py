"""A copy of the files that a brand edits: change it, build it, read what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from emails_build.package import compile_package
from emails_build.problems import BuildFailed
from roomle_mail.emails import Catalog


def edit(source: Path, name: str, old: str, new: str) -> int:
    """Replace a text that is there, and return the line on which it was."""
    text = (source / name).read_text("utf-8")
    assert old in text
    (source / name).write_text(text.replace(old, new, 1), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def append(source: Path, name: str, line: str) -> int:
    """Write a line at the end of a file, and return its number."""
    text = (source / name).read_text("utf-8")
    (source / name).write_text(f"{text}{line}\n", "utf-8")
    return text.count("\n") + 1


def problems(source: Path) -> list[str]:
    with pytest.raises(BuildFailed) as failed:
        compile_package(source)
    return [str(each).removeprefix(f"{source}/") for each in failed.value.problems]


def build_catalog(source: Path) -> Catalog:
    files = compile_package(source)

    def read(name: str) -> str:
        try:
            return files[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    return Catalog(read)
