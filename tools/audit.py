"""Look for known vulnerabilities in locked packages: python -m tools.audit LOCK ...

Exit status 0: everything was looked up, and nothing is known. 1: something is known. 2: something
could not be looked up, which is not a pass.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, NOT_AUDITED = range(3)
# Markers are ignored: packages for other platforms are looked up as well.
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


class NotAudited(Exception):
    """Something could not be looked up; the text says what or why."""


def main(locks: Sequence[str], *options: str) -> int:
    """Audit the locks and report what was found."""
    pins = {pin for lock in locks for pin in PIN.findall(Path(lock).read_text())}
    try:
        found = looked_up(pins, options)
    except NotAudited as err:
        print(f"could not audit: {err}")
        return NOT_AUDITED
    if known := [line(each, vuln) for each in found for vuln in each["vulns"]]:
        print("known vulnerabilities:", *known, sep="\n")
        return VULNERABLE
    print(f"audited: nothing is known against {len(found)} packages of {len(locks)} locks")
    return CLEAN


def looked_up(pins: set[tuple[str, str]], options: Iterable[str]) -> list[dict[str, Any]]:
    """Return what is known of each package; raises NotAudited."""
    found = [each for group in groups(pins) for each in audited(group, options)]
    if not pins or {(each["name"], each["version"]) for each in found} != pins:
        raise NotAudited(f"asked for {len(pins)} packages, told of {len(found)}")
    return found


def groups(pins: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Group them: the locks differ in versions, and pip-audit takes one version per package."""
    found: list[list[tuple[str, str]]] = []
    taken: dict[str, int] = {}
    for name, version in sorted(pins):
        place = taken[name] = taken.get(name, -1) + 1
        if place == len(found):
            found.append([])
        found[place].append((name, version))
    return found


def audited(pins: Iterable[tuple[str, str]], options: Iterable[str]) -> list[dict[str, Any]]:
    """Return pip-audit's report on packages; raises NotAudited."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in pins))
        file.flush()
        finished = subprocess.run(
            [
                *(sys.executable, "-m", "pip_audit"),
                # Without --strict it ignores what it could not look up.
                *("--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off"),
                *("--format", "json", "--desc", "off", *options, "--requirement", file.name),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
    return report(finished.stdout, finished.stderr)


def report(stdout: str, stderr: str) -> list[dict[str, Any]]:
    """Read what pip-audit printed; raises NotAudited."""
    try:
        found: list[dict[str, Any]] = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError):
        # Then there is no report, and the exit status is the same as for a vulnerability.
        reason = (stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        raise NotAudited(reason.rpartition("pip_audit._cli:")[2]) from None
    for each in found:
        if "skip_reason" in each:
            raise NotAudited(each["skip_reason"])
    return found


def line(package: dict[str, Any], vulnerability: dict[str, Any]) -> str:
    """Describe one vulnerability, and the versions that fix it."""
    fixed = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"  {package['name']} {package['version']}: {vulnerability['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
