"""What stops a deployment from sending emails, or soon will, and what to do about it.

Each check asks AWS for the actual state, and calls what it can: the webhook without a token, and
the mailer with no messages. A check that AWS does not allow is a warning, not a failure.
"""

from __future__ import annotations

import json
import platform
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Any

from roomle_mail.errors import SettingsInvalid
from roomle_mail_cli import (
    causes,
    keys,
    letters,
    lines,
    posting,
    project,
    reasons,
    senders,
    shown,
    times,
)
from roomle_mail_cli.checks import Check, State
from roomle_mail_cli.deployment import MAILER, RECEIVER, aws_errors
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from roomle_mail_cli.deployment import Deployment

SILENCE = "SilenceAlarm"
# What matters only where the stack itself sends.
_OF_SENDING = frozenset(
    {"sandbox", "identities", "senders", "sandbox recipients", "domains", "configuration set"}
) | {"designs"}
RUNTIME = "python3.13"
# The quota of a new account. AWS raises it automatically or on request (Lambda's page "Lambda
# quotas").
_FEW_ENVIRONMENTS = 50
_QUOTA_NEARLY = 0.8
_CLOCK_WARN, _SLOW = 5.0, 3.0
_UNAUTHORIZED, _NOT_FOUND = 401, 404
_LATELY = timedelta(hours=1)
_FEW_STRANGERS = 10
_ACCEPTED = ("sent", "queued", "forwarded", "ignored", "repeated", "suppressed")
_BOUNCES, _COMPLAINTS = 0.05, 0.001


def checks(design: str | None = None) -> dict[str, Callable[[Deployment], Iterator[Check]]]:
    """All checks by name, in the order in which they run; `design` is the id of one to try."""
    return {
        "stack": check_stack,
        "region": check_region,
        "versions": check_versions,
        "settings": check_settings,
        "secret": check_secret,
        "permissions": check_permissions,
        "resources": check_resources,
        "functions": check_functions,
        "SES's events": check_ses_events,
        "sandbox": check_account,
        "identities": senders.check_identities,
        "senders": senders.check_senders,
        "sandbox recipients": senders.check_recipients,
        "domains": senders.check_domains,
        "configuration set": check_configuration_set,
        "throttle": check_throttle,
        "log": check_log,
        "metrics": check_metrics,
        "webhook": check_webhook,
        "designs": partial(shown.check_designs, own=design),
        "queue": check_queue,
        "mailer": check_mailer,
        "dead letters": check_dead_letters,
        "memory": check_table,
        "event bus": check_bus,
        "alarms": check_alarms,
        "silence alarm": check_silence,
    }


def make(
    name: str, check: Callable[[Deployment], Iterator[Check]], deployment: Deployment
) -> list[Check]:
    """Run one check."""
    try:
        if name in _OF_SENDING and not deployment.has_mailer:
            return [Check(name, "skip", "Mailer=off: the stack sends no email")]
        return list(check(deployment))
    except CliError as err:
        if causes.is_gone(err.__cause__):
            return [Check(name, "fail", f"it was deleted: {err}", causes.revert_drift(deployment))]
        if isinstance(err.__cause__, SettingsInvalid):
            return [Check(name, "fail", str(err), err.advice)]
        return [Check(name, "warn", f"could not be checked: {err}", err.advice)]


# --- the stack --------------------------------------------------------------------------------


def check_stack(deployment: Deployment) -> Iterator[Check]:
    """It is completely deployed."""
    status = deployment.stack["StackStatus"]
    fine = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
    if fine:
        yield Check("stack", "ok", f"{deployment.name}: {status}")
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield Check(
            "stack",
            "warn",
            f"{deployment.name}: {status}",
            "The last update failed and was rolled back. For the reason: "
            f"aws cloudformation describe-stack-events --stack-name {deployment.name}",
        )
    else:
        yield Check(
            "stack",
            "fail",
            f"{deployment.name}: {status}",
            f"aws cloudformation describe-stack-events --stack-name {deployment.name}",
        )
    for logical_id in deployment.functions:
        function = deployment.function(logical_id)
        state = function.get("State", "Active")
        update = function.get("LastUpdateStatus", "Successful")
        found = f"{state}, last update {update}"
        if update == "InProgress" or state == "Pending":
            yield Check(logical_id, "warn", found, "Look again in a minute.")
        elif update == "Successful" and state in ("Active", "Inactive"):
            yield Check(logical_id, "ok", found)
        else:
            reason = function.get("LastUpdateStatusReason") or function.get("StateReason")
            yield Check(logical_id, "fail", found, str(reason or "Deploy again."))


