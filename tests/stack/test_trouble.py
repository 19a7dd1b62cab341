"""For every alarm of the runbook: the trouble is made once, and two commands say what it is.

`roomle-mail doctor` looks at everything, and `roomle-mail why ALARM` at what the alarm is about.
The emulator measures nothing itself (roomle_mail_cli/limits.py), so what only a metric shows is
handed to it as a metric.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from tests import operations
from tests.command_line import CommandLine
from tests.stack import troubles
from tests.stack.troubles import Trouble
from tools.stack import deployment
from tools.stack.local import MAILER, RECEIVER, LocalStack

type Told = tuple[str, str]
"""A cause, and the remedy that is told with it."""


@dataclass(frozen=True)
class Case:
    """An alarm, what makes it go off, and what the two commands have to say about it.

    `why` may have no more to say than what the alarm means. Some of them are an outage by
    themselves, whatever the alarms say.
    """

    alarm: str
    make: Trouble
    doctor: Told
    why: Told | None = None
    outage: bool = False

    def __str__(self) -> str:
        return f"{self.alarm}: {self.doctor[0]}"


@pytest.fixture(scope="module")
def own_stack() -> Iterator[LocalStack]:
    """A stack of its own: what these tests leave in metrics would worry others."""
    with deployment.running(port=0) as deployed:
        stack = LocalStack(deployed)
        yield stack
        troubles.forget(stack)


@pytest.fixture
def stack(own_stack: LocalStack) -> LocalStack:
    """That stack, without what happened in earlier tests."""
    assert own_stack.warm_up()
    troubles.forget(own_stack)
    return own_stack


DRIFT = "--deployment-mode REVERT_DRIFT"
STATUS = "https://health.aws.amazon.com"
REDRIVE = "roomle-mail dead-letters redrive --all"
NO_CONCURRENCY = "{0} is throttled to nothing: its reserved concurrency is 0"
ALLOW_CONCURRENCY = "aws lambda delete-function-concurrency --function-name {{{0}}}"
BY_HAND = "{0} was changed by hand: Layers"
WRONG = "{0} can't start: its environment variable {1} has a wrong value"
THROTTLES = ("AWS/Lambda", "Throttles", 7)


CASES = [
    Case("DeadLettersAlarm", troubles.dead_letter, ("EmailRefused", REDRIVE),
         ("unknown to SES", "create-email-identity"), outage=True),
    Case("DeadLettersAlarm", troubles.many_dead_letters, ("50 emails could not be sent", REDRIVE),
         ("tried for six hours", "roomle-mail logs --message postponed"), outage=True),
    Case("DeadLettersAlarm", troubles.without_dead_letter_queue,
         ("it has no dead-letter queue", DRIFT), outage=True),
    Case("RefusalsAlarm", troubles.alarm_deleted,
         ("deleted by hand: roomle-mail-RefusalsAlarm-", DRIFT), outage=True),
    Case("RefusalsAlarm", troubles.refused_often,
         ("refused TokenUnverified", "If you changed the secret here, enter the same at Roomle"),
         ("Roomle has another secret", "roomle-mail verify"), outage=True),
    Case("SilenceAlarm", troubles.route_deleted, ("answers 404", "Its route was deleted: aws"),
         ("No event came", "roomle-mail send savedConfiguration"), outage=True),
    Case("SilenceAlarm", troubles.other_header,
         ("The token is not in the header that TokenHeader names", "TokenHeader=NAME"),
         ("The token is not in the header that TokenHeader names", "TokenHeader=NAME"),
         outage=True),
    Case("OldestMessageAlarm", troubles.trigger_off,
         ("switched off (Disabled)",
          "aws lambda update-event-source-mapping --enabled --uuid {MailerFunctionQueue}"),
         ("nothing leaves the queue",
          "aws lambda update-event-source-mapping --enabled --uuid {MailerFunctionQueue}"),
         outage=True),
    *(Case(f"{name}ErrorsAlarm", troubles.without_layers(function),
           (BY_HAND.format(function), DRIFT), (BY_HAND.format(function), DRIFT), outage=True)
      for name, function in (("Mailer", MAILER), ("Receiver", RECEIVER))),
    Case("MailerErrorsAlarm", troubles.variables(MAILER, TOKEN_IV="neither"),
         (WRONG.format(MAILER, "TOKEN_IV"), DRIFT), (WRONG.format(MAILER, "TOKEN_IV"), DRIFT),
         outage=True),
    Case("ReceiverErrorsAlarm", troubles.variables(RECEIVER, DELIVERY="nonsense"),
         (WRONG.format(RECEIVER, "DELIVERY"), DRIFT), (WRONG.format(RECEIVER, "DELIVERY"), DRIFT),
         outage=True),
    Case("ReceiverErrorsAlarm", troubles.timed_out, ("Task timed out", "MemorySize=2048"),
         ("Task timed out after 3.00 seconds", "sam deploy"), outage=True),
    *(Case(f"{name}ThrottlesAlarm", troubles.without_concurrency(function),
           (NO_CONCURRENCY.format(function), ALLOW_CONCURRENCY.format(function)),
           (NO_CONCURRENCY.format(function), ALLOW_CONCURRENCY.format(function)), outage=True)
      for name, function in (("Mailer", MAILER), ("Receiver", RECEIVER))),
    Case("MailerThrottlesAlarm", troubles.measured(*THROTTLES, FunctionName=MAILER),
         ("no capacity for the mailer", "MailerConcurrency"),
         ("The account's limit for Lambda is used up", "MailerConcurrency=1")),
    Case("ReceiverThrottlesAlarm", troubles.measured(*THROTTLES, FunctionName=RECEIVER),
         ("no capacity for the receiver", "Service Quotas"),
         ("than the account's limit for Lambda allows", "Service Quotas")),
    Case("StillWaitingAlarm", troubles.still_waiting, ("postponed Throttled", "Service Quotas"),
         ("Throttled", "Service Quotas")),
    Case("ServerErrorsAlarm", troubles.unanswered(troubles.secret_deleted),
         ("the secret was deleted; it can be restored",
          "aws secretsmanager restore-secret --secret-id roomle-mail-Secret-"),
         ("the secret was deleted; it can be restored",
          "aws secretsmanager restore-secret --secret-id roomle-mail-Secret-"), outage=True),
    Case("ServerErrorsAlarm", troubles.unanswered(troubles.secret_unusable),
         ("16, 24 or 32", "roomle-mail secret set"), ("secret", "roomle-mail secret set"),
         outage=True),
    Case("ThrottledAlarm", troubles.throttled, ("queued Throttled", "Service Quotas"),
         ("more emails per second", "MaxSendRate")),
    Case("QuotaUsedUpAlarm", troubles.quota_used_up,
         ("SES's quota for 24 hours is used up", "Service Quotas"),
         ("24 hours is used up", "SendQuota")),
    Case("TokenReplayedAlarm", troubles.replayed,
         ("The token came before with another body", "TokenReuse=allow"),
         ("with another body", "TokenReuse=allow")),
    Case("SendOutcomeUnknownAlarm", troubles.answer_of_ses_lost,
         ("SES's answer was lost", STATUS), ("may get two", "status page")),
    Case("QueueOutcomeUnknownAlarm", troubles.answer_of_sqs_lost,
         ("SQS's answer was lost", STATUS), ("was withdrawn", "status page")),
    Case("UnpublishedAlarm", troubles.bus_not_allowed,
         ("could not publish", "The other checks here"),
         ("could not publish CallRefused", "roomle-mail doctor")),
    Case("UnforeseenAlarm", troubles.unforeseen, ("KeyError", "report it"),
         ("KeyError", "report it")),
    Case("WebhookThrottlesAlarm",
         troubles.measured("RoomleMail", "WebhookThrottled", 9, stack="roomle-mail"),
         ("9 requests in the last hour were over ThrottleRate",
          "ThrottleRate=100 ThrottleBurst=200"),
         ("than ThrottleRate and ThrottleBurst allow", "ThrottleRate=100 ThrottleBurst=200")),
    Case("BounceRateAlarm", troubles.measured("AWS/SES", "Reputation.BounceRate", 0.06),
         ("6.0% of this account's emails bounce", "MaxEmailsPerHour"),
         ("6.0% of this account's emails bounce", "MaxEmailsPerHour"), outage=True),
    Case("ComplaintRateAlarm", troubles.measured("AWS/SES", "Reputation.ComplaintRate", 0.002),
         ("0.20% of this account's emails are marked as spam", "MaxEmailsPerHour"),
         ("0.20% of this account's emails are marked as spam", "MaxEmailsPerHour"), outage=True),
]  # fmt: skip
# The quota is AWS's answer to one call: tests/aws/test_cli.py has it.
ELSEWHERE = {"SesQuotaAlarm"}


def test_no_alarm_is_left_out() -> None:
    assert {case.alarm for case in CASES} | ELSEWHERE == set(operations.alarms())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_commands_say_cause_and_remedy(
    cli: CommandLine, stack: LocalStack, recipient: str, case: Case
) -> None:
    began = datetime.now(UTC).isoformat()
    with case.make(stack, recipient):
        explained = cli("why", case.alarm, "--since", began)
        examined = cli("doctor", "--json")

    names = {
        name: stack.deployed.physical_id(name) for name in ("MailerFunctionQueue", MAILER, RECEIVER)
    }
    cause, remedy = case.doctor
    found = [each for each in examined.json["checks"] if cause in each["found"]]
    assert found, examined.out
    assert any(remedy.format(**names) in each["advice"] for each in found), found
    states = {each["state"] for each in found}
    # The log may tell of it too, as over.
    assert "fail" in states if case.outage else states <= {"warn", "fail"}
    assert examined.code == ("fail" in states)

    assert explained.code == 0
    if case.why:
        cause, remedy = case.why
        told = [each.partition("\n-> ") for each in explained.out.split("\n\n")]
        assert any(cause in each and remedy.format(**names) in rest for each, _, rest in told), (
            explained.out
        )
    assert explained.out.strip()
    assert "customer.example" not in examined.out + explained.out


def test_people_read_the_worst_last(cli: CommandLine, stack: LocalStack, recipient: str) -> None:
    with troubles.trigger_off(stack, recipient):
        lines = cli("doctor").out.splitlines()

    states = [line.split()[0] for line in lines[:-2] if not line.startswith(" ")]
    assert states == sorted(states, key=["ok", "skip", "info", "warn", "fail"].index)
    assert states[-1] == "fail"


def test_what_was_deleted_is_named(cli: CommandLine, stack: LocalStack, recipient: str) -> None:
    with troubles.dashboard_deleted(stack, recipient):
        result = cli("doctor", "--json")

    [told] = [each for each in result.json["checks"] if each["name"] == "resources"]
    assert (told["state"], told["found"]) == ("fail", "Dashboard was deleted")
    assert "REVERT_DRIFT" in told["advice"]
