"""One POST's attempt: what it has reached, and the answer that follows from that.

While there is time, the work may be interrupted at any moment. Custody decides the answer, and
what comes afterwards (withdrawing, remembering, giving back) can't change it for the worse.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from roomle_mail import telemetry
from roomle_mail.deadline import Deadline, DeadlineExceeded
from roomle_mail.delivery import Custody, Delivery, Queue, Queued, Sender
from roomle_mail.errors import (
    HourlyCapReached,
    RoomleMailError,
    TimeRunningOut,
    TokenExpired,
    TokenMissing,
    TokenReplayed,
)
from roomle_mail.events import Event, fold_address
from roomle_mail.idempotency import IdempotencyStore, Outcome, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomle_mail.emails import Email
    from roomle_mail.settings import Settings
    from roomle_mail.tokens import Claims

_ANSWERING_TAKES = 0.5  # seconds kept for the way back
_SETTLING_TAKES = 1.0  # seconds kept for what follows the work
_DAY = 86_400
_TOKEN_REMEMBERED_FOR = 7 * _DAY
_BODY_REMEMBERED_FOR = 60
_API_GATEWAY_WAITS = 30  # seconds; an older request is nobody's (API Gateway's page "Quotas")
_OK, _ACCEPTED, _SERVER_ERROR = 200, 202, 500


@dataclass(slots=True)
class Request:
    """A POST as API Gateway hands it on (payload format 2.0); `body` is its bytes.

    `started_at` is in seconds since the epoch.
    """

    id: str
    headers: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    started_at: float

    @classmethod
    def read(cls, event: object, *, now: float) -> Request:
        """Take what is there: a token or a body that isn't is refused later."""
        known = event if isinstance(event, dict) else {}
        context = known.get("requestContext")
        context = context if isinstance(context, dict) else {}
        headers = known.get("headers")
        epoch = context.get("timeEpoch")
        started = epoch / 1000 if isinstance(epoch, (int, float)) else now
        return cls(
            id=str(context.get("requestId", "")),
            headers=headers if isinstance(headers, dict) else {},
            body=_body(known),
            # A stored event (`sam local invoke`) carries the time at which it was stored.
            started_at=started if 0 <= now - started <= _API_GATEWAY_WAITS else now,
        )

    def header(self, name: str) -> str:
        """The header of that name in any letter case; raises TokenMissing unless there is one."""
        found = [value for key, value in self.headers.items() if key.casefold() == name]
        if len(found) != 1 or not isinstance(found[0], str):
            raise TokenMissing
        return found[0]


type Work = Callable[["Attempt", Deadline], Outcome]


