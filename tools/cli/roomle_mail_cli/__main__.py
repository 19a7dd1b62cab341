"""The start of `roomle-mail`, also as `python -m roomle_mail_cli`."""

import signal
import sys


def main() -> None:
    """Load the command line and run it. Ctrl-C ends it quietly, also while it loads."""
    # By default Ctrl-C raises an exception, and an import shows it with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What Ctrl-C leaves half made complains when it is destroyed.
    sys.unraisablehook = lambda _: None
    from roomle_mail_cli import app  # noqa: PLC0415 (see above)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        app.main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
