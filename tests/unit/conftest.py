"""Unit tests reach nothing outside the process: a socket is an error."""

import shutil
from pathlib import Path

import pytest

from emails_build.package import compile_package
from tests.emails_package import EMAILS

ALL_LANGUAGES = 'languages = ["en", "de", "fr", "it", "es", "nl"]'


@pytest.fixture(autouse=True)
def _no_network(socket_disabled: None) -> None:
    """Switch sockets off for every test in this folder."""


def copy_in_two_languages(folder: Path) -> Path:
    """Copy what a brand edits. With two languages a build takes a third of the time."""
    shutil.copytree(EMAILS, folder)
    brands = folder / "brands.toml"
    text = brands.read_text("utf-8")
    assert ALL_LANGUAGES in text
    brands.write_text(text.replace(ALL_LANGUAGES, 'languages = ["en", "de"]'), "utf-8")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy to be edited."""
    return copy_in_two_languages(tmp_path / "emails")


@pytest.fixture(scope="session")
def unedited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The package that `source` makes as it is."""
    folder = copy_in_two_languages(tmp_path_factory.mktemp("unedited") / "emails")
    return dict(compile_package(folder))
