"""The steps of a proof that observe: one alarm, saved queries, the dashboard, all alarms."""

from __future__ import annotations

import json
import re
import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from roomle_mail_cli import causes, diagnosis, limits
from roomle_mail_cli.deployment import aws_errors, error_code
from roomle_mail_cli.proof import Proof, Result, failed, limited, not_tried, proved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail_cli.deployment import Deployment

REASON = "roomle-mail prove: a drill, nothing is wrong"
_RUNG_WITHIN, _ANSWERED_WITHIN, _FOUND_WITHIN, _MEASURED_WITHIN = 60.0, 60.0, 30.0, 240.0
_MINUTE = 60


# --- one alarm --------------------------------------------------------------------------------


def prove_alarm(proof: Proof) -> Iterator[Result]:
    """One alarm rings, runs its action, and ends."""
    alarm = _quiet_alarm(proof.deployment)
    if alarm is None:
        yield not_tried("alarm", "no alarm of the stack is quiet now")
        return
    name, before = alarm["AlarmName"], alarm["StateValue"]
    label = _logical_id(proof.deployment, name)
    began = time.time()
    proof.finally_do(f"the state of {label}", partial(_set_back, proof.deployment, name, before))
    _set_state(proof.deployment, name, "ALARM")

    def rang() -> bool:
        return "ALARM" in _states(proof.deployment, name, began)

    rung = proof.wait(rang, within=_RUNG_WITHIN)
    _set_back(proof.deployment, name, before)

    def is_over() -> bool:
        return _state_of(proof.deployment, name) != "ALARM"

    over = proof.wait(is_over, within=_RUNG_WITHIN)
    if not (rung and over):
        yield failed(
            "alarm",
            f"{label} {'did not ring' if not rung else 'does not end'}",
            diagnosis.broken(proof.deployment),
        )
        return
    yield proved("alarm", f"{label} rang and is {_state_of(proof.deployment, name)} again")
    yield _action(proof, alarm, label, began)


def _action(proof: Proof, alarm: dict[str, Any], label: str, began: float) -> Result:
    name = "alarm's action"
    if not alarm.get("ActionsEnabled", True):
        return failed(
            name,
            f"{label} tells nobody",
            causes.Cause(
                "its actions are switched off",
                f"aws cloudwatch enable-alarm-actions --alarm-names {alarm['AlarmName']}",
            ),
        )
    if not alarm.get("AlarmActions"):
        return failed(
            name,
            f"{label} has no action",
            causes.Cause("its actions were removed", causes.revert_drift(proof.deployment)),
        )
    if proof.local:
        return limited(name, limits.ALARM_ACTIONS)

    def taken() -> list[str]:
        found = _history(proof.deployment, alarm["AlarmName"], "Action", began)
        return [each["HistorySummary"] for each in found]

    proof.wait(lambda: any("uccess" in each for each in taken()), within=_RUNG_WITHIN)
    said = taken()
    if any("uccess" in each for each in said):
        return proved(name, "the topic took the message; who is subscribed: roomle-mail doctor")
    return failed(
        name,
        "the history has no action that succeeded" if not said else "the action failed",
        causes.Cause(
            "CloudWatch may not publish to the topic", causes.revert_drift(proof.deployment)
        ),
    )


def _quiet_alarm(deployment: Deployment) -> dict[str, Any] | None:
    """A quiet alarm, preferably one that nothing else in a proof can ring."""
    names = deployment.of_type("AWS::CloudWatch::Alarm")
    wanted = sorted(names, key=lambda each: each != "UnforeseenAlarm")
    found = {each["AlarmName"]: each for each in _alarms(deployment, list(names.values()))}
    for each in wanted:
        alarm = found.get(names[each])
        if alarm is not None and alarm["StateValue"] != "ALARM":
            return alarm
    return None


def _alarms(deployment: Deployment, names: list[str]) -> list[dict[str, Any]]:
    with aws_errors():
        pages = deployment.client("cloudwatch").get_paginator("describe_alarms")
        return [
            each
            for page in pages.paginate(AlarmNames=names[:100])
            for each in page.get("MetricAlarms", [])
        ]


def _set_state(deployment: Deployment, name: str, state: str) -> None:
    with aws_errors():
        deployment.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue=state, StateReason=REASON
        )


