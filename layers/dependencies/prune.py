# ruff: noqa: INP001 (the makefile runs it by its path)
"""Cut what the functions don't use of the installed packages: half of the upload.

Usage: python prune.py FOLDER

tests/built runs every fixture on the rest. To use more of a package, name it here. Otherwise those
tests fail with the missing import or operation.
"""

import ast
import gzip
import json
import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

# Folder -> what is kept of it.
USED = {
    # AES in the modes CBC and ECB; other modes, hashes and ciphers are loaded only on request.
    "Crypto": ["__init__.py", "Cipher", "Random", "Util"],
    "Crypto/Cipher": [
        *("__init__.py", "AES.py", "_state_machine.py", "_raw_aes*"),
        *("_mode_cbc.py", "_raw_cbc.*", "_mode_ecb.py", "_raw_ecb.*"),
    ],
    "Crypto/Util": [
        *("__init__.py", "Padding.py", "py3compat.py"),
        *("_raw_api.py", "_file_system.py", "_cpu_features.py", "_cpuid_c.*"),
        *("strxor.py", "_strxor.*"),
    ],
    # Logger and Metrics, and what they import.
    "aws_lambda_powertools": [
        *("*.py", "exceptions", "logging", "metrics", "shared", "tracing"),
        *("utilities", "warnings"),
    ],
    "aws_lambda_powertools/metrics/provider": ["*.py", "cloudwatch_emf"],
    "aws_lambda_powertools/utilities": ["__init__.py", "jmespath_utils"],
    # A service's files are read when a client of it is made.
    "botocore/data": ["*.json", "dynamodb", "events", "secretsmanager", "sesv2", "sqs"],
    "botocore/data/dynamodb": ["2012-08-10"],
    "botocore/data/events": ["2015-10-07"],
    "botocore/data/*/*": ["endpoint-rule-set-1.*", "service-2.*"],
}

# Never imported: commands, documentation, tests, types, metadata.
UNUSED = [
    *("*.dist-info", "**/*.pyi", "**/py.typed", ".lock", "bin", "share"),
    *("boto3/data", "boto3/examples", "dateutil/zoneinfo"),
    *("segno/cli.py", "urllib3/contrib/emscripten"),
]

# Service -> its name in endpoints.json, and the operations that are called. A service's whole
# description is read at every cold start; cutting it saved 50 of 330 ms and 12 MB of memory.
OPERATIONS = {
    "dynamodb": ("dynamodb", ["GetItem", "PutItem", "UpdateItem"]),
    "events": ("events", ["PutEvents"]),
    "secretsmanager": ("secretsmanager", ["GetSecretValue"]),
    "sesv2": ("email", ["SendEmail"]),
    "sqs": ("sqs", ["ChangeMessageVisibility", "SendMessage"]),
}

# Describes schemas to type checkers, in classes that nothing uses at run time. Without their bodies
# a cold start takes 8 of 260 ms less, and its bound (docs/performance.md) isn't met with them.
TYPED_DICTS = "pydantic_core/core_schema.py"


def main(root: Path) -> None:
    """Delete what isn't used; a pattern that matches nothing is an error."""
    doomed = {
        path
        for pattern, used in USED.items()
        for folder in matches(root, pattern)
        for path in folder.iterdir()
        if not any(fnmatch(path.name, name) for name in used)
    }
    doomed.update(path for pattern in UNUSED for path in matches(root, pattern))
    for path in sorted(doomed, reverse=True):  # a folder after what is in it
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    data = root / "botocore" / "data"
    for service, (_, operations) in OPERATIONS.items():
        (path,) = matches(data, f"{service}/*/service-2.json.gz")
        model = json.loads(gzip.decompress(path.read_bytes()))
        # A gzip file contains a time, and every build must give the same bytes.
        path.write_bytes(gzip.compress(compact(of_operations(model, operations)), mtime=0))
    (path,) = matches(data, "endpoints.json")
    endpoints = json.loads(path.read_bytes())
    of_services(endpoints, {name for name, _ in OPERATIONS.values()})
    path.write_bytes(compact(endpoints))
    (path,) = matches(root, TYPED_DICTS)
    path.write_text(without_typed_dicts(path.read_text()))


def matches(root: Path, pattern: str) -> list[Path]:
    """Find what a pattern matches."""
    found = sorted(root.glob(pattern))
    if not found:
        sys.exit(f"prune.py: nothing matches {pattern}")
    return found


def of_operations(model: dict[str, Any], operations: list[str]) -> dict[str, Any]:
    """Keep some operations and the shapes that they use, without documentation."""
    used = {name: model["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    wanted = list(names_of_shapes(used))
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            wanted += names_of_shapes(shapes[name])
    left: dict[str, Any] = without_documentation(model | {"operations": used, "shapes": shapes})
    return left


def names_of_shapes(part: object) -> Iterator[str]:
    """Return the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(name := part.get("shape"), str):
            yield name
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from names_of_shapes(each)


def without_documentation(part: Any) -> Any:  # noqa: ANN401 (any part of a model)
    """Drop the texts for people, but not a member that has the name `documentation`."""
    if isinstance(part, dict):
        return {
            name: without_documentation(value)
            for name, value in part.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    return [without_documentation(each) for each in part] if isinstance(part, list) else part


def of_services(endpoints: dict[str, Any], services: set[str]) -> None:
    """Keep the endpoints of some services, in every partition."""
    for partition in endpoints["partitions"]:
        known = partition["services"]
        partition["services"] = {name: known[name] for name in known if name in services}


def without_typed_dicts(source: str) -> str:
    """Keep of every TypedDict its name: at run time it is a dict with any keys."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and "TypedDict" in map(ast.unparse, node.bases):
            node.body = [ast.Pass()]
    return ast.unparse(tree) + "\n"


def compact(value: object) -> bytes:
    """Write JSON for a machine."""
    return json.dumps(value, separators=(",", ":")).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