def check_region(deployment: Deployment) -> Iterator[Check]:
    """SES sends from the region of the stack, so identities and quotas must be there."""
    there = str(deployment.stack["StackId"]).split(":")[3]
    if there == deployment.region:
        yield Check("region", "ok", f"{there}; identities and quotas count per region")
    else:
        yield Check(
            "region",
            "warn",
            f"asked in {deployment.region}, the stack is in {there}",
            f"Give --region {there} or set AWS_REGION={there}.",
        )


def check_versions(deployment: Deployment) -> Iterator[Check]:
    """The deployed version is this folder's, and runs on the runtime of its layers."""
    ours = project.version()
    # Early versions don't have this output.
    theirs = deployment.outputs.get("Version", "of unknown version")
    yield Check(
        "version",
        "ok" if theirs == ours else "warn",
        f"deployed is {theirs}, this folder is {ours}",
        "" if theirs == ours else "Deploy this version, or use the one that was deployed.",
    )
    function = deployment.function(RECEIVER)
    runtime = function["Runtime"]
    architecture = ",".join(function.get("Architectures", []))
    deployed = datetime.fromisoformat(function["LastModified"])
    yield Check(
        "runtime",
        "ok" if runtime == RUNTIME else "fail",
        f"{runtime} on {architecture}, deployed {times.show(deployed)}",
        "" if runtime == RUNTIME else f"The layers are built for {RUNTIME}: deploy again.",
    )
    tools = f"roomle-mail {ours}, Python {platform.python_version()}, "
    yield Check("tools", "ok", f"{tools}boto3 {version('boto3')}, typer {version('typer')}")
    ours_named, theirs_named = project.template_parameters(), set(deployment.parameters)
    missing, unknown = ours_named - theirs_named, theirs_named - ours_named
    if missing or unknown:
        parts = [
            f"{what}: {', '.join(sorted(names))}"
            for what, names in (("only here", missing), ("only there", unknown))
            if names
        ]
        yield Check(
            "template",
            "warn",
            f"parameters differ from this folder's ({'; '.join(parts)})",
            "Deploy this version, or use the one that was deployed.",
        )
    else:
        yield Check("template", "ok", "its parameters are those of this folder's template")


def check_settings(deployment: Deployment) -> Iterator[Check]:
    """No parameter weakens the protection."""
    weak = deployment.settings.warnings
    if weak:
        yield Check(
            "settings",
            "warn",
            f"weakened by {', '.join(weak)}",
            "docs/security.md says what each gives up. Deploy without it if you can.",
        )
    else:
        yield Check("settings", "ok", "no parameter weakens the protection")


# --- the secret -------------------------------------------------------------------------------


def check_secret(deployment: Deployment) -> Iterator[Check]:
    """It has the form that the receiver needs."""
    if not deployment.settings.require_token:
        yield Check("secret", "skip", "RequireToken=false needs none")
        return
    broken = list(_failed("secret", causes.secret(deployment)))
    yield from broken
    if broken:
        return
    known = keys.known(deployment)
    current = [each for stage, each in known if stage == keys.CURRENT]
    yield Check("secret", "ok", f"API keys: {', '.join(each.api_key for each in current)}")


# --- what was changed by hand -----------------------------------------------------------------


def _failed(name: str, found: Iterable[causes.Cause]) -> Iterator[Check]:
    return (Check(name, "fail", cause.why, cause.fix) for cause in found)


def _whole(name: str, found: Iterable[causes.Cause], fine: str) -> Iterator[Check]:
    """One failure for each cause, or that all is well."""
    broken = list(_failed(name, found))
    yield from broken or [Check(name, "ok", fine)]


def check_permissions(deployment: Deployment) -> Iterator[Check]:
    """The functions' roles may do what the template says, and API Gateway may call the receiver."""
    found = chain(causes.permissions(deployment), causes.invocation(deployment))
    yield from _whole("permissions", found, "the roles have the template's permissions")


def check_resources(deployment: Deployment) -> Iterator[Check]:
    """The stack's resources are still there."""
    yield from _whole("resources", causes.resources(deployment), "all are there")


def check_functions(deployment: Deployment) -> Iterator[Check]:
    """The functions are as they were deployed, and allowed to run."""
    found = chain(
        causes.variables(deployment),
        causes.configuration(deployment),
        causes.concurrency(deployment),
    )
    # Values that the functions accept stop no email.
    other = [Check("functions", "warn", each.why, each.fix) for each in causes.values(deployment)]
    checks = [*_failed("functions", found), *other]
    yield from checks or [Check("functions", "ok", "as they were deployed")]


