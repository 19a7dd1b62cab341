"""No rule of a spam filter counts against an email."""

from __future__ import annotations

import shutil
from email.message import EmailMessage

import pytest

from roomle_mail.emails import Email
from tests.emails_package import EMAILS
from tests.emails_reading import message
from tools import spamassassin
from tools.preview.drafts import Choice, Drafts

pytestmark = pytest.mark.proof


@pytest.fixture(autouse=True)
def installed() -> None:
    if not shutil.which(spamassassin.PROGRAM):
        pytest.fail("no `spamassassin` on this machine: run `python -m tools.spamassassin`")


def test_no_email_scores_in_spamassassin() -> None:
    drafts = Drafts(EMAILS)
    made: list[tuple[Choice, Email]] = [
        (choice, email)
        for choice in drafts.choices()
        if isinstance(email := drafts.email(choice), Email)
    ]

    verdicts = spamassassin.verdicts([message(email) for _, email in made])

    assert len(verdicts) == len(made)
    for (choice, _), (score, rules) in zip(made, verdicts, strict=True):
        assert score <= 0, (choice.look.key, choice.language, choice.kind.key, rules)


def test_white_letters_on_white_would_score() -> None:
    """Otherwise the test above would prove nothing."""
    spam = EmailMessage()
    spam["From"], spam["To"], spam["Subject"] = "a@b.example", "c@d.example", "Hello"
    spam.set_content("Hello")
    spam.add_alternative(
        '<html><body><p>Hello</p><div style="color:#ffffff;font-size:1px">cheap pills</div>'
        "</body></html>",
        subtype="html",
    )
    [(score, rules)] = spamassassin.verdicts([spam])
    assert score > 0
    assert "HTML_FONT_LOW_CONTRAST" in rules
