"""The options that several commands have, and those that all have, before their name too."""

from __future__ import annotations

import functools
import inspect
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from roomle_mail_cli import project, screen, session
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
Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason", metavar="REASON", help="Only with this reason: TokenExpired, ... Repeatable."
    ),
]
Since = Annotated[
    str, typer.Option(help="30m, 2h or 7d ago, or an ISO date, which is UTC without a zone.")
]
Url = Annotated[str | None, typer.Option(help="The link to the content.")]
ResultUrl = Annotated[str | None, typer.Option(help="The link to the 3D asset.")]
ConfiguratorId = Annotated[str | None, typer.Option(help="Picks the brand.")]
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


def duration(value: float | None) -> float | None:
    """Refuse what is no length of time: also a negative number."""
    if value is not None and value < 0:
        raise typer.BadParameter(f"{value} is not a number of seconds that makes sense.")
    return finite(value)


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


# An empty one would count as not given, or match nothing: `--stack "$STACK"` would mean the default
# stack. Fields of an event may be empty, since somebody may want to see what is answered to that.
_NAMES = frozenset(
    """
    address api_key body brand_id content_id design event header ids profile region since stack
    stack_name webhook which
    """.split()  # noqa: SIM905 (a list of words in quotes takes a line each)
)

# Behind a command's name, and before it.
_GIVEN = ("COMMANDLINE", "DEFAULT_MAP")
# The running command, with what was given to it.
_running: ContextVar[typer.Context] = ContextVar("running")


def takes_session[**P, R](command: Callable[P, R]) -> Callable[..., R]:
    """Add --region and --profile to a command; they apply to every session that it creates.

    With --json, a command that can't continue prints why as JSON too, unless it was typed wrong.
    """

    @functools.wraps(command)
    def with_options(ctx: typer.Context, *args: P.args, **options: P.kwargs) -> R:
        _running.set(ctx)
        region_and_profile = {
            name: cast("str | None", options.pop(name)) for name in ("region", "profile")
        }
        try:
            _refuse_empty(ctx)
            with session.options(**region_and_profile):
                return command(*args, **options)
        except CliError as err:
            if ctx.params.get("as_json") and err.code != Exit.USAGE:
                screen.show_json_line({"error": str(err), "advice": err.advice})
            raise

    signature = inspect.signature(command, eval_str=True)
    context = inspect.Parameter(
        "ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    # Typer reads a command's options from its signature.
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[context, *signature.parameters.values(), *_OPTIONS]
    )
    return with_options


def before_command(
    ctx: typer.Context,
    *,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Accept what all commands have before a command's name; behind it counts more."""
    _refuse_empty(ctx)
    values = {"stack": stack, "region": region, "profile": profile, "as_json": as_json or None}
    given = {name: value for name, value in values.items() if value is not None}
    ctx.default_map = dict.fromkeys(cast("typer.core.TyperGroup", ctx.command).commands, given)


def _refuse_empty(ctx: typer.Context) -> None:
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name) if parameter.name in _NAMES else None
        values = value if isinstance(value, (list, tuple)) else [value]
        if any(str(each).strip() == "" for each in values):
            raise CliError(f"{_typed(parameter)} is empty.", code=Exit.USAGE)


def _show_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"roomle-mail {project.version()}")
        raise typer.Exit


def before_all(
    ctx: typer.Context,
    *,
    stack: Stack = None,
    region: Region = None,
    profile: Profile = None,
    as_json: AsJson = False,
    version: Annotated[  # noqa: ARG001 (its callback has shown it)
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True,
            callback=lambda asked: _show_version(asked=asked),
        ),
    ] = False,
) -> None:  # fmt: skip
    """Accept the options before the first command's name."""
    before_command(ctx, stack=stack, region=region, profile=profile, as_json=as_json)


def given(*names: str) -> list[str]:
    """Those of the running command's options that stand on the command line, as they are typed."""
    context = _running.get()
    typed = {each.name: each for each in context.command.params}
    return [
        _typed(typed[name])
        for name in names
        if getattr(context.get_parameter_source(name), "name", "") in _GIVEN
    ]


def _typed(parameter: Any) -> str:  # noqa: ANN401 (typer keeps the class to itself)
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name).upper()
    return str(max((*parameter.opts, *parameter.secondary_opts), key=len))


def refuse(beside: str, *names: str) -> None:
    """Raise CliError for options that would be ignored `beside` something else."""
    if ignored := given(*names):
        raise CliError(
            f"{', '.join(ignored)} would be ignored beside {beside}.",
            "Leave out one or the other.",
            code=Exit.USAGE,
        )


def need(other: str, *names: str) -> None:
    """Raise CliError for options that count only together with an `other` one."""
    if alone := given(*names):
        raise CliError(f"{', '.join(alone)} needs {other}.", code=Exit.USAGE)


def one_stack(argument: str | None, option: str | None) -> str | None:
    """The stack that STACK or --stack names; raises CliError if both are given."""
    if argument is not None:
        refuse("STACK", "stack")
    return argument or option


def texts(option: str, values: list[str] | None) -> list[str]:
    """The values of a repeatable option; raises CliError for an empty one."""
    if not all(each.strip() for each in values or []):
        raise CliError(f"--{option} is empty.", code=Exit.USAGE)
    return list(values or [])


def read_address(address: str | None) -> str | None:
    """The value of --address, where - is standard input; raises CliError if it is no address."""
    if address is None:
        return None
    wanted = (screen.read_stdin() if address == "-" else address).strip()
    if "@" not in wanted:
        raise CliError(f"{wanted!r} is not an address.", code=Exit.USAGE)
    return wanted


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
