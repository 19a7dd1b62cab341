"""The imports between this project's modules, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tools.sam import ROOT

# Each package's folder; `functions` is not a package, but its files import like one.
PACKAGES = {
    "roomle_mail": ROOT / "layers" / "shared" / "python",
    "emails_build": ROOT / "layers" / "emails",
    "roomle_mail_cli": ROOT / "tools" / "cli",
    "functions": ROOT,
    "tools": ROOT,
    "bench": ROOT,
    "tests": ROOT,
}
# The command line is a separate package, and the peers are separate programs.
APART = (ROOT / "tools" / "cli", ROOT / "bench" / "peers")


@cache
def modules() -> dict[str, Path]:
    """Every module by its name; a package has its folder's name."""
    found = {}
    for package, base in PACKAGES.items():
        for path in (base / package).rglob("*.py"):
            if package == "roomle_mail_cli" or not any(map(path.is_relative_to, APART)):
                name = ".".join(path.relative_to(base).with_suffix("").parts)
                found[name.removesuffix(".__init__")] = path
    return found


@cache
def parsed(module: str) -> ast.Module:
    """A module's source."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def statements(within: ast.AST) -> Iterator[ast.stmt]:
    """Every statement, however deeply nested; walking expressions too would take far longer."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(within, part, [])
        for each in inner if isinstance(inner, list) else []:
            if isinstance(each, ast.stmt):
                yield each
            yield from statements(each)


@cache
def graph() -> dict[str, set[str]]:
    """Every module, and the modules of this project that it imports anywhere in its source."""
    return {
        name: {known for text in imported(name) if (known := nearest(text))} - {name}
        for name in modules()
    }


def imported(module: str) -> Iterator[str]:
    """What a module imports, by full name: `from a import b` may mean the module a.b."""
    is_package = modules()[module].name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    for node in statements(parsed(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: -node.level + 1 or None] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def nearest(text: str) -> str:
    """The module that contains a name, or "" for another project's."""
    while text and text not in modules():
        text = text.rpartition(".")[0]
    return text
