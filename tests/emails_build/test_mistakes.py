"""Common mistakes in brands, texts and templates, and what the build says about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emails_build import links
from emails_build.package import compile_package
from tests.emails_building import append, edit, problems

BRANDS, DE = "brands.toml", "texts/de.toml"
LAYOUT, LAYOUT_TEXT = "templates/shared/layout.mjml", "templates/shared/layout.txt"
SAVED, SAVED_TEXT = "templates/savedConfiguration.mjml", "templates/savedConfiguration.txt"
BUTTON, AR = "templates/shared/button.mjml", "templates/shareConfigurationAR.mjml"
INCLUDE = '<mj-include path="shared/button.mjml" />'
MARK = b"\xef\xbb\xbf"
# What the text part says too of the elements that the tests add.
ALSO_IN_TEXT = "x: a & b 3 > 2, shop@b.example, +43 12345, https://b.example/?l={{ language }}"


@pytest.mark.parametrize("name", [BRANDS, DE, SAVED, SAVED_TEXT, LAYOUT, LAYOUT_TEXT, BUTTON])
@pytest.mark.parametrize("line", [1, 2])
def test_a_byte_order_mark_is_named_anywhere(source: Path, name: str, line: int) -> None:
    before, after = (source / name).read_bytes().split(b"\n", 1)
    marked = MARK + before + b"\n" + after if line == 1 else before + b"\n" + MARK + after
    (source / name).write_bytes(marked)
    [problem] = problems(source)
    assert problem.startswith(f"{name}:{line}: has a byte order mark (U+FEFF)")
    assert "UTF-8 without BOM" in problem


@pytest.mark.parametrize("name", [BRANDS, DE, SAVED, SAVED_TEXT, BUTTON])
def test_another_encoding_is_named(source: Path, name: str) -> None:
    (source / name).write_bytes((source / name).read_text("utf-8").encode("utf-16"))
    assert problems(source)[0] == f"{name}:1: expected text in UTF-8"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("templates/savedConfiguration.html", "the name savedConfiguration.mjml"),
        ("templates/savedConfiguration.MJML", "the name savedConfiguration.mjml"),
        ("templates/savedConfiguration.TXT", "the name savedConfiguration.txt"),
        ("templates/savedConfiguration.mjml.txt", "the name savedConfiguration.mjml"),
        ("templates/savedConfiguration", "a name such as savedConfiguration.mjml"),
        ("templates/notes.docx", "a name such as savedConfiguration.mjml"),
        ("templates/shared/button.MJML", "the name button.mjml"),
        ("templates/studio/savedConfiguration.htm", "the name savedConfiguration.mjml"),
        ("texts/de.TOML", "the name de.toml"),
        ("texts/pl.yaml", "the name pl.toml"),
        ("texts/pl.toml.txt", "the name pl.toml"),
        ("texts/pl", "a name such as de.toml"),
        ("texts/old/pl.toml", "it in texts/ itself, as texts/pl.toml"),
        ("pictures/logo.svg", "the name logo.png, since mail programs show PNG, JPEG and GIF"),
        ("pictures/mail/hero.WEBP", "the name hero.png, since mail programs show"),
        ("pictures/brand.pdf", "a name such as logo.png, since mail programs show"),
    ],
)
def test_a_file_that_nothing_reads_is_named_with_the_name_that_it_needs(
    source: Path, name: str, expected: str
) -> None:
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_text("x\n")
    [problem] = problems(source)
    assert problem.startswith(f"{name}: isn't used: expected {expected}")


def test_a_template_under_a_wrong_name_is_named_beside_what_is_missing_because_of_it(
    source: Path,
) -> None:
    (source / SAVED).rename(source / "templates/savedConfiguration.MJML")
    named, missing = problems(source)
    assert "savedConfiguration.MJML: isn't used: expected the name savedConf" in named
    assert missing == "templates: expected templates such as savedConfiguration.mjml"


@pytest.mark.parametrize(
    "name",
    [
        "templates/.savedConfiguration.mjml.swp",
        "templates/savedConfiguration.mjml~",
        "templates/#savedConfiguration.mjml#",
        "templates/.backup/old.html",
        "texts/.de.toml",
        "pictures/Thumbs.db",
        "pictures/LOGO.PNG",
        "pictures/photo.jpeg",
        "pictures/brand-sans.woff2",
    ],
)
def test_files_of_systems_and_editors_and_pictures_that_may_be_linked_to_are_fine(
    source: Path, unedited: dict[str, str], name: str
) -> None:
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_text("x\n")
    assert compile_package(source) == unedited


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        (SAVED_TEXT, "http://b.example/{{ t.heading }}.", "http://b.example/{{ t.heading }}"),
        (SAVED_TEXT, '<a href="{{ url }}">x</a>', '<a href="{{ url }}"> would be shown'),
        (SAVED, "<mj-text>http://{{ t.heading }}/{{ t.button }}</mj-text>",
         'got "http://{{ t.heading }}/{{ t.button }}"'),
        (SAVED, "<mj-text>**{{ t.heading }}**</mj-text>", '"**{{ t.heading }}**" would be shown'),
        (SAVED, "<mj-text>[{{ t.button }}](https://b.example/)</mj-text>",
         '"[{{ t.button }}](https://b.example/)" would be shown'),
    ],
)  # fmt: skip
def test_an_inserted_value_is_told_as_it_is_written(
    source: Path, name: str, line: str, told: str
) -> None:
    anchor = "{{ url }}" if name == SAVED_TEXT else INCLUDE
    number = edit(source, name, anchor, f"{line}\n{anchor}")
    found = [each for each in problems(source) if each.startswith(f"{name}:{number}: ")]
    assert any(told in each for each in found), problems(source)
    assert not any("{}" in each for each in found)


def test_a_number_with_a_unit_is_told_to_be_written_alone(source: Path) -> None:
    line = edit(source, BRANDS, "logo_width = 200", "logo_width = 200px  # wide")
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: isn't TOML: ")
    assert problem.endswith(": write the number alone, 200")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("button = #1f4d43", 'write a colour in quotes, "#1f4d43"'),
        ("button = 1f4d43  # green", 'write a colour in quotes, "#1f4d43"'),
        ("button = 123", "expected a colour"),
        ("[brands.Neue Marke]", "as in [brands.my-brand]"),
        ("[brands.möbel]", "as in [brands.my-brand]"),
        ("button = green", "in straight quotes"),
        ('button = "dark "green""', "a quotation mark within a text"),
        ("corner_radius = 1,5", "write a point in a number, 1.5"),
        ('button = "#1f4d43"\nbutton = "#1f4d43"', "the name is here twice"),
        ('button = "#1f4d43"\nx = 123\nx = 123', "the name is here twice"),
    ],
)
def test_a_value_that_is_not_toml_is_told_as_what_it_looks_like(
    source: Path, line: str, meant: str
) -> None:
    number = edit(source, BRANDS, 'button = "#1f4d43"', line) + line.count("\n")
    [problem, *_] = problems(source)
    assert problem.startswith(f"{BRANDS}:{number}: ")
    assert meant in problem


ASK = "there may be none, so ask first, {{% if {} is defined %}}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Url", "did you mean `url`?"),
        ("heading", "did you mean `t.heading`?"),
        ("brand.nmae", "did you mean `brand.name`?"),
        ("brand.colors.light.button", "`brand.colors` is undefined, did you mean `brand.colours`?"),
        ("brand.colours.light.buton", "did you mean `brand.colours.light.button`?"),
        ("brand.x", "`brand.x` is undefined (in "),
        ("nonsense", "`nonsense` is undefined (in "),
        *((each, ASK.format(each)) for each in ("design.name", "qr", "brand.web_font")),
    ],
)
def test_a_name_that_is_undefined_is_told_with_what_is_meant(
    source: Path, name: str, meant: str
) -> None:
    number = append(source, SAVED_TEXT, f"{{{{ {name} }}}}")
    [problem, *_] = problems(source)
    assert problem.startswith(f"{SAVED_TEXT}:{number}: `")
    assert meant in problem


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("[savedConfiguration]", "[savedConfigurations]", "did you mean `savedConfiguration`?"),
        ("heading = ", "headline = ", "savedConfiguration.headline: isn't shown, did you mean `h"),
        ("heading = ", "xyz = ", "savedConfiguration.xyz: isn't shown: expected one of button, "),
    ],
)
def test_a_text_under_a_wrong_name_is_told_with_what_is_meant(
    source: Path, old: str, new: str, meant: str
) -> None:
    number = edit(source, DE, old, new)
    assert any(x.startswith(f"{DE}:{number}: ") and meant in x for x in problems(source))


@pytest.mark.parametrize(
    ("tag", "meant"),
    [("iff url", "{% if … %}"), ("fro x in t.text", "{% for … %}"), ("endiff", "{% endif %}")],
)
def test_a_tag_that_there_is_not_is_named_with_the_one_that_is_meant(
    source: Path, tag: str, meant: str
) -> None:
    line = edit(source, SAVED_TEXT, "{{ url }}", f"{{% {tag} %}}{{{{ url }}}}{{% endif %}}")
    assert f"{SAVED_TEXT}:{line}: {{% {tag} %}} isn't known, did you mean {meant}?" in problems(
        source
    )


@pytest.mark.parametrize("path", ["shared/buton.mjml", "button.mjml", "shared/Button"])
def test_a_missing_file_is_told_with_its_folder_and_the_one_that_is_meant(
    source: Path, path: str
) -> None:
    line = edit(source, SAVED, "shared/button.mjml", path)
    name = f"{path.removesuffix('.mjml')}.mjml"
    assert problems(source) == [
        f"{SAVED}:{line}: expected the file {name} in templates/, did you mean shared/button.mjml?"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("savedconfiguration", "savedConfiguration"),
        ("savedConfiguration-fail", "savedConfiguration-failed"),
        ("3dExportAsset", "3DExportAsset"),
    ],
)
def test_a_template_whose_name_is_nearly_right_is_told_which_is_meant(
    source: Path, name: str, meant: str
) -> None:
    (source / f"templates/{name}.mjml").write_text("<mj-text>x</mj-text>\n")
    why = f"isn't an email of Roomle's, did you mean {meant}.mjml?"
    assert problems(source) == [f"templates/{name}.mjml: {why}"]


def test_a_link_that_only_the_html_has_is_told_as_the_template_writes_it(source: Path) -> None:
    edit(source, SAVED_TEXT, "{{ url }}", "")
    [problem] = problems(source)
    assert "only the HTML has the link {{ url }}: write it into the text part" in problem


@pytest.mark.parametrize("ends", [b"\r\n", b"\r"])
def test_line_ends_of_other_systems_change_nothing(
    source: Path, unedited: dict[str, str], ends: bytes
) -> None:
    for name in (BRANDS, DE, SAVED, SAVED_TEXT, LAYOUT, LAYOUT_TEXT, BUTTON):
        (source / name).write_bytes((source / name).read_bytes().replace(b"\n", ends))
    assert compile_package(source) == unedited


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (LAYOUT_TEXT, '{% include "content.txt" %}', '{%- include "content.txt" -%}'),
        (LAYOUT_TEXT, '{% include "content.txt" %}', "{%include 'content.txt'%}"),
        (LAYOUT_TEXT, '{% include "content.txt" %}', '{% include "content" %}'),
        (LAYOUT, '<mj-include path="content.mjml" />', "<mj-include path='content.mjml'/>"),
        (LAYOUT, '<mj-include path="content.mjml" />', '<mj-include path="./content" />'),
        (SAVED, INCLUDE, '<mj-include path="shared/button" />'),
        (SAVED, INCLUDE, '<mj-include path = "shared/button.mjml"></mj-include>'),
        (SAVED, INCLUDE, f'{INCLUDE}\n<!-- <mj-include path="gone.mjml" /> -->'),
        (SAVED, INCLUDE, f"<!--\n{INCLUDE}\n-->\n{INCLUDE}"),
        (SAVED_TEXT, "{{ url }}", '{# {% include "gone.txt" %} #}{{ url }}'),
    ],
)
def test_an_include_may_be_written_in_every_usual_way(
    source: Path, unedited: dict[str, str], name: str, old: str, new: str
) -> None:
    edit(source, name, old, new)
    made, usual = compile_package(source), unedited
    assert {name: text.split() for name, text in made.items()} == {
        name: text.split() for name, text in usual.items()
    }


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        (SAVED_TEXT, 'x {% include "part.txt" %}', "on a separate line"),
        (SAVED_TEXT, "{% include part %}", '{% include "shared/part.txt" %}'),
        (SAVED_TEXT, '{% include "a.txt" ignore missing %}', "on a separate line"),
        (SAVED_TEXT, '{% import "part.txt" as part %}', "isn't supported here"),
        (SAVED_TEXT, '{%- from "part.txt" import part -%}', "isn't supported here"),
        (SAVED_TEXT, '{% extends "part.txt" %}', "isn't supported here"),
        (SAVED_TEXT, "{% block a %}", "isn't supported here"),
        (SAVED_TEXT, '{% include "savedConfiguration.txt" %}', "includes itself"),
        (SAVED_TEXT, '{% include "content.txt" %}', "includes itself"),
        (SAVED_TEXT, '{% include "../../brands.toml" %}', "within templates/"),
        (SAVED_TEXT, '{% include "gone.txt" %}', "expected the file gone.txt"),
        (SAVED, '<mj-include path="shared" />', "expected the file shared.mjml"),
        (SAVED, '<mj-include path="savedConfiguration.mjml" />', "includes itself"),
        (SAVED, '<mj-include path="shared/layout.mjml" />', "includes itself"),
        (BUTTON, '<mj-include path="shared/button.mjml" />', "button.mjml -> button.mjml"),
        (SAVED, '<mj-include path="/etc/hosts" />', "within templates/"),
        (SAVED, '<mj-include path="x.css" type="css" />', "`type` isn't supported here"),
        (SAVED, "<mj-include path='x.html' type='html' />", "`type` isn't supported here"),
        (SAVED, '<mj-include path="shared/button" css-inline />', "`css-inline` isn't supported"),
        (SAVED, '<mj-include path="x.css" css-inline="inline" />', "leave `css-inline` out"),
        (SAVED, '<mj-include src="shared/button" />', "has no `src`, did you mean `path`?"),
        (SAVED, '<mj-include path="shared/button" x="1" />', "has no `x`: expected only path="),
        (SAVED, "<mj-include path=shared/button />", 'write path="shared/button"'),
        (SAVED, '<mj-include path="shared/" />', "expected a file in templates/, got the folder"),
        (SAVED_TEXT, '<mj-include path="x.txt" />', '{% include "shared/part.txt" %}'),
        (SAVED, "<mj-include />", 'written <mj-include path="shared/part.mjml" />'),
        (SAVED, f"{INCLUDE}{INCLUDE}", "on a separate line"),
        (SAVED, '<mj-text>{% include "part.txt" %}</mj-text>', "<mj-include path="),
        (SAVED, '<mj-raw>{% import "part.txt" as part %}</mj-raw>', "isn't supported here"),
        (SAVED, "<mj-html-attributes></mj-html-attributes>", "isn't supported here"),
        (SAVED, '<mj-style inline="inline">.a { color: red; }</mj-style>', "isn't supported"),
        (SAVED, "<mj-preview>x</mj-preview>", "isn't supported here"),
        (SAVED, "<mj-buton>x</mj-buton>", "did you mean `mj-button`?"),
        (SAVED, '<mj-text colour="red">x</mj-text>', "did you mean `color`?"),
        (SAVED, '<mj-text class="big">x</mj-text>', "write `css-class`"),
        (SAVED, '<mj-text mj-class="big">x</mj-text>', 'no <mj-class name="big">'),
        (SAVED, "<mj-text font-size=13px>x</mj-text>", "values in quotes"),
        (SAVED, "<mj-text color=”#111111”>x</mj-text>", 'write color="#111111"'),
        (SAVED, "<mj-text>a < b</mj-text>", "isn't MJML"),
        (SAVED, "<mj-text><b>x</mj-text>", "<b> is never closed"),
        (SAVED, "<mj-text>x</mj-txt>", "</mj-txt> without <mj-txt>"),
        (SAVED, '<mj-text><img src="https://b.example/x.png" alt="x"></mj-text>', "never closed"),
        (
            SAVED,
            "<mj-section></mj-section>",
            "can't be within <mj-column>: expected it in <mj-body>",
        ),
        (SAVED, "<mj-column></mj-column>", "expected it in <mj-section> or <mj-group>"),
        (SAVED, "<mj-style></mj-style>", "expected it in <mj-head>"),
        (SAVED, "<mj-navbar-link />", "expected it in <mj-navbar>"),
        (SAVED, "<mj-text><mj-button>x</mj-button></mj-text>", "within <mj-text>: close that"),
        (SAVED, "<mj-text>x <mj-text>y</mj-text></mj-text>", "within <mj-text>: close that"),
        (SAVED, "<mj-raw><p><mj-image /></p></mj-raw>", "within <mj-raw>: close that first"),
        (SAVED, "<div>x</div>", "<div> can't be within <mj-column>: expected it in <mj-text>"),
        (SAVED, "<mj-text><p>Hello <b>you</mj-text>", "<b> is never closed"),
        (SAVED, "<p>Hello <b>you", "<b> is never closed"),
        (
            SAVED,
            '<mj-text color="#123456>x</mj-text>',
            '="#123456 is never closed: write " after',
        ),
        (SAVED, "<mj-text color='#123456>x</mj-text>", "write ' after the value"),
        (SAVED, '<mj-text><a href="{{ url }}>x</a></mj-text>', 'href="{{ url }} is never closed'),
        (SAVED, '<mj-text color=#123456">x</mj-text>', 'write color="#123456"'),
        (SAVED, "<mj-text color=#123456>x</mj-text>", 'write color="#123456"'),
        (SAVED, "<mj-text x</mj-text>", "<mj-text is never closed: write > after it"),
        (SAVED, "<mj-text>x</mj-text", "</mj-text is never closed: write > after it"),
        (SAVED, "<mj-text>x <y</mj-text>", "or &lt; for the sign"),
        (SAVED, '<mj-text color="red"; align="left">x</mj-text>', "can't be read"),
        (SAVED, '<mj-text href="https://b.example/">x</mj-text>', "has no `href`: expected one of"),
        (SAVED, '<mj-text color="red" color="blue">x</mj-text>', "has `color` twice"),
        (
            SAVED,
            '<mj-text color="grean">x</mj-text>',
            'a colour such as #1f4d43, got "grean"',
        ),
        (SAVED, '<mj-text padding="10 px">x</mj-text>', "one to four lengths such as 24px 48px 0"),
        (SAVED, '<mj-text font-size="16">x</mj-text>', 'a length such as 24px, got "16"'),
        (SAVED, '<mj-text line-height="1,5">x</mj-text>', 'a length such as 24px, got "1,5"'),
        (SAVED, '<mj-text letter-spacing="wide">x</mj-text>', "such as 0.5px"),
        (SAVED, '<mj-text align="middle">x</mj-text>', "left, center, right, justify"),
        (SAVED, "<MJ-TEXT>x</MJ-TEXT>", "in small letters"),
        (SAVED, "<mj-text><storng>x</storng></mj-text>", "did you mean `strong`?"),
        (SAVED, '<mj-text><p colour="red">x</p></mj-text>', "did you mean `color`?"),
        (SAVED, '<mj-text><p style="colour: red">x</p></mj-text>', "did you mean `color`?"),
        (SAVED, "<mj-text>{ t.heading }}</mj-text>", "as it is written: write {{ t.heading }}"),
        (SAVED, "<mj-text>{ t.heading }</mj-text>", "as it is written: write {{ t.heading }}"),
        (SAVED, "<mj-text>{url}</mj-text>", "as it is written: write {{ url }}"),
        (SAVED, "<mj-text>{{ t.heading }</mj-text>", "expected end of {{ t.heading }"),
        (
            SAVED,
            '<mj-text color="{{ brand.colour.light.text }}">x</mj-text>',
            "`brand.colour` is",
        ),
        (SAVED_TEXT, "{url}", "as it is written: write {{ url }}"),
        (SAVED, "<mj-text>x&nbps;</mj-text>", "&nbps; is no character, did you mean `&nbsp;`?"),
        (SAVED, "<mj-button>x</mj-button>", "<mj-button> has no `href`"),
        (SAVED, '<mj-image alt="x" />', "<mj-image> has no `src`"),
        (SAVED, '<mj-inclde path="x" />', "did you mean `mj-include`?"),
        (SAVED, "<mj-raw>{% set link = ulr %}</mj-raw>", "`ulr` is undefined, did you mean `url`?"),
        (SAVED, "<mj-raw>{% if url %}{% endi %}</mj-raw>", "did you mean {% endif %}?"),
        (SAVED, "<mj-text>{{ t.button }} & x</mj-text>", "only the HTML says “Continue designing"),
        (SAVED, '<mj-text css-class="mine">{{ t.button }}</mj-text>', "in dark mode: “Continue"),
        (SAVED, '<mj-text><p style="color: red margin: 0">x</p></mj-text>', "; before `margin`"),
        (SAVED, "words of mine", "expected it in <mj-text>"),
        (SAVED, "<!-- begun", "write --> after it"),
        (SAVED, "<![CDATA[x]]>", "<![CDATA[ isn't supported here"),
        (SAVED, "<!DOCTYPE html>", "<!DOCTYPE isn't supported here"),
        (SAVED, '<?xml version="1.0"?>', "<? isn't supported here"),
        (SAVED, "<mjml></mjml>", "shared/layout.mjml begins with it"),
        (
            SAVED,
            '<mj-button href="https://b.example/{{ language }}/shop">{{ t.heading }}</mj-button>',
            "only the HTML has the link https://b.example/en/shop",
        ),
        (SAVED, "<mj-raw>{{ design.name | safe }}</mj-raw>", "could bring its own HTML"),
        (SAVED, "<mj-text>{{ t.heading|safe }}</mj-text>", "could bring its own HTML"),
        (SAVED, "<mj-raw>{% set words = t.heading | safe %}</mj-raw>", "could bring its own HTML"),
        (SAVED, "<mj-raw>{% autoescape false %}</mj-raw>", "could bring its own HTML"),
        (SAVED, "<mj-raw>{# begun</mj-raw>", "write #} after it"),
        (SAVED, "<mj-raw>{% if 1 < 2 %}{% endif %}</mj-raw>", "swap the sides"),
        (SAVED, "<mj-raw>{% if qr is defined %}</mj-raw>", "{% if qr is defined %} is never cl"),
        (SAVED, "<mj-raw>{% for x in t.text -%}</mj-raw>", "expected {% endfor %}"),
        (SAVED, "<mj-raw>{% endif %}</mj-raw>", "{% endif %} without {% if"),
        (SAVED, "<mj-raw>{% else %}</mj-raw>", "{% else %} without {% if"),
        (SAVED, "<mj-raw>{% if url %}{% endfor %}{% endif %}</mj-raw>", "{% endfor %} without"),
        (SAVED_TEXT, "{% if url is defined %}", "{% if url is defined %} is never closed"),
        (SAVED_TEXT, "{% set words %}", "expected {% endset %}"),
        (SAVED_TEXT, "{{ t.button", "expected end of {{ t.button"),
        (SAVED_TEXT, 'see <a href="https://b.example/">it</a>', "a text part has no HTML"),
        (SAVED_TEXT, "x<br/>y", "<br/> would be shown as it is written"),
        (SAVED_TEXT, "<mj-text>x", "<mj-text> would be shown as it is written"),
        (SAVED_TEXT, "{% if url", "expected end of {% if url"),
        (SAVED_TEXT, "{{{ t.button }}}", "{{{ t.button }}} isn't supported here: write {{ t.but"),
        (SAVED, "<mj-text>{{{t.button}}}</mj-text>", "write {{ t.button }}"),
    ],
)
def test_a_mistake_in_a_template_is_named_with_file_line_and_what_to_do(
    source: Path, name: str, line: str, message: str
) -> None:
    number = append(source, name, line)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{name}:{number}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("name", "old", "new", "back", "message"),
    [
        (
            DE,
            '"""\nbutton',
            "\nbutton",
            -4,
            'is never closed: expected """ before line',
        ),
        (BRANDS, '00000000\n"""', "00000000\n", -3, "a text that is never closed"),
        (BRANDS, 'Muster\n"""', "Muster\n", -4, "a text that is never closed"),
        (DE, 'text = """', "text = ", 0, "write texts and colours in straight quotes"),
        (DE, 'button = "Weiterplanen"', 'button = "Weiterplanen', 0, "quotation mark at the end"),
        (DE, 'button = "Weiter', 'button = "Wei"ter', 0, 'within a text is written \\"'),
        (BRANDS, '"#1f4d43"', "“#1f4d43”", 0, "straight quotes"),
        (BRANDS, 'button = "', 'button: "', 0, 'write name = "value"'),
        (BRANDS, '["*.roomle.com"]', '["*.roomle.com"', 0, "] after them"),
        (BRANDS, '["en", "de"', '["en" "de"', 0, "a comma between its values"),
        (
            LAYOUT,
            'padding="28px 0 48px"',
            'padding="28px 0 48px',
            0,
            'padding="28px 0 48px is never',
        ),
        (LAYOUT, 'style="margin: 0;', "style=margin: 0;", 0, "values in quotes"),
        (LAYOUT, "none !important; } }", "none !important; }", 0, "a rule that is never closed"),
        (LAYOUT, ".line p {", ".line p", 0, "expected { before this"),
        (LAYOUT, "border-top-color:", "border-top-colour:", 0, "mean `border-top-color`?"),
        (
            LAYOUT,
            "<mj-column>\n",
            "<mj-text>x</mj-text><mj-column>\n",
            0,
            "expected it in <mj-column",
        ),
        (LAYOUT, "<mj-head>", "<mj-head><mj-section />", 0, "in <mj-body> or <mj-wrapper>"),
        (LAYOUT, "<mj-all font-family", "<mj-all colour", 0, "did you mean `color`?"),
        (LAYOUT, '<mj-body width="600px"', '<mj-body width="600"', 0, "a length such as 24px"),
    ],
)
def test_a_slip_of_the_pen_is_named_where_it_is_and_not_where_it_is_noticed(
    source: Path, name: str, old: str, new: str, back: int, message: str
) -> None:
    line = edit(source, name, old, new) + back
    [problem, *_] = problems(source)
    assert problem.startswith(f"{name}:{line}: ")
    assert message in problem


