"""Region and profile, found in the order of the AWS CLI.

The order comes from AWS's pages "Configuration and credential file settings" and "Environment
variables" for the AWS CLI: the option, AWS_REGION, AWS_DEFAULT_REGION, the region of the profile;
and for the profile the option, AWS_PROFILE, AWS_DEFAULT_PROFILE. boto3 differs, and so does every
program that uses it, such as the SAM CLI: it does not read AWS_REGION, and reads
AWS_DEFAULT_PROFILE before AWS_PROFILE.
"""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import boto3

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
PROFILE_VARIABLES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


@dataclass(frozen=True, slots=True)
class Options:
    """The values of --region and --profile; None if they are not given."""

    region: str | None = None
    profile: str | None = None


_options: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 (frozen)


@contextmanager
def options(region: str | None, profile: str | None) -> Iterator[None]:
    """Use this region and profile during the block. None keeps the outer block's value."""
    outer = _options.get()
    token = _options.set(Options(region or outer.region, profile or outer.profile))
    try:
        yield
    finally:
        _options.reset(token)


def given() -> Options:
    """The values of --region and --profile that count now."""
    return _options.get()


def typed() -> str:
    """--region and --profile as they were typed; the AWS CLI and SAM have both too."""
    given = _options.get()
    pairs = (("--region", given.region), ("--profile", given.profile))
    return "".join(f" {name} {shlex.quote(value)}" for name, value in pairs if value)


def create(region: str | None = None, profile: str | None = None) -> boto3.Session:
    """Create a session; None means the value of `options`, the environment or the profile.

    Raises CliError if there is no region, or no profile of that name.
    """
    # boto3 takes a third of a second to import, which `--help` does not need.
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    given = _options.get()
    # A profile from a variable must not be passed as an argument: boto3 would then ignore
    # AWS_ACCESS_KEY_ID, which the AWS CLI prefers to that profile.
    core = Session(
        {
            "region": ("region", _set(REGION_VARIABLES, os.environ), None, None),
            "profile": (None, _set(PROFILE_VARIABLES, os.environ), None, None),
        }
    )
    try:
        made = boto3.Session(
            botocore_session=core,
            region_name=region or given.region,
            profile_name=profile or given.profile,
        )
    except BotoCoreError as err:
        raise CliError(str(err), "Check --profile or AWS_PROFILE: aws configure list") from err
    if not made.region_name:
        raise CliError(
            "No region is set.",
            "Give --region, set AWS_REGION, or use a profile that has one: --profile, AWS_PROFILE.",
        )
    return made


def boto3_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return variables that make a boto3 program find the same as the AWS CLI.

    Nothing is set if the AWS CLI would look at the profile: boto3 does the same.
    """
    found = {
        "AWS_DEFAULT_REGION": _set(REGION_VARIABLES, environment),
        "AWS_DEFAULT_PROFILE": _set(PROFILE_VARIABLES, environment),
    }
    return {name: environment[variables[0]] for name, variables in found.items() if variables}


def _set(names: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """The variables that are set; an empty one counts as not set."""
    return [name for name in names if environment.get(name)]
