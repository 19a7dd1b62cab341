"""From the repository to a running stack: build, emulator, deploy, secret, senders, routes."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from emails_build import package
from roomle_mail.errors import SecretUnusable
from roomle_mail.publishing import SOURCE
from roomle_mail.tokens import Credential
from roomle_mail_cli import keys, project
from roomle_mail_cli.sign import EXAMPLE_API_KEY, EXAMPLE_SECRET
from tools import fixtures, sam
from tools.roomle_api import server
from tools.roomle_api.server import RoomleApi
from tools.stack import emulator, processes, template
from tools.stack.emulator import Emulator
from tools.tenant import Tenant

ROOT = sam.ROOT
NAME = "roomle-mail"
BUILT = ROOT / ".aws-sam" / "build" / "template.yaml"
BUILT_EMAILS = BUILT.with_name("EmailsLayer")
# The file that describes the foreground stack to other programs.
DESCRIPTION = ROOT / ".local" / "stack.json"
BUCKET = "artifacts"
HTTP_API = "AWS::ApiGatewayV2::Api"
# The stand-in's port is so far from the emulator's: the simulator and the preview are in between.
BESIDE = 3


@dataclass(frozen=True)
class Stack:
    """A deployed stack. Key and secret are Roomle's public example.

    A rule passes on what the event bus gets to the queue `bus_queue_url`. `roomle` is the stand-in
    that its functions ask for designs; its faults can be switched on.
    """

    emulator: Emulator
    roomle: RoomleApi
    outputs: dict[str, str]
    webhook_url: str
    bus_queue_url: str
    functions: dict[str, str]
    """Logical id -> physical name, as CloudFormation chose it."""
    emails: Path = BUILT_EMAILS
    """The deployed layer of emails."""

    @property
    def has_mailer(self) -> bool:
        """Whether it was deployed with Mailer=on."""
        return "MailerFunction" in self.functions

    @cached_property
    def tenant(self) -> Tenant:
        """The brands that are deployed."""
        return Tenant.of(self.emails)

    api_key: str = EXAMPLE_API_KEY
    # Not in a failed test's output, where a secret is an error.
    secret: str = field(default=EXAMPLE_SECRET, repr=False)

    def physical_id(self, logical_id: str, name: str = NAME) -> str:
        """What CloudFormation called a resource, of this stack or of another by its name."""
        found = self.emulator.client("cloudformation").describe_stack_resource(
            StackName=name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    @cached_property
    def description(self) -> dict[str, Any]:
        """The content of .local/stack.json."""
        return {
            "webhook_url": self.webhook_url,
            "endpoint_url": self.emulator.url,
            "roomle_api": self.roomle.url,
            "region": emulator.REGION,
            "api_key": self.api_key,
            "secret": self.secret,
            "queue_url": self.outputs["QueueUrl"],
            "dead_letter_queue_url": self.outputs["DeadLetterQueueUrl"],
            "table": self.outputs["TableName"],
            "event_bus": fixtures.BUS,
            "event_bus_queue_url": self.bus_queue_url,
            "functions": self.functions,
        }


@contextlib.contextmanager
def running(port: int = emulator.PORT, *, mailer: bool = True) -> Iterator[Stack]:
    """Build and deploy the stack during the block; port 0 means a free port.

    Without a `mailer` it is deployed with Mailer=off, and its queue is left to another program.
    Raises CalledProcessError if a program fails, after printing its output, and
    EmulatorFailedError.
    """
    began = time.monotonic()
    build()
    announce_deviations()
    processes.say("emulator", "starting")
    try:
        beside = port + BESIDE if port and not emulator.taken(port + BESIDE) else 0
        with emulator.running(port) as aws, server.running(beside) as roomle:
            processes.say("emulator", f"answers at {aws.url}")
            processes.say("roomle", f"a stand-in for its API answers at {roomle.url}")
            stack = deploy(aws, roomle, mailer=mailer)
            processes.say("stack", f"ready after {time.monotonic() - began:.0f} s")
            yield stack
    finally:
        processes.say("stack", "removed")


@contextlib.contextmanager
def described(stack: Stack, path: Path = DESCRIPTION) -> Iterator[None]:
    """Describe the stack in a file while it runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stack.description, indent=2) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def announce_deviations() -> None:
    """Print how the local copy of the template differs."""
    for deviation in template.DEVIATIONS:
        processes.say("template", f"differs locally: {deviation.what} ({deviation.why})")


