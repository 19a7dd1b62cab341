"""template.yaml provides what the code and the documents rely on."""

import inspect
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from roomle_mail import publishing, telemetry
from roomle_mail.idempotency import CLAIM_LAPSES_AFTER
from roomle_mail.mailer import EMAIL_TAKES, Message
from roomle_mail.settings import Settings
from tests import operations
from tests.unit import cloudformation
from tests.unit.cloudformation import ROOT, Stack

FUNCTIONS = {"ReceiverFunction", "MailerFunction"}
WEEK, FORTNIGHT = 7 * 24 * 3600, 14 * 24 * 3600
PARAMETERS = cloudformation.read()["Parameters"]
OF_THE_STACK_ALONE = {
    *("SenderIdentities", "Mailer", "ThrottleRate", "ThrottleBurst", "MailerConcurrency"),
    *("Architecture", "MemorySize", "LogRetentionDays", "LogSourceAddresses"),
    *("AlarmEmail", "AlarmRefusals", "AlarmSilenceHours", "SesDailyQuota"),
}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Stack()


@pytest.fixture(scope="module")
def local() -> Stack:
    return Stack(LocalStack="true", Architecture="x86_64")


def environment(stack: Stack, function: str) -> dict[str, str]:
    variables: dict[str, str] = stack.properties(function)["Environment"]["Variables"]
    return variables


def statements(stack: Stack, function: str) -> Iterator[dict[str, Any]]:
    """What a function may do, by its own role and by policies that are put on it."""
    role = stack.properties(function)["Role"].removesuffix(".Arn")
    shared = [policy["Properties"] for policy in stack.of_type("AWS::IAM::Policy").values()]
    for policy in [
        *stack.properties(role)["Policies"],
        *(policy for policy in shared if role in policy["Roles"]),
    ]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            yield statement


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def permissions(stack: Stack, function: str) -> set[tuple[str, str]]:
    return {
        (action, resource)
        for statement in statements(stack, function)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


# Parameters ------------------------------------------------------------------------------------


def test_every_parameter_but_the_senders_has_a_default() -> None:
    assert {n for n, about in PARAMETERS.items() if "Default" not in about} == {"SenderIdentities"}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_is_described_and_bounded(name: str) -> None:
    about = PARAMETERS[name]

    assert about["Description"]
    if about["Type"] == "Number":
        assert "AllowedValues" in about or {"MinValue", "MaxValue"} <= set(about)
    else:
        assert "AllowedValues" in about or {"AllowedPattern", "ConstraintDescription"} <= set(about)


@pytest.mark.parametrize("name", [n for n in PARAMETERS if "Default" in PARAMETERS[n]])
def test_a_default_is_allowed(name: str) -> None:
    about = PARAMETERS[name]

    if "AllowedValues" in about:
        assert about["Default"] in about["AllowedValues"]
    elif about["Type"] == "Number":
        assert about["MinValue"] <= about["Default"] <= about["MaxValue"]
    else:
        assert re.search(about["AllowedPattern"], about["Default"])


def test_every_parameter_is_in_one_group_of_the_console() -> None:
    groups = cloudformation.read()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(PARAMETERS)


def test_the_safe_choice_is_the_default() -> None:
    defaults = {name: about.get("Default") for name, about in PARAMETERS.items()}

    assert defaults["Delivery"] == "ses,sqs"
    assert defaults["RequireToken"] == "true"
    assert defaults["TokenAlgorithms"] == "01"
    assert defaults["TokenIv"] == "fixed"
    assert defaults["TokenReuse"] == "refuse"
    assert defaults["TokenMaxAge"] == 300
    assert defaults["LocalStack"] == "false"


def test_algorithm_03_cannot_be_allowed() -> None:
    assert not [v for v in PARAMETERS["TokenAlgorithms"]["AllowedValues"] if "03" in v]


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("brand.example", True),
        ("no-reply@brand.example,shop+mail@other.example", True),
        (",".join(f"brand{n}.example" for n in range(10)), True),
        (",".join(f"brand{n}.example" for n in range(11)), False),
        ("", False),
        ("*", False),
        ("brand.example, other.example", False),
        ("brand.example,", False),
        ("identity/brand.example", False),
    ],
)
def test_senders_are_one_to_ten_domains_or_addresses(value: str, *, allowed: bool) -> None:
    pattern = PARAMETERS["SenderIdentities"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, value)) is allowed


