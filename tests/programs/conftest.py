"""The fixtures of this folder's tests."""

from tests.emails_building import few, source

__all__ = ["few", "source"]
