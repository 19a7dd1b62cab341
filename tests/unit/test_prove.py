"""What `roomle-mail prove` asks, concludes and reports, without a stack."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail.tokens import Credential
from roomle_mail_cli import (
    causes,
    diagnosis,
    limits,
    lines,
    observation,
    plan,
    posting,
    proof,
    sign,
    steps,
)
from roomle_mail_cli.commands import send
from roomle_mail_cli.deployment import Deployment, aws_errors
from roomle_mail_cli.screen import CliError, Exit
from tests import operations
from tests.receiver_environment import RECEIVER_ENVIRONMENT
from tests.unit import cloudformation
from tools import cost

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
FIXED_ID = "0f" * 16


def deployment() -> Deployment:
    return Deployment("roomle-mail", boto3.Session(region_name="eu-central-1"))


def run(**more: Any) -> proof.Proof:
    made = proof.Proof(
        deployment(), None, proof.Example(), ends=time.monotonic() + 1, began=NOW, **more
    )
    vars(made.deployment)["environment"] = dict(RECEIVER_ENVIRONMENT)
    return made


# --- the report -------------------------------------------------------------------------------


@given(
    st.text(max_size=60),
    st.from_regex(r"[a-z0-9.+]{1,20}@[a-z0-9-]{1,20}\.[a-z]{2,6}", fullmatch=True),
    st.from_regex(r"https?://[a-z]{1,9}\.example/[a-zA-Z0-9?=&/]{0,30}", fullmatch=True),
    st.from_regex(r"[0-9]{12}", fullmatch=True),
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40),
)
def test_a_report_has_no_address_link_account_token_or_secret(
    said: str, address: str, link: str, account: str, secret: str
) -> None:
    token = sign.make_token(now=NOW, api_key="key", secret="example-secret-0", session=secret)
    arn = f"arn:aws:sqs:eu-central-1:{account}:queue"
    text = f"{said} {address} <{address}> {link} {arn} '{token}' {secret}"

    redacted = proof.redact(text, {secret})

    for hidden in (address, link, f":{account}:", token, f" {secret}"):
        assert hidden not in redacted


def test_a_report_keeps_commands_and_names_of_resources() -> None:
    made = causes.revert_drift(deployment())
    assert proof.redact(made, {""}) == made
    name = "roomle-mail-SendOutcomeUnknownAlarm-ABCDEFGHIJKL"
    assert proof.redact(name, set()) == name


@pytest.mark.parametrize(
    ("api_key", "text", "told"),
    [
        ("shopKey", "the secret of 'shopKey' is short", "the secret of 'API_KEY' is short"),
        ("shopKey", "roomle-mail secret set shopKey --stack s", "roomle-mail secret set API_KEY"),
        ("a b", "roomle-mail secret set 'a b'", "roomle-mail secret set 'API_KEY'"),
        ("a", "a stack", "API_KEY stack"),
        ("mail", "roomle-mail doctor", "roomle-mail doctor"),
        ("", "roomle-mail doctor", "roomle-mail doctor"),
    ],
)
def test_an_api_key_in_a_report_is_a_word_of_a_command(api_key: str, text: str, told: str) -> None:
    assert proof.redact(text, set(), [api_key]).startswith(told)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([proof.proved("a", "-"), proof.not_tried("b", "-")], Exit.FINE),
        ([proof.proved("a", "-"), proof.limited("b", limits.METRICS)], Exit.FINE),
        ([proof.Result("a", "not tried", "-", unable=True)], Exit.UNREACHABLE),
        ([proof.Result("a", "not tried", "-", unable=True), proof.failed("b", "-")], Exit.NOT_FINE),
        ([proof.failed("a", "-"), proof.Result("stopped", "failed", "-")], Exit.INTERRUPTED),
    ],
)
def test_the_exit_code_tells_failed_from_unable(results: list[proof.Result], code: Exit) -> None:
    assert proof.status(results) == code


def raised(error: Exception) -> CliError:
    with pytest.raises(CliError) as caught, aws_errors():
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("code", "state", "unable"),
    [
        ("AccessDeniedException", "not tried", True),
        ("ExpiredToken", "not tried", True),
        ("ExpiredTokenException", "not tried", True),
        ("UnrecognizedClientException", "not tried", True),
        ("InvalidClientTokenId", "not tried", True),
        ("SignatureDoesNotMatch", "not tried", True),
        ("ThrottlingException", "not tried", True),
        ("ResourceNotFoundException", "failed", False),
        ("ValidationException", "failed", False),
    ],
)
def test_a_call_that_aws_does_not_allow_is_not_a_failure_of_the_stack(
    monkeypatch: pytest.MonkeyPatch, code: str, state: str, unable: bool
) -> None:
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    err = raised(ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeIt"))
    found = proof.of_error(run(), "step", err)
    assert (found.state, found.unable) == (state, unable)
    assert found.state != "failed" or (found.cause and found.fix)


def test_an_unreachable_aws_is_not_a_failure_of_the_stack() -> None:
    err = raised(EndpointConnectionError(endpoint_url="https://sqs.invalid"))
    assert proof.of_error(run(), "step", err).unable


def test_everything_is_undone_even_after_failures() -> None:
    undone: list[str] = []

    def stubborn() -> None:
        raise CliError("AWS does not let it")

    def step(made: proof.Proof) -> Any:
        made.finally_do("one", lambda: undone.append("one"))
        made.finally_do("two", stubborn)
        made.finally_do("three", lambda: undone.append("three"))
        yield proof.proved("step", "-")
        raise KeyboardInterrupt

    found = proof.run(run(), {"step": step, "never": step}, lambda _: None)

    assert undone == ["three", "one"]
    assert [(each.name, each.state) for each in found] == [
        ("step", "proved"), ("never", "not tried"), ("stopped", "failed"), ("clean up", "failed"),
    ]  # fmt: skip
    assert "two" in next(each.found for each in found if each.name == "clean up")


# --- the emulator's limits --------------------------------------------------------------------


def test_the_page_lists_the_limits_of_the_emulator() -> None:
    between = r"<!-- limits of the emulator -->\n(.*?)<!-- end -->"
    (listed,) = re.findall(between, cost.PAGE.read_text(), re.DOTALL)
    assert listed == limits.as_markdown()


def test_what_the_template_leaves_out_locally_is_among_the_limits() -> None:
    on_aws = cloudformation.Stack(LocalStack="false").resources
    local = cloudformation.Stack(LocalStack="true").resources
    assert {name for limit in limits.LIMITS for name in limit.resources} == set(on_aws) - set(local)


def test_each_limit_has_a_unique_name() -> None:
    assert len({limit.name for limit in limits.LIMITS}) == len(limits.LIMITS)


# --- the dashboard ----------------------------------------------------------------------------


def test_every_metric_of_the_dashboard_is_asked_for() -> None:
    widgets = [w["properties"] for w in operations.dashboard()["widgets"] if w["type"] == "metric"]
    asked = [observation.metric_queries(each) for each in widgets]

    found = [
        (m["Namespace"], m["MetricName"], tuple((d["Name"], d["Value"]) for d in m["Dimensions"]))
        for queries in asked
        for each in queries
        if "MetricStat" in each
        for m in [each["MetricStat"]["Metric"]]
    ]
    assert found == [(m.namespace, m.name, m.dimensions) for m in operations.of_dashboard()]
    for queries in asked:
        ids = [each["Id"] for each in queries]
        assert len(set(ids)) == len(ids)
        # CloudWatch's page "MetricDataQuery".
        assert all(re.fullmatch(r"[a-z][a-zA-Z0-9_]*", each) for each in ids)
        for each in queries:
            named = set(re.findall(r"[a-z]\w*", each.get("Expression", "")))
            assert named <= set(ids)


def test_a_widget_may_say_as_above() -> None:
    widget = {
        "stat": "Sum",
        "metrics": [["A/B", "One", "stack", "s"], [".", "Two", ".", "."], ["...", "t"]],
    }
    found = [each["MetricStat"]["Metric"] for each in observation.metric_queries(widget)]
    assert [(m["Namespace"], m["MetricName"], m["Dimensions"][0]["Value"]) for m in found] == [
        ("A/B", "One", "s"), ("A/B", "Two", "s"), ("A/B", "Two", "t"),
    ]  # fmt: skip


# --- saved queries ----------------------------------------------------------------------------

SENT: dict[str, Any] = {
    "service": "receiver", "message": "sent", "event": "email.savedConfiguration",
    "brand": "default", "language": "en", "answer": 200, "event_id": FIXED_ID, "message_id": "m",
    "recipient": "0" * 32, "correlation_id": "c", "duration_ms": 1.0, "age_ms": 2.0,
    "time_to_ses_ms": 1.0, "published_id": "p",
}  # fmt: skip
GIVEN_UP = SENT | {"service": "mailer", "message": "dead-lettered", "reason": "NoTemplate",
                   "receives": 1}  # fmt: skip
BOUNCED: dict[str, Any] = {
    "service": "ses", "message": "Email Bounced", "event_id": FIXED_ID, "message_id": "m",
    "brand": "default", "language": "en", "template": "saved", "bounce_type": "Permanent",
    "bounce_sub_type": "General", "bounce_status": "5.1.1", "complaint_type": "abuse",
    "delay_type": "", "reject_reason": "",
}  # fmt: skip
LINES = [SENT, GIVEN_UP, BOUNCED]


class Insights:
    """A stand-in for Logs Insights: rows have the displayed fields that are not empty."""

    def __init__(self, definitions: list[dict[str, Any]]) -> None:
        self.definitions = definitions
        self.asked: list[str] = []

    def describe_query_definitions(self, **_: Any) -> dict[str, Any]:
        return {"queryDefinitions": self.definitions}

    def start_query(self, *, queryString: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.asked.append(queryString)
        return {"queryId": str(len(self.asked) - 1)}

    def get_query_results(self, *, queryId: str) -> dict[str, Any]:  # noqa: N803
        query = self.asked[int(queryId)]
        shown, made = observation.named_fields(query)
        rows = [
            [
                {"field": name, "value": str(value)}
                for name, value in {
                    **line, "@timestamp": "-", "@message": json.dumps(line),
                    **dict.fromkeys(made, 1),
                }.items()
                if name in shown | made and value not in ("", None)
            ]
            for line in LINES
        ]  # fmt: skip
        return {"status": "Complete", "results": rows}


def asked(*changes: tuple[str, str]) -> list[proof.Result]:
    """The results of the template's saved queries, some of them changed."""
    found = operations.stack().of_type("AWS::Logs::QueryDefinition")
    definitions = []
    for name, resource in found.items():
        text = resource["Properties"]["QueryString"]
        for old, new in changes:
            text = text.replace(old, new)
        definitions.append(
            {"queryDefinitionId": name, "name": resource["Properties"]["Name"],
             "queryString": text, "logGroupNames": ["group"]}
        )  # fmt: skip
    made = run()
    made.posted = [
        proof.Posted(
            "savedConfiguration", "success", "token", b"", FIXED_ID, None,
            [lines.Line(NOW, line["service"], line["message"], line) for line in LINES],
        )
    ]  # fmt: skip
    vars(made.deployment)["resources"] = {
        name: ("AWS::Logs::QueryDefinition", name) for name in found
    }
    vars(made.deployment)["_clients"] = {"logs": Insights(definitions)}
    return list(observation.prove_queries(made))


