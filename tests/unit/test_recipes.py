"""The recipes for the event bus are ones that AWS documents, and give away no address unasked."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import events
from roomle_mail.publishing import SOURCE
from tests import recipes
from tests.aws_documented import cloudwatch, input_transformer, insights
from tests.recipes import STACKS, TOPIC
from tests.unit.cloudformation import ROOT, Stack, read
from tools import bus_contract, fixtures
from tools.published_models import EVENTS

TRANSFORMERS = {
    name: recipes.target(name)["InputTransformer"]
    for name in recipes.RULES
    if "InputTransformer" in recipes.target(name)
}
TRANSFORMING = list(TRANSFORMERS)
ADDRESS, LINK = "jane.doe@customer.example", "https://test.roomle.com/t/cp/?id=a:b:C"
# Every event has these, so they may stand outside quotes.
ALWAYS = {
    f"$.detail.{name}"
    for name, field in EVENTS["another-event"].model_fields.items()
    if field.is_required()
} | {"$.time"}


def event(name: str = "email.savedConfiguration", **detail: Any) -> dict[str, Any]:
    """An event as a rule gets it."""
    return {**bus_contract.event(name), "detail": bus_contract.example(name) | detail}


def with_address(**data: Any) -> dict[str, Any]:
    """An event as with PublishAddresses=true."""
    return event(payload={"event": fixtures.SAVED, "data": {"email": ADDRESS, "url": LINK} | data})


def read_body(name: str, text: str) -> dict[str, Any]:
    """What a target makes of its input. A line in a log group is the message alone."""
    body: dict[str, Any] = json.loads(text)
    return json.loads(body["message"]) if name == "log" else body


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


# What AWS demands ------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_every_queue_has_a_policy_of_its_own_that_names_no_other(stack: Stack) -> None:
    # SQS's developer guide: a policy covers a single queue, and each statement names that queue.
    policies = [each["Properties"] for each in stack.of_type("AWS::SQS::QueuePolicy").values()]
    named = {
        (queue, statement["Resource"])
        for each in policies
        for queue in each["Queues"]
        for statement in each["PolicyDocument"]["Statement"]
    }

    assert named == {(name, f"{name}.Arn") for name in stack.of_type("AWS::SQS::Queue")}


def test_every_recipe_is_scanned_for_weaknesses() -> None:
    # checkov's list of files takes no patterns.
    files = yaml.safe_load((ROOT / ".checkov.yaml").read_text())["file"]

    assert {ROOT / file for file in files} >= set(recipes.PATHS.values())


@pytest.mark.parametrize("name", recipes.PATHS)
def test_every_parameter_is_described_and_bounded(name: str) -> None:
    for parameter, about in read(recipes.PATHS[name])["Parameters"].items():
        assert about["Description"], parameter
        bounds = {"AllowedPattern", "ConstraintDescription"} <= set(about)
        assert bounds or "AllowedValues" in about or {"MinValue", "MaxValue"} <= set(about)
        given = recipes.parameters(name).get(parameter, str(about.get("Default")))
        assert re.fullmatch(about.get("AllowedPattern", ".*"), given), parameter


@pytest.mark.parametrize("name", recipes.RULES)
def test_a_rule_takes_the_events_of_roomle_mail_from_the_bus_alone(name: str) -> None:
    rule = recipes.rule(name)

    assert rule["EventBusName"] == fixtures.BUS
    assert rule["EventPattern"]["source"] == [SOURCE]


@pytest.mark.parametrize("name", recipes.RULES)
def test_a_replay_is_ignored_until_it_is_asked_for(name: str) -> None:
    # EventBridge's page "Replaying archived events": a replayed event has the field replay-name.
    assert recipes.rule(name)["EventPattern"]["replay-name"] == [{"exists": False}]
    assert "replay-name" not in recipes.rule(name, Replays="accept")["EventPattern"]


@pytest.mark.parametrize("name", recipes.RULES)
def test_what_cannot_be_delivered_is_kept(name: str) -> None:
    # EventBridge's page "Using dead-letter queues to process undelivered events": the policy must
    # let the rule in.
    stack, target = recipes.stack(name), recipes.target(name)
    queue = stack.properties("Undelivered")
    policy = stack.properties("UndeliveredPolicy")
    allowed, denied = policy["PolicyDocument"]["Statement"]

    assert target["DeadLetterConfig"] == {"Arn": "Undelivered.Arn"}
    assert target["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 86_400,
        "MaximumRetryAttempts": 185,
    }
    assert queue == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 1_209_600}
    assert policy["Queues"] == ["Undelivered"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": "Rule.Arn"}}
    assert (denied["Effect"], denied["Sid"]) == ("Deny", "TlsOnly")


@pytest.mark.parametrize("name", recipes.RULES)
def test_what_cannot_be_delivered_rings_where_there_is_a_topic(name: str) -> None:
    about = STACKS[f"{name} with an alarm"].properties("UndeliveredAlarm")

    assert cloudwatch.alarm_problems(about) == []
    assert about["Dimensions"] == [{"Name": "QueueName", "Value": "Undelivered.QueueName"}]
    assert about["AlarmActions"] == about["OKActions"] == [TOPIC]
    assert "UndeliveredAlarm" not in recipes.stack(name).resources


def test_only_the_queue_has_a_target_that_its_own_policy_opens() -> None:
    queue = recipes.stack("queue")
    policy = queue.properties("QueuePolicy")

    assert recipes.target("queue")["Arn"] == "Queue.Arn"
    assert policy["Queues"] == ["Queue"]
    assert policy["PolicyDocument"]["Statement"][0]["Resource"] == "Queue.Arn"
    assert queue.properties("Queue")["RedrivePolicy"]["deadLetterTargetArn"] == "Undelivered.Arn"
    # The whole event, unchanged.
    assert not {"Input", "InputPath", "InputTransformer", "RoleArn"} & set(recipes.target("queue"))


def test_the_log_group_lets_eventbridge_in() -> None:
    # EventBridge's page "Using resource-based policies", section CloudWatch Logs. A log group takes
    # no role, and its name must begin like this (AWS's knowledge center).
    stack, target = recipes.stack("log"), recipes.target("log")
    (statement,) = json.loads(stack.properties("EventsMayBeLogged")["PolicyDocument"])["Statement"]

    assert target["Arn"] == "arn:aws:logs:eu-central-1:123456789012:log-group:Log"
    assert "RoleArn" not in target
    assert stack.properties("Log")["LogGroupName"].startswith("/aws/events/")
    services = ["events.amazonaws.com", "delivery.logs.amazonaws.com"]
    assert statement["Principal"] == {"Service": services}
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"] == "Log.Arn"


@pytest.mark.parametrize("name", recipes.CRMS)
def test_an_api_is_called_with_a_role_that_can_do_nothing_else(name: str) -> None:
    stack, target = recipes.stack(name), recipes.target(name)
    destination = stack.properties("Destination")

    assert (target["Arn"], target["RoleArn"]) == ("Destination.Arn", "Role.Arn")
    (policy,) = stack.properties("Role")["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "events:InvokeApiDestination"
    assert statement["Resource"] == "Destination.Arn"
    # EventBridge's page "Create an API destination": the URL must use HTTPS.
    assert destination["InvocationEndpoint"].startswith("https://")
    assert destination["HttpMethod"] == "POST"


@pytest.mark.parametrize("name", recipes.CRMS)
def test_a_credential_is_in_no_template_and_no_parameter(name: str) -> None:
    # CloudFormation's page "Get a secret or secret value from Secrets Manager".
    connection = recipes.stack(name).properties("Connection")
    parameters = connection["AuthParameters"]
    secrets = [text for text in texts(parameters) if "resolve" in text]

    assert len(secrets) == {"hubspot": 1, "salesforce": 2}[name]
    for each in secrets:
        assert re.fullmatch(
            rf"(Bearer )?{{{{resolve:secretsmanager:{name}:SecretString:\w+}}}}", each
        )
    # EventBridge reads it again only if something of the connection changes.
    assert "version 1" in connection["Description"]


def test_salesforce_gives_a_token_for_the_apps_own_credentials() -> None:
    # EventBridge's page "API destination partners", section Salesforce.
    connection = recipes.stack("salesforce").properties("Connection")
    oauth = connection["AuthParameters"]["OAuthParameters"]

    assert connection["AuthorizationType"] == "OAUTH_CLIENT_CREDENTIALS"
    assert oauth["AuthorizationEndpoint"] == "https://brand.my.salesforce.com/services/oauth2/token"
    assert oauth["OAuthHttpParameters"]["BodyParameters"] == [
        {"Key": "grant_type", "Value": "client_credentials", "IsValueSecret": False}
    ]


def test_what_is_stored_for_analytics_is_encrypted_private_and_erased() -> None:
    stack = recipes.stack("analytics", RetentionDays="90")
    bucket = stack.properties("Bucket")
    (erasing,) = bucket["LifecycleConfiguration"]["Rules"]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    # An earlier version would outlive the file.
    assert "VersioningConfiguration" not in bucket
    assert (erasing["Status"], erasing["ExpirationInDays"]) == ("Enabled", "90")
    assert not {"Prefix", "TagFilters"} & set(erasing)
    # A bucket with files in it can't be deleted, and a deploy that can't end would remain.
    assert stack.resources["Bucket"]["DeletionPolicy"] == "Retain"


def test_firehose_writes_one_compressed_line_for_each_event_below_its_day() -> None:
    # Firehose's pages "Custom prefixes for Amazon S3 objects", "Processor" and "BufferingHints".
    stream = recipes.stack("analytics").properties("Stream")
    to = stream["ExtendedS3DestinationConfiguration"]

    assert recipes.target("analytics")["Arn"] == "Stream.Arn"
    assert stream["DeliveryStreamType"] == "DirectPut"
    assert to["CompressionFormat"] == "GZIP"
    assert to["Prefix"].endswith("/day=!{timestamp:yyyy-MM-dd}/")
    # With an expression in Prefix, the other one must name the kind of error.
    assert "!{firehose:error-output-type}" in to["ErrorOutputPrefix"]
    assert "!{firehose:error-output-type}" not in to["Prefix"]
    assert to["ProcessingConfiguration"] == {
        "Enabled": True,
        "Processors": [{"Type": "AppendDelimiterToRecord"}],
    }
    assert 1 <= to["BufferingHints"]["SizeInMBs"] <= 128
    assert 0 <= int(to["BufferingHints"]["IntervalInSeconds"]) <= 900


def test_the_archive_is_of_the_bus_and_forgets() -> None:
    archive = recipes.stack("archive", RetentionDays="7").properties("Archive")

    bus = f"arn:aws:events:eu-central-1:123456789012:event-bus/{fixtures.BUS}"
    assert archive["SourceArn"] == bus
    assert archive["RetentionDays"] == "7"
    # 0 would keep events for all time (EventBridge's API reference, "CreateArchive").
    assert read(recipes.PATHS["archive"])["Parameters"]["RetentionDays"]["MinValue"] >= 1


# What the targets get --------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRANSFORMING)
def test_a_transformer_is_one_that_eventbridge_accepts(name: str) -> None:
    # EventBridge's pages "PutRule" and "InputTransformer", and "Input transformation".
    transformer = recipes.target(name)["InputTransformer"]
    paths, template = transformer["InputPathsMap"], transformer["InputTemplate"]

    assert len(json.dumps(recipes.rule(name)["EventPattern"])) <= 2048
    assert len(paths) <= 100
    assert len(template) <= 8192
    assert set(paths) == input_transformer.variables(template)
    assert {paths[each] for each in input_transformer.bare(template)} <= ALWAYS


@pytest.mark.parametrize("name", TRANSFORMING)
def test_every_path_leads_to_a_field_that_is_published(name: str) -> None:
    fields = {field for model in EVENTS.values() for field in model.model_fields}
    for path in recipes.target(name)["InputTransformer"]["InputPathsMap"].values():
        if path not in {"$.time", "$.detail.payload.data.email"}:
            assert path.removeprefix("$.detail.") in fields


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("name", recipes.WITHOUT_ADDRESSES)
def test_log_and_analytics_have_what_is_published_without_addresses(name: str, kind: str) -> None:
    published = event(kind, payload={"data": {"email": ADDRESS, "url": LINK}})

    made = recipes.transformed(name, published)
    if name == "log":
        # A log group accepts only these two fields.
        assert (set(made), made["timestamp"]) == ({"timestamp", "message"}, published["time"])
        made = json.loads(made["message"])
    detail = {k: v for k, v in published["detail"].items() if k not in {"payload", "version"}}
    shown = {k: v if k == "answer" else str(v).replace("True", "true") for k, v in detail.items()}
    assert {k: v for k, v in made.items() if v != ""} == shown
    fields = {field for model in EVENTS.values() for field in model.model_fields}
    assert set(made) == fields - {"payload", "version"}


def test_hubspot_gets_a_contact_with_its_latest_design() -> None:
    # HubSpot's page "Create or update a batch of contacts by unique property values".
    made = recipes.transformed("hubspot", with_address())

    (contact,) = made["inputs"]
    assert set(made) == {"inputs"}
    assert (contact["idProperty"], contact["id"]) == ("email", ADDRESS)
    assert set(contact) == {"idProperty", "id", "properties"}
    properties = contact["properties"]
    assert properties["roomle_link"] == f"{recipes.DESIGN_LINK}{bus_contract.CONFIGURATION}"
    assert properties["roomle_configurator"] == "myConfigurator"
    assert properties["roomle_event"] == "email.savedConfiguration"
    assert all(re.fullmatch("roomle_[a-z_]+", each) for each in properties)


def test_salesforce_gets_a_platform_event_with_or_without_an_address() -> None:
    # Salesforce's "Platform Events Developer Guide": fields of one's own end in __c.
    named, unnamed = (recipes.transformed("salesforce", e) for e in (with_address(), event()))

    assert all(each.endswith("__c") for each in named)
    assert (named["Email__c"], unnamed["Email__c"]) == (ADDRESS, "")
    assert named["Link__c"] == f"{recipes.DESIGN_LINK}{bus_contract.CONFIGURATION}"
    assert named["Recipient__c"] == unnamed["Recipient__c"] == event()["detail"]["recipient"]


@pytest.mark.parametrize("name", [*recipes.WITHOUT_ADDRESSES, "salesforce"])
def test_without_published_addresses_nothing_gets_one(name: str) -> None:
    made = json.dumps(recipes.transformed(name, event()))

    assert "@" not in made
    assert "?" not in made.replace(recipes.DESIGN_LINK, "")


def test_hubspot_is_asked_only_where_addresses_are_published() -> None:
    payload = recipes.rule("hubspot")["EventPattern"]["detail"]["payload"]

    assert payload == {"data": {"email": [{"exists": True}]}}


# EventBridge does not escape what it puts into a template. So nothing that it puts there may have a
# quotation mark or a backslash: not the fields that are cleaned, and, of an event that passed
# validation, not the address. A link is not checked if the email doesn't show it.
_ID = st.text("aZ09_.:-", min_size=1)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "$.detail.answer": st.integers(200, 599),
    "$.detail.payload.data.email": st.from_regex(events._ADDRESS, fullmatch=True),
}


def values(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any values of a template's variables that the rule lets through."""
    paths = TRANSFORMERS[name]["InputPathsMap"]
    present = {variable: VALUES.get(path, _ID) for variable, path in paths.items()}
    return st.fixed_dictionaries(
        {v: present[v] if path in ALWAYS else st.none() | present[v] for v, path in paths.items()}
    )


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


