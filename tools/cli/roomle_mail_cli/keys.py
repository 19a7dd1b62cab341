"""The secret: Roomle's API keys and their secrets. Nothing in here prints a secret."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from getpass import getpass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from roomle_mail.errors import SecretUnusable
from roomle_mail_cli import times
from roomle_mail_cli.deployment import RECEIVER, aws_errors, error_code
from roomle_mail_cli.reading import OVER
from roomle_mail_cli.screen import CliError, Exit, note, read_stdin, stdin

if TYPE_CHECKING:
    from roomle_mail.tokens import Credential
    from roomle_mail_cli.deployment import Deployment

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
FORM = '{"API key": "secret"}'
LENGTHS = (16, 24, 32)


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


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a secret, without showing it, and the command that fixes it."""

    what: str
    fix: str
    api_keys: tuple[str, ...] = ()
    """The API keys that it names."""


def fault(text: str, *, allow_published: bool) -> Fault | None:
    """Say what is wrong with a secret's text; None if the receiver can use it."""
    try:
        parse(text, allow_published=allow_published)
    except SecretUnusable as err:
        return _fault(text, err.problem, allow_published=allow_published)
    return None


def _fault(text: str, problem: str, *, allow_published: bool) -> Fault:
    if not text.strip():
        return Fault("it is empty, or bytes instead of text", "roomle-mail secret set API_KEY")
    replace = "roomle-mail secret set API_KEY --replace"
    pairs, where = read_json(text)
    if where:
        return Fault(f"it is not JSON {FORM}{where}", replace)
    if not isinstance(pairs, dict) or not pairs:
        return Fault(f"it is JSON, but not an object {FORM} with at least one API key", replace)
    wrong = {
        api_key: what
        for number, (api_key, secret) in enumerate(pairs.items(), 1)
        if (what := _wrong(number, api_key, secret, allow_published=allow_published))
    }
    told = "; ".join(wrong.values()) or problem
    named = tuple(filter(_usable, wrong))
    if len(named) < len(wrong) or not named:
        return Fault(told, "roomle-mail secret set --replace < keys.json", named)
    # The other API keys stay as they are.
    given = shlex.quote(named[0]) if len(named) == 1 else "< keys.json"
    return Fault(told, f"roomle-mail secret set {given}", named)


def read_json(text: str) -> tuple[Any, str]:
    """The value of a JSON text, and where the text stops being JSON, without showing it.

    That is empty if it is JSON.
    """
    end = len(text.rstrip())
    try:
        return json.loads(text), ""
    except json.JSONDecodeError as err:
        if err.pos >= end or err.msg.startswith("Unterminated string"):
            return None, f": it is cut off after {end} characters"
        return None, f": wrong at character {err.pos + 1} of {len(text)}"
    except RecursionError:
        return None, ", but nested"


def _wrong(number: int, api_key: str, secret: object, *, allow_published: bool) -> str | None:
    """What is wrong with one API key and its secret, by `parse`."""
    if not _usable(api_key):
        # It isn't repeated: it may be a secret in the wrong place.
        return (
            f"API key number {number} ({len(api_key)} characters) is empty, has a semicolon, or "
            "has characters that are not printable ASCII"
        )
    try:
        parse(json.dumps({api_key: secret}), allow_published=allow_published)
    except SecretUnusable:
        return f"the secret of {api_key!r} {length(secret)}"
    return None


def _usable(api_key: str) -> bool:
    return api_key.isascii() and api_key.isprintable() and ";" not in api_key and api_key != ""


def length(secret: object) -> str:
    """What is wrong with a secret, by its length and the kind of its characters."""
    if not isinstance(secret, str):
        return f"is not a text but {type(secret).__name__}"
    has = f"has {len(secret)} characters"
    odd = next((n for n, each in enumerate(secret, 1) if not each.isascii()), None)
    if odd:
        return f"{has}, of which number {odd} is not ASCII"
    if len(secret) not in LENGTHS:
        blank = len(secret) - len(secret.strip())
        extra = f", {blank} of them blanks or line breaks at its ends" if blank else ""
        return f"{has}{extra}; it needs 16, 24 or 32, and Roomle's have 16"
    return "is the one that Roomle published as its example"


