"""The commands in docs/operations.md, run exactly as written, section by section."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from roomle_mail.delivery import Queued
from tools import cost, fixtures, sam
from tools.stack import emulator
from tools.stack.local import RECEIVER, LocalStack

PAGE = cost.PAGE.read_text()
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The blocks that don't run here contain only these commands; the value says why.
NOT_HERE = {
    "make": "is what runs this test",
    "source": "is for the reader's shell",
    "uv": "the tools are there",
    "export": "account and region are the emulator's",
    "git": "there is one version",
    "sam": "tools/stack deploys, and takes the stack away",
    "python": "CodeDeploy is not here",
    "roomle-mail": "there is one stage",
    "aws": "the emulator knows no production access and no MAIL FROM domain, and keeps its stack",
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its section, its marker, its content."""

    section: str
    mark: str
    text: str


def blocks() -> list[Block]:
    found = []
    for part in re.split(r"^## ", PAGE, flags=re.MULTILINE):
        section = part.partition("\n")[0]
        found += [Block(section, mark, text) for mark, text in FENCED.findall(part)]
    return found


RUN = [block for block in blocks() if block.mark == "sh run"]
SECTIONS = list(dict.fromkeys(block.section for block in RUN))
REGION = RUN[0].text


# The AWS CLI that pip can install is version 1, which has no `logs tail`. Here the call that
# version 2 makes for it is made instead; everything else goes to version 1.
AWS = """#!{python}
import os, sys, time
import boto3

if sys.argv[1:3] != ["logs", "tail"]:
    os.execv({aws!r}, [{aws!r}, *sys.argv[1:]])
group, *options = sys.argv[3:]
given = dict(zip(options[::2], options[1::2], strict=True))
seconds = {{"m": 60, "h": 3600, "d": 86400}}[given["--since"][-1]] * int(given["--since"][:-1])
asked = {{"logGroupName": group, "startTime": int((time.time() - seconds) * 1000)}}
if "--filter-pattern" in given:
    asked["filterPattern"] = given["--filter-pattern"]
for page in boto3.client("logs").get_paginator("filter_log_events").paginate(**asked):
    for event in page["events"]:
        print(event["timestamp"], event["logStreamName"], event["message"].rstrip())
"""


