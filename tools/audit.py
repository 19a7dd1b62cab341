"""Look for known vulnerabilities in what the locks name: python -m tools.audit LOCK ...

Exit status 0: all of it was looked up, and nothing is known. 1: something is known. 2: it could
not be looked up, which is no pass either.
"""

import json
import subprocess
import sys
from collections.abc import Sequence

from tools import sam

CLEAN, VULNERABLE, NOT_AUDITED = range(3)


def main(locks: Sequence[str], *options: str) -> int:
    """Audit the locks and tell what was found."""
    # Without --strict it is content with what it could not look up.
    arguments = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    arguments += ["--format", "json", "--desc", "off", *options]
    for lock in locks:
        arguments += ["--requirement", lock]
    finished = subprocess.run(
        [*sam.pinned("pip-audit", "pip-audit"), *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    status, told = verdict(finished.stdout, finished.stderr)
    print(told)
    return status


def verdict(stdout: str, stderr: str) -> tuple[int, str]:
    """Tell by pip-audit's report what to exit with, and what to say."""
    try:
        packages = json.loads(stdout)["dependencies"]
    except (ValueError, KeyError):
        # There is no report then, and its exit status is that of a vulnerability.
        reason = (stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        return NOT_AUDITED, f"could not audit: {reason.rpartition('pip_audit._cli:')[2]}"
    if not packages:
        return NOT_AUDITED, "could not audit: the locks name no packages"
    if skipped := [each for each in packages if "skip_reason" in each]:
        return NOT_AUDITED, f"could not audit: {skipped[0]['skip_reason']}"
    if known := [line(each, vuln) for each in packages for vuln in each["vulns"]]:
        return VULNERABLE, "\n".join(["known vulnerabilities:", *known])
    return CLEAN, f"audited: nothing is known against these {len(packages)} packages"


def line(package: dict[str, str], vulnerability: dict[str, str]) -> str:
    """Tell of one vulnerability, and where it is mended."""
    mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
    return f"  {package['name']} {package['version']}: {vulnerability['id']}, mended in {mended}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
