"""The options that several commands have, and --region and --profile, which all have."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from roomle_mail_cli import project, session
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable

_LIFETIME = 100 * 365 * 86_400

Stack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        "-s",
        metavar="NAME|FILE",
        help="The stack's name, or the file that describes a local one.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Personal = Annotated[
    bool, typer.Option("--show-personal-data", help="Show addresses, links and bodies too.")
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Only this person's; - reads the address from stdin."),
]
ApiKey = Annotated[str | None, typer.Option(help="Which API key; needed if there are several.")]
SecretStdin = Annotated[
    bool,
    typer.Option(
        "--secret-stdin", help="Read the secret from standard input instead of the deployment's."
    ),
]
StackArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="STACK", help="The stack's name, or the file that describes a local one."
    ),
]


def finite(value: float | None) -> float | None:
    """Refuse what is no number of seconds: nan, inf, or more than a lifetime."""
    if value is not None and not abs(value) <= _LIFETIME:
        raise typer.BadParameter(f"{value} is not a number of seconds that makes sense.")
    return value


Region = Annotated[
    str | None,
    typer.Option(metavar="REGION", help="The AWS region; overrides AWS_REGION and the profile's."),
]
Profile = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The profile of the AWS CLI; overrides AWS_PROFILE."),
]
_OPTIONS = tuple(
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    for name, annotation in (("region", Region), ("profile", Profile))
)


def takes_session[**P, R](command: Callable[P, R]) -> Callable[..., R]:
    """Add --region and --profile to a command; they apply to every session that it creates."""

    @functools.wraps(command)
    def with_options(*args: P.args, **options: P.kwargs) -> R:
        given = {name: cast("str | None", options.pop(name)) for name in ("region", "profile")}
        with session.options(**given):
            return command(*args, **options)

    signature = inspect.signature(command, eval_str=True)
    # Typer reads a command's options from its signature.
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *_OPTIONS]
    )
    return with_options


def before_command(ctx: typer.Context, region: Region = None, profile: Profile = None) -> None:
    """Accept --region and --profile before a command's name."""
    ctx.with_resource(session.options(region, profile))


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"roomle-mail {project.version()}")
        raise typer.Exit


def before_all(
    ctx: typer.Context,
    *,
    region: Region = None,
    profile: Profile = None,
    version: Annotated[  # noqa: ARG001 (its callback has shown it)
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True,
            callback=lambda asked: _show_version(asked=asked),
        ),
    ] = False,
) -> None:  # fmt: skip
    """Accept the options before the first command's name."""
    before_command(ctx, region, profile)


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless --yes is given; raises CliError without a terminal."""
    if yes:
        return
    if sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty():
        raise CliError(question, "This is not a terminal: give --yes.", code=Exit.USAGE)
    try:
        typer.confirm(question, abort=True, err=True)
    except typer.Abort as err:
        # Typer tells Ctrl-C and "no" alike.
        if isinstance(err.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
