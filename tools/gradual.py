"""Build and deploy so that a new version takes over gradually, and is taken back if alarms ring.

`python -m tools.gradual Canary10Percent5Minutes` does what `sam build && sam deploy` does, with
three properties more on each function: an alias, which API Gateway and the queue then call; a
version of its own for each deploy; and SAM's DeploymentPreference, by which CodeDeploy moves the
alias. They are no part of template.yaml, because SAM makes a new version only if it sees a change
in the template: a parameter that changes would be deployed and have no effect. `--snap-start` lets
each version start from a snapshot (docs/performance.md says when that is worth its price). What
stands behind `--` is for `sam deploy`.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools import sam

TEMPLATE = sam.ROOT / "template.yaml"
# Beside the other things that are made, and apart from what `sam build` makes for the local stack.
GRADUAL = sam.ROOT / ".aws-sam" / "gradual.yaml"
BUILT = sam.ROOT / ".aws-sam" / "gradual"
# SAM's page "Deploying serverless applications gradually".
TYPES = (
    *("Canary10Percent5Minutes", "Canary10Percent10Minutes", "Canary10Percent15Minutes"),
    *("Canary10Percent30Minutes", "Linear10PercentEvery1Minute", "Linear10PercentEvery2Minutes"),
    *("Linear10PercentEvery3Minutes", "Linear10PercentEvery10Minutes", "AllAtOnce"),
)
# Any of these takes the old version back. Not ServerErrorsAlarm: it looks at the API, which calls
# the alias, which waits for its alarms.
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
            "      AutoPublishAlias: live\n"
            f"      AutoPublishCodeSha256: {hashlib.sha256(release.encode()).hexdigest()}\n"
            "      DeploymentPreference:\n"
            f"        Type: {kind}\n"
            f"        Alarms: [{', '.join(f'!Ref {alarm}' for alarm in alarms)}]\n"
        )
        if snap_start:
            added += "      SnapStart: { ApplyOn: PublishedVersions }\n"
        template = before + found + head + properties + added + tail
    return template


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
