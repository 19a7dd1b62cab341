"""Commands as a shell starts them: what they print, complete and load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emails_building import append, edit
from tools.sam import ROOT

BRANDS, SAVED = "brands.toml", "templates/savedConfiguration.mjml"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (
            "roomle-mail send s",
            {"savedConfiguration", "shareConfiguration", "shareConfigurationAR"},
        ),
        ("roomle-mail send 3", {"3DExportAsset"}),
        ("roomle-mail doc", {"doctor"}),
        ("roomle-mail dead-letters re", {"redrive"}),
    ],
)
def test_the_shell_completes_events_and_commands(words: str, offered: set[str]) -> None:
    variables = {
        "_ROOMLE_MAIL_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    launcher = Path(sys.executable).with_name("roomle-mail")
    ran = subprocess.run(
        [launcher], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert set(ran.stdout.split()) == offered


# Each takes longer to import than the command line itself.
SLOW = {
    "boto3", "botocore", "rich", "yaml", "Crypto", "aws_lambda_powertools", "minijinja", "dns",
    "asyncio",
}  # fmt: skip


@pytest.mark.parametrize("arguments", ["--help", "--version", "send -h", "dead-letters list -h"])
def test_help_is_quick_because_it_loads_nothing_slow(arguments: str) -> None:
    script = (
        "import atexit, sys; from roomle_mail_cli.app import main; "
        "atexit.register(lambda: print(*sys.modules)); main()"
    )
    command = [sys.executable, "-c", script, *arguments.split()]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ran.stdout.splitlines()[-1].split()}
    assert "roomle_mail_cli" in loaded
    assert loaded & SLOW == set()


def test_the_command_builds_or_says_what_is_wrong(source: Path, tmp_path: Path) -> None:
    paths = ["--source", str(source), "--target", str(tmp_path)]
    command = [sys.executable, "-m", "emails_build", *paths]
    good = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert (tmp_path / "roomle_mail_emails" / "catalog.json").exists()
    line = edit(source, BRANDS, '"#1f4d43"', '"green"')
    bad = subprocess.run(command, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert bad.stderr.startswith(f"{source / BRANDS}:{line}: brands.default.colours.button")
    assert "Traceback" not in bad.stderr


def test_the_command_prints_problems_alone_with_paths_from_the_projects_folder(
    source: Path, tmp_path: Path
) -> None:
    folder = ROOT / "build" / f"emails-of-a-test-{tmp_path.name}"
    shutil.copytree(source, folder)
    try:
        fine = check(folder)
        number = append(folder, SAVED, "<mj-text>Come and see</mj-text>")
        wrong = check(folder)
    finally:
        shutil.rmtree(folder)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "emails are fine; they lead to" in fine.stdout
    assert (wrong.returncode, wrong.stdout) == (1, "")
    [line] = wrong.stderr.splitlines()
    assert line.startswith(f"build/{folder.name}/{SAVED}:{number}: only the HTML says")


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emails_build", "--source", str(folder)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
