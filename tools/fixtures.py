"""The events in ``events/``: what API Gateway and SQS send, and the expected answers.

    python -m tools.fixtures

writes them again. They are signed at one fixed moment with Roomle's public example key, so writing
them twice gives the same bytes; ``fresh`` returns one as if it arrived now.
"""

import argparse
import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from roomle_mail_cli import sign

DIRECTORY = Path(__file__).resolve().parent.parent / "events"
MOMENT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
# Seconds, twenty years: what is stored was made at that moment, but must count now.
LONG = str(20 * 365 * 24 * 60 * 60)
ACCOUNT, REGION = "123456789012", "eu-central-1"
API = "a1b2c3d4e5"
# What `make local` deploys, as seen from a container. The emulator derives the names from the
# stack's name.
LOCAL_STACK = "http://host.docker.internal:24566"
ROOMLE_API = "http://host.docker.internal:24569"
QUEUE = "roomle-mail-Queue-EB937DDEA13CA"
DEAD_LETTER_QUEUE = "roomle-mail-DeadLetterQueue-C60A47F79C3A7"
BUS = "roomle-mail"

# The examples of Roomle's page "Webhook". The addresses can't belong to anybody. Each fixture has
# its own, which identifies its email and keeps it below the limit per recipient.
RECIPIENT = "jane.doe@customer.example"
DOMAIN = "customer.example"
CONFIGURATION = "catalogId:itemId:2564B3D4E19A9C4605DAF5236F0ADFE80DA638F63A49D5D4C8260CB5FF48011C"
ITEM = "catalogId:itemId"
PLAN = "ps_1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d"
CONFIGURATOR = "myConfigurator"
# Of another brand than the default one, and in another language than that one's own.
ANOTHER_CONFIGURATOR, ANOTHER_LANGUAGE = "exampleStudio", "de"
ASSET = "https://uploads.roomle.com/exports/1a2b3c4d/configuration.glb"

SAVED = "email.savedConfiguration"
SHARED = "email.shareConfiguration"
SHARED_AR = "email.shareConfigurationAR"
EXPORTED = "email.3DExportAsset"
SUBJECTS = {
    SAVED: "design is saved",
    SHARED: "shared with you",
    SHARED_AR: "in your room",
    EXPORTED: "is ready",
}


def link_to(content: str, *, host: str = "test.roomle.com", **parameters: str) -> str:
    """Return the link that Roomle puts into ``url``."""
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    return f"https://{host}/t/cp/?id={content}&configuratorId=vizmotor{query}"


def payload(name: str = SAVED, /, **changes: object) -> dict[str, Any]:
    """Return the JSON of one of Roomle's events; a field that is set to None is left out."""
    data = {
        "success": True,
        "email": RECIPIENT,
        "configurationId": CONFIGURATION,
        "url": link_to(CONFIGURATION),
        "configuratorId": CONFIGURATOR,
    } | changes
    return {"event": name, "data": {key: value for key, value in data.items() if value is not None}}


def compact(value: object) -> str:
    """Encode JSON compactly."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST to the webhook and what the receiver answers.

    ``body`` is sent in Base64 if it is bytes, and left out if it is None. ``token`` is the header's
    value if the token itself is the fault: such a fixture is not signed again, and an empty value
    means that there is no header.
    """

    code: str
    body: str | bytes | None = field(default_factory=lambda: compact(payload()))
    token: str | None = None
    form: sign.Form = field(default_factory=sign.Form)
    header: str = "token"
    subject: str | None = None


# The answers' statuses, by code; README.md lists them.
STATUSES = {
    "sent": 200,
    "forwarded": 200,
    "malformed": 400,
    "unauthorized": 401,
    "too-large": 413,
    "invalid-event": 422,
    "link-not-allowed": 422,
    "no-template": 501,
}


def sent(name: str = SAVED, /, **changes: object) -> Post:
    """Expect an email for an event of Roomle's."""
    return Post(code="sent", body=compact(payload(name, **changes)), subject=SUBJECTS[name])


