"""Why something does not work, according to AWS and the log, and the command that fixes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roomle_mail_cli import causes, doctor, senders
from roomle_mail_cli.causes import Cause, revert_drift
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roomle_mail_cli.deployment import Deployment

_AGAIN = "roomle-mail prove, a little later"


def of_gone(deployment: Deployment, said: str) -> Cause:
    """The cause of an error about a missing resource."""
    try:
        found = list(causes.resources(deployment))
    except CliError:
        found = []
    named = (x for x in found if deployment.resources[x.of][1].rpartition("|")[2] in said)
    unknown = Cause("it was deleted", revert_drift(deployment))
    return next(named, None) or next(iter(found), None) or broken(deployment) or unknown


def of_settings(deployment: Deployment, said: str) -> Cause:
    """The cause if the receiver can't use its settings."""
    try:
        found = next(causes.variables(deployment), None)
    except CliError:
        found = None
    return found or Cause(said, "sam build && sam deploy")


# --- what the log says ------------------------------------------------------------------------

_BY_REASON: dict[str, Cause] = {
    "SecretUnusable": Cause("the receiver can't use the secret", "roomle-mail secret set API_KEY"),
    "QuotaUsedUp": Cause("SES's daily quota is used up", "aws sesv2 get-account --query SendQuota"),
    "HourlyCapReached": Cause(
        "MaxEmailsPerHour is reached", "sam deploy --parameter-overrides MaxEmailsPerHour=10000"
    ),
    "Throttled": Cause(
        "SES or another service asks to come back later",
        "aws sesv2 get-account --query SendQuota.MaxSendRate",
    ),
    "TimeRunningOut": Cause(
        "the time for an answer (AnswerWithin) ran out: a cold start used it up, or AWS is slow",
        "sam deploy --parameter-overrides MemorySize=2048",
    ),
    "LinkNotAllowed": Cause(
        "the brand does not allow the host of the example's link",
        "roomle-mail prove --url URL --result-url URL, with hosts of brands.toml",
    ),
    "BrandNotAllowed": Cause(
        "the brand does not list this API key",
        "roomle-mail prove --configurator-id ID --api-key API_KEY",
    ),
    "NoTemplate": Cause(
        "the deployed emails have no template for this event", "sam build && sam deploy"
    ),
    "InvalidEvent": Cause(
        "the deployed version expects a different event", "sam build && sam deploy"
    ),
    "TokenUnverified": Cause(
        "the receiver knows another secret, or TokenIv or TokenAlgorithms changed in between",
        'roomle-mail verify "$(roomle-mail sign)"',
    ),
    "TokenMissing": Cause("the receiver expects another header", "roomle-mail doctor"),
    "TokenExpired": Cause("this machine's clock differs from AWS's", "roomle-mail doctor"),
    "TokenReplayed": Cause("the token was seen before", _AGAIN),
    "Unforeseen": Cause(
        "an unexpected error; please report it",
        "roomle-mail logs --since 1h --json",
    ),
}
for _reason in ("Unreachable", "OutcomeUnknown", "SendOutcomeUnknown", "QueueOutcomeUnknown"):
    _BY_REASON[_reason] = Cause("an AWS service did not answer the function", _AGAIN)


def of_line(deployment: Deployment, facts: Mapping[str, Any]) -> Cause | None:
    """The cause that a log line names; None if it names none."""
    reason = facts.get("reason")
    if reason is None:
        return None
    said = ", ".join(
        f"{name} {facts[name]}" for name in ("detail", "problem", "hint", "error") if name in facts
    )
    if reason in ("CallRefused", "EmailRefused", "SecretUnusable"):
        found = broken(deployment)
        if found is not None:
            return Cause(f"{found.why} ({said or reason})", found.fix)
    if reason == "EmailRefused":
        return Cause(f"SES refuses the email permanently ({said})", "roomle-mail doctor")
    if reason == "CallRefused":
        return Cause(
            f"AWS refuses the function a call ({said}): a permission is missing, or what it asks "
            "for was deleted",
            revert_drift(deployment),
        )
    known = _BY_REASON.get(str(reason))
    if known is None:
        return Cause(f"{reason} {said}".rstrip(), "roomle-mail logs --since 1h")
    return Cause(f"{known.why} ({reason}{', ' if said else ''}{said})", known.fix)


# --- what AWS says ----------------------------------------------------------------------------


def broken(deployment: Deployment) -> Cause | None:
    """The first thing found to be broken, in order of how much it explains; None if nothing is."""
    for check in (
        *(causes.secret, causes.permissions, causes.resources, causes.variables),
        *(causes.configuration, causes.invocation, causes.queues, causes.switches),
        *(causes.ses_events, sending, causes.log_level),
    ):
        try:
            found = next(iter(check(deployment)), None)
        except CliError:
            continue  # a check that AWS does not allow is not a cause
        if found is not None:
            return found
    return None


def sending(deployment: Deployment) -> Iterator[Cause]:
    """Whether SES lets the stack send, by the doctor's checks."""
    if not deployment.has_mailer:
        return
    for check in (
        doctor.check_configuration_set,
        senders.check_identities,
        senders.check_senders,
        doctor.check_account,
    ):
        for each in check(deployment):
            # The simulator also works in the sandbox (SES's page on it).
            if each.state == "fail" and each.name != "sandbox":
                identity = each.name.removeprefix("identity ")
                command = f"aws sesv2 create-email-identity --email-identity {identity}; "
                fix = command if identity != each.name else ""
                yield Cause(f"{each.name}: {each.found}", f"{fix}{each.advice}")
