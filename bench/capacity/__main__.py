"""Measure what the capacity model needs, or write docs/capacity.md from the model.

python -m bench.capacity measure          # bench/capacity/measured.json, from the local stack
python -m bench.capacity report           # docs/capacity.md and its pictures; make capacity
"""

import argparse
import json
import sys

from bench.capacity import measure, model, report


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="write bench/capacity/measured.json")
    measuring.add_argument("--events", type=int, default=300, help="for each function")
    commands.add_parser("report", help="write docs/capacity.md and its pictures")
    options = parser.parse_args()
    if options.command == "measure":
        measured = measure.measure(options.events)
        model.MEASURED.write_text(json.dumps(measured, indent=1) + "\n")
        return 0
    return report.write()


if __name__ == "__main__":
    sys.exit(main())