def check_ses_events(deployment: Deployment) -> Iterator[Check]:
    """What SES reports about emails reaches the log. No email depends on it."""
    name, found = "SES's events", causes.ses_events(deployment)
    broken = [Check(name, "warn", each.why, each.fix) for each in found]
    yield from broken or [Check(name, "ok", "they reach the log")]


# --- what happened lately ---------------------------------------------------------------------


def check_log(deployment: Deployment) -> Iterator[Check]:
    """Nothing went wrong in the last hour, according to the log."""
    start = datetime.now(UTC) - _LATELY
    query = lines.Query(ids=reasons.TROUBLE, sources=("receiver", "mailer"))
    # What has no reason went well, as the mailer's answer to a check of this command.
    lately = lines.search(deployment, query, start=start)
    found = reasons.group(each for each in lately if "reason" in each.facts)
    for each in found:
        facts, last = each.last.facts, times.show(each.last.at)
        if facts.get("reason") == "TokenMissing" and "hint" not in facts:
            yield _strangers(deployment, each, start)
            continue
        details = ", ".join(f"{name} {value}" for name, value in each.details.items())
        said = f"{each.last.what} {facts.get('reason', '')}".rstrip()
        yield Check(
            "log",
            _severity(deployment, each),
            f"{len(each.lines)} × {said}, last {last}: {each.reason.meaning}"
            + (f" ({details})" if details else ""),
            _here(each.remedy),
        )
    if not found:
        yield Check("log", "ok", "nothing went wrong in the last hour")


def _here(remedy: str) -> str:
    """A remedy without the advice to run this command."""
    return remedy.replace("roomle-mail doctor", "The other checks here say more")


def _severity(deployment: Deployment, found: reasons.Group) -> State:
    """How bad it is: a failure if nothing was accepted since, a warning if it is over."""
    what, facts = found.last.what, found.last.facts
    if what == "refused":
        often = len(found.lines) >= int(deployment.parameters.get("AlarmRefusals") or 1)
        if not often and "hint" not in facts:
            return "warn"
    elif facts.get("level") != "ERROR":
        return "warn"
    return "warn" if _has_accepted(deployment, since=found.last.at) else "fail"


def _strangers(deployment: Deployment, found: reasons.Group, start: datetime) -> Check:
    """Requests without a token: noise, unless no others come."""
    number, header = len(found.lines), deployment.settings.token_header
    told = f"{number} requests without a token (Unauthenticated), last {times.show(found.last.at)}"
    if _has_accepted(deployment, since=start):
        return Check("log", "info", told, "Nothing to do: anyone can send them, and doctor does.")
    return Check(
        "log",
        "warn" if number > _FEW_STRANGERS else "info",
        f"{told}, and no event was received in the last hour (Received)",
        f"doctor sends two each time. If Roomle sent events meanwhile, its token is in another "
        f"header than {header!r}: sam deploy --parameter-overrides TokenHeader=NAME",
    )


def _has_accepted(deployment: Deployment, *, since: datetime) -> bool:
    """Whether the receiver has accepted any event after a moment."""
    queries = (lines.Query(messages=[each], sources=["receiver"]) for each in _ACCEPTED)
    return any(lines.are_any(deployment, each, start=since) for each in queries)


# --- SES --------------------------------------------------------------------------------------


def check_account(deployment: Deployment) -> Iterator[Check]:
    """SES may send to anyone, and the daily quota is not used up."""
    account = senders.account(deployment)
    if account.get("ProductionAccessEnabled"):
        yield Check("sandbox", "ok", "the account is out of SES's sandbox")
    else:
        yield Check(
            "sandbox",
            "fail",
            "the account is in SES's sandbox: only verified recipients",
            "Ask for production access: SES console, Account dashboard, or "
            "aws sesv2 put-account-details",
        )
    enforcement = account.get("EnforcementStatus", "HEALTHY")
    if not account.get("SendingEnabled", True) or enforcement == "SHUTDOWN":
        yield Check(
            "sending",
            "fail",
            f"SES has paused sending ({enforcement})",
            "See the SES console, Reputation metrics. Roomle sends its own emails meanwhile.",
        )
    elif enforcement == "PROBATION":
        yield Check(
            "sending",
            "warn",
            "the account is under review",
            "See the SES console, Reputation metrics.",
        )
    else:
        yield Check("sending", "ok", f"enabled, {enforcement}")
    yield quota(account)


def quota(account: Mapping[str, Any]) -> Check:
    """How much of SES's quota for 24 hours is used."""
    allowed = account["SendQuota"]
    day, used = allowed["Max24HourSend"], allowed["SentLast24Hours"]
    found = f"{used:.0f} of {day:.0f} emails in 24 hours, {allowed['MaxSendRate']:g} a second"
    if day > 0 and used > _QUOTA_NEARLY * day:
        return Check("quota", "warn", found, "Ask for more: SES console, or Service Quotas.")
    return Check("quota", "ok", found)


