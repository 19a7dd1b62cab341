"""AWS's descriptions of its services, which botocore reads again for each session.

Tests make thousands of sessions. The descriptions stay the same, so a process reads them once.
"""

from __future__ import annotations

from typing import Any

from botocore import loaders, session

_read: dict[str | None, dict[Any, Any]] = {}


def share() -> None:
    """Let all sessions with the same search path share what was read."""
    session.create_loader = _loader  # type: ignore[assignment]


def _loader(search_path: str | None = None) -> loaders.Loader:
    loader = loaders.create_loader(search_path)
    loader._cache = _read.setdefault(search_path, {})  # type: ignore[attr-defined]
    return loader
