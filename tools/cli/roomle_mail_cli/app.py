"""The command line: its commands, by name, and how it ends."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Never

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.commands import (
    dead_letters,
    design,
    doctor,
    logs,
    prove,
    secret,
    send,
    verify,
    why,
)
from roomle_mail_cli.options import before_all, before_command, takes_session
from roomle_mail_cli.screen import CliError, Exit

HELP = """Look after a deployment of Roomle Mail, on AWS or on a local stack.

Credentials and region are found as the AWS CLI finds them. Region: --region, AWS_REGION,
AWS_DEFAULT_REGION, the profile's. Profile: --profile, AWS_PROFILE, AWS_DEFAULT_PROFILE.
AWS_ENDPOINT_URL counts too.

The stack is found by its name: --stack, ROOMLE_MAIL_STACK, or else roomle-mail. A local stack is
found by the file that describes it: --stack .local/stack.json. That file names its own region.

--stack, --region, --profile and --json may stand before the command or after it.

\b
Exit codes:
  0  done, and all is well
  1  done, with a negative result: refused, failed, not found
  2  the command line is wrong
  3  the deployment, AWS or the webhook can't be reached, or AWS does not allow it
  70  an error in this program
  130  stopped by Ctrl-C

With --json, a command that can't continue, as with 3, prints {"error": "...", "advice": "..."}.
"""

COMMANDS: dict[str, Callable[..., None]] = {
    "send": send.send,
    "sign": send.sign_token,
    "verify": verify.verify,
    "doctor": doctor.doctor,
    "prove": prove.prove,
    "logs": logs.logs,
    "why": why.why,
    "design": design.design,
}
GROUPS: dict[str, tuple[str, dict[str, Callable[..., None]]]] = {
    "dead-letters": (
        "Emails that could not be sent.",
        {
            "list": dead_letters.list_letters,
            "show": dead_letters.show_letter,
            "redrive": dead_letters.redrive,
            "drop": dead_letters.drop,
        },
    ),
    "secret": (
        "Roomle's API keys and their secrets.",
        {
            "set": secret.set_secret,
            "remove": secret.remove_secret,
            "list": secret.list_secrets,
        },
    ),
}

app = typer.Typer(
    name="roomle-mail",
    no_args_is_help=True,
    rich_markup_mode=None,
    # A traceback with local variables would show secrets.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help=HELP,
)
app.callback()(before_all)
for name, command in COMMANDS.items():
    app.command(name)(takes_session(command))
for name, (about, commands) in GROUPS.items():
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    group.callback()(before_command)
    for inner, command in commands.items():
        group.command(inner)(takes_session(command))
    app.add_typer(group, name=name, help=about)


def main() -> None:
    """Run the command line, and end in a sentence and an exit code, whatever happens."""
    screen.prepare()
    try:
        _check_arguments()
        try:
            app(prog_name="roomle-mail")
        finally:
            sys.stdout.flush()
    except CliError as err:
        _fail(str(err), err.advice, err.code)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # Its reader has read enough, as `head` does.
        screen.give_up_output()
        sys.exit(Exit.NOT_FINE)
    except OSError as err:
        screen.give_up_output()
        _fail(f"the output can't be written: {err.strerror}", "", Exit.NOT_FINE)
    except Exception as err:
        if os.environ.get("ROOMLE_MAIL_TRACEBACK"):
            raise
        # The message is left out: it may repeat a secret.
        frame = traceback.extract_tb(err.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        _fail(
            f"an unexpected error, {type(err).__name__} at {place}",
            "Please report it. ROOMLE_MAIL_TRACEBACK=1 shows more.",
            Exit.BROKEN,
        )


def _fail(problem: str, advice: str, code: int) -> Never:
    screen.err().print(f"roomle-mail: {screen.visible(problem)}")
    if advice:
        screen.err().print(f"-> {screen.visible(advice)}")
    sys.exit(code)


def _check_arguments() -> None:
    for each in sys.argv[1:]:
        try:
            each.encode()
        except UnicodeEncodeError:
            raise CliError(
                f"The argument {each!a} is not text in this terminal's encoding.",
                code=Exit.USAGE,
            ) from None