def fetch(deployment: Deployment, stage: str) -> Version | None:
    """Read a version of the deployment's secret; None if there is none. Raises CliError."""
    with aws_errors():
        try:
            found = deployment.client("secretsmanager").get_secret_value(
                SecretId=deployment.output("SecretName"), VersionStage=stage
            )
        except ClientError as err:
            # The second is what a secret that was deleted answers.
            if error_code(err) in ("ResourceNotFoundException", "InvalidRequestException"):
                return None
            raise
    return Version(stage, str(found.get("SecretString", "")), found["CreatedDate"])


def trouble(deployment: Deployment) -> Fault | None:
    """Why the receiver can't use the deployment's secret; None if it can. Raises CliError."""
    version = fetch(deployment, CURRENT)
    if version is None:
        set_it = f"roomle-mail secret set API_KEY{deployment.option}"
        return _deleted(deployment, set_it) or Fault("has no value yet", set_it)
    found = fault(version.text, allow_published=deployment.is_local)
    return found and Fault(
        f"is unusable: {found.what}", f"{found.fix}{deployment.option}", found.api_keys
    )


def _deleted(deployment: Deployment, set_it: str) -> Fault | None:
    with aws_errors():
        try:
            described = deployment.client("secretsmanager").describe_secret(
                SecretId=deployment.output("SecretName")
            )
        except ClientError as err:
            if error_code(err) != "ResourceNotFoundException":
                raise
            return Fault(
                "was deleted permanently",
                "add a Name to the resource Secret in template.yaml, which makes a new one: "
                f"sam build && sam deploy && {set_it}",
            )
    if "DeletedDate" not in described:
        return None
    return Fault(
        "was deleted; it can be restored until its recovery window ends",
        f"aws secretsmanager restore-secret --secret-id {described['Name']}",
    )


def current(deployment: Deployment) -> tuple[Credential, ...]:
    """The current credentials; raises CliError."""
    if (found := trouble(deployment)) is not None:
        raise CliError(f"The secret {found.what}.", found.fix, code=Exit.NOT_FINE)
    version = fetch(deployment, CURRENT)
    return parse(version.text if version else "", allow_published=deployment.is_local)


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
    return _given(text, "standard input")


def _given(text: str, place: str) -> tuple[Credential, ...]:
    if (wrong := fault(text, allow_published=True)) is not None:
        raise CliError(f"From {place}: {wrong.what}.", code=Exit.NOT_FINE)
    return parse(text, allow_published=True)


def from_environment() -> tuple[Credential, ...]:
    """Read ROOMLE_API_KEY and ROOMLE_SECRET; nothing if neither is set. Raises CliError."""
    api_key, secret = os.environ.get("ROOMLE_API_KEY"), os.environ.get("ROOMLE_SECRET")
    if not (api_key and secret):
        if api_key or secret:
            note("Of ROOMLE_API_KEY and ROOMLE_SECRET only one is set: the deployment's are used.")
        return ()
    return _given(json.dumps({api_key: secret}), "ROOMLE_API_KEY and ROOMLE_SECRET")


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
    """Read a text from standard input, without echo where a person types it.

    A line break at its end, which files have, is told and left out.
    """
    if stdin().isatty():
        return getpass(f"{prompt}: ")
    text = read_stdin()
    kept = text.rstrip("\r\n")
    if kept != text and not kept.lstrip().startswith("{"):
        note("A line break at the end was left out; it does not count.")
    return kept


@dataclass(frozen=True, slots=True)
class Change:
    """What `secret set` and `secret remove` did, without any secret.

    `until` is when the value before it stops to count; None if it has stopped.
    """

    api_keys: list[str]
    changed: bool
    warnings: list[str]
    until: datetime | None = None


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
    version = _there(deployment)
    again = f"roomle-mail secret set {shlex.quote(next(iter(changes), 'API_KEY'))} --replace"
    before = (
        {} if replace or version is None else _pairs(version.text, f"{again}{deployment.option}")
    )
    return _write(deployment, version, {**before, **changes}, now=now)


