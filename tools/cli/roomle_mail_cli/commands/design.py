"""`design`: what Roomle says about a design, and what an email would show of it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import ApiKey, AsJson, ConfiguratorId, SecretStdin, Stack
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail.tokens import Credential
    from roomle_mail_cli.deployment import Deployment
    from roomle_mail_cli.roomle import Inquiry
    from roomle_mail_cli.shown import Brand, Shown


def design(
    content_id: Annotated[
        str, typer.Argument(metavar="ID", help="A configuration, an item, a plan, or its link.")
    ],
    *,
    brand_id: Annotated[
        str | None, typer.Option("--brand", help="A brand of brands.toml. Default: its default.")
    ] = None,
    configurator_id: ConfiguratorId = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language", metavar="LANGUAGE", help="Of the email. Repeatable. Default: the brand's."
        ),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Ask Roomle's test system, as for test.roomle.com.")
    ] = False,
    api: Annotated[
        str | None,
        typer.Option(help="Ask this URL in place of all of Roomle's hosts. Also: ROOMLE_API."),
    ] = None,
    stack: Stack = None,
    api_key: ApiKey = None,
    secret_stdin: SecretStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show what Roomle says about a design, and what an email would show of it.

    Try it before you set `show` in brands.toml. Roomle's documentation leaves open how its API is
    asked; the answers to some twenty calls settle that here. Nothing is changed at Roomle, and no
    email is sent. The secret is the deployment's, or ROOMLE_API_KEY and ROOMLE_SECRET, or read with
    --secret-stdin. With one of the latter and no --stack, no AWS call is made.

    Exits with 1 if an email would lack something that the brand shows and such a design can have: a
    plan has only a picture. With 3 if Roomle can't be reached. Secrets, tokens and prices are never
    printed.

    \b
    Examples:
      roomle-mail design myCatalog:sofa:2564B3D4... --brand studio --language de
      roomle-mail design 'https://test.roomle.com/t/cp/?id=myCatalog:sofa:2564B3D4...'
      roomle-mail design myCatalog:sofa --json
      roomle-mail design demo:shelf:2564B3D4 --stack .local/stack.json
    """
    from roomle_mail.designs import Designs
    from roomle_mail_cli import roomle, shown

    subject = roomle.Subject.of(content_id, test=test)
    brand = shown.brand(brand_id, configurator_id)
    languages = shown.languages_of(brand, language or [])
    credential, deployment = credential_for(brand, stack, api_key, secret_stdin=secret_stdin)
    stand_in = instead_of_roomle(api, deployment)
    if deployment:
        designs = Designs.by(deployment.settings)
        designs.on, designs.stand_in = True, stand_in
    else:
        designs = Designs(True, stand_in, "01", "fixed")  # noqa: FBT003 (as by default)
    inquiry = roomle.Inquiry(
        subject,
        roomle.Roomle(stand_in),
        credential,
        (designs.token_algorithm, designs.token_iv),
        languages,
        time.time(),
    )
    with screen.progress("asking Roomle", len(roomle.QUESTIONS) + len(languages)) as step:
        roomle.inquire(inquiry, step)
        emails: list[Shown] = []
        for each in languages:
            emails.append(shown.look_up(designs, subject, brand, each, credential))
            step(1)
    off = deployment is not None and not deployment.settings.designs
    if as_json:
        screen.show_json(as_document(inquiry, brand, emails, off=off))
    else:
        show(inquiry, brand, emails, off=off)
        if deployment is not None and not deployment.has_mailer:
            screen.note("Mailer is off: the stack sends no email, so none shows a design.")
    raise typer.Exit(Exit.NOT_FINE if any(each.missing for each in emails) else Exit.FINE)


def credential_for(
    brand: Brand, stack: str | None, api_key: str | None, *, secret_stdin: bool
) -> tuple[Credential | None, Deployment | None]:
    """Find the credential to ask with, as the functions do, and the deployment if it is needed."""
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment

    given = keys.from_stdin(api_key) if secret_stdin else keys.from_environment()
    if given and stack is None:
        return keys.choose(given, api_key), None
    deployment = Deployment.find(stack)
    if not given and not deployment.settings.require_token and not api_key:
        return None, deployment
    known = given or keys.current(deployment)
    if api_key is None and brand.api_keys:
        known = tuple(each for each in known if each.api_key in brand.api_keys) or known
    return keys.choose(known, api_key), deployment


def instead_of_roomle(api: str | None, deployment: Deployment | None) -> str | None:
    """The URL that stands in for Roomle's hosts: the option, ROOMLE_API, or a local stack's."""
    url = api or os.environ.get("ROOMLE_API") or (deployment and deployment.settings.roomle_api)
    if url and not url.startswith(("http://", "https://")):
        raise CliError(f"{url} is not an http(s) URL.", code=Exit.USAGE)
    return url or None


def as_document(
    inquiry: Inquiry, brand: Brand, emails: list[Shown], *, off: bool
) -> dict[str, Any]:
    """All of it, for programs."""
    from roomle_mail_cli import roomle

    subject = inquiry.subject
    return {
        "id": subject.id,
        "kind": subject.kind,
        "environment": subject.environment,
        "instead_of_roomle": inquiry.roomle.stand_in,
        "brand": brand.id,
        "shows": list(brand.show),
        "designs": "off" if off else "on",
        "roomle": roomle.without_prices(inquiry.found),
        "emails": [each.as_json for each in emails],
        "doubts": [each.as_json for each in inquiry.doubts],
        "calls": [each.as_json for each in inquiry.roomle.calls],
    }


def show(inquiry: Inquiry, brand: Brand, emails: list[Shown], *, off: bool) -> None:
    """All of it, for people."""
    from roomle_mail_cli import roomle

    subject = inquiry.subject
    where = inquiry.roomle.stand_in or f"Roomle's {subject.environment} system"
    screen.out().print(f"What {where} says about the {subject.kind}:")
    found = roomle.without_prices(inquiry.found)
    screen.show_facts(((f"  {name}", value) for name, value in found.items()) if found else ())
    if not found:
        screen.out().print("  nothing")
    for each in emails:
        shows = ", ".join(brand.show) or "nothing yet, so this is with all that can be shown"
        screen.out().print(
            f"\nWhat an email in {each.language!r} would show (brand {brand.id} shows {shows}):"
        )
        screen.show_facts(
            (
                ("  picture", each.design.picture),
                ("  name", each.design.name),
                ("  size", each.size),
                ("  missing", ", ".join(each.missing)),
                ("  the log says", each.outcome),
                ("  took", f"{each.seconds:.2f} s"),
            )
        )
    screen.out().print("\nWhat Roomle's documentation leaves open:")
    screen.show_table(
        ("", "question", "answer"),
        [("ok" if each.settled else "?", each.question, each.answer) for each in inquiry.doubts],
    )
    screen.out().print("\nCalls:")
    screen.show_table(
        ("seconds", "what", "answer"),
        [(f"{each.seconds:.2f}", each.what, each.told) for each in inquiry.roomle.calls],
    )
    if off:
        screen.note("The stack's parameter Designs is off: no email shows designs.")
    if any(each.missing for each in emails):
        screen.note("An email would go out without what is missing.")
    elif not brand.show:
        screen.note("To show it: `show` and `picture_hosts` in brands.toml; docs/emails.md.")
