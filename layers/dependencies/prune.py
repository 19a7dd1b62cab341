"""Delete from the installed packages what no function ever reads.

Usage: python prune.py FOLDER
"""

import shutil
import sys
from pathlib import Path

# botocore reads a service's model only when a client of it is made.
SERVICES = {"dynamodb", "secretsmanager", "sesv2", "sqs"}

# Packages' parts that nothing imports: commands, tests, type stubs, resource models.
FOLDERS = ["bin", "share", "Crypto/SelfTest", "boto3/data", "boto3/examples", "botocore/docs"]
PATTERNS = ["*.dist-info", "**/*.pyi", "**/py.typed", "**/tests", "**/__pycache__", ".lock"]


def main(root: Path) -> None:
    doomed = [root / folder for folder in FOLDERS]
    doomed += [path for pattern in PATTERNS for path in root.glob(pattern)]
    doomed += [
        path
        for path in (root / "botocore" / "data").iterdir()
        if path.is_dir() and path.name not in SERVICES
    ]
    for path in doomed:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
