"""Debian's packages, for tools that are not in Python."""

import contextlib
import os
import shutil
import subprocess


def install(what: str, *packages: str) -> None:
    """Install packages where that is possible: with apt-get, as root.

    Whether they are there afterwards is for the caller to see.
    """
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print(f"{what}: Debian's {' and '.join(packages)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ("--quiet=2", "install", "--yes", "--no-install-recommends")
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(["apt-get", "--quiet=2", "update"], check=True)
        subprocess.run(["apt-get", *options, *packages], check=True, env=quiet)