@pytest.mark.parametrize("ending", ["mjml", "txt"])
def test_a_layout_without_the_emails_own_part_is_named_before_its_texts(
    source: Path, ending: str
) -> None:
    layout = source / f"templates/shared/layout.{ending}"
    kept = [line for line in layout.read_text("utf-8").split("\n") if "content." not in line]
    layout.write_text("\n".join(kept), "utf-8")
    assert {each.partition(":")[0] for each in problems(source)} == {
        f"templates/shared/layout.{ending}"
    }


def test_a_missing_text_part_is_named_and_not_the_line_that_includes_it(source: Path) -> None:
    (source / SAVED_TEXT).unlink()
    assert problems(source) == [
        f"{SAVED_TEXT}: is missing: savedConfiguration.mjml needs its text part"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('<mj-button href="javascript:alert(1)">x</mj-button>', 'got "javascript:alert(1)"'),
        ('<mj-text><a href=" JaVa&#10;Script:x">x</a></mj-text>', "expected a link of https://"),
        ('<mj-button href="http://b.example/">x</mj-button>', 'got "http://b.example/"'),
        ('<mj-button href="http://b.example/?l={{ language }}">x</mj-button>', "https://"),
        ('<mj-button href="//b.example/">x</mj-button>', "https://"),
        ('<mj-button href="/shop">x</mj-button>', "https://"),
        ('<mj-button href="">x</mj-button>', "https://"),
        ('<mj-button href="https://localhost/">x</mj-button>', "a host such as www.brand.example"),
        ('<mj-button href="https://10.0.0.1/">x</mj-button>', "a host such as www.brand.example"),
        ('<mj-button href="https://b.example:8443/">x</mj-button>', "without user or port"),
        ('<mj-text><a href="https://u@b.example/">x</a></mj-text>', "without user or port"),
        ('<mj-image src="https://intranet/x.png" alt="x" />', "a host such as www.brand.example"),
        ("<mj-button href=\"{{ 'javascript:x' }}\">x</mj-button>", 'got "javascript:x"'),
        ('<mj-image href="http://b.example/" src="cid:x" alt="x" />', "https://"),
        ('<mj-image src="http://b.example/x.png" alt="x" />', "https://, cid:"),
        ('<mj-image src="data:image/png;base64,AA" alt="x" />', "https://, cid:"),
        ('<mj-image src="https://b.example/x.svg" alt="x" />', "don't show SVG"),
        ('<mj-image src="https://b.example/x.webp?v=1" alt="x" />', "don't show WEBP"),
        ('<mj-button href="https://möbel.example/ä b">x</mj-button>', "xn--mbel-5qa.example/%C3"),
        ('<mj-raw><script>alert("<b>")</script></mj-raw>', "<script>: no mail program"),
        ("<mj-text><script>x()</script></mj-text>", "<script>: no mail program"),
        ('<mj-text><a onclick="x()" href="https://b.example/">x</a></mj-text>', "`onclick`"),
        ('<mj-raw><iframe src="https://b.example/"></iframe></mj-raw>', "<iframe>"),
        ('<mj-raw><form action="https://b.example/"></form></mj-raw>', "<form>"),
        ('<mj-raw><link rel="stylesheet" href="https://b.example/" /></mj-raw>', "<link>"),
        ('<mj-text><p style="background: url(http://b/y)">x</p></mj-text>', "of a style"),
        ("<mj-raw><style>@import 'x.css';</style></mj-raw>", "`@import`"),
        ('<mj-raw><!--[if mso]><a href="http://b/">x</a><![endif]--></mj-raw>', "https://"),
        (
            (
                '<mj-social><mj-social-element name="facebook" href="https://f.example/">f'
                "</mj-social-element></mj-social>"
            ),
            "pictures from www.mailjet.com",
        ),
    ],
)
def test_what_mail_programs_drop_or_distrust_is_named(
    source: Path, line: str, message: str
) -> None:
    number = append(source, SAVED, line)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{SAVED}:{number}: ")
    assert message in problem


