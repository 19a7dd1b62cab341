"""The secret: Roomle's API keys and their secrets. Nothing in here prints a secret."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from getpass import getpass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from roomle_mail.errors import SecretUnusable
from roomle_mail_cli import times
from roomle_mail_cli.deployment import aws_errors, error_code
from roomle_mail_cli.reading import OVER
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail.tokens import Credential
    from roomle_mail_cli.deployment import Deployment

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
FORM = 'The secret is a JSON object, {"API key": "secret"}: roomle-mail secret set API_KEY'


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the deployment's secret: its text, and when it was created."""

    stage: str
    text: str = field(repr=False)
    created: datetime


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in place of Secrets Manager, so that the shipped code can check it."""

    text: str = field(repr=False)

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: ARG002, N803
        return {"SecretString": self.text, "CreatedDate": datetime.fromtimestamp(0, UTC)}


def parse(text: str, *, allow_published: bool) -> tuple[Credential, ...]:
    """Read a secret's text as the receiver does; raises SecretUnusable."""
    from roomle_mail.credentials import CredentialStore  # noqa: PLC0415 (imports boto3)

    store = CredentialStore(
        _Text(text), "", overlap=0, allow_published=allow_published, warn=lambda _: None
    )
    return store.get(0)


def fetch(deployment: Deployment, stage: str) -> Version | None:
    """Read a version of the deployment's secret; None if there is none. Raises CliError."""
    with aws_errors():
        try:
            found = deployment.client("secretsmanager").get_secret_value(
                SecretId=deployment.output("SecretName"), VersionStage=stage
            )
        except ClientError as err:
            if error_code(err) == "ResourceNotFoundException":
                return None
            raise
    return Version(stage, str(found.get("SecretString", "")), found["CreatedDate"])


def current(deployment: Deployment) -> tuple[Credential, ...]:
    """The current credentials; raises CliError."""
    version = fetch(deployment, CURRENT)
    if version is None:
        raise CliError("The secret has no value yet.", FORM, code=Exit.NOT_FINE)
    try:
        return parse(version.text, allow_published=deployment.settings.local_stack)
    except SecretUnusable as err:
        raise CliError(err.problem, FORM, code=Exit.NOT_FINE) from err


def known(deployment: Deployment) -> tuple[tuple[str, Credential], ...]:
    """All credentials, each with its version's stage, or OVER; raises CliError."""
    found = [(CURRENT, each) for each in current(deployment)]
    now_current = fetch(deployment, CURRENT)
    overlap = timedelta(seconds=deployment.settings.secret_overlap)
    counts = now_current is not None and datetime.now(UTC) < now_current.created + overlap
    previous = fetch(deployment, PREVIOUS)
    if previous is not None:
        try:
            others = parse(previous.text, allow_published=True)
        except SecretUnusable:
            others = ()
        seen = {each for _, each in found}
        found += [(PREVIOUS if counts else OVER, each) for each in others if each not in seen]
    return tuple(found)


def from_stdin(api_key: str | None) -> tuple[Credential, ...]:
    """Read credentials from standard input: a JSON object, or one secret; raises CliError."""
    text = read_hidden("Secret")
    if not text.lstrip().startswith("{"):
        if not api_key:
            raise CliError("Which API key is it for?", "Give --api-key.", code=Exit.USAGE)
        text = json.dumps({api_key: text})
    try:
        return parse(text, allow_published=True)
    except SecretUnusable as err:
        raise CliError(err.problem, code=Exit.NOT_FINE) from err


def from_environment() -> tuple[Credential, ...]:
    """Read ROOMLE_API_KEY and ROOMLE_SECRET; nothing if they aren't set. Raises CliError."""
    api_key, secret = os.environ.get("ROOMLE_API_KEY"), os.environ.get("ROOMLE_SECRET")
    if not (api_key and secret):
        return ()
    try:
        return parse(json.dumps({api_key: secret}), allow_published=True)
    except SecretUnusable as err:
        raise CliError(f"ROOMLE_SECRET: {err.problem}", code=Exit.NOT_FINE) from err


def choose(credentials: tuple[Credential, ...], api_key: str | None) -> Credential:
    """Choose the credential to sign with; raises CliError."""
    chosen = [each for each in credentials if api_key in (None, each.api_key)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(each.api_key for each in credentials)
    if not chosen:
        raise CliError(f"There is no API key {api_key!r}, only {names}.", code=Exit.USAGE)
    raise CliError(f"There are several API keys: {names}.", "Give --api-key.", code=Exit.USAGE)


def read_hidden(prompt: str) -> str:
    """Read a text from standard input, without echo where a person types it."""
    if sys.stdin.isatty():
        return getpass(f"{prompt}: ")
    return sys.stdin.read().rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class Change:
    """What `secret set` and `secret remove` did, without any secret."""

    api_keys: list[str]
    changed: bool
    warnings: list[str]


def put(
    deployment: Deployment,
    changes: dict[str, str],
    *,
    replace: bool = False,
    now: datetime | None = None,
) -> Change:
    """Set secrets and keep those of the other API keys; if it raises CliError, nothing has changed.

    `replace` removes the others.
    """
    version = fetch(deployment, CURRENT)
    before = {} if replace or version is None else _pairs(version.text)
    after = {**before, **changes}
    return _write(deployment, version, after, now=now)


def remove(deployment: Deployment, api_key: str, *, now: datetime | None = None) -> Change:
    """Remove an API key; raises CliError."""
    version = fetch(deployment, CURRENT)
    after = _pairs(version.text) if version else {}
    if after.pop(api_key, None) is None:
        raise CliError(f"There is no API key {api_key!r}.", code=Exit.NOT_FINE)
    return _write(deployment, version, after, now=now)


def _write(
    deployment: Deployment, version: Version | None, after: dict[str, str], *, now: datetime | None
) -> Change:
    settings = deployment.settings
    text = json.dumps(after)
    try:
        parse(text, allow_published=settings.local_stack)
    except SecretUnusable as err:
        raise CliError(
            f"Nothing was changed: {err.problem}",
            "Roomle's secrets have 16 characters.",
            code=Exit.NOT_FINE,
        ) from err
    if version is not None and _same(version.text, after):
        # A second version with the same value would push the previous secrets out of AWSPREVIOUS.
        return Change(sorted(after), changed=False, warnings=[])
    warnings = []
    if version is not None and fetch(deployment, PREVIOUS) is not None:
        overlap_ends = version.created + timedelta(seconds=settings.secret_overlap)
        if (now or datetime.now(UTC)) < overlap_ends:
            warnings.append(
                "The secrets from before the last change were still valid until "
                f"{times.show(overlap_ends)}; from now on they are not."
            )
    with aws_errors():
        deployment.client("secretsmanager").put_secret_value(
            SecretId=deployment.output("SecretName"), SecretString=text
        )
    return Change(sorted(after), changed=True, warnings=warnings)


def _pairs(text: str) -> dict[str, str]:
    try:
        pairs = json.loads(text)
    except ValueError:
        pairs = None
    if not isinstance(pairs, dict):
        raise CliError(
            "The current value is not a JSON object, so no API key in it can be kept.",
            "Replace it: --replace",
            code=Exit.NOT_FINE,
        )
    return pairs


def _same(text: str, after: dict[str, str]) -> bool:
    try:
        return bool(json.loads(text) == after)
    except ValueError:
        return False
