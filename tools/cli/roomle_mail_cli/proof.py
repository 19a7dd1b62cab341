"""A proof that a deployed stack works: its steps, its clean-up, its report.

The steps are in `steps` (which send something) and `observation` (which only look). Each asks AWS
for the outcome, and waits no longer than the proof as a whole may take.
"""

from __future__ import annotations

import contextlib
import math
import re
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError

from roomle_mail.errors import SettingsInvalid
from roomle_mail_cli import causes, diagnosis, lines
from roomle_mail_cli.deployment import aws_errors, is_denied
from roomle_mail_cli.letters import uninterrupted
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from types import FrameType

    from roomle_mail.tokens import Credential
    from roomle_mail_cli.causes import Cause
    from roomle_mail_cli.deployment import Deployment
    from roomle_mail_cli.limits import Limit
    from roomle_mail_cli.posting import Answer

_CLEANING_TAKES, _READING_TAKES = 60.0, 10.0
# Seconds for which a message that was looked at stays hidden if it is not put back.
_HIDDEN_FOR = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 3.0
# The log's clock and this machine's may differ.
_CLOCKS = timedelta(seconds=60)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

type State = Literal["proved", "warn", "failed", "not tried"]
STOPPED = "stopped"
STYLES = {"proved": "green", "warn": "yellow", "failed": "bold red", "not tried": "yellow"}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one step.

    `warn` is for what could be better, but harms no email. `cause` and `fix` explain a failure or a
    warning, `limit` names what the emulator can't do. `unable` marks a step that could not be
    tried: AWS does not allow it, or can't be reached.
    """

    name: str
    state: State
    found: str
    cause: str = ""
    fix: str = ""
    limit: str = ""
    unable: bool = False

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: value for name, value in asdict(self).items() if value not in ("", False)}


def proved(name: str, found: str) -> Result:
    """It works."""
    return Result(name, "proved", found)


def failed(name: str, found: str, cause: Cause | None = None) -> Result:
    """It doesn't; if no cause is known, look at the log."""
    why = cause or causes.Cause("not known", "roomle-mail doctor && roomle-mail logs --since 1h")
    return Result(name, "failed", found, why.why, why.fix)


def warned(name: str, found: str, cause: Cause) -> Result:
    """It could be better."""
    return Result(name, "warn", found, cause.why, cause.fix)


def not_tried(name: str, because: str) -> Result:
    """It was not tried, on purpose."""
    return Result(name, "not tried", f"because {because}")


def limited(name: str, limit: Limit) -> Result:
    """The local emulator can't do it."""
    return replace(not_tried(name, f"the emulator {limit.lacks}"), limit=limit.name)


@dataclass(slots=True)
class Posted:
    """An event that was posted to the webhook. `mailbox` is one of SES's mailbox simulator."""

    event: str
    mailbox: str
    token: str = field(repr=False)
    body: bytes = field(repr=False)
    event_id: str
    answer: Answer | None = None
    lines: list[lines.Line] = field(default_factory=list)

    def has(self, what: str) -> bool:
        """Whether the log has this outcome for it."""
        return any(line.what == what for line in self.lines)


@dataclass(frozen=True, slots=True)
class Example:
    """How the events differ from Roomle's example."""

    url: str | None = None
    result_url: str | None = None
    configurator_id: str | None = None
    design: str | None = None


