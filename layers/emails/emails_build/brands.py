"""brands.toml, checked."""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import formataddr
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from emails_build import colours, links, timezones, words
from emails_build.problems import BuildFailed, Problem, locate, read_toml
from emails_build.texts import TAG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_HOST = re.compile(rf"(?:\*\.)?{links.PUBLIC_HOST.pattern}")
_CATALOG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SPACES = re.compile(r"[ \t\r\n]+")
# Characters of an encoded From header: SES's API reference, "SendEmail", FromEmailAddress.
_MAX_SENDER = 320
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def _one_line(value: str) -> str:
    value = value.strip()
    if "\n" in value:
        message = "it has a line break"
        raise ValueError(message)
    if not value:
        raise ValueError
    return _SPACES.sub(" ", value)


def _address(value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise _written(value, links.ascii_address(value), _ADDRESS)
    return value


def _written(value: str, ascii_form: str, valid: re.Pattern[str]) -> ValueError:
    """Why a value is refused; for umlauts and the like, how to write it."""
    helps = ascii_form != value and valid.fullmatch(ascii_form)
    return ValueError(f'write it as "{ascii_form}"' if helps else "")


def _colour(value: str) -> str:
    value = value.lower()
    if not _COLOUR.fullmatch(value):
        raise ValueError
    return value


def _host(value: str) -> str:
    value = value.lower()
    if not _HOST.fullmatch(value) or (value.startswith("*.") and value.count(".") == 1):
        named = re.sub(r"^[a-z][a-z+.-]*://|[/?#].*$", "", value)
        raise _written(value, links.ascii_host(named), _HOST)
    return value


def _https(value: str) -> str:
    if rebuilt := links.rebuilt(value):
        return rebuilt
    written = links.ascii_link(value)
    raise ValueError(f'write it as "{written}"' if links.rebuilt(written) else "")


def _picture(value: str) -> str:
    if unshown := links.unshown_format(value):
        message = f"Gmail and Outlook don't show {unshown.upper()}"
        raise ValueError(message)
    return _https(value)


def _catalog(value: str) -> str:
    if not _CATALOG.fullmatch(value):
        first = value.partition(":")[0]
        raise ValueError(f'write it as "{first}"' if _CATALOG.fullmatch(first) else "")
    return value


def _phone(value: str) -> str:
    if not re.fullmatch(r"\+\d[\d ()/-]{4,25}\d", value):
        raise ValueError
    return value


def _ratio(value: str) -> str:
    found = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", value)
    if found is None or not 1 / 3 <= int(found[1]) / int(found[2]) <= 5:  # noqa: PLR2004
        raise ValueError
    return value


def _families(value: str) -> str:
    names = [name.strip(" '\"") for name in value.split(",")]
    if not all(re.fullmatch(r"-?[A-Za-z][A-Za-z0-9 -]{0,60}", name) for name in names):
        raise ValueError
    if names[-1] not in {"serif", "sans-serif", "monospace", "system-ui", "cursive"}:
        message = f'expected a fallback at its end: "{value}, sans-serif"'
        raise ValueError(message)
    # Quoted, as a word of a name may begin with a digit.
    return ", ".join(f"'{name}'" if " " in name else name for name in names)


def _font_file(value: str) -> str:
    # The link is written into a style sheet.
    if not re.fullmatch(r"""[^\s"'()<>\\]+\.woff2?(?:[?#][^\s"'()<>\\]*)?""", value, re.IGNORECASE):
        message = "mail programs load fonts as WOFF2 or WOFF"
        raise ValueError(message)
    return _https(value)


def _in(value: str | Mapping[str, str] | None, language: str) -> str | None:
    """A value in a language, if it has one there."""
    return value if value is None or isinstance(value, str) else value.get(language)


def _timezone(value: str) -> str:
    if value not in timezones.names():
        close = difflib.get_close_matches(value, timezones.names(), n=1)
        raise ValueError(f'did you mean "{close[0]}"?' if close else "")
    return value


def _known_language(value: str, info: ValidationInfo) -> str:
    known = (info.context or {})["languages"]
    if value not in known:
        message = f"there are texts for {', '.join(known)}"
        raise ValueError(message)
    return value


def _per_language(value: object) -> object:
    for tag, text in value.items() if isinstance(value, dict) else ():
        if not isinstance(text, str) or not text.strip():
            raise _Misfit(tag, f"got {_shown(text)}")
    if not value or (isinstance(value, str) and not value.strip()):
        raise ValueError
    return value


_Line = Annotated[str, Field(max_length=100), AfterValidator(_one_line)]
_Address = Annotated[str, AfterValidator(_address)]
_Colour = Annotated[str, AfterValidator(_colour)]
_Host = Annotated[str, AfterValidator(_host)]
_Timezone = Annotated[str, AfterValidator(_timezone)]
_Catalog = Annotated[str, AfterValidator(_catalog)]
_Picture = Annotated[str, AfterValidator(_picture)]
_Link = Annotated[str, AfterValidator(_https)]
_Phone = Annotated[str, AfterValidator(_phone)]
_Ratio = Annotated[str, AfterValidator(_ratio)]
_Family = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 -]{0,60}$")]
_Families = Annotated[str, AfterValidator(_families)]
_Font = Annotated[str, AfterValidator(_font_file)]
_Language = Annotated[str, AfterValidator(_known_language)]
_PerLanguage = Annotated[str | dict[str, str], BeforeValidator(_per_language)]

