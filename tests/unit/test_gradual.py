"""What tools.gradual says about a deploy that can't be gradual, and what it deploys."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from roomle_mail_cli import session
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.screen import CliError
from tools import gradual

CANARY = "Canary10Percent5Minutes"
ALIASES = [f"{function}Alias{gradual.ALIAS}" for function in gradual.ALARMS]


class Deployed:
    """Records deploys in place of SAM, and stands in for the stack in CloudFormation."""

    def __init__(self, resources: list[str] | CliError) -> None:
        self.resources = resources
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.commands: list[list[str]] = []
        self.statuses: list[int] = []

    def find(self, stack: str) -> Any:
        given = session._options.get()
        self.asked.append((stack, given.region, given.profile))
        if isinstance(self.resources, CliError):
            raise self.resources
        known = {name: ("AWS::Lambda::Alias", name) for name in self.resources}
        return SimpleNamespace(resources=known, region="eu-central-1")

    def run(self, command: list[str], **_: Any) -> Any:
        self.commands.append(command)
        return SimpleNamespace(returncode=self.statuses.pop(0) if self.statuses else 0)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def make(resources: list[str] | CliError) -> Deployed:
        made = Deployed(resources)
        monkeypatch.setattr(Deployment, "find", made.find)
        monkeypatch.setattr(subprocess, "run", made.run)
        monkeypatch.setattr(gradual, "GRADUAL", tmp_path / "made" / "gradual.yaml")
        return made

    return make


@pytest.mark.parametrize(
    "resources",
    [
        ["ReceiverFunction", "MailerFunction", *ALIASES],
        # There is no mailer where Mailer is off.
        ["ReceiverFunction", ALIASES[0]],
    ],
    ids=len,
)
def test_a_deploy_to_a_stack_with_the_alias_is_gradual_and_prints_nothing(
    deployed: Any, capsys: pytest.CaptureFixture[str], resources: list[str]
) -> None:
    made = deployed(resources)
    assert gradual.main([CANARY]) == 0
    assert capsys.readouterr().err == ""
    assert [("deploy" in command) for command in made.commands] == [False, True]


@pytest.mark.parametrize(
    ("resources", "named"),
    [
        # What a plain `sam deploy` leaves.
        (["ReceiverFunction", "MailerFunction"], list(gradual.ALARMS)),
        (["ReceiverFunction", "MailerFunction", ALIASES[0]], ["MailerFunction"]),
        (["ReceiverFunction", "MailerFunction", ALIASES[1]], ["ReceiverFunction"]),
    ],
)
def test_a_deploy_that_only_creates_the_alias_says_that_it_is_not_gradual(
    deployed: Any, capsys: pytest.CaptureFixture[str], resources: list[str], named: list[str]
) -> None:
    made = deployed(resources)
    assert gradual.main([CANARY]) == 0
    told = capsys.readouterr().err
    before, _, after = told.partition("has the alias now")
    assert "NOT gradual" in before
    assert "takes all events at once" in before
    assert [name for name in gradual.ALARMS if name in before] == named
    assert "next deploy by this command is gradual" in after
    assert "plain `sam deploy`" in after
    assert len(made.commands) == 2


def test_a_first_deploy_is_not_gradual(
    deployed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = deployed([])

    class Missing:
        region = "eu-central-1"

        @property
        def resources(self) -> None:
            raise CliError("AWS answered ListStackResources: Stack with id x does not exist")

    monkeypatch.setattr(Deployment, "find", lambda _: Missing())
    assert gradual.main([CANARY]) == 0
    assert "NOT gradual" in capsys.readouterr().err
    assert len(made.commands) == 2


def test_what_cannot_be_known_is_reported_and_the_deploy_goes_on(
    deployed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = deployed(CliError("AWS does not allow ListStackResources: no"))
    assert gradual.main([CANARY]) == 0
    told = capsys.readouterr().err
    assert "Can't tell whether this deploy is gradual: AWS does not allow" in told
    assert len(made.commands) == 2


@pytest.mark.parametrize("arguments", [["AllAtOnce"], [CANARY, "--build-only"]])
def test_without_a_gradual_deploy_nothing_is_asked(
    deployed: Any, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    made = deployed([])
    assert gradual.main(arguments) == 0
    assert made.asked == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("statuses", "commands"), [([7], 1), ([0, 9], 2)])
def test_the_status_is_that_of_the_program_that_fails_and_nothing_is_promised(
    deployed: Any, capsys: pytest.CaptureFixture[str], statuses: list[int], commands: int
) -> None:
    made = deployed([])
    made.statuses = [*statuses]
    assert gradual.main([CANARY]) == statuses[-1]
    assert len(made.commands) == commands
    assert "has the alias now" not in capsys.readouterr().err


FILE = """
version = 0.1
[default.global.parameters]
stack_name = "one"
[default.deploy.parameters]
region = "eu-west-1"
[prod.global.parameters]
stack_name = "two"
region = "eu-west-2"
[prod.deploy.parameters]
stack_name = "three"
profile = "theirs"
"""


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        ([], ("one", "eu-west-1", None)),
        (["--config-env", "prod"], ("three", "eu-west-2", "theirs")),
        (["--stack-name", "mine", "--region=eu-north-1"], ("mine", "eu-north-1", None)),
        (["--config-env=prod", "--profile", "own", "--no-confirm-changeset"],
         ("three", "eu-west-2", "own")),
        (["--config-env", "unknown"], ("roomle-mail", None, None)),
    ],
)  # fmt: skip
def test_the_stack_that_is_asked_is_the_one_that_sam_deploys_to(
    deployed: Any, tmp_path: Path, arguments: list[str], target: tuple[str, str | None, str | None]
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(FILE)
    made = deployed(ALIASES)
    assert gradual.main([CANARY, "--", "--config-file", str(file), *arguments]) == 0
    assert made.asked == [target]


def test_a_configuration_file_that_is_missing_is_left_to_sam(deployed: Any, tmp_path: Path) -> None:
    made = deployed(ALIASES)
    gradual.main([CANARY, "--", "--config-file", str(tmp_path / "none.toml")])
    assert made.asked == [("roomle-mail", None, None)]