@dataclass(slots=True)
class Proof:
    """One run on a deployment.

    `credential` is None if the secret can't be used. `ends` is on the monotonic clock.
    """

    deployment: Deployment
    credential: Credential | None
    example: Example
    ends: float
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    posted: list[Posted] = field(default_factory=list)
    # Ids of own events that may still be in a queue.
    queued: set[str] = field(default_factory=set)
    # The addresses that were mailed to.
    addresses: set[str] = field(default_factory=set)
    # Alarms that this run itself makes ring, by their logical id.
    rung: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    undo: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    # Seconds until the functions have finished and the log can be searched.
    logged_within: float = 90.0
    # Why the first event that failed was not mailed.
    cause: Cause | None = None
    # Why the mailer can't work, if it can't.
    mailer_broken: str = ""

    @property
    def local(self) -> bool:
        """Whether it is a local stack, where the emulator's limits apply."""
        return self.deployment.is_local

    @property
    def end(self) -> str:
        """What the log says last of an event that all went well with."""
        # What another program does with a queued event, the log doesn't say.
        return "sent" if self.deployment.has_mailer else "queued"

    def address(self, mailbox: str, label: str) -> str:
        """An address of SES's mailbox simulator, which takes labels (SES's page on it)."""
        made = f"{mailbox}+{self.run}{label}@simulator.amazonses.com"
        self.addresses.add(made)
        return made

    def remaining(self, within: float = math.inf) -> float:
        """How many seconds a step may wait, at most `within`."""
        return max(0.0, min(within, self.ends - time.monotonic()))

    def wait(self, holds: Callable[[], bool], *, within: float) -> bool:
        """Wait until a condition is true; return whether it is."""
        until, pause = time.monotonic() + self.remaining(within), _FIRST_PAUSE
        while not (held := holds()) and time.monotonic() < until:
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        return held

    def search(self, event_ids: list[str]) -> list[lines.Line]:
        """The log's lines about events."""
        if not event_ids:
            return []
        return lines.search(self.deployment, event_ids, start=self.began - _CLOCKS)

    def finally_do(self, what: str, undo: Callable[[], None]) -> None:
        """Undo something at the end, even after an error; there may be nothing left to undo."""
        self.undo.append((what, undo))


type Step = Callable[[Proof], Iterator[Result]]


def run(proof: Proof, steps: dict[str, Step], begin: Callable[[str], Any]) -> list[Result]:
    """Run all steps, leave nothing behind, and return the results; Ctrl-C ends it early."""
    found: list[Result] = []
    left, running, interrupted = dict(steps), "", ""
    with _signals_interrupt():
        try:
            for name, step in steps.items():
                running = name
                del left[name]
                begin(name)
                found += _make(name, step, proof)
            running = "clean up"
        except KeyboardInterrupt:
            interrupted = running
        # Undoing twice does no harm, so it may be interrupted at its start.
        while True:
            try:
                with _signals_ignored():
                    begin("clean up")
                    ended = _clean_up(proof)
                break
            except KeyboardInterrupt:
                interrupted = interrupted or running
    if interrupted:
        found += [not_tried(name, "it was stopped before") for name in left]
        found.append(Result(STOPPED, "failed", f"during {interrupted!r}"))
    return [*found, ended]


def status(results: list[Result]) -> Exit:
    """The exit code: 130 if it was stopped, 1 if something failed, 3 if something was not asked."""
    if any(each.name == STOPPED for each in results):
        return Exit.INTERRUPTED
    if any(each.state == "failed" for each in results):
        return Exit.NOT_FINE
    return Exit.UNREACHABLE if any(each.unable for each in results) else Exit.FINE


def _make(name: str, step: Step, proof: Proof) -> Iterator[Result]:
    try:
        yield from step(proof)
    except CliError as err:
        yield of_error(proof, name, err)


def of_error(proof: Proof, name: str, err: CliError) -> Result:
    """What an error means for a step: failed if something is missing, else unable."""
    cause = err.__cause__
    if causes.is_gone(cause):
        return failed(name, str(err), diagnosis.of_gone(proof.deployment, str(err)))
    if isinstance(cause, SettingsInvalid):
        return failed(name, str(err), diagnosis.of_settings(proof.deployment, str(err)))
    if is_denied(cause) or isinstance(cause, BotoCoreError):
        return Result(name, "not tried", f"because {err}", fix=err.advice, unable=True)
    return failed(name, str(err), causes.Cause(str(err), err.advice or "roomle-mail doctor"))


def _clean_up(proof: Proof) -> Result:
    left = []
    while proof.undo:
        what, undo = proof.undo[-1]
        try:
            undo()
        except CliError as err:
            left.append(f"{what}: {err}")
        proof.undo.pop()
    if left:
        return failed(
            "clean up",
            "; ".join(left),
            causes.Cause("it could not be undone", "see docs/operations.md, step 9"),
        )
    return proved(
        "clean up",
        "no message, alarm state or address is left; records in the table expire by "
        "themselves, and the log keeps its lines",
    )


# --- signals ----------------------------------------------------------------------------------