def test_reused_tokens_are_not_possible_in_prefix_mode() -> None:
    with pytest.raises(AssertionError, match="TokenReuse=allow"):
        Stack(TokenReuse="allow", TokenIv="prefix")


@pytest.mark.parametrize(("reuse", "iv"), [("allow", "fixed"), ("refuse", "prefix")])
def test_other_combinations_of_reuse_and_iv_are_possible(reuse: str, iv: str) -> None:
    assert Stack(TokenReuse=reuse, TokenIv=iv).resources


# Functions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_runs_on_pythons_runtime_of_the_chosen_processor(name: str) -> None:
    for architecture in PARAMETERS["Architecture"]["AllowedValues"]:
        function = Stack(Architecture=architecture).properties(name)

        assert function["Runtime"] == "python3.13"
        assert function["Architectures"] == [architecture]


def test_there_are_the_two_functions(stack: Stack) -> None:
    assert set(stack.of_type("AWS::Serverless::Function")) == FUNCTIONS


@pytest.mark.parametrize("architecture", PARAMETERS["Architecture"]["AllowedValues"])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_gets_the_layers_that_fit_its_processor(name: str, architecture: str) -> None:
    stack = Stack(Architecture=architecture)
    dependencies, *others = stack.properties(name)["Layers"]

    assert stack.properties(dependencies)["CompatibleArchitectures"] == [architecture]
    assert stack.resources[dependencies]["Metadata"]["BuildArchitecture"] == architecture
    assert others == ["SharedLayer", "EmailsLayer"]
    # The other processor's layer is not even created.
    assert len(stack.of_type("AWS::Serverless::LayerVersion")) == 3


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, resource in cloudformation.read()["Resources"].items()
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::LayerVersion"}
    ],
)
def test_every_layer_has_a_makefile_target(name: str) -> None:
    resource = cloudformation.read()["Resources"][name]
    properties = resource["Properties"]
    folder = ROOT / (properties.get("CodeUri") or properties["ContentUri"])

    assert resource["Metadata"]["BuildMethod"] == "makefile"
    assert re.search(rf"^build-{name}\b.*:", (folder / "Makefile").read_text(), re.MULTILINE)