def _set_back(deployment: Deployment, name: str, before: str) -> None:
    """Reset an alarm, unless CloudWatch already has, or has its own reason for the state."""
    for alarm in _alarms(deployment, [name]):
        if alarm["StateValue"] == "ALARM" and alarm.get("StateReason") == REASON:
            _set_state(deployment, name, before)


def _state_of(deployment: Deployment, name: str) -> str:
    return next((each["StateValue"] for each in _alarms(deployment, [name])), "gone")


def _states(deployment: Deployment, name: str, since: float) -> list[str]:
    """The alarm's states since then, from its history."""
    return [
        json.loads(each["HistoryData"])["newState"]["stateValue"]
        for each in _history(deployment, name, "StateUpdate", since)
    ]


def _history(deployment: Deployment, name: str, kind: str, since: float) -> list[dict[str, Any]]:
    with aws_errors():
        found = deployment.client("cloudwatch").describe_alarm_history(
            AlarmName=name, HistoryItemType=kind, StartDate=since - _MINUTE, MaxRecords=50
        )["AlarmHistoryItems"]
    return [each for each in found if each["Timestamp"].timestamp() >= int(since)]


def _logical_id(deployment: Deployment, physical: str) -> str:
    names = deployment.of_type("AWS::CloudWatch::Alarm")
    return next((name for name, each in names.items() if each == physical), physical)


# --- saved queries ----------------------------------------------------------------------------

# Keywords of Logs Insights that can't be the name of a field.
_WORDS = frozenset(("as", "asc", "by", "desc", "count", "max", "min", "avg", "sum", "ispresent"))
# The fields that the functions and the rule for SES's events write and the queries show.
FIELDS = frozenset(
    {
        "age_ms", "answer", "bounce_status", "bounce_sub_type", "bounce_type", "brand", "cause",
        "cold_start", "complaint_type", "configurator", "correlation_id", "delay_type", "design",
        "detail", "duration_ms", "error", "event", "event_id", "function_request_id", "hint",
        "language", "message", "message_id", "problem", "published_id", "reason", "receives",
        "reject_reason", "service", "template", "time_to_ses_ms",
    }
)  # fmt: skip
# Queries about what only the stack's own sending makes happen in a proof.
_OF_SENDING = frozenset(("Why failed", "What SES says"))
_AS = re.compile(r"\bas (\w+)")
_QUOTED = re.compile(r"#[^\n]*|\"[^\"]*\"|'[^']*'")


def named_fields(query: str) -> tuple[set[str], set[str]]:
    """The fields that a query shows: those of the log, and those that it calculates."""
    text = _QUOTED.sub("", query)
    made = set(_AS.findall(text))
    shown = set[str]()
    for stage in text.split("|"):
        command, _, rest = stage.strip().partition(" ")
        if command in ("display", "fields"):
            shown |= set(re.findall(r"@?[A-Za-z_]\w*", rest))
        elif command == "stats":
            grouped = rest.rpartition(" by ")[2] if " by " in rest else ""
            shown |= set(re.findall(r"@?[A-Za-z_]\w*", grouped)) | made
    return shown - _WORDS - made, made & shown


def raw(query: str) -> str:
    """The same query, but returning the lines that it finds."""
    lines = [each for each in query.splitlines() if not each.lstrip().startswith("#")]
    stages = [each.strip() for each in "\n".join(lines).split("|")]
    kept = [each for each in stages if each.startswith("filter ")]
    return "\n| ".join([*kept, "display @message", "limit 1000"])


def prove_queries(proof: Proof) -> Iterator[Result]:
    """Every saved query runs, and returns the fields that it names."""
    if proof.local:
        yield limited("saved queries", limits.SAVED_QUERIES)
        return
    definitions = _definitions(proof.deployment)
    if not definitions:
        yield failed(
            "saved queries",
            "the stack has none",
            causes.Cause("they were deleted", causes.revert_drift(proof.deployment)),
        )
    wanted = len(proof.deployment.of_type("AWS::Logs::QueryDefinition"))
    if definitions and len(definitions) < wanted:
        yield failed(
            "saved queries",
            f"{wanted - len(definitions)} of {wanted} are gone",
            causes.Cause("they were deleted", causes.revert_drift(proof.deployment)),
        )
    for definition in definitions:
        yield _query(proof, definition)


