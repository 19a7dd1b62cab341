"""The fixtures of this folder's tests."""

from pathlib import Path

import pytest

from emails_build.package import compile_package
from tests.emails_building import few, source, whole

__all__ = ["few", "source", "whole"]


@pytest.fixture(scope="session")
def unedited(few: Path) -> dict[str, str]:
    """The package that `source` makes as it is."""
    return dict(compile_package(few))
