"""The local copy of the template: the built one, with the deviations listed here.

Its paths are absolute, so that it can be anywhere.

The template itself leaves out everything else that the emulator can't do, by its parameter
`LocalStack`; tests/unit check that.
"""

import copy
import platform
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

type Template = dict[str, Any]


@dataclass(frozen=True)
class Deviation:
    """A difference of the local copy: what, why, and the function that makes it."""

    what: str
    why: str
    make: Callable[[Template, str], None]
    """Called with the template, and with the URL of the stand-in for Roomle's API."""


def send_as_anyone(template: Template, _: str) -> None:
    """Let the functions' roles send from every identity."""
    policy = template["Resources"]["SendingPolicy"]["Properties"]["PolicyDocument"]
    for statement in policy["Statement"]:
        if "ses:SendEmail" in statement["Action"]:
            statement["Resource"] = "*"


def resolve_concurrency(template: Template, _: str) -> None:
    """Write the mailer's concurrency as a number instead of a reference to the parameter."""
    queue = template["Resources"]["MailerFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    default = template["Parameters"]["MailerConcurrency"]["Default"]
    queue["ScalingConfig"]["MaximumConcurrency"] = int(default)


def ask_the_stand_in(template: Template, roomle_api: str) -> None:
    """Let the functions ask the stand-in for Roomle's API."""
    template["Globals"]["Function"]["Environment"]["Variables"]["ROOMLE_API"] = roomle_api


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
        why="a local stack calls nothing outside this machine",
        make=ask_the_stand_in,
    ),
)


def deviate(template: Template, roomle_api: str) -> Template:
    """Return the local copy of a template."""
    local = copy.deepcopy(template)
    for deviation in DEVIATIONS:
        deviation.make(local, roomle_api)
    return local


def write_local_copy(built: Path, local: Path, *, emails: Path, roomle_api: str) -> None:
    """Write the local copy of a built template, with a folder of built emails as their layer.

    The archives of functions and layers are put next to it.
    """
    template = deviate(yaml.safe_load(built.read_text()), roomle_api)
    template["Resources"]["EmailsLayer"]["Properties"]["ContentUri"] = str(emails)
    for resource in template["Resources"].values():
        for name in ("CodeUri", "ContentUri"):
            if name in resource.get("Properties", {}):
                properties = resource["Properties"]
                properties[name] = str(archive(built.parent / properties[name], local.parent))
    local.write_text(yaml.safe_dump(template, sort_keys=False))


def archive(folder: Path, where: Path) -> Path:
    """Put a folder into an archive.

    SAM would make one too, but compressed: that is slow for the layers, and the emulator unpacks
    them for every cold start.
    """
    path = where / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for each in sorted(folder.rglob("*")):
            file.write(each, each.relative_to(folder))
    return path


def architecture() -> str:
    """Return Lambda's name for this machine's processor: the emulator runs the functions on it."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
