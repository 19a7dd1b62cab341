"""The built functions, running, with AWS's services behind them.

The services are moto's, served over HTTP on loopback, so tests can look at their state.
"""

import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from roomle_mail_cli import sign
from tests import emails_package
from tests.built.runtime_api import Function
from tools import artefacts, fixtures

SENDER_DOMAIN = "brand.example"


@dataclass(frozen=True, slots=True)
class Email:
    """An email that reached SES."""

    sender: str
    recipients: list[str]
    subject: str


@dataclass(frozen=True, slots=True)
class Services:
    """The AWS services that the functions use, with everything that a deploy creates."""

    endpoint_url: str
    queue_url: str
    dead_letter_queue_url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=fixtures.REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def emails_to(self, recipient: str) -> list[Email]:
        return [email for email in self.emails() if email.recipients == [recipient]]

    def emails(self) -> list[Email]:
        backend: Any = get_backend("ses")[fixtures.ACCOUNT][fixtures.REGION]
        return [
            Email(
                message.source,
                [each for kind in message.destinations.values() for each in kind],
                message.subject,
            )
            for message in backend.sent_messages
        ]

    def dead_letters(self) -> int:
        answer = self.client("sqs").get_queue_attributes(
            QueueUrl=self.dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def writes(self) -> int:
        """Count the items of the table."""
        table = fixtures.environment()["ReceiverFunction"]["TABLE_NAME"]
        answer = self.client("dynamodb").scan(TableName=table, Select="COUNT")
        return int(answer["Count"])


# Not longer than a module, because moto forgets everything when a test elsewhere begins to use it.
@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    names = fixtures.environment()["ReceiverFunction"]
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    services = Services(f"http://{host}:{port}", "", "")
    urllib.request.urlopen(f"{services.endpoint_url}/moto-api/reset", data=b"").close()
    services.client("secretsmanager").create_secret(
        Name=names["SECRET_ID"],
        SecretString=f'{{"{sign.EXAMPLE_API_KEY}": "{sign.EXAMPLE_SECRET}"}}',
    )
    services.client("dynamodb").create_table(
        TableName=names["TABLE_NAME"],
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    services.client("events").create_event_bus(Name=names["EVENT_BUS"])
    services.client("sesv2").create_email_identity(EmailIdentity=SENDER_DOMAIN)
    services.client("sesv2").create_configuration_set(
        ConfigurationSetName=names["CONFIGURATION_SET"]
    )
    queues = [
        services.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        for name in (fixtures.QUEUE, fixtures.DEAD_LETTER_QUEUE)
    ]
    yield Services(services.endpoint_url, *queues)
    server.stop()


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function's files on Lambda: /opt, /var/task, and an interpreter with nothing else."""

    python: Path
    opt: Path
    tasks: dict[str, Path]
    home: Path

    def environment(self, function: str, **variables: str) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/15/[$LATEST]0",
            "AWS_REGION": fixtures.REGION,
            "AWS_DEFAULT_REGION": fixtures.REGION,
            "AWS_SECRET_ACCESS_KEY": "test",
            "HOME": str(self.home),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin/:/bin",
            "PYTHONPATH": str(self.opt / "python"),
            "TZ": ":UTC",
            **variables,
        }

    def run(self, function: str, code: str, *arguments: str, **variables: str) -> str:
        """Run a line of Python in a function's environment, and return its output."""
        return subprocess.run(
            [self.python, "-c", code, *arguments],
            cwd=self.tasks[function],
            env=self.environment(function, **variables),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout


@pytest.fixture(scope="session")
def aws_lambda(tmp_path_factory: pytest.TempPathFactory) -> Lambda:
    """The build, with the tests' own emails instead of those in layers/emails."""
    assert (artefacts.BUILD / "template.yaml").is_file(), "nothing is built yet: make build"
    folder = tmp_path_factory.mktemp("lambda")
    functions = ("ReceiverFunction", "MailerFunction")
    made = Lambda(
        python=artefacts.make_interpreter(folder / "venv"),
        opt=folder / "opt",
        tasks={function: folder / "task" / function for function in functions},
        home=folder / "home",
    )
    made.home.mkdir()
    for layer in artefacts.layers():
        artefacts.copy(layer, made.opt)
    emails_package.replace(made.opt / "python")
    for function in functions:
        artefacts.copy(artefacts.task(function), made.tasks[function])
    return made


type Start = Callable[..., Function]


@pytest.fixture(scope="module")
def variables(services: Services) -> Callable[[str], dict[str, str]]:
    """The variables of events/env.json, with this run's service addresses."""

    def variables(function: str) -> dict[str, str]:
        found = fixtures.environment()[function]
        found |= {"AWS_ENDPOINT_URL": services.endpoint_url, "QUEUE_URL": services.queue_url}
        if "DEAD_LETTER_QUEUE_URL" in found:
            found["DEAD_LETTER_QUEUE_URL"] = services.dead_letter_queue_url
        return found

    return variables


@pytest.fixture(scope="module")
def start(
    aws_lambda: Lambda,
    variables: Callable[[str], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Start]:
    """Start a built function, with changes to its variables."""
    with ExitStack() as running:

        def start(name: str, **changes: str) -> Function:
            return running.enter_context(
                Function(
                    aws_lambda.python,
                    aws_lambda.tasks[name],
                    aws_lambda.environment(name, **variables(name) | changes),
                    log=tmp_path_factory.mktemp("log") / f"{name}.log",
                )
            )

        yield start


@pytest.fixture(scope="module")
def receiver(start: Start) -> Function:
    """The receiver as events/env.json configures it."""
    return start("ReceiverFunction")


@pytest.fixture(scope="module")
def mailer(start: Start) -> Function:
    """The mailer as events/env.json configures it."""
    return start("MailerFunction")
