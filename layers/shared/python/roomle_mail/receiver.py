"""HTTP request -> answer: one POST from first to last.

`process` may be interrupted by the deadline at any instruction. `Progress` holds what was reached
until then; custody decides the answer, and what follows (withdrawing, remembering, giving places
back) can't change it for the worse.
"""

import hashlib
import json
import os
import re
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from roomle_mail import errors, events, telemetry, tokens
from roomle_mail.credentials import CredentialStore
from roomle_mail.deadline import Deadline
from roomle_mail.delivery import SEND_TAKES, Custody, Delivery, Queue, Queued, Sender
from roomle_mail.designs import Designs, Wanted
from roomle_mail.emails import NO_DESIGN, Catalog
from roomle_mail.idempotency import IdempotencyStore, Outcome
from roomle_mail.limits import Limits
from roomle_mail.publishing import Publisher
from roomle_mail.settings import Settings
from roomle_mail.table import Table
from roomle_mail.tokens import Claims

MAX_BODY = 64 * 1024
_ANSWERING_TAKES = 0.5  # seconds kept for the way back
_FOLLOW_UP_TAKES = 1.0  # seconds kept for what follows the work
_PUBLISHING_TAKES = 1.0  # seconds, at most: nobody's email may wait longer for an event bus
_TOKEN_REMEMBERED_FOR = 7 * 86_400
_BODY_REMEMBERED_FOR = 60
_API_GATEWAY_WAITS = 30  # seconds; nobody waits for an older request (API Gateway's page "Quotas")
_A_TOKEN = re.compile(r"^0[1-3]-[\w+/=-]{40,}$", re.ASCII | re.MULTILINE)
_OK, _ACCEPTED, _SERVER_ERROR = 200, 202, 500
_FORWARDED = Outcome(_OK, "forwarded")
_IN_CUSTODY = {"sent": Outcome(_OK, "sent"), "queued": Outcome(_ACCEPTED, "queued")}


@dataclass(frozen=True, slots=True)
class Request:
    """A POST; `started_at` is in seconds since the epoch, `id` is API Gateway's."""

    id: str
    headers: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)
    started_at: float

    @classmethod
    def from_http(cls, event: object, *, now: float) -> Self:
        """From API Gateway's event (payload format 2.0).

        Never fails: a missing or odd token or body is refused later.
        """
        event = _object(event)
        context = _object(event.get("requestContext"))
        epoch = context.get("timeEpoch")  # milliseconds
        started_at = epoch / 1000 if isinstance(epoch, (int, float)) else now
        return cls(
            id=str(context.get("requestId", "")),
            headers=_object(event.get("headers")),
            body=_body(event),
            # A stored event (`sam local invoke`) carries the time when it was stored.
            started_at=started_at if 0 <= now - started_at <= _API_GATEWAY_WAITS else now,
        )

    def header(self, name: str) -> str:
        """The header of that name in any letter case; raises TokenMissing unless there is one."""
        found = [value for key, value in self.headers.items() if key.casefold() == name]
        if len(found) != 1 or not isinstance(found[0], str):
            others = "" if found else "\n".join(map(str, self.headers.values()))
            raise errors.TokenMissing("TokenHeader" if _A_TOKEN.search(others) else None)
        return found[0]


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body")
    if not isinstance(body, str):
        return b""
    if event.get("isBase64Encoded") is True:
        # What is not Base64 is not JSON either.
        with suppress(ValueError):
            return b64decode(body, validate=True)
    return body.encode("utf-8", "surrogatepass")


def _event_id(origin: bytes, body: bytes) -> str:
    """An event's id: of where it comes from, which is its token, and of its body's SHA-256."""
    return hashlib.sha256(origin + b"\0" + body).hexdigest()[:32]


def to_http(outcome: Outcome) -> dict[str, Any]:
    """The answer as API Gateway takes it (payload format 2.0)."""
    return {
        "statusCode": outcome.status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"status": outcome.label, "code": outcome.code}),
    }


@dataclass(slots=True)
class Progress:
    """What one POST has reached so far.

    `claimed` is the key of our claim on it. `payload` is the event, once it is one. `forwarding`
    is set where publishing it is all that there is to do. `places` gives back what was taken under
    the limits.
    """

    request: Request
    table: Table
    known: telemetry.Known
    delivery: Delivery
    deadline: Deadline
    claimed: str | None = None
    repeated: bool = False
    payload: Mapping[str, Any] | None = field(default=None, repr=False)
    forwarding: bool = False
    places: ExitStack = field(default_factory=ExitStack)