def _definitions(deployment: Deployment) -> list[dict[str, Any]]:
    ids = set(deployment.of_type("AWS::Logs::QueryDefinition").values())
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    with aws_errors():
        while True:
            page = deployment.client("logs").describe_query_definitions(
                queryDefinitionNamePrefix=f"{deployment.name}/", maxResults=1000, **token
            )
            found += [each for each in page["queryDefinitions"] if each["queryDefinitionId"] in ids]
            if not page.get("nextToken"):
                return found
            token = {"nextToken": page["nextToken"]}


def _query(proof: Proof, definition: dict[str, Any]) -> Result:
    """Run a query, and fetch the lines that it reads: it must return every field that they have."""
    short = str(definition["name"]).rpartition("/")[2]
    name = f"query: {short}"
    shown, made = named_fields(definition["queryString"])
    returned, rows, due = set[str](), 0, set[str]()
    for query in filled(proof, definition["queryString"]):
        answers = _ask(proof, definition["logGroupNames"], query)
        rows += len(answers)
        returned |= {each["field"] for row in answers for each in row if each.get("value")}
        lines_found = _ask(proof, definition["logGroupNames"], raw(query))
        for row in lines_found:
            due |= _fields_of(row)
    missing = sorted((shown & due | made) - returned)
    strange = sorted(x for x in shown - due - FIELDS if not x.startswith("@"))
    absent = sorted(x for x in shown - returned if x not in missing and x not in strange)
    if not rows and short in _OF_SENDING and not proof.deployment.has_mailer:
        return not_tried(name, "Mailer=off: nothing that it looks for happened in this proof")
    if not rows:
        return failed(name, "found no line", _not_found(proof))
    if missing or strange:
        return failed(
            name,
            f"did not give back {', '.join(missing + strange)}",
            causes.Cause("it names a field that has another name in the log",
                         causes.revert_drift(proof.deployment)),
        )  # fmt: skip
    without = f"; no line of this proof has {', '.join(absent)}" if absent else ""
    return proved(name, f"{rows} rows with {len(returned & (shown | made))} fields{without}")


def _not_found(proof: Proof) -> causes.Cause:
    return diagnosis.broken(proof.deployment) or causes.Cause(
        "Logs Insights finds lines only after a while", "roomle-mail prove"
    )


def filled(proof: Proof, query: str) -> list[str]:
    """A query with its placeholders filled: an event of each kind, the recipients' hashes."""
    with_lines = [each for each in proof.posted if each.lines]
    if '"EVENT ID"' in query:
        ids = [each.event_id for each in with_lines if each.event == with_lines[0].event]
        return [query.replace("EVENT ID", each) for each in ids]
    if '"HASH"' in query:
        hashes = {
            str(line.facts["recipient"])
            for each in with_lines
            for line in each.lines
            if "recipient" in line.facts
        }
        return [query.replace("HASH", each) for each in sorted(hashes)]
    return [query]


def _fields_of(row: list[dict[str, str]]) -> set[str]:
    """The fields of a log line that are not empty."""
    text = next((each["value"] for each in row if each["field"] == "@message"), "")
    try:
        said = json.loads(text)
    except ValueError:
        return set()
    return {name for name, value in said.items() if value not in ("", None)} if said else set()


def _ask(proof: Proof, groups: list[str], query: str) -> list[list[dict[str, str]]]:
    """Query Logs Insights until it finds something: new lines take a while to become searchable."""
    results: list[list[dict[str, str]]] = []

    def found() -> bool:
        results[:] = _answer(proof, groups, query)
        return bool(results)

    # Where no event reached the receiver, nothing is on its way into the log.
    proof.wait(found, within=_FOUND_WITHIN if any(each.lines for each in proof.posted) else 0)
    return results


def _answer(proof: Proof, groups: list[str], query: str) -> list[list[dict[str, str]]]:
    logs = proof.deployment.client("logs")
    answer: dict[str, Any] = {}
    with aws_errors():
        asked = logs.start_query(
            logGroupNames=groups,
            startTime=int(proof.began.timestamp()) - _MINUTE,
            endTime=int(time.time()),
            queryString=query,
        )["queryId"]

        def is_answered() -> bool:
            answer.update(logs.get_query_results(queryId=asked))
            return answer["status"] not in ("Scheduled", "Running", "Unknown")

        proof.wait(is_answered, within=_ANSWERED_WITHIN)
    return list(answer["results"]) if answer["status"] == "Complete" else []


