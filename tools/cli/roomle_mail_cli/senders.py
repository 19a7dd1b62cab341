"""`doctor`'s checks of the senders: SES's identities, IAM's permission, DKIM, SPF and DMARC."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from roomle_mail_cli import project
from roomle_mail_cli.checks import Check
from roomle_mail_cli.deployment import aws_errors, error_code
from roomle_mail_cli.records import Dns, DnsUnavailableError, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roomle_mail_cli.deployment import Deployment

_ENFORCED = ("quarantine", "reject")
_MAX_IDENTITIES = 10


def check_identities(deployment: Deployment) -> Iterator[Check]:
    """Every identity in SenderIdentities is verified and signs with DKIM."""
    for name in permitted(deployment):
        # A domain's verification and DKIM also apply to its addresses and subdomains.
        known = [each for _, each in identities(deployment, name)]
        if any(each.get("VerifiedForSendingStatus") for each in known):
            yield Check(f"identity {name}", "ok", "verified")
        else:
            status = known[0].get("VerificationStatus", "PENDING") if known else "unknown to SES"
            yield Check(
                f"identity {name}",
                "fail",
                f"{status} in {deployment.region}",
                "SES console, Identities; without it SES refuses every email of this sender.",
            )
        dkim = [each.get("DkimAttributes", {}) for each in known]
        if any(map(_signs, known)):
            yield Check(f"DKIM {name}", "ok", "signed")
        else:
            statuses = ", ".join(sorted({str(each.get("Status", "NOT_STARTED")) for each in dkim}))
            yield Check(
                f"DKIM {name}",
                "warn",
                f"not signed ({statuses or 'no identity'})",
                f"Verify the domain and add SES's three CNAME records for {_domain(name)} to its "
                "DNS; without them large mailbox providers refuse or hide the emails.",
            )


def check_senders(deployment: Deployment) -> Iterator[Check]:
    """IAM lets the functions send as every sender of brands.toml.

    IAM checks one identity, the most specific one that SES knows: the sender's address if it is an
    identity, else its domain, else a parent of its domain. That identity must be in
    SenderIdentities; a domain there does not cover an address that is an identity itself (GitHub,
    aws-samples/aws-serverless-batch-architecture, issue 1). Without it every email of the brand is
    refused, so this fails.
    """
    allowed = permitted(deployment)
    missing: list[str] = []
    for sender in sorted(project.senders()):
        found = [name for name, _ in identities(deployment, sender)]
        if found and found[0] not in allowed:
            missing.append(found[0])
            covered = next((name for name in found[1:] if name in allowed), None)
            yield Check(
                "senders",
                "fail",
                f"{sender} of brands.toml: IAM is asked for the identity {found[0]}, which is not "
                f"in SenderIdentities{f'; {covered} does not cover it' if covered else ''}",
                _add(allowed, missing)
                + (f" Or delete the identity {found[0]} in SES." if covered else ""),
            )
        elif not found and not set(candidates(sender)) & set(allowed):
            missing.append(_domain(sender))
            yield Check(
                "senders",
                "fail",
                f"{sender} of brands.toml: no identity for it in SES in {deployment.region}, and "
                "none in SenderIdentities",
                f"Verify {_domain(sender)} in SES. {_add(allowed, missing)}",
            )
    if not missing:
        yield Check("senders", "ok", "SenderIdentities covers every sender of brands.toml")


def check_recipients(deployment: Deployment) -> Iterator[Check]:
    """In SES's sandbox, IAM lets the functions send to the verified recipients.

    In the sandbox IAM checks the recipient's identity too, like the sender's.
    """
    if account(deployment).get("ProductionAccessEnabled"):
        return
    allowed = permitted(deployment)
    uncovered = sorted(set(_verified(deployment)) - set(allowed))
    missing = [each for each in uncovered if "@" in each]
    domains = [each for each in uncovered if "@" not in each]
    if missing:
        yield Check(
            "sandbox recipients",
            "fail",
            f"not in SenderIdentities: {', '.join(missing)}. In the sandbox IAM is asked for the "
            "recipient's identity too, so emails to these are refused",
            f"{_add(allowed, missing)} Out of the sandbox this is not needed.",
        )
    else:
        yield Check("sandbox recipients", "ok", "SenderIdentities covers every verified address")
    if domains:
        # They may be for other applications of the account, so this is not a failure.
        yield Check(
            "sandbox recipients",
            "info",
            f"verified domains that are not in SenderIdentities: {', '.join(domains)}; emails to "
            "addresses there are refused while the account is in the sandbox",
            f"To send there: {_add(allowed, [*missing, *domains])}",
        )


def check_domains(deployment: Deployment, dns: Records | None = None) -> Iterator[Check]:
    """The senders' domains have MAIL FROM and DMARC, and nobody has a mailbox there."""
    if deployment.settings.local_stack:
        yield Check("DNS", "skip", "not asked for a local stack")
        return
    asked = dns or Dns()
    for domain in sorted({_domain(sender) for sender in project.senders()}):
        known = [each for _, each in identities(deployment, domain)]
        for name, check in (
            (f"MAIL FROM {domain}", _check_mail_from),
            (f"DMARC {domain}", _check_dmarc),
            (f"subdomain {domain}", _check_subdomain),
        ):
            try:
                # Some networks resolve only their own names and no others.
                if not asked.knows(domain):
                    yield Check(name, "skip", f"this machine's DNS does not know {domain}")
                    continue
                yield from check(name, domain, known, asked, deployment.region)
            except DnsUnavailableError as err:
                yield Check(name, "skip", str(err))


