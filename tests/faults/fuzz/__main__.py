"""Coverage-guided fuzzing of the code that reads a sender's bytes: the token, and the body.

    python -m tests.faults.fuzz {token|event} FOLDER CORPUS [libFuzzer's options]

New inputs are written to FOLDER. `make fuzz` runs it for minutes, tests/faults/test_fuzzing.py for
half a minute.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["roomle_mail"]):
    from tests.faults.fuzz.checks import CHECKS

if __name__ == "__main__":
    kind, *options = sys.argv[1:]
    # With -merge libFuzzer starts itself again, through a shell and by this name.
    atheris.Setup([f"{sys.executable} -m tests.faults.fuzz {kind}", *options], CHECKS[kind])
    atheris.Fuzz()
