"""Run the AWS SAM CLI at its pinned version, in a separate environment.

`python -m tools.sam build` does what `sam build` does, and also honours AWS_REGION. The SAM CLI
requires versions of packages that the project does not use, so it is not installed with them.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from roomle_mail_cli.session import boto3_variables

ROOT = Path(__file__).parent.parent


def pinned(package: str, program: str, *, lock: str = "") -> list[str]:
    """Return the command that runs a program from what requirements/<lock>.txt locks.

    Without `lock`, the lock has the program's name. The interpreter is an absolute path: otherwise
    uv searches from the current folder.
    """
    uv, locked = ROOT / ".tools" / "bin" / "uv", ROOT / "requirements" / f"{lock or program}.txt"
    return [
        *(str(uv), "tool", "run", "--quiet", "--python", sys.executable),
        *("--with-requirements", str(locked), "--from", package, program),
    ]


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for SAM: ours, or `base` instead.

    It turns off telemetry, puts our interpreter and uv first on PATH, and sets region and profile
    where SAM reads them, if they are set at all. Without them SAM looks at its options,
    samconfig.toml and the profile.
    """
    inherited = os.environ if base is None else base
    path = [
        str(Path(sys.executable).parent),
        str(ROOT / ".tools" / "bin"),
        inherited.get("PATH", ""),
    ]
    return {
        **inherited,
        "PATH": os.pathsep.join(path),
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "1",
        **boto3_variables(inherited),
    }


def command(*arguments: str) -> list[str]:
    """Return the command line of `sam` with the arguments."""
    return [*pinned("aws-sam-cli", "sam"), *arguments]


if __name__ == "__main__":
    sys.exit(
        subprocess.run(command(*sys.argv[1:]), env=environment(), cwd=ROOT, check=False).returncode
    )
