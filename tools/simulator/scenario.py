"""The visitor's choices: the event that Roomle sends, and what goes wrong."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from roomle_mail_cli import sign
from tools import fixtures
from tools.roomle_api import faults as roomle_faults
from tools.simulator.stage import BUS, DYNAMODB, MAILER, RECEIVER, SES, SQS, Stage
from tools.stack import faults
from tools.stack.faults import Behaviour
from tools.tenant import Tenant, api_key

# Longer than any time-out of the receiver.
FOR_EVER = 30
OLD = timedelta(minutes=10)
# As long as a real secret, but not Roomle's.
ANOTHER_SECRET = "another-secret-0"

EVENTS = {
    "email.savedConfiguration": "A design was saved",
    "email.shareConfiguration": "A design was shared",
    "email.shareConfigurationAR": "A link for AR was asked for",
    "email.3DExportAsset": "A 3D export has ended",
    "email.orderConfirmation": "An email that the stack doesn’t know",
    "configuration.opened": "An event that calls for no email",
}
EXPORT = "email.3DExportAsset"
SUCCESS = {"true": "yes", "false": "no", "": "it doesn’t say"}
# The fields that the form keeps folded unless they differ from the example.
FIELDS = ("configuration", "item", "url", "result_url")
LANGUAGE = re.compile(r"[A-Za-z0-9-]{0,35}")
# One address that some mail server could take; stricter rules are the stack's.
ADDRESS = re.compile(r"""[^\s@<>,;:"()]+@(?:[^\s@<>,;:"().]+\.)+[^\s@<>,;:"().]{2,}""")
# The values of each switch and their labels; the first is the normal state.
SWITCHES: Mapping[str, Mapping[str, str]] = {
    "token": {
        "fresh": "fresh and right",
        "wrong-secret": "signed with a wrong secret",
        "old": "ten minutes old",
        "replayed": "used before, for somebody else",
        "repeated": "right, but the same POST comes twice",
        "missing": "missing",
    },
    "ses": {
        "works": "takes the email",
        "throttles": "throttles",
        "throttles-on": "throttles, the queue’s first try too",
        "refuses": "refuses the email",
        "quota": "has used up its quota",
        "hangs": "hangs",
        "fails": "fails (500)",
        "answer-lost": "takes it, but its answer gets lost",
    },
    "queue": {
        "works": "takes the event",
        "throttles": "throttles",
        "fails": "fails (500)",
        "hangs": "hangs",
        "answer-lost": "takes it, but its answer gets lost",
    },
    "memory": {
        "works": "works",
        "fails": "fails (500)",
    },
    "bus": {
        "works": "takes the event",
        "throttles": "throttles",
        "fails": "fails (500)",
        "hangs": "hangs",
        "answer-lost": "takes it, but its answer gets lost",
    },
    "roomle": {
        "works": "answers",
        **{name: fault.label for name, fault in roomle_faults.FAULTS.items()},
        "picture-404": "has no picture yet, but says that it has",
    },
    "delivery": {
        "ses,sqs": "by SES, else by the queue",
        "ses": "by SES only",
        "sqs": "by the queue only",
    },
}
TITLES = {
    "token": "Roomle’s token is",
    "ses": "SES",
    "queue": "The queue",
    "memory": "The memory (DynamoDB)",
    "bus": "The event bus",
    "roomle": "Roomle’s API",
    "delivery": "The stack delivers",
}
# A stack without a mailer delivers by the queue only, and asks neither of the others.
OF_SENDING = frozenset({"ses", "roomle", "delivery"})


