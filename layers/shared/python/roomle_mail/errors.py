"""What can go wrong, each with the HTTP status of the answer.

A status of 300 or more makes Roomle send its own email instead (Roomle's page "Webhook"), so
every error here has one. `code` is in the answer and never helps an attacker; the class's name
and attributes are for the log.
"""


class RoomleMailError(Exception):
    """A known failure; `status` and `code` are the answer to Roomle."""

    status = 500
    code = "internal"


class SettingsInvalid(RoomleMailError):
    """A variable of the function's environment is missing or wrong; the message names it."""


# --- the token: one answer for every fault in it ---------------------------------------------


class TokenRejected(RoomleMailError):
    """No token that verifies; `hint` names the parameter under which it would have verified."""

    status = 401
    code = "unauthorized"

    hint: str | None = None


class TokenMissing(TokenRejected):
    """The request has no token header, or several that differ in their letter case."""

    def __init__(self, hint: str | None = None) -> None:
        super().__init__()
        self.hint = hint


class TokenMalformed(TokenRejected):
    """The header is not strict Base64 of whole AES blocks."""


class TokenAlgorithmNotAllowed(TokenRejected):
    """The token's algorithm, two digits, is not among `TokenAlgorithms`."""

    hint = "TokenAlgorithms"

    def __init__(self, algorithm: str) -> None:
        super().__init__(algorithm)
        self.algorithm = algorithm


class TokenUnverified(TokenRejected):
    """No credential decrypts the token to a timestamp and its own API key."""

    def __init__(self, hint: str | None) -> None:
        super().__init__()
        self.hint = hint


class TokenExpired(TokenRejected):
    """The token is genuine, but its timestamp is too far from now."""

    hint = "TokenMaxAge"


class TokenReplayed(TokenRejected):
    """The token was already seen with another body."""

    hint = "TokenReuse"


# --- the request ------------------------------------------------------------------------------


class BodyTooLarge(RoomleMailError):
    """The body is larger than any event of Roomle's."""

    status = 413
    code = "too-large"


class BodyMalformed(RoomleMailError):
    """The body is not UTF-8, or not JSON."""

    status = 400
    code = "malformed"


class InvalidEvent(RoomleMailError):
    """A field is missing or wrong; `fields` names which, without their values."""

    status = 422
    code = "invalid-event"

    def __init__(self, *fields: str) -> None:
        super().__init__(*fields)
        self.fields = fields


class LinkNotAllowed(RoomleMailError):
    """A link is not plain https to a host that the brand allows.

    `fields` names the field, `host` is what the link names as its host, and `problem` says which
    rule it breaks.
    """

    status = 422
    code = "link-not-allowed"

    def __init__(self, problem: str, *, host: str | None, field: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.host = host or "(unusual)"
        self.fields = (field,)


class BrandNotAllowed(RoomleMailError):
    """The event names a brand that its API key may not speak for."""

    status = 422
    code = "brand-not-allowed"


class NoTemplate(RoomleMailError):
    """There is no template for the email that the event calls for, so Roomle sends its own."""

    status = 501
    code = "no-template"


# --- the work ---------------------------------------------------------------------------------


class Unavailable(RoomleMailError):
    """The email can't be sent now; Roomle sends its own."""

    status = 503
    code = "unavailable"


class SecretUnusable(Unavailable):
    """The secret can't be read or is not `{"API key": "secret"}`; `problem` says what to fix."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class TimeRunningOut(Unavailable):
    """Too little time is left to begin or to continue."""


class InProgress(Unavailable):
    """Another invocation is processing the same POST or event, or died while doing so."""


class HourlyCapReached(Unavailable):
    """The stack has sent `MaxEmailsPerHour` emails in this hour."""


class QueueOutcomeUnknown(Unavailable):
    """It can't be known whether SQS took the event."""


# --- AWS --------------------------------------------------------------------------------------


class AwsCallFailed(Unavailable):
    """A call to AWS failed; `detail` is AWS's error code or botocore's class, never a message."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail


class Retryable(AwsCallFailed):
    """The service certainly did not act, and another channel or a later try may succeed."""


class Unreachable(Retryable):
    """The connection was never made."""


class Throttled(Retryable):
    """The service asks to come back later."""


class CredentialsExpired(Retryable):
    """The credentials or the signature were too old, or could not be renewed."""


class QuotaUsedUp(AwsCallFailed):
    """The service certainly did not act, and will not before tomorrow."""


class CallRefused(AwsCallFailed):
    """The service certainly did not act, and never will."""


class OutcomeUnknown(AwsCallFailed):
    """The answer got lost: the service may have acted or not."""


class EntryRefused(AwsCallFailed):
    """The event bus did not take the event."""


class EmailRefused(AwsCallFailed):
    """SES refused the email permanently."""

    status = 502
    code = "email-refused"


class SendOutcomeUnknown(AwsCallFailed):
    """It can't be known whether SES took the email."""
