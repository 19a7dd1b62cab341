"""What is broken or was changed by hand, according to AWS, and the command that fixes it.

A plain deploy does not see what was changed by hand, because CloudFormation compares templates. A
change set with the deployment mode REVERT_DRIFT compares with the actual resources
(CloudFormation's page "Using drift-aware change sets").
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from botocore.exceptions import ClientError

from roomle_mail.errors import SettingsInvalid
from roomle_mail.settings import Settings
from roomle_mail_cli import keys, project
from roomle_mail_cli.deployment import MAILER, aws_errors, error_code
from roomle_mail_cli.screen import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from roomle_mail_cli.deployment import Deployment

_GONE = frozenset(
    {
        "NotFound",
        "NotFoundException",
        "NoSuchEntity",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "ConfigurationSetDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, and the command that fixes it; `of` is the broken resource's logical id, if known."""

    why: str
    fix: str
    of: str = ""


def revert_drift(deployment: Deployment) -> str:
    """The command that restores what was changed or deleted by hand."""
    name = deployment.name
    return (
        f"aws cloudformation create-change-set --stack-name {name} --change-set-name put-back "
        "--use-previous-template --deployment-mode REVERT_DRIFT "
        "--capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameters "
        f"$(aws cloudformation describe-stacks --stack-name {name} --output text "
        "--query 'Stacks[0].Parameters[].ParameterKey' | "
        "xargs -n1 printf 'ParameterKey=%s,UsePreviousValue=true ') && "
        f"aws cloudformation wait change-set-create-complete --stack-name {name} "
        "--change-set-name put-back && "
        f"aws cloudformation execute-change-set --stack-name {name} --change-set-name put-back"
    )


def is_gone(err: BaseException | None) -> bool:
    """Whether AWS says that a resource does not exist."""
    return isinstance(err, ClientError) and error_code(err) in _GONE


def secret(deployment: Deployment) -> Iterator[Cause]:
    """Whether the secret is there and usable."""
    found = keys.trouble(deployment)
    if found is not None:
        yield Cause(f"the secret {found.what}", found.fix)


def permissions(deployment: Deployment) -> Iterator[Cause]:
    """Whether the roles still have the template's permissions, compared by Sid."""
    iam = deployment.client("iam")
    given = list(_policies(deployment))
    for role, policy, wanted in given:
        name = deployment.resources.get(role, ("", ""))[1]
        with aws_errors():
            try:
                found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            except ClientError as err:
                if not is_gone(err):
                    raise
                found = {}
        statements = _statements(found)
        has = {str(each.get("Sid")): each for each in statements if each.get("Effect") == "Allow"}
        missing = sorted(
            action
            for sid, statement in wanted.items()
            for action in _actions(statement) - _actions(has.get(sid, {}))
        )
        if missing:
            yield Cause(
                f"{role} lost permissions of its policy {policy!r}: {', '.join(missing)}",
                revert_drift(deployment),
                role,
            )
        changed = sorted(
            sid
            for sid, statement in wanted.items()
            if sid in has and _is_narrower(deployment, has[sid], statement)
        )
        denying = any(each.get("Effect") == "Deny" for each in statements)
        if changed or denying:
            what = f"in {', '.join(changed)}" if changed else "by a statement that denies"
            yield Cause(
                f"{role} may do less than the template says: its policy {policy!r} was changed "
                f"by hand, {what}",
                revert_drift(deployment),
                role,
            )

    for role, name in deployment.of_type("AWS::IAM::Role").items():
        ours = {policy for each, policy, _ in given if each == role}
        yield from _denying(deployment, role, name, ours)