@dataclass(slots=True)
class Receiver:
    """Processes POSTs; made once for an execution environment."""

    settings: Settings
    catalog: Catalog
    credentials: CredentialStore
    dynamodb: Any
    sender: Sender
    queue: Queue
    designs: Designs
    publisher: Publisher | None = None
    _pepper: bytes | None = field(default=None, repr=False)

    def process(self, request: Request) -> Outcome:
        """Process a POST and return its answer within the deadline, even if calls fail."""
        known = telemetry.Known(received_at=request.started_at)
        table = Table.open(self.dynamodb, self.settings.table_name)
        delivery = Delivery(self.settings.delivery, self.sender, self.queue)
        time_left = self.settings.answer_within - (known.began - request.started_at)
        following_up = Deadline(time_left - _ANSWERING_TAKES)
        answering = Deadline(time_left - _ANSWERING_TAKES - _FOLLOW_UP_TAKES)
        progress = Progress(request, table, known, delivery, answering)
        telemetry.logger.set_correlation_id(request.id)
        reached, error = answering.try_to(self._answer, progress)
        # What the bus has is forwarded, even if the time was up a moment later.
        outcome = reached or (_FORWARDED if known.published_id else _refusal(error))
        _, failure = following_up.try_to(self._follow_up, progress, outcome)
        if failure:
            telemetry.cut_off(known, failure)
        if custody := progress.delivery.custody:
            known.message_id = custody.message_id
        outcome = _final(outcome, custody)
        self._publish(progress, outcome, error, within=following_up)
        telemetry.decided(
            "repeated" if progress.repeated else outcome.label,
            known,
            error=error or progress.delivery.failed,
            severe=outcome.status >= _SERVER_ERROR,
            received=known.event is not None,
            answer=outcome.status,
        )
        return outcome

    # --- processing an event ------------------------------------------------------------------

    def _answer(self, progress: Progress) -> Outcome:
        """Size, token, claim, body, brand, links, limits, delivery."""
        request, known, now = progress.request, progress.known, time.time()
        if len(request.body) > MAX_BODY:
            raise errors.BodyTooLarge
        claims = self._authenticate(request, known, now)
        if (answered := self._claim(progress, claims, now)) is not None:
            return answered

        payload = events.read(request.body)
        known.name, progress.payload = telemetry.safe_name(payload["event"]), payload
        event = events.validate(payload)
        if event is None:
            return self._forward(progress, payload)
        brand = self.catalog.brand(event.configurator_id)
        address = events.normalize_address(event.recipient)
        recipient = telemetry.hash_address(address, key=self._hash_key(claims, progress.table))
        known.brand, known.recipient, known.event = brand.id, recipient, event
        telemetry.received(known)
        if brand.api_keys and (claims is None or claims.credential.api_key not in brand.api_keys):
            raise errors.BrandNotAllowed
        event_id = known.event_id or ""
        compose = partial(
            self.catalog.compose, event, brand, received=request.started_at, event_id=event_id
        )
        email = known.email = compose()
        # What only the mailer sends, it looks up itself.
        show = self.catalog.shows(event, brand) if "ses" in self.settings.delivery else ()
        lookup = self.designs.begin(
            event,
            Wanted(show, brand.picture_hosts, brand.catalogs, email.language),
            credential=lambda: claims.credential if claims else None,
            now=now,
            spare=progress.deadline.remaining() - SEND_TAKES,
        )

        if not self._reserve(progress, recipient, now):
            return Outcome(_OK, "suppressed")
        design, known.design = lookup.result(), lookup.outcome
        if design != NO_DESIGN:
            # The email without it is made already, so nothing in a design can prevent an email.
            with telemetry.best_effort("show the design", known):
                email = compose(design=design)
        queued = Queued(
            id=event_id,
            event=event.payload,
            recipient=recipient,
            received=request.started_at,
            correlation=request.id,
        )
        custody = progress.delivery.deliver(email, queued, deadline=progress.deadline)
        known.sent_at = time.time() if custody.status == "sent" else None
        return _IN_CUSTODY[custody.status]

    def _forward(self, progress: Progress, payload: Mapping[str, Any]) -> Outcome:
        """Put an event that calls for no email on the bus, if there is one."""
        if self.publisher is None:
            return Outcome(_OK, "ignored")
        progress.forwarding, known = True, progress.known
        known.published_id = self.publisher.publish(payload, known, _FORWARDED)
        return _FORWARDED

    def _authenticate(self, request: Request, known: telemetry.Known, now: float) -> Claims | None:
        """The claims of the request's token, of any age; None where no token is required."""
        settings = self.settings
        if not settings.require_token:
            return None
        header = request.header(settings.token_header)
        # So that the line of a refusal can be found by who sent the request.
        spelled = header.encode("utf-8", "surrogatepass")
        known.event_id = _event_id(spelled, hashlib.sha256(request.body).digest())
        if settings.log_refused_tokens:
            credential, *_ = self.credentials.get(now)
            known.sealed_token = tokens.seal(header, credential, now=now)
        token = tokens.decode(header, algorithms=settings.token_algorithms)
        credentials = self.credentials.get(now)
        try:
            return tokens.verify(token, credentials, iv=settings.token_iv)
        except errors.TokenUnverified:
            if added := self.credentials.refresh(now):
                return tokens.verify(token, added, iv=settings.token_iv)
            raise

    def _claim(self, progress: Progress, claims: Claims | None, now: float) -> Outcome | None:
        """Claim the POST: None if it is ours to answer, else the answer that it got before.

        Raises TokenExpired for an expired token, unless the POST was answered while it counted.
        """
        store, settings = IdempotencyStore(progress.table), self.settings
        body = hashlib.sha256(progress.request.body).digest()
        key, event_id, lifetime = self._identify(progress.request, claims, body)
        if claims and claims.is_expired(now, max_age=settings.token_max_age):
            record = store.look_up(key, body=body)
            if record is None:
                raise errors.TokenExpired
        else:
            progress.known.event_id = event_id
            # Ours until we know otherwise: the answer to our own claim may get lost.
            progress.claimed = key
            try:
                record = store.claim(key, body=body, event_id=event_id, now=now, lifetime=lifetime)
            except errors.TokenReplayed:
                progress.claimed = None
                raise
            if record is None:
                return None
            progress.claimed = None
        progress.known.event_id, progress.repeated = record.event_id, True
        return store.wait(key, record, body=body, deadline=progress.deadline)

    def _identify(
        self, request: Request, claims: Claims | None, body: bytes
    ) -> tuple[str, str, float | None]:
        """The key of a POST's record, its event's id, and how long the record counts."""
        if claims is None:
            # Without a token the same body may be a new event after a while.
            key, origin = f"body-{body.hex()}", request.id.encode()
            lifetime: float | None = _BODY_REMEMBERED_FOR
        else:
            key, origin = claims.replay_key.hex(), claims.data
            if self.settings.token_reuse == "allow":
                key = hashlib.sha256(claims.replay_key + body).hexdigest()
            # Under `prefix` a token can be given a new date again and again.
            lifetime = None if self.settings.token_iv == "prefix" else _TOKEN_REMEMBERED_FOR
        return key, _event_id(origin, body), lifetime

    def _hash_key(self, claims: Claims | None, table: Table) -> bytes:
        """The key for hashing addresses; without a token a random one that the table keeps."""
        if claims is not None:
            return claims.credential.hash_key
        if self._pepper is None:
            made = os.urandom(32)
            found = table.put("pepper", {"value": {"B": made}}, "attribute_not_exists(#key)")
            self._pepper = made if found is None else bytes(found["value"]["B"])
        return self._pepper

    def _reserve(self, progress: Progress, recipient: str, now: float) -> bool:
        """Take a place under both limits; False if this recipient has none left.

        Raises HourlyCapReached. The places are given back unless custody is reached, so that an
        outage never uses up what is left for later emails.
        """
        limits, places, settings = Limits(progress.table), progress.places, self.settings

        def give_back(place: Callable[..., None], *key: str) -> None:
            with telemetry.best_effort("give a place back", progress.known):
                place(*key, now=now)

        if limit := settings.max_emails_per_recipient_per_hour:
            # Registered first, so that it is given back if the answer gets lost.
            places.callback(give_back, limits.give_back_recipient, recipient)
            if not limits.reserve_recipient(recipient, limit=limit, now=now):
                places.pop_all()
                return False
        if limit := settings.max_emails_per_hour:
            if (taken := limits.reserve_stack(limit=limit, now=now)) is None:
                raise errors.HourlyCapReached
            places.callback(give_back, limits.give_back_stack, taken)
        return True

    # --- what follows from it -----------------------------------------------------------------

    def _follow_up(self, progress: Progress, outcome: Outcome) -> None:
        """Withdraw, remember and give back, as far as the time allows."""
        delivery, known = progress.delivery, progress.known
        store = IdempotencyStore(progress.table)
        if delivery.queue_asked and delivery.custody is None:
            with telemetry.best_effort("withdraw", known):
                # What the mailer has already is in custody.
                if not store.withdraw(known.event_id or "", now=time.time()):
                    delivery.custody = Custody("queued", "")
        if progress.claimed is not None:
            with telemetry.best_effort("remember", known):
                final = _final(outcome, delivery.custody)
                # Roomle sends no email for it, so another try may change the answer.
                again = progress.forwarding and outcome != _FORWARDED
                store.remember(progress.claimed, final, again=again)
        if delivery.custody is None:
            progress.places.close()

    def _publish(
        self, progress: Progress, outcome: Outcome, error: Exception | None, *, within: Deadline
    ) -> None:
        """Put an `email.*` event on the bus with what became of it, and say if that failed.

        Best effort: the answer is decided, and the email is in custody if there is one.
        """
        publisher, payload, known = self.publisher, progress.payload, progress.known
        if publisher is None or payload is None:
            return
        failure = error
        if not progress.forwarding:
            deadline = Deadline(min(_PUBLISHING_TAKES, within.remaining()))
            found, failure = deadline.try_to(publisher.publish, payload, known, outcome, error)
            known.published_id = found
        if known.published_id is None and failure is not None:
            telemetry.unpublished(known, failure)


def _refusal(error: Exception | None) -> Outcome:
    known = error if isinstance(error, errors.RoomleMailError) else errors.RoomleMailError()
    return Outcome(known.status, known.code)


def _final(outcome: Outcome, custody: Custody | None) -> Outcome:
    return outcome if custody is None else _IN_CUSTODY[custody.status]
