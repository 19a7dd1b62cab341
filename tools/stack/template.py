"""The local copy of the template: the built one, with the deviations listed here.

The template itself leaves out everything else that the emulator can't do, by its parameter
`LocalStack`; tests/unit check that.
"""

import json
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

type Template = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run of the local stack: its own folder, and where its stand-in for Roomle's API is."""

    folder: Path
    roomle_api: str


@dataclass(frozen=True)
class Deviation:
    """A difference of the local copy: what, why, and the function that makes it."""

    what: str
    why: str
    make: Callable[[Template, Run], None]


def send_as_anyone(template: Template, _: Run) -> None:
    """Let the functions' roles send from every identity."""
    policy = template["Resources"]["SendingPolicy"]["Properties"]["PolicyDocument"]
    for statement in policy["Statement"]:
        if "ses:SendEmail" in statement["Action"]:
            statement["Resource"] = "*"


def resolve_concurrency(template: Template, _: Run) -> None:
    """Write the mailer's concurrency as a number instead of a reference to the parameter."""
    queue = template["Resources"]["MailerFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    default = template["Parameters"]["MailerConcurrency"]["Default"]
    queue["ScalingConfig"]["MaximumConcurrency"] = int(default)


def ask_the_stand_in(template: Template, run: Run) -> None:
    """Let the functions ask the stand-in for Roomle's API."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    variables["ROOMLE_API"] = run.roomle_api


def show_designs(template: Template, run: Run) -> None:
    """Let every brand show designs, in a copy of the built emails, unless it says what it shows."""
    emails = template["Resources"]["EmailsLayer"]["Properties"]
    copied = shutil.copytree(emails["ContentUri"], run.folder / "emails")
    for path in copied.glob("python/roomle_mail_emails/brands/*.json"):
        brand = json.loads(path.read_text(encoding="utf-8"))
        if not brand["show"]:
            brand |= {"show": ["picture", "name", "size"], "picture_hosts": ["*.roomle.com"]}
            path.write_text(json.dumps(brand, ensure_ascii=False), encoding="utf-8")
    emails["ContentUri"] = str(copied)


DEVIATIONS = (
    Deviation(
        what="sending is allowed on all resources, not only on the senders' identities",
        why="the emulator checks ses:SendEmail against * only",
        make=send_as_anyone,
    ),
    Deviation(
        what="the mailer's concurrency is the parameter's default, as a number",
        why="the emulator reads a parameter as text, and then polls no queue",
        make=resolve_concurrency,
    ),
    Deviation(
        what="the functions ask a stand-in for Roomle's API, tools/roomle_api",
        why="the local stack calls nothing outside this machine",
        make=ask_the_stand_in,
    ),
    Deviation(
        what="brands without the line `show` show designs",
        why="so that there is something to see",
        make=show_designs,
    ),
)


def write_local_copy(built: Path, run: Run) -> Path:
    """Write the local copy of a built template into the run's folder; return its path."""
    template = yaml.safe_load(built.read_text())
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            # SAM reads paths relative to the template.
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = str(built.parent / resource["Properties"][name])
    for deviation in DEVIATIONS:
        deviation.make(template, run)
    local = run.folder / "template.yaml"
    local.write_text(yaml.safe_dump(template, sort_keys=False))
    return local


def architecture() -> str:
    """Return Lambda's name for this machine's processor: the emulator runs the functions on it."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
