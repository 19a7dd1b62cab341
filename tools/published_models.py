"""What `roomle_mail.publishing` puts on the event bus, as pydantic models.

They are the source of docs/schemas/bus and docs/asyncapi.json. tests/unit/test_bus_contract.py
compares them with what the shipped code publishes.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

type Schema = dict[str, Any]
Id = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.:-]{1,200}|\(unusual\))$")]
Host = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}$")]
# A field that isn't known is missing, never null.
MISSING: Any = None
HEX = r"^[0-9a-f]{32}$"


def _publish(schema: Schema) -> None:
    for field in schema["properties"].values():
        # They only repeat the name, and that a field may be missing.
        field.pop("title", None)
        field.pop("default", None)


class Published(BaseModel):
    """The `detail` of any event. More fields may come; they don't change `version`."""

    model_config = ConfigDict(strict=True, json_schema_extra=_publish)

    version: Literal["1"] = Field(description="The version of this format.")
    event_id: str = Field(
        pattern=HEX,
        description="The event's id: the same in the log, in the queue and in SES's tag `event`. "
        "It is the key to recognise an event that comes twice.",
    )
    event: Id = Field(description="Roomle's name of the event, the same as `detail-type`.")
    time: str = Field(
        description="When Roomle's POST came.", json_schema_extra={"format": "date-time"}
    )
    configurator: str = Field(
        default=MISSING,
        pattern=r"^([A-Za-z0-9_.:-]{1,64}|\(unusual\))$",
        description="The id of the configurator that it came from.",
    )
    configuration: Id = Field(default=MISSING, description="The configuration or plan.")
    item: Id = Field(default=MISSING, description="The item, if there is no configuration.")
    success: bool = Field(
        default=MISSING, description="Whether Roomle's own processing succeeded, if Roomle says so."
    )
    url_host: Host = Field(default=MISSING, description="The host of the link to the content.")
    result_url_host: Host = Field(
        default=MISSING, description="The host of the link to the 3D asset."
    )
    answer: int = Field(ge=200, le=599, description="The HTTP status that Roomle got.")
    payload: dict[str, Any] = Field(
        default=MISSING, description="All that Roomle sent: only with PublishAddresses=true."
    )


class Email(Published):
    """An event that calls for an email, and what became of the email."""

    outcome: Literal["sent", "queued", "suppressed", "failed"] = Field(
        description="sent: SES has the email. queued: SQS has it, and it is sent later. "
        "suppressed: over the limit for one recipient, so nobody sends. failed: Roomle sends its "
        "own."
    )
    reason: str = Field(default=MISSING, description="Why it failed, as in the log.")
    brand: str = Field(default=MISSING, description="The brand in whose name it is sent.")
    language: str = Field(default=MISSING, description="The email's language.")
    recipient: str = Field(
        default=MISSING,
        pattern=HEX,
        description="A keyed hash of the address: one person has one hash, until the secret "
        "changes.",
    )


class SavedConfiguration(Email):
    """A person saved a draft."""

    event: Literal["email.savedConfiguration"]


class ShareConfiguration(Email):
    """A person shared a configuration."""

    event: Literal["email.shareConfiguration"]


class ShareConfigurationAR(Email):
    """A person asked for the link to a configuration in AR."""

    event: Literal["email.shareConfigurationAR"]


class ExportAsset(Email):
    """The export of a 3D asset has ended."""

    event: Literal["email.3DExportAsset"]


class AnotherEmail(Published):
    """An unknown kind of email: there is no template, so Roomle sends its own."""

    outcome: Literal["failed"] = Field(description="What became of it.")
    reason: str = Field(description="Why it failed, as in the log.")


class AnotherEvent(Published):
    """An event of Roomle's that calls for no email."""

    outcome: Literal["forwarded"] = Field(description="What became of it: the bus took it.")


# By `detail-type`; the last two stand for any other.
EVENTS: dict[str, type[Published]] = {
    "email.savedConfiguration": SavedConfiguration,
    "email.shareConfiguration": ShareConfiguration,
    "email.shareConfigurationAR": ShareConfigurationAR,
    "email.3DExportAsset": ExportAsset,
    "another-email": AnotherEmail,
    "another-event": AnotherEvent,
}
