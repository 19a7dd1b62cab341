"""The steps of a proof that send something: events, refusals, a dead letter.

All emails go to SES's mailbox simulator. It works in the sandbox, accepts labels, and does not
count for the quota, bounces or complaints (SES's page "Using the mailbox simulator").
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from roomle_mail import events
from roomle_mail.events import normalize_address
from roomle_mail.idempotency import EVENTS_REMEMBERED_FOR
from roomle_mail.telemetry import hash_address
from roomle_mail.tokens import Credential
from roomle_mail_cli import causes, diagnosis, letters, limits, posting
from roomle_mail_cli.deployment import MAILER, RECEIVER, aws_errors
from roomle_mail_cli.proof import (
    Posted,
    Proof,
    Result,
    failed,
    limited,
    not_tried,
    of_error,
    proved,
    sweep,
    take_own,
    warned,
)
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What SES reports for an email to each mailbox, as in the log.
MAILBOXES = {
    "success": "Email Delivered",
    "bounce": "Email Bounced",
    "complaint": "Email Complaint Received",
}
# Without one of these the mailer can't send an event or give it up.
_MAILER_NEEDS = frozenset((MAILER, "MailerLog", "Queue", "DeadLetterQueue", "Table"))
KINDS = tuple(sorted(name.removeprefix("email.") for name in events.EVENTS))
AR = "shareConfigurationAR"
_ACCEPTED = 202
_CUSTODY = {200: "sent", _ACCEPTED: "queued"}
_UNAUTHORIZED, _NOT_FOUND, _SERVER_ERROR, _NOT_IMPLEMENTED = 401, 404, 500, 501
# Seconds until SES has reported the outcome of an email.
_TOLD_WITHIN = 240.0
_HOUR = 3600
# How much this machine's clock and AWS's may differ.
_CLOCKS = timedelta(seconds=5)
_NO_SECRET = "nothing can be signed without the secret"
_NO_TOKEN = "RequireToken=false: without a token an event has no id to follow it by"


# --- before -----------------------------------------------------------------------------------


def prove_secret(proof: Proof) -> Iterator[Result]:
    """It is there, and can be used."""
    if not proof.deployment.settings.require_token:
        yield not_tried("secret", "RequireToken=false needs none")
        return
    found = next(causes.secret(proof.deployment), None)
    if found is not None:
        yield failed("secret", "can't be used", found)
    else:
        yield proved("secret", "it exists and has the form that the receiver needs")


def prove_permissions(proof: Proof) -> Iterator[Result]:
    """The functions' roles may do what the template says."""
    found = list(causes.permissions(proof.deployment))
    for cause in found:
        if cause.of == "MailerRole":
            proof.mailer_broken = "the mailer's role lost permissions"
        yield failed("permissions", "a role lacks a permission that it needs", cause)
    if not found:
        yield proved("permissions", "the roles have the template's permissions")


def prove_resources(proof: Proof) -> Iterator[Result]:
    """Nothing was deleted, changed or switched off by hand."""
    sound = True
    for check in (
        *(causes.resources, causes.variables, causes.configuration, causes.invocation),
        *(causes.queues, causes.switches, causes.ses_events),
    ):
        try:
            found = list(check(proof.deployment))
        except CliError as err:
            # The first check has named what is gone.
            if sound or not causes.is_gone(err.__cause__):
                sound = False
                yield of_error(proof, "resources", err)
            continue
        for cause in found:
            sound = False
            if cause.of in _MAILER_NEEDS:
                proof.mailer_broken = cause.why
            yield failed("resources", "not as it was deployed", cause)
    if sound:
        yield proved("resources", "all are there as deployed, and nothing is switched off")
    yield from _prove_log_level(proof)


def _prove_log_level(proof: Proof) -> Iterator[Result]:
    try:
        silent = list(causes.log_level(proof.deployment))
    except CliError as err:
        if not causes.is_gone(err.__cause__):
            raise
        silent = []
    for cause in silent:
        # Waiting would not help.
        if cause.of == RECEIVER:
            proof.logged_within = 0
        else:
            proof.mailer_broken = cause.why
        yield failed("log", "can't show successful events", cause)


# --- events -----------------------------------------------------------------------------------