@pytest.mark.parametrize(
    "line",
    [
        '<mj-button href="mailto:shop@b.example">x</mj-button>',
        '<mj-text><a href="tel:+4312345">x</a><br /></mj-text>',
        '<mj-button href="{{ url }}">x</mj-button>',
        '<mj-button href="https://b.example/?l={{ language }}">x</mj-button>',
        '<mj-image src="https://b.example/x.png" alt="x" />',
        "<mj-text>a & b &nbsp; 3 > 2</mj-text>",
        (
            "<mj-raw><!--[if mso]><table><tr><td><![endif]--></mj-raw>\n<mj-text>x</mj-text>\n"
            "<mj-raw><!--[if mso]></td></tr></table><![endif]--></mj-raw>"
        ),
    ],
)
def test_what_mail_programs_take_is_built(source: Path, line: str) -> None:
    append(source, SAVED, line)
    append(source, SAVED_TEXT, ALSO_IN_TEXT)
    assert "templates/savedConfiguration.html" in compile_package(source)


def test_conditional_comments_stay_where_they_are(source: Path) -> None:
    append(source, SAVED_TEXT, "before after")
    append(source, SAVED, "<mj-text>before<!--[if mso]><table><![endif]-->after</mj-text>")
    html = compile_package(source)["templates/savedConfiguration.html"]
    assert "before<!--[if mso]><table><![endif]-->after" in html


