"""What `doctor` says about senders: identities, IAM, sandbox recipients, MAIL FROM, DMARC."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest
from botocore.exceptions import ClientError

from roomle_mail_cli import doctor, project, records, senders
from roomle_mail_cli.checks import Check
from roomle_mail_cli.deployment import Deployment
from roomle_mail_cli.records import Dns, DnsUnavailableError

DOMAIN, SENDER = "brand.example", "hello@brand.example"
VERIFIED = {"VerifiedForSendingStatus": True, "VerificationStatus": "SUCCESS"}
SIGNED = {"DkimAttributes": {"SigningEnabled": True, "Status": "SUCCESS"}}


class Ses:
    """SES with some identities."""

    def __init__(self, identities: dict[str, dict[str, Any]], *, sandbox: bool = False) -> None:
        self.identities = identities
        self.sandbox = sandbox

    def get_account(self) -> dict[str, Any]:
        return {"ProductionAccessEnabled": not self.sandbox}

    def get_email_identity(self, *, EmailIdentity: str) -> dict[str, Any]:  # noqa: N803
        try:
            return self.identities[EmailIdentity]
        except KeyError:
            error = {"Error": {"Code": "NotFoundException", "Message": "no"}}
            raise ClientError(error, "GetEmailIdentity") from None  # type: ignore[arg-type]

    def list_email_identities(self, *, PageSize: int, NextToken: str = "0") -> dict[str, Any]:  # noqa: ARG002, N803
        """One identity per page, so that the following pages count too."""
        place = int(NextToken)
        name, found = list(self.identities.items())[place]
        more = {"NextToken": str(place + 1)} if place + 1 < len(self.identities) else {}
        return {
            "EmailIdentities": [
                {
                    "IdentityName": name,
                    "IdentityType": "EMAIL_ADDRESS" if "@" in name else "DOMAIN",
                    "SendingEnabled": found.get("VerifiedForSendingStatus", False),
                }
            ]
        } | more


class FakeDns:
    """A DNS with only these records."""

    def __init__(self, **records: dict[str, list[str]]) -> None:
        self.records = records

    def knows(self, name: str) -> bool:
        return bool(name)

    def txt(self, name: str) -> list[str]:
        return self.records.get("txt", {}).get(name, [])

    def mx(self, name: str) -> list[str]:
        return self.records.get("mx", {}).get(name, [])


class NoDns:
    """A DNS that does not answer."""

    def knows(self, name: str) -> bool:
        raise DnsUnavailableError(f"no answer for {name}")

    def txt(self, name: str) -> list[str]:
        raise DnsUnavailableError(f"no answer for {name}")

    mx = txt


type Ask = Callable[..., list[Check]]


@pytest.fixture
def ask(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Run one check of a deployment with these senders, identities and SenderIdentities."""

    def asked(
        check: str,
        *,
        known: dict[str, dict[str, Any]],
        permitted: str = DOMAIN,
        sent_as: tuple[str, ...] = (SENDER,),
        sandbox: bool = False,
        dns: Any = None,
    ) -> list[Check]:
        monkeypatch.setattr(project, "senders", lambda: set(sent_as))
        vars(deployment)["parameters"] = {"SenderIdentities": permitted}
        vars(deployment)["_clients"] = {"sesv2": Ses(known, sandbox=sandbox)}
        if dns is not None:
            return list(senders.check_domains(deployment, dns))
        return doctor.make(check, doctor.checks()[check], deployment)

    return asked


