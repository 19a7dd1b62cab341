"""Region and profile: the AWS CLI's order, for the command line, SAM and all tools."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
import typer

from roomle_mail_cli import session
from roomle_mail_cli.app import app
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.screen import CliError
from tests.command_line import CommandLine
from tests.unit.test_cli import commands
from tools import sam

CONFIG = """
[default]
region = eu-west-1

[profile one]
region = eu-north-1
aws_access_key_id = key-of-one
aws_secret_access_key = secret-of-one

[profile two]
region = eu-south-1
aws_access_key_id = key-of-two
aws_secret_access_key = secret-of-two

[profile nowhere]
"""
VARIABLES = (
    "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ROOMLE_MAIL_STACK",
)  # fmt: skip


@pytest.fixture(autouse=True)
def aws_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder with profiles, and no AWS variables."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "config"
    config.write_text(CONFIG)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def set_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


KEYS = {"AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "s"}
# Options, environment, the region that the AWS CLI finds. Each place alone, then each before the
# next: AWS's page "Configuration and credential file settings in the AWS CLI".
ORDER: list[tuple[dict[str, str], dict[str, str], str]] = [
    ({"region": "option-1"}, {}, "option-1"),
    ({}, {"AWS_REGION": "region-1"}, "region-1"),
    ({}, {"AWS_DEFAULT_REGION": "default-1"}, "default-1"),
    ({"profile": "one"}, {}, "eu-north-1"),
    ({}, {"AWS_PROFILE": "one"}, "eu-north-1"),
    ({}, {"AWS_DEFAULT_PROFILE": "one"}, "eu-north-1"),
    ({}, {}, "eu-west-1"),
    ({"region": "option-1"}, {"AWS_REGION": "region-1"}, "option-1"),
    ({}, {"AWS_REGION": "region-1", "AWS_DEFAULT_REGION": "default-1"}, "region-1"),
    ({"profile": "one"}, {"AWS_REGION": "region-1"}, "region-1"),
    ({"profile": "one"}, {"AWS_DEFAULT_REGION": "default-1"}, "default-1"),
    ({"profile": "one"}, {"AWS_PROFILE": "two"}, "eu-north-1"),
    ({}, {"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": "two"}, "eu-north-1"),
    ({"region": "option-1", "profile": "one"}, {"AWS_PROFILE": "two"}, "option-1"),
    # An empty variable counts as not set.
    ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "default-1"}, "default-1"),
    ({}, {"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "one"}, "eu-north-1"),
    ({}, {"AWS_REGION": "", "AWS_PROFILE": ""}, "eu-west-1"),
]


@pytest.mark.parametrize(("options", "environment", "region"), ORDER)
def test_the_region_is_found_in_the_order_of_the_aws_cli(
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    environment: dict[str, str],
    region: str,
) -> None:
    set_all(monkeypatch, environment)

    with session.options(options.get("region"), options.get("profile")):
        assert Deployment.find(None).region == region
    assert session.create(**options).region_name == region


@pytest.mark.parametrize(("options", "environment", "region"), ORDER)
def test_sam_finds_the_same_region(
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    environment: dict[str, str],
    region: str,
) -> None:
    set_all(monkeypatch, environment)

    made = sam.environment()
    for name in VARIABLES:
        if not made.get(name):
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, made[name])

    # SAM gives boto3 its own options, and leaves the rest to it (samcli/cli/context.py).
    found = boto3.Session(
        region_name=options.get("region"), profile_name=options.get("profile")
    ).region_name
    assert found == region


def test_sam_is_given_no_region_that_nobody_set() -> None:
    assert "AWS_DEFAULT_REGION" not in sam.environment()
    assert "AWS_REGION" not in sam.environment()


def test_the_environment_of_another_account_has_nothing_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, {"AWS_PROFILE": "one", "AWS_REGION": "region-1"})

    made = sam.environment({"AWS_DEFAULT_REGION": "local-1", "PATH": "/bin"})

    assert {name: value for name, value in made.items() if name.startswith("AWS_")} == {
        "AWS_DEFAULT_REGION": "local-1"
    }
    assert made["PATH"].endswith(":/bin")


@pytest.mark.parametrize(
    ("options", "environment", "key"),
    [
        # The AWS CLI prefers keys in the environment to a profile that is named there, and a
        # profile that is given as an option to both.
        ({}, {**KEYS, "AWS_PROFILE": "one"}, "own"),
        ({"profile": "two"}, {**KEYS}, "key-of-two"),
        ({}, {"AWS_PROFILE": "one"}, "key-of-one"),
    ],
)  # fmt: skip
def test_credentials_are_found_in_the_order_of_the_aws_cli(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], environment: dict[str, str], key: str
) -> None:
    set_all(monkeypatch, environment)
    credentials = session.create(**options).get_credentials()
    assert credentials is not None
    assert credentials.access_key == key


@pytest.mark.parametrize(
    ("options", "problem"),
    [({"profile": "nowhere"}, "No region is set"), ({"profile": "unknown"}, "unknown")],
)
def test_a_missing_region_or_profile_is_reported(options: dict[str, str], problem: str) -> None:
    with pytest.raises(CliError, match=problem) as told:
        session.create(**options)
    assert "--profile" in told.value.advice
    assert "AWS_PROFILE" in told.value.advice


# --- the options ------------------------------------------------------------------------------


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_the_options_of_the_aws_cli(
    cli: CommandLine, path: tuple[str, ...], option: str
) -> None:
    told = cli(*path, option)
    assert told.code == 0
    assert "--region REGION" in told.out
    assert "--profile NAME" in told.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--region", "option-1", "secret", "list"),
        ("secret", "--region", "option-1", "list"),
        ("secret", "list", "--region", "option-1"),
        ("secret", "list", "--region=option-1", "--profile", "one"),
        ("--region", "option-2", "secret", "list", "--region", "option-1"),
        ("--profile", "two", "secret", "--region=option-1", "list"),
    ],
)
def test_options_stand_before_or_after_the_command_and_the_last_one_counts(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    asked: list[str | None] = []

    def find(_stack: str | None) -> Deployment:
        asked.append(session.create().region_name)
        raise CliError("asked")

    monkeypatch.setattr(Deployment, "find", find)
    assert cli(*arguments).code == 3
    assert asked == ["option-1"]
    # The next command in this process starts without them.
    assert session.create().region_name == "eu-west-1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--stack", "one", "--json", "secret", "list"),
        ("-s", "one", "secret", "--json", "list"),
        ("--json", "secret", "--stack=one", "list"),
        ("secret", "list", "--json", "--stack", "one"),
        ("--json", "--stack", "two", "secret", "list", "--stack", "one"),
        ("--stack", "two", "--json", "secret", "--stack", "one", "list"),
        ("--stack", "one", "--json", "doctor"),
        ("--json", "doctor", "one"),
        ("--json", "logs", "-s", "one"),
    ],
    ids=" ".join,
)
def test_stack_and_json_stand_before_or_after_the_command_too(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    asked: list[str | None] = []

    def find(stack: str | None) -> Deployment:
        asked.append(stack)
        raise CliError("asked")

    monkeypatch.setattr(Deployment, "find", find)
    told = cli(*arguments)
    assert (asked, told.code) == (["one"], 3)
    assert told.json == {"error": "asked", "advice": ""}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_what_stands_before_the_command_is_what_all_commands_have(path: tuple[str, ...]) -> None:
    command = typer.main.get_command(app)
    groups = [command]
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
        groups.append(command)
    *before, own = [{x: each.name for each in group.params for x in each.opts} for group in groups]
    for options in before:
        for name in ("--stack", "-s", "--json", "--region", "--profile"):
            assert options[name] == own[name]


@pytest.mark.parametrize("option", ["--stack", "--region", "--profile"])
def test_an_empty_option_before_the_command_is_an_error(cli: CommandLine, option: str) -> None:
    told = cli(option, "", "doctor")
    assert (told.code, f"{option} is empty" in told.err) == (2, True)


@pytest.mark.parametrize(
    ("stack", "options", "advice", "notes"),
    [
        (None, (None, None), "roomle-mail doctor; aws sesv2 get-account; sam deploy", []),
        ("one", (None, None), "roomle-mail doctor; aws sesv2 get-account",
         ["Each `roomle-mail` above needs --stack one."]),
        ("a b", ("option-1", "two"), "roomle-mail doctor, then sam deploy",
         ["Each `roomle-mail` above needs --stack 'a b' --region option-1 --profile two.",
          "Each `aws` and `sam` above needs --region option-1 --profile two."]),
        (None, ("option-1", None), "aws sesv2 get-account",
         ["Each `aws` and `sam` above needs --region option-1."]),
        ("one", ("option-1", None), "Service Quotas", []),
    ],
)  # fmt: skip
def test_commands_that_are_told_are_told_with_the_options_that_find_the_same_stack(
    capsys: pytest.CaptureFixture[str],
    stack: str | None,
    options: tuple[str | None, str | None],
    advice: str,
    notes: list[str],
) -> None:
    with session.options(*options):
        Deployment.find(stack).remind([advice])
    assert capsys.readouterr().err.splitlines() == notes


@pytest.mark.parametrize("path", [("dead-letters", "list"), ("secret", "list"), ("doctor",)])
def test_an_impossible_region_is_reported_in_a_sentence(
    cli: CommandLine, path: tuple[str, ...]
) -> None:
    told = cli(*path, "--region", "not a region")
    assert (told.code, told.out) == (3, "")
    assert "not a region" in told.err
    assert "Traceback" not in told.err


def test_the_version_is_printed(cli: CommandLine) -> None:
    told = cli("--version")
    assert told.code == 0
    assert told.out.split()[0] == "roomle-mail"
