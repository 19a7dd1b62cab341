"""Every event x language x brand, read as a mail program reads it."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from roomle_mail.emails import WITH_DESIGN, Brand, Catalog, Design, Email
from roomle_mail.events import Event
from tests.emails_reading import RECEIVED, Page, contrast, message

CATALOG = Catalog.load()
URL = "https://www.roomle.com/t/cp/?id=catalog:item:2564B3D4&configuratorId=shop&copy=1&lt;=2"
ASSET = "https://uploads.roomle.com/exports/2564B3D4.glb?a=1&b=2"
PICTURE = "https://uploads.roomle.com/configurations/catalog:item:2564B3D4/perspectiveImage.png"
DESIGN = Design(picture=PICTURE, name="Corner sofa", width=2412, depth=985.5, height=780)
# When the events came, as each language writes it.
DATES = {
    "en": "27 Nov 2026, 14:05",
    "de": "27.11.2026, 14:05",
    "fr": "27/11/2026, 14:05",
    "it": "27/11/2026, 14:05",
    "es": "27/11/2026, 14:05",
    "nl": "27-11-2026, 14:05",
}
TEMPLATES = {
    "savedConfiguration": ("email.savedConfiguration", None),
    "shareConfiguration": ("email.shareConfiguration", True),
    "shareConfigurationAR": ("email.shareConfigurationAR", True),
    "3DExportAsset": ("email.3DExportAsset", True),
    "3DExportAsset-failed": ("email.3DExportAsset", False),
}


@dataclass(frozen=True)
class Case:
    template: str
    configurator: str | None
    language: str
    design: bool = False

    def __str__(self) -> str:
        design = "-design" if self.design else ""
        return f"{self.template}-{self.configurator}-{self.language}{design}"

    @property
    def brand(self) -> Brand:
        brand = CATALOG.brand(self.configurator)
        hosts = ("uploads.roomle.com",)
        return replace(
            brand,
            offsets=(),
            show=("picture", "name", "size") if self.design else (),
            picture_hosts=hosts if self.design else (),
        )

    @property
    def shows_design(self) -> bool:
        return self.design and not self.template.endswith("-failed")

    @property
    def url(self) -> str:
        return f"{URL}&lang={self.language}"

    @property
    def links(self) -> list[str]:
        """The first link is the button's."""
        return [ASSET, self.url] if self.template == "3DExportAsset" else [self.url]

    @property
    def added(self) -> list[str]:
        """The links of the blocks that the brand adds."""
        blocks = self.brand.look["blocks"][self.language]
        phone = [f"tel:{blocks['phone_link']}"] if "phone_link" in blocks else []
        social = [each["link"] for each in blocks.get("social", [])]
        return [*phone, *social, *([blocks["second_button"]] if "second_button" in blocks else [])]

    @property
    def words(self) -> dict[str, Any]:
        """The texts that the email must show, from the built package."""
        package = importlib.resources.files("roomle_mail_emails")
        texts = json.loads(package.joinpath(f"texts/{self.language}.json").read_text("utf-8"))
        own = self.brand.texts.get(self.language, {})
        words = texts["shared"] | texts[self.template] | own.get(self.template, {})
        special = {key: text for key, text in words.items() if key.endswith(WITH_DESIGN)}
        words = {key: text for key, text in words.items() if key not in special}
        if self.design:
            words |= {key.removesuffix(WITH_DESIGN): text for key, text in special.items()}
        filled = json.dumps(words, ensure_ascii=False)
        for name, value in (
            ("brand", self.brand.name),
            ("design", "Corner sofa"),
            ("date", f"{DATES[self.language]} UTC"),
        ):
            filled = filled.replace(f"{{{name}}}", value)
        return json.loads(filled)  # type: ignore[no-any-return]


@cache
def compose(case: Case) -> Email:
    name, success = TEMPLATES[case.template]
    asset = ASSET if name == "email.3DExportAsset" and success else None
    event = Event(
        name=name,
        recipient="person@example.org",
        success=success,
        configuration_id="catalog:item:2564B3D4",
        item_id=None,
        configurator_id=case.configurator,
        url=case.url,
        result_url=asset,
        payload={},
    )
    return CATALOG.compose(event, case.brand, received=RECEIVED, design=DESIGN)


