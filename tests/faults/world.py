"""AWS for the functions under test: the emulator, a deployment's resources, Lambda's poller.

The emulator is that of the local stack, not moto's server: a call took a third of the time, and its
queues, conditions and signatures are closer to AWS's.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Unpack
from unittest import mock

from roomle_mail_cli import sign
from tests.faults.lambdas import CLOCK_CODE, MAILER, RECEIVER, Clock, Mortal
from tests.faults.ledger import DIED, Answer
from tools import artefacts, fixtures
from tools.stack import emulator, webhook
from tools.stack.emulator import Emulator

# Not Roomle's published example, because a real deployment refuses it.
API_KEY, SECRET = "exampleKeyForTests", "example-secret-0"
BUS = "shop"
SENDERS = ("hello@brand.example", "studio@brand.example")
# The template's values; a test compares them.
RECEIVER_TIMEOUT, MAILER_TIMEOUT, BATCH = 10.0, 30.0, 5


@dataclass(frozen=True)
class Aws:
    """The services, with what a deployment creates."""

    emulator: Emulator
    clock: Clock
    queue_url: str
    dead_letter_queue_url: str

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    @property
    def variables(self) -> dict[str, dict[str, str]]:
        """The functions' variables: those of `sam local`, but as strict as in a real deployment."""
        changes = {
            "QUEUE_URL": self.queue_url,
            "LOCAL_STACK": "false",
            "TOKEN_MAX_AGE": "300",
            "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
            "MAX_EMAILS_PER_HOUR": "10000",
            "EVENT_BUS": BUS,
            # The ledger knows an event by its recipient.
            "PUBLISH_ADDRESSES": "true",
        }
        found = fixtures.environment()
        del found[RECEIVER]["AWS_ENDPOINT_URL"], found[MAILER]["AWS_ENDPOINT_URL"]
        return {
            RECEIVER: found[RECEIVER] | changes,
            MAILER: found[MAILER] | changes | {"DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url},
        }

    def queued(self, url: str | None = None) -> list[webhook.Message]:
        return webhook.messages_in(self.emulator, url or self.queue_url)

    def create_queue(self, name: str | None = None) -> str:
        """Create a queue like the template's, with the same dead-letter queue."""
        queue = artefacts.template()["Resources"]["Queue"]["Properties"]
        # With a mailer, as in these tests.
        _, receives, _ = queue["RedrivePolicy"]["maxReceiveCount"]["Fn::If"]
        sqs = self.client("sqs")
        arn = sqs.get_queue_attributes(
            QueueUrl=self.dead_letter_queue_url, AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        attributes = {
            "VisibilityTimeout": str(queue["VisibilityTimeout"]),
            "MessageRetentionPeriod": str(queue["MessageRetentionPeriod"]),
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives}),
        }
        url: str = sqs.create_queue(QueueName=name or uuid.uuid4().hex, Attributes=attributes)[
            "QueueUrl"
        ]
        return url

    def put(self, body: str, url: str | None = None) -> None:
        self.client("sqs").send_message(QueueUrl=url or self.queue_url, MessageBody=body)

    def dead_letters(self) -> list[str]:
        return [m.body for m in webhook.messages_in(self.emulator, self.dead_letter_queue_url)]

    # --- Lambda's poller ----------------------------------------------------------------------

    def receive(self, url: str | None = None, *, most: int = BATCH) -> list[dict[str, Any]]:
        """Receive messages, in the form in which the mailer gets them."""
        found = self.client("sqs").receive_message(
            QueueUrl=url or self.queue_url,
            MaxNumberOfMessages=most,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
            }
            for message in found.get("Messages", [])
        ]

    def mail(
        self,
        mailer: Mortal,
        messages: Sequence[dict[str, Any]],
        url: str | None = None,
        *,
        timeout: float = MAILER_TIMEOUT,
    ) -> bool:
        """Hand a batch to the mailer and delete what is done; False if the mailer died."""
        answer = mailer.call({"Records": list(messages)}, timeout=timeout)
        if answer is None:
            return False
        stay = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        done = [
            {"Id": str(place), "ReceiptHandle": message["receiptHandle"]}
            for place, message in enumerate(messages)
            if message["messageId"] not in stay
        ]
        if done:
            self.client("sqs").delete_message_batch(QueueUrl=url or self.queue_url, Entries=done)
        return True

    def drain(self, mailer: Mortal, url: str | None = None, *, within: float = 8 * 3_600) -> None:
        """Run the mailer until the queue is empty, moving the clock to the next visible message."""
        end = self.clock.now() + within
        while waiting := [message.visible_at for message in self.queued(url)]:
            assert self.clock.now() < end, "the queue does not become empty"
            # And a little further, so that messages with similar waits come together.
            self.clock.move(max(0.0, min(waiting) + 2 - self.clock.now()))
            while batch := self.receive(url):
                self.mail(mailer, batch, url)


