"""Run the AWS SAM CLI at its pinned version, in an environment of its own.

`python -m tools.sam build` does what `sam build` does. The SAM CLI asks for versions of packages
that the project does not use, so it is not installed beside them.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent


def pinned(package: str, program: str, *, lock: str = "") -> list[str]:
    """Return the command that runs a program from what requirements/<lock>.txt locks.

    Without `lock` it is the one named after the program. The interpreter is given in full, since
    uv would otherwise look for one from the folder that it happens to be run in.
    """
    uv, locked = ROOT / ".tools" / "bin" / "uv", ROOT / "requirements" / f"{lock or program}.txt"
    return [
        *(str(uv), "tool", "run", "--quiet", "--python", sys.executable),
        *("--with-requirements", str(locked), "--from", package, program),
    ]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for SAM: no telemetry, and our interpreter and uv first on PATH."""
    path = [
        str(Path(sys.executable).parent),
        str(ROOT / ".tools" / "bin"),
        os.environ.get("PATH", ""),
    ]
    return {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "1",
        "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "eu-central-1"),
        **(extra or {}),
    }


def command(*arguments: str) -> list[str]:
    """Return the command line of `sam` with the arguments."""
    return [*pinned("aws-sam-cli", "sam"), *arguments]


if __name__ == "__main__":
    sys.exit(
        subprocess.run(command(*sys.argv[1:]), env=environment(), cwd=ROOT, check=False).returncode
    )
