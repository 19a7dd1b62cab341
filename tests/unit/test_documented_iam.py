"""Every policy of the template and the recipes is one that IAM's published database knows."""

from typing import Any

import pytest

from tests import operations, recipes
from tests.aws_documented import iam
from tests.unit.cloudformation import Stack

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:queue"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
LOG = "arn:aws:logs:eu-central-1:123456789012:log-group:name"
IDENTITY = "arn:aws:ses:eu-central-1:123456789012:identity/brand.example"


def document(**changes: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE} | changes
    return {"Version": "2012-10-17", "Statement": [statement]}


STACKS = {
    "everything": operations.stack(),
    "local": Stack(LocalStack="true"),
    "without a mailer": Stack(Mailer="off", Delivery="sqs"),
    "addresses as identities": Stack(SenderIdentities="hello@brand.example,other.example"),
}


@pytest.mark.parametrize("stack", (STACKS | recipes.STACKS).values(), ids=STACKS | recipes.STACKS)
def test_every_policy_has_actions_resources_and_conditions_that_iam_knows(stack: Stack) -> None:
    found = {where: iam.problems(document) for where, document in iam.policies(stack).items()}

    assert {where: each for where, each in found.items() if each} == {}


def test_every_kind_of_policy_is_looked_at() -> None:
    policies = iam.policies(operations.stack())
    kinds = {operations.stack().resources[where.partition(".")[0]]["Type"] for where in policies}

    assert kinds == {
        "AWS::IAM::Role",
        "AWS::IAM::Policy",
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::Logs::ResourcePolicy",
    }
    # A role's permissions, and who may assume it.
    assert {"ReceiverRole.AssumeRolePolicyDocument", "ReceiverRole.Policies[0].PolicyDocument"} <= {
        *policies
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Action": "sqs:PostMessage"}, "unknown action sqs:PostMessage"),
        ({"Action": "sqs:sendmessage"}, "unknown action sqs:sendmessage"),
        ({"Action": ["sqs:SendMessage", "nothing:Do"]}, "unknown action nothing:Do"),
        ({"Action": "sqs:Nothing*"}, r"unknown action sqs:Nothing\*"),
        ({"Resource": TOPIC}, "sqs:SendMessage is possible with none of .*topic"),
        ({"Resource": [QUEUE, TOPIC]}, "no action takes .*topic"),
        ({"Resource": "*"}, r"sqs:SendMessage is possible with none of \*"),
        ({"Resource": "queue"}, "sqs:SendMessage is possible with none of queue"),
        ({"Action": "sqs:*", "Resource": IDENTITY}, r"sqs:\* is possible with none of .*identity"),
        ({"Action": "xray:PutTraceSegments"}, "xray:PutTraceSegments is possible with none of"),
        # Without `:*` at its end the ARN is the group's and not that of its streams.
        ({"Action": "logs:PutLogEvents", "Resource": LOG}, "logs:PutLogEvents is possible with"),
        ({"Action": "ses:SendEmail", "Resource": IDENTITY.replace("identity", "sender")}, "none"),
        ({"Condition": {"Bool": {"aws:SecureTransprot": "false"}}}, "unknown condition key"),
        ({"Condition": {"StringEquals": {"ses:FromAddress": "a@b"}}}, "unknown condition key ses"),
        ({"Condition": {"BoolEquals": {"aws:SecureTransport": "false"}}}, "unknown operator"),
        ({"Condition": {"StringEquals": {"aws:SecureTransport": "false"}}}, "does not fit"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "no"}}}, "neither true nor false"),
        ({"Condition": {"ArnLike": {"aws:SourceAccount": "1"}}}, "does not fit"),
        ({"Principal": {"Service": "lambda.example.com"}}, "unknown principal"),
        ({"Effect": "Permit"}, "Effect"),
        ({"Sid": "Tls only"}, "Sid"),
        ({"Resources": QUEUE}, "unknown element Resources"),
    ],
)
def test_what_iam_does_not_know_is_found(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        assert iam.problems(document(**changes)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Action": "sqs:*", "Effect": "Deny", "Principal": "*"},
        {"Action": ["sqs:SendMessage", "ses:SendEmail"], "Resource": [QUEUE, IDENTITY]},
        {"Action": "logs:PutLogEvents", "Resource": f"{LOG}:*"},
        {"Action": "xray:PutTraceSegments", "Resource": "*"},
        {"Condition": {"StringEqualsIfExists": {"aws:ResourceTag/stage": "prod"}}},
        {"Condition": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}},
        {
            "Action": "ses:SendEmail",
            "Resource": IDENTITY,
            "Condition": {"StringLike": {"ses:FromAddress": "*@brand.example"}},
        },
    ],
)
def test_what_iam_knows_passes(changes: dict[str, Any]) -> None:
    assert iam.problems(document(**changes)) == []


def test_a_document_without_its_version_is_found() -> None:
    assert iam.problems(document() | {"Version": "2008-10-17"}) == ["Version is not 2012-10-17"]


def test_a_rules_log_group_is_named_as_eventbridge_asks() -> None:
    # AWS's knowledge center, "How do I create a CloudWatch log group to use as a target for an
    # EventBridge rule": its name begins with /aws/events.
    stack = operations.stack()
    for rule in stack.of_type("AWS::Events::Rule").values():
        for target in rule["Properties"]["Targets"]:
            group = target["Arn"].rpartition(":")[2]
            assert stack.properties(group)["LogGroupName"].startswith("/aws/events/")