class Recorder(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_variable_that_the_code_reads_is_set(stack: Stack, name: str) -> None:
    variables = Recorder(environment(stack, name))

    settings = Settings.from_environment(variables)

    assert len(variables.asked) > 10
    # Only the mailer gives up on what was queued.
    expected = variables.asked - (
        {"DEAD_LETTER_QUEUE_URL"} if name == "ReceiverFunction" else set()
    )
    assert expected <= set(variables)
    assert bool(settings.dead_letter_queue_url) is (name == "MailerFunction")


def test_the_environment_is_read_by_the_settings_and_for_the_log_alone() -> None:
    shipped = [*ROOT.glob("layers/shared/python/**/*.py"), *ROOT.glob("functions/*/app.py")]
    reads = [
        (path.name, line.strip())
        for path in shipped
        if path.name != "telemetry.py"
        for line in path.read_text().splitlines()
        if re.search(r"\benviron\b|\bgetenv\b", line)
    ]

    assert reads
    assert {line for _, line in reads} == {
        "settings = Settings.from_environment(os.environ)",
        # Looks for one variable that Lambda sets.
        "reseed_after_restore(os.environ)",
    }


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_log_and_metrics_read_is_set(stack: Stack, name: str) -> None:
    variables = environment(stack, name)

    read = re.findall(r'environ.get\("(\w+)"', inspect.getsource(telemetry))
    assert read == ["STACK_NAME"]
    assert variables["STACK_NAME"] == "roomle-mail"
    assert variables["POWERTOOLS_SERVICE_NAME"] == name.removesuffix("Function").lower()
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "RoomleMail"
    assert variables["POWERTOOLS_LOG_LEVEL"] == "INFO"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("parameter", [n for n in PARAMETERS if n not in OF_THE_STACK_ALONE])
def test_a_parameter_reaches_the_code_under_its_name(name: str, parameter: str) -> None:
    value = str(PARAMETERS[parameter].get("AllowedValues", ["7"])[-1])
    variable = {"LogLevel": "POWERTOOLS_LOG_LEVEL"}.get(
        parameter, re.sub(r"(?<!^)(?=[A-Z])", "_", parameter).upper()
    )

    assert environment(Stack(**{parameter: value}), name)[variable] == value


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_variable_has_a_name_that_lambda_reserves(stack: Stack, name: str) -> None:
    # Lambda's page "Defined runtime environment variables"; the list's own prefixes.
    reserved = re.compile(r"_HANDLER|_X_AMZN_|AWS_|LAMBDA_|TZ$")

    assert not [variable for variable in environment(stack, name) if reserved.match(variable)]


def test_the_receiver_ends_by_itself_before_lambda_ends_it(stack: Stack) -> None:
    timeout = stack.properties("ReceiverFunction")["Timeout"]

    assert timeout == 10
    assert max(PARAMETERS["AnswerWithin"]["AllowedValues"]) < timeout


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_is_traced(stack: Stack, name: str) -> None:
    assert stack.properties(name)["Tracing"] == "Active"


# The way in ------------------------------------------------------------------------------------


def test_roomle_posts_to_the_webhook_in_payload_format_2(stack: Stack) -> None:
    (event,) = stack.properties("ReceiverFunction")["Events"].values()

    assert event["Type"] == "HttpApi"
    assert event["Properties"] == {
        "ApiId": "HttpApi",
        "Method": "POST",
        "Path": "/webhook",
        "PayloadFormatVersion": "2.0",
    }


def test_the_webhook_is_throttled_as_the_parameters_say() -> None:
    settings = Stack(ThrottleRate="7", ThrottleBurst="9").properties("HttpApi")

    assert settings["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": "7",
        "ThrottlingBurstLimit": "9",
    }


def test_the_access_log_is_json_without_personal_data(stack: Stack) -> None:
    settings = stack.properties("HttpApi")["AccessLogSettings"]
    format_ = json.loads(settings["Format"])

    assert settings["DestinationArn"] == "AccessLog.Arn"
    assert {"requestId", "status", "route", "integrationLatency"} <= set(format_)
    told = " ".join(format_.values())
    assert format_.pop("stack") == "roomle-mail"
    assert all(re.fullmatch(r"\$context\.[A-Za-z.]+", value) for value in format_.values())
    # API Gateway's page "Customize HTTP API access logs": these hold what a sender chose, or who
    # the sender is.
    assert not re.search(r"path|identity|domain|header|query|authorizer|userAgent", told)


def test_the_access_log_has_source_addresses_only_where_a_parameter_asks_for_them() -> None:
    formats = [
        json.loads(Stack(**given).properties("HttpApi")["AccessLogSettings"]["Format"])
        for given in ({}, {"LogSourceAddresses": "true"})
    ]
    without, with_ = formats
    assert with_ == without | {"sourceIp": "$context.identity.sourceIp"}


@pytest.mark.parametrize(
    ("resource", "log"),
    [("ReceiverFunction", "ReceiverLog"), ("MailerFunction", "MailerLog")],
)
def test_a_function_writes_to_a_log_group_of_the_stack(
    stack: Stack, resource: str, log: str
) -> None:
    assert stack.properties(resource)["LoggingConfig"]["LogGroup"] == log


def test_what_api_gateway_logs_needs_no_room_in_the_accounts_resource_policy(stack: Stack) -> None:
    # CloudWatch Logs' page "Enable logging from AWS services": one wildcard covers these names.
    assert stack.properties("AccessLog")["LogGroupName"] == "/aws/vendedlogs/apigateway/roomle-mail"


def test_every_log_group_has_the_retention_of_the_parameter() -> None:
    groups = Stack(LogRetentionDays="5").of_type("AWS::Logs::LogGroup")

    assert set(groups) == {"AccessLog", "ReceiverLog", "MailerLog", "SesLog"}
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {"5"}


# Queues ----------------------------------------------------------------------------------------


def test_a_message_stays_hidden_for_six_times_the_mailers_timeout(stack: Stack) -> None:
    hidden = stack.properties("Queue")["VisibilityTimeout"]
    timeout = stack.properties("MailerFunction")["Timeout"]

    assert hidden >= 6 * timeout
    # The claim of a run that was killed lapses before the message is seen again.
    assert timeout < CLAIM_LAPSES_AFTER < hidden


def test_the_mailer_takes_small_batches_and_reports_each_failure(stack: Stack) -> None:
    mailer = stack.properties("MailerFunction")
    (event,) = mailer["Events"].values()

    assert event["Type"] == "SQS"
    assert event["Properties"]["Queue"] == "Queue.Arn"
    assert event["Properties"]["BatchSize"] == 5
    assert event["Properties"]["BatchSize"] * EMAIL_TAKES < mailer["Timeout"]
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert event["Properties"]["ScalingConfig"] == {"MaximumConcurrency": "2"}


def test_what_fails_for_about_six_hours_is_given_up(stack: Stack) -> None:
    redrive = stack.properties("Queue")["RedrivePolicy"]
    receives = range(1, redrive["maxReceiveCount"] + 1)
    waits = [Message(id="", receipt="", body="", receives=number).wait for number in receives]

    assert redrive["deadLetterTargetArn"] == "DeadLetterQueue.Arn"
    assert 5.5 * 3600 < sum(waits) < 6.5 * 3600


@pytest.mark.parametrize("name", ["Queue", "DeadLetterQueue"])
def test_a_queue_is_encrypted_and_keeps_its_messages_for_two_weeks(stack: Stack, name: str) -> None:
    queue = stack.properties(name)

    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == FORTNIGHT


def test_every_queue_has_a_policy_of_its_own_that_names_no_other(stack: Stack) -> None:
    # SQS's developer guide: a policy covers a single queue, and each statement names that queue.
    policies = [p["Properties"] for p in stack.of_type("AWS::SQS::QueuePolicy").values()]
    covered = []
    for policy in policies:
        (queue,) = policy["Queues"]
        covered.append(queue)
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Resource"] == f"{queue}.Arn"

    assert sorted(covered) == sorted(stack.of_type("AWS::SQS::Queue"))


def test_every_queue_requires_tls(stack: Stack) -> None:
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]

        assert statement["Effect"] == "Deny"
        assert statement["Principal"] == "*"
        assert statement["Action"] == "sqs:*"
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


