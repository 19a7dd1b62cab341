"""Unsigned events in the shapes that AWS publishes are refused and never cause a crash.

The shapes are those of AWS's pages "Create AWS Lambda proxy integrations for HTTP APIs" (payload
formats 2.0 and 1.0), "Create and manage Lambda function URLs", "Using Lambda with an Application
Load Balancer" and of Powertools' test events: cookies, several values of a header, optional parts
present and absent.
"""

import json
from typing import Any

import pytest

from tests.built.conftest import Services
from tests.built.runtime_api import Function

BODY = json.dumps({"message": "Hello from a client", "username": "somebody"})

FORMAT_2: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/my/path",
    "rawQueryString": "first=one&first=two&second=three",
    "cookies": ["session=abc", "theme=dark"],
    "headers": {"header1": "value1", "header2": "value1,value2"},
    "queryStringParameters": {"first": "one,two", "second": "three"},
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "api-id",
        "authentication": {
            "clientCert": {
                "clientCertPem": "CERT_CONTENT",
                "subjectDN": "www.example.com",
                "issuerDN": "Example issuer",
                "serialNumber": "a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1:a1",
                "validity": {
                    "notBefore": "May 28 12:30:02 2019 GMT",
                    "notAfter": "Aug  5 09:36:04 2021 GMT",
                },
            },
        },
        "authorizer": {"jwt": {"claims": {"sub": "somebody"}, "scopes": ["read", "write"]}},
        "domainName": "id.execute-api.us-east-1.amazonaws.com",
        "domainPrefix": "id",
        "http": {
            "method": "POST",
            "path": "/my/path",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "agent",
        },
        "requestId": "id",
        "routeKey": "$default",
        "stage": "$default",
        "time": "12/Mar/2020:19:03:58 +0000",
        "timeEpoch": 1583348638390,
    },
    "body": BODY,
    "pathParameters": {"parameter1": "value1"},
    "isBase64Encoded": False,
    "stageVariables": {"variable1": "value1", "variable2": "value2"},
}

FORMAT_1: dict[str, Any] = {
    "version": "1.0",
    "resource": "/my/path",
    "path": "/my/path",
    "httpMethod": "POST",
    "headers": {"Header1": "value1", "Header2": "value2"},
    "multiValueHeaders": {"Header1": ["value1"], "Header2": ["value1", "value2"]},
    "queryStringParameters": {"first": "one"},
    "multiValueQueryStringParameters": {"first": ["one", "two"]},
    "requestContext": {
        "accountId": "123456789012",
        "apiId": "id",
        "authorizer": None,
        "extendedRequestId": "request-id",
        "httpMethod": "POST",
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "user-agent", "user": None},
        "path": "/my/path",
        "protocol": "HTTP/1.1",
        "requestId": "id=",
        "requestTime": "04/Mar/2020:19:15:17 +0000",
        "requestTimeEpoch": 1583349317135,
        "stage": "$default",
    },
    "pathParameters": None,
    "stageVariables": None,
    "body": BODY,
    "isBase64Encoded": False,
}

LOAD_BALANCER: dict[str, Any] = {
    "requestContext": {
        "elb": {
            "targetGroupArn": (
                "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/lambda/abc"
            )
        }
    },
    "httpMethod": "GET",
    "path": "/lambda",
    "multiValueQueryStringParameters": {"query": ["1234ABCD"]},
    "multiValueHeaders": {"accept": ["*/*"], "x-forwarded-for": ["192.0.2.1"]},
    "body": "",
    "isBase64Encoded": False,
}


def without(*names: str) -> dict[str, Any]:
    return {key: value for key, value in FORMAT_2.items() if key not in names}


EVENTS: dict[str, object] = {
    "format_2": FORMAT_2,
    "format_2_get": without("body", "pathParameters", "cookies"),
    "format_2_without_headers": without("headers"),
    "format_2_without_request_context": without("requestContext"),
    "format_2_without_encoding": without("isBase64Encoded"),
    "format_2_with_empty_parts": FORMAT_2 | {"headers": {}, "requestContext": {}, "body": None},
    "format_2_with_null_parts": dict.fromkeys(FORMAT_2),
    "format_2_with_lists_for_objects": {key: [] for key in FORMAT_2},
    "format_2_with_bad_base64": FORMAT_2 | {"isBase64Encoded": True, "body": "%%%"},
    "format_2_with_a_time_of_another_type": FORMAT_2 | {"requestContext": {"timeEpoch": "now"}},
    "format_2_with_header_of_another_type": FORMAT_2 | {"headers": {"token": None}},
    "format_2_with_several_tokens": FORMAT_2 | {"headers": {"token": "01-aa,01-bb"}},
    "format_2_with_a_token_header_twice": FORMAT_2 | {"headers": {"token": "a", "Token": "b"}},
    "format_2_with_iam_authorizer": FORMAT_2
    | {
        "requestContext": FORMAT_2["requestContext"]
        | {"authorizer": {"iam": {"accessKey": "ARIA2ZJZYVUEREEIHAKY", "cognitoIdentity": None}}}
    },
    "format_2_with_lambda_authorizer": FORMAT_2
    | {
        "requestContext": FORMAT_2["requestContext"]
        | {"authorizer": {"lambda": {"context": {"key": "value"}}}}
    },
    "format_1": FORMAT_1,
    "function_url": without("pathParameters", "stageVariables")
    | {"headers": {"x-amz-date": "20220101T000000Z", "content-type": "application/json"}},
    "load_balancer": LOAD_BALANCER,
    "console_test": {"key1": "value1", "key2": "value2", "key3": "value3"},
    "nothing": {},
    "null": None,
    "list": [FORMAT_2],
    "text": "event",
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_nobody_signed_is_refused(
    name: str, receiver: Function, services: Services
) -> None:
    emails, writes = services.emails(), services.writes()

    response = receiver.invoke(EVENTS[name])

    assert response["statusCode"] == 401
    assert json.loads(response["body"]) == {"status": "refused", "code": "unauthorized"}
    assert (services.emails(), services.writes()) == (emails, writes)
