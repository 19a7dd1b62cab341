"""A stack with Mailer=off, whose queue the example of docs/examples/consumer consumes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.command_line import CommandLine
from tools import demo, fixtures, sam
from tools.simulator import page
from tools.simulator.scenario import Scenario
from tools.simulator.stage import standing
from tools.stack import deployment, processes
from tools.stack.deployment import Stack
from tools.stack.local import RECEIVER, LocalStack, answering, forwarding_to, hanging_up

# It needs a stack with other parameters than the one that the other tests share.
pytestmark = pytest.mark.proof

EXAMPLE = sam.ROOT / "docs" / "examples" / "consumer" / "template.yaml"
CONSUMER, FUNCTION = "roomle-mail-consumer", "ConsumerFunction"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    processes.interrupt_on_signals()
    with deployment.running(port=0, mailer=False) as deployed:
        yield LocalStack(deployed)


@pytest.fixture(scope="module")
def consumer(stack: LocalStack) -> LocalStack:
    """The stack with the example beside it, deployed with its own template and permissions."""
    deploy_example(stack.deployed)
    return stack


def deploy_example(stack: Stack) -> None:
    """Deploy the example by its template. The emulator checks ses:SendEmail against * only."""
    local_copy, aws = stack.emulator.folder / "consumer.yaml", stack.emulator
    text = EXAMPLE.read_text().replace("CodeUri: .", f"CodeUri: {EXAMPLE.parent}")
    identities = re.compile(r"(ses:SendEmail\n +Resource:)(\n +- .*){2}")
    local_copy.write_text(identities.sub(r'\1 "*"', text))
    sender = min(stack.tenant.senders)
    given = ("QueueArn", "TableName", "ConfigurationSetName")
    deployment.create(
        aws,
        local_copy,
        CONSUMER,
        {name: stack.outputs[name] for name in given}
        | {"Sender": sender, "SenderIdentity": sender.partition("@")[2]},
    )
    stack.functions[FUNCTION] = stack.physical_id(FUNCTION, CONSUMER)


@contextlib.contextmanager
def paused(stack: LocalStack) -> Iterator[None]:
    """Stop the consumer from reading the queue during the block."""
    client = stack.client("lambda")
    mapping = stack.deployed.physical_id(f"{FUNCTION}Queue", CONSUMER)
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        yield
    finally:
        client.update_event_source_mapping(UUID=mapping, Enabled=True)


def states(stack: LocalStack) -> dict[str, str]:
    """The state of each event, by its id."""
    items = [each for each in stack.items() if each["key"]["S"].startswith("event#")]
    return {each["key"]["S"].removeprefix("event#"): each["state"]["S"] for each in items}


def has_given_back(stack: LocalStack) -> bool:
    """Whether the consumer failed to send an email and gave its claim back."""
    return any(each["until"]["N"] == "0" for each in stack.items() if "until" in each)


def is_empty(stack: LocalStack) -> bool:
    return stack.wait_until(lambda: not stack.queued())


# Without any consumer --------------------------------------------------------------------------


def test_the_stack_has_no_mailer_and_queues_every_email(stack: LocalStack, recipient: str) -> None:
    assert set(stack.deployed.functions) - {FUNCTION} == {RECEIVER}

    answer = stack.post(fixtures.payload(email=recipient))

    assert (answer.status, answer.code) == (202, "queued")
    assert [each for each in stack.queued() if recipient in each.body]
    stack.client("sqs").purge_queue(QueueUrl=stack.deployed.outputs["QueueUrl"])


def test_the_demo_shows_what_is_queued(stack: LocalStack) -> None:
    results = list(demo.run(stack.deployed))

    assert {each.name.partition("/")[0] for each in results} == {"receiver"}
    assert [each.faults for each in results if each.faults] == []
    assert any("queued" in each.outcome for each in results)
    stack.client("sqs").purge_queue(QueueUrl=stack.deployed.outputs["QueueUrl"])


def says(client: Any, address: str, text: str) -> bool:
    return text in client.get(address).text


def test_the_simulator_leaves_the_email_to_another_program(stack: LocalStack) -> None:
    with standing(stack.deployed) as stage:
        client = page.application(stage).test_client()
        for choices in ({}, {"queue": "fails"}):
            client.post("/runs", data=asdict(Scenario(**choices)))
        shown = [f"/runs/{number}" for number in (1, 2)]
        for each in shown:
            assert stack.wait_until(partial(says, client, f"{each}/story", "One email: "))
        shown = [client.get(each).text for each in shown]

    assert "One email: your own program’s" in shown[0]
    assert "One email: Roomle’s own" in shown[1]
    assert "1 left to your own program" in shown[1]
    stack.client("sqs").purge_queue(QueueUrl=stack.deployed.outputs["QueueUrl"])


def test_doctor_and_why_know_that_there_is_no_mailer(cli: CommandLine) -> None:
    found = {each["name"]: each for each in cli("doctor", "--json").json["checks"]}

    # The log has what an earlier test made fail.
    bad = {name for name, each in found.items() if each["state"] == "fail"} - {"log"}
    assert bad == set()
    assert "perhaps another program" in found["consumer"]["found"]
    assert found["senders"]["state"] == found["sandbox"]["state"] == "skip"
    assert "Mailer is off" in cli("why", "MailerErrorsAlarm").err
    assert "your consumer does not run" in cli("why", "OldestMessageAlarm").out


def test_the_receivers_part_is_proved_and_nothing_is_left(
    stack: LocalStack, cli: CommandLine
) -> None:
    ended = cli("prove", "--yes", "--json")
    results = {each["name"]: each for each in ended.json["results"]}

    assert ended.code == 0, ended.json
    assert results["savedConfiguration"]["state"] == results["repeat"]["state"] == "proved"
    assert {name for name, each in results.items() if "Mailer=off" in each["found"]} >= {
        *("dead letter", "redrive", "design", "SES's events"),
    }
    assert not [each for each in stack.queued() if "simulator" in each.body]
    # A consumer that had been there would have skipped them.
    assert set(states(stack).values()) == {"withdrawn"}
    assert stack.emails() == []


# With the example ------------------------------------------------------------------------------


def test_an_event_is_sent_once_by_the_consumer(
    consumer: LocalStack, cli: CommandLine, recipient: str
) -> None:
    sent = cli("send", "savedConfiguration", "--to", recipient, "--wait", "60", "--json").json

    assert (sent["answer"], sent["code"]) == (202, "queued")
    assert sent["log"][-1]["what"] == "sent"
    assert states(consumer)[sent["event_id"]] == "sent"
    assert "table" in cli("logs", "--event", sent["event_id"]).out.splitlines()[-1]
    assert len(consumer.emails_to(recipient, at_least=1)) == 1


def test_a_message_that_comes_twice_is_sent_once(consumer: LocalStack, recipient: str) -> None:
    with paused(consumer):
        consumer.post(fixtures.payload(email=recipient))
        (message,) = [each for each in consumer.queued() if recipient in each.body]
        consumer.client("sqs").send_message(
            QueueUrl=consumer.deployed.outputs["QueueUrl"], MessageBody=message.body
        )

    assert is_empty(consumer)
    assert len(consumer.emails_to(recipient, at_least=1)) == 1


def test_a_withdrawn_event_is_not_sent(consumer: LocalStack, recipient: str) -> None:
    answer_lost = forwarding_to(consumer.emulator, then=hanging_up)
    with paused(consumer), consumer.endpoint(RECEIVER, "SQS", answer_lost):
        answer = consumer.post(fixtures.payload(email=recipient))
        assert [each for each in consumer.queued() if recipient in each.body]

    assert (answer.status, answer.code) == (503, "unavailable")
    assert is_empty(consumer)
    assert consumer.emails_to(recipient) == []


def test_what_fails_goes_back_and_is_sent_later(consumer: LocalStack, recipient: str) -> None:
    sqs, url = consumer.client("sqs"), consumer.deployed.outputs["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "3"})
    try:
        with consumer.endpoint(FUNCTION, "SESV2", answering(429, "TooManyRequestsException")):
            consumer.post(fixtures.payload(email=recipient))
            # The end of the block ends the function. An attempt cut off by it would keep its claim.
            assert consumer.wait_until(lambda: has_given_back(consumer))
        assert len(consumer.emails_to(recipient, at_least=1)) == 1
        assert is_empty(consumer)
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "180"})


def test_what_a_proof_posts_is_not_sent(consumer: LocalStack, cli: CommandLine) -> None:
    assert cli("prove", "--yes", "--json").code == 0

    assert is_empty(consumer)
    mailed = {address for email in consumer.emails() for address in email.recipients}
    assert not [each for each in mailed if "simulator" in each]


def test_a_dead_letter_is_redriven_to_the_consumer(
    consumer: LocalStack, cli: CommandLine, recipient: str
) -> None:
    with paused(consumer):
        consumer.post(fixtures.payload(email=recipient))
        (message,) = [each for each in consumer.queued() if recipient in each.body]
        consumer.client("sqs").purge_queue(QueueUrl=consumer.deployed.outputs["QueueUrl"])
    consumer.client("sqs").send_message(
        QueueUrl=consumer.deployed.outputs["DeadLetterQueueUrl"], MessageBody=message.body
    )

    assert "not consumed" in cli("dead-letters", "list").out
    assert "never deleted it" in cli("why", "DeadLettersAlarm").out
    assert "1 sent" in cli("dead-letters", "redrive", "--all", "--yes", "--wait", "60").out
    assert len(consumer.emails_to(recipient)) == 1


def test_doctor_sees_the_consumer_and_that_its_trigger_is_off(
    consumer: LocalStack, cli: CommandLine
) -> None:
    def found() -> dict[str, Any]:
        checks = cli("doctor", "--json").json["checks"]
        return next(each for each in checks if each["name"] == "consumer")

    assert found()["state"] == "ok"
    with paused(consumer):
        assert found()["state"] == "fail"
        assert "update-event-source-mapping --enabled" in found()["advice"]


@pytest.mark.parametrize(
    # The emulator doesn't look at dynamodb:LeadingKeys, so it would let items of others be written.
    # tests/unit/test_consumer_template.py compares that condition with AWS's page.
    ("service", "call", "arguments"),
    [
        ("sqs", "send_message", {"QueueUrl": "QueueUrl", "MessageBody": "x"}),
        ("sqs", "receive_message", {"QueueUrl": "DeadLetterQueueUrl"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "SecretName"}),
        ("dynamodb", "delete_item", {"TableName": "TableName", "Key": {"key": {"S": "event#1"}}}),
        ("dynamodb", "scan", {"TableName": "TableName"}),
    ],
)
def test_the_consumer_may_do_nothing_else(
    consumer: LocalStack, service: str, call: str, arguments: dict[str, Any]
) -> None:
    outputs = consumer.deployed.outputs
    given = {
        name: outputs.get(value, value) if isinstance(value, str) else value
        for name, value in arguments.items()
    }

    with pytest.raises(ClientError) as refused:
        getattr(consumer.client_of(FUNCTION, service), call)(**given)

    assert "AccessDenied" in refused.value.response["Error"]["Code"]
