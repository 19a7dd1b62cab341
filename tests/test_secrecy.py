"""Comes last, whatever else is run: tests/secrecy.py tells what it looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import secrecy


def test_no_secret_appears_in_any_output_of_the_whole_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = secrecy.search(tmp_path_factory.getbasetemp())

    assert found.functions_wrote, "nothing to search: run it after tests that let functions run"
    assert found.leaks == []


@pytest.mark.parametrize("secret", secrecy.SECRETS)
def test_a_secret_would_be_seen(tmp_path: Path, secret: str) -> None:
    before = secrecy.search(tmp_path)
    log = tmp_path / "function.log"
    log.write_text(f'{{"service": "receiver", "message": "{secret}"}}')

    after = secrecy.search(tmp_path)
    log.unlink()  # or it would be found in the search of the whole run

    assert set(after.leaks) - set(before.leaks) == {"function.log"}
    assert set(after.functions_wrote) - set(before.functions_wrote) == {"function.log"}


@pytest.mark.parametrize("secret", secrecy.SECRETS)
def test_a_part_of_a_secret_is_none(secret: str) -> None:
    assert secrecy.has_secret(f"a line with {secret} in it")
    assert not secrecy.has_secret(f"a line with {secret[:-1]} in it")
