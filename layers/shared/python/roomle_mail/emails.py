"""Event + brand -> Email. Pure.

The brands, texts and templates are the package `roomle_mail_emails`, which `emails_build` (in
layers/emails) makes and checks. It is one small file each, read when it is needed, so that an event
costs the same with one brand as with ten thousand.

Of what Roomle sent only the links are shown, checked against the brand's hosts and rebuilt.
"""

from __future__ import annotations

import hashlib
import html
import importlib.resources
import io
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from minijinja import Environment, safe

from roomle_mail.errors import InvalidEvent, NoTemplate
from roomle_mail.events import link_language, rebuild_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from roomle_mail.events import Event

# RFC 3834: nobody's holiday notice should answer.
_HEADERS = (("Auto-Submitted", "auto-generated"),)

# RFC 2392 puts it into the HTML as `cid:`.
_QR_CONTENT_ID = "qr"
# Bytes; beyond it the code's modules get too small for a camera in front of a screen.
_MAX_QR_LINK = 800

# Stands for a link until there is one, and is in none: a checked link has no control characters.
_MARK = re.compile("\0([a-z_]+)\0")

_FIELD_NAMES = {"url": "data.url", "result_url": "data.resultUrl"}


class Image(NamedTuple):
    """A picture inside the email, which its HTML shows as `cid:` and the content id."""

    content_id: str
    name: str
    media_type: str
    data: bytes


