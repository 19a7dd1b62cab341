"""One event, from Roomle's POST to the one email, as it happens."""

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tools.simulator.scenario import Scenario
from tools.simulator.stage import MAILER, NAMES, NUDGE, RECEIVER, Stage, Taken
from tools.stack import webhook
from tools.stack.webhook import Answer

# How long a queued event may take, in seconds. Another event may restart the mailer in the middle
# of this one, which then comes again after the queue's visibility time-out.
PATIENCE = 240
LINES_WAIT = 3  # seconds
REDIRECT = 300
# Lambda's own lines, and metrics.
PLUMBING = ("START ", "END ", "REPORT ", "INIT_START ")

MEANINGS = {
    "sent": "SES has taken the brand’s email.",
    "queued": "The event is in the queue, and the mailer sends the brand’s email from there.",
    "ignored": "This event calls for no email, so nothing is sent.",
    "forwarded": "This event calls for no email; the event bus has it.",
    "suppressed": "This address has reached the hourly limit of emails.",
    "unauthorized": "The token does not prove that Roomle sent this, so the event is refused.",
    "malformed": "The body is not JSON.",
    "invalid-event": "A field is missing or wrong.",
    "too-large": "The body is larger than any event of Roomle’s.",
    "link-not-allowed": "The link leads to a host that the brand has not allowed.",
    "brand-not-allowed": "The API key may not send for this brand.",
    "no-template": "There is no template for this email.",
    "email-refused": "SES refuses this email permanently.",
    "unavailable": "The email can’t be sent now, or it is unknown whether it was sent.",
    "internal": "Something unexpected went wrong.",
}

# What the history says of an answer that no switch explains.
REASONS = {
    "malformed": "the body is not JSON",
    "invalid-event": "missing or wrong",
    "too-large": "the body is too large",
    "link-not-allowed": "a link to a host that the brand has not allowed",
    "brand-not-allowed": "an API key that may not send for this brand",
    "no-template": "no template for this email",
    "suppressed": "more emails than the limit for one address",
    "internal": "something unexpected",
}


@dataclass(frozen=True)
class Request:
    """What Roomle posts."""

    url: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Line:
    """A log line of a function."""

    function: str
    raw: str

    @property
    def facts(self) -> dict[str, Any]:
        """Its content, if it is JSON."""
        try:
            read = json.loads(self.raw)
        except ValueError:
            return {}
        return read if isinstance(read, dict) else {}

    @property
    def why(self) -> str:
        """The name of the error in the code, and AWS's error code."""
        told = (self.facts.get(name) for name in ("reason", "detail", "problem", "hint"))
        return ", ".join(str(each) for each in told if each)

    @property
    def design(self) -> str:
        """What the email shows of the design, and why not more."""
        return str(self.facts.get("design") or "")

    @property
    def worth_reading(self) -> bool:
        """Whether it is about the event."""
        return not self.raw.startswith(PLUMBING) and "_aws" not in self.facts


@dataclass(frozen=True)
class Verdict:
    """How many emails the person gets, and whether that keeps the promise."""

    kind: Literal["pending", "kept", "none", "exception", "broken"]
    title: str
    text: str


