"""Deploy locally and stay in the foreground until Ctrl-C: `make local`."""

import sys
from collections.abc import Sequence

from tools.stack.foreground import in_foreground, parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = parser("python -m tools.stack", __doc__).parse_args(arguments)
    return in_foreground(options, lambda _: 0, stay=True)


if __name__ == "__main__":
    sys.exit(main())