def refused(code: str, name: str = SAVED, /, **changes: object) -> Post:
    """Expect a refusal of an event of Roomle's."""
    return Post(code=code, body=compact(payload(name, **changes)))


def posts() -> dict[str, Post]:
    """All POSTs by name, in the order in which they are written."""
    groups = (
        accepted_posts(),
        posts_without_a_valid_token(),
        posts_with_a_bad_body(),
        posts_with_a_bad_address(),
        posts_with_a_bad_link(),
        posts_without_a_template(),
    )
    return {
        name: addressed(post, f"{name}@{DOMAIN}")
        for group in groups
        for name, post in group.items()
    }


def addressed(post: Post, recipient: str) -> Post:
    """Replace a POST's recipient."""
    body = post.body
    if isinstance(body, bytes):
        return replace(post, body=body.replace(RECIPIENT.encode(), recipient.encode()))
    return replace(post, body=body and body.replace(RECIPIENT, recipient))


def accepted_posts() -> dict[str, Post]:
    """Events that lead to an email, or that call for none."""
    failed = payload(EXPORTED, success=False)
    return {
        "saved_configuration": sent(),
        "saved_configuration_without_success": sent(success=None),
        "saved_configuration_of_an_item": sent(
            configurationId=None, itemId=ITEM, url=link_to(ITEM)
        ),
        "saved_configuration_of_a_plan": sent(configurationId=PLAN, url=link_to(PLAN)),
        "saved_configuration_without_configurator": sent(configuratorId=None),
        "saved_configuration_with_unknown_fields": Post(
            code="sent",
            body=compact(
                payload(newField={"of": ["any", "shape", 1.5, None, True]}, note="Grüße, 你好 🪑")
                | {"tenant": "aTenant", "version": 2}
            ),
            subject=SUBJECTS[SAVED],
        ),
        "saved_configuration_with_empty_fields": Post(
            code="sent",
            body=compact(payload(itemId="", resultUrl="")).replace("true", "null"),
            subject=SUBJECTS[SAVED],
        ),
        # It arrives as a part of the link, not of the email's HTML.
        "saved_configuration_with_markup_in_its_link": sent(
            url=link_to(CONFIGURATION, name='"><script>alert(1)</script>')
        ),
        "saved_configuration_in_base64": Post(
            code="sent", body=compact(payload()).encode(), subject=SUBJECTS[SAVED]
        ),
        "saved_configuration_of_another_brand": Post(
            code="sent",
            body=compact(payload(configuratorId=ANOTHER_CONFIGURATOR)),
            subject="Möbelstudio Beispiel",
        ),
        "saved_configuration_for_a_language": Post(
            code="sent",
            body=compact(payload(url=link_to(CONFIGURATION, lang=ANOTHER_LANGUAGE))),
            subject="ist gespeichert",
        ),
        "share_configuration": sent(SHARED),
        "share_configuration_ar": sent(SHARED_AR),
        "export_3d_asset": sent(EXPORTED, resultUrl=ASSET),
        "export_3d_asset_failed": Post(
            code="sent", body=compact(failed), subject="create your 3D file"
        ),
        "header_in_capitals": Post(code="sent", header="TOKEN", subject=SUBJECTS[SAVED]),
        "token_spelled_otherwise": Post(
            code="sent",
            form={
                "algorithm": "none",
                "iv": "key",
                "alphabet": "url",
                "padding": False,
                "zone": "+0530",
            },
            subject=SUBJECTS[SAVED],
        ),
        "another_event": Post(
            code="forwarded",
            body=compact({"event": "configuration.deleted", "data": {"id": CONFIGURATION}}),
        ),
    }