_A_COLOUR = 'a colour such as "#1f4d43"'
_A_LINK = "a link that begins with https://, or a table of them by language"
_A_FONT = "a link to a font in WOFF2 or WOFF that begins with https://"
_A_RATIO = 'width and height of the picture, such as "16:9"'
# In pixels.
_CARD, _PICTURE, _WIDEST_PICTURE = 600, 288, 480
_BY_LANGUAGE = ("second_button", "note_link", "hours")
_SYSTEM_FONT = "-apple-system, BlinkMacSystemFont, Segoe UI, Helvetica, Arial, sans-serif"
_A_PICTURE = "a link to a PNG, JPEG or GIF picture that begins with https://"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DarkColours(_Model):
    """A brand's dark colours; `button` is by default the light one, lightened if necessary."""

    button: _Colour | None = Field(default=None, description=_A_COLOUR)
    background: _Colour = Field(default="#121212", description=_A_COLOUR)
    surface: _Colour = Field(default="#1e1e1f", description=_A_COLOUR)
    text: _Colour = Field(default="#f1f1f1", description=_A_COLOUR)


class Colours(_Model):
    """The brand's colours, from which all others are calculated."""

    button: _Colour = Field(description=_A_COLOUR)
    background: _Colour = Field(default="#f5f5f4", description=_A_COLOUR)
    surface: _Colour = Field(default="#ffffff", description=_A_COLOUR)
    text: _Colour = Field(default="#1c1c1e", description=_A_COLOUR)
    dark: DarkColours = Field(default_factory=DarkColours, description="a table of colours")


