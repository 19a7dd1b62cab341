"""The recipes for the event bus, deployed: what arrives of every fixture's event."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError

from tests import recipes
from tests.unit.cloudformation import PSEUDO, read
from tools import fixtures
from tools.stack import webhook
from tools.stack.faults import read_body, serving
from tools.stack.local import RECEIVER, LocalStack

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w+|https?://|\?")
# The emulator's CloudFormation lacks these, so the tests create them by EventBridge's own calls,
# with the properties that the recipe gives them.
BY_CALLS = {"AWS::Events::ApiDestination", "AWS::Events::Archive", "AWS::Events::Connection"}
SECRETS = {
    "hubspot": {"token": "example-token"},
    "salesforce": {"client_id": "example-client", "client_secret": "example-secret"},
}
PUBLISHED = [name for name in fixtures.expectations() if name.startswith("receiver/")]


@dataclass
class Crm:
    """Plays HubSpot and Salesforce: takes every request, and gives out an access token."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        body = read_body(handler).decode()
        self.requests.append({"path": handler.path, "headers": dict(handler.headers), "body": body})
        answer = json.dumps({"access_token": "example-access", "token_type": "Bearer"}).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def got(self, path: str) -> list[dict[str, Any]]:
        return [each for each in self.requests if each["path"] == path]

    def bodies(self, name: str) -> list[Any]:
        return [json.loads(each["body"]) for each in self.got(PATHS[name])]


PATHS = {
    name: urlsplit(recipes.stack(name).properties("Destination")["InvocationEndpoint"]).path
    for name in recipes.CRMS
}


@dataclass
class Targets:
    """The recipes on the local stack, and what their targets got."""

    stack: LocalStack
    crm: Crm
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    queues: dict[str, str] = field(default_factory=dict)
    """By recipe, the queue that its rule fills."""
    events: dict[bool, list[dict[str, Any]]] = field(default_factory=dict)
    """What the bus got of the fixtures, without and with addresses."""

    def got(self, name: str) -> list[Any]:
        if name in recipes.CRMS:
            return self.crm.bodies(name)
        messages = webhook.messages_in(self.stack.emulator, self.queues[name])
        return [json.loads(message.body) for message in messages]


@pytest.fixture(scope="module")
def targets(stack: LocalStack) -> Iterator[Targets]:
    """All recipes, and every fixture posted twice: without and with published addresses."""
    crm = Crm()
    with ExitStack() as cleanup:
        crm.url, _ = cleanup.enter_context(serving(crm))
        targets = Targets(stack, crm)
        for name in recipes.RULES:
            targets.outputs[name] = cleanup.enter_context(created(targets, name, f"recipe-{name}"))
        targets.queues["queue"] = targets.outputs["queue"]["QueueUrl"]
        for name in recipes.WITHOUT_ADDRESSES:
            targets.queues[name] = cleanup.enter_context(stand_in(targets, name))
        for addresses in (False, True):
            targets.events[addresses] = post_all(stack, addresses=addresses)
        yield targets