def build() -> None:
    """Build functions and layers, unless they are up to date."""
    processes.say("build", "functions and layers, unless they are up to date")
    command = ["make", "--no-print-directory", "build"]
    with processes.scratch_folder() as folder:
        environment = {**os.environ, "TMPDIR": str(folder)}
        processes.run(command, environment=environment, log=folder / "build.log", folder=ROOT)


def deploy(aws: Emulator, roomle: RoomleApi, *, mailer: bool = True) -> Stack:
    """Deploy the built template, set the secret, verify the senders and add the routes."""
    emails, local_copy = emails_layer(aws), aws.folder / "template.yaml"
    brands = Tenant.of(emails)
    template.write_local_copy(BUILT, local_copy, emails=emails, roomle_api=roomle.url)
    aws.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": emulator.REGION}
    )
    processes.say("deploy", "uploading and creating the stack, some ten seconds")
    parameters = {
        "LocalStack": "true",
        "EventBus": fixtures.BUS,
        "Architecture": template.architecture(),
        "SenderIdentities": ",".join(sorted(brands.senders)),
    }
    if not mailer:
        parameters |= {"Mailer": "off", "Delivery": "sqs"}
    create(aws, local_copy, NAME, parameters)

    cloudformation = aws.client("cloudformation")
    description = cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}
    created = cloudformation.describe_stack_resources(StackName=NAME)["StackResources"]
    resources = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in created}
    processes.say("deploy", "secret, senders, routes")
    admit(aws, outputs["SecretName"], brands)
    # A key that is set later is one of Roomle's too.
    roomle.further_credentials = lambda: credentials(aws, outputs["SecretName"])
    return Stack(
        emulator=aws,
        roomle=roomle,
        outputs=outputs,
        webhook_url=add_routes(aws, resources) + "/webhook",
        bus_queue_url=create_bus(aws),
        functions={
            r["LogicalResourceId"]: r["PhysicalResourceId"]
            for r in created
            if r["ResourceType"] == "AWS::Lambda::Function"
        },
        emails=emails,
    )


def create(aws: Emulator, path: Path, name: str, parameters: Mapping[str, str]) -> None:
    """Create a stack from a template by `sam deploy`; raises CalledProcessError."""
    # Every option is given, because samconfig.toml is for AWS.
    no_settings = aws.folder / "samconfig.toml"
    no_settings.write_text("version = 0.1\n")
    command = sam.command(
        "deploy",
        *("--config-file", str(no_settings)),
        *("--template-file", str(path)),
        *("--stack-name", name),
        *("--s3-bucket", BUCKET),
        *("--region", emulator.REGION),
        *("--capabilities", "CAPABILITY_IAM"),
        "--no-progressbar",
        "--parameter-overrides",
        *(f"{each}={value}" for each, value in parameters.items()),
    )
    processes.run(
        command,
        # SAM leaves temporary folders behind.
        environment=sam.environment({**aws.environment(), "TMPDIR": str(aws.folder)}),
        log=aws.folder / "deploy.log",
        folder=ROOT,
    )


def admit(aws: Emulator, secret: str, brands: Tenant) -> None:
    """Put the brands' API keys into the secret, and verify their senders."""
    keys = dict.fromkeys(sorted({EXAMPLE_API_KEY, *brands.api_keys}), EXAMPLE_SECRET)
    aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(keys))
    ses = aws.client("sesv2")
    verified = {each["IdentityName"] for each in ses.list_email_identities()["EmailIdentities"]}
    for sender in sorted(brands.senders - verified):
        ses.create_email_identity(EmailIdentity=sender)