def _is_narrower(
    deployment: Deployment, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> bool:
    """Whether a condition was added, or one of the template's resources is no longer covered."""
    if found.get("Condition") and not wanted.get("Condition"):
        return True
    has = [str(each) for each in _listed(found.get("Resource"))]
    for each in _listed(wanted.get("Resource")):
        named = each.get("Fn::GetAtt") or each.get("Ref") if isinstance(each, dict) else None
        logical_id = _listed(named)[0].partition(".")[0] if named else ""
        physical = deployment.resources.get(logical_id, ("", ""))[1]
        # A queue's physical id is its URL, which ends with the name.
        name = physical.rpartition("/")[2] if "://" in physical else physical
        if not any(x == "*" or name in x for x in has):
            return True
    return False


def _denying(deployment: Deployment, role: str, name: str, ours: set[str]) -> Iterator[Cause]:
    """Policies that somebody added or attached and that deny something."""
    iam = deployment.client("iam")
    with aws_errors():
        try:
            names = set(iam.list_role_policies(RoleName=name)["PolicyNames"]) - ours
            attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        except ClientError as err:
            if not is_gone(err):
                raise
            return
        for policy in sorted(names):
            found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            if any(each.get("Effect") == "Deny" for each in _statements(found)):
                yield Cause(
                    f"{role} has a policy {policy!r}, not the stack's, that denies something",
                    f"aws iam delete-role-policy --role-name {name} --policy-name {policy}",
                    role,
                )
        for each in attached:
            arn = each["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            if any(x.get("Effect") == "Deny" for x in _statements(found["Document"])):
                yield Cause(
                    f"{role} has the managed policy {each['PolicyName']!r}, not the stack's, that "
                    "denies something",
                    f"aws iam detach-role-policy --role-name {name} --policy-arn {arn}",
                    role,
                )


def _policies(deployment: Deployment) -> Iterator[tuple[str, str, dict[str, Mapping[str, Any]]]]:
    """Role, policy name and allowed statements by Sid, as in the deployed template."""
    for name, resource in _template(deployment)["Resources"].items():
        if name not in deployment.resources:
            continue
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            for policy in properties.get("Policies", []):
                yield name, policy["PolicyName"], _allowed(policy["PolicyDocument"])
        elif resource["Type"] == "AWS::IAM::Policy":
            for role in properties.get("Roles", []):
                yield role["Ref"], properties["PolicyName"], _allowed(properties["PolicyDocument"])


@cache
def _template(deployment: Deployment) -> dict[str, Any]:
    """The deployed template, after SAM's transform."""
    with aws_errors():
        body = deployment.client("cloudformation").get_template(
            StackName=deployment.name, TemplateStage="Processed"
        )["TemplateBody"]
    if isinstance(body, str):
        body = yaml.load(body, Loader=project.yaml_loader())  # noqa: S506 (it is a safe one)
    return dict(body)


def _allowed(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The statements that allow something, by Sid."""
    statements = _statements(document)
    return {str(each.get("Sid")): each for each in statements if each.get("Effect") == "Allow"}


def _statements(document: str | Mapping[str, Any]) -> list[dict[str, Any]]:
    read = json.loads(document) if isinstance(document, str) else document
    return _listed(read.get("Statement"))


def _actions(statement: Mapping[str, Any]) -> set[str]:
    """The actions, except those that depend on a condition of the template."""
    return {x for x in _listed(statement.get("Action")) if isinstance(x, str)}


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 (IAM takes one or a list everywhere)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def resources(deployment: Deployment) -> Iterator[Cause]:
    """Whether the stack's resources are still there."""
    for logical_id, (kind, physical) in deployment.resources.items():
        look = _LOOKS.get(kind)
        if look is None:
            continue
        try:
            with aws_errors():
                there = look(deployment, physical)
        except CliError as err:
            if not is_gone(err.__cause__):
                raise
            there = False
        if not there:
            yield Cause(f"{logical_id} was deleted", revert_drift(deployment), logical_id)


def _log_group(deployment: Deployment, name: str) -> bool:
    found = deployment.client("logs").describe_log_groups(logGroupNamePrefix=name)
    return any(each["logGroupName"] == name for each in found["logGroups"])


_LOOKS: dict[str, Callable[[Deployment, str], bool]] = {
    "AWS::SQS::Queue": lambda deployment, url: bool(
        deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    ),
    "AWS::DynamoDB::Table": lambda deployment, name: bool(
        deployment.client("dynamodb").describe_table(TableName=name)
    ),
    "AWS::Lambda::Function": lambda deployment, name: bool(
        deployment.client("lambda").get_function_configuration(FunctionName=name)
    ),
    "AWS::SES::ConfigurationSet": lambda deployment, name: bool(
        deployment.client("sesv2").get_configuration_set(ConfigurationSetName=name)
    ),
    "AWS::Events::Rule": lambda deployment, name: bool(
        deployment.client("events").describe_rule(Name=name.rpartition("|")[2])
    ),
    "AWS::SNS::Topic": lambda deployment, arn: bool(
        deployment.client("sns").get_topic_attributes(TopicArn=arn)
    ),
    "AWS::CloudWatch::Dashboard": lambda deployment, name: bool(
        deployment.client("cloudwatch").get_dashboard(DashboardName=name)
    ),
    "AWS::Logs::LogGroup": _log_group,
}


def switches(deployment: Deployment) -> Iterator[Cause]:
    """Whether something is switched off: the mailer's trigger, or a function."""
    yield from trigger(deployment)
    yield from concurrency(deployment)


def concurrency(deployment: Deployment) -> Iterator[Cause]:
    """Whether a function is not allowed to run."""
    for logical_id in deployment.functions:
        name = deployment.resources[logical_id][1]
        with aws_errors():
            found = deployment.client("lambda").get_function_concurrency(FunctionName=name)
        if found.get("ReservedConcurrentExecutions") == 0:
            yield Cause(
                f"{logical_id} is throttled to nothing: its reserved concurrency is 0",
                f"aws lambda delete-function-concurrency --function-name {name}",
                logical_id,
            )


def log_level(deployment: Deployment) -> Iterator[Cause]:
    """Whether the log includes lines about successful events."""
    for logical_id in deployment.functions:
        environment = deployment.function(logical_id).get("Environment", {}).get("Variables", {})
        level = environment.get("POWERTOOLS_LOG_LEVEL", "INFO")
        if level not in ("DEBUG", "INFO"):
            yield Cause(
                f"LogLevel={level} leaves out the lines about successful events ({logical_id})",
                "sam deploy --parameter-overrides LogLevel=INFO",
                logical_id,
            )


def variables(deployment: Deployment) -> Iterator[Cause]:
    """Whether the functions have the template's environment variables, with values they accept."""
    described = _template(deployment)["Resources"]
    for logical_id in deployment.functions:
        given = described[logical_id]["Properties"].get("Environment", {}).get("Variables", {})
        has = deployment.function(logical_id).get("Environment", {}).get("Variables", {})
        changed = sorted(
            name for name, value in given.items() if not _holds(deployment, value, has.get(name))
        )
        if changed:
            yield Cause(
                f"{logical_id} has lost or changed environment variables: {', '.join(changed)}",
                revert_drift(deployment),
                logical_id,
            )
            continue
        try:
            Settings.from_environment(has)
        except SettingsInvalid as err:
            yield Cause(
                f"{logical_id} can't start: its environment variable {err} has a wrong value",
                revert_drift(deployment),
                logical_id,
            )


def values(deployment: Deployment) -> Iterator[Cause]:
    """Whether the functions' variables have the values that the stack's parameters say."""
    described = _template(deployment)["Resources"]
    for logical_id in deployment.functions:
        given = described[logical_id]["Properties"].get("Environment", {}).get("Variables", {})
        has = deployment.function(logical_id).get("Environment", {}).get("Variables", {})
        told, kept = [], []
        for name, value in given.items():
            parameter = str(value.get("Ref")) if isinstance(value, dict) else ""
            wanted = deployment.parameters.get(parameter)
            if wanted is not None and has.get(name, wanted) != wanted:
                told.append(f"{name} is {has[name]!r}, but {parameter} is {wanted!r}")
                kept.append(shlex.quote(f"{parameter}={has[name]}"))
        if told:
            yield Cause(
                f"{logical_id} was changed by hand: {'; '.join(told)}",
                f"To keep it: sam deploy --parameter-overrides {' '.join(kept)}. To put it back: "
                f"{revert_drift(deployment)}",
                logical_id,
            )


def configuration(deployment: Deployment) -> Iterator[Cause]:
    """Whether the functions have the template's handler, layers, memory and time-out."""
    described = _template(deployment)["Resources"]
    for logical_id in deployment.functions:
        wanted, has = described[logical_id]["Properties"], deployment.function(logical_id)
        smaller = {"MemorySize": _LESS_MEMORY, "Timeout": _less_time(logical_id, has)}
        changed = [
            _told(name, str(has.get(name)), value, smaller.get(name, ""))
            for name in ("Handler", "Runtime", "MemorySize", "Timeout")
            if (value := _plain(deployment, wanted.get(name))) not in (None, str(has.get(name)))
        ]
        layers = {_plain(deployment, each) for each in _listed(wanted.get("Layers"))} - {None}
        if layers - {each["Arn"] for each in has.get("Layers", [])}:
            changed.append("Layers")
        if changed:
            yield Cause(
                f"{logical_id} was changed by hand: {'; '.join(changed)}",
                revert_drift(deployment),
                logical_id,
            )


_LESS_MEMORY = "so it gets less processor time: it is slower, and may run out of time"


def _less_time(logical_id: str, has: Mapping[str, Any]) -> str:
    """What a shorter time-out of a function does."""
    if logical_id == MAILER:
        return "so Lambda stops it during a batch of slow emails, which are tried again later"
    within = str(has.get("Environment", {}).get("Variables", {}).get("ANSWER_WITHIN", ""))
    if not within.isdecimal() or int(within) < has.get("Timeout", 0):
        return ""
    return (
        f"which is too short for the deadline ANSWER_WITHIN={within}: Lambda stops it before it "
        "can answer, so Roomle sends its own email for each event that takes longer"
    )


def _told(name: str, has: str, wanted: str | None, smaller: str = "", larger: str = "") -> str:
    """A changed value, and what a number that is now smaller or larger does."""
    effect = ""
    if has.isdecimal() and wanted is not None and wanted.isdecimal():
        effect = smaller if int(has) < int(wanted) else larger
    return f"{name} is {has}, not {wanted}" + (f", {effect}" if effect else "")


# Attributes of a queue: SQS's own default, and what a smaller and a larger value does (SQS's page
# "SetQueueAttributes"). SQS has raised the default of MaximumMessageSize, so a larger one is fine.
_ATTRIBUTES = {
    "VisibilityTimeout": (
        "30",
        "so messages are handed out again while they are at work, which uses up their tries",
        "so what was cut off is tried again later",
    ),
    "MessageRetentionPeriod": ("345600", "so SQS deletes what waits longer: no email is sent", ""),
    "DelaySeconds": ("0", "", "so every message waits that long before it is tried"),
    "MaximumMessageSize": ("262144", "so longer events are refused", ""),
}


def queues(deployment: Deployment) -> Iterator[Cause]:
    """Whether the queues have the template's attributes, and give up what was tried too often."""
    described = _template(deployment)["Resources"]
    for logical_id, url in deployment.of_type("AWS::SQS::Queue").items():
        wanted = described[logical_id]["Properties"]
        with aws_errors():
            has = deployment.client("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["All"]
            )["Attributes"]
        yield from _attributes(deployment, logical_id, wanted, has)
        yield from _policy(deployment, logical_id, has)
        if "RedrivePolicy" in wanted:
            yield from _redrive(deployment, logical_id, wanted["RedrivePolicy"], has)


def _attributes(
    deployment: Deployment, logical_id: str, wanted: Mapping[str, Any], has: Mapping[str, str]
) -> Iterator[Cause]:
    """Attributes of a queue that differ from the template's."""
    changed, told = {}, []
    for name, (default, smaller, larger) in _ATTRIBUTES.items():
        value = _plain(deployment, wanted.get(name, default))
        if value is None or has.get(name, value) == value:
            continue
        if name == "MaximumMessageSize" and int(has[name]) > int(value):
            continue
        changed[name] = value
        told.append(_told(name, has[name], value, smaller, larger))
    if changed:
        # The queue's name instead of its URL, which has the account's number.
        name = has["QueueArn"].rpartition(":")[2]
        yield Cause(
            f"{logical_id} was changed by hand: {'; '.join(told)}",
            'aws sqs set-queue-attributes --queue-url "$(aws sqs get-queue-url --queue-name '
            f'{name} --query QueueUrl --output text)" --attributes '
            + ",".join(f"{each}={value}" for each, value in changed.items()),
        )
    if wanted.get("SqsManagedSseEnabled") and has.get("SqsManagedSseEnabled") == "false":
        key = has.get("KmsMasterKeyId")
        how = f"its key is {key}, which the functions may not use" if key else "it is not encrypted"
        yield Cause(f"{logical_id} was changed by hand: {how}", revert_drift(deployment))


def _policy(deployment: Deployment, logical_id: str, has: Mapping[str, str]) -> Iterator[Cause]:
    """Whether a queue's policy is the template's: who may not use it, and how."""
    policies = [
        each["Properties"]
        for name, each in _template(deployment)["Resources"].items()
        # The emulator can't create them.
        if each["Type"] == "AWS::SQS::QueuePolicy" and name in deployment.resources
    ]
    ours = {
        statement["Sid"]: statement
        for policy in policies
        if {"Ref": logical_id} in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
    }
    there = {str(each.get("Sid")): each for each in _statements(has.get("Policy") or "{}")}
    for sid, wanted in ours.items():
        found = there.get(sid, {})
        if any(found.get(name) != wanted.get(name) for name in ("Effect", "Condition")):
            yield Cause(
                f"{logical_id} was changed by hand: its policy lost the statement {sid}",
                revert_drift(deployment),
                logical_id,
            )
    for sid, found in there.items():
        if sid not in ours:
            does = "denies something" if found.get("Effect") == "Deny" else "lets others use it"
            yield Cause(
                f"{logical_id} was changed by hand: its policy has a statement {sid}, not the "
                f"stack's, that {does}",
                revert_drift(deployment),
                logical_id,
            )


def _redrive(
    deployment: Deployment, logical_id: str, wanted: Mapping[str, Any], has: Mapping[str, str]
) -> Iterator[Cause]:
    """Whether SQS moves a message to the dead-letter queue, after as many tries as it should."""
    policy = json.loads(has.get("RedrivePolicy") or "{}")
    dead = deployment.resources["DeadLetterQueue"][1].rpartition("/")[2]
    tries, has_tries = _plain(deployment, wanted["maxReceiveCount"]), policy.get("maxReceiveCount")
    if not policy:
        told = (
            "it has no dead-letter queue, so what fails is tried until SQS deletes it, and no "
            "alarm goes off"
        )
    elif policy["deadLetterTargetArn"].rpartition(":")[2] != dead:
        told = "its dead letters go to another queue, so no alarm goes off"
    elif str(has_tries) != tries:
        sooner, later = "so emails are given up sooner", "so emails are given up later"
        told = _told("maxReceiveCount", str(has_tries), tries, sooner, later)
    else:
        return
    yield Cause(f"{logical_id} was changed by hand: {told}", revert_drift(deployment), logical_id)


def _plain(deployment: Deployment, value: Any) -> str | None:  # noqa: ANN401
    """A value of the template as AWS has it; None if it is more than a parameter or a resource."""
    if not isinstance(value, dict):
        return None if value is None else str(value)
    if "Fn::If" in value:
        condition, if_true, if_false = value["Fn::If"]
        compared = _template(deployment)["Conditions"][condition].get("Fn::Equals")
        if compared is None:
            return None
        one, other = (_plain(deployment, each) for each in compared)
        return _plain(deployment, if_true if one == other else if_false)
    named = value.get("Ref", "")
    return deployment.parameters.get(named) or deployment.resources.get(named, ("", None))[1]


def _holds(deployment: Deployment, value: Any, has: str | None) -> bool:  # noqa: ANN401
    """Whether a variable is set, and names the resource that the template refers to."""
    named = value.get("Ref") if isinstance(value, dict) else None
    got = _listed(value.get("Fn::GetAtt")) if isinstance(value, dict) else []
    if got[1:] == ["Id"] and got[0] in deployment.resources:
        # A secret, by its ARN. On the emulator the physical id is its name.
        return deployment.resources[got[0]][1] in (has or "")
    if named == "AWS::NoValue":
        return True
    if named in deployment.resources:
        return has == deployment.resources[named][1]
    return has is not None


def invocation(deployment: Deployment) -> Iterator[Cause]:
    """Whether API Gateway may call the receiver."""
    granted = deployment.of_type("AWS::Lambda::Permission")
    described = _template(deployment)["Resources"]
    for logical_id in granted:
        # In a gradual deployment it belongs to the alias, whose physical id is its ARN.
        of = described[logical_id]["Properties"]["FunctionName"]["Ref"]
        with aws_errors():
            try:
                policy = deployment.client("lambda").get_policy(
                    FunctionName=deployment.resources[of][1]
                )["Policy"]
            except ClientError as err:
                if not is_gone(err):
                    raise
                policy = "{}"
        principals = [each.get("Principal") for each in _statements(policy)]
        if {"Service": "apigateway.amazonaws.com"} not in principals:
            yield Cause(
                "API Gateway may not call the receiver: the function's permission was removed",
                revert_drift(deployment),
                of,
            )


def no_route(deployment: Deployment) -> Cause:
    """Why API Gateway answers 404 to the webhook's own URL."""
    return Cause(
        "API Gateway does not know this URL: the route POST /webhook was deleted, or the API's own "
        "URL is switched off (DisableExecuteApiEndpoint)",
        revert_drift(deployment),
    )


def trigger(deployment: Deployment) -> Iterator[Cause]:
    """Whether the mailer takes from the queue."""
    mapping = deployment.of_type("AWS::Lambda::EventSourceMapping").get("MailerFunctionQueue")
    if mapping is None:
        return  # deployed without a mailer
    with aws_errors():
        try:
            state = deployment.client("lambda").get_event_source_mapping(UUID=mapping)["State"]
        except ClientError as err:
            if not is_gone(err):
                raise
            state = "absent"
    if state == "absent":
        yield Cause("the mailer's trigger was deleted", revert_drift(deployment), MAILER)
    elif state in ("Disabled", "Disabling"):
        yield Cause(
            f"the mailer's trigger is switched off ({state}): nothing leaves the queue",
            f"aws lambda update-event-source-mapping --enabled --uuid {mapping}",
            MAILER,
        )


def ses_events(deployment: Deployment) -> Iterator[Cause]:
    """Whether SES's events reach the log."""
    for name in deployment.of_type("AWS::Events::Rule").values():
        with aws_errors():
            rule = name.rpartition("|")[2]
            events = deployment.client("events")
            state = events.describe_rule(Name=rule)["State"]
            targets = events.list_targets_by_rule(Rule=rule).get("Targets", [])
        if state != "ENABLED":
            yield Cause(
                "the rule that writes SES's events into the log is switched off",
                f"aws events enable-rule --name {rule}",
            )
        elif not targets:
            yield Cause("the rule for SES's events lost its target", revert_drift(deployment))
    for name in deployment.of_type("AWS::SES::ConfigurationSet").values():
        with aws_errors():
            found = (
                deployment.client("sesv2")
                .get_configuration_set_event_destinations(ConfigurationSetName=name)
                .get("EventDestinations", [])
            )
        if not any(each.get("Enabled") and "EventBridgeDestination" in each for each in found):
            yield Cause(
                "the configuration set does not hand SES's events to EventBridge",
                revert_drift(deployment),
            )
    wanted = set(deployment.of_type("AWS::Logs::ResourcePolicy").values())
    with aws_errors():
        pages = deployment.client("logs").get_paginator("describe_resource_policies").paginate()
        has = {each["policyName"] for page in pages for each in page.get("resourcePolicies", [])}
    if wanted - has:
        yield Cause(
            "EventBridge may not write SES's events into the log: its policy was deleted",
            revert_drift(deployment),
        )
