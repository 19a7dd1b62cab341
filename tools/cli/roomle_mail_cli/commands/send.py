"""`send` and `sign`: an event as Roomle sends it, or its token alone."""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roomle_mail_cli import screen
from roomle_mail_cli.options import (
    ApiKey,
    AsJson,
    ConfiguratorId,
    ResultUrl,
    SecretStdin,
    Stack,
    Url,
    duration,
    finite,
    need,
    refuse,
)
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail.tokens import Credential
    from roomle_mail_cli import lines, posting, sign
    from roomle_mail_cli.deployment import Deployment


class Algorithm(StrEnum):
    """A token's algorithms."""

    CBC = "01"
    ECB = "02"
    NONE = "none"


class Vector(StrEnum):
    """Where CBC's initialisation vector comes from."""

    ZERO = "zero"
    KEY = "key"
    PREFIX = "prefix"


class Alphabet(StrEnum):
    """Base64's."""

    STANDARD = "standard"
    URL = "url"


AlgorithmOption = Annotated[Algorithm | None, typer.Option(help="Default: what is accepted.")]
VectorOption = Annotated[Vector | None, typer.Option("--iv", help="Default: what is accepted.")]
AlphabetOption = Annotated[Alphabet, typer.Option(help="Base64's alphabet.")]
PaddingOption = Annotated[bool, typer.Option("--padding/--no-padding", help="Base64's `=`.")]


def java_zone(value: str) -> str:
    """Refuse a zone that Java's X does not write."""
    if not re.fullmatch(r"Z|[+-](0\d|1[0-8])([0-5]\d)?", value, re.ASCII):
        raise typer.BadParameter(f"{value!r} is not a zone of Java's X, such as Z, +01, +0530.")
    return value


ZoneOption = Annotated[
    str, typer.Option(callback=java_zone, help="The timestamp's zone: Z, +01, +0530.")
]
SessionOption = Annotated[str | None, typer.Option(help="The session token. Default: random.")]
AgeOption = Annotated[
    float, typer.Option(callback=finite, help="The token's age in seconds.", metavar="SECONDS")
]


def form_of(
    deployment: Deployment | None,
    algorithm: Algorithm | None,
    iv: Vector | None,
    alphabet: Alphabet,
    *,
    padding: bool,
    zone: str,
) -> sign.Form:
    """Choose the token's form: what was asked for, else what the deployment accepts."""
    from roomle_mail_cli import posting, sign

    accepted = posting.accepted_form(deployment.settings) if deployment else sign.Form()
    chosen = algorithm.value if algorithm else accepted.get("algorithm", "01")
    if chosen == "02":
        refuse("algorithm 02, which has no vector", "iv")
    return sign.Form(
        algorithm=chosen,
        iv=iv.value if iv else accepted.get("iv", "zero"),
        alphabet=alphabet.value,
        padding=padding,
        zone=zone,
    )


def credential_for(
    stack: str | None, api_key: str | None, *, secret_stdin: bool, elsewhere: bool = False
) -> tuple[Credential, Deployment | None]:
    """Find the credential to sign with, and the deployment if it is needed."""
    from roomle_mail_cli import keys
    from roomle_mail_cli.deployment import Deployment

    given = keys.from_stdin(api_key) if secret_stdin else keys.from_environment()
    if given and elsewhere and stack is None:
        return keys.choose(given, api_key), None
    deployment = Deployment.find(stack)
    return keys.choose(given or keys.current(deployment), api_key), deployment


def complete_event(incomplete: str) -> list[str]:
    """The events whose name begins so, for the shell's completion."""
    from roomle_mail_cli import posting

    return [each for each in posting.short_names() if each.startswith(incomplete)]


