# ruff: noqa: INP001 (the makefile runs it by its path)
"""Leave of the installed packages what the functions use; half of what is uploaded is not.

Usage: python prune.py FOLDER

What is left suffices: tests/built runs every fixture on it. Whoever uses more of a package has to
name it here, else those tests fail with the import that is missing.
"""

import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path

# Folder: what of it stays.
USED = {
    # AES in the modes CBC and ECB; the other modes, hashes and ciphers are loaded when asked for.
    "Crypto": ["__init__.py", "Cipher", "Random", "Util"],
    "Crypto/Cipher": [
        *("__init__.py", "AES.py", "_state_machine.py", "_raw_aes*"),
        *("_mode_cbc.py", "_raw_cbc.*", "_mode_ecb.py", "_raw_ecb.*"),
    ],
    "Crypto/Util": [
        *("__init__.py", "Padding.py", "py3compat.py"),
        *("_raw_api.py", "_file_system.py", "_cpu_features.py", "_cpuid_c.*"),
        *("strxor.py", "_strxor.*"),
    ],
    # Logger and Metrics, and what these import.
    "aws_lambda_powertools": [
        *("*.py", "exceptions", "logging", "metrics", "shared", "tracing"),
        *("utilities", "warnings"),
    ],
    "aws_lambda_powertools/metrics/provider": ["*.py", "cloudwatch_emf"],
    "aws_lambda_powertools/utilities": ["__init__.py", "jmespath_utils"],
    # A service's files are read when a client of it is made.
    "botocore/data": ["*.json", "dynamodb", "secretsmanager", "sesv2", "sqs"],
    "botocore/data/dynamodb": ["2012-08-10"],
    "botocore/data/*/*": ["endpoint-rule-set-1.*", "service-2.*"],
}

# What nothing imports: commands, documentation, tests, types, metadata, the API of pydantic 1.
UNUSED = [
    *("*.dist-info", "**/*.pyi", "**/py.typed", ".lock", "bin", "share"),
    *("boto3/data", "boto3/examples", "dateutil/zoneinfo", "pydantic/mypy.py", "pydantic/v1"),
    *("segno/cli.py", "urllib3/contrib/emscripten"),
]


def main(root: Path) -> None:
    """Delete what isn't used; a name that fits nothing is an error, for it guards nothing."""
    doomed = {
        path
        for pattern, used in USED.items()
        for folder in matches(root, pattern)
        for path in folder.iterdir()
        if not any(fnmatch(path.name, name) for name in used)
    }
    doomed.update(path for pattern in UNUSED for path in matches(root, pattern))
    for path in sorted(doomed, reverse=True):  # a folder after what is in it
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def matches(root: Path, pattern: str) -> list[Path]:
    """Find what a pattern means."""
    found = sorted(root.glob(pattern))
    if not found:
        sys.exit(f"prune.py: nothing is called {pattern}")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
