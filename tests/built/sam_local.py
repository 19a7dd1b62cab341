"""Write the environment that `sam local invoke` would give each function; run by SAM's own Python.

Usage: python sam_local.py TEMPLATE VARIABLES
"""

import json
import sys
from pathlib import Path

# SAM has a separate environment, which the type checker does not see.
from samcli.commands.local.lib import local_lambda  # type: ignore[import-not-found]
from samcli.lib.providers import (  # type: ignore[import-not-found]
    sam_function_provider,
    sam_stack_provider,
)

template, variables = sys.argv[1:]
stacks, _ = sam_stack_provider.SamLocalStackProvider.get_stacks(template)
provider = sam_function_provider.SamFunctionProvider(stacks)
runner = local_lambda.LocalLambdaRunner(
    local_runtime=None,
    function_provider=provider,
    cwd=str(Path(template).parent),
    real_path=None,
    env_vars_values=json.loads(Path(variables).read_text()),
)
given = {
    function.name: runner._make_env_vars(function).resolve() for function in provider.get_all()
}
json.dump(given, sys.stdout)
