"""`verify`: why a token is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from roomle_mail_cli import screen, times
from roomle_mail_cli.options import ApiKey, AsJson, SecretStdin, Stack
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail.tokens import Credential
    from roomle_mail_cli import reading


def verify(
    token: Annotated[
        str,
        typer.Argument(
            help="The header's value, or sealed_token of a log line; - reads it from stdin."
        ),
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(help="When it arrived: an ISO date, which is UTC without a zone, or 30m ago."),
    ] = None,
    stack: Stack = None,
    api_key: ApiKey = None,
    secret_stdin: SecretStdin = False,
    as_json: AsJson = False,
) -> None:
    """Explain a token: every part, which key, algorithm and vector fit, what to change.

    For a token from Roomle that the stack refuses. To get one, deploy with LogRefusedTokens=true:
    then a line `refused` has it as sealed_token, with the time when it came.

    All secrets of the deployment are tried, or the one given with --secret-stdin (then no AWS call
    is made unless --stack is given). Secrets and session tokens are never printed.

    \b
    Examples:
      roomle-mail verify '01-fa4x...=='
      roomle-mail verify '01-fa4x...==' --at 2026-01-31T09:30:00
      roomle-mail verify - --json < token.txt
      roomle-mail verify sealed-Qm9...==
      printf %s "$SECRET" | roomle-mail verify '01-...' --secret-stdin --api-key aValidApiKey
    """
    from roomle_mail.tokens import SEALED
    from roomle_mail_cli import keys, reading
    from roomle_mail_cli.deployment import Deployment

    if token == "-":
        if secret_stdin:
            raise CliError("Only one of the two can be read from stdin.", code=Exit.USAGE)
        token = screen.read_stdin()
    token = token.strip()
    if not token:
        raise CliError("The token is empty.", code=Exit.USAGE)
    deployment = Deployment.find(stack) if stack or not secret_stdin else None
    tried = (
        tuple(("given", each) for each in keys.from_stdin(api_key))
        if secret_stdin or deployment is None
        else keys.known(deployment)
    )
    if api_key:
        names = sorted({each.api_key for _, each in tried})
        if api_key not in names:
            raise CliError(
                f"There is no API key {api_key!r}, only {', '.join(names)}.", code=Exit.USAGE
            )
        tried = tuple(each for each in tried if each[1].api_key == api_key)
    arrived = times.parse(at, now=datetime.now(UTC)) if at is not None else None
    if token.startswith(SEALED):
        opened = reading.unseal(token, [each for _, each in tried])
        if opened is None:
            raise CliError(
                "No secret opens it: it was sealed with another one, or is cut off.",
                code=Exit.NOT_FINE,
            )
        token = opened[0]
        arrived = arrived or datetime.fromtimestamp(opened[1], UTC)
    now = (arrived or datetime.now(UTC)).timestamp()
    explanation = reading.explain(
        token, tried, deployment.settings if deployment else None, now=now
    )
    used = reading.earlier_use(deployment, token, tried) if deployment else None
    vector = candidate_vector(explanation, tried, arrived)
    if as_json:
        screen.show_json(explanation.as_json() | {"earlier_use": used, "vector": vector})
    else:
        show_explanation(explanation, used, vector)
    raise typer.Exit(Exit.FINE if explanation.accepted else Exit.NOT_FINE)


def candidate_vector(
    explanation: reading.Explanation,
    tried: Sequence[tuple[str, Credential]],
    at: datetime | None,
) -> str | None:
    """Work out an unknown initialisation vector, if nothing else is wrong."""
    from roomle_mail_cli import reading

    best = explanation.best
    if at is None or best is None or best.fits or not best.padding or best.names != best.api_key:
        return None
    key = next(each for stage, each in tried if (stage, each.api_key) == (best.stage, best.api_key))
    return reading.unknown_vector(explanation.spelling, key.secret, at)


def show_explanation(
    explanation: reading.Explanation, used: str | None, vector: str | None
) -> None:
    """Print an explanation for people."""
    from roomle_mail_cli import reading

    spelling, best = explanation.spelling, explanation.best
    how = "padded" if spelling.padded else "not padded"
    screen.show_facts(
        [
            ("verdict", explanation.verdict),
            ("spelling", f"{spelling.characters} characters, {spelling.alphabet} alphabet, {how}"),
            ("algorithm", f"{spelling.algorithm} (as written)"),
            ("ciphertext", f"{spelling.size} bytes, {spelling.size / 16:g} blocks"),
        ]
    )
    if best is not None and any(best.merit):
        screen.out().print("\nThe reading that fits:" if best.fits else "\nThe closest reading:")
        screen.show_facts(
            [
                ("  secret of", f"{best.api_key} ({best.stage})"),
                ("  algorithm", best.algorithm),
                ("  vector", reading.VECTORS[best.iv]),
                ("  padding", "right" if best.padding else "wrong"),
                ("  timestamp", best.timestamp or "unreadable"),
                ("  age", f"{explanation.age:.0f} s" if explanation.age is not None else None),
                ("  session", best.session),
                ("  API key", best.names),
            ]
        )
    if explanation.readings:
        screen.out().print("\nTried:")
        screen.show_table(
            ("secret of", "version", "algorithm", "vector", "fits"),
            [
                (
                    each.api_key,
                    each.stage,
                    each.algorithm,
                    reading.VECTORS[each.iv],
                    "yes" if each.fits else "no",
                )
                for each in explanation.readings
            ],
        )
    screen.show_facts([("\nused before", used), ("unknown vector", vector)])
    if used:
        screen.out().print(
            "With another body it is refused (TokenReuse); the same gets that answer."
        )
    for each in explanation.advice:
        screen.out().print(f"-> {screen.visible(each)}")
