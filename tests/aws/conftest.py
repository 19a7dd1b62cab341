"""The functions on moto's AWS: fast, in one process, with faults injected into botocore."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from boto3.session import Session
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.backends import get_backend

from roomle_mail import aws
from roomle_mail.table import Table
from roomle_mail_cli import sign
from roomle_mail_cli.deployment import Deployment
from tests.powertools import LambdaContext
from tests.receiver_environment import RECEIVER_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
SESSION = Session()
LOADS = itertools.count(1)
REGION, ACCOUNT = "eu-central-1", "123456789012"
API_KEY, SECRET = "exampleKeyForTests", "example-secret-0"


@cache
def client(service: str) -> Any:
    """A client of the tests' own. Making one takes longer than most tests."""
    return SESSION.client(service, region_name=REGION)


type Answer = tuple[int, str, str]  # HTTP status, AWS's error code, its message


@dataclass
class Door:
    """The hook where botocore sends a request: a fault replaces the service or its answer."""

    faults: dict[str, list[Callable[[], AWSResponse | None]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    passed: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waited_out: list[str] = field(default_factory=list)

    def watch(self, client: Any) -> None:
        client.meta.events.register_first("before-send", self._before_send)

    def _before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.removeprefix("before-send.")
        self.requests.append(operation)
        queue = self.faults.get(operation, [])
        answer = queue.pop(0)() if queue else None
        if answer is None:
            self.passed.append((operation, json.loads(request.body)))
        else:
            # botocore calls every handler even if the first one answers, so moto must not see the
            # call.
            request.url = "https://fault.invalid/"
        return answer

    def answer(self, operation: str, *answers: Answer) -> None:
        """Answer the next calls with errors."""
        for status, code, message in answers:
            body = json.dumps({"message": message, "__type": code}).encode()
            headers: Any = {"x-amzn-errortype": code, "content-type": "application/json"}
            response = AWSResponse("https://aws.example", status, headers, _Raw(body))
            self.faults.setdefault(operation, []).append(partial(_same, response))

    def answer_with(self, operation: str, body: object) -> None:
        """Answer the next call with 200 and a body, which may be a text that isn't JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        headers: Any = {"content-type": "application/x-amz-json-1.1"}
        response = AWSResponse("https://aws.example", 200, headers, _Raw(text.encode()))
        self.faults.setdefault(operation, []).append(partial(_same, response))

    def raise_(self, operation: str, *errors: BaseException) -> None:
        """Make the next calls fail in transit."""
        for error in errors:

            def fail(error: BaseException = error) -> AWSResponse | None:
                raise error

            self.faults.setdefault(operation, []).append(fail)

    def hang(self, operation: str, seconds: float = 30) -> None:
        """Make the next call block; `waited_out` is set unless the call is interrupted."""

        def block() -> AWSResponse | None:
            time.sleep(seconds)
            self.waited_out.append(operation)
            return None

        self.faults.setdefault(operation, []).append(block)


def _same(response: AWSResponse) -> AWSResponse:
    return response


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body


@dataclass
class World:
    """A stack as after a deployment."""

    door: Door
    queue_url: str
    dead_letter_queue_url: str
    output: Callable[[], str]
    _monkeypatch: pytest.MonkeyPatch
    _apps: dict[str, ModuleType] = field(default_factory=dict)

    def set(self, **changes: str) -> None:
        """Deploy with other parameters."""
        for name, value in changes.items():
            self._monkeypatch.setenv(name, value)
        self._apps.clear()

    def app(self, name: str) -> ModuleType:
        """The function's module, loaded as at a cold start."""
        if name not in self._apps:
            spec = importlib.util.spec_from_file_location(
                f"{name}_app", ROOT / "functions" / name / "app.py"
            )
            assert spec
            assert spec.loader
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            # Lambda loads one per process; here hundreds of them would pile up.
            if next(LOADS) % 20 == 0:
                gc.collect()
            for service in ("ses", "sqs", "dynamodb", "eventbridge", "secrets"):
                self.door.watch(getattr(module.clients, service))
            self._apps[name] = module
        return self._apps[name]

    # --- what goes in -------------------------------------------------------------------------

    def request(self, payload: Any = None, *, now: float | None = None, **form: Any) -> Any:
        """API Gateway's event for a payload, signed now."""
        body = payload if isinstance(payload, str) else json.dumps(payload or saved())
        moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
        event = {
            "version": "2.0",
            "routeKey": "POST /webhook",
            "rawPath": "/webhook",
            "headers": {"content-type": "application/json"},
            "requestContext": {"requestId": "request-id-of-a-test"},
            "body": body,
            "isBase64Encoded": False,
        }
        arguments = {"api_key": API_KEY, "secret": SECRET} | form
        signed = sign.sign(event, now=moment, **arguments)
        signed["requestContext"]["timeEpoch"] = int(time.time() * 1000)
        return signed

    def receive(self, event: Any) -> tuple[int, str]:
        """Status and code of the receiver's answer."""
        answer = self.app("receiver").handler(event, LambdaContext())
        assert answer["headers"] == {"content-type": "application/json"}
        body = json.loads(answer["body"])
        assert set(body) == {"status", "code"}
        return answer["statusCode"], body["code"]

    def post(self, payload: Any = None, **form: Any) -> tuple[int, str]:
        return self.receive(self.request(payload, **form))

    def mail(self, messages: list[dict[str, Any]]) -> list[str]:
        """Hand messages to the mailer; return the ids of those that stay in the queue."""
        answer = self.app("mailer").handler({"Records": messages}, LambdaContext())
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def table(self) -> Table:
        """The table as another invocation sees it."""
        return Table.open(client("dynamodb"), "table")

    # --- what came out ------------------------------------------------------------------------

    def emails(self) -> list[dict[str, Any]]:
        """The emails that SES accepted, as in the requests."""
        backend: Any = get_backend("ses")[ACCOUNT][REGION]
        asked = [body for name, body in self.door.passed if name == "sesv2.SendEmail"]
        assert len(asked) == len(backend.sent_messages)
        return asked

    def queued(self, url: str | None = None) -> list[dict[str, Any]]:
        """Take the queue's messages, in the form in which Lambda's poller passes them on."""
        sqs = client("sqs")
        found = sqs.receive_message(
            QueueUrl=url or self.queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [record(each) for each in found.get("Messages", [])]

    def dead_letters(self) -> list[dict[str, Any]]:
        return self.queued(self.dead_letter_queue_url)

    def items(self, prefix: str = "") -> list[dict[str, Any]]:
        table = SESSION.resource("dynamodb", region_name=REGION).Table("table")
        return [each for each in table.scan()["Items"] if each["key"].startswith(prefix)]

    def logs(self) -> list[dict[str, Any]]:
        """The lines that were logged so far, without metrics."""
        lines = [json.loads(line) for line in self.output().splitlines() if line.startswith("{")]
        return [line for line in lines if "_aws" not in line]

    def metrics(self) -> dict[str, list[float]]:
        """The values of every metric that was written so far."""
        values: dict[str, list[float]] = {}
        for line in self.output().splitlines():
            if '"_aws"' in line:
                found = json.loads(line)
                for directive in found["_aws"]["CloudWatchMetrics"]:
                    for metric in directive["Metrics"]:
                        values.setdefault(metric["Name"], []).extend(found[metric["Name"]])
        return values


def saved(**changes: Any) -> dict[str, Any]:
    """One of Roomle's events, with changes to its data."""
    event = changes.pop("event", "email.savedConfiguration")
    data = {
        "success": True,
        "email": "anna.customer@customer.example",
        "configurationId": "catalog:item:2564B3D4",
        "url": "https://test.roomle.com/t/cp/?id=catalog:item:2564B3D4",
    }
    return {"event": event, "data": data | changes}


def record(message: dict[str, Any], receives: int = 1) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": str(receives)},
        "messageAttributes": message.get("MessageAttributes", {}),
    }


def create_table() -> None:
    client("dynamodb").create_table(
        TableName="table",
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def open_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Table]]:
    """Return a function that opens an empty table, each time as another invocation."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        create_table()
        yield lambda: Table.open(client("dynamodb"), "table")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "DELIVERY": "ses,sqs",
        "ANSWER_WITHIN": "8",
        "TOKEN_HEADER": "token",
        "TOKEN_ALGORITHMS": "01",
        "TOKEN_MAX_AGE": "300",
        "TOKEN_IV": "fixed",
        "TOKEN_REUSE": "refuse",
        "REQUIRE_TOKEN": "true",
        "LOG_REFUSED_TOKENS": "false",
        "SECRET_ID": "secret",
        "SECRET_OVERLAP": "3600",
        "TABLE_NAME": "table",
        "CONFIGURATION_SET": "set",
        "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
        "MAX_EMAILS_PER_HOUR": "0",
        "EVENT_BUS": "",
        "PUBLISH_ADDRESSES": "false",
        "DESIGNS": "on",
        "LOCAL_STACK": "false",
        "POWERTOOLS_SERVICE_NAME": "tests",
        "POWERTOOLS_METRICS_NAMESPACE": "RoomleMail",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # One session for all tests, because each new one reads AWS's service descriptions again.
    monkeypatch.setattr(aws, "Session", lambda: SESSION)
    printed: list[str] = []

    def output() -> str:
        printed.append(capsys.readouterr().out)
        return "".join(printed)

    with mock_aws():
        create_table()
        client("secretsmanager").create_secret(
            Name="secret", SecretString=json.dumps({API_KEY: SECRET})
        )
        client("sesv2").create_email_identity(EmailIdentity="brand.example")
        sqs = client("sqs")
        urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dead")]
        monkeypatch.setenv("QUEUE_URL", urls[0])
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", urls[1])
        yield World(Door(), urls[0], urls[1], output, monkeypatch)
    # For pytest's report, which is searched for secrets (tests/secrecy.py).
    print(output())  # noqa: T201


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A deployment whose outputs and environment are known without a call."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    found = Deployment("roomle-mail", boto3.Session(region_name=REGION))
    vars(found)["outputs"] = {
        "SecretName": "secret", "QueueUrl": "https://q", "DeadLetterQueueUrl": "https://d",
        "TableName": "table",
    }  # fmt: skip
    vars(found)["environment"] = dict(RECEIVER_ENVIRONMENT)
    return found
