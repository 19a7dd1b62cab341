"""What the check says of finished emails: contrast, pictures, and what only the HTML says."""

from __future__ import annotations

from pathlib import Path

import pytest

from emails_build import checks
from emails_build.package import compile_package
from tests.emails_building import append, edit, problems

LAYOUT, LAYOUT_TEXT = "templates/shared/layout.mjml", "templates/shared/layout.txt"
SAVED, SAVED_TEXT = "templates/savedConfiguration.mjml", "templates/savedConfiguration.txt"
INTO_TEXT = "write it into the text part (.txt) too"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('<mj-text color="#bbbbbb">{{ t.button }}</mj-text>', "contrast 1.92 of 4.5 in light mode"),
        (
            '<mj-text css-class="around" color="#111111">{{ t.button }}</mj-text>',
            "of 4.5 in dark mode",
        ),
        (
            '<mj-text><img src="https://b.example/x" alt="Sofa" style="color: #fff" /></mj-text>',
            "contrast 1.00 of 4.5 in light mode",
        ),
        ('<mj-image src="https://b.example/x.png" />', "a picture without alternative text"),
        ('<mj-image src="https://b.example/x.png" alt=" " />', "https://b.example/x.png"),
        ("<mj-text>Come and see</mj-text>", f"only the HTML says “Come and see”: {INTO_TEXT}"),
        (
            '<mj-text><a href="https://b.example/x">{{ t.button }}</a></mj-text>',
            f"only the HTML has the link https://b.example/x: {INTO_TEXT}",
        ),
        ('<mj-text><a href="tel:+43123">{{ t.button }}</a></mj-text>', "the link tel:+43123"),
        ('<mj-text><a href="mailto:a@b.example">{{ t.button }}</a></mj-text>', "mailto:a@b.ex"),
    ],
)
def test_what_a_reader_would_miss_is_named_with_file_and_line(
    source: Path, line: str, message: str
) -> None:
    number = append(source, SAVED, line)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{SAVED}:{number}: ")
    assert message in problem
    assert " (in " in problem


SOCIAL, BUTTON = "templates/shared/social", '<mj-include path="shared/button.mjml" />'


@pytest.mark.parametrize(
    ("name", "old", "new", "told", "anchor", "link"),
    [
        (SAVED, BUTTON, "", SAVED_TEXT, "{{ url }}", "{{ url }}"),
        ("templates/3DExportAsset-failed.mjml", BUTTON, "",
         "templates/3DExportAsset-failed.txt", "{{ url }}", "{{ url }}"),
        ("templates/3DExportAsset.mjml", BUTTON, "",
         "templates/3DExportAsset.txt", "{{ result_url }}", "{{ result_url }}"),
        (LAYOUT, "{{ brand.privacy }}", "https://www.brand.example/",
         LAYOUT_TEXT, "brand.privacy", "https://www.brand.example/privacy"),
        (f"{SOCIAL}.mjml", "{{ each.link }}", "{{ brand.privacy }}",
         f"{SOCIAL}.txt", "each in", "https://www.instagram.com/"),
    ],
)  # fmt: skip
def test_a_link_that_the_html_has_lost_is_named_where_the_text_part_has_it(
    whole: Path, name: str, old: str, new: str, told: str, anchor: str, link: str
) -> None:
    edit(whole, name, old, new)
    text = (whole / told).read_text("utf-8")
    line = text[: text.index(anchor)].count("\n") + 1
    found = [each for each in problems(whole) if each.startswith(f"{told}:{line}: ")]
    assert any(f"only the text part has the link {link}" in each for each in found), found


def test_the_brands_own_html_is_named_if_that_has_lost_the_link(source: Path) -> None:
    own = source / "templates" / "studio" / "savedConfiguration.mjml"
    own.parent.mkdir()
    own.write_text("<mj-text>{{ t.button }}</mj-text>\n")
    [problem] = problems(source)
    assert problem.startswith(f"{SAVED_TEXT}:")
    assert "show it in the HTML (templates/studio/savedConfiguration.mjml and what it" in problem


def test_a_link_within_the_html_is_fine_and_one_to_nowhere_is_not(source: Path) -> None:
    link = '<mj-text><a href="{}">{{{{ t.button }}}}</a></mj-text>'
    append(source, SAVED, link.format("#top"))
    assert compile_package(source)
    number = append(source, SAVED, link.format("#"))
    [problem] = problems(source)
    assert problem.startswith(f"{SAVED}:{number}: <a href>: expected a link of https://")


