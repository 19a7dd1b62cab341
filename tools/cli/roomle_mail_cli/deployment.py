"""Which stack a command is about, and what is deployed there."""

from __future__ import annotations

import json
import os
import re
import shlex
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from roomle_mail.errors import SettingsInvalid
from roomle_mail.settings import Settings
from roomle_mail_cli import session as aws_session
from roomle_mail_cli.screen import CliError, Exit, note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import boto3

DEFAULT = "roomle-mail"
RECEIVER, MAILER = "ReceiverFunction", "MailerFunction"
_PERMISSION = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
)
# AWS's error codes for expired or wrong credentials (its page "Common Errors" and the IAM user
# guide's "Troubleshoot Signature Version 4 signing"), each service with its own message.
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "AuthFailure",
        "NotAuthorized",
    }
)
# botocore's errors before any call: there are no credentials, or no longer.
_WITHOUT_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
    SSOError,
    LoginError,
)
_THROTTLING = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded"}
)


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn an error from AWS into a CliError that says what to do."""
    try:
        yield
    except ClientError as err:
        code, message = error_code(err), str(err.response.get("Error", {}).get("Message", ""))
        operation = err.operation_name
        if code in _PERMISSION:
            raise CliError(
                f"AWS does not allow {operation}: {message}",
                "Use credentials that may do it: --profile, AWS_PROFILE, AWS_ACCESS_KEY_ID.",
            ) from err
        if code in _CREDENTIALS:
            raise CliError(
                f"AWS does not accept the credentials for {operation}: {message or code}",
                "Renew them (aws sso login), or use others: --profile, AWS_PROFILE, "
                "AWS_ACCESS_KEY_ID. A wrong clock has the same effect.",
            ) from err
        raise CliError(f"AWS answered {operation} with {code}: {message}") from err
    except _WITHOUT_CREDENTIALS as err:
        raise CliError(
            f"There are no valid credentials for AWS: {err}",
            "Log in (aws sso login, aws login), or give them: --profile, AWS_PROFILE, "
            "AWS_ACCESS_KEY_ID.",
        ) from err
    # botocore raises ValueError for an endpoint that is no URL, OSError for files it can't read.
    except (BotoCoreError, HTTPClientError, OSError, ValueError) as err:
        raise CliError(
            f"AWS can't be reached: {err}",
            "Check credentials and region: --profile, AWS_PROFILE, --region, AWS_REGION, "
            "AWS_ENDPOINT_URL.",
        ) from err


def is_url(text: str) -> bool:
    """Whether a text is an http(s) URL with a host."""
    try:
        found = urlsplit(text)
        return found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        return False


def is_denied(err: BaseException | None) -> bool:
    """Whether AWS refuses the question: no permission, no valid credentials, or throttling."""
    denied = {*_PERMISSION, *_CREDENTIALS, *_THROTTLING}
    return isinstance(err, ClientError) and error_code(err) in denied


def error_code(err: ClientError) -> str:
    """The error code from AWS."""
    return str(err.response.get("Error", {}).get("Code", ""))


@dataclass(frozen=True, eq=False)
class Deployment:
    """A stack, by its name in CloudFormation.

    `description` describes a local stack (`.local/stack.json`); it is empty on AWS. `option` is
    what a command that is shown to the user needs at its end to find the same stack.
    """

    name: str
    session: boto3.Session = field(repr=False)
    endpoint_url: str | None = None
    description: dict[str, Any] = field(default_factory=dict, repr=False)
    option: str = ""

    @classmethod
    def find(cls, stack: str | None) -> Deployment:
        """Find a stack by its name, or by the file that describes a local one; raises CliError."""
        option = (f" --stack {shlex.quote(stack)}" if stack else "") + aws_session.typed()
        named = stack or os.environ.get("ROOMLE_MAIL_STACK") or DEFAULT
        if named.endswith(".json"):
            return cls._described(Path(named), option)
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        if endpoint and not is_url(endpoint):
            raise CliError(
                f"AWS_ENDPOINT_URL is {endpoint!r}, which is not a URL.",
                "An emulator's is, for instance, http://127.0.0.1:4566. For AWS: unset it.",
            )
        return cls(named, aws_session.create(), endpoint, option=option)

    @classmethod
    def _described(cls, path: Path, option: str) -> Deployment:
        import boto3  # noqa: PLC0415 (slow to import)

        given = aws_session.given()
        try:
            description = json.loads(path.read_text())
            if given.profile or given.region not in (None, description["region"]):
                raise CliError(
                    f"--region and --profile would be ignored: {path} has a region and credentials "
                    "of its own.",
                    "Leave them out.",
                    code=Exit.USAGE,
                )
            session = boto3.Session(
                aws_access_key_id="test",
                aws_secret_access_key="test",  # noqa: S106 (the emulator's, they open nothing)
                region_name=description["region"],
            )
            return cls(DEFAULT, session, description["endpoint_url"], description, option)
        except FileNotFoundError as err:
            raise CliError(f"{path} does not exist.", "Start a local stack: make local") from err
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise CliError(f"{path} does not describe a local stack.") from err

    def remind(self, advice: Iterable[str]) -> None:
        """Say which options the commands in an advice need to find the same stack."""
        told, own = "\n".join(advice), aws_session.typed()
        if self.option and "roomle-mail " in told:
            note(f"Each `roomle-mail` above needs{self.option}.")
        if own and re.search(r"\b(?:aws|sam) ", told):
            note(f"Each `aws` and `sam` above needs{own}.")

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """Return an AWS client, made once; raises CliError."""
        from botocore.config import Config  # noqa: PLC0415 (slow to import)

        if service not in self._clients:
            config = Config(
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
            )
            with aws_errors():
                self._clients[service] = self.session.client(
                    service, config=config, endpoint_url=self.endpoint_url
                )
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @property
    def region(self) -> str:
        """The region."""
        return str(self.session.region_name)

    @cached_property
    def stack(self) -> dict[str, Any]:
        """What CloudFormation says about the stack; raises CliError."""
        try:
            with aws_errors():
                found = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except CliError as err:
            if "does not exist" in str(err):
                raise CliError(
                    f"There is no stack {self.name!r} in {self.region}.",
                    "Name it: --stack NAME or ROOMLE_MAIL_STACK. In another region: --region or "
                    "AWS_REGION (sam deploy prints the region it uses). A local stack: "
                    "--stack .local/stack.json",
                ) from err
            raise
        return dict(found[0])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        return {each["OutputKey"]: each["OutputValue"] for each in self.stack.get("Outputs", [])}

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The parameters of the last deploy."""
        return {
            each["ParameterKey"]: each.get("ParameterValue", "")
            for each in self.stack.get("Parameters", [])
        }

    @cached_property
    def resources(self) -> dict[str, tuple[str, str]]:
        """Logical id -> (type, physical id)."""
        with aws_errors():
            pages = self.client("cloudformation").get_paginator("list_stack_resources")
            return {
                each["LogicalResourceId"]: (
                    each["ResourceType"],
                    each.get("PhysicalResourceId", ""),
                )
                for page in pages.paginate(StackName=self.name)
                for each in page["StackResourceSummaries"]
                if each["ResourceStatus"] != "DELETE_COMPLETE"
            }

    @property
    def functions(self) -> list[str]:
        """The logical ids of the functions that are deployed."""
        return [each for each in (RECEIVER, MAILER) if each in self.resources]

    @cached_property
    def has_mailer(self) -> bool:
        """Whether the stack's own mailer sends what is queued, and not another program."""
        try:
            # Only that program needs this output.
            return "QueueArn" not in self.outputs
        except CliError:
            return True

    def of_type(self, kind: str) -> dict[str, str]:
        """Logical id -> physical id of all resources of a type."""
        return {name: each[1] for name, each in self.resources.items() if each[0] == kind}

    def output(self, name: str) -> str:
        """One output; raises CliError if it is not a stack of Roomle Mail."""
        try:
            return self.outputs[name]
        except KeyError:
            raise CliError(
                f"The stack {self.name!r} has no output {name}.", "Is it a stack of Roomle Mail?"
            ) from None

    @property
    def is_local(self) -> bool:
        """Whether it is a stack on the local emulator, also where the receiver is broken."""
        try:
            return self.settings.local_stack
        except CliError:
            return self.parameters.get("LocalStack") == "true"

    @property
    def webhook_url(self) -> str:
        """The URL that Roomle posts to."""
        if self.description:
            return str(self.description["webhook_url"])
        url = self.output("WebhookUrl")
        if self.endpoint_url:
            # An emulator serves the API under its own address.
            api = self.resources["HttpApi"][1]
            return f"{self.endpoint_url.rstrip('/')}/_aws/execute-api/{api}/$default/webhook"
        return url

    def function(self, logical_id: str) -> dict[str, Any]:
        """A function's configuration."""
        with aws_errors():
            found = self.client("lambda").get_function_configuration(
                FunctionName=self.resources[logical_id][1]
            )
        return dict(found)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The receiver's environment variables."""
        return dict(self.function(RECEIVER)["Environment"]["Variables"])

    @property
    def settings(self) -> Settings:
        """The receiver's settings; raises CliError."""
        try:
            return Settings.from_environment(self.environment)
        except SettingsInvalid as err:
            raise CliError(
                f"The receiver's environment is invalid: {err}", "Deploy the stack again."
            ) from err
