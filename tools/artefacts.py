"""The output of `make build`, laid out as on Lambda, and an interpreter with nothing else."""

import importlib.metadata
import os
import platform
import re
import shutil
import venv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.sam import ROOT

BUILD = ROOT / ".aws-sam" / "build"
ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


@cache
def template() -> dict[str, Any]:
    """Read the built template, where SAM has expanded every function to its long form."""
    found: dict[str, Any] = yaml.safe_load((BUILD / "template.yaml").read_text())
    return found


def layers() -> list[Path]:
    """Find the functions' built layers for this machine's architecture."""
    resources = template()["Resources"]
    names = re.findall(r"'Ref': '(\w+)'", str(template()["Globals"]["Function"]["Layers"]))
    layers = [resources[name]["Properties"] for name in names]
    return [
        BUILD / layer["ContentUri"]
        for layer in layers
        if ARCHITECTURE in layer.get("CompatibleArchitectures", [ARCHITECTURE])
    ]


def task(function: str) -> Path:
    """Find the built folder of a function."""
    return BUILD / str(template()["Resources"][function]["Properties"]["CodeUri"])


def copy(source: Path, target: Path) -> None:
    """Copy a folder's files into another, as Lambda unpacks layers; no file may come twice."""
    for path in source.rglob("*"):
        if path.is_file():
            there = target / path.relative_to(source)
            if there.exists():
                raise FileExistsError(f"two layers hold {path.relative_to(source)}")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def files(folder: Path) -> set[Path]:
    """List every file of a folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def make_interpreter(folder: Path) -> Path:
    """Make an interpreter that can import awslambdaric, its dependencies, and nothing else.

    They are copied from the development environment, which has the locked versions.
    """
    venv.create(folder, symlinks=os.name != "nt")
    (library,) = folder.glob("lib/*/site-packages")
    for name in closure("awslambdaric"):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = library / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(distribution.locate_file(file)), target)
    return folder / "bin" / "python"


def closure(name: str) -> set[str]:
    """Name a distribution and all its dependencies."""
    return {name}.union(*(closure(each) for each in requirements(name)))


def requirements(name: str) -> Iterator[str]:
    """Name a distribution's direct dependencies (awslambdaric's have no markers)."""
    for requirement in importlib.metadata.requires(name) or ():
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
            yield match[0]
