"""What ``make build`` made, laid out as Lambda does, and an interpreter with nothing else."""

import importlib.metadata
import os
import platform
import re
import shutil
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / ".aws-sam" / "build"
ARCHITECTURE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (``!Ref x``) as their long ones (``{"Ref": "x"}``)."""


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    match node:
        case yaml.ScalarNode():
            return {name: loader.construct_scalar(node)}
        case yaml.SequenceNode():
            return {name: loader.construct_sequence(node, deep=True)}
        case yaml.MappingNode():
            return {name: loader.construct_mapping(node, deep=True)}
    raise TypeError(node)


_Loader.add_multi_constructor("!", _long_form)


def resources() -> dict[str, Any]:
    """Read the resources of the built template."""
    template = yaml.load((BUILD / "template.yaml").read_text(), Loader=_Loader)  # noqa: S506 - safe
    found: dict[str, Any] = template["Resources"]
    return found


def layers(function: str) -> list[Path]:
    """Find the built layers of a function, those for this machine's architecture."""
    known = resources()
    names = re.findall(r"'Ref': '(\w+)'", str(known[function]["Properties"]["Layers"]))
    fitting = [
        name
        for name in names
        if ARCHITECTURE in known[name]["Properties"].get("CompatibleArchitectures", [ARCHITECTURE])
    ]
    assert fitting, f"{function} has no layer for {ARCHITECTURE}"
    return [BUILD / str(known[name]["Properties"]["ContentUri"]) for name in fitting]


def task(function: str) -> Path:
    """Find the built folder of a function."""
    return BUILD / str(resources()[function]["Properties"]["CodeUri"])


def copy(source: Path, target: Path) -> None:
    """Lay a folder's files below another, as Lambda unpacks layers; two must not share a file."""
    for path in source.rglob("*"):
        if path.is_file():
            there = target / path.relative_to(source)
            assert not there.exists(), f"two layers hold {path.relative_to(source)}"
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)


def files(folder: Path) -> set[Path]:
    """List every file of a folder."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def make_interpreter(folder: Path) -> Path:
    """Make an interpreter that can import awslambdaric, what that needs, and nothing else.

    They are copied from the development environment, which holds the locked versions.
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
    """Name a distribution and all that it needs."""
    return {name}.union(*(closure(each) for each in requirements(name)))


def requirements(name: str) -> Iterator[str]:
    """Name what a distribution needs (awslambdaric's own need no markers)."""
    for requirement in importlib.metadata.requires(name) or ():
        if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
            yield match[0]
