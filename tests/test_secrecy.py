"""Comes last, whatever else is run: tests/secrecy.py tells what it looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import secrecy


def test_no_secret_appears_in_any_output_of_the_whole_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert list(secrecy.leaks(tmp_path_factory.getbasetemp())) == []


def test_a_secret_would_be_seen(tmp_path: Path) -> None:
    for secret in secrecy.SECRETS:
        assert secrecy.has_secret(f"a line with {secret} in it")
        assert not secrecy.has_secret(f"a line with {secret[:-1]} in it")
        before = len(list(secrecy.leaks(tmp_path)))
        (tmp_path / "function.log").write_text(secret)
        assert len(list(secrecy.leaks(tmp_path))) == before + 1
        (tmp_path / "function.log").unlink()
