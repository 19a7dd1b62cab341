"""W3C's HTML checker finds nothing in an email but what old mail programs need."""

from __future__ import annotations

from dataclasses import replace

import pytest

from roomle_mail.emails import Email
from tests.emails_package import EMAILS
from tools import html_checker
from tools.preview.drafts import Drafts

pytestmark = pytest.mark.proof

# Nothing may be added, and what is not found any more has to go.
ACCEPTED = {
    # Outlook for Windows lays emails out by these, and ignores CSS in their place.
    "The “align” attribute on the “table” element is obsolete. Use CSS instead.",
    "The “align” attribute on the “td” element is obsolete. Use CSS instead.",
    "The “bgcolor” attribute on the “td” element is obsolete. Use CSS instead.",
    (
        "The “border” attribute on the “table” element is obsolete. "
        "Consider specifying “img { border: 0; }” in CSS instead."
    ),
    "The “cellpadding” attribute on the “table” element is obsolete. Use CSS instead.",
    "The “cellspacing” attribute on the “table” element is obsolete. Use CSS instead.",
    "The “valign” attribute on the “td” element is obsolete. Use CSS instead.",
    "The “width” attribute on the “table” element is obsolete. Use CSS instead.",
    # Its own properties and drawing.
    "Attribute “xmlns:o” not allowed here.",
    "Attribute “xmlns:v” not allowed here.",
    "CSS: “mso-hide”: Property “mso-hide” doesn't exist.",
    "CSS: “mso-padding-alt”: Property “mso-padding-alt” doesn't exist.",
    "CSS: “mso-table-lspace”: Property “mso-table-lspace” doesn't exist.",
    "CSS: “mso-table-rspace”: Property “mso-table-rspace” doesn't exist.",
    # Apple Mail's name for `color-scheme`, before that was standardized.
    "CSS: “supported-color-schemes”: Property “supported-color-schemes” doesn't exist.",
    # mrml writes it. HTML 4 required it, and programs that read only that remain.
    "The “type” attribute for the “style” element is not needed and should be omitted.",
}


@pytest.fixture(autouse=True)
def installed() -> None:
    if not html_checker.is_installed():
        pytest.fail("no HTML checker on this machine: run `python -m tools.html_checker`")


def test_every_email_is_html_but_for_what_old_mail_programs_need() -> None:
    drafts = Drafts(EMAILS)
    emails = [
        email.html
        for choice in drafts.choices()
        for design, blocks in (("all", "all"), ("none", "set"))
        if isinstance(email := drafts.email(replace(choice, design=design, blocks=blocks)), Email)
    ]

    found = {each for messages in html_checker.messages(emails) for each in messages}

    assert found == ACCEPTED


def test_what_is_not_html_is_found() -> None:
    """Otherwise the test above would prove nothing."""
    page = '<!doctype html><html lang="en"><head><title>x</title></head><body>{}</body></html>'
    fine, broken = html_checker.messages([page.format("<p>x</p>"), page.format("<p>x</div>")])
    assert fine == []
    assert any("div" in each for each in broken)
