"""Show the whole path at work on the local stack: `make demo`, `make demo ONCE=1`.

Every fixture of events/ is sent, with the hosts, configurators and languages of layers/emails: the
receiver's are signed now and POSTed, the mailer's are put into the queue. The answers, the emails
that arrived and what the event bus got are printed. Then the simulator page (tools/simulator) is
served, which plays Roomle.
"""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import indent
from typing import Any

from roomle_mail import emails as emails_made
from tools import fixtures
from tools.simulator import page
from tools.stack import processes, webhook
from tools.stack.deployment import Stack
from tools.stack.foreground import in_foreground, parser
from tools.stack.webhook import Email

# How long a queued email may take, in seconds, including a cold start on a busy machine.
PATIENCE = 60
REDIRECT = 300
# Answers to what is no verified event.
UNVERIFIED = {"unauthorized", "malformed", "too-large"}


@dataclass(frozen=True)
class Result:
    """The result of a fixture, and what is wrong with it, if anything."""

    name: str
    outcome: str
    emails: Sequence[Email]
    faults: Sequence[str]
    published: Sequence[Mapping[str, Any]] = ()

    def __str__(self) -> str:
        """Format it for people."""
        lines = [f"{self.name}: {self.outcome}"]
        for number, email in enumerate(self.emails):
            lines += [""] if number else []
            lines.append(f"    to       {', '.join(email.recipients)}")
            lines.append(f"    from     {email.sender}")
            lines.append(f"    subject  {email.subject}")
            lines.append(indent(email.text.strip(), "    | ", lambda _: True))
        for event in self.published:
            detail = event["detail"]
            why = f", {detail['reason']}" if "reason" in detail else ""
            lines.append(f"    bus      {event['detail-type']}: {detail['outcome']}{why}")
        lines += [f"    NOT AS EXPECTED: {fault}" for fault in self.faults]
        return "\n".join(lines)


def run(stack: Stack) -> Iterator[Result]:
    """Send every fixture that the stack has a function for."""
    for name in fixtures.expectations():
        if stack.has_mailer or name.startswith("receiver/"):
            yield send(stack, name)


def send(stack: Stack, name: str) -> Result:
    """Send a fixture, `receiver/<name>` or `mailer/<name>`, and compare the result."""
    expected = stack.tenant.expected(name, received=time.time())
    if not stack.has_mailer and expected.get("code") == "sent":
        expected = expected | {"status": 202, "code": "queued"}
    way = post if name.startswith("receiver/") else queue
    return way(stack, name, expected)


def post(stack: Stack, name: str, expected: dict[str, Any]) -> Result:
    """POST a fixture of the receiver's."""
    before, began = len(webhook.sent_emails(stack.emulator)), time.time()
    published_before = len(webhook.published(stack.emulator, stack.bus_queue_url))
    event = stack.tenant.post(name, now=datetime.now(UTC), secret=stack.secret)
    answer = webhook.post_event(stack.webhook_url, event)
    emails = webhook.sent_emails(stack.emulator)[before:]
    published = webhook.published(stack.emulator, stack.bus_queue_url)[published_before:]

    faults = []
    if (answer.status, answer.code) != (expected["status"], expected["code"]):
        faults.append(f"{expected['status']} {expected['code']} should have been answered")
    faults += faults_of(emails, *(possible(stack, name, began) if stack.has_mailer else [[]]))
    faults += faults_of_bus(published, expected)
    outcome = f"{answer.status} {answer.code or answer.body.decode(errors='replace')}"
    return Result(name, f"{outcome} in {answer.seconds:.2f} s", emails, faults, published)