def posts_without_a_valid_token() -> dict[str, Post]:
    """Each fault of a token; they all get the same answer."""
    key, secret, another = sign.EXAMPLE_API_KEY, sign.EXAMPLE_SECRET, "another-Secret!!"
    text = f"{sign.format_timestamp(MOMENT)};anonymous;{key}"
    genuine = sign.make_token(now=MOMENT, api_key=key, secret=secret)
    tokens = {
        "no_token": "",
        "forged_token": sign.make_token(now=MOMENT, api_key=key, secret=another),
        # Far older than any TokenMaxAge, including the twenty years in env.json.
        "expired_token": sign.make_token(
            now=datetime(2001, 1, 1, tzinfo=UTC), api_key=key, secret=secret
        ),
        "token_of_another_api_key": sign.make_token(
            now=MOMENT, api_key="anotherApiKey", secret=secret
        ),
        # Roomle's web SDK sends this one: plain Base64, no encryption at all.
        "token_without_encryption": f"03-{base64.b64encode(text.encode()).decode()}",
        "token_in_ecb": sign.make_token(now=MOMENT, api_key=key, secret=secret, algorithm="02"),
        "token_of_unknown_algorithm": f"04-{genuine.removeprefix('01-')}",
        "token_not_base64": "01-this is no Base64",
        "token_twice": f"{genuine},{genuine}",
        "token_too_long": f"01-{'A' * 8_000}",
    }
    return {name: Post(code="unauthorized", token=token) for name, token in tokens.items()}


def posts_with_a_bad_body() -> dict[str, Post]:
    """Bodies that are not one of Roomle's events."""
    depth, digits, limit = 10_000, 10_000, 64 * 1024
    whole = compact(payload())
    malformed: dict[str, str | bytes | None] = {
        "no_body": None,
        "empty_body": "",
        "not_json": "success=true&email=jane.doe%40customer.example",
        "json_cut_off": whole[:-20],
        "not_utf8": whole.replace("jane", "jäne").encode("latin-1"),
        "nested_lists": "[" * depth + "]" * depth,
        "not_a_number": whole.replace("true", "NaN"),
        "infinite_number": whole.replace("true", "1e999"),
        "huge_number": whole.replace("true", "9" * digits),
        "duplicate_keys": whole.replace('"success"', '"email":"eve@other.example","success"'),
    }
    invalid = {
        "json_null": "null",
        "json_list": compact([payload()]),
        "json_string": compact(whole),
        "missing_event": compact({"data": payload()["data"]}),
        "missing_data": compact({"event": SAVED}),
        "data_of_another_shape": compact({"event": SAVED, "data": [payload()["data"]]}),
        "missing_email": compact(payload(email=None)),
        "missing_configuration": compact(payload(configurationId=None)),
        "missing_url": compact(payload(url=None)),
        "success_of_another_type": compact(payload(success="yes")),
        "missing_result_url": compact(payload(EXPORTED)),
    }
    return {
        **{name: Post(code="malformed", body=body) for name, body in malformed.items()},
        **{name: Post(code="invalid-event", body=body) for name, body in invalid.items()},
        "too_large": refused("too-large", note="x" * limit),
    }


def posts_with_a_bad_address() -> dict[str, Post]:
    """Addresses that would send the email to somebody else, or to nobody."""
    addresses = {
        "address_with_line_break": f"{RECIPIENT}\r\nBcc: eve@other.example",
        "two_addresses": f"{RECIPIENT},eve@other.example",
        "address_with_name": f"Jane Doe <{RECIPIENT}>",
        "address_too_long": f"{'x' * 10_000}@customer.example",
        "address_without_domain": "jane.doe",
        "address_empty": "",
    }
    return {name: refused("invalid-event", email=address) for name, address in addresses.items()}


