"""HTTP in -> HTTP out: Roomle's POST becomes the brand's email, or an answer of 300 and more.

Such an answer makes Roomle send its own email (Roomle's page "Webhook"), so whatever fails before
SES or SQS has the email in custody ends as one; whatever fails afterwards does not.
"""

# ruff: noqa: E402 (the collector is switched off first)
from __future__ import annotations

import gc

# Loading makes much and drops little: looking for it took 3 % of a cold start.
gc.disable()

import os
import time
from typing import TYPE_CHECKING, Any

from roomle_mail import events, telemetry, tokens
from roomle_mail.aws import Clients, differ_after_restore
from roomle_mail.credentials import CredentialStore
from roomle_mail.delivery import SesSender, SqsQueue
from roomle_mail.emails import Catalog
from roomle_mail.errors import BodyTooLarge, BrandNotAllowed, TokenExpired, TokenUnverified
from roomle_mail.idempotency import IdempotencyStore, Outcome
from roomle_mail.receiver import Attempt, Request
from roomle_mail.settings import Settings

if TYPE_CHECKING:
    from roomle_mail.deadline import Deadline
    from roomle_mail.tokens import Claims

MAX_BODY = 64 * 1024

settings = Settings.from_environment(os.environ)
clients = Clients()
differ_after_restore(os.environ)
catalog = Catalog.load()
credentials = CredentialStore(
    clients.secrets,
    settings.secret_id,
    overlap=settings.secret_overlap,
    allow_published=settings.local_stack,
    warn=lambda problem: telemetry.log("ERROR", "the secret is unusable", {"problem": problem}),
)
sender = SesSender(clients.ses, settings.configuration_set)
queue = SqsQueue(lambda: clients.sqs, settings.queue_url)
for parameter in settings.warnings:
    telemetry.log("WARNING", "this parameter weakens the protection", {"parameter": parameter})


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway's event (payload format 2.0)."""
    request = Request.read(event, now=time.time())
    memory = IdempotencyStore.open(clients.dynamodb, settings.table_name)
    return Attempt(request, memory, settings).answer(receive)


def receive(attempt: Attempt, deadline: Deadline) -> Outcome:
    """The whole way: size, token, memory, event, brand and links, limits, delivery."""
    request, now = attempt.request, time.time()
    if len(request.body) > MAX_BODY:
        raise BodyTooLarge
    try:
        claims = authenticate(request, now)
    except TokenExpired as expired:
        return attempt.known_outcome(expired, deadline)
    if (answered := attempt.claim(claims, now, deadline)) is not None:
        return answered

    event = events.parse(request.body)
    if event is None:
        return Outcome(200, "ignored")
    brand = catalog.brand(event.configurator_id)
    attempt.note(event, brand.id, claims)
    if brand.api_keys and (claims is None or claims.credential.api_key not in brand.api_keys):
        raise BrandNotAllowed
    email = catalog.compose(event, brand)

    if not attempt.reserve(now):
        return Outcome(200, "suppressed")
    return attempt.deliver(event, email, sender, queue, deadline)


def authenticate(request: Request, now: float) -> Claims | None:
    """The claims of the request's token; None where no token is required."""
    if not settings.require_token:
        return None
    header = request.header(settings.token_header)
    token = tokens.decode(header, algorithms=settings.token_algorithms)
    known = credentials.get(now)
    try:
        return verify(token, known, now)
    except TokenUnverified:
        if fresh := credentials.refresh(now):
            return verify(token, fresh, now)
        raise


def verify(token: tokens.Token, among: tuple[tokens.Credential, ...], now: float) -> Claims:
    """Verify a token as this deployment's parameters say."""
    return tokens.verify(
        token, among, now=now, iv=settings.token_iv, max_age=settings.token_max_age
    )


# What is loaded by now stays, so the collector need not look at it at every event.
gc.freeze()
gc.enable()