# --- what IAM is asked for --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "known", "permitted", "state"),
    [
        # The domain covers its addresses.
        (SENDER, [DOMAIN], DOMAIN, "ok"),
        # If an address is an identity, IAM checks it.
        (SENDER, [DOMAIN, SENDER], DOMAIN, "fail"),
        (SENDER, [SENDER], DOMAIN, "fail"),
        (SENDER, [DOMAIN, SENDER], f"{DOMAIN},{SENDER}", "ok"),
        (SENDER, [SENDER], SENDER, "ok"),
        # Naming an address that is not an identity allows nothing: IAM checks the domain.
        (SENDER, [DOMAIN], SENDER, "fail"),
        # Other identities don't matter.
        (SENDER, [DOMAIN, "other@brand.example"], DOMAIN, "ok"),
        # An address with a label belongs to the one without it.
        ("hello+shop@brand.example", [DOMAIN, SENDER], DOMAIN, "fail"),
        ("hello+shop@brand.example", [DOMAIN, SENDER], f"{DOMAIN},{SENDER}", "ok"),
        # A domain covers its subdomains, unless one is an identity.
        ("hello@mail.brand.example", [DOMAIN], DOMAIN, "ok"),
        ("hello@mail.brand.example", [DOMAIN, "mail.brand.example"], DOMAIN, "fail"),
        ("hello@mail.brand.example", [DOMAIN, "mail.brand.example"], "mail.brand.example", "ok"),
        # Not covered: every email would be refused.
        (SENDER, [], "other.example", "fail"),
        (SENDER, ["other.example"], "other.example", "fail"),
        ("hello@notbrand.example", [DOMAIN], DOMAIN, "fail"),
        # Named, but not in SES yet: the identity's own check fails.
        (SENDER, [], DOMAIN, "ok"),
    ],
)
def test_a_sender_needs_its_most_specific_identity_in_sender_identities(
    ask: Ask, sender: str, known: list[str], permitted: str, state: str
) -> None:
    found = ask(
        "senders", known=dict.fromkeys(known, VERIFIED), permitted=permitted, sent_as=(sender,)
    )

    assert [each.state for each in found] == [state]
    assert bool(found[0].advice) == (state == "fail")
    assert state == "ok" or sender in found[0].found


def test_every_sender_that_is_not_covered_is_reported_with_the_fix_for_all(ask: Ask) -> None:
    found = ask(
        "senders",
        known=dict.fromkeys([DOMAIN, SENDER, "studio@brand.example"], VERIFIED),
        sent_as=(SENDER, "studio@brand.example", "third@brand.example"),
    )

    assert [each.state for each in found] == ["fail", "fail"]
    assert f"SenderIdentities={DOMAIN},{SENDER},studio@brand.example" in found[-1].advice


@pytest.mark.parametrize(
    ("sandbox", "permitted", "states"),
    [
        (True, DOMAIN, ["fail", "info"]),
        (True, f"{DOMAIN},tester@home.example", ["ok", "info"]),
        (True, f"{DOMAIN},tester@home.example,elsewhere.example", ["ok"]),
        (False, DOMAIN, []),
    ],
)
def test_in_the_sandbox_verified_recipients_must_be_in_sender_identities(
    ask: Ask, sandbox: bool, permitted: str, states: list[str]
) -> None:
    known: dict[str, Any] = {
        DOMAIN: VERIFIED, "tester@home.example": VERIFIED, "pending@home.example": {},
        "elsewhere.example": VERIFIED, "pending.example": {},
    }  # fmt: skip
    found = ask("sandbox recipients", known=known, permitted=permitted, sandbox=sandbox)

    assert [each.state for each in found] == states
    told = " ".join(f"{each.found} {each.advice}" for each in found)
    assert "pending" not in told
    if "fail" in states:
        assert "tester@home.example" in found[0].found
        assert f"SenderIdentities={DOMAIN},tester@home.example" in found[0].advice
    if "info" in states:
        assert "elsewhere.example" in found[-1].found
        assert f"SenderIdentities={DOMAIN},tester@home.example,elsewhere.example" in told


@pytest.mark.parametrize("check", ["senders", "sandbox recipients", "identities", "domains"])
def test_an_ses_call_that_is_not_allowed_is_a_warning(
    ask: Ask,
    deployment: Deployment,
    check: str,
) -> None:
    def refuse(**_: Any) -> None:
        error = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
        raise ClientError(error, "GetEmailIdentity")  # type: ignore[arg-type]

    ask("senders", known={}, sandbox=True)
    ses = Ses({}, sandbox=True)
    ses.get_email_identity = ses.list_email_identities = refuse  # type: ignore[method-assign, assignment]
    vars(deployment)["_clients"] = {"sesv2": ses}
    vars(deployment)["parameters"] = {"SenderIdentities": "fresh.example"}
    senders._identity.cache_clear()

    [found] = doctor.make(check, doctor.checks()[check], deployment)

    assert found.state == "warn"
    assert "could not be checked" in found.found


def test_an_identity_is_reported_with_its_verification_and_its_dkim(ask: Ask) -> None:
    states = {
        each.name: each.state
        for each in ask(
            "identities",
            known={DOMAIN: VERIFIED | SIGNED, SENDER: VERIFIED},
            permitted=f"{DOMAIN},{SENDER},missing.example",
        )
    }
    assert states == {
        f"identity {DOMAIN}": "ok", f"DKIM {DOMAIN}": "ok",
        f"identity {SENDER}": "ok", f"DKIM {SENDER}": "ok",
        "identity missing.example": "fail", "DKIM missing.example": "warn",
    }  # fmt: skip


