"""Unit tests reach nothing outside the process: to connect is an error."""

import re
import shutil
from pathlib import Path

import pytest
import pytest_socket

from emails_build.package import compile_package
from tests.emails_package import EMAILS

FEW = ("shared", "savedConfiguration")
ALL_LANGUAGES = 'languages = ["en", "de", "fr", "it", "es", "nl"]'


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let no test in this folder connect to anything.

    Only connecting: a server of another folder's tests may still run, and has to go on accepting.
    """
    pytest_socket.socket_allow_hosts([])


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a brand edits, but one email in two languages: it is built five times as fast."""
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


@pytest.fixture(scope="session")
def unedited(few: Path) -> dict[str, str]:
    """The package that `source` makes as it is."""
    return dict(compile_package(few))
