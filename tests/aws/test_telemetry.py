"""Log and metrics: each decision appears once with its facts, and every field in use is written."""

from __future__ import annotations

import copy
import json
import re
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from roomle_mail import errors
from roomle_mail_cli.sign import EXAMPLE_API_KEY
from tests import operations, ses_events
from tests.aws.conftest import REGION, saved
from tests.aws.showing import show_designs
from tools import cost, sam

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.aws.conftest import World

    type Scene = Callable[[World], object]

URL = "https://aws.example"
LOST = ReadTimeoutError(endpoint_url=URL)
NO_CONNECTION = EndpointConnectionError(endpoint_url=URL)
THROTTLED = (429, "TooManyRequestsException", "Too many requests")
REFUSED = (400, "MessageRejected", "Email address is not verified.")
QUOTA = (400, "LimitExceededException", "Daily message quota exceeded.")
EXPIRED = (403, "ExpiredTokenException", "The security token included in the request is expired")
DENIED = (400, "AccessDeniedException", "")


def post(payload: Any = None, **form: Any) -> Scene:
    return lambda world: world.post(payload, **form)


def fault(world: World, operation: str, *faults: Any) -> None:
    for each in faults:
        put = world.door.raise_ if isinstance(each, BaseException) else world.door.answer
        put(operation, each)


def failing(operation: str, *faults: Any, **settings: str) -> Scene:
    def scene(world: World) -> None:
        world.set(**settings)
        world.app("receiver")
        fault(world, operation, *faults)
        world.post()

    return scene


def mailing(*faults: Any, spoil: Callable[[dict[str, Any]], None] = lambda _: None) -> Scene:
    """Queue one event, and let the mailer try it once."""

    def scene(world: World) -> None:
        world.set(DELIVERY="sqs")
        world.post()
        (message,) = world.queued()
        body = json.loads(message["body"])
        spoil(body)
        world.app("mailer")
        fault(world, "sesv2.SendEmail", *faults)
        world.mail([message | {"body": json.dumps(body)}])

    return scene


def no_token(world: World) -> None:
    event = world.request()
    del event["headers"]["token"]
    world.receive(event)


def twice(world: World) -> None:
    event = world.request()
    world.receive(event)
    world.receive(event)


def another_body(world: World) -> None:
    event = world.request()
    world.receive(event)
    world.receive(event | {"body": json.dumps(saved(email="bob@customer.example"))})


def too_many(world: World) -> None:
    world.set(MAX_EMAILS_PER_RECIPIENT_PER_HOUR="1")
    world.post()
    world.post()


def over_the_cap(world: World) -> None:
    world.set(MAX_EMAILS_PER_HOUR="1")
    world.post()
    world.post(saved(email="bob@customer.example"))


def of_another_brand(world: World) -> None:
    receiver = world.app("receiver")
    brand = receiver.catalog.brand(None)
    theirs = copy.replace(brand, api_keys=frozenset({EXAMPLE_API_KEY}))
    receiver.catalog.brand = lambda _: theirs
    world.post()


def unforeseen(world: World) -> None:
    def compose(*_: object) -> None:
        raise ZeroDivisionError

    world.app("receiver").catalog.compose = compose
    world.post()


def late(world: World) -> None:
    event = world.request()
    event["requestContext"]["timeEpoch"] -= 20_000
    world.receive(event)


def in_progress(world: World) -> None:
    """It died long ago, so the second one need not wait for it."""
    event = world.request()
    world.app("receiver")
    world.door.raise_("dynamodb.UpdateItem", *[LOST] * 9)  # the first outcome is not remembered
    world.receive(event)
    world.door.faults.clear()
    table = boto3.resource("dynamodb", region_name=REGION).Table("table")
    for item in world.items("token#"):
        table.update_item(
            Key={"key": item["key"]},
            UpdateExpression="SET claimed = :claimed",
            ExpressionAttributeValues={":claimed": 0},
        )
    world.receive(event)


def mailed_already(world: World) -> None:
    world.set(DELIVERY="sqs")
    world.post()
    (message,) = world.queued()
    world.mail([message])
    world.mail([message])


def unusable_secret(world: World) -> None:
    world.set()  # nothing is cached
    world.app("receiver").clients.secrets.put_secret_value(SecretId="secret", SecretString="{}")
    world.post()


def forwarding(refused: str = "") -> Scene:
    def scene(world: World) -> None:
        world.set(EVENT_BUS="default")
        world.app("receiver")
        if refused:
            world.door.answer_with(
                "eventbridge.PutEvents",
                {"FailedEntryCount": 1, "Entries": [{"ErrorCode": refused}]},
            )
        world.post({"event": "order.created", "data": {}})

    return scene