def check_configuration_set(deployment: Deployment) -> Iterator[Check]:
    """The configuration set that every email uses exists and sends."""
    name = deployment.settings.configuration_set
    with aws_errors():
        found = deployment.client("sesv2").get_configuration_set(ConfigurationSetName=name)
    if found.get("SendingOptions", {}).get("SendingEnabled", True):
        yield Check("configuration set", "ok", f"{name} sends")
    else:
        yield Check(
            "configuration set",
            "fail",
            f"{name} is switched off",
            "aws sesv2 put-configuration-set-sending-options --sending-enabled "
            f"--configuration-set-name {name}",
        )


def check_throttle(deployment: Deployment) -> Iterator[Check]:
    """The webhook accepts no more than SES sends, or the queue takes the rest."""
    if not deployment.has_mailer:
        yield from _concurrency(deployment)
        return
    quota = senders.account(deployment)["SendQuota"]
    rate = float(deployment.parameters.get("ThrottleRate") or 0)
    sends, day = quota["MaxSendRate"], quota["Max24HourSend"]
    cap = deployment.settings.max_emails_per_hour
    channels = deployment.settings.delivery
    found = f"webhook {rate:g} requests a second, SES {sends:g} emails a second"
    if rate <= sends or sends < 0:
        yield Check("throttle", "ok", found)
    elif "sqs" in channels:
        yield Check("throttle", "ok", f"{found}; what exceeds SES's rate waits in the queue")
    else:
        yield Check(
            "throttle",
            "warn",
            found,
            "Above SES's rate Roomle sends its own emails. Deploy with Delivery=ses,sqs, "
            "or ask SES for a higher rate.",
        )
    if cap and 0 < day < cap * 24:
        yield Check(
            "daily quota",
            "warn",
            f"{cap} emails an hour are allowed, {day:.0f} a day",
            "At that pace the quota is used up before the day ends, and Roomle sends its own. "
            "Ask SES for more, or lower MaxEmailsPerHour.",
        )
    yield from _concurrency(deployment)


def _concurrency(deployment: Deployment) -> Iterator[Check]:
    with aws_errors():
        limits = deployment.client("lambda").get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"]
    state: State = "warn" if free < _FEW_ENVIRONMENTS else "ok"
    yield Check(
        "concurrency",
        state,
        f"{free} concurrent executions in this region",
        ""
        if state == "ok"
        else "A new account's limit: ask for 1000 in Service Quotas, "
        "Lambda, Concurrent executions.",
    )


def check_metrics(deployment: Deployment) -> Iterator[Check]:
    """Nothing was throttled in the last hour, and few emails bounce or are marked as spam."""
    bad = measured(deployment).values()
    yield from bad or [Check("metrics", "ok", "nothing was throttled; few bounces and complaints")]


def measured(deployment: Deployment) -> dict[str, Check]:
    """What the metrics of the last hour show to be wrong, by the alarm that is about it."""
    found = _metrics(deployment)
    ask = "Ask for 1,000 in Service Quotas (Lambda, Concurrent executions)"
    rate, burst = (int(deployment.parameters.get(f"Throttle{x}") or 0) for x in ("Rate", "Burst"))
    more = f"ThrottleRate={2 * rate} ThrottleBurst={2 * burst}"
    # The bounds of the rates are the alarms'. SES may pause an account at twice and five times as
    # much (its page "Sending review process FAQs").
    bad: dict[str, Check] = {}
    if (number := found.get("receiver", 0)) > 0:
        lacked = f"Lambda had no capacity for the receiver {number:.0f} times in the last hour"
        bad["ReceiverThrottlesAlarm"] = Check("metrics", "warn", lacked, f"{ask}.")
    if (number := found.get("mailer", 0)) > 0:
        lacked = f"Lambda had no capacity for the mailer {number:.0f} times in the last hour"
        fix = f"{ask}, or lower MailerConcurrency."
        bad["MailerThrottlesAlarm"] = Check("metrics", "warn", lacked, fix)
    if (number := found.get("webhook", 0)) > 0:
        over = f"{number:.0f} requests in the last hour were over ThrottleRate or ThrottleBurst"
        fix = f"If they are Roomle's: sam deploy --parameter-overrides {more}"
        bad["WebhookThrottlesAlarm"] = Check("metrics", "warn", over, fix)
    if (share := found.get("bounces", 0)) >= _BOUNCES:
        bounce = f"{share:.1%} of this account's emails bounce; at 10 % SES may pause it"
        bad["BounceRateAlarm"] = Check("metrics", "fail", bounce, reasons.ABUSE)
    if (share := found.get("complaints", 0)) >= _COMPLAINTS:
        spam = f"{share:.2%} of this account's emails are marked as spam; at 0.5 % SES may pause it"
        bad["ComplaintRateAlarm"] = Check("metrics", "fail", spam, reasons.ABUSE)
    return bad


