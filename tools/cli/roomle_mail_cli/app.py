"""The commands: options in, one call, a result out."""

import json
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from roomle_mail.errors import SettingsInvalid
from roomle_mail.tokens import Credential
from roomle_mail_cli import (
    causes,
    keys,
    letters,
    lines,
    observation,
    posting,
    proof,
    reading,
    screen,
    sign,
    steps,
)
from roomle_mail_cli import doctor as checking
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.options import before_all, before_command, takes_session
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from roomle_mail_cli.checks import Check

HELP = """Look after a deployment of Roomle Mail, on AWS or on a local stack.

Credentials and region are found as the AWS CLI finds them. Region: --region, AWS_REGION,
AWS_DEFAULT_REGION, the profile's. Profile: --profile, AWS_PROFILE, AWS_DEFAULT_PROFILE. Both
options may stand before the command or after it. AWS_ENDPOINT_URL counts too.

The stack is found by its name: --stack, ROOMLE_MAIL_STACK, or else roomle-mail. A local stack is
found by the file that describes it: --stack .local/stack.json. That file names its own region.

\b
Exit codes:
  0  done, and all is well
  1  done, with a negative result: refused, failed, not found
  2  the command line is wrong
  3  the deployment, AWS or the webhook can't be reached, or AWS does not allow it
"""

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
dead_letters = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
dead_letters.callback()(before_command)
app.add_typer(dead_letters, name="dead-letters", help="Emails that could not be sent.")
secret = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
secret.callback()(before_command)
app.add_typer(secret, name="secret", help="Roomle's API keys and their secrets.")


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
AlgorithmOption = Annotated[Algorithm | None, typer.Option(help="Default: what is accepted.")]
VectorOption = Annotated[Vector | None, typer.Option("--iv", help="Default: what is accepted.")]
AlphabetOption = Annotated[Alphabet, typer.Option(help="Base64's alphabet.")]
PaddingOption = Annotated[bool, typer.Option("--padding/--no-padding", help="Base64's `=`.")]
ZoneOption = Annotated[str, typer.Option(help="The timestamp's zone: Z, +01, +0530.")]
SessionOption = Annotated[str | None, typer.Option(help="The session token. Default: random.")]
AgeOption = Annotated[float, typer.Option(help="The token's age in seconds.")]


# --- send and sign ----------------------------------------------------------------------------


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
    accepted = posting.accepted_form(deployment.settings) if deployment else sign.Form()
    return sign.Form(
        algorithm=algorithm.value if algorithm else accepted.get("algorithm", "01"),
        iv=iv.value if iv else accepted.get("iv", "zero"),
        alphabet=alphabet.value,
        padding=padding,
        zone=zone,
    )


def credential_for(
    stack: str | None, api_key: str | None, *, secret_stdin: bool, elsewhere: bool = False
) -> tuple[Credential, Deployment | None]:
    """Find the credential to sign with, and the deployment if it is needed."""
    given = keys.from_stdin(api_key) if secret_stdin else keys.from_environment()
    if given and elsewhere and stack is None:
        return keys.choose(given, api_key), None
    deployment = Deployment.find(stack)
    return keys.choose(given or keys.current(deployment), api_key), deployment