# Memory and secret -----------------------------------------------------------------------------


def test_the_table_is_on_demand_expires_items_and_can_be_restored(stack: Stack) -> None:
    table = stack.properties("Table")

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "key", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "key", "AttributeType": "S"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


def test_no_deploy_can_overwrite_the_secret(stack: Stack) -> None:
    assert set(stack.properties("Secret")) == {"Description"}
    assert stack.resources["Secret"]["DeletionPolicy"] == "Retain"
    assert stack.resources["Secret"]["UpdateReplacePolicy"] == "Retain"


def test_the_secrets_overlap_is_a_week_at_most() -> None:
    assert PARAMETERS["SecretOverlap"]["MaxValue"] == WEEK


# Permissions -----------------------------------------------------------------------------------


# AWS documents nowhere which of the two IAM checks for Simple content with an attachment.
SENDING = ("ses:SendEmail", "ses:SendRawEmail")
SES = "arn:aws:ses:eu-central-1:123456789012"
COMMON = {
    ("dynamodb:GetItem", "Table.Arn"),
    ("dynamodb:PutItem", "Table.Arn"),
    ("dynamodb:UpdateItem", "Table.Arn"),
    *((action, f"{SES}:identity/brand.example") for action in SENDING),
    *((action, f"{SES}:configuration-set/ConfigurationSet") for action in SENDING),
    ("xray:PutTelemetryRecords", "*"),
    ("xray:PutTraceSegments", "*"),
}