@dataclass
class Run:
    """One event. A separate thread fills it in while the page shows it."""

    number: int
    scenario: Scenario
    stage: Stage
    others: "list[Run]" = field(repr=False)
    began: float = field(default_factory=time.time)
    state: Literal["waiting for its turn", "posting", "delivering", "settled"] = (
        "waiting for its turn"
    )
    request: Request | None = None
    answers: list[Answer] = field(default_factory=list)
    prelude: tuple[str, Answer] | None = None
    problem: str = ""
    edits: tuple[str, ...] = ()
    """Why the current files in layers/emails are not what the stack sends."""
    unasked: list[str] = field(default_factory=list)
    """The services that fail, but were not asked."""
    _lines: list[Line] = field(default_factory=list)
    event_id: str = ""

    def play(self) -> None:
        """Send the event and follow it to the end."""
        try:
            with self.stage.mine:
                self.state = "posting"
                self._post()
            self.state = "delivering"
            self._settle()
        except Exception as err:  # noqa: BLE001 (the page says so, whatever it is)
            self.problem = f"{type(err).__name__}: {err}"
        for place in self.scenario.later_faults(self.stage):
            self.stage.switches[place].fault = None
        self.state = "settled"

    def _post(self) -> None:
        scenario, stage, session = self.scenario, self.stage, secrets.token_hex(8)
        stage.emails.renew()
        self.edits = stage.emails.problems
        stage.deliver_by(scenario.delivery)
        stage.play_roomle(scenario.roomle_fault)
        token = scenario.token_for(stage, session)
        if scenario.token == "replayed":
            first = replace(scenario, email=f"first.{scenario.email}")
            self.prelude = (first.email, self._send(self._request(first, token)))
        stage.read_logs()
        before = len(stage.lines[RECEIVER])
        self.request = self._request(scenario, token)
        self.began = time.time()
        for place, fault in scenario.later_faults(stage).items():
            stage.switches[place].fault = fault
        faults = scenario.faults(stage)
        asked = {place: stage.switches[place].asked for place in faults}
        with stage.failing(faults):
            for _ in range(2 if scenario.token == "repeated" else 1):
                self.answers.append(self._send(self.request))
        self.unasked = [
            NAMES[place[1]] for place in faults if stage.switches[place].asked == asked[place]
        ]
        self._lines = self._read_lines(before)
        found = (str(line.facts.get("event_id") or "") for line in self._lines)
        self.event_id = next(filter(None, found), "")

    def _read_lines(self, before: int) -> list[Line]:
        """The receiver's lines after the first `before`, with one decision for each answer."""
        deadline = time.monotonic() + LINES_WAIT
        while True:
            self.stage.read_logs()
            raws = self.stage.lines[RECEIVER][before:]
            lines = [Line("receiver", raw) for raw in raws if NUDGE not in raw]
            decided = sum("answer" in line.facts for line in lines)
            if decided >= len(self.answers) or time.monotonic() > deadline:
                return lines
            self.stage.nudge(RECEIVER)
            time.sleep(0.1)

    def _request(self, scenario: Scenario, token: str) -> Request:
        headers = {
            "Content-Type": "application/json",
            **({"token": token} if token else {}),
            "User-Agent": "Roomle Mail simulator",
        }
        body = json.dumps(scenario.payload, ensure_ascii=False, indent=2)
        return Request(self.stage.stack.webhook_url, headers, body)

    @staticmethod
    def _send(request: Request) -> Answer:
        return webhook.post(request.url, request.body.encode(), request.headers)

    def _settle(self) -> None:
        """Wait for the mailer, if the event is in the queue or may be."""
        if not self.event_id or not self.scenario.expected or not self.stage.stack.has_mailer:
            return
        deadline = time.monotonic() + PATIENCE
        while self._at_work() and time.monotonic() < deadline:
            time.sleep(0.2)
        if any(answer.code == "queued" for answer in self.answers):
            self.stage.nudge(MAILER)
        self.stage.read_logs()

    def _at_work(self) -> bool:
        return any(self.event_id in body for body in self.stage.queued())

    # What the page shows ---------------------------------------------------------------------

    @property
    def answer(self) -> Answer | None:
        """The answer that counts: the one to the first of several equal POSTs."""
        return self.answers[0] if self.answers else None

    @property
    def meaning(self) -> str:
        """The meaning of the answer."""
        if self.answer is None or self.answer.code is None:
            return "This is not the stack’s own answer."
        if self.consumers:
            return "The event is in the queue, where your own program takes it."
        if self.answer.code == "unavailable" and not self.scenario.expected:
            return "The event bus has not taken this event, or it is unknown whether it has."
        return MEANINGS.get(self.answer.code, "")

    @property
    def fields(self) -> list[str]:
        """Which fields are at fault, if any."""
        return [str(name) for line in self._lines for name in line.facts.get("fields", [])]

    @property
    def emails(self) -> list[Taken]:
        """The brand's emails to this person for this event, late ones included."""
        others = {run.event_id for run in self.others if run is not self}
        return [
            taken
            for taken in self.stage.taken
            if taken.at >= self.began
            and self.scenario.email in taken.recipients
            and (taken.event_id == self.event_id or taken.event_id not in others)
        ]

    @property
    def published(self) -> list[Mapping[str, Any]]:
        """What the event bus got of this event."""
        if not self.event_id:
            return []
        return [
            event
            for event in self.stage.published()
            if event["detail"].get("event_id") == self.event_id
        ]

    @property
    def roomles(self) -> int:
        """How many emails Roomle sends itself: one if any answer asks for it, and if it can."""
        refused = any(answer.status >= REDIRECT for answer in self.answers)
        return int(self.scenario.expected and self.scenario.mailable and refused)

    @property
    def consumers(self) -> int:
        """How many emails are left to another program, with Mailer=off."""
        queued = any(answer.code == "queued" for answer in self.answers)
        return int(queued and not self.stage.stack.has_mailer)

    @property
    def suppressed(self) -> bool:
        """Whether the address has had all emails that it may get in an hour."""
        return {answer.code for answer in self.answers} == {"suppressed"}

    @property
    def wrong(self) -> list[str]:
        """What went wrong, in words: the visitor's faults, and what the answer says."""
        reason = REASONS.get((self.answer and self.answer.code) or "")
        where = f"{', '.join(self.fields)}: " if self.fields else ""
        unasked = tuple(name.casefold() for name in self.unasked)
        troubles = [
            f"{each}, but was not asked" if each.casefold().startswith(unasked) else each
            for each in self.scenario.troubles
        ]
        return [*troubles, *([where + reason] if reason else [])]

    @property
    def design(self) -> str:
        """What the last email shows of the design, in the log's words."""
        return next((line.design for line in reversed(self.lines) if line.design), "")

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen."""
        return self.state == "settled"

    @property
    def lines(self) -> list[Line]:
        """The functions' log lines for this event."""
        mailers = (Line("mailer", raw) for raw in self.stage.lines[MAILER])
        mine = [line for line in mailers if self.event_id and self.event_id in line.raw]
        return [line for line in self._lines + mine if line.worth_reading]

    @property
    def verdict(self) -> Verdict:
        """Whether the promise is kept."""
        brands = len(self.emails)
        total = brands + self.roomles + self.consumers
        if self.problem:
            return Verdict("broken", "The simulator failed", self.problem)
        if not self.settled:
            return Verdict("pending", *self._progress())
        if total == 1:
            brands_own = "your own program’s" if self.consumers else "the brand’s"
            whose = "Roomle’s own" if self.roomles else brands_own
            return Verdict("kept", f"One email: {whose}", "As promised.")
        if total == 0 and (why := self._without_email()):
            return why
        if brands == self.roomles == 1 and self.scenario.ses == "answer-lost":
            return Verdict(
                "exception",
                "Two emails: the one exception",
                "If SES’s answer gets lost, nobody can know whether it took the email. Two emails "
                "are better than none.",
            )
        return Verdict("broken", f"{total} emails", "This breaks the promise.")

    def _without_email(self) -> Verdict | None:
        """Why nobody gets an email, if that keeps the promise."""
        if not self.scenario.expected:
            return Verdict("none", "No email, because none is called for", self.meaning)
        if self.suppressed:
            return Verdict(
                "exception",
                "No email: it was suppressed",
                f"This address has had its {self.stage.limit} emails within an hour. It gets no "
                "more, Roomle’s neither, so that nobody can flood a person.",
            )
        if not self.scenario.mailable:
            return Verdict(
                "none",
                "No email: nobody can be mailed",
                "This is no address that an email can be sent to, for Roomle neither.",
            )
        return None

    def _progress(self) -> tuple[str, str]:
        if self.state == "delivering":
            return "In the queue", "The mailer tries again by itself until SES takes the email."
        if self.state == "posting":
            return "Roomle waits for the answer", "It gets one within eight seconds."
        return "Waiting", "Another event is being sent."