def prove_events(proof: Proof) -> Iterator[Result]:
    """Each kind of event is accepted, mailed to each mailbox, and logged."""
    if not proof.deployment.settings.require_token:
        yield from (not_tried(kind, _NO_TOKEN) for kind in KINDS)
        return
    if proof.credential is None:
        yield from (not_tried(kind, _NO_SECRET) for kind in KINDS)
        return
    delivery = proof.deployment.settings.delivery
    if delivery == ("sqs",) and proof.mailer_broken:
        yield from (not_tried(kind, proof.mailer_broken) for kind in KINDS)
        return
    # Queued events are looked for at the end.
    proof.finally_do("messages in the queues", partial(sweep, proof))
    proof.finally_do("places of the simulator's mailboxes", partial(give_back_places, proof))
    _warm_up(proof)
    _post_all(proof)
    _follow(proof)
    for kind in KINDS:
        yield _of_kind(proof, kind)


def _post_all(proof: Proof) -> None:
    """Post each kind for each mailbox, no faster than SES sends (in the sandbox one per second)."""
    pause = 1 / max(1.0, _rate(proof)) if proof.deployment.has_mailer else 0
    for kind in KINDS:
        for mailbox in MAILBOXES:
            status = _post(proof, kind, mailbox).status
            if status >= _SERVER_ERROR and status != _NOT_IMPLEMENTED:
                return  # the others would fail in the same way, and as slowly
            time.sleep(pause)