@pytest.mark.parametrize(
    "name",
    ["texts/.#de.toml", "texts/._de.toml", "templates/._savedConfiguration.mjml",
     "templates/._savedConfiguration.txt", "texts/.de.toml.swp", "texts/de.toml~"],
)  # fmt: skip
def test_files_of_editors_and_systems_are_no_part_of_the_emails(
    source: Path, unedited: dict[str, str], name: str
) -> None:
    (source / name).write_bytes(b"\x00\x05\x16\x07\xff")
    assert compile_package(source) == unedited


def test_an_editors_lock_that_leads_nowhere_is_no_part_of_the_emails(
    source: Path, unedited: dict[str, str]
) -> None:
    (source / "texts/.#de.toml").symlink_to("person@host.1:2")
    assert compile_package(source) == unedited


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.mkdir(), "can't be read: Is a directory"),
        (lambda file: file.symlink_to("gone"), "is missing"),
    ],
)
def test_a_folder_in_place_of_a_file_is_named(
    source: Path, make: Callable[[Path], None], message: str
) -> None:
    make(source / "texts/pl.toml")
    [problem] = problems(source)
    assert problem.startswith("texts/pl.toml: ")
    assert message in problem


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        ("/de/datenschutz", "/de/datenschutzerklärung", "/de/datenschutzerkl%C3%A4rung"),
        ("www.brand.example/de/d", "www.möbel.example/de/d", "https://www.xn--mbel-5qa.example/de"),
        ("mail/logo.png", "mail/löwe.png", "mail/l%C3%B6we.png"),
        ("mail/logo.png", "mail/my logo.png", "mail/my%20logo.png"),
        ('["*.roomle.com"]', '["*.MÖBEL.example"]', '"*.xn--mbel-5qa.example"'),
        ('["uploads.roomle.com"]', '["straße.example"]', '"xn--strae-oqa.example"'),
        ('["uploads.roomle.com"]', '["https://möbel.example/a"]', '"xn--mbel-5qa.example"'),
        ('"hello@brand', '"hello@möbel', '"hello@xn--mbel-5qa.example"'),
        ('"service@brand', '"service@möbel', '"service@xn--mbel-5qa.example"'),
    ],
)
def test_umlauts_in_links_hosts_and_addresses_are_answered_with_how_to_write_them(
    source: Path, old: str, new: str, written: str
) -> None:
    line = edit(source, BRANDS, old, new)
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: ")
    assert "write it as" in problem
    assert written in problem
    edit(source, BRANDS, new, old)
    assert compile_package(source)