def _metrics(deployment: Deployment) -> dict[str, float]:
    """The metrics of the last hour by their names here; those without data are left out."""
    receiver, mailer = (deployment.resources.get(each, ("", ""))[1] for each in (RECEIVER, MAILER))
    hour, minute = 3600, 60
    queries = [
        _query("receiver", "AWS/Lambda", "Throttles", "Sum", hour, FunctionName=receiver),
        _query("webhook", "RoomleMail", "WebhookThrottled", "Sum", hour, stack=deployment.name),
        _query("bounces", "AWS/SES", "Reputation.BounceRate", "Maximum", minute),
        _query("complaints", "AWS/SES", "Reputation.ComplaintRate", "Maximum", minute),
    ]
    if mailer:
        queries.append(
            _query("mailer", "AWS/Lambda", "Throttles", "Sum", hour, FunctionName=mailer)
        )
    now = datetime.now(UTC)
    with aws_errors():
        answer = deployment.client("cloudwatch").get_metric_data(
            MetricDataQueries=queries, StartTime=now - _LATELY, EndTime=now
        )
    found = {each["Id"]: each["Values"] for each in answer["MetricDataResults"] if each["Values"]}
    # The newest comes first. An hour's calls may be in two periods; a rate is the newest one.
    return {
        x: values[0] if x in ("bounces", "complaints") else sum(values)
        for x, values in found.items()
    }


def _query(
    name: str, namespace: str, metric: str, statistic: str, period: int, **dimensions: str
) -> dict[str, Any]:
    pairs = [{"Name": each, "Value": value} for each, value in dimensions.items()]
    asked = {"Namespace": namespace, "MetricName": metric, "Dimensions": pairs}
    return {"Id": name, "MetricStat": {"Metric": asked, "Period": period, "Stat": statistic}}


# --- the webhook ------------------------------------------------------------------------------


def check_webhook(deployment: Deployment) -> Iterator[Check]:
    """It answers, refuses requests without a token, and its clock agrees with this machine's."""
    url = deployment.webhook_url
    request = posting.Request(url, {"Content-Type": "application/json"}, b"")
    try:
        # The first may have to wait for a cold start.
        first, answer = posting.post(request), posting.post(request)
    except CliError as err:
        yield Check(
            "webhook",
            "fail",
            str(err),
            "Check that the stack is deployed and that this network allows the request.",
        )
        return
    _, code = answer.told
    took = f"{first.seconds:.2f} s, then {answer.seconds:.2f} s"
    found = f"{url} answers {answer.status} {code or answer.body[:80]} in {took}"
    if answer.status == _UNAUTHORIZED and code == "unauthorized":
        slow = answer.seconds > _SLOW
        advice = "Roomle may not wait so long. Give MemorySize more." if slow else ""
        yield Check("webhook", "warn" if slow else "ok", found, advice)
    elif not deployment.settings.require_token:
        yield Check(
            "webhook", "warn", found, "It accepts requests from anyone: RequireToken is false."
        )
    elif code is None:
        yield from _not_answering(deployment, answer.status, found)
    else:
        yield Check(
            "webhook",
            "fail",
            found,
            "It should refuse a request without token with 401: "
            f"roomle-mail logs --since 10m{deployment.option}",
        )
    if not url.startswith("https://") and not deployment.endpoint_url:
        yield Check(
            "TLS", "fail", "the webhook's URL is not https", "Enter the https URL at Roomle."
        )
    yield from _clock(deployment, answer)


def _not_answering(deployment: Deployment, status: int, found: str) -> Iterator[Check]:
    """API Gateway itself answers: call the receiver, to see whether it can start."""
    event = {"version": "2.0", "headers": {}, "requestContext": {}, "body": ""}
    problem = _start(deployment, RECEIVER, deployment.resources[RECEIVER][1], event)
    yield problem or Check(
        "webhook",
        "fail",
        f"{found}. That is API Gateway's answer; the receiver itself starts",
        f"Its route was deleted: {causes.revert_drift(deployment)}"
        if status == _NOT_FOUND
        else "See the checks of permissions and functions; the log AccessLog says more.",
    )


