"""The environment of a deployed receiver, with invented resources."""

from __future__ import annotations

RECEIVER_ENVIRONMENT = {
    "DELIVERY": "ses,sqs", "ANSWER_WITHIN": "8", "TOKEN_HEADER": "token",
    "TOKEN_ALGORITHMS": "01", "TOKEN_MAX_AGE": "300", "TOKEN_IV": "fixed",
    "TOKEN_REUSE": "refuse", "REQUIRE_TOKEN": "true", "SECRET_ID": "secret",
    "SECRET_OVERLAP": "3600", "TABLE_NAME": "table", "QUEUE_URL": "https://q",
    "CONFIGURATION_SET": "set", "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
    "MAX_EMAILS_PER_HOUR": "0", "EVENT_BUS": "", "PUBLISH_ADDRESSES": "false",
    "LOG_REFUSED_TOKENS": "false",
    "DESIGNS": "on", "LOCAL_STACK": "false",
}  # fmt: skip