@pytest.fixture(scope="module")
def aws() -> Path:
    """AWS's own command line, in a separate environment that uv makes once."""
    where = "import sys; print(sys.executable)"
    python = subprocess.run(
        [*sam.pinned("awscli", "aws", lock="ministack")[:-1], "python", "-c", where],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return Path(python.strip()).with_name("aws")


@pytest.fixture
def shell(stack: LocalStack, aws: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder to run commands in, with the files that a reader has made by then."""
    for name, secret in {"secret": "0", "new-secret": "1", "another-secret": "2"}.items():
        (tmp_path / f"{name}.txt").write_text(f"example-secret-{secret}")
    (tmp_path / "address.txt").write_text("you@example.com\n")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "aws"
    command.write_text(AWS.format(python=sys.executable, aws=str(aws)))
    command.chmod(0o755)
    with stack.secret({"yourApiKey": "example-secret-0"}):
        stack.restart(RECEIVER)
        # What other tests broke is over: doctor, which reads the log, must see an accepted event.
        token = partial(stack.token, api_key="yourApiKey", secret="example-secret-0")
        accepted = partial(stack.post, {"event": "warm.up"})
        assert stack.wait_until(lambda: accepted(token=token()).status == 200)
        yield tmp_path
    # A verified domain would cover its addresses in other tests.
    identities = stack.client("sesv2").list_email_identities()["EmailIdentities"]
    if "brand.example" in {each["IdentityName"] for each in identities}:
        stack.client("sesv2").delete_email_identity(EmailIdentity="brand.example")
    # Their alarms must not notify anybody either.
    sns, topic = stack.client("sns"), stack.deployed.outputs["AlarmTopic"]
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        if each["Endpoint"] == "night@brand.example":
            sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


def run(shell: Path, stack: LocalStack, section: str) -> str:
    """Run a section's blocks in one shell, each once; return what they print.

    The environment has only AWS_REGION, which boto3 does not read. The page's first block does the
    rest.
    """
    texts = dict.fromkeys([REGION, *(block.text for block in RUN if block.section == section)])
    steps = [f"echo '--- {place}'\n{text}" for place, text in enumerate(texts)]
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(steps)],
        cwd=shell,
        env={
            **{n: v for n, v in stack.emulator.environment().items() if n != "AWS_DEFAULT_REGION"},
            "PATH": f"{shell / 'bin'}:{sam.ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "AWS_PAGER": "",
            "COLUMNS": "200",
            "CERTIFICATE_ARN": f"arn:aws:acm:{emulator.REGION}:000000000000:certificate/one",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    return finished.stdout


def give_up(stack: LocalStack, recipient: str, event_id: str) -> None:
    """Put a dead letter where the mailer would put it."""
    letter = Queued(
        id=event_id,
        event=fixtures.payload(email=recipient),
        recipient="0" * 32,
        received=time.time(),
        correlation="-",
    )
    stack.client("sqs").send_message(
        QueueUrl=stack.deployed.outputs["DeadLetterQueueUrl"], MessageBody=letter.dump()
    )


def test_from_an_empty_account_to_the_first_email(stack: LocalStack, shell: Path) -> None:
    before = len(stack.emails_to("you@example.com"))
    began = datetime.now(UTC).replace(microsecond=0)  # the history has whole seconds

    printed = run(shell, stack, "From an empty account to the first email")

    assert len(stack.emails_to("you@example.com")) == before + 1
    proved = {to.partition("+")[0] for email in stack.emails() for to in email.recipients}
    assert proved >= {"success", "bounce", "complaint"}
    assert stack.deployed.outputs["AlarmTopic"] in printed
    assert not (shell / "secret.txt").exists()
    assert stack.client("cloudwatch").describe_alarm_history(
        AlarmName=stack.deployed.physical_id("UnforeseenAlarm"), StartDate=began
    )["AlarmHistoryItems"]


def test_a_custom_domain(stack: LocalStack, shell: Path) -> None:
    printed = run(shell, stack, "A domain of your own for the webhook")

    gateway = stack.client("apigatewayv2")
    mappings = gateway.get_api_mappings(DomainName="mail.brand.example")["Items"]
    assert [each["ApiId"] for each in mappings] == [stack.deployed.physical_id("HttpApi")]
    assert printed.strip().splitlines()[-1]


@pytest.mark.proof  # it takes half a minute
def test_an_alarm_is_answered_with_the_commands_that_the_page_names(
    stack: LocalStack, shell: Path, recipient: str
) -> None:
    give_up(stack, recipient, "ab" * 16)

    run(shell, stack, "When an alarm goes off")

    assert len(stack.emails_to(recipient, at_least=1)) == 1
    assert not [letter for letter in stack.dead_letters() if recipient in letter.body]
    assert (shell / "lines.json").read_text()


def test_no_data_of_a_person_is_left(stack: LocalStack, shell: Path, recipient: str) -> None:
    (shell / "address.txt").write_text(f"{recipient}\n")
    give_up(stack, recipient, "cd" * 16)
    token = stack.token(api_key="yourApiKey", secret="example-secret-0")
    assert stack.post(fixtures.payload(email=recipient), token=token).status == 200

    run(shell, stack, "Erase a person's data")

    assert not [letter for letter in stack.dead_letters() if recipient in letter.body]
    assert recipient not in (shell / "theirs.txt").read_text()
    assert not (shell / "address.txt").exists()
    assert recipient not in json.dumps([str(item) for item in stack.items()])


TESTED = {
    "From an empty account to the first email",
    "A domain of your own for the webhook",
    "When an alarm goes off",
    "Erase a person's data",
}


@pytest.mark.parametrize("section", [each for each in SECTIONS if each not in TESTED])
def test_the_commands_of_a_section_work(stack: LocalStack, shell: Path, section: str) -> None:
    # A reader has sent themselves an email by then.
    token = stack.token(api_key="yourApiKey", secret="example-secret-0")
    assert stack.post(fixtures.payload(email="you@example.com"), token=token).status == 200

    assert run(shell, stack, section)


def test_commands_of_aws_that_are_not_run_have_its_options(aws: Path, tmp_path: Path) -> None:
    texts = [re.sub(r"\\\n|#[^\n]*", "", block.text) for block in blocks() if block.mark == "sh"]
    commands = [line for text in texts for line in text.splitlines() if line.startswith("aws ")]

    assert len(commands) >= 4
    for command in commands:
        # Parses the options, without requiring any, and makes no call.
        checked = subprocess.run(
            ["bash", "-c", f"{command} --generate-cli-skeleton input"],
            cwd=tmp_path,
            env={
                "PATH": f"{aws.parent}:{os.environ['PATH']}",
                "AWS_DEFAULT_REGION": "eu-central-1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, f"{command}: {checked.stderr}"


def test_commands_that_are_not_run_cannot_run_here() -> None:
    for block in blocks():
        if block.mark != "sh run":
            assert block.mark == "sh"
            text = re.sub(r"\\\n|#[^\n]*", "", block.text)
            programs = {line.split()[0] for line in text.splitlines() if line.strip()}
            assert programs <= set(NOT_HERE), block.text