def _start(deployment: Deployment, name: str, function: str, event: object) -> Check | None:
    """Call a function; None if it works, else why it does not."""
    with aws_errors():
        answer = deployment.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(event).encode()
        )
    if "FunctionError" not in answer:
        return None
    said = json.loads(answer["Payload"].read() or b"{}")
    kind, message = said.get("errorType", ""), str(said.get("errorMessage", ""))
    cause = next(causes.configuration(deployment), None) or next(causes.variables(deployment), None)
    if cause is None:
        of_import = re.search("No module named|cannot import|init failed", message)
        known = next((each for each in reasons.OF_LAMBDA if each in f"{kind} {message}"), None)
        known = known or ("Runtime.ImportModuleError" if of_import else None)
        alarm = f"{name.removesuffix('Function')}ErrorsAlarm"
        cause = causes.Cause(
            reasons.REASONS[known].meaning if known else "It crashes.",
            reasons.REASONS[known].remedy if known else f"roomle-mail why {alarm}",
        )
    return Check(name, "fail", f"{cause.why} ({kind}: {message[:200]})", cause.fix)


def _clock(deployment: Deployment, answer: posting.Answer) -> Iterator[Check]:
    if answer.date is None:
        yield Check("clock", "skip", "the webhook's answer has no date")
        return
    difference = (datetime.now(UTC) - answer.date).total_seconds()
    # The header has whole seconds.
    off = max(0.0, abs(difference) - 1)
    max_age = deployment.settings.token_max_age
    found = f"this machine and AWS differ by about {off:.0f} s"
    if off >= max_age:
        yield Check("clock", "fail", found, "Tokens signed here are refused: set this clock.")
    elif off > _CLOCK_WARN:
        yield Check("clock", "warn", found, f"Set this clock; tokens may differ by {max_age} s.")
    else:
        yield Check("clock", "ok", found)


# --- the queue --------------------------------------------------------------------------------


def check_queue(deployment: Deployment) -> Iterator[Check]:
    """What waits in it, and whether what fails leaves it."""
    with aws_errors():
        attributes = deployment.client("sqs").get_queue_attributes(
            QueueUrl=deployment.output("QueueUrl"), AttributeNames=["All"]
        )["Attributes"]
    waiting = int(attributes["ApproximateNumberOfMessages"])
    working = int(attributes["ApproximateNumberOfMessagesNotVisible"])
    found = f"{waiting} waiting, {working} at work or waiting for their next try"
    yield Check("queue", "ok", found)
    yield from _failed("queue", causes.queues(deployment))


def check_mailer(deployment: Deployment) -> Iterator[Check]:
    """It reads the queue, and it starts; or else another program reads the queue."""
    if not deployment.has_mailer:
        yield _consumer(deployment)
        return
    yield from _whole("mailer", causes.trigger(deployment), "reads the queue")
    problem = _start(deployment, MAILER, deployment.resources[MAILER][1], {"Records": []})
    yield problem or Check("mailer", "ok", "starts")


def _consumer(deployment: Deployment) -> Check:
    """Whether a Lambda function reads the queue. Other programs that do so can't be seen."""
    name = "consumer"
    with aws_errors():
        found = deployment.client("lambda").list_event_source_mappings(
            EventSourceArn=deployment.output("QueueArn")
        )["EventSourceMappings"]
    on = [each for each in found if each["State"] not in ("Disabled", "Disabling", "Deleting")]
    if on:
        functions = ", ".join(each["FunctionArn"].rpartition(":function:")[2] for each in on)
        return Check(name, "ok", f"Mailer=off: the function {functions} reads the queue")
    if found:
        return Check(
            name,
            "fail",
            "Mailer=off, and the trigger of the function that reads the queue is off",
            f"aws lambda update-event-source-mapping --enabled --uuid {found[0]['UUID']}",
        )
    return Check(
        name,
        "info",
        "Mailer=off: no Lambda function reads the queue, perhaps another program does",
        "docs/consumer.md says what such a program does. Waiting events are in the check 'queue'.",
    )


def check_dead_letters(deployment: Deployment) -> Iterator[Check]:
    """There are none."""
    dead = letters.count(deployment)
    if not dead:
        yield Check("dead letters", "ok", "none")
        return
    found = Counter(each.reason for each in letters.peek(deployment))
    again = f"roomle-mail dead-letters redrive --all{deployment.option}"
    if not found:
        yield Check(
            "dead letters",
            "fail",
            f"{dead} emails could not be sent; all are hidden, so somebody is looking at them",
            f"roomle-mail dead-letters list{deployment.option}",
        )
    for reason, number in found.most_common():
        known = reasons.explain({"reason": reason}) or reasons.Reason(reason, "")
        yield Check(
            "dead letters",
            "fail",
            f"{dead} emails could not be sent, of {found.total()} looked at {number} for {reason}: "
            f"{known.meaning}",
            _here(known.remedy) + ("" if "dead-letters" in known.remedy else f" Then: {again}"),
        )