@dataclass(frozen=True)
class Scenario:
    """All choices, as the form has them."""

    event: str = fixtures.SAVED
    email: str = "jane.1@customer.example"
    configurator: str = ""
    language: str = ""
    success: str = "true"
    configuration: str = fixtures.CONFIGURATION
    item: str = ""
    url: str = fixtures.link_to(fixtures.CONFIGURATION)
    result_url: str = fixtures.ASSET
    token: str = "fresh"
    ses: str = "works"
    queue: str = "works"
    memory: str = "works"
    bus: str = "works"
    roomle: str = "works"
    delivery: str = "ses,sqs"

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Scenario":
        """Read a form; raises ValueError for an unknown choice."""
        known = {field.name for field in fields(cls)}
        made = cls(**{name: value for name, value in form.items() if name in known})
        for name, values in {"success": SUCCESS, **SWITCHES}.items():
            if getattr(made, name) not in values:
                raise ValueError(name)
        if not LANGUAGE.fullmatch(made.language):
            raise ValueError("language")
        return made

    def fitted(self, tenant: Tenant) -> "Scenario":
        """The same with the chosen brand's own links, where the links are some brand's own."""
        brand = tenant.catalog.brand(self.configurator or None)
        own = {"url": tenant.link(brand), "result_url": tenant.asset(brand)}
        return replace(
            self,
            **{name: link for name, link in own.items() if getattr(self, name) in tenant.own_links},
        )

    def changed(self, tenant: Tenant) -> list[str]:
        """The folded fields that differ from the example's."""
        usual = Scenario(configurator=self.configurator).fitted(tenant)
        return [name for name in FIELDS if getattr(self, name) != getattr(usual, name)]

    @property
    def payload(self) -> dict[str, Any]:
        """Roomle's JSON; a field left empty is left out."""
        data = {
            "success": {"true": True, "false": False}.get(self.success),
            "email": self.email,
            "configurationId": self.configuration or None,
            "itemId": self.item or None,
            "url": in_language(self.url, self.language) or None,
            "resultUrl": self.result_url or None if self.event == EXPORT else None,
            "configuratorId": self.configurator or None,
        }
        return {
            "event": self.event,
            "data": {name: value for name, value in data.items() if value is not None},
        }

    @property
    def expected(self) -> bool:
        """Whether the event calls for an email."""
        return self.event.casefold().startswith("email")

    @property
    def mailable(self) -> bool:
        """Whether the address is one that anybody can be mailed at."""
        return ADDRESS.fullmatch(self.email) is not None

    @property
    def roomle_fault(self) -> str | None:
        """What is wrong with Roomle's API; None if nothing is."""
        return None if self.roomle == "works" else self.roomle

    @property
    def troubles(self) -> list[str]:
        """What goes wrong, in words."""
        return [
            f"{TITLES[name]}: {values[chosen]}"
            for name, values in SWITCHES.items()
            if (chosen := asdict(self)[name]) != next(iter(values))
        ]

    def token_for(self, stage: Stage, session: str) -> str:
        """Roomle's token, or a bad one; empty for no token."""
        if self.token == "missing":
            return ""
        stack = stage.stack
        brand = stage.emails.tenant.catalog.brand(self.configurator or None)
        return sign.make_token(
            now=datetime.now(UTC) - (OLD if self.token == "old" else timedelta()),
            api_key=api_key(brand),
            secret=ANOTHER_SECRET if self.token == "wrong-secret" else stack.secret,
            session=session,
        )

    def faults(self, stage: Stage) -> dict[tuple[str, str], Behaviour]:
        """Which service fails for which function, and how."""

        def lost(seen: Callable[..., None] | None = None) -> Behaviour:
            return faults.forwarding_to(stage.emulator, then=faults.hanging_up, seen=seen)

        throttling = faults.answering(429, "TooManyRequestsException")
        ses: dict[str, Behaviour] = {
            "throttles": throttling,
            "throttles-on": throttling,
            "refuses": faults.answering(400, "MessageRejected"),
            "quota": faults.answering(400, "LimitExceededException"),
            "hangs": faults.silent_for(FOR_EVER),
            "fails": faults.answering(500, "InternalFailure"),
            "answer-lost": lost(stage.take),
        }
        others: dict[str, Behaviour] = {
            "throttles": faults.answering(400, "ThrottlingException"),
            "hangs": faults.silent_for(FOR_EVER),
            "fails": faults.answering(500, "InternalFailure"),
            "answer-lost": lost(),
        }
        chosen = {
            (RECEIVER, SES): ses.get(self.ses),
            (RECEIVER, SQS): others.get(self.queue),
            (RECEIVER, DYNAMODB): others.get(self.memory),
            (RECEIVER, BUS): others.get(self.bus),
        }
        return {place: fault for place, fault in chosen.items() if fault}

    def later_faults(self, stage: Stage) -> dict[tuple[str, str], Behaviour]:
        """The service that fails once for the mailer, after the answer."""
        if self.ses != "throttles-on" or not stage.stack.has_mailer:
            return {}
        place = (MAILER, SES)
        return {place: once(stage, place, faults.answering(429, "TooManyRequestsException"))}


def once(stage: Stage, place: tuple[str, str], fault: Behaviour) -> Behaviour:
    """Fail once, and put the switch back."""

    def behave(handler: Any) -> None:  # noqa: ANN401 (http.server's handler)
        stage.switches[place].fault = None
        fault(handler)

    return behave


def in_language(url: str, language: str) -> str:
    """The link with a language in its query, as a shop's share link may have it."""
    if not language or not url:
        return url
    parts = urlsplit(url)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "lang"]
    query = urlencode([*pairs, ("lang", language)], safe=":")
    return urlunsplit(parts._replace(query=query))


@dataclass(frozen=True)
class Configurator:
    """A configurator on offer: its name for people, and the languages that its brand offers."""

    name: str
    languages: tuple[str, ...]


def configurators(tenant: Tenant) -> dict[str, Configurator]:
    """The configurators on offer, by id."""

    def offered(configurator: str, note: str) -> Configurator:
        brand = tenant.catalog.brand(configurator or None)
        return Configurator(f"{brand.name} · {note}", brand.languages)

    return {
        "": offered("", "no configurator"),
        fixtures.CONFIGURATOR: offered(
            fixtures.CONFIGURATOR, f"{fixtures.CONFIGURATOR}, not listed"
        ),
        **{key: offered(key, key) for key in tenant.configurators},
    }