def give_back_places(proof: Proof) -> None:
    """Reset the counters of the limit per recipient, so that the next proof has the full limit.

    They expire within two hours anyway, so it does no harm if this is not allowed.
    """
    hashes = {line.facts.get("recipient") for each in proof.posted for line in each.lines} - {None}
    if proof.credential is not None:
        key = proof.credential.hash_key
        hashes |= {hash_address(normalize_address(each), key=key) for each in proof.addresses}
    hours = range(int(proof.began.timestamp()) // _HOUR, int(time.time()) // _HOUR + 1)
    with contextlib.suppress(CliError), aws_errors():
        for recipient in hashes:
            for hour in hours:
                # The key's form is that of roomle_mail.limits.
                proof.deployment.client("dynamodb").delete_item(
                    TableName=proof.deployment.output("TableName"),
                    Key={"key": {"S": f"limit#{recipient}#{hour}"}},
                )


def _rate(proof: Proof) -> float:
    with aws_errors():
        quota = proof.deployment.client("sesv2").get_account()["SendQuota"]
    return float(quota["MaxSendRate"])


def _warm_up(proof: Proof) -> None:
    """Load the receiver: a cold start may take longer than an answer may."""
    body = json.dumps({"event": f"roomle-mail.prove.{proof.run}"}).encode()
    for _ in range(2):
        if _send(proof, body, _token(proof)).fine:
            return


def _token(proof: Proof, *, age: float = 0, secret: bytes | None = None) -> str:
    credential = proof.credential
    assert credential is not None  # noqa: S101 (the steps look at it first)
    if secret is not None:
        credential = Credential(credential.api_key, secret)
    form = posting.accepted_form(proof.deployment.settings)
    token = posting.fresh_token(credential, form, age=age, session=secrets.token_hex(16))
    proof.hidden.add(token)
    return token


def _send(proof: Proof, body: bytes, token: str) -> posting.Answer:
    header = proof.deployment.settings.token_header
    request = posting.Request(
        proof.deployment.webhook_url, {"Content-Type": "application/json", header: token}, body
    )
    return posting.post(request)


def _body(proof: Proof, kind: str, to: str) -> dict[str, Any]:
    example = proof.example
    more: dict[str, Any] = {}
    if example.configurator_id:
        more["configuratorId"] = example.configurator_id
    if example.result_url and f"email.{kind}" == events.EXPORT:
        more["resultUrl"] = example.result_url
    return posting.payload(kind, to=to, url=example.url, configuration_id=example.design, more=more)


def _post(proof: Proof, kind: str, mailbox: str) -> posting.Answer:
    to = proof.address(mailbox, kind.lower())
    body = json.dumps(_body(proof, kind, to), separators=(",", ":")).encode()
    token = _token(proof)
    event_id = posting.event_id(token, body)
    assert event_id is not None  # noqa: S101 (the token is a fresh one)
    sent = Posted(kind, mailbox, token, body, event_id)
    if not proof.deployment.has_mailer:
        _withdraw(proof, event_id)
    proof.posted.append(sent)
    # It may be in the queue until the answer says otherwise.
    proof.queued.add(event_id)
    sent.answer = _send(proof, body, token)
    if sent.answer.status != _ACCEPTED:
        proof.queued.discard(event_id)
    return sent.answer


def _withdraw(proof: Proof, event_id: str) -> None:
    """Make another program skip an event, if it keeps the rules of docs/consumer.md."""
    with aws_errors():
        proof.deployment.client("dynamodb").put_item(
            TableName=proof.deployment.output("TableName"),
            Item={
                "key": {"S": f"event#{event_id}"},
                "owner": {"S": f"prove-{proof.run}"},
                "state": {"S": "withdrawn"},
                "expires": {"N": str(int(time.time() + EVENTS_REMEMBERED_FOR))},
            },
        )


def _follow(proof: Proof) -> None:
    """Read the log until every event has reached its outcome."""

    def told() -> bool:
        pending = [each for each in proof.posted if not _ended(proof, each)]
        _read(proof, pending)
        return all(_ended(proof, each) for each in proof.posted)

    proof.wait(told, within=proof.logged_within)


def _ended(proof: Proof, sent: Posted) -> bool:
    """Whether the log has the event's outcome, or never will; a queued event's is the mailer's."""
    if sent.answer is not None and sent.answer.unreceived:
        return True
    passing = {"received", "queued", "postponed"} - {proof.end}
    return any(line.what not in passing for line in sent.lines)


def _read(proof: Proof, pending: list[Posted]) -> None:
    found = proof.search([each.event_id for each in pending])
    for each in pending:
        each.lines = [line for line in found if line.facts.get("event_id") == each.event_id]
        if each.has("sent") or each.has("skipped"):
            proof.queued.discard(each.event_id)


def _of_kind(proof: Proof, kind: str) -> Result:
    mine = [each for each in proof.posted if each.event == kind]
    if not mine:
        return not_tried(kind, "earlier ones were answered with 500 or more")
    answers = [f"{each.answer.status} {each.answer.told[1]}" for each in mine if each.answer]
    told = ", ".join(sorted(set(answers)))
    for each in mine:
        answer = each.answer
        taken = answer is not None and answer.told[1] == _CUSTODY.get(answer.status)
        if taken and each.has("received") and each.has(proof.end):
            continue
        cause = _cause(proof, each)
        proof.cause = proof.cause or cause
        return failed(kind, f"to {each.mailbox}: answered {told}{_last(each)}", cause)
    return proved(
        kind,
        f"to {', '.join(each.mailbox for each in mine)}: answered {told}; received and "
        f"{proof.end} in the log",
    )


def _last(sent: Posted) -> str:
    if not sent.lines:
        return "; the log says nothing about it"
    return f"; the log says {', '.join(dict.fromkeys(line.what for line in sent.lines))}"


def _cause(proof: Proof, sent: Posted) -> causes.Cause | None:
    for line in reversed(sent.lines):
        if line.source == "ses":
            continue
        if (found := diagnosis.of_line(proof.deployment, line.facts)) is not None:
            return found
    code = sent.answer.told[1] if sent.answer else None
    if code == "suppressed":
        number = proof.deployment.settings.max_emails_per_recipient_per_hour
        return causes.Cause(
            f"the simulator's mailbox got {number} emails this hour, the limit for one recipient "
            "(labels are not told apart)",
            "roomle-mail prove, after the full hour",
        )
    if (found := diagnosis.broken(proof.deployment)) is not None:
        return found
    if code is None:
        unknown = sent.answer is not None and sent.answer.status == _NOT_FOUND
        cause = causes.Cause(
            "API Gateway itself answered: the function can't start, or has no room",
            "roomle-mail doctor; ReceiverErrorsAlarm in docs/operations.md",
        )
        return causes.no_route(proof.deployment) if unknown else cause
    if sent.has("queued") and proof.deployment.has_mailer:
        return causes.Cause(
            "the mailer did not send it in time; MailerErrorsAlarm and MailerThrottlesAlarm in "
            "docs/operations.md say where to look",
            "roomle-mail doctor",
        )
    return None


# --- the event bus ----------------------------------------------------------------------------

_UNPUBLISHED = "could not publish"


def prove_event_bus(proof: Proof) -> Iterator[Result]:
    """The bus got each event, as the log says, and takes an event that isn't an email."""
    name, bus = "event bus", proof.deployment.settings.event_bus
    if not bus:
        yield not_tried(name, "EventBus is empty, so nothing is published")
        return
    mine = [each for each in proof.posted if each.answer and not each.answer.unreceived]
    if not mine:
        yield not_tried(name, "no event reached the receiver")
        return
    body = json.dumps({"event": f"roomle-mail.prove.{proof.run}"}).encode()
    answer = _send(proof, body, _token(proof))

    def is_told(sent: Posted) -> bool:
        return sent.has(_UNPUBLISHED) or any("published_id" in line.facts for line in sent.lines)

    def all_are_told() -> bool:
        # For a queued event the mailer's line may have been there before the receiver's.
        _read(proof, [each for each in mine if not is_told(each)])
        return all(map(is_told, mine))

    proof.wait(all_are_told, within=proof.logged_within)
    lost = [x for each in mine for x in each.lines if x.what == _UNPUBLISHED]
    taken = [each for each in mine if is_told(each) and not each.has(_UNPUBLISHED)]
    found = f"{len(taken)} of {len(mine)} events are on it, with their outcome; another event was "
    found += f"answered {answer.status} {answer.told[1]}"
    if len(taken) == len(mine) and answer.told[1] == "forwarded":
        yield proved(name, found)
        return
    cause = next(filter(None, (diagnosis.of_line(proof.deployment, x.facts) for x in lost)), None)
    yield failed(name, found, cause or diagnosis.broken(proof.deployment) or proof.cause)


# --- the design -------------------------------------------------------------------------------


def prove_design(proof: Proof) -> Iterator[Result]:
    """The emails show the design, where the brand wants it; they are sent in any case."""
    name = "design"
    sent = [line for each in proof.posted for line in each.lines if line.what == "sent"]
    told = sorted({str(line.facts["design"]) for line in sent if line.facts.get("design")})
    if not proof.deployment.settings.designs:
        yield not_tried(name, "Designs=off")
    elif not sent:
        yield not_tried(name, "no email was sent")
    elif not told:
        yield not_tried(name, "the brand's emails show no designs (`show` in brands.toml)")
    elif not any("without" in each for each in told):
        yield proved(name, f"the emails' lines in the log say {'; '.join(told)}")
    elif proof.example.design is None and all("unknown id" in each for each in told):
        yield not_tried(name, "Roomle does not have the example: give --design ID, one of yours")
    else:
        why = "Roomle did not say it in time, or not in a form that can be shown"
        fix = f"roomle-mail design {proof.example.design or 'ID'}"
        yield warned(name, f"emails were sent, but {'; '.join(told)}", causes.Cause(why, fix))


# --- what SES says afterwards -----------------------------------------------------------------


def prove_ses_events(proof: Proof) -> Iterator[Result]:
    """SES's report on each email is in the log, under its event's id."""
    names = {mailbox: f"SES: {mailbox}" for mailbox in MAILBOXES}
    sent = [each for each in proof.posted if each.has("sent")]
    if proof.local:
        yield from (limited(name, limits.SES_EVENTS) for name in names.values())
        yield limited("AR's attachment", limits.ATTACHMENTS)
        return
    if not sent:
        yield from (not_tried(name, "no email was sent") for name in names.values())
        yield not_tried("AR's attachment", "no email was sent")
        return

    def told() -> bool:
        pending = [each for each in sent if not each.has(MAILBOXES[each.mailbox])]
        _read(proof, pending)
        return all(each.has(MAILBOXES[each.mailbox]) for each in sent)

    proof.wait(told, within=_TOLD_WITHIN)
    for mailbox, name in names.items():
        mine = [each for each in sent if each.mailbox == mailbox]
        number = sum(each.has(MAILBOXES[mailbox]) for each in mine)
        found = f"{number} of {len(mine)} emails have {MAILBOXES[mailbox]!r} in the log"
        if not mine:
            yield not_tried(name, "no email was sent")
        elif number == len(mine):
            yield proved(name, found)
        else:
            cause = next(causes.ses_events(proof.deployment), None) or causes.Cause(
                "SES reports it late, or EventBridge could not write it",
                "roomle-mail logs --since 1h; roomle-mail prove",
            )
            yield failed(name, found, cause)
    delivered = [each for each in sent if each.event == AR and each.has(MAILBOXES["success"])]
    if delivered:
        yield proved("AR's attachment", "SES took the email with its QR code and delivered it")
    else:
        yield failed("AR's attachment", "no email for AR was delivered")


# --- repeats and refusals ---------------------------------------------------------------------


def prove_repeat(proof: Proof) -> Iterator[Result]:
    """The same POST again gets the same answer, and sends nothing."""
    name = "repeat"
    first = next((each for each in proof.posted if each.has(proof.end)), None)
    if first is None or first.answer is None:
        yield not_tried(name, f"no email was {proof.end}")
        return
    again = _send(proof, first.body, first.token)

    def told() -> bool:
        first.lines = proof.search([first.event_id])
        return first.has("repeated")

    logged = proof.wait(told, within=0 if again.unreceived else proof.logged_within)
    emails = sum(line.what == proof.end for line in first.lines)
    same = (again.status, again.told) == (first.answer.status, first.answer.told)
    found = f"answered {again.status} {again.told[1]}, like the first; emails {proof.end}: {emails}"
    if same and logged and emails == 1:
        yield proved(name, found)
    else:
        yield failed(name, found, diagnosis.broken(proof.deployment))


def prove_refusals(proof: Proof) -> Iterator[Result]:
    """A replay, a forgery and an expired token get one and the same 401."""
    settings = proof.deployment.settings
    names = ("replay", "forgery", "expired token")
    if not settings.require_token:
        yield from (not_tried(name, "RequireToken=false accepts every request") for name in names)
        return
    if proof.credential is None:
        yield from (not_tried(name, _NO_SECRET) for name in names)
        return
    first = next((each for each in proof.posted if each.answer and each.answer.fine), None)
    body = json.dumps(_body(proof, KINDS[0], proof.address("success", "refused"))).encode()
    size = len(proof.credential.secret)
    forged = _token(proof, secret=secrets.token_hex(size)[:size].encode())
    old = _token(proof, age=settings.token_max_age + 60)
    tried = {"forgery": ("TokenUnverified", forged), "expired token": ("TokenExpired", old)}
    if settings.token_reuse == "allow":
        yield not_tried("replay", "TokenReuse=allow takes a token with several bodies")
    elif first is None:
        yield not_tried("replay", "no token was accepted before")
    else:
        proof.rung.add("TokenReplayedAlarm")
        tried["replay"] = ("TokenReplayed", first.token)
    proof.rung.add("RefusalsAlarm")
    answers = {name: _send(proof, body, token) for name, (_, token) in tried.items()}
    reasons = {
        tried[name][0]
        for name, answer in answers.items()
        if answer.status == _UNAUTHORIZED and not answer.unreceived
    }
    logged = set[str]()

    def told() -> bool:
        found = proof.search(sorted(reasons - logged))
        # Lines of an earlier proof don't count.
        mine = [x for x in found if x.what == "refused" and x.at > proof.began - _CLOCKS]
        logged.update(str(x.facts.get("reason")) for x in mine)
        return reasons <= logged

    proof.wait(told, within=proof.logged_within)
    for name, answer in answers.items():
        yield _refused(proof, name, answer, tried[name][0], logged)


def _refused(
    proof: Proof, name: str, answer: posting.Answer, reason: str, logged: set[str]
) -> Result:
    code = answer.told[1]
    found = f"answered {answer.status} {code}"
    if (answer.status, code) != (_UNAUTHORIZED, "unauthorized"):
        cause = (
            diagnosis.broken(proof.deployment)
            or proof.cause
            or causes.Cause(
                "the receiver does not tell tokens apart as it should", "roomle-mail doctor"
            )
        )
        return failed(name, f"{found} instead of 401", cause)
    if reason not in logged:
        return failed(
            name, f"{found}, but the log has no {reason}", diagnosis.broken(proof.deployment)
        )
    return proved(name, f"{found}; the log says {reason}")


# --- the queue --------------------------------------------------------------------------------


def prove_dead_letter(proof: Proof) -> Iterator[Result]:
    """An event that can never be sent becomes a dead letter, with its reason."""
    name = "dead letter"
    if proof.mailer_broken:
        yield not_tried(name, proof.mailer_broken)
        return
    proof.finally_do("messages in the queues", partial(sweep, proof))
    deployment = proof.deployment
    dead = deployment.output("DeadLetterQueueUrl")
    event_id = secrets.token_hex(16)
    to = proof.address("success", "deadletter")
    # There is no template for this event, so the mailer gives it up at once.
    event = {"event": "email.prove", "data": {"email": to, "url": "-"}}
    proof.queued.add(event_id)
    proof.rung.add("DeadLettersAlarm")
    _enqueue(proof, deployment.output("QueueUrl"), event_id, event, to)

    def told() -> list[str]:
        found = proof.search([event_id])
        return [line.what for line in found]

    proof.wait(
        lambda: bool({"dead-lettered", "postponed"} & set(told())), within=proof.logged_within
    )
    said = proof.search([event_id])
    there = take_own(proof, dead, {event_id})
    if there:
        proof.queued.discard(event_id)
        reason = next((x.facts.get("reason") for x in said if x.what == "dead-lettered"), "-")
        yield proved(name, f"an event that can't be sent was given up at once ({reason}); deleted")
        return
    # Another event would end in the same way.
    proof.mailer_broken = "the mailer gave up none"
    yield failed(
        name,
        f"the log says {', '.join(line.what for line in said) or 'nothing'}, and it is not there",
        _cause_of_mailer(proof, said),
    )


def prove_redrive(proof: Proof) -> Iterator[Result]:
    """A dead letter that is moved back to the queue is sent."""
    name = "redrive"
    if proof.mailer_broken:
        yield not_tried(name, proof.mailer_broken)
        return
    deployment = proof.deployment
    event_id = secrets.token_hex(16)
    to = proof.address("success", "redrive")
    proof.queued.add(event_id)
    event = _body(proof, KINDS[-1], to)
    _enqueue(proof, deployment.output("DeadLetterQueueUrl"), event_id, event, to)
    try:
        by_sqs, why_not = _redrive(proof, event_id)
    except CliError as err:
        yield of_error(proof, name, err)
        return
    way = "by SQS" if by_sqs else "one by one"

    def sent() -> bool:
        return any(x.what in ("sent", "dead-lettered") for x in proof.search([event_id]))

    proof.wait(sent, within=proof.logged_within)
    said = proof.search([event_id])
    if any(line.what == "sent" for line in said):
        proof.queued.discard(event_id)
        yield proved(name, f"a dead letter was moved back {way}, and sent by the mailer")
    else:
        yield failed(
            name,
            f"the log says {', '.join(line.what for line in said) or 'nothing'}",
            _cause_of_mailer(proof, said),
        )
    if proof.local:
        yield limited("redrive by SQS", limits.MOVE_TASKS)
    elif why_not:
        yield not_tried("redrive by SQS", why_not)


def _redrive(proof: Proof, event_id: str) -> tuple[bool, str]:
    """Move the letter back; return whether SQS did it, else why not. SQS moves all or none."""
    deployment = proof.deployment
    # SQS's counts are approximate and late.
    alone = proof.wait(lambda: letters.count(deployment) == 1, within=0 if proof.local else 30)
    if alone and not proof.local:
        moved = letters.redrive(deployment, rate=None, step=lambda _: None)
        if moved is not None:
            return True, ""
    queue = deployment.output("QueueUrl")

    def move(body: str) -> None:
        deployment.client("sqs").send_message(QueueUrl=queue, MessageBody=body)

    take_own(proof, deployment.output("DeadLetterQueueUrl"), {event_id}, move)
    if not alone:
        return False, "it would also move dead letters that are not from this proof"
    return False, "the endpoint has no StartMessageMoveTask"


def _enqueue(proof: Proof, url: str, event_id: str, event: dict[str, Any], to: str) -> None:
    from roomle_mail.delivery import Queued  # noqa: PLC0415 (imports boto3)

    key = proof.credential.hash_key if proof.credential else secrets.token_bytes(16)
    queued = Queued(
        id=event_id,
        event=event,
        recipient=hash_address(normalize_address(to), key=key),
        received=time.time(),
        correlation=f"prove-{proof.run}",
    )
    with aws_errors():
        proof.deployment.client("sqs").send_message(QueueUrl=url, MessageBody=queued.dump())


def _cause_of_mailer(proof: Proof, said: list[Any]) -> causes.Cause:
    for line in reversed(said):
        if (found := diagnosis.of_line(proof.deployment, line.facts)) is not None:
            return found
    return diagnosis.broken(proof.deployment) or causes.Cause(
        "the mailer did not run; MailerErrorsAlarm and MailerThrottlesAlarm in docs/operations.md "
        "say where to look",
        "roomle-mail doctor",
    )
