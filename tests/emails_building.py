"""A copy of the files that a brand edits: change it, build it, read what is wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from emails_build.package import compile_package
from emails_build.problems import BuildFailed
from roomle_mail.emails import Catalog
from tests.emails_package import EMAILS

FEW = ("shared", "savedConfiguration")
ALL_LANGUAGES = 'languages = ["en", "de", "fr", "it", "es", "nl"]'


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a brand edits, but one email in two of three languages: it is built much faster."""
    folder = tmp_path_factory.mktemp("few") / "emails"
    shutil.copytree(EMAILS, folder)
    brands = folder / "brands.toml"
    text = brands.read_text("utf-8")
    assert ALL_LANGUAGES in text
    brands.write_text(text.replace(ALL_LANGUAGES, 'languages = ["en", "de"]'), "utf-8")
    for template in (folder / "templates").glob("*.*"):
        if template.stem not in FEW:
            template.unlink()
    for texts in (folder / "texts").glob("*.toml"):
        if texts.stem not in {"en", "de", "fr"}:
            texts.unlink()
            continue
        sections = re.split(r"(?m)^(?=\[)", texts.read_text("utf-8"))
        few = [each for each in sections if each.startswith(("#", *(f"[{name}]" for name in FEW)))]
        texts.write_text("".join(few), "utf-8")
    return folder


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A copy of all emails in all languages, to be edited."""
    return shutil.copytree(EMAILS, tmp_path / "emails")


@pytest.fixture
def source(few: Path, tmp_path: Path) -> Path:
    """A copy of a few, to be edited."""
    return shutil.copytree(few, tmp_path / "emails", copy_function=shutil.copyfile)


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
