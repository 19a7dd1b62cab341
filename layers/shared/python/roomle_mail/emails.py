"""Event + brand -> Email. Pure.

The brands, texts and templates are the package `roomle_mail_emails`, which `emails_build` (in
layers/emails) makes and checks. Each is a small file, read when needed, so that an event takes no
longer with ten thousand brands than with one.

An email shows nothing that Roomle sent but links, checked against the brand's hosts and rebuilt,
and what it says of the design, where the brand shows that.
"""

import hashlib
import importlib.resources
import io
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, Self

from minijinja import Environment

from roomle_mail import errors, formats
from roomle_mail.events import Event, link_language, rebuild_link

# No automatic reply should answer: RFC 3834, and Exchange's own (MS-OXCMAIL, 2.2.3.2.14).
_HEADERS = (
    ("Auto-Submitted", "auto-generated"),
    ("X-Auto-Response-Suppress", "OOF, AutoReply"),
)

# The event that reaches a person who did not ask for it.
_UNASKED = "email.shareConfiguration"

# Characters; with more, the code's modules get too small for a camera to read from a screen.
_MAX_QR_LINK = 500

# A text that has `{design}` in it is used if the design's name is known, instead of the text of the
# same name without this ending.
WITH_DESIGN = "_with_design"

MAX_NAME = 80
_PLACEHOLDER = re.compile(r"\{(brand|date|design)\}")
# Mail programs make a link of what looks like one.
_LINK_LIKE = re.compile(r"://|@|\bwww\.|\w[.\u3002\uff0e\uff61][^\W\d_]{2}", re.IGNORECASE)
# What looks like a space but is a letter to Unicode, and what has no width, such as soft hyphens.
_UNSEEN = dict.fromkeys(map(ord, "\u115f\u1160\u2800\u3164\uffa0"), " ") | dict.fromkeys(
    map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"), ""
)
_TOWER = re.compile(r"[\u0300-\u036f]{3}")  # of accents, which reaches into other lines

_BY_LANGUAGE = ("imprint", "privacy", "blocks", "extra")

_FIELD_NAMES = {"url": "data.url", "result_url": "data.resultUrl"}


class Image(NamedTuple):
    """A picture inside the email, which its HTML shows as `cid:` and the content id."""

    content_id: str
    name: str
    media_type: str
    data: bytes


class Email(NamedTuple):
    """An email as it is sent; `sender` is a complete From value, `subject` has no line breaks."""

    recipient: str
    sender: str
    reply_to: tuple[str, ...]
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    images: tuple[Image, ...]
    brand: str
    language: str
    template: str


@dataclass(frozen=True, slots=True)
class Brand:
    """Who sends. Empty `api_keys` allow any key; hosts are exact names or `*.name`.

    `show` says which of "picture", "name" and "size" of a design the emails show. Pictures are
    only on `picture_hosts`; empty `catalogs` allow designs of any of Roomle's catalogues.
    `offsets` are its time zone's, each with when it begins to count, all in seconds; without any,
    dates are in UTC and say so. `unsubscribe` is the address that takes requests not to be mailed
    designs by others.

    `look` (logo, colours, imprint, ...) and `texts` (the brand's own words) are for the templates.
    """

    id: str
    name: str
    sender: str
    reply_to: tuple[str, ...]
    unsubscribe: str | None
    api_keys: tuple[str, ...]
    link_hosts: tuple[str, ...]
    asset_hosts: tuple[str, ...]
    show: tuple[str, ...]
    picture_hosts: tuple[str, ...]
    catalogs: tuple[str, ...]
    offsets: tuple[tuple[int, int], ...]
    language: str
    languages: tuple[str, ...]
    look: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @classmethod
    def of(cls, identifier: str, data: Mapping[str, Any]) -> Self:
        """From what the brand's file says."""
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        return cls(id=identifier, name=data["look"]["name"], **fields)


class Design(NamedTuple):
    """What an email shows of a design; lengths are in millimetres. Empty means nothing."""

    picture: str | None = None
    name: str | None = None
    width: float | None = None
    depth: float | None = None
    height: float | None = None


NO_DESIGN = Design()


class Content(NamedTuple):
    """A rendered email without its recipient."""

    subject: str
    preview: str
    text: str
    html: str


