"""Check the emails, and build the package `roomle_mail_emails` from them.

python -m emails_build
python -m emails_build --target <folder>

A wrong brand, text or template stops the build with the file, the line and what is expected.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emails_build.package import Draft, checked_package, write
from emails_build.problems import BuildFailed

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent


def main() -> int:
    """Build, or print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--target", type=Path, help="where the package goes; checks only if left out"
    )
    parser.add_argument("--source", type=Path, default=HERE, help="brands, texts and templates")
    arguments = parser.parse_args()
    try:
        draft = checked_package(arguments.source)
    except BuildFailed as failed:
        for problem in failed.problems:
            print(problem.relative_to(ROOT), file=sys.stderr)  # noqa: T201
        return 1
    if arguments.target:
        write(draft.files, arguments.target)
    print(f"emails: {summary(draft)}")  # noqa: T201
    return 0


def summary(draft: Draft) -> str:
    """How many emails there are, and whose servers they name."""
    emails = {(each.where, each.template.name, each.language) for each in draft.renderings}
    pages, files = draft.hosts()
    return (
        f"{len(emails)} emails are fine; they lead to {', '.join(pages)} "
        f"and load from {', '.join(files) or 'nowhere'}"
    )


if __name__ == "__main__":
    sys.exit(main())