def posts_with_a_bad_link() -> dict[str, Post]:
    """Links that must not be sent in a brand's name."""
    path = f"/t/cp/?id={CONFIGURATION}"
    links = {
        "link_to_another_host": f"https://shop.other.example{path}",
        "link_to_a_host_that_begins_alike": f"https://test.roomle.com.evil.example{path}",
        "link_to_a_host_that_ends_alike": f"https://evilroomle.com{path}",
        "link_that_names_the_host_in_its_query": "https://evil.example/?test.roomle.com",
        "link_with_user_information": f"https://test.roomle.com@evil.example{path}",
        "link_with_credentials": f"https://jane:pw@test.roomle.com{path}",
        "link_with_backslash": "https://evil.example\\.roomle.com/t/cp/",
        "link_with_lookalike_host": f"https://test.r\N{CYRILLIC SMALL LETTER O}omle.com{path}",
        "link_with_punycode_host": "https://test.xn--romle-jye.com/t/cp/",
        "link_to_another_port": f"https://test.roomle.com:8443{path}",
        "link_without_encryption": f"http://test.roomle.com{path}",
        "link_with_line_break": f"https://test.roomle.com/t/cp/\r\n?id={CONFIGURATION}",
        "link_with_javascript": "javascript:alert(document.domain)//test.roomle.com",
        "link_with_data": "data:text/html,<script>alert(1)</script>",
        "link_without_scheme": f"//test.roomle.com{path}",
    }
    return {
        **{name: refused("link-not-allowed", url=link) for name, link in links.items()},
        "asset_on_another_host": refused(
            "link-not-allowed", EXPORTED, resultUrl="https://uploads.other.example/a.glb"
        ),
    }


def posts_without_a_template() -> dict[str, Post]:
    """Emails that are left to Roomle."""
    return {
        "unknown_email_event": refused("no-template", "email.orderConfirmation"),
        "email_event_in_other_letters": refused("no-template", "Email.SavedConfiguration"),
        "saved_configuration_failed": refused("no-template", success=False),
        "share_configuration_failed": refused("no-template", SHARED, success=False),
        "share_configuration_ar_failed": refused("no-template", SHARED_AR, success=False),
    }