def _check_mail_from(
    name: str, domain: str, known: list[dict[str, Any]], dns: Records, region: str
) -> Iterator[Check]:
    # SES's API reference, "MailFromAttributes": until the status is SUCCESS, SES either uses its
    # own domain or refuses the email, as BehaviorOnMxFailure says.
    found = _mail_from(known)
    if found is None:
        yield Check(
            name,
            "info",
            "none, so bounces go to amazonses.com and SPF does not count for DMARC",
            f"aws sesv2 put-email-identity-mail-from-attributes --email-identity {domain} "
            f"--mail-from-domain bounce.{domain}, then add to the DNS of bounce.{domain}: "
            f"MX 10 feedback-smtp.{region}.amazonses.com and "
            'TXT "v=spf1 include:amazonses.com ~all"',
        )
        return
    used, status = found["MailFromDomain"], found.get("MailFromDomainStatus", "PENDING")
    if status != "SUCCESS":
        refuses = found.get("BehaviorOnMxFailure") == "REJECT_MESSAGE"
        yield Check(
            name,
            "fail" if refuses else "warn",
            f"{used}: {status}; "
            + ("SES refuses every email until it works" if refuses else "SES uses its own domain"),
            f"Add to the DNS of {used}: MX 10 feedback-smtp.{region}.amazonses.com",
        )
        return
    if any(_is_spf(each) and "include:amazonses.com" in each for each in dns.txt(used)):
        yield Check(name, "ok", f"{used}, with an SPF record for SES")
    else:
        yield Check(
            name,
            "warn",
            f"{used} has no SPF record that names SES",
            f'Add to the DNS of {used}: TXT "v=spf1 include:amazonses.com ~all"',
        )


def _check_dmarc(
    name: str, domain: str, known: list[dict[str, Any]], dns: Records, _region: str
) -> Iterator[Check]:
    record = (
        f'_dmarc.{domain}  TXT  "v=DMARC1; p=none; rua=mailto:dmarc@{domain}"; '
        "read the reports, then tighten p to quarantine and reject"
    )
    for above in _with_parents(domain):
        found = [each for each in dns.txt(f"_dmarc.{above}") if _is_dmarc(each)]
        if len(found) > 1:
            # RFC 7489, 6.6.3: several records count as none.
            yield Check(
                name, "warn", f"{len(found)} DMARC records at _dmarc.{above}", "Leave only one."
            )
            return
        if found:
            break
    else:
        yield Check(name, "warn", "no DMARC record", f"Add to the DNS: {record}")
        return
    tags = _tags(found[0])
    policy = tags.get("p", "")
    if above != domain:
        policy = tags.get("sp", policy)
    where = f"p={policy}" if above == domain else f"{policy} by _dmarc.{above}"
    if policy == "none":
        yield Check(
            name,
            "info",
            f"{where}: failures are reported, and nothing is refused",
            "Once the reports show that all of your own mail passes, tighten it to "
            "p=quarantine, later to p=reject.",
        )
    elif policy not in _ENFORCED:
        yield Check(
            name,
            "warn",
            f"_dmarc.{above} has no valid policy",
            f"Change it, for instance: {record}",
        )
    elif (
        any(map(_signs, known))
        or (_mail_from(known) or {}).get("MailFromDomainStatus") == "SUCCESS"
    ):
        yield Check(name, "ok", where)
    else:
        yield Check(
            name,
            "fail",
            f"{where}, but the emails carry neither DKIM nor MAIL FROM of {domain}: mailbox "
            f"providers are told to {policy} them",
            f"Turn on DKIM for {domain} in SES before anything else.",
        )