def send(
    event: Annotated[
        str | None, typer.Argument(metavar="EVENT", autocompletion=complete_event)
    ] = None,
    *,
    to: Annotated[str | None, typer.Option(help="The recipient's address.")] = None,
    url: Url = None,
    result_url: ResultUrl = None,
    configuration_id: Annotated[str | None, typer.Option(help="The configuration.")] = None,
    item_id: Annotated[str | None, typer.Option(help="The item, without a configuration.")] = None,
    configurator_id: ConfiguratorId = None,
    failed: Annotated[bool, typer.Option("--failed", help="Roomle's own work failed.")] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=JSON", help="Another field of data. Repeatable."),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="Send this file, - is standard input: as it is, or with what else is given here "
            "in place of its own."
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(help="Send this token instead of a new one.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Post to this URL.")] = None,
    wait: Annotated[
        float,
        typer.Option(callback=duration, help="Seconds to wait for the event's log lines."),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Print the request, don't send it.")
    ] = False,
    stack: Stack = None,
    api_key: ApiKey = None,
    secret_stdin: SecretStdin = False,
    algorithm: AlgorithmOption = None,
    iv: VectorOption = None,
    alphabet: AlphabetOption = Alphabet.STANDARD,
    padding: PaddingOption = True,
    zone: ZoneOption = "Z",
    session: SessionOption = None,
    age: AgeOption = 0,
    header: Annotated[str | None, typer.Option(help="The token's header.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign an event as Roomle does, post it, show the answer. This sends a real email!

    EVENT is savedConfiguration, shareConfiguration, shareConfigurationAR, 3DExportAsset, or any
    other name in full. What you leave out is as in Roomle's example, or as in --body. The answer
    comes with the event's and the request's id; with --wait the log says why. The secret is the
    deployment's, or ROOMLE_API_KEY and ROOMLE_SECRET, or read with --secret-stdin. With one of the
    latter and --webhook, no AWS call is made.

    \b
    Examples:
      roomle-mail send savedConfiguration --to you@example.com
      roomle-mail send shareConfiguration --to you@example.com --configurator-id myConfigurator \\
          --url 'https://www.roomle.com/t/cp/?id=catalog:item:2564B3D4&lang=de' --wait 10
      roomle-mail send 3DExportAsset --to you@example.com --failed
      roomle-mail send --body captured.json --to you@example.com --stack roomle-mail-prod
      roomle-mail send savedConfiguration --to you@example.com --age 3600   # refused: too old
    """
    from roomle_mail_cli import posting

    check(body, item_id, token, webhook, secret_stdin=secret_stdin, dry_run=dry_run)
    changes = {
        "success": False if failed else None, "resultUrl": result_url,
        "configuratorId": configurator_id,
    }  # fmt: skip
    more = {x: value for x, value in changes.items() if value is not None} | fields(field or [])
    content = content_of(
        body, event, to=to, url=url, configuration_id=configuration_id, item_id=item_id, more=more
    )  # fmt: skip
    deployment = deployment_for(stack, elsewhere=webhook is not None)
    if token is None:
        credential, deployment = credential_for(
            stack, api_key, secret_stdin=secret_stdin, elsewhere=webhook is not None
        )
        form = form_of(deployment, algorithm, iv, alphabet, padding=padding, zone=zone)
        token = posting.fresh_token(
            credential, form, age=age, session=secrets.token_hex(16) if session is None else session
        )
    if deployment is None:
        need("--stack, since the log is the stack's", "wait")
    name = header or (deployment.settings.token_header if deployment else "token")
    target = webhook or (deployment.webhook_url if deployment else "")
    request = posting.Request(target, {"Content-Type": "application/json", name: token}, content)
    if dry_run:
        show_request(request, as_json=as_json)
        return
    sent_at = datetime.now(UTC)
    answer = posting.post(request)
    found = wait_for(deployment, answer, token, content, sent_at, wait) if deployment else []
    show_answer(request, answer, token, found, waited=wait > 0, as_json=as_json)
    raise typer.Exit(Exit.FINE if answer.fine else Exit.NOT_FINE)


def sign_token(
    *,
    stack: Stack = None,
    api_key: ApiKey = None,
    secret_stdin: SecretStdin = False,
    algorithm: AlgorithmOption = None,
    iv: VectorOption = None,
    alphabet: AlphabetOption = Alphabet.STANDARD,
    padding: PaddingOption = True,
    zone: ZoneOption = "Z",
    session: SessionOption = None,
    age: AgeOption = 0,
    as_json: AsJson = False,
) -> None:
    """Print a fresh token, the value of Roomle's header.

    Anyone who has it can have one email sent until it expires (TokenMaxAge).

    \b
    Examples:
      curl -X POST -H "token: $(roomle-mail sign)" -H 'content-type: application/json' \\
          --data @event.json https://...
      roomle-mail sign --iv prefix --zone +0530
      printf %s "$SECRET" | roomle-mail sign --secret-stdin --api-key aValidApiKey
    """
    from roomle_mail_cli import posting

    credential, deployment = credential_for(
        stack, api_key, secret_stdin=secret_stdin, elsewhere=True
    )
    form = form_of(deployment, algorithm, iv, alphabet, padding=padding, zone=zone)
    token = posting.fresh_token(
        credential, form, age=age, session=secrets.token_hex(16) if session is None else session
    )
    if as_json:
        header = deployment.settings.token_header if deployment else "token"
        screen.show_json({"token": token, "header": header, "api_key": credential.api_key} | form)
    else:
        sys.stdout.write(f"{token}\n")


def check(
    body: str | None,
    item_id: str | None,
    token: str | None,
    webhook: str | None,
    *,
    secret_stdin: bool,
    dry_run: bool,
) -> None:
    """Raise CliError for options that would be ignored, and for a webhook that is no URL."""
    from roomle_mail_cli.deployment import is_url

    if webhook is not None and not is_url(webhook):
        raise CliError(f"{webhook!r} is not an http(s) URL.", code=Exit.USAGE)
    if token is not None:
        refuse("--token", "algorithm", "iv", "alphabet", "padding", "zone", "session", "age",
               "api_key", "secret_stdin")  # fmt: skip
    if item_id is not None:
        refuse("--item-id", "configuration_id")
    if dry_run:
        refuse("--dry-run", "wait")
    if body == "-" and secret_stdin:
        raise CliError("Only one of the two can be read from stdin.", code=Exit.USAGE)


def deployment_for(stack: str | None, *, elsewhere: bool) -> Deployment | None:
    """The deployment, unless a webhook elsewhere is all that is asked for."""
    from roomle_mail_cli.deployment import Deployment

    return None if elsewhere and stack is None else Deployment.find(stack)


def content_of(
    body: str | None,
    event: str | None,
    *,
    to: str | None,
    url: str | None,
    configuration_id: str | None,
    item_id: str | None,
    more: dict[str, Any],
) -> bytes:
    """The bytes to post: a file's, an event that is written here, or a file's with changes."""
    from roomle_mail_cli import posting

    if body is None:
        if event is None or to is None:
            raise CliError(
                "There is no event or no recipient.",
                "Give EVENT and --to, or --body.",
                code=Exit.USAGE,
            )
        written = posting.payload(
            event,
            to=to,
            url=url,
            configuration_id=configuration_id,
            item_id=item_id,
            more=more,
        )
        if more.get("success") is False and "resultUrl" not in more:
            written["data"].pop("resultUrl", None)
        return dumped(written)
    raw = screen.read_stdin_bytes() if body == "-" else read_file(body)
    changes = {
        "email": to, "url": url, "configurationId": configuration_id, "itemId": item_id
    }  # fmt: skip
    data = {x: value for x, value in changes.items() if value is not None} | more
    if event is None and not data:
        return raw
    changed = changed_event(raw, posting.event_name(event) if event else None, data)
    return dumped(changed)


def changed_event(raw: bytes, name: str | None, data: dict[str, Any]) -> dict[str, Any]:
    """A captured event with another name or other data; raises CliError if it is none."""
    try:
        found = json.loads(raw)
        known = dict(found["data"])
    except (ValueError, TypeError, KeyError):
        raise CliError(
            "The body is not one of Roomle's events, so nothing in it can be replaced.",
            "Leave out EVENT, --to and the other fields to send it as it is.",
            code=Exit.USAGE,
        ) from None
    # An event is about the one or the other.
    for new, old in (("itemId", "configurationId"), ("configurationId", "itemId")):
        if new in data:
            known.pop(old, None)
    return {**found, **({"event": name} if name else {}), "data": known | data}


def dumped(value: object) -> bytes:
    """As JSON, compact."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


# The options that set a field of `data`.
OPTIONS = {
    "email": "to",
    "url": "url",
    "resultUrl": "result_url",
    "configurationId": "configuration_id",
    "itemId": "item_id",
    "configuratorId": "configurator_id",
    "success": "failed",
}


def fields(given: Sequence[str]) -> dict[str, Any]:
    """Read NAME=JSON; a value that is not JSON is taken as text."""
    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise CliError(f"{each!r} is not NAME=JSON.", code=Exit.USAGE)
        if name in found:
            raise CliError(f"--field {name} is given twice.", code=Exit.USAGE)
        if name in OPTIONS:
            refuse(f"--field {name}", OPTIONS[name])
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def read_file(path: str) -> bytes:
    """Read a file; raises CliError."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", err)
        raise CliError(f"{path} can't be read: {reason}", code=Exit.USAGE) from err


def show_request(request: posting.Request, *, as_json: bool) -> None:
    """Print the request that would be sent."""
    text = request.body.decode("utf-8", "replace")
    if as_json:
        screen.show_json({"url": request.url, "headers": request.headers, "body": text})
        return
    screen.out().print(f"POST {request.url}")
    for name, value in request.headers.items():
        screen.out().print(f"{name}: {value}")
    screen.out().print(f"\n{text}")


def wait_for(
    deployment: Deployment,
    answer: posting.Answer,
    token: str,
    body: bytes,
    sent_at: datetime,
    seconds: float,
) -> list[lines.Line]:
    """Wait for the log lines of a request, until it is decided or time is up."""
    from roomle_mail_cli import consumer, lines, posting, reasons

    if not seconds or answer.unreceived:
        return []
    # A request that is refused early has another id than one that is understood.
    ids = {posting.event_id(token, body), posting.refused_id(token, body), answer.request_id}
    query = lines.Query(ids=[each for each in ids if each])
    start, ends = sent_at - timedelta(seconds=60), time.monotonic() + seconds
    with screen.progress("waiting for the log", None) as step:
        while True:
            found = lines.search(deployment, query, start=start)
            if not found and answer.told == (None, None):
                # Then the function wrote nothing, and Lambda may have.
                coming = lines.search(deployment, lines.Query(), start=sent_at)
                found = [line for line in coming if reasons.is_of_lambda(line)]
            found += consumer.lines(deployment, found)
            passing = ("received", "queued", "postponed", "claimed")
            done = any(line.what not in passing for line in found)
            if done or time.monotonic() > ends:
                return found
            step(1)
            time.sleep(0.5)


def show_answer(
    request: posting.Request,
    answer: posting.Answer,
    token: str,
    found: list[lines.Line],
    *,
    waited: bool,
    as_json: bool,
) -> None:
    """Print the answer, the log's lines, and why it is not a good one."""
    from roomle_mail_cli import posting, reasons

    status, code = answer.told
    logged = [line.facts for line in found]
    # What is refused for its token has the id of a token that was not read (a replay is rare).
    event_id = posting.refused_id if answer.status == HTTPStatus.UNAUTHORIZED else posting.event_id
    result = {
        "answer": answer.status,
        "status": status,
        "code": code,
        "seconds": round(answer.seconds, 3),
        "event_id": next(
            (each["event_id"] for each in logged if each.get("event_id")),
            event_id(token, request.body),
        ),
        "request_id": next(
            (each["correlation_id"] for each in logged if each.get("correlation_id")),
            answer.request_id,
        ),
        "url": request.url,
    }
    if code is None:
        result["body"] = answer.body[:500]
    causes = reasons.group(found)
    if as_json:
        log = {"log": [line.as_json for line in found], "why": [each.as_json for each in causes]}
        screen.show_json(result | (log if waited else {}))
        return
    screen.show_facts(result.items())
    for line in found:
        screen.out().print(screen.visible(str(line)))
    for each in causes:
        screen.out().print(screen.visible(f"why: {each.reason.meaning}"))
        screen.out().print(screen.visible(f"-> {each.remedy}"))
    if answer.unreceived:
        screen.note("It did not reach the receiver, so the log has no line about it.")
    elif waited and not found:
        screen.note("The log has no line about it yet.")
    if not answer.fine:
        screen.note("Roomle would send its own email now.")
        if answer.unreceived:
            screen.note("Why: roomle-mail doctor")
        elif not waited:
            what = f" {status}" if status in ("refused", "failed") else ""
            screen.note(f"Why: --wait 20, or roomle-mail why{what}")