@contextlib.contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP stop the proof as Ctrl-C does."""
    with _signals(signal.default_int_handler):
        yield


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    with _signals(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _signals(
    handler: Callable[[int, FrameType | None], Any] | signal.Handlers,
) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


# --- messages of our own ----------------------------------------------------------------------


def take_own(
    proof: Proof, url: str, event_ids: set[str], use: Callable[[str], None] = lambda _: None
) -> set[str]:
    """Remove own messages from a queue after using their bodies; returns their ids.

    Reading a queue hides messages for a moment. Other people's are put back at once.
    """
    sqs, found, seen = proof.deployment.client("sqs"), set[str](), set[str]()
    until = time.monotonic() + proof.remaining(_READING_TAKES)
    fresh = True
    while fresh and time.monotonic() < until:
        others: list[str] = []
        with aws_errors(), uninterrupted():
            try:
                messages = sqs.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=10,
                    VisibilityTimeout=_HIDDEN_FOR,
                    # A long poll asks all of SQS's servers.
                    WaitTimeSeconds=1,
                ).get("Messages", [])
                others += [each["ReceiptHandle"] for each in messages]
                for each in messages:
                    mine = {event_id for event_id in event_ids if event_id in each["Body"]}
                    if mine:
                        use(each["Body"])
                        sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
                        others.remove(each["ReceiptHandle"])
                        found |= mine
            finally:
                for receipt in others:
                    sqs.change_message_visibility(
                        QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0
                    )
        ids = {each["MessageId"] for each in messages}
        fresh = bool(ids - seen)
        seen |= ids
    return found


def sweep(proof: Proof) -> None:
    """Delete own messages that are still in a queue; raises CliError if one may be left."""
    deployment, own = proof.deployment, set(proof.queued)
    queue, dead = deployment.output("QueueUrl"), deployment.output("DeadLetterQueueUrl")
    # Clean-up has its own time limit.
    began = time.monotonic()
    proof.ends = max(proof.ends, began + 2 * _CLEANING_TAKES)
    while proof.queued:
        for url in (queue, dead):
            try:
                proof.queued -= take_own(proof, url, own)
            except CliError as err:
                # A queue that was deleted holds nothing.
                if not causes.is_gone(err.__cause__):
                    raise
        told = proof.search(sorted(proof.queued))
        proof.queued -= {
            str(line.facts["event_id"]) for line in told if line.what in ("sent", "skipped")
        }
        # A postponed message is hidden until the mailer's next try. An event without a log line was
        # never queued.
        postponed = any(line.what == "postponed" for line in told)
        takes = _CLEANING_TAKES if postponed else _CLEANING_TAKES / 4
        if time.monotonic() > began + takes:
            if postponed:
                raise CliError(
                    f"{len(proof.queued)} messages wait for the mailer's next try; they lead to "
                    "the simulator, or become dead letters"
                )
            break
    proof.queued.clear()


# --- the report -------------------------------------------------------------------------------

_ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_LINK = re.compile(r"\w+://[^\s'\"]+")
_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
_TOKEN = re.compile(r"(?:0\d-)?[A-Za-z0-9+/]{43,}={0,2}")


def redact(text: str, hidden: set[str], api_keys: Iterable[str] = ()) -> str:
    """Remove what a bug report must not contain: addresses, links, accounts, tokens, secrets.

    API keys become `API_KEY`, so that what says which secret to set is still a command.
    """
    for each in sorted(hidden - {""}, key=len, reverse=True):
        text = text.replace(each, "(hidden)")
    for each in sorted(set(api_keys) - {""}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(each)}(?![\w-])", "API_KEY", text)
    for pattern, name in (
        (_LINK, "(link)"),
        (_ADDRESS, "(address)"),
        (_ACCOUNT, "(account)"),
        (_TOKEN, "(token)"),
    ):
        text = pattern.sub(name, text)
    return text


def redacted(proof: Proof, results: list[Result], api_keys: Iterable[str] = ()) -> list[Result]:
    """The results without what a report must not contain."""
    return [
        replace(
            each,
            found=redact(each.found, proof.hidden, api_keys),
            cause=redact(each.cause, proof.hidden, api_keys),
            fix=redact(each.fix, proof.hidden, api_keys),
        )
        for each in results
    ]
