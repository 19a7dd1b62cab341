"""What a brand adds without Python: blocks, values, fonts, shapes, templates of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from roomle_mail.emails import Catalog, Email
from roomle_mail.events import Event
from tests.emails_building import append, build_catalog, edit, problems
from tests.emails_reading import Page

BRANDS, EN = "brands.toml", "texts/en.toml"
SAVED, SAVED_TEXT = "templates/savedConfiguration.mjml", "templates/savedConfiguration.txt"
SHOP = "https://shop.brand.example/stores"


def without_blocks(folder: Path) -> Path:
    before, _, rest = (folder / BRANDS).read_text("utf-8").partition("[brands.studio.blocks]\n")
    rest = rest[rest.index("\n\n") :]
    (folder / BRANDS).write_text(before + rest, "utf-8")
    return folder


@pytest.fixture
def source(source: Path) -> Path:
    """A copy of a few emails; no brand has blocks."""
    return without_blocks(source)


@pytest.fixture
def whole(whole: Path) -> Path:
    """The same of all emails."""
    return without_blocks(whole)


@pytest.fixture(scope="module")
def plain(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Email:
    """The email without blocks."""
    folder = tmp_path_factory.mktemp("plain") / "emails"
    return saved(without_blocks(shutil.copytree(few, folder)))


def saved(source: Path, configurator: str | None = None, language: str = "en") -> Email:
    return email_of(build_catalog(source), configurator, language)


def email_of(catalog: Catalog, configurator: str | None = None, language: str = "en") -> Email:
    event = Event(
        name="email.savedConfiguration",
        recipient="person@example.org",
        success=None,
        configuration_id="a:b:c",
        item_id=None,
        configurator_id=configurator,
        url=f"https://www.roomle.com/t/cp/?id=a:b:c&lang={language}",
        result_url=None,
        payload={},
    )
    return catalog.compose(event, catalog.brand(configurator), received=0)


BLOCKS = [
    (f'second_button = "{SHOP}"', "", ["Find a store", SHOP]),
    (f'second_button = {{ en = "{SHOP}" }}', "", ["Find a store", SHOP]),
    ("", 'note = "Good to know."', ["Good to know."]),
    (f'note_link.en = "{SHOP}"',
     'note = "Not sure? {link}, and touch it."\nnote_label = "Order samples"',
     ["Not sure?", "Order samples", ", and touch it.", SHOP]),
    (f'note_link.en = "{SHOP}"', 'note = "Not sure?"\nnote_label = "Ask us"',
     ["Not sure?", "Ask us", SHOP]),
    ('phone = "+43 (1) 234-56 78"', "", ["Phone:", "+43 (1) 234-56 78"]),
    ('hours = "Mon-Fri 9-18\\nSat 9-12"', "", ["Opening hours:", "Mon-Fri 9-18", "Sat 9-12"]),
    (f'social = {{ Instagram = "{SHOP}", "My blog" = "https://blog.brand.example/" }}', "",
     ["Follow us:", "Instagram", "My blog", SHOP, "https://blog.brand.example/"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "words", "shown"), BLOCKS)
def test_a_block_is_shown_by_its_brand_alone_in_html_and_in_the_text_part(
    source: Path, plain: Email, line: str, words: str, shown: list[str]
) -> None:
    append(source, BRANDS, f"[brands.default.blocks]\n{line}")
    if words:
        append(source, BRANDS, f"[brands.default.texts.en.savedConfiguration]\n{words}")
    catalog = build_catalog(source)
    email, other = email_of(catalog), email_of(catalog, "exampleStudio")
    page = Page(email.html)
    for each in shown:
        assert each in email.text
        assert each in page.links or each in page.text
        assert each not in plain.text
        assert each not in other.text
    assert "{link}" not in email.text + email.html
    assert "  " not in page.text


def test_a_telephone_number_can_be_dialled(source: Path) -> None:
    append(source, BRANDS, '[brands.default.blocks]\nphone = "+43 (1) 234-56 78"')
    assert "tel:+4312345678" in Page(saved(source).html).links


def test_a_picture_across_the_top_keeps_its_room(source: Path) -> None:
    append(source, BRANDS, f'[brands.default.blocks]\nhero = "{SHOP}.jpg"\nhero_ratio = "16:9"')
    append(source, BRANDS, '[brands.default.texts.en.shared]\nhero_alt = "A sofa by the window"')
    [hero, *_] = Page(saved(source).html).find("img")
    assert (hero.get("src"), hero.get("alt")) == (f"{SHOP}.jpg", "A sofa by the window")
    assert (hero.get("width"), hero.get("height")) == ("600", "338")
    assert "aspect-ratio: 16 / 9" in hero.get("style", "")


def test_an_empty_text_leaves_a_block_out_of_one_email(whole: Path) -> None:
    append(whole, BRANDS, f'[brands.default.blocks]\nsecond_button = "{SHOP}"')
    append(whole, BRANDS, '[brands.default.texts.en.savedConfiguration]\nsecond_button = ""')
    catalog = build_catalog(whole)
    assert SHOP not in email_of(catalog).text
    assert SHOP in email_of(catalog, language="de").text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('second_buton = "x"', "blocks.second_buton: isn't known, did you mean `second_button`?"),
        ('second_button = "http://b.example"', 'got "http://b.example"'),
        ('second_button = { en = "javascript:x" }', "blocks.second_button.en: expected a link"),
        ('second_button = "https://möbel.example/"', 'write it as "https://xn--mbel-5qa.exampl'),
        ('note_link = "https://b.example/"', "no email in en shows it: expected the texts `note`"),
        ('phone = "01 234"', 'such as "+43 1 234 56 78", got "01 234"'),
        ('hero = "https://b.example/x.svg"', "don't show SVG"),
        ('hero_ratio = "wide"', 'such as "16:9", got "wide"'),
        ('hours = ""', "lines of text"),
        ('hours = "<b>Mon</b> 9-18"', '"<b>" would be shown as it is written'),
        ('hours = { en = "Mon&nbsp;9-18" }', '"&nbsp;" would be shown as it is written'),
        ('social = { X = "http://x.example/" }', "links by name"),
        ('social = { "<b>X</b>" = "https://x.example/" }', '"<b>" would be shown as it is written'),
        ('social = { " " = "https://x.example/" }', "links by name"),
    ],
)
def test_a_block_that_can_not_be_shown_is_named(source: Path, line: str, message: str) -> None:
    append(source, BRANDS, f"[brands.default.blocks]\n{line}")
    number = (source / BRANDS).read_text("utf-8").count("\n")
    [problem, *_] = problems(source)
    assert problem.startswith(f"{BRANDS}:{number}: brands.default.blocks.")
    assert message in problem


def test_a_block_without_words_in_one_language_is_named(source: Path) -> None:
    append(source, BRANDS, f'[brands.default.blocks]\nsecond_button = "{SHOP}"')
    edit(source, "texts/de.toml", 'second_button = "Händler finden"\n', "")
    [problem] = problems(source)
    assert "no email in de shows it: expected the text `second_button` in texts/de.toml" in problem


# --- values and texts of one's own --------------------------------------------------------------

BUTTON = """\
<mj-raw>{% if brand.extra.samples and t.samples %}{% set link = brand.extra.samples %}\
{% set label = t.samples %}</mj-raw>
<mj-include path="shared/second_button.mjml" />
<mj-raw>{% endif %}</mj-raw>"""
BUTTON_TEXT = """\
{% if brand.extra.samples and t.samples %}
{% set link = brand.extra.samples %}{% set label = t.samples %}
{% include "shared/link.txt" %}
{% endif %}"""


def test_a_value_and_a_text_of_ones_own_may_be_there_or_not(source: Path) -> None:
    append(source, SAVED, BUTTON)
    append(source, SAVED_TEXT, BUTTON_TEXT)
    assert SHOP not in saved(source).text
    append(source, BRANDS, f'[brands.default.extra]\nsamples = "{SHOP}"')
    assert SHOP not in saved(source).text
    edit(source, EN, "[shared]\n", '[shared]\nsamples = "Order samples"\n')
    assert f"Order samples:\n{SHOP}" in saved(source).text
    assert SHOP in Page(saved(source).html).links
    assert SHOP not in saved(source, "exampleStudio").text


def test_values_may_be_numbers_lists_tables_and_differ_between_languages(source: Path) -> None:
    shows = "{{ brand.id }}: {{ brand.extra.years }} {{ brand.extra.promise }} "
    shows += "{% for each in brand.extra.towns %}{{ each.name }} {% endfor %}"
    append(source, SAVED, f"<mj-text>{shows}</mj-text>")
    append(source, SAVED_TEXT, shows)
    for brand in ("default", "studio"):
        append(
            source,
            BRANDS,
            f"[brands.{brand}.extra]\nyears = 10\npromise.en = 'free'\npromise.de = 'gratis'\n"
            "towns = [{ name = 'Linz' }, { name = 'Graz' }]",
        )
    assert "default: 10 free Linz Graz" in saved(source).text
    assert "studio: 10 gratis Linz Graz" in saved(source, "exampleStudio", "de").text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('stores = "https://b.example/"', "no template shows {{ brand.extra.stores }}"),
        ('"my-shop" = "x"', "can't be a name in templates"),
        ('shop = "http://b.example/"', "expected a link that begins with https://"),
        ('shop = { a = ["<b>x</b>"] }', '"<b>" would be shown as it is written'),
        ("shop = 2026-11-27", "expected a text, a number"),
    ],
)
def test_a_value_that_can_not_be_shown_is_named(source: Path, line: str, message: str) -> None:
    append(source, BRANDS, f"[brands.default.extra]\n{line}")
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:")
    assert message in problem


@pytest.mark.parametrize("name", ["note", "note_label"])
def test_a_text_among_the_blocks_is_told_where_texts_are(source: Path, name: str) -> None:
    number = append(source, BRANDS, "[brands.default.blocks]") + 1
    append(source, BRANDS, f'{name} = "Come and see"')
    [problem] = problems(source)
    assert problem.startswith(
        f"{BRANDS}:{number}: brands.default.blocks.{name}: isn't known: it is"
    )
    assert "texts/<language>.toml" in problem


@pytest.mark.parametrize(
    ("placeholder", "message"),
    [
        ("{{ t.hedding }}", "t.hedding: no language has this text, did you mean `t.heading`?"),
        # Not taken for another text that no language has, such as t.note.
        ("{{ t.nope }}", "t.nope: no language has this text: write it"),
        ("{{ t.promise }}", "write it into each file of texts/, under [savedConfiguration]"),
        ("{% if t.heeding %}{{ t.heeding }}{% endif %}", "did you mean `t.heading`?"),
        ("{{ brand.extra.promise }}", "`brand.extra.promise` is undefined"),
    ],
)
def test_a_slip_in_a_template_is_not_looked_for_in_the_texts(
    source: Path, placeholder: str, message: str
) -> None:
    append(source, SAVED, f"<mj-text>{placeholder}</mj-text>")
    number = (source / SAVED).read_text("utf-8").count("\n")
    [problem, *_] = problems(source)
    assert problem.startswith(f"{SAVED}:{number}: ")
    assert message in problem


# --- shape and font -----------------------------------------------------------------------------


def test_corners_alignment_and_font_are_the_brands_own(source: Path) -> None:
    plain = saved(source, "exampleStudio", "de").html
    edit(
        source,
        BRANDS,
        "[brands.default]\n",
        '[brands.default]\ncorner_radius = 0\nalign = "center"\nfont = "Source Sans 3, serif"\n',
    )
    html = saved(source).html
    assert "border-radius:0px" in html
    assert "border-radius:8px" not in html
    assert "font-family:&#x27;Source Sans 3&#x27;, serif" in html
    assert "text-align:center" in html
    # Not even that of the link below the button.
    assert "text-align: left" not in html
    assert "@font-face" not in html
    assert saved(source, "exampleStudio", "de").html == plain


def test_a_web_font_is_fetched_only_where_it_is_asked_for_and_has_fallbacks(source: Path) -> None:
    append(
        source,
        BRANDS,
        '[brands.default.web_font]\nname = "Brand Sans"\n'
        'regular = "https://www.brand.example/a.woff2?v=1&w=2"',
    )
    html = saved(source).html
    assert "src: url(https://www.brand.example/a.woff2?v=1&w=2)" in html
    assert "font-family:&#x27;Brand Sans&#x27;, -apple-system" in html
    assert "<!--[if mso]><style>* { font-family: -apple-system" in html
    assert "@font-face" not in saved(source, "exampleStudio").html


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("corner_radius = 99", "corner_radius: expected a radius in pixels from 0 to 28"),
        ('align = "left"', 'align: expected "start" or "center", got "left"'),
        ('font = "Georgia"', 'expected a fallback at its end: "Georgia, sans-serif"'),
        ('font = "x; color: red, serif"', "font: expected names of fonts"),
        ('picture_ratio = "0:1"', "picture_ratio: expected width and height"),
        ('web_font = { name = "X", regular = "https://b.example/x.css" }', "WOFF2"),
        ('web_font = { name = "X", regular = "https://b.example/x\\"y.woff2" }', "WOFF2"),
        ('web_font = { name = "<X>", regular = "https://b.example/x.woff2" }', "name of the font"),
        ('web_font = { name = "X" }', "regular: is missing: expected a link to a font"),
    ],
)
def test_a_shape_or_font_that_can_not_be_shown_is_named(
    source: Path, line: str, message: str
) -> None:
    edit(source, BRANDS, "[brands.default]\n", f"[brands.default]\n{line}\n")
    [problem] = problems(source)
    assert message in problem


# --- templates of one brand ---------------------------------------------------------------------


def test_a_folder_with_a_brands_id_has_its_own_templates(whole: Path) -> None:
    others = saved(whole)
    own = whole / "templates" / "studio"
    (own / "shared").mkdir(parents=True)
    (own / "savedConfiguration.mjml").write_text(
        '<mj-text>{{ t.promise }}</mj-text>\n<mj-include path="shared/button.mjml" />\n'
    )
    (own / "savedConfiguration.txt").write_text("{{ t.promise }}\n{{ url }} {{ t.button }}\n")
    (own / "shared" / "button.mjml").write_text(
        '<mj-button href="{{ url }}">{{ t.button }}!</mj-button>\n'
    )
    for language in ("de", "en"):
        append(
            whole,
            BRANDS,
            f"[brands.studio.texts.{language}.savedConfiguration]\npromise = '2 Jahre'"
            + ("\nbutton = 'Weiter'" if language == "de" else ""),
        )
    edit(
        whole,
        BRANDS,
        '[brands.studio.texts.de.savedConfiguration]\nbutton = "Weiterplanen"\n',
        "",
    )
    (own / "shareConfigurationAR.mjml").write_text("<mj-text>{{ t.button }} {{ url }}</mj-text>\n")
    (own / "shareConfigurationAR.txt").write_text("{{ t.button }} {{ url }}\n")
    (own / "shareConfiguration.mjml").write_text("<mj-text>{{ t.button }} {{ url }}</mj-text>\n")
    (own / "3DExportAsset.mjml").write_text(
        "<mj-text>{{ t.button }} {{ result_url }}</mj-text>\n<mj-text>{{ url or '' }}</mj-text>\n"
    )
    (own / "3DExportAsset-failed.mjml").write_text("<mj-text>{{ t.reason }}</mj-text>\n")
    (own / "3DExportAsset-failed.txt").write_text("{{ t.reason }}\n")

    catalog = build_catalog(whole)
    email = email_of(catalog, "exampleStudio", "de")

    assert "2 Jahre" in email.text
    assert "Weiter!" in Page(email.html).text
    assert email_of(catalog) == others


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("studoi/savedConfiguration.mjml", "isn't a brand in brands.toml: expected one of default"),
        ("studio/shared/buton.mjml", "isn't used: expected the name of a file in templates/"),
        ("studio/note.txt", "has no note.mjml next to it"),
        ("studio/newKind.mjml", "isn't an email of Roomle's"),
    ],
)
def test_a_brands_template_that_nothing_uses_is_named(
    source: Path, name: str, message: str
) -> None:
    file = source / "templates" / name
    file.parent.mkdir(parents=True)
    file.write_text("<mj-text>{{ t.button }} {{ url }}</mj-text>\n")
    [problem, *_] = problems(source)
    assert problem.startswith(f"templates/{name.split('/', maxsplit=1)[0]}")
    assert message in problem