def check_table(deployment: Deployment) -> Iterator[Check]:
    """The table works, and its items expire."""
    name = deployment.output("TableName")
    with aws_errors():
        client = deployment.client("dynamodb")
        status = client.describe_table(TableName=name)["Table"]["TableStatus"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    fine = status in ("ACTIVE", "UPDATING")
    yield Check(
        "memory",
        "ok" if fine else "fail",
        f"table {status}",
        "" if fine else "Without it every event is answered with 503.",
    )
    if ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING"):
        yield Check("forgetting", "ok", "items expire")
    elif deployment.settings.local_stack:
        yield Check("forgetting", "skip", "the emulator does not say whether items expire")
    else:
        yield Check("forgetting", "warn", "items never expire", "Deploy again.")


# --- other systems ----------------------------------------------------------------------------


def check_bus(deployment: Deployment) -> Iterator[Check]:
    """The event bus exists, in this region, and somebody gets what is put on it."""
    bus = deployment.settings.event_bus
    if not bus:
        yield Check("event bus", "ok", "none: nothing is published")
        return
    _, _, _, region, account, *_ = str(deployment.stack["StackId"]).split(":")
    given = bus.split(":")
    if len(given) > 1 and given[3] != region:
        advice = f"EventBridge takes events for a bus in {region} only: deploy with one of there."
        yield Check("event bus", "fail", f"{bus} is in {given[3]}", advice)
        return
    if len(given) > 1 and given[4] != account:
        advice = "Look at its policy and its rules there (docs/event-bus.md)."
        yield Check("event bus", "info", f"{bus} is another account's and can't be seen", advice)
        return
    try:
        with aws_errors():
            events = deployment.client("events")
            events.describe_event_bus(Name=bus)
            rules = events.list_rules(EventBusName=bus, Limit=1)["Rules"]
    except CliError as err:
        if not causes.is_gone(err.__cause__):
            raise
        advice = (
            "EventBridge takes events for it all the same, and nobody gets them. "
            f"aws events create-event-bus --name {bus.rpartition('/')[2]}, then its rules."
        )
        yield Check("event bus", "fail", f"{bus} does not exist", advice)
        return
    if rules:
        yield Check("event bus", "ok", f"{bus} exists, and has rules")
    else:
        advice = "docs/event-bus.md says what a rule looks like."
        yield Check("event bus", "warn", f"{bus} has no rule, so nobody gets the events", advice)


# --- alarms -----------------------------------------------------------------------------------


def check_alarms(deployment: Deployment) -> Iterator[Check]:
    """No alarm is ringing, all are switched on, and someone is notified."""
    names = sorted(
        physical
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        for physical in deployment.of_type(kind).values()
    )
    if not names:
        yield Check("alarms", "warn", "the stack has none", "Deploy a version that has alarms.")
        return
    alarms = _alarms(deployment, names)
    # The silence alarm has its own check.
    silence = deployment.resources.get(SILENCE, ("", ""))[1]
    loud = [
        each for each in alarms if each["StateValue"] == "ALARM" and each["AlarmName"] != silence
    ]
    for each in loud:
        yield Check(
            "alarms",
            "fail",
            f"{each['AlarmName']} is ringing since {times.show(each['StateUpdatedTimestamp'])}",
            each.get("AlarmDescription", "docs/operations.md says what to do."),
        )
    if gone := sorted({*names} - {each["AlarmName"] for each in alarms}):
        yield Check(
            "alarms",
            "fail",
            f"deleted by hand: {', '.join(gone)}",
            causes.revert_drift(deployment),
        )
    elif not loud:
        yield Check("alarms", "ok", f"{len(alarms)}, none is ringing")
    off = [each["AlarmName"] for each in alarms if not each.get("ActionsEnabled", True)]
    if off:
        yield Check(
            "alarm actions",
            "warn",
            f"switched off: {', '.join(off)}",
            f"aws cloudwatch enable-alarm-actions --alarm-names {' '.join(off)}",
        )
    topics = sorted(
        {each for alarm in alarms for each in alarm.get("AlarmActions", []) if ":sns:" in each}
    )
    if not topics:
        yield Check(
            "alarm emails",
            "warn",
            "the alarms notify nobody",
            "Deploy with AlarmEmail=you@example.com",
        )
    for topic in topics:
        yield _subscriptions(deployment, topic)


def _subscriptions(deployment: Deployment, topic: str) -> Check:
    with aws_errors():
        pages = deployment.client("sns").get_paginator("list_subscriptions_by_topic")
        found = [each for page in pages.paginate(TopicArn=topic) for each in page["Subscriptions"]]
    pending = [each for each in found if not _confirmed(deployment, each["SubscriptionArn"])]
    confirmed = len(found) - len(pending)
    if confirmed and not pending:
        return Check("alarm emails", "ok", f"{confirmed} confirmed subscription(s)")
    if pending:
        return Check(
            "alarm emails",
            "fail" if not confirmed else "warn",
            f"{len(pending)} subscription(s) not confirmed, {confirmed} confirmed",
            'Follow the link in AWS\'s email "Subscription Confirmation"; check spam too.',
        )
    return Check(
        "alarm emails", "warn", "nobody is subscribed", "Deploy with AlarmEmail=you@example.com"
    )


def _confirmed(deployment: Deployment, subscription: str) -> bool:
    # SNS writes "PendingConfirmation" in the place of the ARN.
    if not subscription.startswith("arn:"):
        return False
    with aws_errors():
        found = deployment.client("sns").get_subscription_attributes(SubscriptionArn=subscription)
    return str(found["Attributes"].get("PendingConfirmation", "false")) == "false"


def _alarms(deployment: Deployment, names: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with aws_errors():
        for start in range(0, len(names), 100):
            answer = deployment.client("cloudwatch").describe_alarms(
                AlarmNames=names[start : start + 100],
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                MaxRecords=100,
            )
            found += answer.get("MetricAlarms", []) + answer.get("CompositeAlarms", [])
    return found


def check_silence(deployment: Deployment) -> Iterator[Check]:
    """An alarm reports when Roomle stops sending events, and it is already active.

    Before the first event it can't be: the metric has no data, so the alarm is INSUFFICIENT_DATA
    or, in older versions, ALARM, although nothing is wrong.
    """
    hours = int(deployment.parameters.get("AlarmSilenceHours") or 0)
    if not hours or SILENCE not in deployment.resources:
        yield Check(
            "silence alarm",
            "info",
            "off (AlarmSilenceHours=0): nobody is notified when Roomle stops sending events",
            "Once events arrive regularly, deploy with AlarmSilenceHours, for instance 24.",
        )
        return
    alarm = next(iter(_alarms(deployment, [deployment.resources[SILENCE][1]])), None)
    if alarm is None:
        yield Check(
            "silence alarm", "fail", "it was deleted by hand", causes.revert_drift(deployment)
        )
        return
    if alarm["StateValue"] == "OK":
        yield Check("silence alarm", "ok", f"active; rings after {hours} h without an event")
        return
    now = datetime.now(UTC)
    created = deployment.stack["CreationTime"]
    last = _last_event(deployment, alarm, since=created, now=now)
    if last is None:
        yield Check(
            "silence alarm",
            "info",
            f"{alarm['StateValue']} because no event has arrived since the stack was created "
            f"({times.show(created)}). Active from the first event on; rings after "
            f"{hours} h without one",
            "Enter the webhook's URL at Roomle, then save a configuration, or: "
            f"roomle-mail send savedConfiguration --to you@example.com{deployment.option}",
        )
    elif now - last < timedelta(hours=hours):
        yield Check(
            "silence alarm",
            "info",
            f"{alarm['StateValue']}, but an event arrived within the last {hours} h: the alarm is "
            "about to become OK",
            "Look again in a few minutes.",
        )
    else:
        yield Check(
            "silence alarm",
            "fail",
            f"no event since {times.show(last)}, for more than {hours} h",
            "Check the webhook's URL in Rubens Admin, then: "
            f"roomle-mail send savedConfiguration --to you@example.com{deployment.option}",
        )


def _last_event(
    deployment: Deployment, alarm: dict[str, Any], *, since: datetime, now: datetime
) -> datetime | None:
    """The end of the last hour for which the alarm's metric has data; None if there is none.

    CloudWatch keeps hourly data for 455 days and returns up to 1,440 values at once (its page
    "Metrics concepts", and GetMetricStatistics in its API reference).
    """
    since = max(since, now - timedelta(days=455))
    for period, length in (
        (timedelta(hours=1), timedelta(hours=1440)),
        (timedelta(days=1), timedelta(days=1440)),
    ):
        with aws_errors():
            answer = deployment.client("cloudwatch").get_metric_statistics(
                Namespace=alarm["Namespace"],
                MetricName=alarm["MetricName"],
                Dimensions=alarm["Dimensions"],
                StartTime=max(since - period, now - length),
                EndTime=now,
                Period=int(period.total_seconds()),
                Statistics=["Sum"],
            )
        times: list[datetime] = [each["Timestamp"] for each in answer["Datapoints"] if each["Sum"]]
        if times:
            return min(now, max(times) + period)
    return None