# --- the dashboard ----------------------------------------------------------------------------


def prove_dashboard(proof: Proof) -> Iterator[Result]:
    """Every metric of the dashboard is accepted, and those measured in this run have values."""
    asked = [queries for each in _widgets(proof.deployment) if (queries := metric_queries(each))]
    left_out = [each for queries in asked for each in queries if "Expression" in each]
    if proof.local:
        asked = [[each for each in queries if each not in left_out] for queries in asked]
    answers = _measured(proof, asked)
    wanted = expected(proof) & {each["Label"] for each in answers}

    def complete() -> bool:
        nonlocal answers
        answers = _measured(proof, asked)
        return not _refused(answers) and not wanted - _with_values(answers)

    if not proof.local:
        proof.wait(complete, within=_MEASURED_WITHIN)
    if refused := _refused(answers):
        yield failed(
            "dashboard",
            f"CloudWatch does not accept {', '.join(refused)}",
            causes.Cause("the dashboard was changed", causes.revert_drift(proof.deployment)),
        )
    else:
        yield proved("dashboard", f"{len(answers)} metrics in {len(asked)} widgets are accepted")
    if proof.local:
        yield limited("metrics", limits.METRICS)
        yield limited("metric math", limits.METRIC_MATH)
    elif missing := sorted(wanted - _with_values(answers)):
        yield failed(
            "metrics",
            f"no values of {', '.join(missing)}",
            causes.Cause(
                "CloudWatch measures with a delay of some minutes, or does not read the log's "
                "lines as metrics",
                "roomle-mail prove",
            ),
        )
    elif wanted:
        yield proved("metrics", f"have values: {', '.join(sorted(wanted))}")
    else:
        yield not_tried("metrics", "nothing was sent that is measured")


def _widgets(deployment: Deployment) -> list[dict[str, Any]]:
    (name,) = deployment.of_type("AWS::CloudWatch::Dashboard").values()
    with aws_errors():
        found = deployment.client("cloudwatch").get_dashboard(DashboardName=name)
    widgets = json.loads(found["DashboardBody"])["widgets"]
    return [each["properties"] for each in widgets if each["type"] == "metric"]


def _refused(answers: list[dict[str, Any]]) -> list[str]:
    fine = ("Complete", "PartialData")
    return sorted({each["Label"] for each in answers if each["StatusCode"] not in fine})


def _with_values(answers: list[dict[str, Any]]) -> set[str]:
    return {each["Label"] for each in answers if each["Values"]}


def metric_queries(widget: dict[str, Any]) -> list[dict[str, Any]]:
    """The GetMetricData queries for a widget (CloudWatch's page "Metric widget")."""
    made: list[dict[str, Any]] = []
    before: list[str] = []
    for place, entry in enumerate(widget.get("metrics", [])):
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        texts = [each for each in entry if isinstance(each, str)]
        identifier = options.get("id", f"m{place}")
        if "expression" in options:
            made.append(
                {
                    "Id": identifier,
                    "Expression": options["expression"],
                    "Label": options["expression"],
                    "Period": _MINUTE,
                }
            )
            continue
        # One dot repeats the part above, three dots repeat all of them.
        if texts[:1] == ["..."]:
            texts = [*before[: len(before) - len(texts) + 1], *texts[1:]]
        texts = [before[n] if text == "." else text for n, text in enumerate(texts)]
        before = texts
        space, metric, *rest = texts
        dimensions = [{"Name": a, "Value": b} for a, b in zip(rest[::2], rest[1::2], strict=True)]
        made.append(
            {
                "Id": identifier,
                "Label": f"{space} {metric}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": space, "MetricName": metric, "Dimensions": dimensions,
                    },
                    "Period": _MINUTE,
                    "Stat": options.get("stat", widget.get("stat", "Average")),
                },
            }
        )  # fmt: skip
    return made