def _check_subdomain(
    name: str, domain: str, _known: list[dict[str, Any]], dns: Records, _region: str
) -> Iterator[Check]:
    parents = _with_parents(domain)[1:]
    if not dns.mx(domain):
        yield Check(name, "ok", "nobody has a mailbox at this domain")
    elif any(map(dns.mx, parents)):
        yield Check(name, "ok", "a subdomain of the domain where people have their mailboxes")
    else:
        yield Check(
            name,
            "info",
            "people have their mailboxes at this domain too: complaints about these emails count "
            "against their emails",
            f"Send from a subdomain, for instance mail.{domain}: verify it in SES, name it in "
            "SenderIdentities, change `sender` in brands.toml.",
        )


# ----------------------------------------------------------------------------------------------


@cache
def account(deployment: Deployment) -> dict[str, Any]:
    """What SES says about the account in this region; raises CliError."""
    with aws_errors():
        return dict(deployment.client("sesv2").get_account())


def permitted(deployment: Deployment) -> list[str]:
    """The identities in the stack's SenderIdentities."""
    names = deployment.parameters.get("SenderIdentities", "").split(",")
    return [each.strip() for each in names if each.strip()]


def candidates(name: str) -> list[str]:
    """The identities that may cover an address or a domain, the most specific first.

    An address also covers itself with a label (SES's page "Creating and verifying identities").
    """
    local, at, _ = name.rpartition("@")
    domains = _with_parents(_domain(name))
    if not at:
        return domains
    plain = local.partition("+")[0]
    return [*dict.fromkeys((name, f"{plain}@{domains[0]}")), *domains]


def identities(deployment: Deployment, name: str) -> list[tuple[str, dict[str, Any]]]:
    """The identities in SES that cover an address or a domain, the most specific first.

    Raises CliError.
    """
    found = ((each, _identity(deployment, each)) for each in candidates(name))
    return [(each, known) for each, known in found if known is not None]


@cache
def _identity(deployment: Deployment, name: str) -> dict[str, Any] | None:
    with aws_errors():
        try:
            return dict(deployment.client("sesv2").get_email_identity(EmailIdentity=name))
        except ClientError as err:
            if error_code(err) == "NotFoundException":
                return None
            raise


def _verified(deployment: Deployment) -> Iterator[str]:
    """The verified addresses and domains of the account in this region."""
    more: dict[str, str] = {}
    while True:
        with aws_errors():
            page = deployment.client("sesv2").list_email_identities(PageSize=100, **more)
        for each in page.get("EmailIdentities", []):
            if each.get("SendingEnabled"):
                yield str(each["IdentityName"])
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _add(allowed: list[str], names: list[str]) -> str:
    """Advice on how to allow more identities."""
    wanted = list(dict.fromkeys([*allowed, *names]))
    command = f"sam deploy --parameter-overrides SenderIdentities={','.join(wanted)}"
    if len(wanted) > _MAX_IDENTITIES:
        return f"SenderIdentities takes {_MAX_IDENTITIES} only: name what is needed. {command}"
    return f"{command}."


def _domain(name: str) -> str:
    return name.rpartition("@")[2].lower()


def _with_parents(domain: str) -> list[str]:
    """A domain and its parents, but no top-level domain."""
    labels = domain.split(".")
    return [".".join(labels[n:]) for n in range(max(1, len(labels) - 1))]


def _signs(identity: dict[str, Any]) -> bool:
    dkim = identity.get("DkimAttributes", {})
    return bool(dkim.get("SigningEnabled")) and dkim.get("Status") == "SUCCESS"


def _mail_from(known: list[dict[str, Any]]) -> dict[str, Any] | None:
    found = (each.get("MailFromAttributes", {}) for each in known)
    return next((each for each in found if each.get("MailFromDomain")), None)


def _is_spf(text: str) -> bool:
    return text.lower().split(" ")[0] == "v=spf1"


def _is_dmarc(text: str) -> bool:
    return text.split(";", maxsplit=1)[0].replace(" ", "") == "v=DMARC1"


def _tags(record: str) -> dict[str, str]:
    """A DMARC record's tags (RFC 7489, 6.3)."""
    pairs = (each.partition("=") for each in record.split(";"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