def test_the_receiver_has_exactly_the_permissions_it_needs(stack: Stack) -> None:
    assert permissions(stack, "ReceiverFunction") == COMMON | {
        ("secretsmanager:GetSecretValue", "Secret.Id"),
        ("sqs:SendMessage", "Queue.Arn"),
        ("logs:CreateLogStream", "ReceiverLog.Arn"),
        ("logs:PutLogEvents", "ReceiverLog.Arn"),
    }


@pytest.mark.parametrize(
    ("designs", "added"), [("on", {("secretsmanager:GetSecretValue", "Secret.Id")}), ("off", set())]
)
def test_the_mailer_has_exactly_the_permissions_it_needs(
    designs: str, added: set[tuple[str, str]]
) -> None:
    stack = Stack(Designs=designs)

    assert permissions(stack, "MailerFunction") == COMMON | added | {
        ("sqs:ReceiveMessage", "Queue.Arn"),
        ("sqs:DeleteMessage", "Queue.Arn"),
        ("sqs:GetQueueAttributes", "Queue.Arn"),
        ("sqs:ChangeMessageVisibility", "Queue.Arn"),
        ("sqs:SendMessage", "DeadLetterQueue.Arn"),
        ("logs:CreateLogStream", "MailerLog.Arn"),
        ("logs:PutLogEvents", "MailerLog.Arn"),
    }


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_only_xrays_write_actions_are_allowed_on_everything(stack: Stack, name: str) -> None:
    wide = {(a, r) for a, r in permissions(stack, name) if "*" in a or "*" in r}

    assert wide == {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_function_has_its_own_role_with_nothing_added(stack: Stack, name: str) -> None:
    function = stack.properties(name)
    role = stack.properties(function["Role"].removesuffix(".Arn"))
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

    # SAM adds policies to a role that it makes, and to none that it is given.
    assert "Policies" not in function
    assert "ManagedPolicyArns" not in role
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"
    assert len({stack.properties(each)["Role"] for each in FUNCTIONS}) == len(FUNCTIONS)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
@pytest.mark.parametrize("action", SENDING)
@pytest.mark.parametrize("count", range(1, 11))
def test_emails_are_sent_as_the_configured_identities_and_no_others(
    count: int, action: str, function: str
) -> None:
    identities = [f"brand{number}.example" for number in range(count)]
    stack = Stack(SenderIdentities=",".join(identities))

    allowed = {resource for name, resource in permissions(stack, function) if name == action}

    assert allowed == {
        f"{SES}:configuration-set/ConfigurationSet",
        *(f"{SES}:identity/{identity}" for identity in identities),
    }


# What AWS's pages set as limits, and an emulator doesn't check ------------------------------------

# The page is named after the property: "AWS::Lambda::Function", "CreateRole", and so on.
LONGEST = {
    "AWS::Serverless::Function": 256,
    "AWS::Serverless::LayerVersion": 256,
    "AWS::Serverless::HttpApi": 1024,
    "AWS::IAM::Role": 1000,
    "AWS::SecretsManager::Secret": 2048,
    "AWS::Events::Rule": 512,
}


def test_a_description_is_not_longer_than_its_service_accepts(stack: Stack) -> None:
    described = {
        name: (resource["Type"], resource["Properties"]["Description"])
        for name, resource in stack.resources.items()
        if "Description" in resource.get("Properties", {})
    }

    assert {kind for kind, _ in described.values()} == set(LONGEST)
    for kind, text in described.values():
        assert 0 < len(text) <= LONGEST[kind]
        # "CreateRole" has the narrowest set of characters.
        assert re.fullmatch(r"[\t\n\r -~\u00a1-\u00ff]+", text)


def test_the_template_keeps_cloudformations_limits() -> None:
    # CloudFormation's page "CloudFormation quotas".
    template = cloudformation.read()
    described = [*PARAMETERS.values(), *template["Outputs"].values()]

    assert len((ROOT / "template.yaml").read_bytes()) < 1024 * 1024
    assert len(template["Description"].encode()) <= 1024
    assert len(PARAMETERS) <= 200
    assert len(template["Resources"]) <= 500
    assert all(len(about["Description"]) <= 1024 for about in described)


def test_a_log_groups_name_is_one_that_cloudwatch_logs_takes(stack: Stack) -> None:
    # CloudWatch Logs' page "CreateLogGroup".
    for group in stack.of_type("AWS::Logs::LogGroup").values():
        name = group["Properties"].get("LogGroupName", "generated")
        assert re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", name)


def test_a_logs_resource_policy_is_small_enough(stack: Stack) -> None:
    # CloudWatch Logs' page "PutResourcePolicy": 5,120 characters.
    for policy in stack.of_type("AWS::Logs::ResourcePolicy").values():
        assert len(policy["Properties"]["PolicyDocument"]) < 5120 - 1000


def test_a_queues_policy_is_small_enough(stack: Stack) -> None:
    # SQS's page "Quotas related to policies".
    for policy in stack.of_type("AWS::SQS::QueuePolicy").values():
        document = policy["Properties"]["PolicyDocument"]
        assert len(document["Statement"]) <= 20
        assert all(len(listed(each["Action"])) <= 7 for each in document["Statement"])


# The whole -------------------------------------------------------------------------------------


def test_no_resource_has_a_fixed_name(stack: Stack) -> None:
    named = {
        (resource["Type"], key)
        for resource in stack.resources.values()
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and "roomle-mail" not in value and value not in stack.resources
    }

    # An inline policy has no name outside its role, and a metric is AWS's or the code's.
    assert named == {("AWS::IAM::Policy", "PolicyName"), ("AWS::CloudWatch::Alarm", "MetricName")}


def test_the_outputs_have_what_a_deployment_needs(stack: Stack) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    values = {name: output["Value"] for name, output in stack.outputs.items()}

    assert values == {
        "Version": project["version"],
        "WebhookUrl": "HttpApi.ApiEndpoint/webhook",
        "SecretName": "Secret.Id",
        "QueueUrl": "Queue",
        "DeadLetterQueueUrl": "DeadLetterQueue",
        "TableName": "Table",
        "AlarmTopic": "AlarmTopic",
        "DashboardUrl": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home"
        "?region=eu-central-1#dashboards/dashboard/Dashboard",
    }
    assert all(output["Description"] for output in stack.outputs.values())


def test_the_emulator_gets_everything_except_what_it_cannot_do(stack: Stack, local: Stack) -> None:
    layers = {"DependenciesLayerArm64", "DependenciesLayerX86"}

    # The emulator has no saved queries, no alarms on metric math, and no TLS.
    assert set(stack.resources) - set(local.resources) - layers == {
        "QueueTlsOnly",
        "DeadLetterQueueTlsOnly",
        "ServerErrorsAlarm",
        "SesQuotaAlarm",
        *stack.of_type("AWS::Logs::QueryDefinition"),
    }
    assert set(local.resources) - set(stack.resources) - layers == set()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_emulator_differs_in_one_variable(stack: Stack, local: Stack, name: str) -> None:
    on_aws, on_emulator = environment(stack, name), environment(local, name)

    assert on_aws["LOCAL_STACK"] == "false"
    assert on_emulator == on_aws | {"LOCAL_STACK": "true"}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_parameter_sets_what_plays_roomle(name: str) -> None:
    for local_stack in ("true", "false"):
        assert "ROOMLE_API" not in environment(Stack(LocalStack=local_stack), name)


# samconfig.toml --------------------------------------------------------------------------------


CONFIGURED = tomllib.loads((ROOT / "samconfig.toml").read_text())
STAGES = [name for name, about in CONFIGURED.items() if name != "version" and "deploy" in about]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_of_samconfig_builds_and_deploys(name: str) -> None:
    config = CONFIGURED[name]

    # SAM would run a makefile in a copy of its folder, without what it includes.
    assert config["build"]["parameters"]["build_in_source"] is True
    assert config["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
    assert config["deploy"]["parameters"]["resolve_s3"] is True


@pytest.mark.parametrize("name", STAGES)
def test_a_deploy_asks_nothing(name: str) -> None:
    deploy = CONFIGURED[name]["deploy"]["parameters"]

    # SAM's page "sam deploy": the first two make it ask, the others make it fail where missing.
    assert deploy["confirm_changeset"] is False
    assert "guided" not in deploy
    assert CONFIGURED[name]["global"]["parameters"]["stack_name"]
    assert deploy["resolve_s3"] is True


@pytest.mark.parametrize("name", STAGES)
def test_parameters_of_a_stage_are_the_templates(name: str) -> None:
    overrides = CONFIGURED[name]["deploy"]["parameters"].get("parameter_overrides", "")
    given = dict(pair.split("=") for pair in overrides.split())

    assert set(given) <= set(PARAMETERS)
    # Whose identity it is can't be committed.
    assert "SenderIdentities" not in given
    assert Stack(**given).resources


def test_the_stages_of_samconfig_are_different_stacks() -> None:
    names = {CONFIGURED[name]["global"]["parameters"]["stack_name"] for name in STAGES}

    assert len(names) == len(STAGES) == 2


def test_samconfig_names_no_account() -> None:
    text = (ROOT / "samconfig.toml").read_text()

    assert not re.search(r"\b\d{12}\b|arn:|s3_bucket|profile|region =", text)


# Other systems ---------------------------------------------------------------------------------


def bus_permissions(**parameters: str) -> set[tuple[str, str]]:
    found = permissions(Stack(**parameters), "ReceiverFunction")
    return {each for each in found if each[0].startswith("events:")}


@pytest.mark.parametrize(
    ("bus", "arn"),
    [
        ("default", "arn:aws:events:eu-central-1:123456789012:event-bus/default"),
        ("shop.v1", "arn:aws:events:eu-central-1:123456789012:event-bus/shop.v1"),
        (
            "arn:aws:events:eu-central-1:210987654321:event-bus/shop",
            "arn:aws:events:eu-central-1:210987654321:event-bus/shop",
        ),
        (
            "arn:aws-cn:events:cn-north-1:123456789012:event-bus/shop",
            "arn:aws-cn:events:cn-north-1:123456789012:event-bus/shop",
        ),
    ],
)
def test_the_receiver_may_put_events_on_its_bus_and_on_no_other(bus: str, arn: str) -> None:
    assert bus_permissions(EventBus=bus) == {("events:PutEvents", arn)}
    (statement,) = Stack(EventBus=bus).properties("PublishingPolicy")["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "ForAllValues:StringEquals": {"events:source": publishing.SOURCE}
    }


def test_without_a_bus_nothing_of_it_is_created(stack: Stack) -> None:
    assert bus_permissions() == set()
    assert not {"PublishingPolicy", "UnpublishedAlarm"} & set(stack.resources)


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("", True),
        ("default", True),
        ("arn:aws:events:eu-central-1:123456789012:event-bus/shop", True),
        ("*", False),
        ("a bus", False),
        ("arn:aws:events:eu-central-1:123456789012:event-bus/*", False),
        ("arn:aws:sqs:eu-central-1:123456789012:queue", False),
        ("arn:aws:events:eu-central-1:123456789012:rule/shop", False),
    ],
)
def test_a_bus_is_a_name_an_arn_or_nothing(value: str, *, allowed: bool) -> None:
    assert bool(re.fullmatch(PARAMETERS["EventBus"]["AllowedPattern"], value)) is allowed