@dataclass
class Attempt:
    """What one POST has reached so far."""

    request: Request
    memory: IdempotencyStore
    settings: Settings
    facts: dict[str, object] = field(default_factory=dict)
    began: float = field(default_factory=time.time)
    _delivery: Delivery = field(default_factory=Delivery)
    _claimed: str | None = None
    _give_back: list[Callable[[], None]] = field(default_factory=list)

    @property
    def event_id(self) -> str:
        """The event's id once it is known, else an empty text."""
        return str(self.facts.get("event_id", ""))

    def answer(self, work: Work) -> dict[str, Any]:
        """Do the work within the deadline, settle what follows from it, and answer Roomle."""
        self.facts["correlation_id"] = self.request.id
        deadline = Deadline(self.settings.answer_within - (self.began - self.request.started_at))
        outcome, error = self._work(work, deadline)
        outcome = self._settle(outcome, deadline)
        self._log(outcome, error)
        return {
            "statusCode": outcome.status,
            "headers": {"content-type": "application/json"},
            "body": _body_of(outcome),
        }

    # --- the steps of the work ----------------------------------------------------------------

    def claim(self, claims: Claims | None, now: float, deadline: Deadline) -> Outcome | None:
        """Claim the POST: None if it is ours to answer, else the answer that it got."""
        key = self._key(claims)
        self.facts["event_id"] = self._derive_event_id(claims)
        # Ours until the contrary is known: the answer to our own claim may get lost.
        self._claimed = key
        try:
            record = self.memory.claim(
                key,
                body=self._body_hash,
                event_id=self.event_id,
                now=now,
                lifetime=self._lifetime(claims),
            )
        except TokenReplayed:
            self._claimed = None
            raise
        if record is None:
            return None
        self._claimed = None
        return self._repeat(key, record, deadline)

    def known_outcome(self, expired: TokenExpired, deadline: Deadline) -> Outcome:
        """The answer that a POST got whose token has expired since; raises `expired` if none."""
        key = self._key(expired.claims)
        record = self.memory.look_up(key, body=self._body_hash)
        if record is None:
            raise expired
        return self._repeat(key, record, deadline)

    def note(self, event: Event, brand: str, claims: Claims | None) -> None:
        """Keep for log and limits what may be known of an event, and log that it was received."""
        key = claims.credential.hash_key if claims else self.memory.pepper()
        self.facts |= {
            "event": event.name,
            "configurator": telemetry.safe_configurator(event.configurator_id),
            "brand": brand,
            "recipient": telemetry.hash_address(fold_address(event.recipient), key=key),
        }
        telemetry.log("INFO", "received", self.facts)

    def reserve(self, now: float) -> bool:
        """Take a place under both limits; False where this recipient has none left.

        Raises HourlyCapReached. A place is given back unless custody is reached, so that an
        outage never turns into silence.
        """
        memory, settings = self.memory, self.settings
        recipient = str(self.facts["recipient"])
        if limit := settings.max_emails_per_recipient_per_hour:
            self._give_back.append(lambda: memory.give_back_recipient(recipient, now=now))
            if not memory.reserve_recipient(recipient, limit=limit, now=now):
                self._give_back.clear()
                return False
        if limit := settings.max_emails_per_hour:
            if not memory.reserve_stack(limit=limit, now=now):
                raise HourlyCapReached
            self._give_back.append(lambda: memory.give_back_stack(now=now))
        return True

    def deliver(
        self, event: Event, email: Email, sender: Sender, queue: Queue, deadline: Deadline
    ) -> Outcome:
        """Bring the email into somebody's custody."""
        self.facts["language"] = email.language
        queued = Queued(
            id=self.event_id,
            event=event.payload,
            recipient=str(self.facts["recipient"]),
            received=self.request.started_at,
            correlation=self.request.id,
        )
        custody = self._delivery.deliver(
            email,
            queued,
            channels=self.settings.delivery,
            sender=sender,
            queue=queue,
            deadline=deadline,
            reserve=_SETTLING_TAKES + _ANSWERING_TAKES,
        )
        if custody.status == "sent":
            self.facts |= {
                "age_ms": telemetry.milliseconds_since(self.request.started_at),
                "time_to_ses_ms": telemetry.milliseconds_since(self.began),
            }
        return _IN_CUSTODY[custody.status]

    # --- the frame around it ------------------------------------------------------------------

    def _work(self, work: Work, deadline: Deadline) -> tuple[Outcome, BaseException | None]:
        error: RoomleMailError
        try:
            reserve = _SETTLING_TAKES + _ANSWERING_TAKES
            return deadline.run(work, self, deadline, reserve=reserve), None
        except RoomleMailError as err:
            error = err
        except DeadlineExceeded:
            error = TimeRunningOut()
        except Exception as err:  # noqa: BLE001 (whatever it is, Roomle must get an answer)
            return Outcome(RoomleMailError.status, RoomleMailError.code), err
        return Outcome(error.status, error.code), error

    def _settle(self, outcome: Outcome, deadline: Deadline) -> Outcome:
        """Do what follows from the outcome, as far as it goes in the time that is left."""
        cut_off = False
        try:
            deadline.run(self._follow_up, outcome, reserve=_ANSWERING_TAKES)
        except DeadlineExceeded:
            # Nothing that takes time: until this ends the timer may still be set.
            cut_off = True
        if cut_off:
            telemetry.log("ERROR", "settling was cut off", self.facts)
        return self._final(outcome)

    def _follow_up(self, outcome: Outcome) -> None:
        if self._delivery.queue_asked and self._delivery.custody is None:
            with telemetry.BestEffort("withdraw", self.event_id):
                self._withdraw()
        if self._claimed is not None:
            with telemetry.BestEffort("remember", self.event_id):
                self.memory.remember(self._claimed, self._final(outcome))
        if self._delivery.custody is None:
            for give_back in self._give_back:
                with telemetry.BestEffort("give a place back", self.event_id):
                    give_back()

    def _final(self, outcome: Outcome) -> Outcome:
        custody = self._delivery.custody
        return outcome if custody is None else _IN_CUSTODY[custody.status]

    def _withdraw(self) -> None:
        """Withdraw what the queue may have taken; what the mailer has already is in custody."""
        if not self.memory.withdraw(self.event_id, now=time.time()):
            self._delivery.custody = Custody("queued", "")

    def _log(self, outcome: Outcome, error: BaseException | None) -> None:
        custody = self._delivery.custody
        facts = self.facts | {
            "answer": outcome.status,
            "message_id": custody.message_id if custody else None,
            "duration_ms": telemetry.milliseconds_since(self.began),
        }
        if (why := error or self._delivery.failed) is not None:
            facts |= telemetry.explain(why)
        what = "repeated" if "repeat" in facts else outcome.label
        received, severe = "recipient" in facts, outcome.status >= _SERVER_ERROR
        telemetry.decided(what, facts, received=received, severe=severe)

    # --- keys ---------------------------------------------------------------------------------

    @cached_property
    def _body_hash(self) -> bytes:
        return hashlib.sha256(self.request.body).digest()

    def _key(self, claims: Claims | None) -> str:
        if claims is None:
            return f"body-{self._body_hash.hex()}"
        if self.settings.token_reuse == "allow":
            return hashlib.sha256(claims.replay_key + self._body_hash).hexdigest()
        return claims.replay_key.hex()

    def _lifetime(self, claims: Claims | None) -> float | None:
        if claims is None:
            return _BODY_REMEMBERED_FOR
        # Under `prefix` a token can be dated anew for ever, so it is remembered for ever.
        return None if self.settings.token_iv == "prefix" else _TOKEN_REMEMBERED_FOR

    def _derive_event_id(self, claims: Claims | None) -> str:
        # Without a token the same body may be a new event after a while.
        mark = self.request.id.encode() if claims is None else claims.data
        return hashlib.sha256(mark + b"\0" + self._body_hash).hexdigest()[:32]

    def _repeat(self, key: str, record: Record, deadline: Deadline) -> Outcome:
        self.facts["event_id"] = record.event_id
        self.facts["repeat"] = True
        reserve = _SETTLING_TAKES + _ANSWERING_TAKES
        return self.memory.wait(
            key, record, body=self._body_hash, deadline=deadline, reserve=reserve
        )


@lru_cache(maxsize=64)
def _body_of(outcome: Outcome) -> str:
    return json.dumps({"status": outcome.label, "code": outcome.code})


_IN_CUSTODY = {"sent": Outcome(_OK, "sent"), "queued": Outcome(_ACCEPTED, "queued")}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if not isinstance(body, str):
        return b""
    if event.get("isBase64Encoded") is True:
        try:
            return b64decode(body, validate=True)
        except (Base64Error, ValueError):
            pass  # then it is no JSON either
    return body.encode("utf-8", "surrogatepass")