class Blocks(_Model):
    """Optional parts of the emails, which are shown where their line and their text exist."""

    hero: _Picture | None = Field(default=None, description=_A_PICTURE)
    hero_ratio: _Ratio = Field(default="3:2", description=_A_RATIO)
    second_button: _PerLanguage | None = Field(default=None, description=_A_LINK)
    note_link: _PerLanguage | None = Field(default=None, description=_A_LINK)
    phone: _Phone | None = Field(
        default=None, description='a telephone number with its country, such as "+43 1 234 56 78"'
    )
    hours: _PerLanguage | None = Field(
        default=None, description="lines of text, or a table of them by language"
    )
    social: dict[_Line, _Link] = Field(
        default_factory=dict,
        description='links by name, such as { Instagram = "https://www.instagram.com/brand" }',
    )

    def data(self, language: str) -> dict[str, Any]:
        """What the templates show in a language."""
        lines = {name: _in(getattr(self, name), language) for name in _BY_LANGUAGE}
        hours = [_SPACES.sub(" ", line.strip()) for line in (lines.pop("hours") or "").splitlines()]
        width, height = map(int, self.hero_ratio.split(":"))
        shown = {
            **lines,
            "hero": self.hero,
            "hero_height": round(_CARD * height / width),
            "hero_ratio": f"{width} / {height}",
            "phone": self.phone,
            "phone_link": self.phone and re.sub(r"[^+\d]", "", self.phone),
            "hours": [line for line in hours if line],
            "social": [{"name": name, "link": link} for name, link in self.social.items()],
        }
        return {name: value for name, value in shown.items() if value}


class WebFont(_Model):
    """A font that mail programs fetch; those that don't show the brand's `font`."""

    name: _Family = Field(description='the name of the font, such as "Brand Sans"')
    regular: _Font = Field(description=_A_FONT)
    bold: _Font | None = Field(default=None, description=_A_FONT)