# Metric -> how to cause it.
SCENES: dict[str, Scene] = {
    "Received Sent AgeAtSending TimeToSes": post(saved(configuratorId="myConfigurator")),
    "Queued Throttled": failing("sesv2.SendEmail", THROTTLED),
    "Queued CredentialsExpired": failing("sesv2.SendEmail", EXPIRED),
    "Queued Unreachable": failing("sesv2.SendEmail", NO_CONNECTION),
    "Suppressed": too_many,
    "Ignored": post({"event": "order.created", "data": {}}),
    "Forwarded Published": forwarding(),
    "Failed EntryRefused Unpublished": forwarding("ThrottlingException"),
    "Repeated": twice,
    "Unauthenticated TokenMissing": no_token,
    "Refused TokenMalformed": lambda world: world.receive(
        world.request() | {"headers": {"token": "?"}}
    ),
    "Refused TokenAlgorithmNotAllowed": post(algorithm="02"),
    "Refused TokenUnverified": post(secret="another-secret-0"),
    "Refused TokenExpired": post(now=1e9),
    "Refused TokenReplayed": another_body,
    "Refused BodyTooLarge": post(" " * 65_537),
    "Refused BodyMalformed": post("no JSON"),
    "Refused InvalidEvent": post(saved(email="no address")),
    "Refused LinkNotAllowed": post(saved(url="https://evil.example/")),
    "Refused BrandNotAllowed": of_another_brand,
    "Refused NoTemplate": post(saved(event="email.new")),
    "Failed SecretUnusable": unusable_secret,
    "Failed TimeRunningOut": late,
    "Repeated InProgress": in_progress,
    "Failed HourlyCapReached": over_the_cap,
    "Failed EmailRefused": failing("sesv2.SendEmail", REFUSED),
    "Failed QuotaUsedUp": failing("sesv2.SendEmail", QUOTA),
    "Failed SendOutcomeUnknown": failing("sesv2.SendEmail", LOST),
    "Failed QueueOutcomeUnknown": failing("sqs.SendMessage", LOST, LOST, DELIVERY="sqs"),
    "Failed OutcomeUnknown": failing("dynamodb.PutItem", LOST, LOST, LOST),
    "Failed CallRefused": failing("dynamodb.PutItem", DENIED),
    "Failed Unforeseen": unforeseen,
    "Postponed Throttled AgeAtPostponing": mailing(THROTTLED),
    "DeadLettered EmailRefused": mailing(REFUSED),
    "DeadLettered InvalidEvent": mailing(spoil=lambda body: body.update(event={})),
    "Skipped": mailed_already,
}


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's pauses between tries are not tested here."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)


@pytest.mark.parametrize("counted", SCENES)
@pytest.mark.usefixtures("_no_waiting")
def test_a_decision_is_logged_once_and_counted(world: World, counted: str) -> None:
    SCENES[counted](world)

    what, *more = counted.split()
    lines = world.logs()
    measured = world.metrics()
    # The received line is about the same event as the decision.
    last = more[0] if what == "Received" else what
    if what == "Unauthenticated":
        last = "Refused"
        assert "Refused" not in measured
    assert lines[-1]["message"].replace("-", "") == last.lower()
    assert {what, *more} <= set(measured)
    for decision in ("Received", "Sent", "Queued", "Refused", "Failed", "Suppressed", "Repeated"):
        told = [line for line in lines if line["message"] == decision.lower()]
        counted_apart = len(measured.get("Unauthenticated", [])) if decision == "Refused" else 0
        assert len(measured.get(decision, [])) + counted_apart == len(told)


@pytest.fixture
def emitted(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], set[str]]:
    """All metrics and all fields of log lines, from everything that can happen."""
    # Brands show designs, but the stack doesn't, so that nothing is asked.
    show_designs(monkeypatch)
    world.set(DESIGNS="off")
    for scene in SCENES.values():
        world.set(
            DELIVERY="ses,sqs",
            ANSWER_WITHIN="8",
            MAX_EMAILS_PER_HOUR="0",
            MAX_EMAILS_PER_RECIPIENT_PER_HOUR="0",
            REQUIRE_TOKEN="true",
            EVENT_BUS="",
            LOG_REFUSED_TOKENS="true",
        )
        for message in world.queued():
            world.app("mailer").clients.sqs.delete_message(
                QueueUrl=world.queue_url, ReceiptHandle=message["receiptHandle"]
            )
        if scene is not unusable_secret:
            scene(world)
    # Last, because it breaks the secret; and again with the warning at the start.
    unusable_secret(world)
    world.set(REQUIRE_TOKEN="false")
    world.app("receiver")
    told = {name for line in world.logs() for name in line}
    return set(world.metrics()), told