SHAPES = {
    name: shape(read_body(name, input_transformer.transform(about, with_address())))
    for name, about in TRANSFORMERS.items()
}


@given(st.sampled_from(TRANSFORMING).flatmap(lambda name: st.tuples(st.just(name), values(name))))
def test_what_a_target_gets_is_json_for_all_values_that_match(
    case: tuple[str, dict[str, Any]],
) -> None:
    name, given = case
    made = read_body(name, input_transformer.fill(TRANSFORMERS[name]["InputTemplate"], given))

    assert shape(made) == SHAPES[name]
    # Each value is there, and the configuration in the link too.
    found = "\n".join(texts(made))
    assert all(v in found for n, v in given.items() if isinstance(v, str) and n != "at")


@pytest.mark.parametrize("name", recipes.CRMS)
def test_a_crm_gets_no_link_that_a_sender_chose(name: str) -> None:
    evil = 'https://evil.example/","id":"someone@else.example'

    made = recipes.transformed(name, with_address(url=evil, resultUrl=evil, other=evil))

    assert made == recipes.transformed(name, with_address())
    assert "evil" not in json.dumps(made)


@pytest.mark.parametrize("name", recipes.CRMS)
def test_a_crm_gets_an_address_only_of_an_event_that_passed_validation(name: str) -> None:
    detail = recipes.rule(name)["EventPattern"]["detail"]

    assert detail["outcome"] == ["sent", "queued", "suppressed"]
    # Of any other it would break the body.
    with pytest.raises(json.JSONDecodeError):
        recipes.transformed(name, with_address(email='"'))


