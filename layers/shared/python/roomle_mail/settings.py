"""environment -> frozen Settings. template.yaml sets the variables, mostly from parameters."""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, Self

from roomle_mail.errors import SettingsInvalid

type Channel = Literal["ses", "sqs"]

_CHANNELS: Mapping[str, tuple[Channel, ...]] = {
    "ses": ("ses",),
    "sqs": ("sqs",),
    "ses,sqs": ("ses", "sqs"),
}
_MIN_ANSWER_WITHIN = 3
# An event bus's name or ARN, or nothing (EventBridge's page "PutEventsRequestEntry").
_BUS = r"((arn:aws[\w-]*:events:[\w-]+:[0-9]{12}:event-bus/)?[\w.-]+)?"
_MAX_EVENT_AGE = 14 * 86_400


class Settings(NamedTuple):
    """What a deployment chose; see the parameters of the same names in template.yaml.

    Durations are in seconds. `dead_letter_queue_url` is the mailer's alone, else empty. `event_bus`
    is empty where no events are published. `roomle_api` is the base URL of what plays Roomle, on a
    local stack only. After `max_event_age` the mailer drops an event.
    """

    delivery: tuple[Channel, ...]
    answer_within: float
    token_header: str
    token_algorithms: frozenset[str]
    token_max_age: int
    token_iv: Literal["fixed", "prefix"]
    token_reuse: Literal["refuse", "allow"]
    require_token: bool
    log_refused_tokens: bool
    secret_id: str
    secret_overlap: int
    table_name: str
    queue_url: str
    dead_letter_queue_url: str
    configuration_set: str
    max_emails_per_recipient_per_hour: int
    max_emails_per_hour: int
    event_bus: str
    publish_addresses: bool
    designs: bool
    local_stack: bool
    roomle_api: str | None
    max_event_age: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check; raises SettingsInvalid, which names the variable."""
        read = _Reader(environment)
        # 03 is no encryption at all (Roomle's web SDK uses it), so no parameter can allow it.
        algorithms = read.text("TOKEN_ALGORITHMS", r"0[12](,0[12])*")
        event_bus = read.text("EVENT_BUS", _BUS)
        settings = cls(
            delivery=_CHANNELS[read.one_of("DELIVERY", *_CHANNELS)],
            answer_within=read.number("ANSWER_WITHIN", at_least=_MIN_ANSWER_WITHIN),
            token_header=read.text("TOKEN_HEADER", r"[A-Za-z0-9-]+").casefold(),
            token_algorithms=frozenset(algorithms.split(",")),
            token_max_age=read.number("TOKEN_MAX_AGE", at_least=1),
            token_iv=read.one_of("TOKEN_IV", "fixed", "prefix"),
            token_reuse=read.one_of("TOKEN_REUSE", "refuse", "allow"),
            require_token=read.flag("REQUIRE_TOKEN"),
            log_refused_tokens=read.flag("LOG_REFUSED_TOKENS"),
            secret_id=read.text("SECRET_ID"),
            secret_overlap=read.number("SECRET_OVERLAP"),
            table_name=read.text("TABLE_NAME"),
            queue_url=read.text("QUEUE_URL"),
            dead_letter_queue_url=environment.get("DEAD_LETTER_QUEUE_URL", ""),
            configuration_set=read.text("CONFIGURATION_SET"),
            max_emails_per_recipient_per_hour=read.number("MAX_EMAILS_PER_RECIPIENT_PER_HOUR"),
            max_emails_per_hour=read.number("MAX_EMAILS_PER_HOUR"),
            event_bus=event_bus,
            publish_addresses=bool(event_bus) and read.flag("PUBLISH_ADDRESSES"),
            designs=read.one_of("DESIGNS", "on", "off") == "on",
            local_stack=read.flag("LOCAL_STACK"),
            roomle_api=None,
            max_event_age=int(environment.get("MAX_EVENT_AGE", _MAX_EVENT_AGE)),
        )
        # Anyone who holds a token can forge its date in prefix mode: only the record stops replays.
        if settings.token_iv == "prefix" and settings.token_reuse == "allow":
            raise SettingsInvalid("TOKEN_REUSE")
        # What plays Roomle gets the API key and chooses what emails show.
        stand_in = environment.get("ROOMLE_API") if settings.local_stack else None
        return settings._replace(roomle_api=stand_in or None)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What weakens this deployment, by the parameter's name, to be said at start."""
        weak = {
            "RequireToken": not self.require_token,
            "TokenAlgorithms": "02" in self.token_algorithms,
            "TokenReuse": self.token_reuse == "allow",
        }
        return tuple(name for name, holds in weak.items() if holds)


class _Reader(NamedTuple):
    environment: Mapping[str, str]

    def text(self, name: str, pattern: str = r"(?s).+") -> str:
        value = self.environment.get(name, "").strip()
        if not re.fullmatch(pattern, value):
            raise SettingsInvalid(name)
        return value

    def one_of[T: str](self, name: str, *allowed: T) -> T:
        value = self.text(name)
        for each in allowed:
            if each == value:
                return each
        raise SettingsInvalid(name)

    def number(self, name: str, *, at_least: int = 0) -> int:
        value = int(self.text(name, r"[0-9]{1,10}"))
        if value < at_least:
            raise SettingsInvalid(name)
        return value

    def flag(self, name: str) -> bool:
        return self.one_of(name, "true", "false") == "true"
