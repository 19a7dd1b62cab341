"""Write the bill of materials, in CycloneDX, of what is deployed: python -m tools.sbom FILE."""

import os
import subprocess
import sys
from pathlib import Path

from tools import sam

# What ships beside our own code. The emails' layer holds none of what builds it.
LOCK = sam.ROOT / "layers" / "dependencies" / "requirements.txt"
PROJECT = sam.ROOT / "pyproject.toml"


def write(target: Path) -> None:
    """Write it, the same bytes for the same lock."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "cyclonedx_py"),
        *("requirements", "--output-reproducible", "--mc-type", "application"),
        *("--pyproject", str(PROJECT), "--output-file", str(target), str(LOCK)),
    ]
    # It warns that a list of packages does not say which needs which.
    subprocess.run(command, check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
