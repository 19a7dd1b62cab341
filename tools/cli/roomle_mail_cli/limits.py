"""What the local emulator of AWS can't do: the one list of it.

`roomle-mail prove` leaves out on a local stack what stands here, by name, and on AWS nothing.
docs/operations.md has this list as a table. A test tries each entry on the emulator and fails where
it works, so that an entry goes as soon as it isn't true any more.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that the emulator can't do.

    `lacks` says what is missing, as the end of "not tried, because the emulator ...". `then` is
    what therefore never ran here as a whole, `resources` are those that the template leaves out.
    """

    name: str
    lacks: str
    then: str
    resources: tuple[str, ...] = ()


SES_EVENTS = Limit(
    "SES's events",
    "publishes none of SES's events on EventBridge, and has no log groups as EventBridge's targets",
    "what becomes of an email after SES took it: delivered, bounced, complaint",
)
ATTACHMENTS = Limit(
    "attachments",
    "keeps no attachment of SES's `Simple` content",
    "the QR code in the email for AR",
)
SAVED_QUERIES = Limit(
    "saved queries",
    "has no saved queries, and answers Logs Insights' queries without regard to what they ask",
    "the saved queries, and the last widget of the dashboard",
    ("AddressQuery", "EventQuery", "RefusedQuery", "FailedQuery", "SlowestQuery",
     "ConfiguratorQuery", "SesQuery"),
)  # fmt: skip
METRICS = Limit(
    "metrics",
    "makes no metrics of log lines in the embedded format, and measures none of its services",
    "values on the dashboard, and alarms that are rung by what the functions measured",
)
METRIC_MATH = Limit(
    "metric math",
    "calculates no expressions over metrics",
    "the alarms that look at a share, and one line of the dashboard",
    ("ServerErrorsAlarm", "SesQuotaAlarm"),
)
ALARM_ACTIONS = Limit(
    "alarm actions in the history",
    "writes no entry into an alarm's history when it takes an action",
    "the entry; that the message arrives at the topic is tested here",
)
MOVE_TASKS = Limit(
    "SQS's own redrive",
    "has no StartMessageMoveTask",
    "a redrive by SQS itself; letters are moved one by one here",
)
SUPPRESSION = Limit(
    "the suppression list",
    "keeps no suppression list",
    "that the simulator's addresses are not on it",
)
ACCESS_LOG = Limit(
    "API Gateway's log",
    "writes no access log and throttles no requests",
    "the metric of throttled requests, and its alarm",
)
QUEUE_POLICIES = Limit(
    "TLS only",
    "is reached without TLS",
    "the queues' policies",
    ("TlsOnly",),
)
TIME_TO_LIVE = Limit(
    "forgetting",
    "does not tell that items of the table expire",
    "that the memory forgets by itself",
)
TRACES = Limit("traces", "has no X-Ray", "traces")
GRADUAL = Limit("gradual deployments", "has no CodeDeploy", "`python -m tools.gradual`")

LIMITS = (
    SES_EVENTS,
    ATTACHMENTS,
    SAVED_QUERIES,
    METRICS,
    METRIC_MATH,
    ALARM_ACTIONS,
    MOVE_TASKS,
    SUPPRESSION,
    ACCESS_LOG,
    QUEUE_POLICIES,
    TIME_TO_LIVE,
    TRACES,
    GRADUAL,
)


def as_markdown() -> str:
    """The list as docs/operations.md has it."""
    lines = ["| | the emulator | so what never ran here is | left out of the template |"]
    lines.append("|---|---|---|---|")
    for limit in LIMITS:
        resources = ", ".join(f"`{name}`" for name in limit.resources)
        lines.append(f"| {limit.name} | {limit.lacks} | {limit.then} | {resources} |")
    return "\n".join(lines) + "\n"