@pytest.mark.parametrize(
    ("link", "written"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://a.example/?q=ü&r=%C3%BC", "https://a.example/?q=%C3%BC&r=%C3%BC"),
        ("https://a.example/b", "https://a.example/b"),
        ("mailto:ä@b.example", "mailto:ä@b.example"),
    ],
)
def test_a_link_is_written_in_ascii(link: str, written: str) -> None:
    assert links.ascii_link(link) == written


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("logo.svg", "SVG"), ("logo.SVG?v=2", "SVG"), ("logo.webp", "WEBP"),
        ("logo.avif#x", "AVIF"), ("logo.%73vg", "SVG"), ("logo?format=webp", "WEBP"),
        ("logo.png?fm=webp", "WEBP"), ("logo?type=image/svg%2Bxml", "SVG"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("logo", ["logo", "logo_dark"])
def test_a_logo_that_gmail_does_not_show_is_named(
    source: Path, logo: str, name: str, shown: str
) -> None:
    file = {"logo": "logo.png", "logo_dark": "logo-dark.png"}[logo]
    line = edit(source, BRANDS, f"mail/{file}", f"mail/{name}")
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.default.{logo}: expected")
    assert f"don't show {shown}" in problem


@pytest.mark.parametrize("name", ["logo.png", "logo.JPG", "logo.gif?v=svg", "logo", "svg/a.jpeg"])
def test_a_logo_that_mail_programs_show_is_built(source: Path, name: str) -> None:
    edit(source, BRANDS, "mail/logo.png", f"mail/{name}")
    assert compile_package(source)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Ж" * 88, False), ("家" * 60, False),
        ("Ж" * 60, True), ("家" * 40, True), ("x" * 100, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["name", "sender_name"])
def test_a_senders_name_that_ses_does_not_take_is_named(
    source: Path, field: str, name: str, fits: bool
) -> None:
    old = 'name = "Example Furniture"'
    new = f'{"" if field == "name" else old + chr(10)}{field} = "{name}"'
    line = edit(source, BRANDS, old, new) + new.count("\n")
    if fits:
        sender = compile_package(source)["brands/default.json"]
        assert "hello@brand.example" in sender
        return
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.default.{field}: ")
    assert "320" in problem


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<a href='https://b.example'>weiter</a>", "<a href="),
        ("ein <b>Wort</b>", "<b>"),
        ("Zeile<br>Zeile", "<br>"),
        ("Zeile<br/>Zeile", "<br/>"),
        ("weiter&nbsp;planen", "&nbsp;"),
        ("weiter &#8594;", "&#8594;"),
        ("[weiter](https://b.example)", "[weiter]("),
        ("<!-- neu -->", "<!--"),
    ],
)
@pytest.mark.parametrize("where", [DE, BRANDS])
def test_html_in_a_text_is_named_as_it_would_be_shown_as_letters(
    source: Path, where: str, text: str, found: str
) -> None:
    line = edit(source, where, 'button = "Weiterplanen"', f'button = "{text}"')
    [problem] = problems(source)
    assert problem.startswith(f"{where}:{line}: ")
    assert f'"{found}' in problem
    assert "shown as it is written" in problem