def credentials(aws: Emulator, secret: str) -> tuple[Credential, ...]:
    """The API keys and secrets that the stack has now; none if its secret is unusable."""
    text = aws.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    try:
        return keys.parse(text, allow_published=True)
    except SecretUnusable:
        return ()


def emails_layer(aws: Emulator) -> Path:
    """Return a copy of the layer that `make build` made, in which every brand shows designs.

    ROOMLE_MAIL_EMAILS can name other emails for it. Raises BuildFailed.
    """
    layer = aws.folder / "emails"
    if project.emails() == project.OWN_EMAILS:
        shutil.copytree(BUILT_EMAILS, layer)
    else:
        package.write(package.compile_package(project.emails()), layer / "python")
    if changed := show_designs(layer / "python" / package.PACKAGE):
        processes.say("emails", f"show designs here, to be seen: {', '.join(changed)}")
    return layer


def show_designs(emails: Path) -> list[str]:
    """Let a built package's brands without a line `show` show designs; return their ids."""
    changed = []
    for path in sorted(emails.glob("brands/*.json")):
        brand = json.loads(path.read_text(encoding="utf-8"))
        if not brand["show"]:
            brand |= {"show": ["picture", "name", "size"], "picture_hosts": ["*.roomle.com"]}
            path.write_text(json.dumps(brand, ensure_ascii=False), encoding="utf-8")
            changed.append(path.stem)
    return changed


def create_bus(aws: Emulator) -> str:
    """Create the event bus, and a rule that passes everything on to a queue; return its URL."""
    events, sqs = aws.client("events"), aws.client("sqs")
    events.create_event_bus(Name=fixtures.BUS)
    url: str = sqs.create_queue(QueueName=f"{fixtures.BUS}-bus")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    pattern = json.dumps({"source": [SOURCE]})
    events.put_rule(Name="everything", EventBusName=fixtures.BUS, EventPattern=pattern)
    targets = [{"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}]
    events.put_targets(Rule="everything", EventBusName=fixtures.BUS, Targets=targets)
    return url


def add_routes(aws: Emulator, resources: dict[str, str]) -> str:
    """Create the HTTP API's routes, which the emulator ignores, and return the API's URL."""
    processed = aws.client("cloudformation").get_template(
        StackName=NAME, TemplateStage="Processed"
    )["TemplateBody"]
    text = processed if isinstance(processed, str) else json.dumps(processed)
    declared = yaml.safe_load(text)["Resources"]
    api = next(n for n, resource in declared.items() if resource["Type"] == HTTP_API)
    gateway = aws.client("apigatewayv2")
    for path, methods in declared[api]["Properties"]["Body"]["paths"].items():
        for method, operation in methods.items():
            integration = operation["x-amazon-apigateway-integration"]
            created = gateway.create_integration(
                ApiId=resources[api],
                IntegrationType="AWS_PROXY",
                IntegrationUri=function_called(integration["uri"], resources),
                PayloadFormatVersion=integration["payloadFormatVersion"],
            )
            gateway.create_route(
                ApiId=resources[api],
                RouteKey=f"{method.upper()} {path}",
                Target=f"integrations/{created['IntegrationId']}",
            )
    # By path, because not every system resolves names below localhost.
    return f"{aws.url}/_aws/execute-api/{resources[api]}/$default"


def function_called(uri: dict[str, str], resources: dict[str, str]) -> str:
    """Return the name, or the alias's ARN, of the function in an integration's URI.

    The URI is an `Fn::Sub` text that ends in `/functions/${ReceiverFunction.Arn}/invocations`, or
    in `/functions/${ReceiverFunctionAliaslive}/invocations` where the function has an alias.
    """
    found = re.search(r"/functions/\$\{([A-Za-z0-9]+)(\.Arn)?\}/invocations", uri["Fn::Sub"])
    if not found:
        raise ValueError(f"no function in {uri}")
    return resources[found[1]]