@cache
def page(case: Case) -> Page:
    return Page(compose(case).html)


CASES = [
    Case(template, configurator, language)
    for configurator in (None, "exampleStudio", "exampleStudioAustria")
    for language in CATALOG.brand(configurator).languages
    for template in TEMPLATES
]
CASES += [replace(case, design=True) for case in CASES if case.configurator is None]
LANGUAGES = sorted({case.language for case in CASES})


def every_email(test: Callable[[Case], None]) -> Callable[[str], None]:
    """Run a test for every email, as one test for each language: a report takes longer than it."""

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_in(language: str) -> None:
        for case in CASES:
            if case.language == language:
                test(case)

    return test_in


def test_the_cases_are_all_templates_in_all_six_languages() -> None:
    assert sorted(["en", "de", "fr", "it", "es", "nl"]) == LANGUAGES
    folder = importlib.resources.files("roomle_mail_emails").joinpath("templates")
    built = {each.name.removesuffix(".html") for each in folder.iterdir() if "html" in each.name}
    assert built == set(TEMPLATES)


def cids(email: Email) -> set[str]:
    return {f"cid:{image.content_id}" for image in email.images}


@every_email
def test_it_is_the_email_that_was_asked_for(case: Case) -> None:
    email = compose(case)
    assert (email.template, email.language) == (case.template, case.language)
    assert (email.brand, email.sender) == (case.brand.id, case.brand.sender)


@every_email
def test_html_and_text_show_every_text(case: Case) -> None:
    html, text = page(case).text, compose(case).text
    blocks = {"second_button", "phone", "hours", "social"}
    absent = blocks - case.brand.look["blocks"][case.language].keys()
    for key, value in case.words.items():
        if key in absent:
            continue
        for part in value if isinstance(value, list) else [value]:
            about_design = key in {"size", "picture_alt"}
            if key not in {"subject", "preview"} and (not about_design or case.shows_design):
                assert part in html, key
                # Plain text has no button that might not work, and no picture.
                assert part in text or key in {"link_intro", "qr_intro", "qr_alt", "picture_alt"}


@every_email
def test_subject_and_preview_are_what_an_inbox_shows(case: Case) -> None:
    assert compose(case).subject == page(case).title == case.words["subject"]
    assert page(case).preview == case.words["preview"]
    assert len(compose(case).subject) <= 78
    assert len(page(case).preview) <= 100


@every_email
def test_two_or_three_sentences_say_what_it_is_about(case: Case) -> None:
    sentences = re.findall(r"[.!?](?=\s|$)", " ".join(case.words["text"]))
    assert 2 <= len(sentences) <= 4


@every_email
def test_no_template_syntax_is_left(case: Case) -> None:
    email = compose(case)
    for value in [*page(case).values, email.text, email.subject]:
        assert not re.search(r"\{\{|\}\}|\{%|%\}|\{#|\{brand", value) or "@media" in value
    assert not re.search(r"\{\{|\{%|%\}", email.html)


@every_email
def test_links_are_intact_and_no_others(case: Case) -> None:
    privacy = case.brand.look["privacy"][case.language]
    expected = {*case.links, *case.added, privacy}
    assert set(page(case).links) == expected
    shown = {each for each in expected if each.startswith("https:")}
    assert set(re.findall(r"https://\S+", compose(case).text)) == shown


@every_email
def test_there_is_one_button_and_under_it_its_link_in_plain_text(case: Case) -> None:
    [button, *others] = page(case).buttons
    assert {each.get("href") for each in others} <= set(case.added)
    assert button.get("href") == case.links[0]
    assert "".join(button.itertext()).strip() == case.words["button"]
    text = page(case).text
    assert text.index(case.words["button"]) < text.index(case.links[0])


@every_email
def test_the_footer_has_imprint_and_privacy_link_and_says_why(case: Case) -> None:
    look = case.brand.look
    for line in (*look["imprint"][case.language], case.words["reason"], case.words["privacy"]):
        assert line in page(case).text
        assert line in compose(case).text
    [link] = [each for each in page(case).find("a") if each.text == case.words["privacy"]]
    assert link.get("href") == look["privacy"][case.language]