def test_a_link_that_only_the_html_has_is_named_where_it_is_set(source: Path) -> None:
    edit(source, SAVED_TEXT, "{{ url }}", "")
    [problem] = problems(source)
    assert problem.startswith(f"{SAVED}:1: only the HTML has the link {{{{ url }}}}: {INTO_TEXT}")


@pytest.mark.parametrize("end", ["(terms)", "?a=1&b=2", "!", "caf%C3%A9", "#top", "", "it's"])
def test_a_link_of_any_form_is_found_in_both_parts(source: Path, end: str) -> None:
    edit(source, "brands.toml", "https://www.brand.example/privacy", f"https://b.example/{end}")
    assert compile_package(source)


def test_a_text_part_may_have_a_link_of_its_own(source: Path) -> None:
    append(source, SAVED_TEXT, "https://www.brand.example/plain")
    assert compile_package(source)


def test_a_blank_alternative_text_is_none_although_another_picture_has_one() -> None:
    page = '<body><img alt="{}" src="https://b.example/x.png" /></body>'
    assert checks.findings("", page.format("A sofa")) == ()
    [blank] = checks.findings("", page.format(" "))
    assert "without alternative text" in blank.message


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("<mj-text>Come and <b>see</b> us!</mj-text>", "COME AND SEE US."),
        ("<mj-text>Come   and&nbsp;see</mj-text>", "Come and\nsee"),
        ('<mj-text><a href="https://b.example/?a=1&amp;b=2">here</a></mj-text>',
         "here: https://b.example/?a=1&b=2"),
        ('<mj-text><a href="tel:+43123456">+43 123 456</a></mj-text>', "Phone: +43 123 456"),
        ('<mj-text><a href="mailto:a@b.example?subject=x">x</a></mj-text>', "x a@b.example"),
        ('<mj-text css-class="text around html-only">If you see no button</mj-text>', ""),
        ('<mj-image src="https://b.example/x.png" alt="A sofa" />', ""),
        ("<mj-text>→</mj-text>", ""),
    ],
)  # fmt: skip
def test_what_the_text_part_says_too_is_fine(source: Path, line: str, plain: str) -> None:
    append(source, SAVED, line)
    append(source, SAVED_TEXT, plain)
    assert compile_package(source)


def test_a_brand_may_have_a_dark_card(source: Path) -> None:
    brands = (source / "brands.toml").read_text("utf-8")
    changed = brands.replace(
        'background = "#f4f2ee"', 'background = "#000000"\nsurface = "#101010"'
    )
    assert changed != brands
    (source / "brands.toml").write_text(changed, "utf-8")
    assert compile_package(source)


def test_dark_colours_are_checked_for_each_brand(source: Path) -> None:
    layout = (source / LAYOUT).read_text("utf-8")
    changed = layout.replace(
        ".text div, .text h1, .logo div { color: {{ dark.text }} !important; }",
        ".text div, .text h1, .logo div { color: {% if brand.name == 'Example Furniture' %}"
        "{{ dark.text }}{% else %}#202020{% endif %} !important; }",
    )
    assert changed != layout
    (source / LAYOUT).write_text(changed, "utf-8")
    found = problems(source)
    assert found
    assert all("in dark mode" in each and "brands.studio" in each for each in found)


def test_emails_that_differ_in_more_than_their_words_are_not_taken_for_one() -> None:
    page = "<html><head><style>p {{ color: {0} }}</style></head><body><p>{1}</p></body></html>"
    assert checks.findings("one", page.format("#000000", "one")) == ()
    assert checks.findings("two", page.format("#000000", "two")) == ()
    assert checks.findings("two", page.format("#eeeeee", "two"))
    assert checks.findings("", page.format("#000000", "two"))


def test_words_that_only_one_language_has_in_both_parts_are_missed_in_the_others() -> None:
    page = '<html><body><p>{0}</p><a href="https://b.example/{0}">x</a></body></html>'
    both = "{0} x https://b.example/{0}"
    assert checks.findings(both.format("one"), page.format("one")) == ()
    [words, link] = checks.findings(both.format("one"), page.format("two"))
    assert "“two”" in words.message
    assert "https://b.example/two" in link.message
    [link] = checks.findings("two x https://b.example/one", page.format("two"))
    assert "https://b.example/two" in link.message
    # After an edit, a preview names what is there now.
    for word in ("three", "four"):
        [first, *_] = checks.findings("x", page.format(word))
        assert word in first.message