@pytest.mark.parametrize("text", ["I <3 you", "2 < 3 & 3 > 2", "Q&A", "[neu] (jetzt)", "A<-B"])
def test_signs_that_are_not_html_are_text(source: Path, text: str) -> None:
    edit(source, DE, 'button = "Weiterplanen"', f'button = "{text}"')
    assert compile_package(source)


def test_html_in_an_imprint_is_named(source: Path) -> None:
    edit(source, BRANDS, "Geschäftsführung", "<br>Geschäftsführung")
    [problem] = problems(source)
    assert "brands.studio.imprint" in problem
    assert '"<br>"' in problem


@pytest.mark.parametrize("text", ["<https://b.example/>", "<shop@b.example>", "a <b", "3 < 4 > 2"])
def test_signs_that_are_not_html_are_built_in_a_text_part(source: Path, text: str) -> None:
    append(source, SAVED_TEXT, text)
    assert text in compile_package(source)["templates/savedConfiguration.txt"]


@pytest.mark.parametrize("field", ["name", "sender_name"])
def test_html_in_a_brands_name_is_named(source: Path, field: str) -> None:
    name = 'name = "Example Furniture"'
    wrong = f'{field} = "A <b>shop</b>"'
    number = edit(source, BRANDS, name, wrong if field == "name" else f"{wrong}\n{name}")
    [problem, *_] = problems(source)
    assert problem.startswith(f"{BRANDS}:{number}: brands.default.{field}: ")
    assert '"<b>" would be shown as it is written' in problem


def test_an_unsubscribe_address_is_checked(source: Path) -> None:
    line = edit(source, BRANDS, "[brands.default]\n", '[brands.default]\nunsubscribe = "x"\n') + 1
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.default.unsubscribe: expected an address")
