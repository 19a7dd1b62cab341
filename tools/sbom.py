"""Write the CycloneDX bill of materials of what is deployed: python -m tools.sbom FILE."""

import os
import subprocess
import sys
from pathlib import Path

from tools import sam

# The packages that ship with our own code. The emails' layer contains none of its build packages.
LOCK = sam.ROOT / "layers" / "dependencies" / "requirements.txt"
PROJECT = sam.ROOT / "pyproject.toml"


def write(target: Path) -> None:
    """Write it; the same lock gives the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "cyclonedx_py"),
        *("requirements", "--output-reproducible", "--mc-type", "application"),
        *("--pyproject", str(PROJECT), "--output-file", str(target), str(LOCK)),
    ]
    # It warns that a list of packages has no dependency graph.
    subprocess.run(command, check=True, env=os.environ | {"PYTHONWARNINGS": "ignore"})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