@pytest.mark.usefixtures("_no_waiting")
def test_everything_that_alarms_dashboard_and_queries_use_is_written(
    emitted: tuple[set[str], set[str]],
) -> None:
    measured, told = emitted
    of_ses = {name for event in ses_events.EVENTS.values() for name in ses_events.logged(event)}

    named = {each.name for each in operations.metrics() if each.namespace == operations.NAMESPACE}
    # This metric comes from API Gateway's log.
    assert named - {"WebhookThrottled"} <= measured
    for name, query in operations.queries().items():
        assert operations.fields(query) <= told | of_ses, name


@pytest.mark.usefixtures("_no_waiting")
def test_every_field_that_the_docs_name_is_written(emitted: tuple[set[str], set[str]]) -> None:
    page = (sam.ROOT / "docs" / "operations.md").read_text()
    table = page.partition("| field | meaning |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", "\n".join(line.split("|")[1] for line in table.splitlines()[2:]))

    assert len(named) == len(set(named))
    # Only where a brand shows designs.
    assert set(named) - {"design"} <= emitted[1]


def test_metrics_are_stored_where_alarms_and_dashboard_look(world: World) -> None:
    for scene in ("Received Sent AgeAtSending TimeToSes", "Postponed Throttled AgeAtPostponing"):
        SCENES[scene](world)

    units: dict[str, str] = {}
    for line in world.output().splitlines():
        about = json.loads(line)
        for directive in about.get("_aws", {}).get("CloudWatchMetrics", []):
            # CloudWatch stores a metric only under these dimensions.
            assert directive["Namespace"] == operations.NAMESPACE
            assert directive["Dimensions"] == [["stack"]]
            assert about["stack"] == "local"
            units |= {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert {name for name, unit in units.items() if unit == "Milliseconds"} == {
        *("AgeAtSending", "TimeToSes", "AgeAtPostponing"),
    }
    assert set(units.values()) == {"Milliseconds", "Count"}


@pytest.mark.usefixtures("_no_waiting")
def test_every_metric_is_shown(emitted: tuple[set[str], set[str]]) -> None:
    measured, _ = emitted

    assert measured <= {each.name for each in operations.of_dashboard()}


def test_every_reason_is_shown() -> None:
    def leaves(kind: type[errors.RoomleMailError]) -> set[str]:
        below = kind.__subclasses__()
        return set().union(*map(leaves, below)) if below else {kind.__name__}

    # A function with invalid settings does not start, which Lambda counts as an error.
    reasons = leaves(errors.RoomleMailError) - {"SettingsInvalid"} | {"Unforeseen"}

    assert reasons <= {each.name for each in operations.of_dashboard()}


def test_no_reason_has_the_name_of_a_decision() -> None:
    names = {name for name, value in vars(errors).items() if isinstance(value, type)}

    assert not names & {counted.split()[0] for counted in SCENES}


def test_a_sent_email_is_logged_with_everything_known_about_it(world: World) -> None:
    world.post(saved(configuratorId="myConfigurator"))

    received, sent = world.logs()
    known = ("event", "configurator", "brand", "recipient", "event_id", "correlation_id")
    assert {name: received[name] for name in known} == {name: sent[name] for name in known}
    assert sent["event"] == "email.savedConfiguration"
    assert sent["configurator"] == "myConfigurator"
    assert (sent["language"], sent["answer"]) == ("en", 200)
    assert sent["correlation_id"] == "request-id-of-a-test"
    assert re.fullmatch(r"[0-9a-f]{32}", sent["recipient"])
    assert re.fullmatch(r"[0-9a-f]{32}", sent["event_id"])
    assert sent["message_id"]
    assert 0 < sent["time_to_ses_ms"] <= sent["duration_ms"]
    assert 0 < sent["time_to_ses_ms"] <= sent["age_ms"] + 1


def test_age_counts_from_the_receipt_and_time_to_ses_from_the_try(world: World) -> None:
    world.set(DELIVERY="sqs")
    world.post()
    (message,) = world.queued()
    body = json.loads(message["body"])
    body["received"] -= 100
    began = time.time()

    world.mail([message | {"body": json.dumps(body)}])

    (sent,) = (line for line in world.logs() if line["message"] == "sent")
    mailing = (time.time() - began) * 1000
    assert sent["age_ms"] >= 100_000
    assert 0 < sent["time_to_ses_ms"] <= mailing + 1
    assert world.metrics()["AgeAtSending"] == [sent["age_ms"]]
    assert world.metrics()["TimeToSes"] == [sent["time_to_ses_ms"]]


def test_an_event_that_was_queued_says_why(world: World) -> None:
    failing("sesv2.SendEmail", THROTTLED)(world)

    line = world.logs()[-1]
    assert (line["message"], line["level"], line["reason"]) == ("queued", "INFO", "Throttled")
    assert line["detail"] == "TooManyRequestsException"


def test_the_tag_that_ses_repeats_is_the_events_id(world: World) -> None:
    world.post()

    (email,) = world.emails()
    tags = {tag["Name"]: tag["Value"] for tag in email["EmailTags"]}
    # SES's page "MessageTag" (API v2).
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,256}", text) for tag in tags.items() for text in tag)
    told = ses_events.logged(ses_events.event("Email Bounced", tags))
    line = world.logs()[-1]
    assert told["event_id"] == line["event_id"]
    assert (told["brand"], told["language"]) == (line["brand"], line["language"])


