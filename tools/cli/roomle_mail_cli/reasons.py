"""What the log's reasons mean, and what to do: the runbook's knowledge for `why` and `send`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from roomle_mail_cli.lines import Query, as_text, checked_id
from roomle_mail_cli.screen import CliError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from roomle_mail_cli.lines import Line


@dataclass(frozen=True, slots=True)
class Reason:
    """What a reason means, and what to do about it."""

    meaning: str
    remedy: str


_STATUS = "If it lasts: AWS's status page, https://health.aws.amazon.com"
_VERIFY = (
    "roomle-mail verify TOKEN explains a captured token; LogRefusedTokens=true puts those that are "
    "refused into the log, encrypted."
)

# By the name of the error's class, or by the text of Lambda's own line.
REASONS: dict[str, Reason] = {
    # The token.
    "TokenMissing": Reason(
        "The request has no token. Anyone who finds the URL can send one, and roomle-mail doctor "
        "sends two each time; it costs nothing.",
        "Nothing to do while Roomle's events are received (lines `received`). If they are not, "
        "the token is in another header: sam deploy --parameter-overrides TokenHeader=NAME",
    ),
    "TokenMalformed": Reason(
        "The token is not Base64 of whole AES blocks: cut off, or not a token of Roomle's.",
        _VERIFY,
    ),
    "TokenAlgorithmNotAllowed": Reason(
        "The token names an algorithm that TokenAlgorithms does not list: Roomle changed it, or "
        "somebody tries.",
        "If it is Roomle's: sam deploy --parameter-overrides TokenAlgorithms=01,02, and "
        "docs/security.md says what 02 gives up. 03 can't be allowed.",
    ),
    "TokenUnverified": Reason(
        "No secret makes a token's text of it: Roomle has another secret or another vector, or "
        "somebody tries.",
        f"If you changed the secret here, enter the same at Roomle. With a hint, set that "
        f"parameter. Otherwise {_VERIFY}",
    ),
    "TokenExpired": Reason(
        "The token is genuine, but its time is more than TokenMaxAge from now: a late or delayed "
        "request, or somebody with an old token.",
        "If Roomle's clock or network is the cause: sam deploy --parameter-overrides "
        "TokenMaxAge=600",
    ),
    "TokenReplayed": Reason(
        "The token came before with another body: somebody has read a request, or Roomle uses one "
        "token for several events.",
        "If it happens with every event of Roomle's: sam deploy --parameter-overrides "
        "TokenReuse=allow. Otherwise find the leak (LogSourceAddresses=true shows from where it "
        "came) and change the secret; the old one counts for SecretOverlap more: "
        "roomle-mail secret set API_KEY",
    ),
    # The request.
    "BodyTooLarge": Reason(
        "The body is over 64 KiB, larger than any event of Roomle's.",
        "Ask Roomle if its events have grown.",
    ),
    "BodyMalformed": Reason(
        "The body is not JSON, or in the queue, not a message of the receiver's.",
        "If it is Roomle's, update this project. If it is a dead letter, somebody else wrote into "
        "the queue: roomle-mail dead-letters drop ID",
    ),
    "InvalidEvent": Reason(
        "A field of the event is missing or wrong; `fields` names it.",
        "If it is Roomle's, it has changed its events: update this project.",
    ),
    "LinkNotAllowed": Reason(
        "A link leads to a host that the brand does not list.",
        "If the host is yours, add it to link_hosts or asset_hosts in layers/emails/brands.toml: "
        "sam build && sam deploy",
    ),
    "BrandNotAllowed": Reason(
        "The event names a brand that does not list the API key that signed it.",
        "If they belong together, add the key to api_keys in layers/emails/brands.toml: "
        "sam build && sam deploy",
    ),
    "NoTemplate": Reason(
        "There is no template for this kind of event.",
        "Write one, or leave it to Roomle, which sends its own email for an event that is refused: "
        "docs/emails.md",
    ),
    # The work.
    "SecretUnusable": Reason(
        "The receiver can't use the secret; `problem` says why.",
        "If `problem` names an error of Secrets Manager: roomle-mail doctor. Otherwise: "
        "roomle-mail secret set API_KEY",
    ),
    "TimeRunningOut": Reason(
        "AnswerWithin ran out: a cold start took the time, or an AWS service is slow.",
        f"For cold starts: sam deploy --parameter-overrides MemorySize=2048. {_STATUS}",
    ),
    "InProgress": Reason(
        "The same POST or event was being processed by another invocation, or one that ended.",
        "Nothing to do: it is answered or tried again.",
    ),
    "HourlyCapReached": Reason(
        "MaxEmailsPerHour was reached.",
        "If the emails are wanted: sam deploy --parameter-overrides MaxEmailsPerHour=20000. Who "
        "causes them: roomle-mail logs --message sent --count-by recipient",
    ),
    "QueueOutcomeUnknown": Reason(
        "SQS's answer was lost. The event was withdrawn, and Roomle sends its own email.",
        f"Single cases are normal. {_STATUS}",
    ),
    # AWS.
    "Unreachable": Reason("No connection to an AWS service could be made.", _STATUS),
    "Throttled": Reason(
        "SES or another service asks to come back later: more emails per second than the account "
        "may send.",
        "aws sesv2 get-account --query SendQuota.MaxSendRate; ask for more in Service Quotas.",
    ),
    "CredentialsExpired": Reason(
        "Lambda's credentials or clock were late for a moment.", f"Nothing to do. {_STATUS}"
    ),
    "QuotaUsedUp": Reason(
        "SES's quota for 24 hours is used up.",
        "aws sesv2 get-account --query SendQuota; ask for more in Service Quotas. Who causes the "
        "emails: roomle-mail logs --message sent --since 1d --count-by recipient",
    ),
    "CallRefused": Reason(
        "AWS refuses the function a call: a permission is missing, or a resource was deleted.",
        "roomle-mail doctor",
    ),
    "OutcomeUnknown": Reason("An AWS service's answer was lost.", _STATUS),
    "EmailRefused": Reason(
        "SES refused the email permanently: an identity that isn't verified, the sandbox, or "
        "sending is paused. `detail` is what SES said.",
        "roomle-mail doctor; once it is fixed: roomle-mail dead-letters redrive --all",
    ),
    "SendOutcomeUnknown": Reason(
        "SES's answer was lost, so it may have sent the email: this person may get two.",
        f"Single cases are normal. {_STATUS}",
    ),
    "EntryRefused": Reason(
        "EventBridge did not take an event for the bus; `detail` is what it said. The email is not "
        "affected.",
        "Check the bus, its policy and its region: aws events describe-event-bus --name BUS",
    ),
    "Unforeseen": Reason(
        "An error that the code does not handle; `error` and `trace` say where.",
        "Please report it, with: roomle-mail logs --reason Unforeseen --since 1d --json",
    ),
    "tries used up": Reason(
        "The mailer tried for six hours, and each try failed for a passing reason.",
        "roomle-mail logs --message postponed --since 1d --count-by reason",
    ),
    "not consumed": Reason(
        "Mailer is off, and your consumer got the event 120 times and never deleted it.",
        "Your consumer's own log says why (docs/consumer.md).",
    ),
    # The function itself.
    "Task timed out": Reason(
        "Lambda stopped the function because it took longer than its time-out.",
        f"sam deploy --parameter-overrides MemorySize=2048. {_STATUS}",
    ),
    "Status: timeout": Reason(
        "The function did not start in time.",
        "sam deploy --parameter-overrides MemorySize=2048",
    ),
    "Runtime exited": Reason(
        "The function's process ended, most likely because it used more than its memory.",
        "sam deploy --parameter-overrides MemorySize=2048",
    ),
    "SettingsInvalid": Reason(
        "The function can't start: the environment variable that the line names is missing or "
        "wrong.",
        "If it was changed by hand, deploy again: sam build && sam deploy; roomle-mail prove "
        "names the change",
    ),
    "Runtime.ImportModuleError": Reason(
        "The function can't start: a module is missing, so the build or a layer is broken.",
        "sam build && sam deploy. If it began with a deploy, deploy the commit before it.",
    ),
}
# What Lambda itself says about a function that can't start or end.
OF_LAMBDA = ("Task timed out", "Status: timeout", "Runtime exited", "Runtime.ImportModuleError")
# A text that every line about trouble has one of.
TROUBLE = ("reason", "Task timed out", "Status: timeout", "Runtime exited", "[ERROR]")
# What is known better where a line names the parameter: reason and hint.
_HINTS: dict[tuple[str, str], Reason] = {
    ("TokenMissing", "TokenHeader"): Reason(
        "The token is not in the header that TokenHeader names, but in another one.",
        "sam deploy --parameter-overrides TokenHeader=NAME, with the header that Roomle uses: "
        "token, unless it was changed",
    ),
    ("TokenUnverified", "TokenIv"): Reason(
        "The token is genuine under the other setting of TokenIv.",
        "sam deploy --parameter-overrides TokenIv=prefix, or fixed if it is prefix now",
    ),
}
# What no email depends on: the same reason means something else about the event bus.
_OF_THE_BUS: dict[str, Reason] = {
    "CallRefused": Reason(
        "EventBridge does not take events from the function: it may not put them on this bus, or "
        "the bus belongs to another account whose policy does not allow this one.",
        "aws events describe-event-bus --name BUS shows the policy. Otherwise: roomle-mail doctor",
    ),
    "Throttled": Reason(
        "More calls of PutEvents a second than EventBridge allows this account.",
        "Ask for more in Service Quotas, EventBridge, PutEvents.",
    ),
}
_OF_THE_BUS |= dict.fromkeys(
    ("TimeRunningOut", "OutcomeUnknown", "Unreachable"),
    Reason(
        "EventBridge was slow, or its answer was lost: the event may be on the bus or not.",
        f"Single cases are normal. {_STATUS}",
    ),
)
# Decisions that need no reason.
_MESSAGES: dict[str, Reason] = {
    "suppressed": Reason(
        "One address got more than MaxEmailsPerRecipientPerHour emails, so nobody sends this one.",
        "If the emails are wanted: sam deploy --parameter-overrides "
        "MaxEmailsPerRecipientPerHour=40",
    ),
    "expired": Reason(
        "The mailer dropped an event that is older than 14 days. Nobody gets the email.",
        "Redrive dead letters earlier.",
    ),
    "skipped": Reason(
        "The mailer got an event that was already sent or withdrawn.", "Nothing to do."
    ),
    "ignored": Reason(
        "Not an `email.*` event of Roomle's, or a test event: of Lambda's console, or of "
        "roomle-mail doctor, which looks whether the mailer starts.",
        "Nothing to do.",
    ),
    "could not follow up": Reason(
        "The email was decided on, but remembering or counting it failed.", _STATUS
    ),
    "follow-up was cut off": Reason(
        "The email was decided on, but there was no time to remember or count it.",
        "sam deploy --parameter-overrides MemorySize=2048",
    ),
    "this parameter weakens the protection": Reason(
        "The deployment gives up some protection; `parameter` says where.", "docs/security.md"
    ),
    "the secret is unusable": REASONS["SecretUnusable"],
    "Email Bounced": Reason(
        "The recipient's server does not accept the email: most likely the address has a typing "
        "error.",
        "Nothing to do for one. Many: roomle-mail why BounceRateAlarm",
    ),
    "Email Complaint Received": Reason(
        "The recipient marked the email as spam.",
        "Nothing to do for one. Many: roomle-mail why ComplaintRateAlarm",
    ),
    "Email Rejected": Reason("SES found a virus in the email.", "Look at the emails: make preview"),
    "Email Rendering Failed": Reason("SES could not make the email.", "Please report it."),
    "Email Delivery Delayed": Reason(
        "The recipient's server does not take the email yet; SES tries again.", "Nothing to do."
    ),
}
_DECISIONS = (
    "refused", "failed", "postponed", "dead-lettered", "expired", "suppressed", "ignored",
    "forwarded", "skipped", "sent", "queued", "repeated",
)  # fmt: skip
# Everything that a line's message can be, except for Lambda's own lines.
MESSAGES = tuple(
    dict.fromkeys((*_DECISIONS, "received", *_MESSAGES, "could not publish", "Email Delivered"))
)
# Both kinds of ids have digits; words don't.
_ID_LIKE = re.compile(r"(?=.*[0-9=])[\w=+/.:-]{8,128}", re.ASCII)
# The fields that tell one cause from another.
_TELLING = ("hint", "detail", "problem", "fields", "field", "host", "error", "failed", "parameter")


@dataclass(frozen=True, slots=True)
class Alarm:
    """What an alarm means in general, and the lines that it counts, if there are any.

    `on_the_stack` is for what the stack itself shows, `in_general` for what the lines alone don't
    explain.
    """

    reason: Reason
    query: Query | None = None
    on_the_stack: bool = False
    in_general: bool = False


_CAN_NOT_START = Reason(
    "The function could not start, or Lambda stopped it because of time or memory.",
    "roomle-mail doctor. If it began with a deploy, deploy the commit before it.",
)
_WHO = "roomle-mail logs --message sent --since 1d --count-by recipient"
ABUSE = (
    f"The saved query 'What SES says' shows which emails, and {_WHO} who gets most. If somebody "
    "has emails sent to others: sam deploy --parameter-overrides MaxEmailsPerRecipientPerHour=5 "
    "MaxEmailsPerHour=1000, or clear the webhook setting at Roomle until it is over. What SES does "
    "about it: aws sesv2 get-account --query '[EnforcementStatus, SendingEnabled]'"
)

ALARMS: dict[str, Alarm] = {
    "DeadLettersAlarm": Alarm(
        Reason(
            "People got no email at all, neither yours nor Roomle's: SES refused it permanently, "
            "this version can't read the event, or it was tried for six hours.",
            "roomle-mail dead-letters list shows the reason. Fix that, then: "
            "roomle-mail dead-letters redrive --all",
        ),
        Query(messages=["dead-lettered", "expired"]),
    ),
    "OldestMessageAlarm": Alarm(
        Reason(
            "Emails wait in the queue and no mailer takes them: its trigger is off, it is "
            "throttled, or it can't start.",
            "roomle-mail doctor; roomle-mail why MailerErrorsAlarm. Nothing is lost for 14 days.",
        ),
        on_the_stack=True,
    ),
    "StillWaitingAlarm": Alarm(
        Reason(
            "Emails are tried again and again: mostly SES is throttling or down, or its quota is "
            "used up.",
            "roomle-mail logs --message postponed --since 1d --count-by reason. It ends by itself, "
            "or after six hours as dead letters.",
        ),
        Query(messages=["postponed"]),
    ),
    "ServerErrorsAlarm": Alarm(
        Reason(
            "API Gateway answered 5xx, and the receiver logged nothing: Lambda itself failed.",
            "roomle-mail why ReceiverErrorsAlarm; roomle-mail why ReceiverThrottlesAlarm",
        ),
        Query(messages=["failed"]),
        on_the_stack=True,
    ),
    "RefusalsAlarm": Alarm(
        Reason(
            "Requests with a token were refused: a secret that was changed on one side only, a "
            "link or brand that is not allowed, or somebody trying tokens.",
            "roomle-mail why RefusalsAlarm --since 1d. A token that the lines don't explain: "
            "sam deploy --parameter-overrides LogRefusedTokens=true, then roomle-mail verify "
            "SEALED_TOKEN",
        ),
        # Requests without a token count as Unauthenticated, and raise no alarm.
        Query(messages=["refused"], without=["TokenMissing"]),
    ),
    "SilenceAlarm": Alarm(
        Reason(
            "No event came for AlarmSilenceHours: a quiet shop, the webhook's setting at Roomle is "
            "gone, or Roomle sends its token in another header (lines TokenMissing).",
            "roomle-mail send savedConfiguration --to you@example.com --wait 20. If that arrives, "
            "check the webhook's URL in Rubens Admin and ask Roomle.",
        ),
        Query(reasons=["TokenMissing"]),
        on_the_stack=True,
        in_general=True,
    ),
    "BounceRateAlarm": Alarm(
        Reason(
            "5 % of the emails that this account sends bounce: mistyped addresses, somebody who "
            "has emails sent to invented ones, or another application in the account. At 10 % SES "
            "may pause the account.",
            ABUSE,
        ),
        Query(messages=["Email Bounced"]),
        in_general=True,
    ),
    "ComplaintRateAlarm": Alarm(
        Reason(
            "One in a thousand emails of this account is marked as spam: somebody has emails sent "
            "to people who did not ask for them, or the texts look like advertising. At five in a "
            "thousand SES may pause the account.",
            f"{ABUSE}. Read your emails again: make preview",
        ),
        Query(messages=["Email Complaint Received"]),
        in_general=True,
    ),
    "ReceiverThrottlesAlarm": Alarm(
        Reason(
            "More requests at the same time than the account's limit for Lambda allows; Roomle "
            "sent its own emails.",
            "aws lambda get-account-settings --query AccountLimit; ask for 1000 in Service Quotas, "
            "Lambda, Concurrent executions.",
        ),
        on_the_stack=True,
    ),
    "MailerThrottlesAlarm": Alarm(
        Reason(
            "The account's limit for Lambda is used up, or MailerConcurrency is higher than what "
            "is left; emails wait in the queue.",
            "aws lambda get-account-settings --query AccountLimit; ask for 1000 in Service Quotas, "
            "or: sam deploy --parameter-overrides MailerConcurrency=1",
        ),
        on_the_stack=True,
    ),
    "WebhookThrottlesAlarm": Alarm(
        Reason(
            "More requests than ThrottleRate and ThrottleBurst allow: Roomle's at a peak, or "
            "somebody else's. Roomle sent its own emails.",
            "If they are Roomle's: sam deploy --parameter-overrides ThrottleRate=100 "
            "ThrottleBurst=200. If most were refused, leave the limits: "
            "roomle-mail logs --count-by message",
        ),
        on_the_stack=True,
    ),
    "ThrottledAlarm": Alarm(REASONS["Throttled"], Query(reasons=["Throttled"])),
    "SesQuotaAlarm": Alarm(
        Reason(
            "80 % of SES's quota for 24 hours is used, by this stack and everything else in the "
            "account. At 100 % Roomle sends its own emails.",
            "Ask for more in Service Quotas (Sending quota), then: sam deploy "
            f"--parameter-overrides SesDailyQuota=100000. Who causes the emails: {_WHO}",
        ),
        Query(reasons=["QuotaUsedUp"]),
        in_general=True,
    ),
    "QuotaUsedUpAlarm": Alarm(REASONS["QuotaUsedUp"], Query(reasons=["QuotaUsedUp"])),
    "TokenReplayedAlarm": Alarm(REASONS["TokenReplayed"], Query(reasons=["TokenReplayed"])),
    "SendOutcomeUnknownAlarm": Alarm(
        REASONS["SendOutcomeUnknown"], Query(reasons=["SendOutcomeUnknown"])
    ),
    "QueueOutcomeUnknownAlarm": Alarm(
        REASONS["QueueOutcomeUnknown"], Query(reasons=["QueueOutcomeUnknown"])
    ),
    "ReceiverErrorsAlarm": Alarm(
        _CAN_NOT_START,
        Query(reasons=[*OF_LAMBDA, "SettingsInvalid"], sources=["receiver"]),
        on_the_stack=True,
    ),
    "MailerErrorsAlarm": Alarm(
        _CAN_NOT_START,
        Query(reasons=[*OF_LAMBDA, "SettingsInvalid"], sources=["mailer"]),
        on_the_stack=True,
    ),
    "UnforeseenAlarm": Alarm(REASONS["Unforeseen"], Query(reasons=["Unforeseen"])),
    "UnpublishedAlarm": Alarm(
        Reason(
            "Events could not be put on the event bus, so the systems behind it miss them. Emails "
            "are not affected.",
            "roomle-mail why UnpublishedAlarm --since 1d; roomle-mail doctor looks at the bus.",
        ),
        Query(messages=["could not publish"]),
    ),
}
# The same where Mailer is off.
WITHOUT_MAILER: dict[str, Reason] = {
    "DeadLettersAlarm": Reason(
        "People got no email at all, neither yours nor Roomle's: your consumer got their events "
        "120 times and never deleted them.",
        "Your consumer's own log says why (docs/consumer.md). Fix that, then: "
        "roomle-mail dead-letters redrive --all",
    ),
    "OldestMessageAlarm": Reason(
        "Events wait in the queue: your consumer does not run, or is too slow.",
        "roomle-mail doctor says whether a Lambda function reads the queue; your consumer's own "
        "log says more. Nothing is lost for 14 days.",
    ),
}
# Alarms that a stack has only where Mailer is on.
OF_THE_MAILER = frozenset(
    {
        "MailerErrorsAlarm",
        "MailerThrottlesAlarm",
        "StillWaitingAlarm",
        "QuotaUsedUpAlarm",
        "SendOutcomeUnknownAlarm",
    }
)
# The log says only that AWS refused something; the stack itself shows what.
_ON_THE_STACK = frozenset({"CallRefused", "EmailRefused", "SecretUnusable", "SettingsInvalid"})


@dataclass(frozen=True, slots=True)
class Group:
    """Lines that tell of the same cause."""

    lines: Sequence[Line]
    reason: Reason

    @property
    def last(self) -> Line:
        """The newest of them."""
        return self.lines[-1]

    @property
    def asks_the_stack(self) -> bool:
        """Whether the stack itself shows the cause, rather than the log."""
        return self.last.facts.get("reason") in _ON_THE_STACK

    @property
    def details(self) -> dict[str, str]:
        """What the lines say about the cause."""
        return {x: as_text(self.last.facts[x]) for x in _TELLING if x in self.last.facts}

    @property
    def remedy(self) -> str:
        """What to do, with the token of the newest line that has one."""
        sealed = [x.facts["sealed_token"] for x in self.lines if "sealed_token" in x.facts]
        explained = f" The last such token: roomle-mail verify {sealed[-1]}" if sealed else ""
        return f"{self.reason.remedy}{explained}"

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        first, last = self.lines[0], self.last
        return {
            "message": last.what,
            "reason": last.facts.get("reason"),
            "count": len(self.lines),
            "first": first.at.isoformat(timespec="seconds"),
            "last": last.at.isoformat(timespec="seconds"),
            "source": last.source,
            "event_id": last.facts.get("event_id"),
            "correlation_id": last.facts.get("correlation_id"),
            "details": self.details,
            "meaning": self.reason.meaning,
            "remedy": self.remedy,
        }


def is_of_lambda(line: Line) -> bool:
    """Whether Lambda itself wrote the line, because the function could not."""
    return "service" not in line.facts and "reason" in line.facts


def spelled(text: str, known: Iterable[str] | None = None) -> str:
    """One of the `known` names as the log has it, typed in any case; else the text as it is.

    By default all messages, reasons and alarms are known, an alarm also by the name that AWS gives
    it in the stack, roomle-mail-RefusalsAlarm-1A2B3C.
    """
    if known is None:
        alarms = (x for x in ALARMS if re.search(rf"\b{x}\b", text, re.IGNORECASE))
        if alarm := next(alarms, None):
            return alarm
        known = (*MESSAGES, *REASONS)
    return next((each for each in known if each.casefold() == text.strip().casefold()), text)


def query_for(what: str | None) -> Query | None:
    """The lines that a message, a reason, an alarm or an id is about; None if an alarm has none.

    Raises CliError.
    """
    if what is None:
        return Query()
    if what in ALARMS:
        return ALARMS[what].query
    if what in REASONS:
        return Query(reasons=[what])
    if what in MESSAGES:
        return Query(messages=[what])
    if _ID_LIKE.fullmatch(what):
        return Query(ids=[checked_id(what)])
    names = {each.casefold(): each for each in (*MESSAGES, *REASONS, *ALARMS)}
    names |= {each.casefold().removesuffix("alarm"): each for each in ALARMS}
    close = get_close_matches(what.casefold(), names, n=1)
    raise CliError(
        f"{what!r} is neither a message, a reason or an alarm, nor an id."
        + (f" Did you mean {names[close[0]]!r}?" if close else ""),
        f"Messages: {', '.join(MESSAGES)}. Reasons: {', '.join(REASONS)}. "
        f"Alarms: {', '.join(sorted(ALARMS))}.",
        code=Exit.USAGE,
    )


def explain(facts: Mapping[str, Any]) -> Reason | None:
    """What a line means; None if it says nothing but what went well."""
    reason = facts.get("reason")
    if reason is None:
        return _MESSAGES.get(str(facts.get("message")))
    of_bus = _OF_THE_BUS if facts.get("message") == "could not publish" else {}
    hinted = _HINTS.get((str(reason), str(facts.get("hint"))))
    known = hinted or of_bus.get(str(reason)) or REASONS.get(str(reason))
    return known or Reason(
        f"{reason}: this version of the command line does not know it.",
        "docs/operations.md, or a newer version of this folder.",
    )


def group(lines: Iterable[Line]) -> list[Group]:
    """The causes that lines tell of, the most frequent first."""
    found: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        telling = (line.facts.get("reason"), *(line.facts.get(name) for name in _TELLING))
        # Lambda's own lines differ in their times.
        what = line.what if line.facts.get("service") else ""
        found.setdefault((what, *map(as_text, telling)), []).append(line)
    groups = [
        Group(each, reason)
        for each in found.values()
        if (reason := explain(each[-1].facts)) is not None
    ]
    return sorted(groups, key=lambda each: -len(each.lines))
