"""The command line, run in this process as from a shell."""

from __future__ import annotations

import functools
import io
import json
import sys
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest
import typer.main
from botocore.loaders import create_loader

from roomle_mail_cli.app import main

# Typer makes every command from its function for each run, which takes longer than most runs.
_get_command = functools.cache(typer.main.get_command)
# AWS's descriptions of its services are large, so all commands of this process share them.
_create_loader = functools.cache(create_loader)


@dataclass(frozen=True)
class Result:
    """A command's exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """Run `roomle-mail` with arguments and a text on standard input."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        with self.monkeypatch.context() as patch:
            patch.setattr(typer.main, "get_command", _get_command)
            patch.setattr(sys, "argv", ["roomle-mail", *arguments])
            patch.setattr(botocore.session, "create_loader", _create_loader)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            self.capsys.readouterr()
            try:
                main()
                code: Any = 0
            except SystemExit as ended:
                code = ended.code
        captured = self.capsys.readouterr()
        return Result(int(code or 0), captured.out, captured.err)
