"""The package `roomle_mail_emails`, built from layers/emails once per run."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

EMAILS = Path(__file__).parents[1] / "layers" / "emails"


@cache
def build() -> Path:
    """Build the package, and return the folder that belongs on `sys.path`."""
    if str(EMAILS) not in sys.path:
        sys.path.append(str(EMAILS))
    from emails_build.package import compile_package, write  # noqa: PLC0415 (not on the path before)

    folder = Path(tempfile.mkdtemp(prefix="roomle-mail-emails-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    write(compile_package(EMAILS), folder)
    return folder