class Email(NamedTuple):
    """All that a sender needs; `sender` is a ready header value, `subject` has no line breaks."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Brand:
    """Who sends. Empty `api_keys`: any key may; hosts are exact names or `*.name`.

    `look` (logo, colours, imprint, ...) and `texts` (the brand's own words) are for the templates.
    A brand is equal to itself alone, so that what was written for it can be found again.
    """

    id: str
    name: str
    sender: str
    reply_to: tuple[str, ...]
    api_keys: frozenset[str]
    link_hosts: tuple[str, ...]
    asset_hosts: tuple[str, ...]
    language: str
    languages: tuple[str, ...]
    look: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @classmethod
    def of(cls, identifier: str, data: Mapping[str, Any]) -> Brand:
        """The brand whose file says this."""
        return cls(
            id=identifier,
            name=data["look"]["name"],
            sender=data["sender"],
            reply_to=tuple(data["reply_to"]),
            api_keys=frozenset(data["api_keys"]),
            link_hosts=tuple(data["link_hosts"]),
            asset_hosts=tuple(data["asset_hosts"]),
            language=data["language"],
            languages=tuple(data["languages"]),
            look=data["look"],
            texts=data["texts"],
        )


class Content(NamedTuple):
    """One rendered email, for nobody yet."""

    subject: str
    preview: str
    text: str
    html: str


class _Form(NamedTuple):
    """One rendered email without its links: between its parts stand their fields."""

    subject: str
    preview: str
    text: list[str]
    html: list[str]


class Catalog:
    """The brands, texts and templates, of which `read` gives one file by its name.

    `read` raises FileNotFoundError for a name that isn't there.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        index = json.loads(read("catalog.json"))
        self._read = read
        self._default: str = index["default"]
        self._templates: Mapping[str, Mapping[str, Any]] = index["templates"]
        # minijinja escapes what goes into *.html, and nothing in *.txt.
        self._environment = Environment(
            loader=lambda name: read(f"templates/{name}"),
            undefined_behavior="strict",
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._brand = lru_cache(maxsize=256)(self._read_brand)
        self._texts = lru_cache(maxsize=None)(self._read_texts)
        self._form = lru_cache(maxsize=128)(self._make_form)

    @classmethod
    def load(cls) -> Catalog:
        """The catalogue that was built into the package `roomle_mail_emails`."""
        package = importlib.resources.files("roomle_mail_emails")
        return cls(lambda name: package.joinpath(name).read_text(encoding="utf-8"))

    def brand(self, configurator_id: str | None) -> Brand:
        """The brand of a configurator; the default one for None and for an unknown id."""
        return self._brand(configurator_id)

    def compose(self, event: Event, brand: Brand) -> Email:
        """Write the email that the event owes.

        Raises NoTemplate, InvalidEvent for a link that the template needs and the event has not,
        and LinkNotAllowed.
        """
        template, needs = self._template(event)
        links: dict[str, str] = {}
        if event.url is not None and "url" in needs["uses"]:
            links["url"] = rebuild_link(event.url, brand.link_hosts)
        if event.result_url is not None and "result_url" in needs["uses"]:
            links["result_url"] = rebuild_link(event.result_url, brand.asset_hosts)
        missing = [field for field in needs["requires"] if field not in links]
        if missing:
            raise InvalidEvent(*(_FIELD_NAMES[field] for field in missing))
        language = _language(event, brand)
        image = _qr_code(links[needs["qr"]]) if needs["qr"] in links else None
        content = self.fill(template, brand, language, links, image.content_id if image else None)
        return Email(
            recipient=event.recipient,
            sender=brand.sender,
            reply_to=brand.reply_to,
            subject=content.subject,
            text=content.text,
            html=content.html,
            headers=_HEADERS,
            images=(image,) if image else (),
            brand=brand.id,
            language=language,
            template=template,
        )

    def fill(
        self,
        template: str,
        brand: Brand,
        language: str,
        links: Mapping[str, str],
        qr: str | None,
    ) -> Content:
        """Like `render`, for a fifteenth of its time, once it was done with other links.

        Links are all that differs from person to person, and templates only show them.
        """
        form = self._form(template, brand, language, tuple(links), qr)
        text, marked = form.text.copy(), form.html.copy()
        text[1::2] = [links[field] for field in text[1::2]]
        escaped = {field: html.escape(link) for field, link in links.items()}
        marked[1::2] = [escaped[field] for field in marked[1::2]]
        return Content(form.subject, form.preview, "".join(text), "".join(marked))

    def render(
        self,
        template: str,
        brand: Brand,
        language: str,
        links: Mapping[str, str],
        qr: str | None,
    ) -> Content:
        """Fill one template; `links` are checked ones by field, `qr` a content id.

        Raises minijinja.TemplateError, which the build makes sure never happens.
        """
        texts = self._texts(language)
        own = brand.texts.get(language, {})
        words = {
            key: _named(value, brand.name)
            for section in (
                texts["shared"],
                own.get("shared", {}),
                texts[template],
                own.get(template, {}),
            )
            for key, value in section.items()
        }
        look = {
            **brand.look,
            "imprint": brand.look["imprint"][language],
            "privacy": brand.look["privacy"][language],
        }
        common = {
            "t": words,
            "language": language,
            "dir": texts["dir"],
            "start": "right" if texts["dir"] == "rtl" else "left",
            **({"qr": qr} if qr else {}),
        }
        return Content(
            subject=words["subject"],
            preview=words["preview"],
            text=self._environment.render_template(
                f"{template}.txt",
                brand=look,
                **common,
                **links,
            ),
            html=self._environment.render_template(
                f"{template}.html",
                brand={key: _escaped(value) for key, value in look.items()},
                **common,
                **{field: _escaped(link) for field, link in links.items()},
            ),
        )

    def _make_form(
        self, template: str, brand: Brand, language: str, fields: tuple[str, ...], qr: str | None
    ) -> _Form:
        marked = self.render(
            template, brand, language, {name: f"\0{name}\0" for name in fields}, qr
        )
        return _Form(
            marked.subject, marked.preview, _MARK.split(marked.text), _MARK.split(marked.html)
        )

    def _template(self, event: Event) -> tuple[str, Mapping[str, Any]]:
        outcomes = self._templates.get(event.name.removeprefix("email."), {})
        outcome = "failure" if event.success is False else "success"
        if outcome not in outcomes:
            raise NoTemplate
        return outcomes[outcome]["name"], outcomes[outcome]

    def _read_brand(self, configurator_id: str | None) -> Brand:
        chosen: Mapping[str, Any] = {"brand": self._default}
        if configurator_id is not None:
            try:
                shard = json.loads(self._read(f"configurators/{shard_of(configurator_id)}.json"))
            except FileNotFoundError:
                shard = {}
            chosen = shard.get(configurator_id, chosen)
        identifier = chosen["brand"]
        data = json.loads(self._read(f"brands/{identifier}.json")) | chosen.get("differs", {})
        return Brand.of(identifier, data)

    def _read_texts(self, language: str) -> Mapping[str, Any]:
        texts: Mapping[str, Any] = json.loads(self._read(f"texts/{language}.json"))
        return texts


def shard_of(configurator_id: str) -> str:
    """The file, one of 256, in which the build put a configurator."""
    return hashlib.sha256(configurator_id.encode("utf-8", "surrogatepass")).hexdigest()[:2]


def _language(event: Event, brand: Brand) -> str:
    for link in (event.url, event.result_url):
        if link is None or (asked := link_language(link)) is None:
            continue
        tag = asked.replace("_", "-")
        offered = {language.casefold(): language for language in brand.languages}
        if found := offered.get(tag) or offered.get(tag.partition("-")[0]):
            return found
    return brand.language


def _named(text: Any, brand: str) -> Any:  # noqa: ANN401 (a text or its paragraphs)
    if isinstance(text, str):
        return text.replace("{brand}", brand)
    return [paragraph.replace("{brand}", brand) for paragraph in text]


def _escaped(value: Any) -> Any:  # noqa: ANN401 (only texts change)
    # minijinja would also write every / of a link as a character reference: right, but longer and
    # unreadable for anything that looks at links without parsing HTML.
    return safe(html.escape(value)) if isinstance(value, str) else value


def _qr_code(link: str) -> Image | None:
    if len(link) > _MAX_QR_LINK:
        return None
    import segno  # noqa: PLC0415 (one event of four needs it)

    picture = io.BytesIO()
    # Black on white with its quiet zone, in dark mode too: cameras read no inverted codes.
    segno.make_qr(link, error="l").save(picture, kind="png", scale=6, border=4)
    return Image(_QR_CONTENT_ID, "qr.png", "image/png", picture.getvalue())