class Catalog:
    """The brands, texts and templates.

    `read` returns the text of a file by its name and raises FileNotFoundError for an unknown one.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        index = json.loads(read("catalog.json"))
        self._read = read
        self._default: str = index["default"]
        self._templates: Mapping[str, Mapping[str, Mapping[str, Any]]] = index["templates"]
        # Those of brands with templates of their own.
        self._own: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]] = index["own"]
        # minijinja escapes in *.html, and nothing in *.txt.
        self._environment = Environment(  # type: ignore[call-overload]
            loader=lambda name: read(f"templates/{name}"),
            # A template may ask for what is undefined, but not show it. Its types lack this mode.
            undefined_behavior="semi_strict",
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._brand = lru_cache(maxsize=256)(self._read_brand)
        self._texts = lru_cache(maxsize=None)(lambda name: json.loads(read(f"texts/{name}.json")))

    @classmethod
    def load(cls) -> Self:
        """The built package `roomle_mail_emails`."""
        package = importlib.resources.files("roomle_mail_emails")
        return cls(lambda name: package.joinpath(name).read_text(encoding="utf-8"))

    def brand(self, configurator_id: str | None) -> Brand:
        """The brand of a configurator; the default one for None and for an unknown id."""
        return self._brand(configurator_id)

    def shows(self, event: Event, brand: Brand) -> tuple[str, ...]:
        """What the event's email shows of a design if it is known: "picture", "name", "size".

        Raises NoTemplate.
        """
        possible = self._template(event, brand)["shows"]
        return tuple(each for each in brand.show if each in possible)

    def compose(
        self,
        event: Event,
        brand: Brand,
        *,
        received: float,
        event_id: str = "",
        design: Design = NO_DESIGN,
    ) -> Email:
        """Write the email that the event calls for.

        `received` is when the event came, in seconds since the epoch. `event_id` makes the ids of
        inline pictures unique. Of the design, the email shows what the brand's `show` says.

        Raises NoTemplate, LinkNotAllowed, and InvalidEvent if a link that the template needs is
        missing.
        """
        needs = self._template(event, brand)
        sources = {
            "url": (event.url, brand.link_hosts),
            "result_url": (event.result_url, brand.asset_hosts),
        }
        links = {
            name: rebuild_link(link, hosts, field=_FIELD_NAMES[name])
            for name, (link, hosts) in sources.items()
            if link is not None and name in needs["uses"]
        }
        if missing := [_FIELD_NAMES[field] for field in needs["requires"] if field not in links]:
            raise errors.InvalidEvent(*missing)
        template = needs["name"]
        language, locale = language_of(event, brand)
        image = _qr_code(links[needs["qr"]], event_id) if needs["qr"] in links else None
        content = self.render(
            template,
            brand,
            language,
            links=links,
            design=_shown(design, brand, locale),
            date=_date(received, brand, locale),
            qr=image.content_id if image else None,
        )
        return Email(
            recipient=event.recipient,
            sender=brand.sender,
            reply_to=brand.reply_to,
            subject=content.subject,
            text=content.text,
            html=content.html,
            headers=_headers(event, brand, event_id),
            images=(image,) if image else (),
            brand=brand.id,
            language=language,
            template=template,
        )

    def render(
        self,
        template: str,
        brand: Brand,
        language: str,
        *,
        links: Mapping[str, str],
        design: Mapping[str, str],
        date: str,
        qr: str | None,
    ) -> Content:
        """Render a template.

        `links` are checked links by field, `design` is what is shown of the design (`picture`,
        `name` and `size`, as far as they are known), `qr` is a content id.

        Raises minijinja.TemplateError, which the build's own rendering rules out.
        """
        texts = self._texts(language)
        own = brand.texts.get(language, {})
        sections = (texts["shared"], own.get("shared", {}), texts[template], own.get(template, {}))
        values = {"brand": brand.name, "date": date, "design": design.get("name", "")}
        chosen = _chosen(sections, named="name" in design)
        words = {key: _filled(text, values) for key, text in chosen.items()}
        look = brand.look
        by_language = {key: look[key][language] for key in _BY_LANGUAGE}
        start = "right" if texts["dir"] == "rtl" else "left"
        context = {
            "brand": {"id": brand.id, **look, **by_language},
            "t": words,
            "language": language,
            "dir": texts["dir"],
            "start": start,
            "align": start if look["align"] == "start" else look["align"],
            "design": design,
            "date": date,
            **({"qr": qr} if qr else {}),
            **links,
        }
        file = f"{brand.id}/{template}" if brand.id in self._own else template
        html = self._environment.render_template(f"{file}.html", **context)
        return Content(
            subject=words["subject"],
            preview=words["preview"],
            text=self._environment.render_template(f"{file}.txt", **context),
            # minijinja also writes every / as a character reference: correct, but longer, and
            # unreadable to anything that looks for links without parsing HTML.
            html=html.replace("&#x2f;", "/"),
        )

    def _template(self, event: Event, brand: Brand) -> Mapping[str, Any]:
        templates = self._own.get(brand.id, self._templates)
        outcomes = templates.get(event.name.removeprefix("email."), {})
        outcome = "failure" if event.success is False else "success"
        if outcome not in outcomes:
            raise errors.NoTemplate
        return outcomes[outcome]

    def _read_brand(self, configurator_id: str | None) -> Brand:
        chosen: Mapping[str, Any] = {"brand": self._default}
        if configurator_id is not None:
            with suppress(FileNotFoundError):
                shard = json.loads(self._read(f"configurators/{shard_of(configurator_id)}.json"))
                chosen = shard.get(configurator_id, chosen)
        identifier = chosen["brand"]
        data = json.loads(self._read(f"brands/{identifier}.json")) | chosen.get("differs", {})
        return Brand.of(identifier, data)


def shard_of(configurator_id: str) -> str:
    """The file, one of 256, that holds a configurator's brand."""
    return hashlib.sha256(configurator_id.encode("utf-8", "surrogatepass")).hexdigest()[:2]


