"""What the local AWS emulator can't do: the only list of it.

On a local stack `roomle-mail prove` leaves out what is listed here; on AWS it tries everything.
docs/operations.md shows the list as a table. A test tries each entry on the emulator and fails if
it works, so an entry is removed as soon as it is no longer true.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that the emulator can't do.

    `lacks` says what is missing, as the end of "not tried, because the emulator ...". `then` is
    what was never tested end to end here because of it, and `on_aws` is what tests it there.
    `resources` are those that the template leaves out for it.
    """

    name: str
    lacks: str
    then: str
    on_aws: str = "`prove`"
    resources: tuple[str, ...] = ()


SES_EVENTS = Limit(
    "SES's events",
    "does not publish SES's events on EventBridge, and writes no events into a log group",
    "the way from a delivery, a bounce or a complaint into the log",
)
ATTACHMENTS = Limit(
    "attachments",
    "drops the attachments of SES's `Simple` content",
    "the QR code in the email for AR",
)
SAVED_QUERIES = Limit(
    "saved queries",
    "has no saved queries, and answers queries of Logs Insights without their filters",
    "the saved queries, and the last three widgets of the dashboard",
    resources=(
        "AddressQuery",
        "EventQuery",
        "RefusedQuery",
        "FailedQuery",
        "DesignsQuery",
        "SlowestQuery",
        "ConfiguratorQuery",
        "SesQuery",
    ),
)
METRICS = Limit(
    "metrics",
    "does not read metrics out of the log, and does not measure API Gateway and SES",
    "values on the dashboard, and an alarm that goes off by what was measured",
)
METRIC_MATH = Limit(
    "metric math",
    "does not calculate expressions over metrics",
    "the alarms that compare two metrics, and one line of the dashboard",
    resources=("ServerErrorsAlarm", "SesQuotaAlarm"),
)
ALARM_ACTIONS = Limit(
    "alarm actions in the history",
    "does not write an alarm's actions into its history",
    "that entry (tests here see the message arrive at the topic)",
)
MOVE_TASKS = Limit(
    "redrive by SQS",
    "has no StartMessageMoveTask",
    "a redrive by SQS itself (dead letters are moved one by one here)",
)
SUPPRESSION = Limit(
    "suppression list",
    "has no suppression list",
    "an email to an address that bounced before",
    "`prove`, which takes the simulator's addresses off the list should they be on it",
)
ACCESS_LOG = Limit(
    "access log of API Gateway",
    "writes no access log, and throttles no requests",
    "the metric of throttled requests, and its alarm",
    "nothing: send more requests than `ThrottleBurst`, and look at the dashboard",
)
QUEUE_POLICIES = Limit(
    "TLS",
    "is reached without TLS",
    "the policies of the queues",
    "every deploy, which creates them; `prove` uses both queues under them",
    ("QueueTlsOnly", "DeadLetterQueueTlsOnly"),
)
CONDITIONS = Limit(
    "conditions on what a call writes",
    "ignores the condition keys `dynamodb:LeadingKeys` and `events:source` in policies",
    "that the receiver may publish under no other source, and the example consumer write only "
    "items `event#…` (tests compare both conditions with IAM's published database)",
    "nothing: `aws iam simulate-principal-policy` says what such a role may do",
)
TIME_TO_LIVE = Limit(
    "expiry of items",
    "does not tell whether a table's items expire",
    "that the table deletes old records",
    "`doctor`",
)
TRACES = Limit(
    "traces", "has no X-Ray", "traces", "nothing: look at the traces in the X-Ray console"
)
GRADUAL = Limit(
    "gradual deployments",
    "has no CodeDeploy",
    "`python -m tools.gradual`",
    "nothing: watch the first one in the CodeDeploy console",
)
# The recipes for the event bus, docs/recipes.
LOOK = "nothing: deploy the recipe, post an event, and look "
RULE_TARGETS = Limit(
    "targets of rules",
    "delivers no rule's events to Firehose or to a log group",
    "the recipes `log` and `analytics` (tests give their rules a queue as well)",
    f"{LOOK}at the log group or the bucket",
)
RULE_PERMISSIONS = Limit(
    "permissions of rules",
    "lets a rule into every queue, whatever the queue's policy says",
    "the policies and roles that let rules into queues, log groups, Firehose and API destinations",
    f"{LOOK}at the target; what EventBridge may not do ends in the recipe's dead-letter queue",
)
UNDELIVERED = Limit(
    "undelivered events",
    "repeats no delivery of a rule, and puts nothing into a rule's dead-letter queue",
    "the dead-letter queues of the recipes",
    "nothing: give the recipe `hubspot` a wrong token, and look at its dead-letter queue",
)
CONNECTIONS = Limit(
    "EventBridge in CloudFormation",
    "knows no templates with connections, API destinations and archives",
    "the deploys of `hubspot`, `salesforce` and `archive` (tests create these three by calls)",
    "every deploy of the recipes",
)
REPLAYS = Limit(
    "replays to single rules",
    "sends a replay to every rule, whatever it names",
    "the filter of a replay",
    "nothing: start a replay as the page on the recipes does, and look at the targets",
)
COMPRESSION = Limit(
    "Firehose's files",
    "writes each record into S3 at once, as it is",
    "files of many events, their compression, and the line break after each event",
    f"{LOOK}at a file in the bucket",
)

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
    CONDITIONS,
    TIME_TO_LIVE,
    TRACES,
    GRADUAL,
    RULE_TARGETS,
    RULE_PERMISSIONS,
    UNDELIVERED,
    CONNECTIONS,
    REPLAYS,
    COMPRESSION,
)


def as_markdown() -> str:
    """The list as docs/operations.md has it."""
    lines = ["| what | the emulator | so this never ran here as a whole | what tries it on AWS |"]
    lines.append("|---|---|---|---|")
    lines += [f"| {x.name} | {x.lacks} | {x.then} | {x.on_aws} |" for x in LIMITS]
    return "\n".join(lines) + "\n"
