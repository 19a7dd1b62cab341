"""Build and deploy so that a new version takes over gradually, with rollback if alarms ring.

`python -m tools.gradual Canary10Percent5Minutes` does what `sam build && sam deploy` does, and adds
three properties to each function: an alias, which API Gateway and the queue then call; a version
for each deploy; and SAM's DeploymentPreference, which makes CodeDeploy move the alias. They are not
in template.yaml, because SAM publishes a new version only if it sees a change in the template: a
changed parameter would be deployed but have no effect.

Only a deploy to a stack that has the alias is gradual. The first deploy by this command creates the
alias, and a plain `sam deploy` removes it again. In both cases all events go to the new version at
once. This command asks CloudFormation, and says so before it begins.

`--snap-start` lets each version start from a snapshot (docs/performance.md says when that is worth
its price). Arguments after `--` are for `sam deploy`.
"""

import argparse
import hashlib
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

from roomle_mail_cli import session
from roomle_mail_cli.deployment import DEFAULT, Deployment
from roomle_mail_cli.screen import CliError
from tools import sam

TEMPLATE = sam.ROOT / "template.yaml"
# Next to the other build results, and separate from what `sam build` makes for the local stack.
GRADUAL = sam.ROOT / ".aws-sam" / "gradual.yaml"
BUILT = sam.ROOT / ".aws-sam" / "gradual"
ALIAS = "live"
# SAM's page "Deploying serverless applications gradually".
TYPES = (
    *("Canary10Percent5Minutes", "Canary10Percent10Minutes", "Canary10Percent15Minutes"),
    *("Canary10Percent30Minutes", "Linear10PercentEvery1Minute", "Linear10PercentEvery2Minutes"),
    *("Linear10PercentEvery3Minutes", "Linear10PercentEvery10Minutes", "AllAtOnce"),
)
# If one of these rings, CodeDeploy rolls back. ServerErrorsAlarm is left out: it depends on the
# API, which depends on the alias, which depends on its alarms.
ALARMS = {
    "ReceiverFunction": ("ReceiverErrorsAlarm", "UnforeseenAlarm"),
    "MailerFunction": ("MailerErrorsAlarm", "UnforeseenAlarm"),
}


def gradual(template: str, kind: str, *, release: str, snap_start: bool = False) -> str:
    """Return the template with both functions deployed gradually; `release` differs each time."""
    for function, alarms in ALARMS.items():
        beginning = f"  {function}:\n    Type: AWS::Serverless::Function\n"
        before, found, after = template.partition(beginning)
        properties = "    Properties:\n"
        if not found or properties not in after:
            raise ValueError(f"{TEMPLATE.name} has no {function} of the expected form")
        head, _, tail = after.partition(properties)
        added = (
            f"      AutoPublishAlias: {ALIAS}\n"
            f"      AutoPublishCodeSha256: {hashlib.sha256(release.encode()).hexdigest()}\n"
            "      DeploymentPreference:\n"
            # Otherwise SAM makes a deployment group for a mailer that Mailer=off leaves out.
            "        PassthroughCondition: true\n"
            f"        Type: {kind}\n"
            f"        Alarms: [{', '.join(f'!Ref {alarm}' for alarm in alarms)}]\n"
        )
        if snap_start:
            added += "      SnapStart: { ApplyOn: PublishedVersions }\n"
        template = before + found + head + properties + added + tail
    return template


def target(arguments: Sequence[str]) -> tuple[str, str | None, str | None]:
    """Return the stack, region and profile that `sam deploy` with these arguments deploys to.

    The order is that of SAM's page "SAM CLI configuration file": an option, else the file's value
    for the command, else its value for all commands.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--stack-name", "--region", "--profile"):
        parser.add_argument(option)
    parser.add_argument("--config-env", default="default")
    parser.add_argument("--config-file", type=Path, default=sam.ROOT / "samconfig.toml")
    given = parser.parse_known_args(arguments)[0]
    try:
        tables = tomllib.loads((sam.ROOT / given.config_file).read_text()).get(given.config_env, {})
    except (OSError, ValueError):
        tables = {}  # SAM says what is wrong with it
    configured: dict[str, str] = {}
    for command in ("global", "deploy"):
        configured |= tables.get(command, {}).get("parameters", {})
    return (
        given.stack_name or configured.get("stack_name", DEFAULT),
        given.region or configured.get("region"),
        given.profile or configured.get("profile"),
    )


def functions_without_alias(deployment: Deployment) -> list[str]:
    """Return the functions that a deploy can't replace gradually; raises CliError.

    CodeDeploy shifts traffic where an alias is updated, not where it is created (CloudFormation's
    page "UpdatePolicy attribute", CodeDeployLambdaAliasUpdate).
    """
    try:
        resources = deployment.resources
    except CliError as err:
        if "does not exist" in str(err):
            return list(ALARMS)
        raise
    # With Mailer=off there is no mailer.
    there = [each for each in ALARMS if each in resources]
    return [each for each in there if f"{each}Alias{ALIAS}" not in resources]


def announce(arguments: Sequence[str]) -> bool:
    """Print whether this deploy will be gradual; return True if that is certain."""
    stack, region, profile = target(arguments)
    try:
        with session.options(region, profile):
            deployment = Deployment.find(stack)
        missing = functions_without_alias(deployment)
    except CliError as err:
        say(f"Can't tell whether this deploy is gradual: {err}")
        say(f"It is not where the stack has no alias {ALIAS!r} yet.")
        return False
    if not missing:
        return True
    say(
        f"This deploy is NOT gradual: {' and '.join(missing)} of the stack {stack!r} in "
        f"{deployment.region} have no alias {ALIAS!r} yet."
    )
    say("The new version takes all events at once, and the alias is created.")
    return False


def say(text: str) -> None:
    """Print a line between SAM's own output."""
    print(f"gradual: {text}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status of the first program that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.gradual",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("type", choices=TYPES, help="how the new version takes over")
    parser.add_argument("--snap-start", action="store_true", help="start from snapshots")
    parser.add_argument("--build-only", action="store_true", help="don't deploy")
    parser.add_argument("deploy", nargs="*", metavar="-- OPTIONS", help="for sam deploy")
    options = parser.parse_args(arguments)

    is_gradual = options.build_only or options.type == "AllAtOnce" or announce(options.deploy)
    GRADUAL.parent.mkdir(exist_ok=True)
    release = str(time.time_ns())
    GRADUAL.write_text(
        gradual(TEMPLATE.read_text(), options.type, release=release, snap_start=options.snap_start)
    )
    build = ("build", "--template-file", str(GRADUAL), "--base-dir", ".", "--build-dir", str(BUILT))
    config = ("--config-file", str(sam.ROOT / "samconfig.toml"))
    steps = [sam.command(*build, *config)]
    if not options.build_only:
        built = str(Path(BUILT) / "template.yaml")
        steps.append(sam.command("deploy", "--template-file", built, *config, *options.deploy))
    for step in steps:
        status = subprocess.run(step, env=sam.environment(), cwd=sam.ROOT, check=False).returncode
        if status:
            return status
    if not is_gradual:
        say(
            "The stack has the alias now. The next deploy by this command is gradual, unless a "
            "plain `sam deploy` comes first: that removes the alias."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