# --- the DNS ----------------------------------------------------------------------------------


def dmarc(*records: str, at: str = DOMAIN) -> FakeDns:
    return FakeDns(txt={f"_dmarc.{at}": list(records)})


@pytest.mark.parametrize(
    ("dns", "identity", "state", "told"),
    [
        (FakeDns(), SIGNED, "warn", "no DMARC record"),
        (dmarc("v=spf1 -all"), SIGNED, "warn", "no DMARC record"),
        (dmarc("v=DMARC1; p=none; rua=mailto:d@brand.example"), SIGNED, "info", "p=none"),
        (dmarc("v=DMARC1;p=none"), SIGNED, "info", "p=none"),
        (dmarc("v=DMARC1; p=quarantine"), SIGNED, "ok", "p=quarantine"),
        (dmarc("v=DMARC1; p=Reject"), SIGNED, "ok", "p=reject"),
        (dmarc("v=DMARC1; rua=mailto:d@brand.example"), SIGNED, "warn", "no valid policy"),
        (dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject"), SIGNED, "warn", "2 DMARC records"),
        (dmarc("google-site-verification=x", "v=DMARC1; p=reject"), SIGNED, "ok", "p=reject"),
        # Enforced, and none of our emails pass.
        (dmarc("v=DMARC1; p=reject"), {}, "fail", "neither DKIM"),
        (dmarc("v=DMARC1; p=none"), {}, "info", "p=none"),
    ],
)
def test_dmarc_is_reported_as_mailbox_providers_treat_it(
    ask: Ask, dns: FakeDns, identity: dict[str, Any], state: str, told: str
) -> None:
    found = {each.name: each for each in ask("domains", known={DOMAIN: identity}, dns=dns)}
    check = found[f"DMARC {DOMAIN}"]
    assert (check.state, told in check.found) == (state, True)
    if "no DMARC" in check.found or "no valid" in check.found:
        assert f'_dmarc.{DOMAIN}  TXT  "v=DMARC1; p=none; rua=' in check.advice


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ("v=DMARC1; p=none; sp=reject", "ok"),
        ("v=DMARC1; p=reject; sp=none", "info"),
        ("v=DMARC1; p=quarantine", "ok"),
    ],
)
def test_a_subdomain_without_dmarc_has_its_parents(ask: Ask, record: str, state: str) -> None:
    found = ask(
        "domains", known={DOMAIN: SIGNED}, sent_as=("hello@mail.brand.example",), dns=dmarc(record)
    )
    [check] = [each for each in found if each.name == "DMARC mail.brand.example"]
    assert check.state == state


USED = {"MailFromDomain": "bounce.brand.example"}
SPF = FakeDns(txt={"bounce.brand.example": ["v=spf1 include:amazonses.com ~all"]})


@pytest.mark.parametrize(
    ("attributes", "dns", "state"),
    [
        ({}, SPF, "info"),
        (USED | {"MailFromDomainStatus": "SUCCESS"}, SPF, "ok"),
        (USED | {"MailFromDomainStatus": "SUCCESS"}, FakeDns(), "warn"),
        (USED | {"MailFromDomainStatus": "PENDING"}, SPF, "warn"),
        (USED | {"MailFromDomainStatus": "FAILED"}, SPF, "warn"),
        (
            USED | {"MailFromDomainStatus": "FAILED", "BehaviorOnMxFailure": "REJECT_MESSAGE"},
            SPF,
            "fail",
        ),
        (
            USED | {"MailFromDomainStatus": "SUCCESS", "BehaviorOnMxFailure": "REJECT_MESSAGE"},
            SPF,
            "ok",
        ),
    ],
)
def test_a_mail_from_domain_is_reported_as_ses_treats_it(
    ask: Ask, attributes: dict[str, str], dns: FakeDns, state: str
) -> None:
    known = {DOMAIN: VERIFIED | {"MailFromAttributes": attributes}}
    found = {each.name: each for each in ask("domains", known=known, dns=dns)}
    check = found[f"MAIL FROM {DOMAIN}"]
    assert check.state == state
    assert bool(check.advice) == (state != "ok")
    if state == "info":
        assert "feedback-smtp.eu-central-1.amazonses.com" in check.advice