@app.command()
@takes_session
def send(
    event: Annotated[str | None, typer.Argument(metavar="EVENT")] = None,
    *,
    to: Annotated[str | None, typer.Option(help="The recipient's address.")] = None,
    url: Annotated[str | None, typer.Option(help="The link to the content.")] = None,
    result_url: Annotated[str | None, typer.Option(help="The link to the 3D asset.")] = None,
    configuration_id: Annotated[str | None, typer.Option(help="The configuration.")] = None,
    item_id: Annotated[str | None, typer.Option(help="The item, without a configuration.")] = None,
    configurator_id: Annotated[str | None, typer.Option(help="Picks the brand.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Roomle's own work failed.")] = False,
    field: Annotated[
        list[str] | None, typer.Option(help="Another field of data: NAME=JSON. Repeatable.")
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="Send this file as it is, - is standard input.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="Send this token instead of a new one.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Post to this URL.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the event's log lines.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the request, don't send it.")
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
    other name in full. What you leave out is as in Roomle's example. The secret is the
    deployment's, or ROOMLE_API_KEY and ROOMLE_SECRET, or read with --secret-stdin. With one of the
    latter and --webhook, no AWS call is made.

    \b
    Examples:
      roomle-mail send savedConfiguration --to you@example.com
      roomle-mail send shareConfiguration --to you@example.com --configurator-id myConfigurator \\
          --url 'https://www.roomle.com/t/cp/?id=catalog:item:2564B3D4&lang=de' --wait 10
      roomle-mail send 3DExportAsset --to you@example.com --failed
      roomle-mail send --body captured.json --stack roomle-mail-prod
      roomle-mail send savedConfiguration --to you@example.com --age 3600   # refused: too old
    """
    credential, deployment = credential_for(
        stack, api_key, secret_stdin=secret_stdin, elsewhere=webhook is not None
    )
    if body is not None:
        content = sys.stdin.buffer.read() if body == "-" else read_file(body)
    else:
        if event is None or to is None:
            raise CliError(
                "There is no event or no recipient.",
                "Give EVENT and --to, or --body.",
                code=Exit.USAGE,
            )
        more: dict[str, Any] = {"success": not failed}
        more |= {"resultUrl": result_url} if result_url else {}
        more |= {"configuratorId": configurator_id} if configurator_id else {}
        written = posting.payload(
            event,
            to=to,
            url=url,
            configuration_id=configuration_id,
            item_id=item_id,
            more=more | fields(field or []),
        )
        if failed and result_url is None:
            written["data"].pop("resultUrl", None)
        content = json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()

    form = form_of(deployment, algorithm, iv, alphabet, padding=padding, zone=zone)
    sent_token = token or posting.fresh_token(
        credential, form, age=age, session=session or secrets.token_hex(16)
    )
    name = header or (deployment.settings.token_header if deployment else "token")
    target = webhook or (deployment.webhook_url if deployment else "")
    request = posting.Request(
        target, {"Content-Type": "application/json", name: sent_token}, content
    )
    if dry_run:
        show_request(request, as_json=as_json)
        return
    answer = posting.post(request)
    event_id = posting.event_id(sent_token, content)
    status, code = answer.told
    result = {
        "answer": answer.status,
        "status": status,
        "code": code,
        "seconds": round(answer.seconds, 3),
        "event_id": event_id,
        "url": target,
    }
    if code is None:
        result["body"] = answer.body[:500]
    found = wait_for(deployment, event_id, wait) if deployment and event_id and wait else []
    if as_json:
        screen.show_json(result | ({"log": [line.as_json for line in found]} if wait else {}))
    else:
        screen.show_facts(result.items())
        for line in found:
            screen.out().print(screen.visible(str(line)))
        if not answer.fine:
            screen.note("Roomle would send its own email now.")
    raise typer.Exit(Exit.FINE if answer.fine else Exit.NOT_FINE)


@app.command(name="sign")
@takes_session
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
    credential, deployment = credential_for(
        stack, api_key, secret_stdin=secret_stdin, elsewhere=True
    )
    form = form_of(deployment, algorithm, iv, alphabet, padding=padding, zone=zone)
    token = posting.fresh_token(credential, form, age=age, session=session or secrets.token_hex(16))
    if as_json:
        header = deployment.settings.token_header if deployment else "token"
        screen.show_json({"token": token, "header": header, "api_key": credential.api_key} | form)
    else:
        sys.stdout.write(f"{token}\n")


def fields(given: Sequence[str]) -> dict[str, Any]:
    """Read NAME=JSON; a value that is not JSON is taken as text."""
    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise CliError(f"{each!r} is not NAME=JSON.", code=Exit.USAGE)
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def read_file(path: str) -> bytes:
    """Read a file; raises CliError."""
    try:
        return Path(path).read_bytes()
    except OSError as err:
        raise CliError(f"{path} can't be read: {err.strerror}", code=Exit.USAGE) from err


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


def wait_for(deployment: Deployment, event_id: str, seconds: float) -> list[lines.Line]:
    """Wait for the log lines of an event, until the email is sent or time is up."""
    start = datetime.fromtimestamp(time.time() - 60, UTC)
    ends = time.monotonic() + seconds
    with screen.progress("waiting for the log", None) as step:
        while True:
            found = lines.search(deployment, [event_id], start=start)
            done = any(line.what not in ("received", "queued", "postponed") for line in found)
            if done or time.monotonic() > ends:
                return found
            step(1)
            time.sleep(0.5)


# --- verify -----------------------------------------------------------------------------------


@app.command()
@takes_session
def verify(
    token: Annotated[str, typer.Argument(help="The header's value; - reads it from stdin.")],
    *,
    at: Annotated[
        datetime | None, typer.Option(help="When it arrived (UTC). Default: now.")
    ] = None,
    stack: Stack = None,
    api_key: ApiKey = None,
    secret_stdin: SecretStdin = False,
    as_json: AsJson = False,
) -> None:
    """Explain a token: every part, which key, algorithm and vector fit, what to change.

    For a token from Roomle that the stack refuses. All secrets of the deployment are tried, or the
    one given with --secret-stdin (then no AWS call is made unless --stack is given). Secrets and
    session tokens are never printed.

    \b
    Examples:
      roomle-mail verify '01-fa4x...=='
      roomle-mail verify '01-fa4x...==' --at 2026-01-31T09:30:00
      roomle-mail verify - --json < token.txt
      printf %s "$SECRET" | roomle-mail verify '01-...' --secret-stdin --api-key aValidApiKey
    """
    if token == "-":
        if secret_stdin:
            raise CliError("Only one of the two can be read from stdin.", code=Exit.USAGE)
        token = sys.stdin.read()
    token = token.strip()
    deployment = Deployment.find(stack) if stack or not secret_stdin else None
    tried = (
        tuple(("given", each) for each in keys.from_stdin(api_key))
        if secret_stdin or deployment is None
        else keys.known(deployment)
    )
    if api_key and not secret_stdin:
        tried = tuple(each for each in tried if each[1].api_key == api_key)
    now = (at.replace(tzinfo=UTC) if at else datetime.now(UTC)).timestamp()
    explanation = reading.explain(
        token, tried, deployment.settings if deployment else None, now=now
    )
    used = reading.earlier_use(deployment, token, tried) if deployment else None
    vector = candidate_vector(explanation, tried, at)
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
    best = explanation.best
    if at is None or best is None or best.fits or not best.padding or best.names != best.api_key:
        return None
    key = next(each for stage, each in tried if (stage, each.api_key) == (best.stage, best.api_key))
    return reading.unknown_vector(explanation.spelling, key.secret, at.replace(tzinfo=UTC))


def show_explanation(
    explanation: reading.Explanation, used: str | None, vector: str | None
) -> None:
    """Print an explanation for people."""
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
    if best is not None and best.merit > (0, 0, 0, 0):
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


# --- doctor -----------------------------------------------------------------------------------


@app.command()
@takes_session
def doctor(
    stack_name: Annotated[
        str | None,
        typer.Argument(
            metavar="STACK", help="The stack's name, or the file that describes a local one."
        ),
    ] = None,
    *,
    stack: Stack = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a deployment: what stops it from sending emails, or soon will, and what to do.

    It only reads, except for two requests to the webhook without a token, which must be refused.
    They ring no alarm: requests without a token count as Unauthenticated, not as Refused.

    \b
    Examples:
      roomle-mail doctor
      roomle-mail doctor roomle-mail-prod --strict
      roomle-mail doctor .local/stack.json --json
    """
    deployment = Deployment.find(stack_name or stack)
    _ = deployment.stack  # without it there is nothing to check
    planned = checking.checks()
    found: list[Check] = []
    with screen.progress("checking", len(planned)) as step:
        for name, check in planned.items():
            found += checking.make(name, check, deployment)
            step(1)
    counts = {state: sum(each.state == state for each in found) for state in screen.STYLES}
    if as_json:
        screen.show_json(
            {
                "stack": deployment.name,
                "region": deployment.region,
                "counts": counts,
                "checks": [each.as_json for each in found],
            }
        )
    else:
        rows: list[tuple[object, ...]] = []
        for each in found:
            state = Text(each.state, style=screen.STYLES[each.state])
            rows.append((state, each.name, each.found))
            if each.advice:
                rows.append(("", "", f"-> {each.advice}"))
        screen.show_table(("", "check", "found"), rows)
        told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
        screen.out().print(f"\n{told}")
    bad = counts["fail"] or (strict and counts["warn"])
    raise typer.Exit(Exit.NOT_FINE if bad else Exit.FINE)


# --- prove ------------------------------------------------------------------------------------

STEPS: dict[str, proof.Step] = {
    "secret": steps.prove_secret,
    "permissions": steps.prove_permissions,
    "resources": steps.prove_resources,
    "events": steps.prove_events,
    "repeat": steps.prove_repeat,
    "refusals": steps.prove_refusals,
    "dead letter": steps.prove_dead_letter,
    "redrive": steps.prove_redrive,
    "alarm": observation.prove_alarm,
    "SES's events": steps.prove_ses_events,
    "saved queries": observation.prove_queries,
    "dashboard": observation.prove_dashboard,
    "alarms": observation.prove_alarms,
}


def steps_for(deployment: Deployment) -> dict[str, proof.Step]:
    """All steps, or those that are possible without the receiver's settings, which all others need.

    Raises CliError where AWS does not let them be read.
    """
    try:
        _ = deployment.settings
    except CliError as err:
        if not (isinstance(err.__cause__, SettingsInvalid) or causes.is_gone(err.__cause__)):
            raise
        problem = err
    else:
        return STEPS

    def receiver(running: proof.Proof) -> Iterator[proof.Result]:
        yield proof.of_error(running, "receiver", problem)

    def impossible(name: str) -> proof.Step:
        return lambda _: iter([proof.not_tried(name, "the receiver's settings can't be read")])

    possible = ("permissions", "resources", "alarm", "alarms")
    rest = {name: STEPS[name] if name in possible else impossible(name) for name in STEPS}
    return {"receiver": receiver, **rest}


@app.command()
@takes_session
def prove(
    stack_name: Annotated[
        str | None,
        typer.Argument(
            metavar="STACK", help="The stack's name, or the file that describes a local one."
        ),
    ] = None,
    *,
    url: Annotated[str | None, typer.Option(help="The link in the events.")] = None,
    result_url: Annotated[str | None, typer.Option(help="The link to the 3D asset.")] = None,
    configurator_id: Annotated[str | None, typer.Option(help="Picks the brand.")] = None,
    within: Annotated[
        float, typer.Option(min=1, max=proof.LONGEST, help="Seconds to take at most.")
    ] = proof.LONGEST,
    yes: Yes = False,
    stack: Stack = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a deployment works, and say how to fix what does not.

    Sends each kind of event to SES's mailbox simulator, which is no real person, and follows it
    through the log, SES's events, metrics and alarms. Posts a repeat, a replay, a forged and an
    expired token. Puts one message on the dead-letter path and redrives another. Makes one alarm
    ring. Runs the saved queries, and reads every metric of the dashboard. It asks once before it
    begins, and leaves no message and no alarm state behind, also after Ctrl-C.

    The report of --json has no addresses, tokens, secrets, links or account numbers: attach it to
    a bug report.

    \b
    Examples:
      roomle-mail prove
      roomle-mail prove roomle-mail-prod --yes --json > report.json
      roomle-mail prove .local/stack.json --yes
    """
    deployment = Deployment.find(stack_name or stack)
    _ = deployment.stack  # without it there is nothing to prove
    to_make = steps_for(deployment)
    usable = (
        to_make is STEPS
        and deployment.settings.require_token
        and next(causes.secret(deployment), None) is None
    )
    credential = keys.choose(keys.current(deployment), api_key) if usable else None
    emails = len(steps.KINDS) * len(steps.MAILBOXES) + 1
    confirm(
        f"Prove {deployment.name} in {deployment.region}? It sends {emails} emails to SES's "
        f"mailbox simulator, takes {within / 60:.0f} minutes and costs a few cents, both at most. "
        "One alarm is made to ring, and TokenReplayedAlarm, DeadLettersAlarm and RefusalsAlarm "
        "may ring because of what is tried.",
        yes=yes,
    )
    began = time.monotonic()
    running = proof.Proof(
        deployment,
        credential,
        proof.Example(url, result_url, configurator_id),
        # The remaining time is for undoing.
        ends=began + within * 0.9,
        hidden={credential.secret.decode(), credential.api_key} if credential else set(),
    )
    if not running.local:
        running.finally_do("the suppression list", partial(observation.clear_suppressions, running))
    with screen.stages(len(to_make) + 1) as begin:
        results = proof.run(running, to_make, begin)
    results = proof.redacted(running, results)
    counts = {state: sum(each.state == state for each in results) for state in proof.STYLES}
    if as_json:
        screen.show_json(
            {
                "stack": deployment.name,
                "region": deployment.region,
                "version": deployment.outputs.get("Version"),
                "began": running.began.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - began, 1),
                "run": running.run,
                "counts": counts,
                "results": [each.as_json for each in results],
            }
        )
    else:
        show_results(results, counts)
    raise typer.Exit(proof.status(results))


def show_results(results: list[proof.Result], counts: dict[str, int]) -> None:
    """Print a proof's results for people."""
    rows: list[tuple[object, ...]] = []
    shown: dict[str, str] = {}
    for each in results:
        rows.append((Text(each.state, style=proof.STYLES[each.state]), each.name, each.found))
        if each.cause:
            rows.append(("", "", f"likely cause: {each.cause}"))
        if each.fix:
            above = shown.setdefault(each.fix, each.name)
            rows.append(("", "", f"-> {each.fix if above == each.name else f'as for {above}'}"))
    screen.show_table(("", "what", "found"), rows)
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    screen.out().print(f"\n{told}")


# --- dead letters -----------------------------------------------------------------------------


def take(deployment: Deployment, address: str | None = None) -> list[letters.Letter]:
    """Receive the dead letters, or one person's; the others are put back at once."""
    with screen.progress("reading dead letters", letters.count(deployment) or None) as step:
        found = letters.collect(deployment, step)
    if address is None:
        return found
    wanted = sys.stdin.read().strip() if address == "-" else address
    mine = [each for each in found if letters.same_address(each, wanted)]
    letters.put_back(deployment, [each for each in found if each not in mine])
    return mine


def choose(
    deployment: Deployment, ids: list[str] | None, address: str | None, *, everything: bool
) -> list[letters.Letter]:
    """Receive the chosen letters and put back the others; raises CliError if there are none."""
    if not (ids or address or everything):
        raise CliError("Which ones?", "Give ids, --address or --all.", code=Exit.USAGE)
    found = take(deployment, address)
    chosen = [each for each in found if not ids or {each.id, each.event_id} & set(ids)]
    letters.put_back(deployment, [each for each in found if each not in chosen])
    known = {name for each in chosen for name in (each.id, each.event_id)}
    if unknown := [each for each in ids or [] if each not in known]:
        letters.put_back(deployment, chosen)
        raise CliError(f"There is no dead letter {', '.join(unknown)}.", code=Exit.NOT_FINE)
    return chosen


@dead_letters.command(name="list")
@takes_session
def list_letters(
    *,
    address: Address = None,
    personal: Personal = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters: the reason and the event of each.

    \b
    Examples:
      roomle-mail dead-letters list
      roomle-mail dead-letters list --address - --json < address.txt
    """
    deployment = Deployment.find(stack)
    found = take(deployment, address)
    letters.put_back(deployment, found)
    if as_json:
        screen.show_json([each.facts(personal=personal) for each in found])
        return
    columns: tuple[str, ...] = ("id", "since", "reason", "event", "configurator", "event_id")
    columns += ("address",) if personal else ("recipient",)
    rows = [each.facts(personal=personal) for each in found]
    screen.show_table(columns, [[row[each] or "-" for each in columns] for row in rows])
    screen.note(f"{len(found)} dead letters")


@dead_letters.command(name="show")
@takes_session
def show_letter(
    which: Annotated[str, typer.Argument(metavar="ID", help="Its id, or its event's.")],
    *,
    personal: Personal = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter.

    \b
    Examples:
      roomle-mail dead-letters show 6e3c...
      roomle-mail dead-letters show 6e3c... --show-personal-data
    """
    deployment = Deployment.find(stack)
    chosen = choose(deployment, [which], None, everything=False)
    letters.put_back(deployment, chosen)
    facts = [each.facts(personal=personal) for each in chosen]
    if as_json:
        screen.show_json(facts[0])
        return
    for each in facts:
        body = each.pop("body", None)
        screen.show_facts(each.items())
        if body is not None:
            screen.show_json(body)


@dead_letters.command()
@takes_session
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Letters' or events' ids.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    address: Address = None,
    rate: Annotated[
        int | None, typer.Option(min=1, max=500, help="With --all: letters a second.")
    ] = None,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Try dead letters again: move them back to the queue.

    Fix the cause first. An email that was sent in the meantime is not sent again. With --all, SQS
    moves the letters itself (StartMessageMoveTask) where it can; single ones are moved by this
    command.

    \b
    Examples:
      roomle-mail dead-letters redrive --all
      roomle-mail dead-letters redrive --all --rate 10 --yes
      roomle-mail dead-letters redrive 6e3c... 91fa...
    """
    deployment = Deployment.find(stack)
    if everything and not ids and address is None:
        number = letters.count(deployment)
        if number:
            confirm(f"Move all {number} dead letters back to the queue?", yes=yes)
        moved: int | None = 0
        if number:
            with screen.progress("moving", number) as step:
                moved = letters.redrive(deployment, rate=rate, step=step)
        way = "sqs"
        if moved is None:
            screen.note("This endpoint has no StartMessageMoveTask: moving one by one.")
            moved, way = resend(deployment, take(deployment)), "one by one"
    else:
        chosen = choose(deployment, ids, address, everything=everything)
        ask(deployment, f"Move {len(chosen)} dead letters back to the queue?", chosen, yes=yes)
        moved, way = resend(deployment, chosen), "one by one"
    tell(f"{moved} moved to the queue", {"moved": moved, "way": way}, as_json=as_json)


@dead_letters.command()
@takes_session
def drop(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Letters' or events' ids.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    address: Address = None,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Delete dead letters permanently: nobody gets these emails.

    \b
    Examples:
      roomle-mail dead-letters drop 6e3c...
      roomle-mail dead-letters drop --address - < address.txt   # to erase a person's data
      roomle-mail dead-letters drop --all --yes
    """
    deployment = Deployment.find(stack)
    chosen = choose(deployment, ids, address, everything=everything)
    ask(deployment, f"Delete {len(chosen)} dead letters permanently?", chosen, yes=yes)
    with screen.progress("deleting", len(chosen)) as step:
        dropped = letters.drop(deployment, chosen, step)
    tell(f"{dropped} deleted", {"dropped": dropped}, as_json=as_json)


def resend(deployment: Deployment, chosen: list[letters.Letter]) -> int:
    """Move letters one by one, with a bar."""
    with screen.progress("moving", len(chosen)) as step:
        return letters.resend(deployment, chosen, step)


def ask(deployment: Deployment, question: str, chosen: list[letters.Letter], *, yes: bool) -> None:
    """Ask about the received letters; put them back unless the answer is yes."""
    if not chosen:
        return
    try:
        confirm(question, yes=yes)
    except (CliError, typer.Abort):
        letters.put_back(deployment, chosen)
        raise


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless --yes is given; raises CliError without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CliError(question, "This is not a terminal: give --yes.", code=Exit.USAGE)
    typer.confirm(question, abort=True, err=True)


def tell(text: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """Say what was done."""
    if as_json:
        screen.show_json(facts)
    else:
        screen.out().print(text)


# --- logs -------------------------------------------------------------------------------------


@app.command()
@takes_session
def logs(
    *,
    address: Annotated[
        str | None, typer.Option("--address", help="What happened to this address; - is stdin.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", help="What happened to this event.")
    ] = None,
    since: Annotated[str, typer.Option(help="30m, 2h, 7d, or an ISO date.")] = "1h",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until Ctrl-C.")] = False,
    lasting: Annotated[
        float | None, typer.Option("--for", help="With --follow: stop after this many seconds.")
    ] = None,
    stack: Stack = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
) -> None:
    """Show the log: of a person, of an event, or all of it.

    The log contains no addresses, so an address is hashed with the deployment's secrets first. It
    takes a few seconds until a new line can be found.

    \b
    Examples:
      roomle-mail logs --address jane@customer.example --since 7d
      roomle-mail logs --event 0f3a...
      roomle-mail logs --follow
    """
    deployment = Deployment.find(stack)
    start = lines.since(since, now=datetime.now(UTC))
    if address is not None and event is not None:
        raise CliError("Either --address or --event.", code=Exit.USAGE)
    if address is not None:
        terms = lines.hashes(deployment, sys.stdin.read() if address == "-" else address)
    else:
        terms = [event] if event else []
    found = 0
    if follow:
        coming = lines.follow(deployment, terms, start=start, lasting=lasting)
        try:
            with closing(coming):
                for line in coming:
                    found += 1
                    show_line(line, as_json=as_json)
        except KeyboardInterrupt:
            raise typer.Exit(Exit.FINE) from None
    else:
        with screen.progress("reading the log", None):
            lines_found = lines.search(deployment, terms, start=start)
        for line in lines_found:
            found += 1
            show_line(line, as_json=as_json)
    if not found:
        screen.note(f"Nothing since {start:%Y-%m-%d %H:%M} UTC; --since looks further back.")
    raise typer.Exit(Exit.FINE if found or not terms else Exit.NOT_FINE)


def show_line(line: lines.Line, *, as_json: bool) -> None:
    """Print one line of the log."""
    if as_json:
        screen.show_json_line(line.as_json)
    else:
        screen.out().print(screen.visible(str(line)))


# --- the secret -------------------------------------------------------------------------------


@secret.command(name="set")
@takes_session
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
    deployment = Deployment.find(stack)
    text = keys.read_hidden(f"Secret of {api_key}" if api_key else "JSON object")
    if api_key is not None:
        changes: Any = {api_key: text}
    else:
        try:
            changes = json.loads(text)
        except ValueError:
            changes = None
        if not isinstance(changes, dict):
            # The text isn't repeated: it may be a secret.
            raise CliError(
                "That is not a JSON object.",
                "Name the API key: roomle-mail secret set API_KEY",
                code=Exit.USAGE,
            )
    show_change(keys.put(deployment, changes, replace=replace), deployment, as_json=as_json)


@secret.command(name="remove")
@takes_session
def remove_secret(
    api_key: Annotated[str, typer.Argument(metavar="API_KEY")],
    *,
    yes: Yes = False,
    stack: Stack = None,
    as_json: AsJson = False,
) -> None:
    """Remove an API key from the secret.

    \b
    Example:
      roomle-mail secret remove anOldApiKey
    """
    deployment = Deployment.find(stack)
    confirm(f"Refuse events that are signed for {api_key} from now on?", yes=yes)
    show_change(keys.remove(deployment, api_key), deployment, as_json=as_json)


@secret.command(name="list")
@takes_session
def list_secrets(*, stack: Stack = None, as_json: AsJson = False) -> None:
    """List the API keys and the lengths of their secrets, never the secrets.

    \b
    Example:
      roomle-mail secret list
    """
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


def show_change(change: keys.Change, deployment: Deployment, *, as_json: bool) -> None:
    """Say what is set now."""
    for warning in change.warnings:
        screen.note(f"warning: {warning}")
    if as_json:
        screen.show_json(
            {"changed": change.changed, "api_keys": change.api_keys, "warnings": change.warnings}
        )
        return
    names = ", ".join(change.api_keys)
    if not change.changed:
        screen.out().print(f"Nothing to change. API keys: {names}")
        return
    screen.out().print(f"Set. API keys: {names}")
    screen.note(
        "It takes effect within five minutes, or at once when a token needs it. The previous value "
        f"stays valid for {deployment.settings.secret_overlap} s."
    )


# ----------------------------------------------------------------------------------------------


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="roomle-mail")
    except CliError as err:
        screen.err().print(f"roomle-mail: {screen.visible(str(err))}")
        if err.advice:
            screen.err().print(f"-> {screen.visible(err.advice)}")
        sys.exit(err.code)