@contextlib.contextmanager
def running(clock: Clock) -> Iterator[Aws]:
    """Run the emulator, with the movable clock, during the block."""
    given = emulator.settings

    def settings(aws: Emulator) -> dict[str, str]:
        return given(aws) | clock.variables | {"PYTHONPATH": str(CLOCK_CODE), "LOG_LEVEL": "ERROR"}

    with contextlib.ExitStack() as ends:
        # Only while it starts: another emulator in the same run uses the normal clock.
        with mock.patch.object(emulator, "settings", settings):
            aws = ends.enter_context(emulator.running(port=0))
        yield deploy(aws, clock)


def deploy(aws: Emulator, clock: Clock) -> Aws:
    """Create the template's resources that the functions use."""
    names = fixtures.environment()[RECEIVER]
    aws.client("secretsmanager").create_secret(
        Name=names["SECRET_ID"], SecretString=json.dumps({API_KEY: SECRET})
    )
    aws.client("dynamodb").create_table(
        TableName=names["TABLE_NAME"],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.client("events").create_event_bus(Name=BUS)
    aws.client("sesv2").create_configuration_set(ConfigurationSetName=names["CONFIGURATION_SET"])
    for sender in SENDERS:
        aws.client("ses").verify_email_identity(EmailAddress=sender)
    dead = aws.client("sqs").create_queue(QueueName=fixtures.DEAD_LETTER_QUEUE)["QueueUrl"]
    return replace(Aws(aws, clock, "", dead), queue_url=Aws(aws, clock, "", dead).create_queue())


# --- Roomle ------------------------------------------------------------------------------------


def new_recipient() -> str:
    """A unique address for an event."""
    return f"{uuid.uuid4().hex}@customer.example"


def payload(recipient: str, name: str = fixtures.SAVED, **changes: object) -> dict[str, Any]:
    if name == fixtures.EXPORTED:
        changes = {"resultUrl": fixtures.ASSET} | changes
    return fixtures.payload(name, email=recipient, **changes)


def message(recipient: str, name: str = fixtures.SAVED, **changes: object) -> str:
    """The message that the receiver would queue for an event."""
    return fixtures.message(recipient, payload(recipient, name, **changes))


def request(
    body: Mapping[str, Any] | str,
    *,
    clock: Clock,
    api_key: str = API_KEY,
    secret: str = SECRET,
    **form: Unpack[sign.Form],
) -> dict[str, Any]:
    """API Gateway's event for one of Roomle's POSTs, signed now."""
    event = fixtures.load("receiver/saved_configuration")
    event["body"] = body if isinstance(body, str) else fixtures.compact(body)
    now = datetime.fromtimestamp(clock.now(), UTC)
    return sign.sign(event, now=now, api_key=api_key, secret=secret, **form)


def post(receiver: Mortal, event: dict[str, Any], *, timeout: float = RECEIVER_TIMEOUT) -> Answer:
    """Hand a request to a receiver, and answer as API Gateway does."""
    event["requestContext"]["timeEpoch"] = int(receiver.clock.now() * 1000)
    began = time.monotonic()
    answer = receiver.call(event, timeout=timeout)
    seconds = time.monotonic() - began
    if answer is None:
        return Answer(*DIED, seconds)
    return Answer(answer["statusCode"], json.loads(answer["body"])["code"], seconds)
