"""The deployed stack, as tests and the bench use it.

A test asks for the fixture `stack`:

    def test_a_saved_draft_is_mailed(stack: LocalStack, recipient: str) -> None:
        answer = stack.post(payload(email=recipient))
        assert (answer.status, answer.code) == (200, "sent")
        [email] = stack.emails_to(recipient)

All tests share one stack: use a separate `recipient` for each, count only your own emails, and
change settings only through the context managers, which restore them.
"""

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Unpack

import boto3

from roomle_mail_cli import sign
from tools import fixtures
from tools.stack import webhook
from tools.stack.deployment import Stack
from tools.stack.emulator import REGION, Emulator
from tools.stack.faults import (
    Behaviour,
    Changing,
    answering,
    dripping,
    forwarding_to,
    hanging_up,
    serving,
    silent_for,
)
from tools.stack.webhook import Answer, Email, Message

RECEIVER = "ReceiverFunction"
MAILER = "MailerFunction"
PATIENCE = 30  # seconds
WARM_UP = "warm.up"  # no event of Roomle's
LOG_GROUPS = {RECEIVER: "ReceiverLog", MAILER: "MailerLog"}
__all__ = [
    "LOG_GROUPS", "MAILER", "RECEIVER", "Behaviour", "Changing", "LocalStack",
    "answering", "dripping", "forwarding_to", "hanging_up", "serving", "silent_for",
]  # fmt: skip