class Runs:
    """All events of this visit."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.all: list[Run] = []
        self._numbering = threading.Lock()

    def start(self, scenario: Scenario) -> Run:
        """Start one in its own thread."""
        with self._numbering:
            run = Run(len(self.all) + 1, scenario, self.stage, self.all)
            self.all.append(run)
        threading.Thread(target=run.play, daemon=True).start()
        return run

    def get(self, number: int) -> Run | None:
        """An event by its number."""
        return self.all[number - 1] if 0 < number <= len(self.all) else None

    @property
    def score(self) -> str:
        """The promise for all events, in a sentence."""
        expected = [run for run in self.all if run.settled and run.scenario.expected]
        brands = sum(len(run.emails) for run in expected)
        roomles = sum(run.roomles for run in expected)
        suppressed = sum(run.suppressed for run in expected)
        unmailable = sum(not run.scenario.mailable for run in expected)
        consumers = sum(run.consumers for run in expected)
        return (
            f"{len(expected)} called for an email, {brands + roomles} came: {brands} the brand’s, "
            f"{roomles} Roomle’s."
            + (f" {consumers} left to your own program." if consumers else "")
            + (f" {suppressed} over the limit for one address." if suppressed else "")
            + (f" {unmailable} to no address that can be mailed." if unmailable else "")
        )