def remove(
    deployment: Deployment, api_key: str, *, at_once: bool = False, now: datetime | None = None
) -> Change:
    """Remove an API key; raises CliError.

    It counts for SecretOverlap more, unless it is removed `at_once`: then the other API keys'
    previous secrets stop counting as well.
    """
    version = _there(deployment)
    fix = f"roomle-mail secret set API_KEY --replace{deployment.option}"
    after = _pairs(version.text, fix) if version else {}
    if after.pop(api_key, None) is not None:
        if not after:
            raise CliError(
                f"Nothing was changed: {api_key!r} is the only API key.",
                f"Set another one first: roomle-mail secret set API_KEY{deployment.option}",
                code=Exit.NOT_FINE,
            )
        change = _write(deployment, version, after, now=now)
    elif at_once and _was_known(deployment, api_key):
        change = Change(sorted(after), changed=True, warnings=[])
    else:
        raise CliError(f"There is no API key {api_key!r}.", code=Exit.NOT_FINE)
    if not at_once:
        return change
    # The value that has the key becomes the one before the previous, which never counts.
    _store(deployment, after)
    return Change(change.api_keys, changed=True, warnings=[*change.warnings, *_restart(deployment)])


def _there(deployment: Deployment) -> Version | None:
    """The current version; None if the secret never had one. Raises CliError if it was deleted."""
    version = fetch(deployment, CURRENT)
    set_it = f"roomle-mail secret set API_KEY{deployment.option}"
    if version is None and (found := _deleted(deployment, set_it)) is not None:
        raise CliError(f"The secret {found.what}.", found.fix, code=Exit.NOT_FINE)
    return version


def _was_known(deployment: Deployment, api_key: str) -> bool:
    previous = fetch(deployment, PREVIOUS)
    pairs, _ = read_json(previous.text if previous else "")
    return isinstance(pairs, dict) and api_key in pairs


def _restart(deployment: Deployment) -> list[str]:
    """Replace the receiver's running environments, which know the secret for five minutes.

    A changed configuration does (Lambda's page "Understanding the Lambda execution environment
    lifecycle"). Returns warnings.
    """
    later = "Running functions know the old secret for five minutes more"
    if deployment.of_type("AWS::Lambda::Alias"):
        return [f"{later}: an alias's version can't be restarted without a deploy."]
    name = deployment.resources[RECEIVER][1]
    variables = {**deployment.environment, "SECRET_CHANGED": datetime.now(UTC).isoformat()}
    try:
        with aws_errors():
            client = deployment.client("lambda")
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": variables}
            )
            client.get_waiter("function_updated_v2").wait(FunctionName=name)
    except CliError as err:
        return [f"{later}: {err}"]
    return []


def _write(
    deployment: Deployment, version: Version | None, after: dict[str, str], *, now: datetime | None
) -> Change:
    settings, moment = deployment.settings, now or datetime.now(UTC)
    wrong = fault(json.dumps(after), allow_published=settings.local_stack)
    if wrong is not None:
        raise CliError(
            f"Nothing was changed: {wrong.what}.",
            f"{wrong.fix}{deployment.option}",
            code=Exit.NOT_FINE,
        )
    if version is not None and read_json(version.text)[0] == after:
        # A second version with the same value would push the previous secrets out of AWSPREVIOUS.
        return Change(sorted(after), changed=False, warnings=[])
    warnings = []
    overlap = timedelta(seconds=settings.secret_overlap)
    if version is not None and fetch(deployment, PREVIOUS) is not None:
        overlap_ends = version.created + overlap
        if moment < overlap_ends:
            warnings.append(
                "The secrets from before the last change were still valid until "
                f"{times.show(overlap_ends)}; from now on they are not."
            )
    _store(deployment, after)
    until = moment + overlap if version is not None and overlap else None
    return Change(sorted(after), changed=True, warnings=warnings, until=until)


def _store(deployment: Deployment, pairs: dict[str, str]) -> None:
    with aws_errors():
        deployment.client("secretsmanager").put_secret_value(
            SecretId=deployment.output("SecretName"), SecretString=json.dumps(pairs)
        )


def _pairs(text: str, fix: str) -> dict[str, str]:
    pairs, where = read_json(text)
    if not isinstance(pairs, dict):
        raise CliError(
            f"The current value ({len(text)} characters) is not a JSON object {FORM}"
            f"{where}. So no API key in it can be kept.",
            f"Replace it: {fix}",
            code=Exit.NOT_FINE,
        )
    return pairs