def test_every_saved_query_is_proved_where_the_log_has_its_fields() -> None:
    found = asked()
    assert [each.state for each in found] == ["proved"] * len(found)
    assert len(found) == len(operations.stack().of_type("AWS::Logs::QueryDefinition"))


def test_the_fields_that_a_proof_knows_are_those_of_the_queries() -> None:
    saved = [q for name, q in operations.queries().items() if not name.startswith("dashboard")]
    shown = [observation.named_fields(each)[0] for each in saved]
    named = {name for each in shown for name in each if not name.startswith("@")}
    assert named == observation.FIELDS


@pytest.mark.parametrize("wrong", ["event_id", "bounce_type", "duration_ms", "brand"])
def test_a_query_that_names_a_field_wrongly_fails(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    found = [x for x in asked((wrong, f"{wrong}z")) if x.state == "failed"]
    assert found
    assert all(f"{wrong}z" in each.found and each.fix for each in found)


def test_the_lines_behind_a_query_are_asked_for_with_its_own_filter() -> None:
    query = '# a hint\nfilter message = "sent"\n| stats count(*) as n by brand\n| sort n desc'
    assert observation.raw(query) == 'filter message = "sent"\n| display @message\n| limit 1000'
    assert observation.named_fields(query) == ({"brand"}, {"n"})


# --- causes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "SecretUnusable", "QuotaUsedUp", "HourlyCapReached", "Throttled", "TimeRunningOut",
        "LinkNotAllowed", "BrandNotAllowed", "NoTemplate", "InvalidEvent", "CallRefused",
        "EmailRefused", "Unreachable", "OutcomeUnknown", "SendOutcomeUnknown",
        "QueueOutcomeUnknown", "TokenUnverified", "Unforeseen", "SomethingNew",
    ],
)  # fmt: skip
def test_each_reason_in_the_log_has_a_cause_and_a_command(
    monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    found = diagnosis.of_line(deployment(), {"reason": reason, "detail": "ADetail"})
    assert found is not None
    assert found.fix
    assert "ADetail" in found.why


def test_a_line_without_a_reason_names_no_cause() -> None:
    assert diagnosis.of_line(deployment(), {"message": "sent"}) is None


@pytest.mark.parametrize("physical", ["arn:aws:secretsmanager:r:1:secret:ours-a1", "ours-a1"])
@pytest.mark.parametrize(("named", "holds"), [("ours-a1", True), ("theirs-b2", False)])
def test_a_variable_that_names_another_secret_is_not_the_templates(
    physical: str, named: str, *, holds: bool
) -> None:
    known = deployment()
    vars(known)["resources"] = {"Secret": ("AWS::SecretsManager::Secret", physical)}
    wanted = {"Fn::GetAtt": ["Secret", "Id"]}

    found = causes._holds(known, wanted, f"arn:aws:secretsmanager:r:1:secret:{named}")

    assert (found, causes._holds(known, wanted, None)) == (holds, False)


def test_a_404_means_that_api_gateway_has_no_such_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    made = run()
    answer = posting.Answer(404, '{"message":"Not Found"}', 0.1, None)

    found = steps._cause(made, proof.Posted("x", "success", "", b"", FIXED_ID, answer))

    assert found is not None
    assert "the route POST /webhook was deleted" in found.why
    assert "REVERT_DRIFT" in found.fix


FROM_API_GATEWAY = {
    404: '{"message":"Not Found"}',
    403: '{"message":"Forbidden"}',
    401: '{"message":"Unauthorized"}',
    429: '{"message":"Too Many Requests"}',
}
FROM_OTHERS = {
    401: '{"status":"refused","code":"unauthorized"}',
    404: '{"status":"refused","code":"unknown"}',
    # The receiver may have run, and was stopped.
    500: '{"message":"Internal Server Error"}',
    503: '{"message":"Service Unavailable"}',
}


class Waited(Exception):
    pass


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> proof.Proof:
    """A proof with a credential, an empty log and a webhook; waiting raises Waited."""

    def wait(_: float) -> None:
        raise Waited

    monkeypatch.setattr(time, "sleep", wait)
    monkeypatch.setattr(lines, "search", lambda *_, **__: [])
    monkeypatch.setattr(diagnosis, "broken", lambda _: None)
    made = run()
    made.credential = Credential("exampleKeyForTests", b"example-secret-0")
    vars(made.deployment)["outputs"] = {"WebhookUrl": "https://webhook.example/webhook"}
    vars(made.deployment)["environment"]["EVENT_BUS"] = "default"
    return made


def tried(made: proof.Proof, answer: posting.Answer, step: str) -> list[proof.Result]:
    """What a step concludes where the webhook always answers so."""
    made.posted = [proof.Posted("x", "success", "", b"", FIXED_ID, answer)]
    if step == "events":
        steps._follow(made)
        return [steps._of_kind(made, "x")]
    return list(getattr(steps, f"prove_{step}")(made))


@pytest.mark.parametrize("status", FROM_API_GATEWAY)
@pytest.mark.parametrize("step", ["events", "event_bus", "refusals"])
def test_nothing_is_waited_for_after_an_answer_of_api_gateways_own(
    monkeypatch: pytest.MonkeyPatch, impatient: proof.Proof, status: int, step: str
) -> None:
    answer = posting.Answer(status, FROM_API_GATEWAY[status], 0.1, None)
    monkeypatch.setattr(posting, "post", lambda _: answer)

    found = tried(impatient, answer, step)

    assert {each.state for each in found} <= {"failed", "not tried"}
    assert send.wait_for(impatient.deployment, answer, "", b"", NOW, 60) == []


@pytest.mark.parametrize("status", FROM_OTHERS)
def test_the_log_is_waited_for_where_the_receiver_may_have_run(
    impatient: proof.Proof, status: int
) -> None:
    answer = posting.Answer(status, FROM_OTHERS[status], 0.1, None)
    with pytest.raises(Waited):
        tried(impatient, answer, "events")


def test_an_accepted_event_follows_what_a_proof_has_refused() -> None:
    """So that the doctor, which reads the log of an hour, takes these refusals as over."""
    order = list(plan.STEPS)
    assert order.index("repeat") > max(map(order.index, ("refusals", "dead letter")))


def test_events_go_to_the_simulator_with_unique_labels() -> None:
    made = run()
    addresses = {made.address(mailbox, kind) for mailbox in steps.MAILBOXES for kind in "ab"}
    assert len(addresses) == len(steps.MAILBOXES) * 2
    # SES's page "Using the mailbox simulator".
    assert all(re.fullmatch(r"(success|bounce|complaint)\+[a-z0-9]+@simulator\.amazonses\.com", x)
               for x in addresses)  # fmt: skip


def test_tokens_are_of_the_form_that_the_deployment_accepts() -> None:
    settings: Any = SimpleNamespace(token_algorithms=frozenset({"02"}), token_iv="fixed")
    assert posting.accepted_form(settings) == {"algorithm": "02", "iv": "zero"}
    settings = SimpleNamespace(token_algorithms=frozenset({"01", "02"}), token_iv="prefix")
    assert posting.accepted_form(settings) == {"algorithm": "01", "iv": "prefix"}


# --- the design -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "design", "state", "found"),
    [
        ((), None, "not tried", "no email was sent"),
        ((None,), None, "not tried", "show no designs"),
        (("shown: picture, name, size",), None, "proved", "shown: picture, name, size"),
        (("without: unknown id",), None, "not tried", "give --design ID"),
        (("without: unknown id",), "a:b:1", "warn", "without: unknown id"),
        (("without: late", "without: outage"), None, "warn", "without: late; without: outage"),
        (("shown: picture; without: refused",), "a:b:1", "warn", "shown: picture; without"),
    ],
)
def test_what_emails_lack_of_a_design_is_never_a_failure(
    told: tuple[str | None, ...], design: str | None, state: str, found: str
) -> None:
    made = run()
    made.example = proof.Example(design=design)
    for each in told:
        facts = {"message": "sent", "event_id": FIXED_ID} | ({"design": each} if each else {})
        line = lines.Line(NOW, "receiver", "sent", facts)
        made.posted.append(
            proof.Posted("savedConfiguration", "success", "", b"", FIXED_ID, lines=[line])
        )

    [result] = steps.prove_design(made)

    assert (result.state, proof.status([result])) == (state, Exit.FINE)
    assert found in result.found
    assert bool(result.fix) == (state == "warn")


def test_designs_that_are_switched_off_are_not_tried() -> None:
    made = run()
    vars(made.deployment)["environment"]["DESIGNS"] = "off"
    assert [each.found for each in steps.prove_design(made)] == ["because Designs=off"]
