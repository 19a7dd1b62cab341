"""The queue's message and the table's items about events, as pydantic models.

They are the source of docs/schemas/queue, for programs that consume the queue in the mailer's
place (docs/consumer.md). tests/aws/test_consumer.py compares them with what the shipped code
writes.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.contract_models import (
    ExportAsset,
    SavedConfiguration,
    ShareConfiguration,
    ShareConfigurationAR,
)

type Schema = dict[str, Any]
type Event = Annotated[
    SavedConfiguration | ShareConfiguration | ShareConfigurationAR | ExportAsset,
    # The keyword is OpenAPI's own; in JSON Schema `oneOf` is enough.
    Field(discriminator="event", json_schema_extra=lambda schema: schema.pop("discriminator")),
]
HEX = r"^[0-9a-f]{32}$"
# Seconds since the epoch; the receiver's and the mailer's writes have no other.
Moment = Annotated[float, Field(ge=0, le=1e11)]


def _publish(schema: Schema) -> None:
    for field in schema["properties"].values():
        # They only repeat the name.
        field.pop("title", None)


class QueueModel(BaseModel):
    """More fields may come; they don't change the version."""

    model_config = ConfigDict(strict=True, json_schema_extra=_publish)


class QueuedEvent(QueueModel):
    """The body of a message in the queue: an event of Roomle's that calls for an email."""

    version: Literal["1"] = Field(description="The version of this format.")
    id: str = Field(
        pattern=HEX,
        description="The event's id: the same in the log, on the event bus and in the table. "
        "Messages with the same id are the same event.",
    )
    event: Event = Field(
        description="All that Roomle posted. It is valid, its links lead to hosts that the brand "
        "allows, and it is within the limits."
    )
    recipient: str = Field(
        pattern=HEX,
        description="A keyed hash of the address: one person has one hash, until the secret "
        "changes. For logs, which should not have the address.",
    )
    received: Moment = Field(
        description="When Roomle's POST came, in seconds since the epoch. After 14 days the event "
        "is to be dropped."
    )
    correlation: str = Field(
        pattern=r"^[A-Za-z0-9_=+/.:-]{0,128}$",
        description="API Gateway's request id, `correlation_id` in the log.",
    )


class EventItem(QueueModel):
    """An item of the table about an event; its key is `event#` and the event's id.

    The values are as in DynamoDB: texts have the type S and numbers the type N.
    """

    key: str = Field(pattern=r"^event#[0-9a-f]{32}$", description="The table's partition key.")
    owner: str = Field(
        min_length=1,
        max_length=128,
        description="Who wrote the item: a random text, another for each attempt. It tells a "
        "writer whose answer got lost that the item is its own.",
    )
    expires: int = Field(
        ge=0,
        description="When DynamoDB may delete the item, in seconds since the epoch: 30 days after "
        "it was written, which is longer than a message can be in the queues.",
    )


class ClaimedEvent(EventItem):
    """A consumer is sending the event's email, or failed to.

    From `until` on, the next attempt may take the claim over.
    """

    state: Literal["claimed"] = Field(description="The event is claimed.")
    until: Moment = Field(
        description="Until when the claim counts, in seconds since the epoch; 0 if it was given "
        "back. It is longer than an attempt can take, and shorter than the queue's visibility "
        "time-out."
    )


class SentEvent(EventItem):
    """The event's email was sent. Nobody may send it again."""

    state: Literal["sent"] = Field(description="The email was sent.")


class WithdrawnEvent(EventItem):
    """The receiver could not know whether SQS took the event, so Roomle sends its own email.

    Nobody else may send one.
    """

    state: Literal["withdrawn"] = Field(description="The event is withdrawn.")


ITEMS: dict[str, type[EventItem]] = {
    "event-claimed": ClaimedEvent,
    "event-sent": SentEvent,
    "event-withdrawn": WithdrawnEvent,
}