@dataclass(frozen=True)
class LocalStack:
    """A deployed stack. Everything is read again each time."""

    deployed: Stack

    # The webhook -----------------------------------------------------------------------------

    def post(
        self,
        body: Mapping[str, Any] | str | bytes | None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        method: str = "POST",
    ) -> Answer:
        """Send a request to the webhook over HTTP.

        A mapping is sent as JSON. Without a `token` a fresh one is made; an empty one sends none.
        `path` is added to the webhook's.
        """
        if isinstance(body, Mapping):
            body = fixtures.compact(body)
        token = self.token() if token is None else token
        return webhook.post(
            self.deployed.webhook_url + path,
            body.encode() if isinstance(body, str) else body,
            {
                "Content-Type": "application/json",
                **({"token": token} if token else {}),
                **(headers or {}),
            },
            method=method,
        )

    def token(
        self,
        *,
        now: datetime | None = None,
        api_key: str | None = None,
        secret: str | None = None,
        session: str | None = None,
        **form: Unpack[sign.Form],
    ) -> str:
        """Make a token, by default a valid one that was never used."""
        return sign.make_token(
            now=now or datetime.now(UTC),
            api_key=api_key or self.deployed.api_key,
            secret=secret or self.deployed.secret,
            session=session or uuid.uuid4().hex,
            **form,
        )

    # Results ----------------------------------------------------------------------------------

    def emails(self) -> list[Email]:
        """Return all emails that SES accepted since the stack was deployed, oldest first."""
        return webhook.sent_emails(self.emulator)

    def emails_to(self, recipient: str, *, at_least: int = 0, within: float = 60) -> list[Email]:
        """Return the emails to one recipient, after waiting for `at_least` that many.

        It waits at most `within` seconds, so assert on the result.
        """
        found: list[Email] = []

        def are_there() -> bool:
            found[:] = [email for email in self.emails() if recipient in email.recipients]
            return len(found) >= at_least

        self.wait_until(are_there, within=within)
        return found

    def queued(self) -> list[Message]:
        """Return the messages in the queue, including those in flight or delayed; removes none."""
        return webhook.messages_in(self.emulator, self.deployed.outputs["QueueUrl"])

    def dead_letters(self) -> list[Message]:
        """Return the messages in the dead-letter queue; removes none."""
        return webhook.messages_in(self.emulator, self.deployed.outputs["DeadLetterQueueUrl"])

    def published(self) -> list[dict[str, Any]]:
        """Return all events that the event bus got since the stack was deployed, oldest first."""
        return webhook.published(self.emulator, self.deployed.bus_queue_url)

    def forget_published(self) -> None:
        """Forget what the event bus got, so that the next test finds only its own events."""
        self.client("sqs").purge_queue(QueueUrl=self.deployed.bus_queue_url)

    def forget_dead_letters(self) -> None:
        """Empty the dead-letter queue, so that the next test finds only its own messages."""
        self.client("sqs").purge_queue(QueueUrl=self.deployed.outputs["DeadLetterQueueUrl"])

    def forget_messages(self) -> None:
        """Empty all queues."""
        self.client("sqs").purge_queue(QueueUrl=self.deployed.outputs["QueueUrl"])
        self.forget_dead_letters()
        self.forget_published()

    def quieten_alarms(self) -> None:
        """Put each alarm that goes off back to OK."""
        cloudwatch = self.client("cloudwatch")
        for alarm in cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]:
            cloudwatch.set_alarm_state(
                AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a test is over"
            )

    def items(self) -> list[dict[str, Any]]:
        """Return all items of the table, in DynamoDB's typed form."""
        pages = self.client("dynamodb").get_paginator("scan")
        return [
            item
            for page in pages.paginate(TableName=self.deployed.outputs["TableName"])
            for item in page["Items"]
        ]

    def log(self, function: str) -> list[str]:
        """Return a function's log lines, oldest first: JSON, except Lambda's own."""
        return [each["message"] for each in self._logged(function)]

    def take_log(self, function: str) -> list[str]:
        """Return a function's log lines and delete them, so that the next test finds only its own.

        The emulator writes a call's lines at once, into a stream of their own.
        """
        found, client = self._logged(function), self.client("logs")
        group = self.deployed.physical_id(LOG_GROUPS[function])
        for stream in {each["logStreamName"] for each in found}:
            client.delete_log_stream(logGroupName=group, logStreamName=stream)
        return [each["message"] for each in found]

    def warm_up(self) -> bool:
        """Load the receiver, since a cold start on a busy machine may exceed its deadline.

        Returns whether it answers.
        """
        return self.wait_until(lambda: self.post({"event": WARM_UP}).status == HTTPStatus.OK)

    def hand_on_log(self, function: str = RECEIVER) -> None:
        """Make the emulator hand on a function's last line, by an event that is ignored.

        On a busy machine it does so only with the next event of the same worker.
        """
        if function == RECEIVER:
            self.post({"event": WARM_UP})
        else:
            name = self.deployed.functions[function]
            self.client("lambda").invoke(FunctionName=name, Payload="{}")

    @contextlib.contextmanager
    def handing_on_log(self, function: str = RECEIVER) -> Iterator[None]:
        """Hand it on each second during the block, for a program that waits for the last line."""
        over = threading.Event()

        def repeat() -> None:
            while not over.wait(1):
                self.hand_on_log(function)

        repeating = threading.Thread(target=repeat)
        repeating.start()
        try:
            yield
        finally:
            over.set()
            repeating.join()

    @staticmethod
    def wait_until(holds: Callable[[], bool], *, within: float = 60) -> bool:
        """Wait until a condition is true; return whether it is."""
        deadline, pause = time.monotonic() + within, 0.05
        while not (held := holds()) and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        return held

    # AWS -------------------------------------------------------------------------------------

    @property
    def emulator(self) -> Emulator:
        """The emulator, with its port, folder and log."""
        return self.deployed.emulator

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3 makes its clients at run time)
        """Return a client with all permissions."""
        return self.emulator.client(service)

    def client_of(self, function: str, service: str) -> Any:  # noqa: ANN401 (the same)
        """Return a client with exactly a function's permissions."""
        arn = self.client("lambda").get_function_configuration(
            FunctionName=self.deployed.functions[function]
        )["Role"]
        return self.client_of_role(arn.rpartition("/")[2], service)

    def client_of_role(self, name: str, service: str) -> Any:  # noqa: ANN401 (the same)
        """Return a client with exactly a role's permissions."""
        iam = self.client("iam")
        role = iam.get_role(RoleName=name)["Role"]
        trust = role["AssumeRolePolicyDocument"]
        # The role trusts only a service, so make it trust us too for a moment.
        ours = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
        opened = {**trust, "Statement": [*trust["Statement"], ours]}
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(opened))
        try:
            return self.client_as(role["Arn"], service)
        finally:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))

    def client_as(self, role_arn: str, service: str) -> Any:  # noqa: ANN401 (the same)
        """Return a client with the permissions of a role that trusts us."""
        credentials = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")
        return boto3.client(
            service,
            endpoint_url=self.emulator.url,
            region_name=REGION,
            aws_access_key_id=credentials["Credentials"]["AccessKeyId"],
            aws_secret_access_key=credentials["Credentials"]["SecretAccessKey"],
            aws_session_token=credentials["Credentials"]["SessionToken"],
        )

    # Temporary changes ------------------------------------------------------------------------

    @contextlib.contextmanager
    def environment(self, function: str, **changes: str | None) -> Iterator[None]:
        """Run a function with other environment variables during the block; None removes one.

        Its warm workers are replaced, at the end as well, so their caches are gone.
        """
        client, name = self.client("lambda"), self.deployed.functions[function]
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

        def update(variables: dict[str, str]) -> None:
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": variables}
            )

        changed = {**before, **changes}
        update({name: value for name, value in changed.items() if value is not None})
        try:
            yield
        finally:
            update(before)

    @contextlib.contextmanager
    def patience(self, function: str, **changes: str) -> Iterator[None]:
        """Give a function half a minute during the block, for what a busy machine is slow at."""
        client, name = self.client("lambda"), self.deployed.functions[function]
        before = client.get_function_configuration(FunctionName=name)["Timeout"]
        client.update_function_configuration(FunctionName=name, Timeout=PATIENCE)
        try:
            with self.environment(function, ANSWER_WITHIN=str(PATIENCE - 1), **changes):
                yield
        finally:
            client.update_function_configuration(FunctionName=name, Timeout=before)

    def restart(self, function: str) -> None:
        """Replace a function's warm workers, so that the next call is a cold start."""
        with self.environment(function, RESTARTED=uuid.uuid4().hex):
            pass

    @contextlib.contextmanager
    def secret(self, keys: Mapping[str, str] | str) -> Iterator[None]:
        """Rotate the secret to other keys (API key -> secret), and back at the end.

        The current version becomes AWSPREVIOUS, as always in Secrets Manager. Functions cache the
        secret: a token that fails makes them read it again, once a minute, and so does `restart`.
        """
        client, name = self.client("secretsmanager"), self.deployed.outputs["SecretName"]
        before = client.get_secret_value(SecretId=name)["SecretString"]
        value = keys if isinstance(keys, str) else json.dumps(keys)
        client.put_secret_value(SecretId=name, SecretString=value)
        try:
            yield
        finally:
            client.put_secret_value(SecretId=name, SecretString=before)
            self.restart(RECEIVER)

    @contextlib.contextmanager
    def endpoint(
        self, function: str, service: str, behaviour: Behaviour, **changes: str | None
    ) -> Iterator[list[str]]:
        """Replace an AWS service by another server, for one function, and change its environment.

        `service` is botocore's name in environment variables, as in AWS_ENDPOINT_URL_SESV2: SESV2,
        SQS, DYNAMODB, SECRETS_MANAGER, EVENTBRIDGE. Yields a list of requests as "METHOD path
        target", which grows as they come.
        """
        with serving(behaviour) as (url, requests):
            changes[f"AWS_ENDPOINT_URL_{service}"] = url
            with self.environment(function, **changes):
                yield requests

    @contextlib.contextmanager
    def unverified(self, sender: str) -> Iterator[None]:
        """Remove the verification of a sender's address: SES then refuses permanently."""
        client = self.client("sesv2")
        client.delete_email_identity(EmailIdentity=sender)
        try:
            yield
        finally:
            client.create_email_identity(EmailIdentity=sender)

    # -----------------------------------------------------------------------------------------

    def _logged(self, function: str) -> list[dict[str, Any]]:
        group = self.deployed.physical_id(LOG_GROUPS[function])
        pages = self.client("logs").get_paginator("filter_log_events")
        return [event for page in pages.paginate(logGroupName=group) for event in page["events"]]