def test_an_email_costs_the_calculated_work(world: World) -> None:
    world.set(MAX_EMAILS_PER_HOUR="10000")
    world.post(saved(configuratorId="myConfigurator"))
    world.door.requests.clear()
    before = len(world.output())

    world.post(saved(configuratorId="myConfigurator"))

    work = cost.inputs()["work"]
    written = [name for name in world.door.requests if name.startswith("dynamodb.")]
    assert set(written) == {"dynamodb.PutItem", "dynamodb.UpdateItem"}
    assert len(written) == work["table_writes"]
    # In addition to ours: three lines of Lambda, one of API Gateway, and one of SES.
    others = 320 + 420 + len(json.dumps(ses_events.logged(ses_events.EVENTS["Email Delivered"])))
    assert work["log_bytes"] == pytest.approx(len(world.output()) - before + others, rel=0.15)


def test_powertools_variable_for_whole_events_has_no_effect(world: World) -> None:
    world.set(POWERTOOLS_LOGGER_LOG_EVENT="true", DELIVERY="sqs")

    world.post()
    world.mail(world.queued())

    assert [line["message"] for line in world.logs()] == ["received", "queued", "sent"]
    assert "anna.customer" not in world.output()


LINE_SAYS: dict[str, tuple[Scene, dict[str, Any]]] = {
    "a host that isn't listed": (
        post(saved(url="https://shop.evil.example/anna?id=anna@customer.example")),
        {
            "reason": "LinkNotAllowed",
            "fields": ["data.url"],
            "host": "shop.evil.example",
            "problem": "the brand does not list the host",
        },
    ),
    "a short link": (
        post(saved(url="http://rml.co/abc")),
        {"host": "rml.co", "problem": "not a plain https link"},
    ),
    "what is no link": (
        post(saved(url="anna@customer.example is my address")),
        {"host": "(unusual)", "problem": "not a plain https link"},
    ),
    "a host with an address in it": (
        post(saved(url="https://anna@customer.example/")),
        {"host": "customer.example"},
    ),
    "an asset's host": (
        post(saved(event="email.3DExportAsset", resultUrl="https://evil.example/a.glb")),
        {"fields": ["data.resultUrl"], "host": "evil.example"},
    ),
    "a kind without a template": (
        post(saved(event="email.new")),
        {"reason": "NoTemplate", "event": "email.new"},
    ),
    "an event without an email": (
        post({"event": "order.created", "data": {}}),
        {"message": "ignored", "event": "order.created"},
    ),
    "an event with a name like an address": (
        post({"event": "anna@customer.example"}),
        {"message": "ignored", "event": "(unusual)"},
    ),
    "an algorithm": (
        post(algorithm="02"),
        {"reason": "TokenAlgorithmNotAllowed", "algorithm": "02", "hint": "TokenAlgorithms"},
    ),
    "a foreign message": (
        mailing(spoil=lambda body: body.clear()),
        {"message": "dead-lettered", "reason": "BodyMalformed"},
    ),
}


@pytest.mark.parametrize("case", LINE_SAYS)
def test_a_line_says_what_is_needed_to_act(world: World, case: str) -> None:
    scene, said = LINE_SAYS[case]
    scene(world)

    line = world.logs()[-1]
    assert {name: line.get(name) for name in said} == said
    assert "anna" not in json.dumps(world.logs())
    if line["message"] == "dead-lettered":
        assert re.fullmatch(r"[\w-]{36}", line["sqs_message_id"])
