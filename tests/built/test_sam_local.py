"""How `sam local invoke` uses events/env.json. It runs in Docker, so this calls SAM's code."""

import json
import subprocess
from pathlib import Path

from tools import artefacts, fixtures, sam


def test_sam_local_gives_the_functions_all_variables_of_env_json() -> None:
    script = Path(__file__).with_name("sam_local.py")
    variables = fixtures.DIRECTORY / "env.json"

    finished = subprocess.run(
        [*sam.command()[:-1], "python", script, artefacts.BUILD / "template.yaml", variables],
        env=sam.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert finished.returncode == 0, finished.stderr
    given = json.loads(finished.stdout)
    expected = json.loads(variables.read_text())
    assert set(given) == set(expected)
    for function, wanted in expected.items():
        assert {name: given[function].get(name) for name in wanted} == wanted
        assert given[function]["AWS_LAMBDA_FUNCTION_HANDLER"] == "app.handler"
