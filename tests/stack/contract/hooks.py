"""What schemathesis needs to know about the webhook; it loads this by SCHEMATHESIS_HOOKS.

Each request gets its own token, because a token is valid for one body only.
"""

import os
import secrets
from datetime import UTC, datetime
from typing import Any

import schemathesis

from roomle_mail_cli import sign


@schemathesis.auth(refresh_interval=None)
class FreshToken:
    """Roomle's header, signed now."""

    def get(self, _case: Any, _context: Any) -> str:
        return sign.make_token(
            now=datetime.now(UTC),
            api_key=os.environ["ROOMLE_API_KEY"],
            secret=os.environ["ROOMLE_SECRET"],
            session=secrets.token_hex(16),
        )

    def set(self, case: Any, token: str, _context: Any) -> None:
        case.headers = {**(case.headers or {}), "token": token}


@schemathesis.check
def a_server_error_is_one_of_those_that_are_meant(_context: Any, response: Any, _case: Any) -> None:
    """501 leaves an email to Roomle; any other 5xx is an error here, because all services work."""
    assert response.status_code < 500 or response.status_code == 501, response.text
