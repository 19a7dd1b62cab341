"""Show all emails on a local page, or write them to a folder as pictures.

make preview
make preview PICTURES=folder
make preview PICTURES=folder BRAND=studio LANGUAGE=de EVENT=savedConfiguration
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from emails_build.problems import BuildFailed
from roomle_mail_cli import project
from tools import pages
from tools.preview import page, pictures
from tools.preview.drafts import Folder, relative
from tools.stack import processes

# Next to the ports of the emulator and the simulator.
PORT = 24568


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.preview", description=__doc__)
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        help="the page's port on loopback; 0 is any free port (default: %(default)s)",
    )
    parser.add_argument("--pictures", type=Path, help="write PNG pictures here, and end")
    parser.add_argument("--brand", help="pictures of one brand's or configurator's emails only")
    parser.add_argument("--language", help="pictures in one language only")
    parser.add_argument("--event", help="pictures of one email only, such as savedConfiguration")
    parser.add_argument(
        "--source",
        type=Path,
        default=project.emails(),
        help="the emails (default: layers/emails)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = parse(arguments)
    folder = Folder(options.source)
    try:
        if options.pictures:
            chosen = pictures.Chosen(options.brand, options.language, options.event)
            count = pictures.write(
                folder, options.pictures, chosen, lambda text: processes.say("preview", text)
            )
            processes.say("preview", f"{count} pictures in {options.pictures}")
            return 0
        processes.interrupt_on_signals()
        with pages.served(page.application(folder), options.port) as address:
            processes.say("preview", f"the emails are at {address} until Ctrl-C")
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    except BuildFailed as failed:
        for problem in failed.problems:
            print(relative(problem, folder.source), file=sys.stderr)
        return 1
    except (pages.PageFailedError, pictures.NothingChosen) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
