"""`secret`: Roomle's API keys and their secrets."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomle_mail_cli import screen, times
from roomle_mail_cli.options import AsJson, Stack, Yes, confirm
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment


def set_secret(
    api_key: Annotated[
        str | None, typer.Argument(metavar="API_KEY", help="Left out for a JSON object.")
    ] = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Drop all other API keys.")] = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Set a secret; it is read from standard input and never shown. Other API keys stay.

    The previous value stays valid for SecretOverlap seconds: set it here first, then at Roomle.

    \b
    Examples:
      roomle-mail secret set aValidApiKey                 # asks, without echo
      roomle-mail secret set aValidApiKey < secret.txt
      roomle-mail secret set --replace < keys.json        # {"API key": "secret", ...}
    """
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    text = keys.read_hidden(f"Secret of {api_key}" if api_key else "JSON object")
    if not text.strip():
        raise CliError("Nothing was read: the secret is empty.", code=Exit.USAGE)
    if api_key is not None:
        changes: Any = {api_key: text}
    else:
        changes, where = keys.read_json(text)
        if not isinstance(changes, dict):
            # The text isn't repeated: it may be a secret.
            raise CliError(
                f"What was read ({len(text)} characters) is not a JSON object {keys.FORM}{where}.",
                "For one secret, name its API key: "
                f"roomle-mail secret set API_KEY{deployment.option}",
                code=Exit.USAGE,
            )
    show_change(keys.put(deployment, changes, replace=replace), deployment, as_json=as_json)


def remove_secret(
    api_key: Annotated[str, typer.Argument(metavar="API_KEY", help="As `secret list` shows it.")],
    *,
    at_once: Annotated[
        bool, typer.Option("--now", help="Don't let it count for SecretOverlap.")
    ] = False,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Remove an API key from the secret. It still counts for SecretOverlap seconds.

    With --now it stops counting at once: the previous value is overwritten, and the receiver's
    running functions are replaced, because they know the secret for five minutes.

    \b
    Examples:
      roomle-mail secret remove anOldApiKey
      roomle-mail secret remove aLeakedApiKey --now
    """
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment

    deployment = Deployment.find(stack)
    when = "now" if at_once else f"in {deployment.settings.secret_overlap} s"
    confirm(f"Refuse events that are signed for {api_key}, from {when} on?", yes=yes)
    change = keys.remove(deployment, api_key, at_once=at_once)
    show_change(change, deployment, as_json=as_json, removed=api_key)


def list_secrets(*, stack: Stack = None, as_json: AsJson = False) -> None:
    """List the API keys and the lengths of their secrets, never the secrets.

    AWSPREVIOUS is the value before the last change. It counts for SecretOverlap seconds.

    \b
    Example:
      roomle-mail secret list
    """
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment

    found = [
        {"api_key": each.api_key, "characters": len(each.secret), "version": stage}
        for stage, each in keys.known(Deployment.find(stack))
    ]
    if as_json:
        screen.show_json(found)
    else:
        screen.show_table(
            ("API key", "characters", "version"), [tuple(each.values()) for each in found]
        )


def show_change(
    change: keys.Change, deployment: Deployment, *, as_json: bool, removed: str | None = None
) -> None:
    """Say what is set now, and until when what was before still counts."""
    for warning in change.warnings:
        screen.note(f"warning: {warning}")
    if as_json:
        screen.show_json(
            {
                "changed": change.changed,
                "api_keys": change.api_keys,
                "warnings": change.warnings,
                "previous_until": change.until and change.until.isoformat(timespec="seconds"),
            }
        )
        return
    names = ", ".join(change.api_keys)
    if not change.changed:
        screen.out().print(f"Nothing to change. API keys: {names}")
        return
    screen.out().print(f"{'Removed' if removed else 'Set'}. API keys: {names}")
    overlap = f"SecretOverlap, {deployment.settings.secret_overlap} s"
    until = change.until and f"until {times.show(change.until)} ({overlap})"
    if removed is None:
        screen.note("It takes effect within five minutes, or at once when a token needs it.")
        if until:
            screen.note(f"The previous value counts {until}.")
    elif until:
        now = f"roomle-mail secret remove {shlex.quote(removed)} --now{deployment.option}"
        screen.note(f"{removed} still counts {until}. To end that at once: {now}")
    elif not change.warnings:
        screen.note(f"{removed} no longer counts.")
