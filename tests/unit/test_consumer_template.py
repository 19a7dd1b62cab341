"""The template of docs/examples/consumer fits the stack, and allows the consumer nothing else."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.aws_documented import iam
from tests.unit.cloudformation import ROOT, Stack

EXAMPLE = ROOT / "docs" / "examples" / "consumer"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:roomle-mail-Queue-ABC"
TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/roomle-mail-Table-ABC"
SES = "arn:aws:ses:eu-central-1:123456789012"
STACK = Stack(Mailer="off", Delivery="sqs")
CONSUMER = Stack(
    EXAMPLE / "template.yaml",
    QueueArn=QUEUE,
    TableName="roomle-mail-Table-ABC",
    ConfigurationSetName="set",
    Sender="hello@brand.example",
    SenderIdentity="brand.example",
)
FUNCTION = CONSUMER.properties("ConsumerFunction")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    spec = importlib.util.spec_from_file_location("consumer_app", EXAMPLE / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_its_policies_are_ones_that_iam_knows() -> None:
    documents = iam.policies(CONSUMER)

    assert len(documents) == 2
    assert {where: iam.problems(document) for where, document in documents.items()} == {
        where: [] for where in documents
    }


def test_it_has_exactly_the_permissions_that_it_needs() -> None:
    (policy,) = CONSUMER.properties("ConsumerRole")["Policies"]
    statements: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    given = {each["Sid"]: (each["Action"], each["Resource"]) for each in statements}
    conditions = {each["Sid"]: each["Condition"] for each in statements if "Condition" in each}

    assert given == {
        "TakeFromQueue": (
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            QUEUE,
        ),
        "RememberEvents": (["dynamodb:PutItem", "dynamodb:UpdateItem"], TABLE),
        "SendEmail": (
            "ses:SendEmail",
            [f"{SES}:identity/brand.example", f"{SES}:configuration-set/set"],
        ),
        "WriteLog": (["logs:CreateLogStream", "logs:PutLogEvents"], "ConsumerLog.Arn"),
        "Trace": (["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"),
    }
    # DynamoDB's page "Using IAM policy conditions for fine-grained access control".
    assert conditions == {
        "RememberEvents": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["event#*"]}}
    }
    # SAM adds permissions on all queues to a role that it makes itself.
    assert FUNCTION["Role"] == "ConsumerRole.Arn"


def test_its_times_fit_together(app: ModuleType) -> None:
    visibility = STACK.properties("Queue")["VisibilityTimeout"]

    # Lambda's page "Creating and configuring an Amazon SQS event source mapping".
    assert 6 * FUNCTION["Timeout"] <= visibility
    assert FUNCTION["Timeout"] < app.CLAIM_COUNTS_FOR < visibility


def test_a_message_that_fails_does_not_bring_back_the_others() -> None:
    trigger = FUNCTION["Events"]["Queue"]["Properties"]

    assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert trigger["Queue"] == QUEUE


def test_it_takes_the_stacks_outputs() -> None:
    given = {"QueueArn", "TableName", "ConfigurationSetName"}

    assert given <= set(STACK.outputs)
    page = (ROOT / "docs" / "consumer.md").read_text()
    for name in given:
        assert f'{name}="$(output {name})"' in page
