"""Roomle's events as pydantic models, the source of docs/schemas and docs/openapi.json.

The functions don't import these: importing pydantic's classes takes a fifth of a cold start, so
`roomle_mail.events` states the same rules for pydantic's core. tests/unit/test_contract_models.py
checks that both give the same verdict and report errors in the same fields. So every limit is
repeated here, and nothing is imported from `roomle_mail.events`.

Roomle's page "Webhook" documents the fields.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

# RFC 5321's mailbox in its plain form, for any dialect of regular expressions. In some dialects `$`
# also matches before a line break, so the last part excludes that.
ADDRESS = (
    r"^(?=.{1,64}@)(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
    r"$(?!\n)"
)
MAX_ADDRESS = 254
LIKE_AN_EMAIL = r"\s*[Ee][Mm][Aa][Ii][Ll]"

type Schema = dict[str, Any]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(max_length=4_096)] | None


def filled(field: str) -> Schema:
    """Require a field that is not missing, null or empty."""
    return {"required": [field], "properties": {field: {"type": "string", "minLength": 1}}}


class Model(BaseModel):
    """The common base: no type is converted, and unknown fields are kept.

    `rules` are the parts of the JSON Schema that involve several fields.
    """

    rules: ClassVar[Schema] = {}

    @staticmethod
    def _publish(schema: Schema, model: type["Model"]) -> None:
        for field in schema["properties"].values():
            # They only repeat the name, and that a field may be missing.
            field.pop("title", None)
            field.pop("default", None)
        schema.update(model.rules)

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        alias_generator=to_camel,
        regex_engine="python-re",  # pydantic's default engine has no lookahead
        json_schema_extra=_publish,
    )


class Data(Model):
    """An email's data from Roomle: the recipient, and the configuration or item."""

    rules = {"anyOf": [filled("configurationId"), filled("itemId")]}

    # Checked together with the rules, so that an error here doesn't hide theirs.
    email: str = Field(
        description="The recipient: one plain address, without a name.",
        json_schema_extra={"maxLength": MAX_ADDRESS, "pattern": ADDRESS},
    )
    success: bool | None = Field(
        None,
        description="Whether Roomle's own processing succeeded. Older versions leave it out.",
    )
    configuration_id: Text = Field(
        None, description="The id of a configuration or a plan. Either this or itemId is present."
    )
    item_id: Text = Field(None, description="The item, if there is no configuration.")
    configurator_id: Text = Field(
        None, description="Where the event comes from; it picks the brand."
    )
    url: Text = Field(
        None, description="The link to the content: https, to a host that the brand allows."
    )
    result_url: Text = Field(
        None,
        description="The link to the 3D asset: https, to a host that the brand allows for assets.",
    )

    def broken_rules(self) -> Iterator[str]:
        """Return the field that breaks each rule; an empty text counts as missing."""
        if len(self.email) > MAX_ADDRESS or not re.search(ADDRESS, self.email):
            yield "email"
        if not (self.configuration_id or self.item_id):
            yield "configurationId"

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        error = PydanticCustomError("rule", "missing or wrong")
        broken = [
            InitErrorDetails(type=error, loc=(field,), input=None) for field in self.broken_rules()
        ]
        if broken:
            raise ValidationError.from_exception_data(type(self).__name__, broken)
        return self


class LinkData(Data):
    """Data of an email about a link to the content."""

    rules = Data.rules | {"allOf": [filled("url")]}

    def broken_rules(self) -> Iterator[str]:
        """Require `url` as well."""
        yield from super().broken_rules()
        if not self.url:
            yield "url"


class ExportData(Data):
    """Data of an email about a 3D asset. A failed export has nothing to link to."""

    rules = Data.rules | {
        "if": {"properties": {"success": {"const": False}}, "required": ["success"]},
        "else": filled("resultUrl"),
    }

    def broken_rules(self) -> Iterator[str]:
        """Require `resultUrl` as well, unless the export failed."""
        yield from super().broken_rules()
        if self.success is not False and not self.result_url:
            yield "resultUrl"


class Payload(Model):
    """Any event."""

    event: Name


class SavedConfiguration(Payload):
    """A person saved a draft."""

    event: Literal["email.savedConfiguration"]
    data: LinkData


class ShareConfiguration(Payload):
    """A person shared a configuration."""

    event: Literal["email.shareConfiguration"]
    data: LinkData


class ShareConfigurationAR(Payload):
    """A person asked for the link to a configuration in AR."""

    event: Literal["email.shareConfigurationAR"]
    data: LinkData


class ExportAsset(Payload):
    """The export of a 3D asset has ended."""

    event: Literal["email.3DExportAsset"]
    data: ExportData


EVENTS: dict[str, type[Payload]] = {
    "email.savedConfiguration": SavedConfiguration,
    "email.shareConfiguration": ShareConfiguration,
    "email.shareConfigurationAR": ShareConfigurationAR,
    "email.3DExportAsset": ExportAsset,
}
KNOWN = "|".join(map(re.escape, EVENTS))


class AnotherEvent(Payload):
    """Roomle may forward more events. Those that aren't emails are ignored."""

    event: Annotated[Name, Field(pattern=rf"^(?!{LIKE_AN_EMAIL})")]


class AnotherEmail(Payload):
    """An unknown kind of email: answered with 501, so that Roomle sends its own."""

    event: Annotated[Name, Field(pattern=rf"^(?!(?:{KNOWN})$(?!\n)){LIKE_AN_EMAIL}")]


MODELS: tuple[type[Payload], ...] = (*EVENTS.values(), AnotherEvent, AnotherEmail)


def read(payload: object) -> Payload:
    """Validate an event with the model for its name; raises pydantic's ValidationError."""
    name = Payload.model_validate(payload).event
    other = AnotherEmail if re.match(LIKE_AN_EMAIL, name) else AnotherEvent
    return EVENTS.get(name, other).model_validate(payload)