def queue(stack: Stack, name: str, expected: dict[str, Any]) -> Result:
    """Put the messages of a fixture of the mailer's into the queue, and wait until it is empty."""
    emulator = stack.emulator
    queue_url, dead_letter_queue_url = (
        stack.outputs["QueueUrl"],
        stack.outputs["DeadLetterQueueUrl"],
    )
    before = len(webhook.sent_emails(emulator))
    dead_before = len(webhook.messages_in(emulator, dead_letter_queue_url))
    began, posted = time.monotonic(), time.time()
    emulator.client("sqs").send_message_batch(
        QueueUrl=queue_url,
        Entries=[
            {"Id": str(place), "MessageBody": body}
            for place, body in enumerate(stack.tenant.batch(name, now=time.time()))
        ],
    )
    while webhook.messages_in(emulator, queue_url) and time.monotonic() < began + PATIENCE:
        time.sleep(0.1)
    seconds = time.monotonic() - began
    emails = webhook.sent_emails(emulator)[before:]
    left = len(webhook.messages_in(emulator, queue_url))
    dead = len(webhook.messages_in(emulator, dead_letter_queue_url)) - dead_before

    faults = faults_of(emails, *possible(stack, name, posted))
    if left:
        faults.append(f"{left} messages are still in the queue")
    if dead != expected["dead_letters"]:
        faults.append(f"{expected['dead_letters']} dead letters should have been left")
    outcome = f"{len(emails)} sent, {dead} dead letters in {seconds:.2f} s"
    return Result(name, outcome, emails, faults)


def possible(stack: Stack, name: str, began: float) -> list[Sequence[emails_made.Email]]:
    """Return the emails that a fixture may end in, each time all of them.

    Subjects have the minute, and on a busy machine a design may come too late for an email.
    """
    return [
        stack.tenant.expected(name, received=received, designs=designs)["emails"]
        for designs in (True, False)
        for received in (began, time.time())
    ]


def faults_of(emails: Sequence[Email], *possible: Sequence[emails_made.Email]) -> list[str]:
    """Compare the emails that arrived, in any order, with those that are possible."""
    faults = []
    expected = possible[0]
    if len(emails) != len(expected):
        faults.append(f"{len(expected)} emails should have arrived, not {len(emails)}")
    if any(not email.text or not email.html for email in emails):
        faults.append("text and HTML should both be there")
    arrived = {(email.recipients, email.sender, email.subject) for email in emails}
    faults += [
        f"no email to {each[0].recipient} from {each[0].sender} with the subject "
        f"{each[0].subject!r}"
        for each in zip(*possible, strict=True)
        if not {((one.recipient,), one.sender, one.subject) for one in each} & arrived
    ]
    return faults


def faults_of_bus(published: Sequence[Mapping[str, Any]], expected: Mapping[str, Any]) -> list[str]:
    """Compare what the event bus got: a verified event once, with its outcome."""
    outcome = expected["code"] if expected["status"] < REDIRECT else "failed"
    got = [event["detail"]["outcome"] for event in published]
    # A body with a fault in it may name an event or not.
    possible = [] if expected["code"] in UNVERIFIED else [[outcome]]
    if expected["code"] in {*UNVERIFIED, "invalid-event"}:
        possible.append([])
    if got in possible:
        return []
    return [f"the event bus should have got {outcome!r}, not {got}"]


def show(stack: Stack) -> int:
    """Print the result of every fixture; return 0 if all were as expected."""
    as_expected = []
    for result in run(stack):
        print(f"\n{result}", flush=True)
        as_expected.append(not result.faults)
    right, wrong = as_expected.count(True), as_expected.count(False)
    print(f"\ndemo: {right} events as expected, {wrong} not\n", flush=True)
    return 1 if wrong or not right else 0


@contextlib.contextmanager
def simulator(stack: Stack) -> Iterator[None]:
    """Serve the simulator page next to the stack, and print its address."""
    with page.beside(stack) as address:
        processes.say("simulator", f"play Roomle at {address}")
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options_of = parser("python -m tools.demo", __doc__)
    options_of.add_argument("--once", action="store_true", help="end when all is shown")
    options = options_of.parse_args(arguments)
    return in_foreground(options, show, stay=not options.once, beside=simulator)


if __name__ == "__main__":
    sys.exit(main())
