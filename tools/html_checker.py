"""W3C's HTML checker (Nu), by the npm package that its makers publish.

    python -m tools.html_checker

installs it if it is missing, with what runs it: `make proof` calls it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools import debian
from tools.sam import ROOT

LOCKED = ROOT / "requirements" / "html-checker"
FOLDER = ROOT / ".tools" / "html-checker"
JAR = FOLDER / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
# The program, and Debian's package that has it.
NEEDED = {"java": "default-jre-headless", "npm": "npm"}


class HtmlCheckerMissing(Exception):
    """The checker is missing and can't be installed. The text says what to do."""


def is_installed() -> bool:
    """Whether it is there in the locked version, and Java to run it."""
    lock = FOLDER / "package-lock.json"
    is_current = lock.exists() and lock.read_bytes() == (LOCKED / lock.name).read_bytes()
    return bool(is_current and JAR.exists() and shutil.which("java"))


def install() -> None:
    """Install the checker if it is missing; raises HtmlCheckerMissing, CalledProcessError."""
    if is_installed():
        return
    if missing := [package for program, package in NEEDED.items() if not shutil.which(program)]:
        debian.install("html checker", *missing)
    if missing := [program for program in NEEDED if not shutil.which(program)]:
        raise HtmlCheckerMissing(
            f"no {' and no '.join(f'`{program}`' for program in missing)} on this machine: install "
            "a Java runtime (11 or later) and npm, then run this again"
        )
    print("html checker: the package of requirements/html-checker", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(LOCKED, FOLDER)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=FOLDER, check=True)


def messages(documents: Sequence[str]) -> list[list[str]]:
    """The errors and warnings in each HTML document; raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.html" for number in range(len(documents))]
        for file, document in zip(files, documents, strict=True):
            file.write_text(document, encoding="utf-8")
        run = subprocess.run(
            ["java", "-jar", str(JAR), "--format", "json", "--exit-zero-always", folder],
            capture_output=True, check=True,
        )  # fmt: skip
    found: dict[str, list[str]] = {file.name: [] for file in files}
    for each in json.loads(run.stderr)["messages"]:
        if each["type"] != "info" or each.get("subType") == "warning":
            found[Path(each["url"]).name].append(each["message"])
    return [found[file.name] for file in files]


if __name__ == "__main__":
    try:
        install()
    except (HtmlCheckerMissing, subprocess.CalledProcessError) as failed:
        sys.exit(f"failed: {failed}")
