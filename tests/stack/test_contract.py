"""The contract of docs/openapi.json, tried by schemathesis on the deployed stack.

It makes requests that the contract allows and requests that it doesn't, and checks every answer
against the contract.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import figures
from tools import contract, sam
from tools.stack.local import RECEIVER, LocalStack

CONFIGURATION = Path(__file__).parent / "contract" / "schemathesis.toml"
SAMPLE = 10  # requests that it invents for each kind of test
CAMPAIGN = 60  # seconds for requests
PATIENCE = 240  # seconds for everything


def tried(
    stack: LocalStack, folder: Path, document: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against the webhook; it writes its own files into the folder."""
    url = stack.deployed.webhook_url.removesuffix("/webhook")
    return subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", str(CONFIGURATION), "run", str(document)),
            *("--url", url, "--no-color", "--generation-database", "none"),
            *options,
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PYTHONPATH": str(sam.ROOT),
            "NO_PROXY": "127.0.0.1",
            "ROOMLE_API_KEY": stack.deployed.api_key,
            "ROOMLE_SECRET": stack.deployed.secret,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_every_answer_conforms_to_the_contract(stack: LocalStack, tmp_path: Path) -> None:
    before = len(stack.emails())
    with stack.patience(RECEIVER):
        ran = tried(stack, tmp_path, contract.OPENAPI,
                    "--phases", "examples,fuzzing", "--max-examples", str(SAMPLE))  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "No issues found" in ran.stdout
    # The examples are real: each of the four events leads to an email.
    assert len(stack.emails()) >= before + 4


@pytest.mark.proof
def test_every_answer_conforms_to_the_contract_for_long(stack: LocalStack, tmp_path: Path) -> None:
    seconds = str(figures.number("CONTRACT_SECONDS", CAMPAIGN))
    ran = tried(stack, tmp_path, contract.OPENAPI,
                "--phases", "coverage,fuzzing", "--max-time", seconds)  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "No issues found" in ran.stdout


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ("200 is not documented", "Undocumented status code"),
        ("the code is another", "Response violates schema"),
    ],
)
def test_an_answer_that_the_contract_does_not_have_is_found(
    stack: LocalStack, tmp_path: Path, lie: str, told: str
) -> None:
    document = contract.openapi()
    responses = document["paths"]["/webhook"]["post"]["responses"]
    if lie == "200 is not documented":
        del responses["200"]
    else:
        responses["200"] = {
            "description": "-",
            "content": {"application/json": {"schema": {"properties": {"code": {"const": "no"}}}}},
        }
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    ran = tried(stack, tmp_path, path, "--phases", "examples")
    assert ran.returncode == 1
    assert told in ran.stdout
