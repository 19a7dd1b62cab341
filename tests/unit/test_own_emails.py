"""The emails in layers/emails as they are, which a brand edits; no other test reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from emails_build.package import compile_package
from tests import emails_package


def test_they_can_be_built_and_everybody_can_read_them(own_emails: Path) -> None:
    compile_package(own_emails)


@pytest.mark.parametrize("name", ["brands.toml", "texts/en.toml", "templates/shared/layout.mjml"])
def test_a_test_that_depends_on_them_fails(name: str) -> None:
    with pytest.raises(emails_package.OwnEmailsRead):
        (emails_package.OWN / name).read_bytes()


def test_the_example_is_copied_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, ours = tmp_path / "own", tmp_path / "ours"
    for folder, name in ((own, "texts/pl.toml"), (ours, "texts/old.toml")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("")
    example = "sender = 'hello@brand.example'"
    (own / "brands.toml").write_text(example)
    (own / "Makefile").write_text("")
    monkeypatch.setattr(emails_package, "OWN", own)
    monkeypatch.setattr(emails_package, "EMAILS", ours)

    emails_package.copy_example()

    assert emails_package.content(ours) == {
        "brands.toml": example.encode(), "texts/pl.toml": b"",
    }  # fmt: skip
    assert not (ours / "Makefile").exists()


def test_a_brands_own_emails_do_not_replace_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brands.toml").write_text("sender = 'hello@nordform.example'")
    monkeypatch.setattr(emails_package, "OWN", tmp_path)
    before = emails_package.content(emails_package.EMAILS)

    with pytest.raises(SystemExit, match="your own brands"):
        emails_package.copy_example()

    assert emails_package.content(emails_package.EMAILS) == before
