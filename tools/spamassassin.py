"""SpamAssassin with its local rules: no network, no learning, no settings of this machine.

    python -m tools.spamassassin

installs it if it is missing: `make proof` calls it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from email.message import Message
from pathlib import Path

from tools import debian

PROGRAM = "spamassassin"
# The headers that SES's messages have when they arrive.
ENVELOPE = (
    "Received: from a0-1.smtp-out.eu-west-1.amazonses.com (a0-1.smtp-out.eu-west-1.amazonses.com "
    "[54.240.0.1])\r\n\tby mx.example.org with ESMTPS; Fri, 27 Nov 2026 08:15:02 +0000\r\n"
    "Date: Fri, 27 Nov 2026 08:15:00 +0000\r\n"
    "Message-ID: <0102019300000000-00000000-0000-0000-0000-000000000000-000000@eu-west-1."
    "amazonses.com>\r\n"
)
VERDICT = re.compile(
    r"^X-Spam-Status:.*?score=(-?[\d.]+).*?tests=([\w,\s]*?)\s+\w+=", re.MULTILINE | re.DOTALL
)


class SpamAssassinMissing(Exception):
    """SpamAssassin is missing and can't be installed. The text says what to do."""


def install() -> None:
    """Install Debian's SpamAssassin if it is missing; raises SpamAssassinMissing."""
    if shutil.which(PROGRAM):
        return
    debian.install(PROGRAM, PROGRAM)
    if not shutil.which(PROGRAM):
        raise SpamAssassinMissing(
            "no `spamassassin` on this machine: install the package of that name (Debian, Ubuntu, "
            "Homebrew), then run this again"
        )


def verdicts(messages: Sequence[Message]) -> list[tuple[float, list[str]]]:
    """Each message's score and the rules that matched; raises CalledProcessError.

    Messages that are not spam score 0 or less.
    """
    with tempfile.TemporaryDirectory() as home:
        box = b"".join(
            b"From sender@example.org Fri Nov 27 08:15:02 2026\n"
            + (ENVELOPE.encode() + message.as_bytes())
            .replace(b"\r\n", b"\n")
            .replace(b"\nFrom ", b"\n>From ")
            + b"\n"
            for message in messages
        )
        preferences = Path(home) / "preferences"
        preferences.touch()
        run = subprocess.run(
            [PROGRAM, "--local", "--mbox", f"--prefspath={preferences}"],
            input=box, capture_output=True, check=True, env={**os.environ, "HOME": home},
        )  # fmt: skip
    found = VERDICT.findall(run.stdout.decode(errors="replace"))
    return [(float(score), re.split(r"[,\s]+", rules.strip())) for score, rules in found]


if __name__ == "__main__":
    try:
        install()
    except SpamAssassinMissing as missing:
        sys.exit(f"failed: {missing}")