@pytest.mark.parametrize(
    ("sender", "mailboxes", "state"),
    [
        (SENDER, [DOMAIN], "info"),
        (SENDER, [], "ok"),
        ("hello@mail.brand.example", [DOMAIN], "ok"),
        ("hello@mail.brand.example", [DOMAIN, "mail.brand.example"], "ok"),
        ("hello@brand.co.example", ["brand.co.example"], "info"),
    ],
)
def test_a_sender_at_the_domain_of_peoples_mailboxes_is_advised_to_use_a_subdomain(
    ask: Ask, sender: str, mailboxes: list[str], state: str
) -> None:
    served = FakeDns(mx={each: ["mx.mailbox.example"] for each in mailboxes})
    found = ask("domains", known={DOMAIN: SIGNED}, sent_as=(sender,), dns=served)
    [check] = [each for each in found if each.name.startswith("subdomain ")]
    assert check.state == state


def test_a_dns_that_does_not_answer_is_not_a_failure(ask: Ask) -> None:
    known = {DOMAIN: SIGNED | {"MailFromAttributes": USED | {"MailFromDomainStatus": "SUCCESS"}}}
    found = ask("domains", known=known, dns=NoDns())
    assert {each.state for each in found} == {"skip"}
    assert len(found) == 3


def test_a_dns_that_denies_the_domain_itself_says_nothing_about_its_records(ask: Ask) -> None:
    class OnlyInside(FakeDns):
        def knows(self, name: str) -> bool:
            return name == "inside.example"

    found = ask("domains", known={DOMAIN: SIGNED}, dns=OnlyInside())
    assert {(each.state, DOMAIN in each.found) for each in found} == {("skip", True)}


def test_a_local_stack_asks_no_dns(ask: Ask, deployment: Deployment) -> None:
    deployment.environment["LOCAL_STACK"] = "true"
    [found] = ask("domains", known={DOMAIN: SIGNED}, dns=NoDns())
    assert found.state == "skip"


# --- a real name server -----------------------------------------------------------------------

ZONE = {
    ("brand.example.", "MX"): ["10 mx.brand.example."],
    ("null.example.", "MX"): ["0 ."],
    ("_dmarc.brand.example.", "TXT"): ['"v=DMARC1; p=none; " "rua=mailto:d@brand.example"'],
    ("broken.example.", "TXT"): [],
}


@pytest.fixture
def nameserver() -> Iterator[tuple[str, int]]:
    """A name server for ZONE on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, client = server.recvfrom(4096)
                if not data:
                    return
                query = dns.message.from_wire(data)
                answer = dns.message.make_response(query)
                asked = query.question[0]
                name, kind = asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)
                if name == "broken.example.":
                    answer.set_rcode(dns.rcode.SERVFAIL)
                elif (name, kind) in ZONE:
                    answer.answer.append(
                        dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind])
                    )
                elif not any(name == known for known, _ in ZONE):
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                server.sendto(answer.to_wire(), client)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        try:
            yield server.getsockname()
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"", server.getsockname())
            serving.join()


def test_records_are_read_from_the_dns(nameserver: tuple[str, int]) -> None:
    found = Dns(nameserver)
    assert found.txt("_dmarc.brand.example") == ["v=DMARC1; p=none; rua=mailto:d@brand.example"]
    assert found.mx("brand.example") == ["mx.brand.example"]
    # No mail, no such record, no such name.
    assert (found.knows("brand.example"), found.knows("no.example")) == (True, False)
    assert found.mx("null.example") == found.txt("brand.example") == found.mx("no.example") == []


def test_a_name_that_cannot_be_resolved_does_not_hide_the_others(
    nameserver: tuple[str, int],
) -> None:
    found = Dns(nameserver)
    with pytest.raises(DnsUnavailableError, match="could not be asked"):
        found.txt("broken.example")
    assert found.mx("brand.example") == ["mx.brand.example"]


def test_a_dns_that_does_not_answer_is_asked_once(
    nameserver: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "PATIENCE", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = Dns(silent.getsockname())
        with pytest.raises(DnsUnavailableError, match="could not be asked"):
            found.txt("brand.example")
    found._nameserver = nameserver
    with pytest.raises(DnsUnavailableError, match="could not be asked"):
        found.mx("brand.example")