def test_addresses_are_published_only_on_request_and_only_with_a_bus() -> None:
    assert PARAMETERS["PublishAddresses"]["Default"] == "false"
    assert Stack(PublishAddresses="true", EventBus="shop").resources
    with pytest.raises(AssertionError, match="PublishAddresses=true"):
        Stack(PublishAddresses="true")


# Without a mailer ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> Stack:
    """The stack whose queue somebody else consumes."""
    return Stack(Mailer="off", Delivery="sqs", **operations.EVERYTHING)


def test_a_mailer_is_the_default(stack: Stack) -> None:
    assert Stack(Mailer="on").resources == stack.resources


@pytest.mark.parametrize("delivery", ["ses", "ses,sqs"])
def test_a_stack_without_a_mailer_puts_every_event_into_the_queue(delivery: str) -> None:
    with pytest.raises(AssertionError, match="Mailer=off is only possible together with Delivery"):
        Stack(Mailer="off", Delivery=delivery)


def test_without_a_mailer_nothing_of_it_is_created(alone: Stack) -> None:
    left_out = set(operations.stack().resources) - set(alone.resources)

    assert left_out == {
        *("MailerFunction", "MailerRole", "MailerLog"),
        *("MailerErrorsAlarm", "MailerThrottlesAlarm", "StillWaitingAlarm"),
        # Nothing of the stack sends by SES.
        *("SendingPolicy", "QuotaUsedUpAlarm", "SendOutcomeUnknownAlarm", "DesignsQuery"),
    }
    assert set(alone.resources) < set(operations.stack().resources)


