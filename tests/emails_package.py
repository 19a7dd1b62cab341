"""Build the package `roomle_mail_emails` for each run, where pytest finds it (pyproject.toml)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from emails_build.package import PACKAGE, compile_package, write
from tools.sam import ROOT

EMAILS = ROOT / "layers" / "emails"
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
    return BUILT
