"""Roomle's events as pydantic models: what docs/ publishes as their schema.

The receiver checks the same by hand (roomle_mail.events says why); tests hold one against the
other.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr

from roomle_mail.events import MAX_NAME, MAX_TEXT

_Text = Annotated[StrictStr, Field(max_length=MAX_TEXT)]


class Payload(BaseModel):
    """The envelope: what every event of Roomle's has."""

    model_config = ConfigDict(extra="allow", frozen=True)

    event: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME)]


class EmailData(BaseModel):
    """`data` of the `email.*` events."""

    model_config = ConfigDict(extra="allow", frozen=True)

    email: StrictStr
    success: StrictBool | None = None
    configurationId: _Text | None = None  # noqa: N815 (Roomle's names)
    itemId: _Text | None = None  # noqa: N815
    configuratorId: _Text | None = None  # noqa: N815
    url: _Text | None = None
    resultUrl: _Text | None = None  # noqa: N815


class EmailPayload(Payload):
    """The envelope of the `email.*` events."""

    data: EmailData