def test_without_a_mailer_nothing_refers_to_what_is_left_out(alone: Stack) -> None:
    left_out = set(operations.stack().resources) - set(alone.resources)
    text = json.dumps([alone.resources, alone.outputs])

    assert not [name for name in left_out if re.search(rf"\b{name}\b", text)]
    assert "AWS::NoValue" not in text


def test_without_a_mailer_the_receiver_may_do_all_but_send(alone: Stack, stack: Stack) -> None:
    lost = permissions(stack, "ReceiverFunction") - permissions(alone, "ReceiverFunction")

    assert lost == {each for each in COMMON if each[0].startswith("ses:")}


def test_the_metrics_that_only_a_mailer_writes_are_not_shown_without_one(alone: Stack) -> None:
    body = alone.properties("Dashboard")["DashboardBody"]

    for metric in ("Sent", "Postponed", "Skipped", "DeadLettered", "AgeAtSending", "TimeToSes"):
        assert f'"{metric}"' in operations.stack().properties("Dashboard")["DashboardBody"]
        assert f'"{metric}"' not in body
    assert {"NumberOfMessagesReceived", "NumberOfMessagesDeleted"} <= set(re.findall(r"\w+", body))


def test_an_event_is_given_up_after_six_hours_by_any_consumer(alone: Stack, stack: Stack) -> None:
    # Without a mailer nothing makes the delays grow.
    tries = alone.properties("Queue")["RedrivePolicy"]["maxReceiveCount"]

    assert tries * alone.properties("Queue")["VisibilityTimeout"] == 6 * 3600
    assert stack.properties("Queue")["RedrivePolicy"]["maxReceiveCount"] == 28


@pytest.mark.parametrize("name", ["DeadLettersAlarm", "OldestMessageAlarm"])
def test_an_alarm_about_the_queue_speaks_of_who_consumes_it(
    name: str, alone: Stack, stack: Stack
) -> None:
    assert "our consumer" in alone.properties(name)["AlarmDescription"]
    assert "onsumer" not in stack.properties(name)["AlarmDescription"]


def test_a_consumer_gets_its_outputs_and_no_other_stack_has_them(
    alone: Stack, stack: Stack
) -> None:
    added = {name: alone.outputs[name]["Value"] for name in set(alone.outputs) - set(stack.outputs)}

    assert added == {"QueueArn": "Queue.Arn", "ConfigurationSetName": "ConfigurationSet"}