# The page --------------------------------------------------------------------------------------


def test_every_recipe_is_explained() -> None:
    page = recipes.README.read_text()
    rows = re.findall(r"^\| \[(\w+)\.yaml\]\((\w+)\.yaml\) \|", page, re.MULTILINE)

    assert {file for pair in rows for file in pair} == set(recipes.PATHS)


def test_every_parameter_that_the_page_names_exists() -> None:
    page = recipes.README.read_text()
    known = {name for path in recipes.PATHS.values() for name in read(path)["Parameters"]}
    known |= {name for path in recipes.PATHS.values() for name in read(path)["Outputs"]}
    named = {*re.findall(r"\b([A-Z][A-Za-z]+)=", page)}
    named |= {*re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)`", page)}

    assert named - known <= {"PublishAddresses"}
    assert {"EventBus", "Replays", "AlarmTopic", "TokenSecret", "RetentionDays"} <= named


def test_the_page_says_how_long_personal_data_is_kept() -> None:
    page = recipes.README.read_text()
    kept = {
        (recipe, parameter): int(value) * (86_400 if parameter == "RetentionSeconds" else 1)
        for recipe, parameter, value in re.findall(
            r"^\| `(\w+)`.*`(Retention\w+)`[^|\d]*(\d+)", page, re.MULTILINE
        )
    }

    assert kept == {
        (name, parameter): about["Default"]
        for name, path in recipes.PATHS.items()
        for parameter, about in read(path)["Parameters"].items()
        if parameter.startswith("Retention")
    }


def test_the_properties_and_fields_to_create_in_a_crm_are_those_that_are_sent() -> None:
    page = recipes.README.read_text()
    (contact,) = recipes.transformed("hubspot", with_address())["inputs"]

    assert set(re.findall(r"`(roomle_\w+)`", page)) == set(contact["properties"])
    assert set(re.findall(r"`(\w+__c)`", page)) == set(recipes.transformed("salesforce", event()))


def test_the_pages_query_asks_for_what_the_recipe_logs() -> None:
    page = recipes.README.read_text()
    (query,) = re.findall(r"```insights\n(.*?)```", page, re.DOTALL)

    logged = json.loads(recipes.transformed("log", event())["message"])
    assert insights.parse(query).fields <= set(logged)


def test_the_pages_table_in_athena_has_the_columns_that_are_stored() -> None:
    page = recipes.README.read_text()
    (columns,) = re.findall(r"CREATE EXTERNAL TABLE roomle_events \((.*?)\)\n", page, re.DOTALL)

    named = re.findall(r"`?(\w+)`? (?:string|int)", columns)
    assert named == list(recipes.transformed("analytics", event()))


def test_a_replay_as_the_page_starts_it_names_the_rules() -> None:
    page = recipes.README.read_text()
    (destination,) = re.findall(r"--destination '(\{.*?\})'", page, re.DOTALL)

    assert set(json.loads(destination)) == {"Arn", "FilterArns"}
    assert "must not reach a target that mails" in page
