"""The tests' own emails: tests/emails, a copy of the example in layers/emails.

A brand edits layers/emails, so tests must not depend on it. Opening one of its files fails a test,
unless the test is about just that (`own_emails`). `python -m tests.emails_package`, which is
`make example`, copies the example again after it has changed.

The package `roomle_mail_emails` is built for each run, where pytest finds it (pyproject.toml).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from emails_build.package import PACKAGE, compile_package, write
from roomle_mail_cli import project
from tools.sam import ROOT

EMAILS = ROOT / "tests" / "emails"
OWN = project.OWN_EMAILS
# What a brand edits in its folder.
EDITED = ("brands.toml", "texts", "templates", "pictures")
BUILT = ROOT / "build" / "emails"


@cache
def build() -> Path:
    """Build the package, and return its folder.

    Existing files stay, so that simultaneous runs don't disturb each other.
    """
    files = compile_package(EMAILS)
    package = BUILT / PACKAGE
    found = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8")
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    if found != dict(files):
        write(files, BUILT)
        # Python remembers that the folder was not there.
        importlib.invalidate_caches()
    return BUILT


def content(folder: Path) -> dict[str, bytes]:
    """What a brand edits, by its path."""
    found = (path for name in EDITED for path in (folder / name, *(folder / name).rglob("*")))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in found if path.is_file()
    }


def copy_example() -> None:
    """Copy the example in layers/emails to tests/emails; exits if a brand edited it."""
    if "@brand.example" not in (OWN / "brands.toml").read_text("utf-8"):
        raise SystemExit(
            "layers/emails holds your own brands, and the tests need the example: "
            "tests/emails stays as it is."
        )
    shutil.rmtree(EMAILS)
    for name, data in content(OWN).items():
        path = EMAILS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


class Guard:
    """An audit hook that refuses to open what a brand edits, except in `allowed` blocks."""

    def __init__(self) -> None:
        self._allowed = False
        self._edited = tuple(str(OWN / name) for name in EDITED)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not self._allowed and isinstance(arguments[0], str):
            path = arguments[0]
            if "emails" in path and os.path.abspath(path).startswith(self._edited):  # noqa: PTH100 (called for every file)
                raise OwnEmailsRead(path)

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let the block read what a brand edits."""
        before, self._allowed = self._allowed, True
        try:
            yield
        finally:
            self._allowed = before


class OwnEmailsRead(AssertionError):
    """A test depends on layers/emails, which a brand edits, instead of tests/emails."""


guard = Guard()


def replace(folder: Path) -> None:
    """Replace the built package's data in a folder; its one module, which is compiled, stays."""
    package = folder / PACKAGE
    for path in package.iterdir():
        if path.is_dir() and path.name != "__pycache__":
            shutil.rmtree(path)
    for name, content in compile_package(EMAILS).items():
        if not name.endswith(".py"):
            path = package / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    copy_example()