def _measured(proof: Proof, asked: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Query each widget separately, since ids are unique only within one."""
    pages = proof.deployment.client("cloudwatch").get_paginator("get_metric_data")
    start = int(proof.began.timestamp()) // _MINUTE * _MINUTE - _MINUTE
    found: list[dict[str, Any]] = []
    for queries in asked:
        with aws_errors():
            try:
                answers = pages.paginate(
                    MetricDataQueries=queries, StartTime=start, EndTime=time.time() + _MINUTE
                )
                found += [each for page in answers for each in page["MetricDataResults"]]
            except ClientError as err:
                # It rejects all of them if one is wrong.
                if error_code(err) not in ("ValidationError", "InvalidParameterValue"):
                    raise
                labels = [each["Label"] for each in queries]
                found += [{"Label": x, "StatusCode": "Refused", "Values": []} for x in labels]
    return found


def expected(proof: Proof) -> set[str]:
    """The metrics that must have values after the events sent, by namespace and name."""
    ours = set[str]()
    if any(each.has("sent") for each in proof.posted):
        ours |= {"Received", "Sent", "AgeAtSending", "TimeToSes"}
    if any(each.has("queued") for each in proof.posted):
        ours |= {"Received", "Queued"}
    if any(each.has("repeated") for each in proof.posted):
        ours |= {"Repeated"}
    if "RefusalsAlarm" in proof.rung:
        ours |= {"Refused", "TokenUnverified", "TokenExpired"}
    if "TokenReplayedAlarm" in proof.rung:
        ours |= {"TokenReplayed"}
    if "DeadLettersAlarm" in proof.rung:
        ours |= {"DeadLettered"}
    names = {f"RoomleMail {each}" for each in ours}
    if any(each.answer for each in proof.posted):
        names |= {"AWS/ApiGateway Count", "AWS/ApiGateway Latency", "AWS/Lambda Errors"}
    return names


# --- all alarms -------------------------------------------------------------------------------


def prove_alarms(proof: Proof) -> Iterator[Result]:
    """All alarms of the stack exist and are quiet, except those that this run rings itself."""
    deployment = proof.deployment
    names = deployment.of_type("AWS::CloudWatch::Alarm")
    found = {each["AlarmName"]: each for each in _alarms(deployment, list(names.values()))}
    history = "aws cloudwatch describe-alarm-history --max-records 3 --alarm-name"
    gone = sorted(name for name, physical in names.items() if physical not in found)
    if gone:
        yield failed(
            "alarms",
            f"gone: {', '.join(gone)}",
            causes.Cause("they were deleted", causes.revert_drift(deployment)),
        )
        return
    ringing = {name for name, each in names.items() if found[each]["StateValue"] == "ALARM"}
    others = sorted(ringing - proof.rung)
    off = sorted(n for n, each in names.items() if not found[each].get("ActionsEnabled", True))
    mute = sorted(n for n, each in names.items() if not found[each].get("AlarmActions"))
    if others:
        first = others[0]
        yield failed(
            "alarms",
            f"ringing: {', '.join(others)}",
            causes.Cause(
                f"not this proof; docs/operations.md, {first}",
                f"{history} {names[first]}",
            ),
        )
    elif off:
        listed = " ".join(names[each] for each in islice(off, 100))
        yield failed(
            "alarms",
            f"tell nobody: {', '.join(off)}",
            causes.Cause(
                "their actions are switched off",
                f"aws cloudwatch enable-alarm-actions --alarm-names {listed}",
            ),
        )
    elif mute:
        yield failed(
            "alarms",
            f"have no action: {', '.join(mute)}",
            causes.Cause("their actions were removed", causes.revert_drift(deployment)),
        )
    else:
        own = sorted(ringing & proof.rung)
        by_us = f"; rung by this proof: {', '.join(own)}" if own else ""
        yield proved("alarms", f"{len(names)}, and none rings for another reason{by_us}")


# --- the suppression list ---------------------------------------------------------------------


def clear_suppressions(proof: Proof) -> None:
    """Take the simulator's addresses off the suppression list, if SES put them there."""
    ses = proof.deployment.client("sesv2")
    for address in sorted(proof.addresses):
        if address.startswith("success"):
            continue
        with aws_errors():
            try:
                ses.delete_suppressed_destination(EmailAddress=address)
            except ClientError as err:
                if error_code(err) != "NotFoundException":
                    raise