def language_of(event: Event, brand: Brand) -> tuple[str, str]:
    """The email's language, and the reader's locale, such as "de" and "de-at".

    The language is the brand's that a link asks for, else the brand's own.
    """
    offered = {language.casefold(): language for language in brand.languages}
    for link in (event.url, event.result_url):
        asked = link_language(link) if link is not None else None
        locale = asked.replace("_", "-") if asked else ""
        subtags = locale.split("-")
        # RFC 4647, 3.4, "Lookup": one subtag less at a time, so zh-Hant-TW finds zh-Hant.
        while subtags:
            if found := offered.get("-".join(subtags)):
                return found, locale
            subtags.pop()
            # A single letter introduces what follows it, and says nothing alone.
            if subtags and len(subtags[-1]) == 1:
                subtags.pop()
    return brand.language, brand.language


def _headers(event: Event, brand: Brand, event_id: str) -> tuple[tuple[str, str], ...]:
    headers = list(_HEADERS)
    if event_id:
        # Gmail puts emails with one subject into one conversation, and hides what they have in
        # common, unless this differs.
        headers.append(("X-Entity-Ref-ID", event_id))
    if brand.unsubscribe and event.name == _UNASKED:
        # RFC 2369, 3.2.
        headers.append(("List-Unsubscribe", f"<mailto:{brand.unsubscribe}>"))
    return tuple(headers)


def _chosen(sections: Iterable[Mapping[str, Any]], *, named: bool) -> dict[str, Any]:
    """The texts of all sections, later ones first; `named` if the design's name is known."""
    texts: dict[str, Any] = {}
    for section in sections:
        for key in section:
            # Anyone who words a text differently means it for all designs.
            texts.pop(f"{key}{WITH_DESIGN}", None)
        texts |= section
    special = {key: texts.pop(key) for key in [*texts] if key.endswith(WITH_DESIGN)}
    if named:
        texts |= {key.removesuffix(WITH_DESIGN): text for key, text in special.items()}
    return texts


def _filled(text: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 (a text or its paragraphs)
    if not isinstance(text, str):
        return [_filled(paragraph, values) for paragraph in text]
    # All at once: a design's name may look like a placeholder. Most texts have none.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text) if "{" in text else text


def _shown(design: Design, brand: Brand, locale: str) -> dict[str, str]:
    """What an email of the brand shows of a design, as far as it is known."""
    size = formats.size(design.width, design.depth, design.height, locale=locale)
    known = {
        "picture": _picture(design, brand),
        "name": visible_name(design.name or ""),
        "size": size,
    }
    return {key: value for key, value in known.items() if key in brand.show and value}


def _picture(design: Design, brand: Brand) -> str | None:
    if design.picture is None:
        return None
    with suppress(errors.LinkNotAllowed):
        return rebuild_link(design.picture, brand.picture_hosts)
    return None


def visible_name(text: str) -> str | None:
    """A design's name in one line, without what isn't displayed; None if it can't be shown."""
    seen = text.translate(_UNSEEN)
    name = " ".join("".join(char if char.isprintable() else " " for char in seen).split())
    is_odd = len(name) > MAX_NAME or _LINK_LIKE.search(name) or _TOWER.search(name)
    return None if is_odd else name or None


def _date(received: float, brand: Brand, locale: str) -> str:
    begun = bisect_right(brand.offsets, received, key=itemgetter(0))
    offset = brand.offsets[begun - 1][1] if begun else 0
    local = datetime.fromtimestamp(received + offset, UTC)
    return formats.date(local, locale=locale) + ("" if brand.offsets else " UTC")


def _qr_code(link: str, event_id: str) -> Image | None:
    if len(link) > _MAX_QR_LINK:
        return None
    import segno  # noqa: PLC0415 (one event of four needs it)

    picture = io.BytesIO()
    # Black on white with its quiet zone, in dark mode too: cameras read no inverted codes.
    segno.make_qr(link, error="l").save(picture, kind="png", scale=6, border=4)
    # RFC 2392 wants it unique in the world. iOS Mail keeps pictures by it, and would show a person
    # the code of another email.
    unique = hashlib.sha256(event_id.encode()).hexdigest()[:32]
    return Image(f"qr-{unique}@roomle-mail", "qr.png", "image/png", picture.getvalue())
