"""Build the package `roomle_mail_emails`: python -m emails_build --target <folder>.

A wrong brand, text or template stops the build with the file, the line and what is expected.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emails_build.package import compile_package, write
from emails_build.problems import BuildFailed

HERE = Path(__file__).resolve().parent.parent


def main() -> int:
    """Build, or print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True, help="where the package goes")
    parser.add_argument("--source", type=Path, default=HERE, help="brands, texts and templates")
    arguments = parser.parse_args()
    try:
        write(compile_package(arguments.source), arguments.target)
    except BuildFailed as failed:
        for problem in failed.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
