"""The outcome of each event (answers, emails, dead letters), and which outcomes are forbidden."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.proxy import Call

REDIRECT = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """API Gateway's answer to one POST; `code` is None if it answers by itself."""

    status: int
    code: str | None
    seconds: float

    @property
    def roomle_mails(self) -> bool:
        return self.status >= REDIRECT

    @property
    def died(self) -> bool:
        return (self.status, self.code) == DIED


# The function died or timed out.
DIED = (500, None)


@dataclass(slots=True)
class Entry:
    """One event. The proxy reports what AWS did, because it sees every call."""

    name: str
    recipient: str
    answers: list[Answer] = field(default_factory=list)
    sent: int = 0  # how often SES took the email
    lost: int = 0  # how often its answer did not arrive
    queued: int = 0  # how often SQS took the event
    dead_letters: int = 0
    published: list[str] = field(default_factory=list)  # the outcomes that the event bus got
    publishing_lost: int = 0  # how often the bus's answer did not arrive
    # What the function logged as failed afterwards, because a second service failed too.
    undone: set[str] = field(default_factory=set)

    @property
    def emails(self) -> int:
        """The emails that the person gets: ours and Roomle's, which sends one per event."""
        return self.sent + any(answer.roomle_mails for answer in self.answers)

    @property
    def was_told_it_is_done(self) -> bool:
        return any(not answer.roomle_mails for answer in self.answers)

    @property
    def died(self) -> bool:
        return any(answer.code is None for answer in self.answers)

    @property
    def excused(self) -> int:
        """The number of second emails that a second failure explains.

        An event that could not be withdrawn from the queue is mailed from there. If a POST or its
        answer could not be stored, the same POST gets another answer. An event that the queue took
        twice is mailed twice if the first time could not be recorded.
        """
        not_withdrawn = "withdraw" in self.undone and self.queued and self.sent
        answers = {answer.roomle_mails for answer in self.answers}
        forgotten = self.undone & {"claim", "remember"} and len(answers) > 1
        mailed_unknown = "write down" in self.undone and self.queued > 1
        return bool(not_withdrawn) + bool(forgotten) + bool(mailed_unknown)

    def read(self, log: Iterable[Mapping[str, Any]]) -> None:
        """Record what matters from the log lines of an answer."""
        for line in log:
            if line["message"] == "could not follow up":
                self.undone.add(line["failed"])
            elif line["message"] == "follow-up was cut off":
                self.undone |= {"withdraw", "remember"}

    def __str__(self) -> str:
        answers = ", ".join(f"{a.status} {a.code} {a.seconds:.2f}s" for a in self.answers)
        return (
            f"{self.name}: answered {answers}; sent {self.sent} (lost {self.lost}), "
            f"queued {self.queued}, dead letters {self.dead_letters}, "
            f"published {self.published}"
        )


@dataclass(slots=True)
class Ledger:
    """All events of a test, by recipient: each event has its own."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def open(self, name: str, recipient: str) -> Entry:
        return self.entries.setdefault(recipient, Entry(name, recipient))

    def read(self, bodies: Iterable[str], log: Iterable[Mapping[str, Any]]) -> None:
        """Record from the mailer's log lines what it could not store for these messages."""
        recipients = {json.loads(body)["id"]: recipient_of(body) for body in bodies}
        for line in log:
            cut_off = line["message"] == "follow-up was cut off"
            if cut_off or line.get("failed") == "remember":
                recipient = recipients.get(line.get("event_id", ""), "")
                if entry := self.entries.get(recipient):
                    entry.undone.add("write down")

    def dead_letter(self, dead_letters: Iterable[str]) -> None:
        """Record the bodies of the dead letters."""
        for body in dead_letters:
            if entry := self.entries.get(recipient_of(body)):
                entry.dead_letters += 1

    def book(self, calls: Iterable[Call]) -> None:
        """Record what AWS did."""
        for call in calls:
            if not call.acted:
                continue
            if call.operation == "PutEvents":
                (given,) = call.body["Entries"]
                detail = json.loads(given["Detail"])
                if entry := self.entries.get(recipient_of_event(detail.get("payload"))):
                    entry.published.append(detail["outcome"])
                    entry.publishing_lost += not call.answered
            if call.operation == "SendEmail":
                (recipient,) = call.body["Destination"]["ToAddresses"]
                if entry := self.entries.get(recipient):
                    entry.sent += 1
                    entry.lost += not call.answered
            # A dead letter has an attribute, a queued event has none.
            elif call.operation == "SendMessage" and "MessageAttributes" not in call.body:
                recipient = recipient_of(call.body["MessageBody"])
                if entry := self.entries.get(recipient):
                    entry.queued += 1

    def broken_promises(self) -> list[str]:
        """The events that break the promise, and why; call it when all queues are empty."""
        return [
            f"{why}: {entry}" for entry in self.entries.values() if (why := broken_promise(entry))
        ]

    def __str__(self) -> str:
        """The figures."""
        entries = self.entries.values()
        answers = [answer for entry in entries for answer in entry.answers]
        figures = {
            "events": len(entries),
            "mailed once by us": sum(e.emails == e.sent == 1 for e in entries),
            "left to Roomle": sum(e.emails == 1 and not e.sent for e in entries),
            "two emails because SES's answer got lost": sum(
                e.emails > 1 and e.lost > 0 for e in entries
            ),
            "two emails because a second service failed too": sum(
                e.emails > 1 and e.excused > 0 for e in entries
            ),
            "two emails because the function died in between": sum(
                e.emails > 1 and not e.lost and e.died for e in entries
            ),
            "dead letters": sum(e.dead_letters > 0 for e in entries),
            "published": sum(bool(e.published) for e in entries),
            "published twice because the bus's answer got lost": sum(
                len(e.published) > 1 for e in entries
            ),
        }
        told = ", ".join(f"{number} {what}" for what, number in figures.items() if number)
        slowest = max((answer.seconds for answer in answers), default=0)
        return f"{told}; slowest answer {slowest:.2f} s"


def broken_promise(entry: Entry) -> str | None:
    """How an event broke the promise."""
    if not entry.emails and not entry.dead_letters:
        return "no email at all"
    if entry.was_told_it_is_done and not entry.sent and not entry.dead_letters:
        return "answered below 300 without custody"
    if entry.emails > 1 + entry.lost + entry.excused:
        return "more emails than lost answers explain"
    if entry.lost and entry.emails == 1 and not entry.dead_letters:
        return "an answer was lost, but nobody mailed again"
    return wrongly_published(entry)


def wrongly_published(entry: Entry) -> str | None:
    """How the event bus got something that isn't so."""
    if len(entry.published) > 1 + entry.publishing_lost:
        return "published more often than lost answers explain"
    # A receiver that died answered nothing.
    told = {"failed" if a.roomle_mails else a.code for a in entry.answers if not a.died}
    if not entry.died and not set(entry.published) <= told:
        return "published with another outcome than the answer's"
    return None


def recipient_of(message: str) -> str:
    """The address in a queued event, "" if it is not an event."""
    try:
        return recipient_of_event(json.loads(message)["event"])
    except (ValueError, KeyError, TypeError):
        return ""


def recipient_of_event(event: Any) -> str:
    """The address in one of Roomle's events, "" if there is none."""
    try:
        return str(event["data"]["email"])
    except (KeyError, TypeError):
        return ""
