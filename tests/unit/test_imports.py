"""Imports have no cycles, and only the allowed directions."""

from __future__ import annotations

import ast
import graphlib

import pytest

from tests.unit.imports import APART, graph, modules, parsed
from tools.sam import ROOT

# Each package, and the other packages of this project that it may import.
ALLOWED = {
    "roomle_mail": set[str](),
    "functions": {"roomle_mail"},
    "emails_build": {"roomle_mail"},
    "roomle_mail_cli": {"roomle_mail"},
    "tools": {"roomle_mail", "emails_build", "roomle_mail_cli"},
    "bench": {"roomle_mail", "emails_build", "roomle_mail_cli", "tools"},
    "tests": {"roomle_mail", "emails_build", "roomle_mail_cli", "tools", "bench"},
}
# The modules of roomle_mail in order of dependency: each may import those above it.
ORDER = (
    "errors",
    "settings",
    "deadline",
    "aws",
    "tokens",
    "credentials",
    "events",
    "formats",
    "emails",
    "designs",
    "telemetry",
    "delivery",
    "table",
    "idempotency",
    "publishing",
    "limits",
    "mailer",
    "receiver",
)
OURS = {name.removeprefix("roomle_mail.") for name in modules() if name.startswith("roomle_mail.")}


def package(module: str) -> str:
    return module.partition(".")[0]


def test_there_are_no_import_cycles() -> None:
    graphlib.TopologicalSorter(graph()).prepare()


@pytest.mark.parametrize("name", ALLOWED)
def test_a_package_imports_only_what_it_may(name: str) -> None:
    wrong = {
        f"{module} imports {other}"
        for module, others in graph().items()
        if package(module) == name
        for other in others
        if package(other) not in {name} | ALLOWED[name]
    }
    assert wrong == set()


def test_every_module_has_its_place() -> None:
    assert set(ORDER) >= OURS
    assert {package(name) for name in modules()} == set(ALLOWED)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_module_imports_only_those_before_it(name: str) -> None:
    before = {f"roomle_mail.{each}" for each in ORDER[: ORDER.index(name)]}
    assert graph()[f"roomle_mail.{name}"] - {"roomle_mail"} <= before


def test_no_python_file_is_left_out() -> None:
    known = set(modules().values())
    folders = ("layers", "functions", "tools", "bench", "tests")
    found = {path for folder in folders for path in (ROOT / folder).rglob("*.py")}
    alone = {path for path in found - known if not path.is_relative_to(ROOT / "bench" / "peers")}
    assert alone == {ROOT / "layers" / "dependencies" / "prune.py"}


def test_no_module_changes_the_import_path() -> None:
    """Imports are installed (pyproject.toml) or on PYTHONPATH."""
    found = {
        name
        for name, file in modules().items()
        if any(word in file.read_text(encoding="utf-8") for word in ("sys.path", "addsitedir"))
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.path", "site.addsitedir"}
    }
    assert found == set()


def test_separate_programs_exist() -> None:
    assert all(path.is_dir() for path in APART)