def http_event(name: str, post: Post, *, now: datetime) -> dict[str, Any]:
    """Build a POST's event as API Gateway's HTTP API passes it on (payload format 2.0)."""
    body = post.body
    headers = {
        "accept": "application/json, */*",
        "accept-encoding": "gzip",
        "content-length": str(len(body.encode() if isinstance(body, str) else body or b"")),
        "content-type": "application/json",
        "host": f"{API}.execute-api.{REGION}.amazonaws.com",
        "user-agent": "Apache-HttpClient/4.5.13 (Java/11.0.22)",
        "x-amzn-trace-id": f"Root=1-{int(now.timestamp()):08x}-{digest(name)[:24]}",
        "x-forwarded-for": "192.0.2.44",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    if isinstance(body, bytes):
        headers["content-type"] = "application/octet-stream"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /webhook",
        "rawPath": "/webhook",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": f"{API}.execute-api.{REGION}.amazonaws.com",
            "domainPrefix": API,
            "http": {
                "method": "POST",
                "path": "/webhook",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.44",
                "userAgent": "Apache-HttpClient/4.5.13 (Java/11.0.22)",
            },
            "requestId": base64.b64encode(bytes.fromhex(digest(name)[:22])).decode(),
            "routeKey": "POST /webhook",
            "stage": "$default",
        },
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    event["isBase64Encoded"] = isinstance(body, bytes)
    if post.token is None:
        return sign.sign(
            event,
            now=now,
            api_key=sign.EXAMPLE_API_KEY,
            secret=sign.EXAMPLE_SECRET,
            session="anonymous",
            header=post.header,
            **post.form,
        )
    if post.token:
        headers[post.header] = post.token
    return sign.stamp(event, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Messages that SQS hands to the mailer: the bodies, and their results.

    No message goes back to the queue: ``dead_letters`` counts those that can never be sent.
    """

    bodies: Sequence[str]
    subjects: Sequence[str]
    dead_letters: int = 0


def message(name: str, event: dict[str, Any]) -> str:
    """Build the message that the receiver puts into the queue for the mailer."""
    return compact(
        {
            "version": "1",
            "id": digest(f"id {name}")[:32],
            "event": event,
            "recipient": digest(f"recipient {name}")[:32],
            "received": MOMENT.timestamp(),
            "correlation": base64.b64encode(bytes.fromhex(digest(name)[:22])).decode(),
        }
    )


def batches() -> dict[str, Batch]:
    """All batches by name, in the order in which they are written."""

    def batch(
        name: str,
        *events: dict[str, Any] | str,
        subjects: Sequence[str],
        dead_letters: int = 0,
    ) -> Batch:
        bodies = [
            each if isinstance(each, str) else message(f"{name} {place}", each)
            for place, each in enumerate(events)
        ]
        recipient = f"queued_{name}@{DOMAIN}"
        return Batch(
            bodies=[body.replace(RECIPIENT, recipient) for body in bodies],
            subjects=subjects,
            dead_letters=dead_letters,
        )

    twice = message("queued twice", payload())
    return {
        "saved_configuration": batch("saved_configuration", payload(), subjects=[SUBJECTS[SAVED]]),
        "share_configuration": batch(
            "share_configuration", payload(SHARED), subjects=[SUBJECTS[SHARED]]
        ),
        "share_configuration_ar": batch(
            "share_configuration_ar", payload(SHARED_AR), subjects=[SUBJECTS[SHARED_AR]]
        ),
        "export_3d_asset": batch(
            "export_3d_asset", payload(EXPORTED, resultUrl=ASSET), subjects=[SUBJECTS[EXPORTED]]
        ),
        "export_3d_asset_failed": batch(
            "export_3d_asset_failed",
            payload(EXPORTED, success=False),
            subjects=["create your 3D file"],
        ),
        # SQS may deliver a message twice.
        "repeat": batch("repeat", twice, twice, subjects=[SUBJECTS[SAVED]]),
        "poisoned": batch(
            "poisoned",
            payload(),
            "this was never an event",
            payload(url="https://shop.other.example/"),
            payload(SHARED),
            subjects=[SUBJECTS[SAVED], SUBJECTS[SHARED]],
            dead_letters=2,
        ),
    }


def sqs_event(name: str, batch: Batch) -> dict[str, Any]:
    """Build a batch as Lambda's event source mapping for SQS passes it on."""
    sent_at = int(MOMENT.timestamp() * 1000)
    return {
        "Records": [
            {
                "messageId": message_id(name, place),
                "receiptHandle": base64.b64encode(f"receipt {name} {place}".encode()).decode(),
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(sent_at),
                    "SenderId": "AROAEXAMPLEEXAMPLE000:roomle-mail-receiver",
                    "ApproximateFirstReceiveTimestamp": str(sent_at + 7),
                },
                "messageAttributes": {},
                # SQS sends this checksum of the body; nothing relies on it.
                "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
                "awsRegion": REGION,
            }
            for place, body in enumerate(batch.bodies)
        ]
    }


def message_id(name: str, place: int) -> str:
    """Return an id like SQS's for a message of a batch."""
    text = digest(f"message {name} {place}")
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


def environment() -> dict[str, dict[str, str]]:
    """Return the variables for ``sam local invoke --env-vars``: the local stack, any token age."""
    common = {
        "DELIVERY": "ses,sqs",
        "ANSWER_WITHIN": "8",
        "TOKEN_HEADER": "token",
        "TOKEN_ALGORITHMS": "01",
        "TOKEN_MAX_AGE": LONG,
        "MAX_EVENT_AGE": LONG,
        "TOKEN_IV": "fixed",
        "TOKEN_REUSE": "refuse",
        "REQUIRE_TOKEN": "true",
        "SECRET_OVERLAP": "3600",
        "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "0",
        "MAX_EMAILS_PER_HOUR": "0",
        "EVENT_BUS": BUS,
        "PUBLISH_ADDRESSES": "false",
        "LOG_REFUSED_TOKENS": "false",
        "DESIGNS": "on",
        "LOCAL_STACK": "true",
        "SECRET_ID": "roomle-mail-Secret-A90277BB5F66A",
        "TABLE_NAME": "roomle-mail-Table-3A572377090B8",
        "QUEUE_URL": f"{LOCAL_STACK}/000000000000/{QUEUE}",
        # The emulator makes up a new name each time, and accepts any.
        "CONFIGURATION_SET": "roomle-mail-ConfigurationSet",
        "AWS_ENDPOINT_URL": LOCAL_STACK,
        "ROOMLE_API": ROOMLE_API,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_METRICS_NAMESPACE": "RoomleMail",
        "STACK_NAME": "roomle-mail",
    }
    return {
        "ReceiverFunction": {**common, "POWERTOOLS_SERVICE_NAME": "receiver"},
        "MailerFunction": {
            **common,
            "POWERTOOLS_SERVICE_NAME": "mailer",
            "DEAD_LETTER_QUEUE_URL": f"{LOCAL_STACK}/000000000000/{DEAD_LETTER_QUEUE}",
        },
    }


