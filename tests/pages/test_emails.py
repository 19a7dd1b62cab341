"""The emails in a real browser: everybody can read them, in light and in dark mode."""

from __future__ import annotations

from itertools import cycle

import pytest

from roomle_mail.emails import Email
from tests.pages.conftest import DESKTOP, DRAFTS, PHONE, Open
from tools.pages.emails import SCHEMES, Scheme, with_pictures
from tools.preview.drafts import KINDS, Choice
from tools.preview.page import pictures

WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


def choices() -> list[tuple[Choice, Scheme]]:
    """Every event of every brand, light and dark, with alternating languages."""
    found: list[tuple[Choice, Scheme]] = []
    for look in {look.brand.id: look for look in reversed(DRAFTS.looks)}.values():
        languages = cycle(look.brand.languages)
        for kind in KINDS:
            if isinstance(DRAFTS.email(Choice(look, look.brand.language, kind)), Email):
                found += [(Choice(look, next(languages), kind), scheme) for scheme in SCHEMES]
    return found


def name(value: object) -> str:
    if isinstance(value, Choice):
        return f"{value.look.key}-{value.language}-{value.kind.key}"
    return str(value)


@pytest.mark.parametrize(("choice", "scheme"), choices(), ids=name)
def test_everybody_can_read_the_email(open_window: Open, choice: Choice, scheme: Scheme) -> None:
    email = DRAFTS.email(choice)
    assert isinstance(email, Email)
    window = open_window(PHONE if scheme == "dark" else DESKTOP, scheme)
    window.invited = "https://www.brand.example/mail/logo"
    window.page.set_content(with_pictures(email.html, pictures(email)), wait_until="commit")

    assert window.violations(*WCAG) == []
    assert window.too_wide == 0
    assert window.page.evaluate("document.documentElement.lang") == choice.language
    assert window.page.title() == email.subject
    assert window.page.get_by_role("heading", level=1).is_visible()
    window.keep(f"-{name(choice)}")


def test_every_language_is_tested() -> None:
    assert {choice.language for choice, _ in choices()} == {
        language for look in DRAFTS.looks for language in look.brand.languages
    }
