"""Rules that AWS documents but no emulator checks: data, each with its source page."""

import json
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def read(name: str) -> dict[str, Any]:
    """Read one of the data files of this folder."""
    text = (FOLDER / name).read_text()
    return dict(json.loads(text) if name.endswith(".json") else tomllib.loads(text))
