"""A project with a brand's own emails: the demo and the tests that its people run stay green."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import emails_package
from tests.own_brands import EDITS, in_seven_languages, without
from tools import demo
from tools.sam import ROOT
from tools.stack import deployment

# What is made, or is not the project's.
NOT_COPIED = (".git", ".venv", ".tools", ".aws-sam", ".local", "build", "__pycache__", ".*_cache")


@pytest.mark.proof
def test_the_demo_goes_as_it_expects_with_own_brands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(emails_package.EMAILS, tmp_path / "emails")
    in_seven_languages(folder)
    EDITS["a remote picture in a template"](folder)
    without("shareConfiguration")(folder)
    monkeypatch.setenv("ROOMLE_MAIL_EMAILS", str(folder))

    with deployment.running(port=0) as stack:
        faults = {result.name: result.faults for result in demo.run(stack) if result.faults}

    assert faults == {}


@pytest.mark.proof
def test_the_unit_tests_pass_in_a_project_with_own_brands(tmp_path: Path) -> None:
    project = tmp_path / "project"
    with emails_package.guard.allowed():
        shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*NOT_COPIED))
    # The edits are those of the example, whatever this project's emails are.
    own = project / "layers" / "emails"
    for name in emails_package.EDITED:
        shutil.rmtree(own / name) if (own / name).is_dir() else (own / name).unlink()
    shutil.copytree(emails_package.EMAILS, own, dirs_exist_ok=True)
    in_seven_languages(own)
    EDITS["a remote picture in a template"](own)
    EDITS["an English subject"](own)
    without("shareConfiguration")(own)
    (project / ".tools").symlink_to(ROOT / ".tools")
    paths = ("layers/shared/python", "layers/emails", "tools/cli", ".")
    environment = {name: value for name, value in os.environ.items() if "ROOMLE" not in name}

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/unit", "tests/emails_build", "--numprocesses", "2"],
        cwd=project,
        env=environment | {"PYTHONPATH": os.pathsep.join(str(project / path) for path in paths)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-5000:]
    assert f"rootdir: {project}" in ran.stdout, "it has to be the copy that is tested"