@every_email
def test_no_other_text_of_the_payload_is_shown(case: Case) -> None:
    email = compose(case)
    assert "person@example.org" not in page(case).text + email.text + email.subject


@every_email
def test_every_picture_has_an_alternative_text(case: Case) -> None:
    for image in page(case).find("img"):
        assert image.get("alt")


@every_email
def test_the_logo_has_a_picture_for_light_and_one_for_dark(case: Case) -> None:
    look = case.brand.look
    for css_class, name in (("logo-light", "logo"), ("logo-dark", "logo_dark")):
        shown = [
            image.get("src")
            for around in page(case).find("div", css_class)
            for image in around.iter("img")
        ]
        assert shown == ([look[name]] if name in look else [])


@every_email
def test_the_dark_logo_is_hidden_from_outlook_by_what_is_around_it(case: Case) -> None:
    """Outlook 2007 to 2019 shows a picture in spite of its own `display: none`."""
    for around in page(case).find("div", "logo-dark"):
        assert "display: none" in around.get("style", "")
        assert "mso-hide: all" in around.get("style", "")
    outside = re.sub(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", "", compose(case).html)
    assert "logo-dark" not in re.sub(r"<style.*?</style>", "", outside, flags=re.DOTALL)


@every_email
def test_it_says_its_language_and_direction(case: Case) -> None:
    [root] = page(case).find("html")
    assert (root.get("lang"), root.get("dir")) == (case.language, "ltr")


@every_email
def test_it_is_made_for_light_and_dark(case: Case) -> None:
    metas = {each.get("name"): each.get("content") for each in page(case).find("meta")}
    assert metas["color-scheme"] == metas["supported-color-schemes"] == "light dark"
    styles = "".join("".join(each.itertext()) for each in page(case).find("style"))
    dark = styles.partition("@media (prefers-color-scheme: dark)")[2]
    for name in ("background", "surface", "text", "muted", "footer", "button", "button_text"):
        assert case.brand.look["colours"]["dark"][name] in dark


@every_email
def test_all_text_can_be_read_on_what_lies_behind_it(case: Case) -> None:
    assert page(case).painted
    for piece in page(case).painted:
        assert contrast(piece.colour, piece.background) >= 4.5, piece


@every_email
def test_it_is_small_enough_that_no_mail_program_clips_it(case: Case) -> None:
    assert len(compose(case).html.encode()) < 60_000


@every_email
def test_nothing_is_fetched_from_elsewhere_but_the_brands_logos(case: Case) -> None:
    look = case.brand.look
    sources = {each.get("src") for each in page(case).find("img")}
    allowed = {look.get("logo"), look.get("logo_dark"), *cids(compose(case))}
    assert sources <= allowed | ({PICTURE} if case.shows_design else set())
    assert not page(case).find("link")
    assert not page(case).find("script")
    assert "url(" not in compose(case).html
    assert "@import" not in compose(case).html


@every_email
def test_the_message_has_the_headers_of_an_automatic_email(case: Case) -> None:
    parsed = message(compose(case))
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert parsed["Subject"] == case.words["subject"]
    [sender] = parsed["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (
        case.brand.name,
        compose(case).sender.rpartition("<")[2].rstrip(">"),
    )
    assert [each.addr_spec for each in parsed["Reply-To"].addresses] == list(case.brand.reply_to)
    assert not parsed.defects


@every_email
def test_every_picture_in_the_message_is_there(case: Case) -> None:
    shown = {each.get("src") for each in page(case).find("img")}
    attached = {
        part["Content-ID"].strip("<>"): part
        for part in message(compose(case)).walk()
        if part["Content-ID"]
    }
    assert {f"cid:{name}" for name in attached} == {src for src in shown if src and "cid:" in src}
    assert len(attached) == (1 if case.template == "shareConfigurationAR" else 0)
    for part in attached.values():
        assert part.get_content_type() == "image/png"
        assert part.get_content_disposition() == "inline"
