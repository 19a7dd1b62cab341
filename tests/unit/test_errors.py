"""Errors: which of botocore's errors make certain that a service did not act."""

from __future__ import annotations

import inspect
from typing import NoReturn

import pytest
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from roomle_mail import errors
from roomle_mail.deadline import DeadlineExceeded
from roomle_mail.errors import (
    CallRefused,
    CredentialsExpired,
    OutcomeUnknown,
    QuotaUsedUp,
    RoomleMailError,
    Throttled,
    Unreachable,
)
from roomle_mail.table import Table

URL = "https://email.example"


class Raising:
    """A table that raises an error at every call."""

    exceptions = None

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def get_item(self, **_: object) -> NoReturn:
        raise self._error

    put_item = update_item = get_item


def answer(code: str, status: int, message: str = "") -> botocore.ClientError:
    return botocore.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        "SendEmail",
    )


TOO_OLD = "Signature expired: 20260301T120000Z is now earlier than 20260301T121000Z (...)"
TOO_NEW = "Signature not yet current: 20260301T121000Z is still later than 20260301T120000Z (...)"
# botocore's own message, which has no separate class.
STILL_EXPIRED = "Credentials were refreshed, but the refreshed credentials are still expired."


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (botocore.EndpointConnectionError(endpoint_url=URL), Unreachable),
        (botocore.ConnectTimeoutError(endpoint_url=URL), Unreachable),
        (botocore.ReadTimeoutError(endpoint_url=URL), OutcomeUnknown),
        (botocore.ConnectionClosedError(endpoint_url=URL), OutcomeUnknown),
        (botocore.SSLError(endpoint_url=URL, error=OSError()), OutcomeUnknown),
        (botocore.ProxyConnectionError(proxy_url=URL), OutcomeUnknown),
        (botocore.HTTPClientError(error=OSError()), OutcomeUnknown),
        (botocore.ResponseStreamingError(error=OSError()), OutcomeUnknown),
        (ResponseParserError(), OutcomeUnknown),
        (DeadlineExceeded(), OutcomeUnknown),
        (botocore.NoCredentialsError(), CallRefused),
        (botocore.ParamValidationError(report=""), CallRefused),
        (answer("TooManyRequestsException", 429), Throttled),
        (answer("ThrottlingException", 400), Throttled),
        (answer("Throttling", 400, "Maximum sending rate exceeded."), Throttled),
        (answer("Throttling", 400, "Daily message quota exceeded."), QuotaUsedUp),
        (answer("TooManyRequestsException", 429, "Daily message quota exceeded."), QuotaUsedUp),
        (answer("LimitExceededException", 400), QuotaUsedUp),
        (answer("Unheard", 429), Throttled),
        (answer("MessageRejected", 400, "Email address is not verified."), CallRefused),
        (answer("MailFromDomainNotVerifiedException", 400), CallRefused),
        (answer("AccountSuspendedException", 400), CallRefused),
        (answer("SendingPausedException", 400), CallRefused),
        (answer("BadRequestException", 400), CallRefused),
        (answer("AccessDeniedException", 403), CallRefused),
        (answer("NotFoundException", 404), CallRefused),
        # AWS's page "Common Errors": too old, or signed by a clock that is off.
        (answer("ExpiredTokenException", 403), CredentialsExpired),
        (answer("ExpiredToken", 400), CredentialsExpired),
        (answer("RequestExpired", 400), CredentialsExpired),
        (answer("RequestInTheFuture", 400), CredentialsExpired),
        (answer("RequestTimeTooSkewed", 403), CredentialsExpired),
        (answer("TokenRefreshRequired", 400), CredentialsExpired),
        # The IAM user guide's page "Troubleshoot Signature Version 4 signing" has both messages.
        (answer("InvalidSignatureException", 403, TOO_OLD), CredentialsExpired),
        (answer("InvalidSignatureException", 403, TOO_NEW), CredentialsExpired),
        (answer("SignatureDoesNotMatch", 403, TOO_OLD), CredentialsExpired),
        (answer("InvalidSignatureException", 403, "It does not match."), CallRefused),
        (answer("SignatureDoesNotMatch", 403, "It does not match."), CallRefused),
        (answer("UnrecognizedClientException", 403), CallRefused),
        (answer("InvalidClientTokenId", 403), CallRefused),
        (answer("IncompleteSignature", 403), CallRefused),
        (botocore.CredentialRetrievalError(provider="p", error_msg="e"), CredentialsExpired),
        (botocore.MetadataRetrievalError(error_msg="e"), CredentialsExpired),
        (botocore.TokenRetrievalError(provider="p", error_msg="e"), CredentialsExpired),
        (RuntimeError(STILL_EXPIRED), CredentialsExpired),
        (answer("RequestAbortedException", 400), OutcomeUnknown),
        (answer("ExpiredTokenException", 500), OutcomeUnknown),
        (answer("InternalFailure", 500), OutcomeUnknown),
        (answer("ServiceUnavailable", 503), OutcomeUnknown),
        (answer("ThrottlingException", 503), OutcomeUnknown),
        (answer("Odd200", 200), OutcomeUnknown),
        (answer("Odd302", 302), OutcomeUnknown),
        (answer("Odd0", 0), OutcomeUnknown),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else f"{each!r}",
)
def test_an_aws_error_tells_whether_the_service_acted(
    raised: BaseException, told: type[errors.AwsCallFailed]
) -> None:
    with pytest.raises(errors.AwsCallFailed) as caught:
        Table(Raising(raised), "table", "owner").get("key")

    assert type(caught.value) is told
    assert caught.value.__cause__ is raised
    assert caught.value.status == 503


@pytest.mark.parametrize("raised", [ZeroDivisionError(), RuntimeError("generator raised")])
def test_what_is_not_awss_goes_through_as_it_is(raised: Exception) -> None:
    with pytest.raises(type(raised)):
        Table(Raising(raised), "table", "owner").get("key")


def test_no_error_of_ours_lets_roomle_believe_that_an_email_was_sent() -> None:
    ours = [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, RoomleMailError)
    ]

    assert len(ours) > 20
    assert all(each.status >= 300 for each in ours)


def test_every_fault_in_a_token_gets_the_same_answer() -> None:
    faults = {
        (each.status, each.code)
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.TokenRejected)
    }

    assert faults == {(401, "unauthorized")}
