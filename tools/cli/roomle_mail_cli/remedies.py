"""Why an event failed with a reason, and what to do about it, as docs/operations.md tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roomle_mail_cli.causes import Cause

if TYPE_CHECKING:
    from roomle_mail_cli.deployment import Deployment

_STATUS_PAGE = "AWS's status page; if it lasts: roomle-mail logs --since 1h{stack}"
_LOG = "roomle-mail logs --since 1h{stack}"
# Reason -> why, and what to do. The same as the tables of docs/operations.md.
_REMEDIES: dict[str, Cause] = {
    "TokenUnverified": Cause(
        "no secret that is set here made these tokens: it was changed on one side only, or "
        "somebody is trying",
        "Set the same secret here and in Rubens Admin: roomle-mail secret set API_KEY{stack}. "
        "For a token that you captured: roomle-mail verify TOKEN{stack}",
    ),
    "TokenUnverified TokenIv": Cause(
        "the tokens are genuine under the other setting of TokenIv",
        "sam deploy --parameter-overrides TokenIv={other_iv}",
    ),
    "TokenMissing TokenHeader": Cause(
        "the token is not in the header {header!r} (TokenHeader), but in another one",
        "sam deploy --parameter-overrides TokenHeader=NAME, with the name that Roomle uses: token, "
        "unless it was changed",
    ),
    "TokenMissing": Cause(
        "requests without a token (Unauthenticated): anyone can send them, and doctor does",
        "If nothing is received while somebody saves a configuration, Roomle sends the token in "
        "another header than {header!r}: sam deploy --parameter-overrides TokenHeader=NAME",
    ),
    "TokenExpired": Cause(
        "the tokens are older than TokenMaxAge: Roomle's clock, or somebody with an old token",
        "Check the clocks. If they are Roomle's: sam deploy --parameter-overrides TokenMaxAge=900",
    ),
    "TokenReplayed": Cause(
        "a token came again with another body: somebody has captured it, or Roomle uses one token "
        "for several events",
        "If it is Roomle, and happens all the time: sam deploy --parameter-overrides "
        "TokenReuse=allow. Otherwise find the leak and change the secret: "
        "roomle-mail secret set API_KEY{stack}",
    ),
    "TokenMalformed": Cause(
        "what came is no token of Roomle's, or Roomle changed its form",
        "roomle-mail verify TOKEN{stack}, with a token that you captured",
    ),
    "TokenAlgorithmNotAllowed": Cause(
        "the tokens use an algorithm that is not among TokenAlgorithms",
        "docs/security.md says what 02 gives up. Then: sam deploy --parameter-overrides "
        "TokenAlgorithms=01,02",
    ),
    "LinkNotAllowed": Cause(
        "a link leads to a host that the brand does not list",
        "Add the host to link_hosts or asset_hosts in layers/emails/brands.toml, then: "
        "sam build && sam deploy",
    ),
    "BrandNotAllowed": Cause(
        "the event is signed with an API key that its brand does not list",
        "Add it to the brand's api_keys in layers/emails/brands.toml, then: "
        "sam build && sam deploy",
    ),
    "NoTemplate": Cause(
        "Roomle sends a kind of event that has no template here",
        "Write one (docs/emails.md), then: sam build && sam deploy",
    ),
    "InvalidEvent": Cause(
        "Roomle changed its events, or this version is too old", "Update: git pull"
    ),
    "BodyMalformed": Cause(
        "a body is no JSON, or a message in the queue is not this project's",
        "For requests: ask Roomle. For the queue: roomle-mail dead-letters list{stack}",
    ),
    "BodyTooLarge": Cause("a body is larger than any event of Roomle's", _LOG),
    "SecretUnusable": Cause(
        "the secret can't be read or used", "roomle-mail secret set API_KEY{stack}"
    ),
    "EmailRefused": Cause(
        "SES refuses the email permanently: identity, sandbox, or sending is paused",
        "See the checks of sandbox, sending, identities and senders above",
    ),
    "QuotaUsedUp": Cause(
        "SES's daily quota is used up; it frees up bit by bit over 24 hours",
        "Ask for a higher sending quota in Service Quotas (SES, Sending quota)",
    ),
    "HourlyCapReached": Cause(
        "MaxEmailsPerHour ({cap}) is reached",
        "If the events are genuine: sam deploy --parameter-overrides MaxEmailsPerHour={twice_cap}",
    ),
    "CallRefused": Cause(
        "AWS refuses the function a call: a permission is missing, or a resource was deleted",
        "See the checks of permissions and resources above; sam deploy",
    ),
    "Throttled": Cause(
        "a service, mostly SES, asks to come back later: more emails a second than it lets you "
        "send",
        "Ask for a higher sending rate in Service Quotas (SES, Sending rate)",
    ),
    "Unreachable": Cause("the function could not connect to an AWS service", _STATUS_PAGE),
    "OutcomeUnknown": Cause("an answer of AWS was lost", _STATUS_PAGE),
    "SendOutcomeUnknown": Cause(
        "SES's answer was lost, so it may have sent the email: a few people may get two. Single "
        "cases need nothing",
        _STATUS_PAGE,
    ),
    "QueueOutcomeUnknown": Cause(
        "SQS's answer was lost; the event was withdrawn, and Roomle sends its own email. Single "
        "cases need nothing",
        _STATUS_PAGE,
    ),
    "TimeRunningOut": Cause(
        "the time for an answer (AnswerWithin) ran out: AWS was slow, or a cold start took long",
        "If it lasts: sam deploy --parameter-overrides MemorySize=2048",
    ),
    "InProgress": Cause("the same POST was still at work", "Single cases need nothing. " + _LOG),
    "CredentialsExpired": Cause("Lambda's credentials or clock were late", _STATUS_PAGE),
    "DeadlineExceeded": Cause("what follows from a decision took too long", _STATUS_PAGE),
    "tries used up": Cause(
        "six hours of temporary failures",
        "The lines 'postponed' say why: roomle-mail logs --since 7h{stack}",
    ),
    "Unforeseen": Cause(
        "an error that the code does not handle",
        "Please report it, with: roomle-mail logs --since 1d --json{stack}. If it began with a "
        "deploy: deploy the commit before",
    ),
    "TimedOut": Cause(
        "Lambda stopped {function}, which took too long",
        "sam deploy --parameter-overrides MemorySize=2048; if it began with a deploy: deploy the "
        "commit before",
    ),
    "OutOfMemory": Cause(
        "Lambda stopped {function}, which ran out of memory",
        "sam deploy --parameter-overrides MemorySize=2048",
    ),
    "ImportFailed": Cause(
        "{function} can't start: the build is broken, or a layer is missing",
        "sam build && sam deploy; if it began with a deploy: deploy the commit before",
    ),
    "SettingsInvalid": Cause(
        "{function} can't start: a variable of its environment is wrong",
        "sam deploy",
    ),
    "Crashed": Cause(
        "{function} crashed",
        "roomle-mail logs --since 1h{stack}; if it began with a deploy: deploy the commit before",
    ),
}


def remedy(
    deployment: Deployment, reason: str, *, source: str = "receiver", hint: str = ""
) -> Cause:
    """Why something failed with this reason, and what to do about it. Raises CliError."""
    known = _REMEDIES.get(f"{reason} {hint}") or _REMEDIES.get(reason) or Cause(reason, _LOG)
    settings = deployment.settings
    values = {
        "stack": deployment.option,
        "function": f"the {source}",
        "header": settings.token_header,
        "other_iv": "fixed" if settings.token_iv == "prefix" else "prefix",
        "cap": settings.max_emails_per_hour,
        "twice_cap": 2 * settings.max_emails_per_hour,
    }
    return Cause(known.why.format_map(values), known.fix.format_map(values))
