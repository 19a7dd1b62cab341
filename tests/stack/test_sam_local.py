"""The variables in events/env.json are those of the local stack, so that `sam local` can use it."""

from urllib.parse import urlsplit

import pytest

from tools import fixtures
from tools.stack import emulator
from tools.stack.local import LocalStack

# Variables that differ on purpose, or that the emulator makes up at each deploy.
DIFFERENT = {
    "AWS_ENDPOINT_URL",
    "CONFIGURATION_SET",
    "MAX_EMAILS_PER_HOUR",
    "MAX_EMAILS_PER_RECIPIENT_PER_HOUR",
    "MAX_EVENT_AGE",
    "ROOMLE_API",
    "TOKEN_MAX_AGE",
}


@pytest.mark.parametrize("function", ["ReceiverFunction", "MailerFunction"])
def test_the_variables_for_sam_local_fit_the_local_stack(stack: LocalStack, function: str) -> None:
    written = fixtures.environment()[function]
    deployed: dict[str, str] = stack.client("lambda").get_function_configuration(
        FunctionName=stack.deployed.functions[function]
    )["Environment"]["Variables"]

    assert set(written) - {"AWS_ENDPOINT_URL"} == set(deployed)
    for name in set(written) - DIFFERENT:
        if name == "SECRET_ID":
            # By its name instead of its ARN, which ends in random letters.
            assert f":secret:{written[name]}-" in deployed[name]
        elif name.endswith("_URL"):
            assert urlsplit(written[name]).path == urlsplit(deployed[name]).path
        else:
            assert written[name] == deployed[name], name
    assert urlsplit(written["AWS_ENDPOINT_URL"]).port == emulator.PORT
