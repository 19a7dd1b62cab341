"""The search for secrets at the end of each run finds them (tests/secrecy.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import secrecy


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
def test_a_part_of_a_secret_does_not_count(secret: str) -> None:
    assert secrecy.has_secret(f"a line with {secret} in it")
    assert not secrecy.has_secret(f"a line with {secret[:-1]} in it")