def digest(text: str) -> str:
    """Return 64 hexadecimal digits that look random and are always the same."""
    return hashlib.sha256(text.encode()).hexdigest()


def files() -> Iterator[tuple[Path, object]]:
    """Return every generated file and its content, by path below ``events``."""
    expected: dict[str, object] = {}
    for second, (name, post) in enumerate(posts().items()):
        # A second apart: two tokens of the same millisecond would be a replay.
        moment = MOMENT + timedelta(seconds=second)
        yield Path("receiver", f"{name}.json"), http_event(name, post, now=moment)
        expected[f"receiver/{name}"] = {
            "status": STATUSES[post.code],
            "code": post.code,
            **({"recipient": f"{name}@{DOMAIN}"} if post.code == "sent" else {}),
            **({"subject": post.subject} if post.subject else {}),
            **({"sign": False} if post.token is not None else {}),
        }
    for name, batch in batches().items():
        yield Path("mailer", f"{name}.json"), sqs_event(name, batch)
        expected[f"mailer/{name}"] = {
            "batchItemFailures": [],
            "recipient": f"queued_{name}@{DOMAIN}",
            "subjects": list(batch.subjects),
            "dead_letters": batch.dead_letters,
        }
    yield Path("expected.json"), expected
    yield Path("env.json"), environment()


def render(value: object) -> str:
    """Format a fixture as in its file."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


@cache
def expectations() -> dict[str, dict[str, Any]]:
    """Read the expected results, by ``receiver/<name>`` and ``mailer/<name>``."""
    read: dict[str, dict[str, Any]] = json.loads((DIRECTORY / "expected.json").read_text())
    return read


def load(name: str) -> dict[str, Any]:
    """Read a fixture, ``receiver/<name>`` or ``mailer/<name>``, from its file."""
    event: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text())
    return event


def fresh(name: str, *, now: datetime, api_key: str, secret: str) -> dict[str, Any]:
    """Read a receiver fixture, renewed."""
    return renew(name, load(name), now=now, api_key=api_key, secret=secret)


def renew(
    name: str, event: dict[str, Any], *, now: datetime, api_key: str, secret: str
) -> dict[str, Any]:
    """Return a receiver fixture as if it arrived now, signed unless its token is the fault."""
    if expectations()[name].get("sign") is False:
        return sign.stamp(event, now=now)
    form = posts()[name.removeprefix("receiver/")].form
    return sign.sign(event, now=now, api_key=api_key, secret=secret, **form)


def body_of(event: dict[str, Any]) -> bytes:
    """Return the bytes that were POSTed."""
    body: str = event.get("body", "")
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


def with_body(event: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return the event with other bytes as its body."""
    text = base64.b64encode(body) if event["isBase64Encoded"] else body
    return event | {"body": text.decode()}


def write() -> None:
    """Write all fixtures, and remove those that no longer exist."""
    current = {DIRECTORY / path: render(value) for path, value in files()}
    for old in set(DIRECTORY.glob("**/*.json")) - set(current):
        old.unlink()
    for path, text in current.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tools.fixtures", description=__doc__).parse_args()
    write()