@contextmanager
def created(
    targets: Targets, name: str, stack_name: str, **parameters: str
) -> Iterator[dict[str, str]]:
    """Deploy a recipe by CloudFormation; yields its outputs."""
    cloudformation = targets.stack.client("cloudformation")
    template = read(recipes.PATHS[name])
    given = recipes.parameters(name, **parameters)
    with ExitStack() as cleanup:
        replaced = cleanup.enter_context(by_calls(targets, name, stack_name))
        text = json.dumps(without(template, replaced))
        cloudformation.create_stack(
            StackName=stack_name,
            TemplateBody=text,
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        cleanup.callback(cloudformation.delete_stack, StackName=stack_name)
        waiter = cloudformation.get_waiter("stack_create_complete")
        waiter.wait(StackName=stack_name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        (found,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
        yield {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


@contextmanager
def by_calls(targets: Targets, name: str, prefix: str) -> Iterator[dict[str, str]]:
    """Create what the emulator's CloudFormation lacks; yields the ARNs by logical id."""
    of = recipes.stack(name)
    arns: dict[str, str] = {}
    with ExitStack() as cleanup:
        for logical_id, resource in reversed(of.resources.items()):
            if resource["Type"] not in BY_CALLS:
                continue
            kind = resource["Type"].rpartition("::")[2]
            properties = prepare(targets, resource["Properties"], arns)
            calls = targets.stack.client("events")
            match kind:
                case "Connection":
                    arn = calls.create_connection(Name=prefix, **properties)["ConnectionArn"]
                    cleanup.callback(calls.delete_connection, Name=prefix)
                case "ApiDestination":
                    answer = calls.create_api_destination(Name=prefix, **properties)
                    arn = answer["ApiDestinationArn"]
                    cleanup.callback(calls.delete_api_destination, Name=prefix)
                case _:
                    answer = calls.create_archive(ArchiveName=prefix, **properties)
                    arn = answer["ArchiveArn"]
                    cleanup.callback(calls.delete_archive, ArchiveName=prefix)
            arns[logical_id] = arn
        yield arns


def prepare(targets: Targets, properties: dict[str, Any], arns: dict[str, str]) -> dict[str, Any]:
    """The properties as a call takes them: ARNs, secrets, numbers, and our server's address."""
    text = json.dumps({n: v for n, v in properties.items() if n != "EventPattern"})
    text = re.sub(r'"(\w+)\.Arn"', lambda found: json.dumps(arns[found[1]]), text)
    text = re.sub(
        r"\{\{resolve:secretsmanager:(\w+):SecretString:(\w+)\}\}",
        lambda found: SECRETS[found[1]][found[2]],
        text,
    )
    text = re.sub(r'"(\d+)"', r"\1", text)
    text = re.sub(r"https://[^/]+", targets.crm.url, text)
    text = text.replace(PSEUDO["AWS::AccountId"], "000000000000")
    text = text.replace('"SourceArn"', '"EventSourceArn"')
    patterns = {n: json.dumps(v) for n, v in properties.items() if n == "EventPattern"}
    prepared: dict[str, Any] = json.loads(text)
    return prepared | patterns


def without(template: dict[str, Any], replaced: dict[str, str]) -> dict[str, Any]:
    """The template without some resources, with their ARNs in place of references to them."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == {"Fn::GetAtt"} and value["Fn::GetAtt"][0] in replaced:
            return replaced[value["Fn::GetAtt"][0]]
        return {key: change(each) for key, each in value.items()}

    resources = {n: r for n, r in template["Resources"].items() if n not in replaced}
    return {**template, "Resources": change(resources), "Outputs": change(template["Outputs"])}


@contextmanager
def stand_in(targets: Targets, name: str) -> Iterator[str]:
    """Give a rule a queue as its second target: the emulator doesn't deliver to its own."""
    sqs, events = targets.stack.client("sqs"), targets.stack.client("events")
    url: str = sqs.create_queue(QueueName=f"recipe-{name}")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    rule = targets.outputs[name]["RuleArn"].rpartition("/")[2]
    about = {"Rule": rule, "EventBusName": fixtures.BUS}
    (target,) = events.list_targets_by_rule(**about)["Targets"]
    second = {
        "Id": "stand-in",
        "Arn": asked["Attributes"]["QueueArn"],
        "InputTransformer": target["InputTransformer"],
    }
    events.put_targets(**about, Targets=[second])
    try:
        yield url
    finally:
        sqs.delete_queue(QueueUrl=url)


def post_all(stack: LocalStack, *, addresses: bool) -> list[dict[str, Any]]:
    """Post every fixture; return what the bus got of them."""
    before = len(stack.published())
    of = stack.deployed
    with stack.environment(RECEIVER, PUBLISH_ADDRESSES=str(addresses).lower()):
        for name in PUBLISHED:
            event = of.tenant.post(name, now=datetime.now(UTC), secret=of.secret)
            webhook.post_event(of.webhook_url, event)
    return stack.published()[before:]


def checked(event: dict[str, Any]) -> bool:
    """Whether a CRM may get it: it passed validation."""
    return event["detail"]["outcome"] in {"sent", "queued", "suppressed"}


def due(targets: Targets, name: str) -> list[Any]:
    """What a recipe's target has to get."""
    every = [*targets.events[False], *targets.events[True]]
    match name:
        case "queue":
            return every
        case "hubspot":
            every = [event for event in every if checked(event) and "payload" in event["detail"]]
        case "salesforce":
            every = [event for event in every if checked(event)]
    return [recipes.transformed(name, event) for event in every]


def in_order(values: list[Any]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in values)


@pytest.mark.parametrize("name", recipes.RULES)
def test_every_target_gets_of_every_fixture_what_its_recipe_says(
    targets: Targets, name: str
) -> None:
    expected = due(targets, name)
    assert expected
    targets.stack.wait_until(lambda: len(targets.got(name)) >= len(expected))

    assert in_order(targets.got(name)) == in_order(expected)


def test_the_fixtures_have_what_a_crm_must_not_get(targets: Targets) -> None:
    outcomes = {event["detail"]["outcome"] for event in targets.events[True]}
    links = [
        event["detail"]["payload"]["data"]["url"]
        for event in targets.events[True]
        if checked(event)
    ]

    assert {"sent", "failed", "forwarded"} <= outcomes
    assert any('"' in link for link in links)
    assert not any(link in json.dumps(targets.crm.requests) for link in links)


def test_without_published_addresses_no_target_gets_one(targets: Targets) -> None:
    ids = {event["detail"]["event_id"] for event in targets.events[False]}
    seen = 0
    for name in recipes.RULES:
        for each in targets.got(name):
            text = json.dumps(each)
            if any(event_id in text for event_id in ids):
                seen += 1
                assert not ADDRESS.search(text.replace(recipes.DESIGN_LINK, "")), name
    assert seen


@pytest.mark.parametrize("name", recipes.WITHOUT_ADDRESSES)
def test_log_and_analytics_get_no_address_even_where_they_are_published(
    targets: Targets, name: str
) -> None:
    assert any("payload" in event["detail"] for event in targets.events[True])
    for each in targets.got(name):
        assert not ADDRESS.search(json.dumps(each))


def test_hubspot_is_called_with_its_token(targets: Targets) -> None:
    requests = targets.crm.got(PATHS["hubspot"])

    assert requests
    for each in requests:
        assert each["headers"]["Authorization"] == "Bearer example-token"
        assert each["headers"]["Content-Type"].startswith("application/json")


def test_salesforce_is_asked_for_a_token_and_called_with_it(targets: Targets) -> None:
    (asked, *_) = targets.crm.got("/services/oauth2/token")

    assert parse_qs(asked["body"]) == {
        "grant_type": ["client_credentials"],
        "client_id": ["example-client"],
        "client_secret": ["example-secret"],
    }
    for each in targets.crm.got(PATHS["salesforce"]):
        assert each["headers"]["Authorization"] == "Bearer example-access"


def test_firehose_stores_a_line_below_its_day(targets: Targets) -> None:
    # The emulator's rules don't deliver to Firehose, so the test hands over, with the rule's role.
    stack = targets.stack
    bucket = targets.outputs["analytics"]["BucketName"]
    rows = [json.dumps(row) for row in targets.got("analytics")[:3]]
    role, stream = (
        stack.deployed.physical_id(each, "recipe-analytics") for each in ("RuleRole", "Stream")
    )
    firehose = stack.client_of_role(role, "firehose")
    firehose.put_record_batch(
        DeliveryStreamName=stream, Records=[{"Data": f"{row}\n"} for row in rows]
    )

    with pytest.raises(ClientError, match="AccessDenied"):
        firehose.describe_delivery_stream(DeliveryStreamName=stream)
    s3 = stack.client("s3")
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    stored = [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    assert in_order([json.loads(line) for text in stored for line in text.splitlines()]) == (
        in_order([json.loads(row) for row in rows])
    )
    assert all(re.match(r"events/day=\d{4}-\d\d-\d\d/", key) for key in keys)
    for key in keys:
        s3.delete_object(Bucket=bucket, Key=key)


def test_a_replay_reaches_only_the_rule_that_asks_for_it(targets: Targets, recipient: str) -> None:
    stack, events = targets.stack, targets.stack.client("events")
    with (
        created(targets, "queue", "recipe-replayed", Replays="accept") as accepting,
        by_calls(targets, "archive", "recipe-archive") as archived,
    ):
        began, bus = time.time(), len(stack.published())
        assert stack.post(fixtures.payload(email=recipient)).code == "sent"
        targets.events[False] += stack.published()[bus:]
        (first,) = webhook.messages_in(stack.emulator, accepting["QueueUrl"])
        before = {name: len(targets.got(name)) for name in recipes.RULES}
        events.start_replay(
            ReplayName=f"again-{int(began)}",
            EventSourceArn=archived["Archive"],
            EventStartTime=began - 60,
            EventEndTime=began + 600,
            Destination={
                "Arn": events.describe_event_bus(Name=fixtures.BUS)["Arn"],
                "FilterArns": [accepting["RuleArn"]],
            },
        )
        stack.wait_until(
            lambda: len(webhook.messages_in(stack.emulator, accepting["QueueUrl"])) == 2
        )

        _, again = webhook.messages_in(stack.emulator, accepting["QueueUrl"])
        live, replayed = json.loads(first.body), json.loads(again.body)
        assert replayed.pop("replay-name")
        assert replayed["detail"] == live["detail"]
        assert {name: len(targets.got(name)) for name in recipes.RULES} == before


def test_nothing_is_left_undelivered(targets: Targets) -> None:
    for name in recipes.RULES:
        url = targets.outputs[name]["UndeliveredUrl"]
        assert webhook.messages_in(targets.stack.emulator, url) == []