class Brand(_Model):
    """One brand, or one of its configurators with the values that differ."""

    name: _Line = Field(description="the brand's name in one line of at most 100 characters")
    sender: _Address = Field(description='an address such as "hello@brand.example"')
    sender_name: _Line | None = Field(
        default=None,
        description="the name that inboxes show in one line of at most 100 characters",
    )
    reply_to: list[_Address] = Field(
        default_factory=list,
        max_length=10,
        description='a list of addresses such as ["service@brand.example"]',
    )
    unsubscribe: _Address | None = Field(
        default=None,
        description='an address such as "no-more@brand.example", or no such line',
    )
    api_keys: list[Annotated[str, Field(min_length=1)]] | None = Field(
        default=None,
        min_length=1,
        description="a list of at least one of Roomle's API keys, or no such line",
    )
    languages: list[_Language] = Field(
        min_length=1,
        description='a list of languages such as ["de", "en"]',
    )
    language: _Language = Field(description="one of the brand's languages")
    timezone: _Timezone | None = Field(
        default=None,
        description='a time zone such as "Europe/Vienna", or no such line',
    )
    link_hosts: list[_Host] = Field(
        min_length=1,
        description='a list of host names such as ["*.roomle.com", "www.brand.example"]',
    )
    asset_hosts: list[_Host] = Field(
        min_length=1,
        description='a list of host names such as ["uploads.roomle.com"]',
    )
    show: list[Literal["picture", "name", "size"]] = Field(
        default_factory=list,
        description='a list of what emails show of a design, such as ["picture", "name", "size"]',
    )
    picture_hosts: list[_Host] = Field(
        default_factory=list,
        description='a list of host names such as ["uploads.roomle.com"]',
    )
    catalogs: list[_Catalog] | None = Field(
        default=None,
        min_length=1,
        description=(
            "a list of at least one of Roomle's catalogues, as the first part of a "
            'configuration\'s id names them, such as ["myCatalog"], or no such line'
        ),
    )
    logo: _Picture | None = Field(default=None, description=_A_PICTURE)
    logo_dark: _Picture | None = Field(default=None, description=_A_PICTURE)
    logo_width: int = Field(
        default=160,
        ge=16,
        le=504,
        description="a width in pixels from 16 to 504, without quotes",
    )
    colours: Colours = Field(description="a table of colours with at least `button`")
    font: _Families = Field(
        default=_SYSTEM_FONT,
        description='names of fonts, the last a fallback, such as "Georgia, serif"',
    )
    web_font: WebFont | None = Field(
        default=None, description="a table with the `name` of the font and its file, `regular`"
    )
    corner_radius: int = Field(
        default=8, ge=0, le=28, description="a radius in pixels from 0 to 28, without quotes"
    )
    align: Literal["start", "center"] = Field(default="start", description='"start" or "center"')
    picture_ratio: _Ratio = Field(default="1:1", description=_A_RATIO)
    blocks: Blocks = Field(
        default_factory=Blocks, description="a table of optional parts of the emails"
    )
    extra: dict[str, Any] = Field(
        default_factory=dict, description="a table of values for your own templates"
    )
    imprint: _PerLanguage = Field(
        description="the imprint's lines, or a table of them by language",
    )
    privacy: _PerLanguage = Field(
        description="a link that begins with https://, or a table of them by language",
    )
    texts: dict[str, dict[str, dict[str, str]]] = Field(
        default_factory=dict,
        description="tables of texts, by language and email",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Brand:
        for name in ("languages", "show"):
            values = getattr(self, name)
            for twice in (value for value in values if values.count(value) > 1):
                raise _Misfit(name, f'"{twice}" is listed twice')
        if self.language not in self.languages:
            raise _Misfit("language", f'"{self.language}" is not among `languages`')
        if (size := len(sender(self.sender_name or self.name, self.sender))) > _MAX_SENDER:
            field = "sender_name" if self.sender_name else "name"
            why = (
                f"encoded, it and the address take {size} characters, and SES takes "
                f"{_MAX_SENDER}: give a shorter `sender_name`"
            )
            raise _Misfit(field, why)
        if "picture" in self.show and not self.picture_hosts:
            why = 'pictures need the hosts that they may be on: picture_hosts = ["…"]'
            raise _Misfit("show", why)
        if self.logo_dark and not self.logo:
            raise _Misfit("logo_dark", "there is no `logo` for light mode")
        for name in ("imprint", "privacy"):
            value = getattr(self, name)
            for tag in self.languages if isinstance(value, dict) else ():
                if tag not in value:
                    raise _Misfit(name, f'nothing for the language "{tag}"')
        return self

    @model_validator(mode="after")
    def _says_what_can_be_shown(self) -> Brand:
        for where, link in _places("privacy", self.privacy):
            try:
                _https(link)
            except ValueError as err:
                hint = f"; {err}" if str(err) else ""
                raise _Misfit(where, f'got "{link}"{hint}') from None
        for name in ("second_button", "note_link"):
            for where, link in _places(name, getattr(self.blocks, name) or {}):
                try:
                    _https(link)
                except ValueError as err:
                    hint = f"; {err}" if str(err) else ""
                    raise _Misfit(("blocks", *where), f'got "{link}"{hint}') from None
        for where, why in _wrong_extra(self.extra, ("extra",), self.languages):
            raise _Misfit(where, why)
        hours = _places("hours", self.blocks.hours or {})
        for where, text in (
            *_places("name", self.name),
            *_places("sender_name", self.sender_name or ""),
            *_places("imprint", self.imprint),
            *((("blocks", *where), text) for where, text in hours),
            *((("blocks", "social", name), name) for name in self.blocks.social),
        ):
            if wrong := _wrong_words(text):
                raise _Misfit(where, wrong)
        if wrong := next(filter(None, map(words.hidden, self.api_keys or ())), None):
            raise _Misfit("api_keys", wrong)
        return self

    def data(self) -> dict[str, Any]:
        """The data that the functions read."""
        light = self.colours
        dark = light.dark
        # The brand's dark button stays as it is; the light one is lightened until it stands out.
        dark_button = dark.button or colours.readable(light.button, dark.surface, colours.CONTROL)
        logos = {"logo": self.logo, "logo_dark": self.logo_dark}
        font = self.web_font
        wide, high = map(int, self.picture_ratio.split(":"))
        picture_width = min(_WIDEST_PICTURE, round(_PICTURE * wide / high))
        return {
            "sender": sender(self.sender_name or self.name, self.sender),
            "reply_to": self.reply_to,
            "unsubscribe": self.unsubscribe,
            "api_keys": self.api_keys or [],
            "link_hosts": self.link_hosts,
            "asset_hosts": self.asset_hosts,
            "show": self.show,
            "picture_hosts": self.picture_hosts,
            "catalogs": self.catalogs or [],
            "language": self.language,
            "languages": self.languages,
            "offsets": timezones.offsets(self.timezone) if self.timezone else [],
            "look": {
                "name": self.name,
                **{key: link for key, link in logos.items() if link},
                "logo_width": self.logo_width,
                "font": f"'{font.name}', {self.font}" if font else self.font,
                "fallback_font": self.font,
                **({"web_font": font.model_dump(exclude_none=True)} if font else {}),
                "corner_radius": self.corner_radius,
                "card_radius": round(1.5 * self.corner_radius),
                "align": self.align,
                "picture_width": picture_width,
                "picture_height": round(picture_width * high / wide),
                "blocks": {tag: self.blocks.data(tag) for tag in self.languages},
                "extra": {
                    tag: {key: self._extra(value, tag) for key, value in self.extra.items()}
                    for tag in self.languages
                },
                "colours": {
                    "light": colours.scheme(
                        light.button, light.background, light.surface, light.text
                    ),
                    "dark": colours.scheme(dark_button, dark.background, dark.surface, dark.text),
                },
                "imprint": {tag: self._of(self.imprint, tag).split("\n") for tag in self.languages},
                "privacy": {tag: _https(self._of(self.privacy, tag)) for tag in self.languages},
            },
            "texts": self.texts,
        }

    def _extra(self, value: Any, language: str) -> Any:  # noqa: ANN401 (any value of TOML)
        """The brand's own values; a table with languages as its keys is one value for each."""
        if not isinstance(value, dict):
            return value
        if value and value.keys() <= {*self.languages}:
            return value.get(language, "")
        return {key: self._extra(inner, language) for key, inner in value.items()}

    @staticmethod
    def _of(value: str | Mapping[str, str], language: str) -> str:
        text = value if isinstance(value, str) else value[language]
        return "\n".join(_SPACES.sub(" ", line.strip()) for line in text.strip().splitlines())


class _Misfit(ValueError):
    """A value that is well formed but conflicts with another one."""

    def __init__(self, where: str | tuple[str, ...], why: str) -> None:
        super().__init__(why)
        self.path = (where,) if isinstance(where, str) else where


def _wrong_extra(
    value: object, where: tuple[str, ...], languages: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What can't be shown of the brand's own values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not _KEY.fullmatch(key) and key not in languages:
                yield where, f'"{key}" can\'t be a name in templates: use letters, digits and _'
            yield from _wrong_extra(inner, (*where, key), languages)
    elif isinstance(value, list):
        for inner in value:
            yield from _wrong_extra(inner, where, languages)
    elif isinstance(value, str):
        if why := _wrong_value(value):
            yield where, why
    elif not isinstance(value, int | float):
        yield where, "expected a text, a number, true or false, a list or a table"


def _wrong_value(value: str) -> str | None:
    if "://" in value:
        try:
            _https(value)
        except ValueError as err:
            hint = f"; {err}" if str(err) else ""
            return f'expected a link that begins with https://, got "{value}"{hint}'
        return None
    return _wrong_words(value)


def _wrong_words(text: str) -> str | None:
    if found := words.markup(text):
        return f'"{found}" would be shown as it is written'
    return next(words.problems(text), None)


def _by_language(
    values: Mapping[str, Any], known: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The languages in which a brand or configurator says something, each with its place."""
    blocks = values.get("blocks")
    places = {(name,): values.get(name) for name in ("imprint", "privacy", "texts")} | {
        ("blocks", name): blocks.get(name) if isinstance(blocks, dict) else None
        for name in _BY_LANGUAGE
    }
    for where, value in (*places.items(), *_extra_by_language(values.get("extra"), known)):
        yield from ((where, tag) for tag in (value if isinstance(value, dict) else ()))


def _extra_by_language(
    value: object, known: Sequence[str], where: tuple[str, ...] = ("extra",)
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The brand's own values that differ between languages; others are tables or values."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if not isinstance(inner, dict):
            continue
        if all(map(TAG.fullmatch, inner)) and any(tag in known for tag in inner):
            yield (*where, key), inner
        else:
            yield from _extra_by_language(inner, known, (*where, key))


def _places(name: str, value: str | Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """A value's texts, each with its place: the value itself, or one for each language."""
    if isinstance(value, str):
        yield (name,), value
    else:
        yield from (((name, tag), text) for tag, text in value.items())


def sender(name: str, address: str) -> str:
    """A From header's value: the name quoted if necessary, or as RFC 2047 encoded words."""
    if name.isascii() and "=?" not in name:
        return formataddr((name, address))
    # Encoded words have at most 75 characters (RFC 2047, 2), so a long name needs several.
    words = Header(name, "utf-8", maxlinelen=75, header_name="From").encode(linesep="")
    return f"{words} <{address}>"


@dataclass(frozen=True, slots=True)
class Brands:
    """The whole file; a configurator has only the brand's id and the values in `differs`."""

    default: str
    brands: Mapping[str, dict[str, Any]]
    configurators: Mapping[str, dict[str, Any]]


def read_brands(file: Path, languages: Sequence[str]) -> Brands:
    """Read and check brands.toml; raises BuildFailed with all that is wrong."""
    raw, text = read_toml(file)
    check = _Check(file, text, languages)
    check.known_keys(raw, ("default", "brands", "configurators"))
    tables = check.tables(raw, "brands")
    models = {key: check.brand(values, ("brands", key)) for key, values in tables.items()}
    for key, values in tables.items():
        check.languages_of(values, models[key], ("brands", key))
        if not _ID.fullmatch(key):
            check.note(("brands", key), "expected an id of small letters, digits and hyphens")
    if not tables:
        check.note(("brands",), "expected at least one brand, written [brands.default]")
    check.one_of(tables, raw.get("default"), ("default",))

    configurators: dict[str, dict[str, Any]] = {}
    for key, values in check.tables(raw, "configurators").items():
        if why := words.hidden(key):
            check.note(("configurators", key), why)
        check.one_of(tables, values.get("brand"), ("configurators", key, "brand"))
        chosen = str(values.get("brand"))
        base = models.get(chosen)
        if base is None:
            continue  # one of the problems recorded so far
        configurators[key] = {"brand": chosen}
        own = {name: value for name, value in values.items() if name != "brand"}
        model = check.brand(_merged(tables[chosen], own), ("configurators", key)) if own else None
        check.languages_of(own, model, ("configurators", key))
        if model is not None:
            models[f"configurators.{key}"] = model
            before, after = base.data(), model.data()
            configurators[key]["differs"] = {
                name: value for name, value in after.items() if value != before[name]
            }
    check.api_keys(models)
    check.done()
    return Brands(
        default=str(raw["default"]),
        brands={key: model.data() for key, model in models.items() if model and key in tables},
        configurators=configurators,
    )


class _Check:
    """Collects problems with their lines."""

    def __init__(self, file: Path, text: str, languages: Sequence[str]) -> None:
        self.file, self.text, self.languages = file, text, languages
        self.problems: list[Problem] = []

    def note(self, path: Sequence[str | int], message: str) -> None:
        where = ".".join(map(str, path))
        self.problems.append(Problem(self.file, locate(self.text, path), f"{where}: {message}"))

    def done(self) -> None:
        if self.problems:
            raise BuildFailed(sorted(self.problems, key=lambda problem: problem.line))

    def known_keys(self, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in table:
            if key not in known:
                self.note((key,), _unknown(key, known))

    def tables(self, raw: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
        found = raw.get(name, {})
        if not isinstance(found, dict):
            self.note((name,), f"expected tables, written [{name}.…]")
            return {}
        for key, values in found.items():
            if not isinstance(values, dict):
                self.note((name, key), f"expected a table, written [{name}.{key}]")
        return {key: values for key, values in found.items() if isinstance(values, dict)}

    def one_of(self, tables: Mapping[str, Any], chosen: object, path: tuple[str, ...]) -> None:
        if tables and (not isinstance(chosen, str) or chosen not in tables):
            got = "nothing" if chosen is None else _shown(chosen)
            self.note(path, f"expected one of the brands {_listed(tables)}, got {got}")

    def brand(self, values: Mapping[str, Any], path: tuple[str, ...]) -> Brand | None:
        try:
            return Brand.model_validate(values, context={"languages": self.languages})
        except ValidationError as err:
            seen = set()
            for each in err.errors():
                inner, message = _explained(each)
                if inner not in seen:
                    self.note((*path, *inner), message)
                seen.add(inner)
        return None

    def languages_of(
        self, values: Mapping[str, Any], brand: Brand | None, path: tuple[str, ...]
    ) -> None:
        """What is said in a language that the brand doesn't offer would never be shown."""
        offered = brand.languages if brand else self.languages
        for where, tag in _by_language(values, self.languages):
            if tag in offered:
                continue
            why = f'"{tag}" is not among its `languages`: add it there, or delete this'
            if tag not in self.languages:
                why = f"there is no texts/{tag}.toml: expected one of {_listed(offered)}"
            self.note((*path, *where, tag), f"would never be shown, since {why}")

    def api_keys(self, models: Mapping[str, Brand | None]) -> None:
        listed = [key for key, brand in models.items() if brand and brand.api_keys]
        for key, brand in models.items():
            if listed and brand and not brand.api_keys and not key.startswith("configurators."):
                self.note(
                    ("brands", key),
                    f"expected `api_keys`, since {_listed(listed)} has them: "
                    "either all brands list theirs or none does",
                )


# What is shown with a block, but said in each language.
_TEXTS_OF_BLOCKS = frozenset({"note", "note_label"})


def _explained(error: ErrorDetails) -> tuple[tuple[str | int, ...], str]:
    """The place, and what is expected there, in the words of the fields' descriptions."""
    cause = error.get("ctx", {}).get("error")
    path = (*error["loc"], *cause.path) if isinstance(cause, _Misfit) else error["loc"]
    model: type[BaseModel] = Brand
    depth, expected = 0, "a table of the brand's values"
    for key in path:
        field = model.model_fields.get(str(key))
        if field is None:
            break
        depth, expected = depth + 1, field.description or expected
        kinds = (field.annotation, *get_args(field.annotation))
        inner = [each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)]
        if not inner:
            break
        model = inner[0]
    if error["type"] == "extra_forbidden" and path[-1] in _TEXTS_OF_BLOCKS:
        where = "texts/<language>.toml, or into the brand's own texts"
        return path, f"isn't known: it is a text, so write it into {where}"
    if error["type"] == "extra_forbidden":
        return path, _unknown(str(path[-1]), list(model.model_fields))
    # The rest is pydantic's own, such as the branch of a union, but in `texts` it is keys.
    if "texts" not in path and not isinstance(cause, _Misfit):
        path = path[:depth]
    if error["type"] == "missing":
        return path, f"is missing: expected {expected}"
    got = "" if isinstance(cause, _Misfit) else f", got {_shown(error['input'])}"
    why = f"; {cause}" if str(cause or "") else ""
    return tuple(key for key in path if key != "[key]"), f"expected {expected}{got}{why}"


def _shown(value: object) -> str:
    """A value roughly as in TOML."""
    if isinstance(value, dict):
        return "a table"
    return json.dumps(value, ensure_ascii=False, default=str)


def _unknown(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f", did you mean `{close[0]}`?" if close else f": expected one of {', '.join(known)}"
    return f"isn't known{hint}"


def _listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _merged(base: Mapping[str, Any], differs: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in differs.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
