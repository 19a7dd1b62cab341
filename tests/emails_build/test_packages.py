"""A wrong brand, text or template stops the build with the place and what is expected."""

from __future__ import annotations

import re
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails_build.brands import sender
from emails_build.package import compile_package, write
from emails_build.problems import locate
from roomle_mail.emails import Catalog
from roomle_mail.events import Event
from tests.emails_building import append, build_catalog, edit, problems
from tests.emails_reading import RECEIVED, Page, message

BRANDS, LAYOUT, DE = "brands.toml", "templates/shared/layout.mjml", "texts/de.toml"
SAVED, BUTTON = "templates/savedConfiguration.mjml", "templates/shared/button.mjml"


def saved(configurator: str | None = None) -> Event:
    return Event(
        name="email.savedConfiguration",
        recipient="person@example.org",
        success=None,
        configuration_id="a:b:c",
        item_id=None,
        configurator_id=configurator,
        url="https://www.roomle.com/t/cp/?id=a:b:c",
        result_url=None,
        payload={},
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "message"),
    [
        (BRANDS, '"#1f4d43"', '"green"', "brands.default.colours.button", 'such as "#1f4d43"'),
        (BRANDS, "logo_width = 200", 'logo_width = "200"', "brands.default.logo_width", "pixels"),
        (BRANDS, "logo_width = 200", "logo_widht = 200", "brands.default.logo_widht", "logo_width"),
        (BRANDS, '["de", "en"]', '["de", "xx"]', "brands.studio.languages", "de, en, fr"),
        (BRANDS, 'language = "de"', 'language = "fr"', "brands.studio.language", "not among"),
        (BRANDS, '"hello@', '"Hi <hello@', "brands.default.sender", "an address such as"),
        (BRANDS, '["service@brand.example"]', '"a@b.example"', "brands.default.reply_to", "a list"),
        (BRANDS, '["*.roomle.com"]', '["https://a.b/"]', "brands.default.link_hosts", "host names"),
        (BRANDS, '["*.roomle.com"]', '["*.com"]', "brands.default.link_hosts", "host names"),
        (BRANDS, '["*.roomle.com"]', "[]", "brands.default.link_hosts", "host names"),
        (BRANDS, "https://www.brand.example/mail", "http://x", "brands.default.logo", "https://"),
        (BRANDS, '"https://www.brand.example/p', '"ftp://p', "brands.default.privacy", "https://"),
        (BRANDS, '"Example Furniture"', '"\\u0007"', "brands.default.name", "in one line"),
        (BRANDS, 'default = "default"', 'default = "no"', "default", '"default", "studio"'),
        (BRANDS, 'brand = "studio"', 'brand = "x"', "configurators.exampleStudio.brand", "studio"),
        (
            BRANDS,
            '["austria@brand.example"]',
            "1",
            "configurators.exampleStudioAustria.reply_to",
            "a list",
        ),
        (BRANDS, 'button = "Weiterplanen"', 'buton = "x"', "savedConfiguration.buton", "button"),
        (BRANDS, '"Weiterplanen"', '"{name}"', "savedConfiguration.button", "{brand}"),
        (BRANDS, 'default = "default"', "default = nothing", "isn't TOML", "Invalid value"),
        (DE, '"Weiterplanen"', '""', "savedConfiguration.button", "a text in quotes"),
        (DE, '"Weiterplanen"', "3", "savedConfiguration.button", "a text in quotes"),
        (DE, '"Weiterplanen"', '"{{ url }}"', "savedConfiguration.button", "{brand}"),
        (DE, 'dir = "ltr"', 'dir = "up"', "dir", '"rtl"'),
        (DE, "[savedConfiguration]", "[shared2]", "shared2", "isn't an email"),
        (LAYOUT, "{{ t.heading }}", "{{ heading }}", "`heading` is undefined", "default"),
        (LAYOUT, "{{ t.heading }}", "{{ brand.x }}", "`brand.x` is undefined", "default"),
        (LAYOUT, "{{ t.heading }}", "{{ t.heading|x }}", "filter x is unknown", "default"),
        (LAYOUT, "{{ t.heading }}", "{{ t.heading }", "isn't a template", "expected end"),
        (LAYOUT, '<mj-spacer height="44px" />', "<mj-gap />", "isn't MJML", "<mj-gap>"),
        (BUTTON, "{{ link }}</a>", "{{ lnik }}</a>", "`lnik` is undefined", "default"),
        (SAVED, 'path="shared/button.mjml"', 'path="x.mjml"', "expected the file", "x.mjml"),
        ("templates/savedConfiguration.txt", "{{ url }}", "{{ ulr }}", "`ulr` is", "undefined"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_what_is_expected(
    source: Path, name: str, old: str, new: str, where: str, message: str
) -> None:
    line = edit(source, name, old, new)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{name}:{line}: ")
    assert where in problem
    assert message in problem


@pytest.mark.parametrize(
    ("name", "old", "heading", "message"),
    [
        (BRANDS, 'name = "Example Furniture"\n', "[brands.default]", "name: is missing"),
        (BRANDS, 'sender = "studio@brand.example"\n', "[brands.studio]", "sender: is missing"),
        (BRANDS, 'button = "#1f4d43"\n', "[brands.default.colours]", "button: is missing"),
        (BRANDS, 'de = "https://www.brand.example/de/datenschutz"\n', "[brands.studio.p", '"de"'),
        (BRANDS, 'brand = "studio"\n', "[configurators.exampleStudio]", "got nothing"),
        (DE, 'button = "Weiterplanen"\n', "[savedConfiguration]", "button: is missing"),
    ],
)
def test_what_is_missing_is_named_with_the_line_of_its_table(
    source: Path, name: str, old: str, heading: str, message: str
) -> None:
    edit(source, name, old, "")
    line = edit(source, name, heading, heading)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{name}:{line}: ")
    assert message in problem


def test_an_element_that_is_not_closed_is_named_with_its_line(source: Path) -> None:
    edit(source, LAYOUT, "</mj-section>\n\n    <mj-section padding", "\n\n    <mj-section padding")
    line = edit(source, LAYOUT, '<mj-section css-class="card"', '<mj-section css-class="card"')
    assert problems(source) == [f"{LAYOUT}:{line}: isn't MJML: <mj-section> is never closed"]


def test_a_template_that_needs_a_qr_code_is_a_mistake_as_long_links_have_none(source: Path) -> None:
    append(source, SAVED, '<mj-image src="cid:{{ qr }}" alt="x" />')
    assert "`qr` is undefined" in problems(source)[0]


def test_all_mistakes_of_a_file_are_named_at_once(source: Path) -> None:
    edit(source, BRANDS, '"#1f4d43"', '"green"')
    edit(source, BRANDS, '"hello@brand.example"', '"hello"')
    edit(source, BRANDS, '"#faf7f0"', "7")
    assert len(problems(source)) == 3


def test_either_all_brands_list_api_keys_or_none_does(source: Path) -> None:
    edit(source, BRANDS, 'language = "en"\n', 'language = "en"\napi_keys = ["aKey"]\n')
    line = edit(source, BRANDS, "[brands.studio]", "[brands.studio]")
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.studio: expected `api_keys`")
    edit(source, BRANDS, 'language = "de"\n', 'language = "de"\napi_keys = ["other"]\n')
    assert build_catalog(source).brand(None).api_keys == ("aKey",)
    assert build_catalog(source).brand("exampleStudioAustria").api_keys == ("other",)


def test_an_empty_list_of_api_keys_is_a_mistake(source: Path) -> None:
    edit(source, BRANDS, 'language = "en"\n', 'language = "en"\napi_keys = []\n')
    [problem] = problems(source)
    assert "at least one" in problem


@pytest.mark.parametrize("name", [BRANDS, LAYOUT, "templates/savedConfiguration.txt"])
def test_a_missing_file_is_named(source: Path, name: str) -> None:
    (source / name).unlink()
    assert Path(name).name in problems(source)[0]


@pytest.mark.parametrize("name", [BRANDS, DE])
def test_a_file_that_is_not_utf_8_is_named_with_its_line(source: Path, name: str) -> None:
    (source / name).write_bytes("# first\n# größer\n".encode("latin-1"))
    assert problems(source)[0] == f"{name}:2: expected text in UTF-8"


def test_an_email_that_no_event_calls_for_is_a_mistake(source: Path) -> None:
    (source / "templates/newKind.mjml").write_text("<mj-text>x</mj-text>", "utf-8")
    assert "isn't an email of Roomle's" in problems(source)[0]


def test_an_email_that_mail_programs_would_clip_is_a_mistake(source: Path) -> None:
    edit(source, DE, '"Weiterplanen"', f'"{"W" * 60_000}"')
    [problem] = problems(source)
    assert problem.startswith("templates/savedConfiguration.mjml: ")
    assert "expected at most 60,000" in problem
    assert problem.endswith("(in de for brands.default)")


def test_without_its_templates_an_event_is_left_to_roomle(source: Path) -> None:
    for file in source.glob("templates/3DExportAsset-failed.*"):
        file.unlink()
    for file in source.glob("texts/*.toml"):
        section = r"(?ms)^\[3DExportAsset-failed\].*?(?=^\[|\Z)"
        file.write_text(re.sub(section, "", file.read_text("utf-8")), "utf-8")
    assert not [name for name in compile_package(source) if "failed" in name]


def test_two_builds_are_alike(source: Path, unedited: dict[str, str], tmp_path: Path) -> None:
    assert compile_package(source) == unedited
    for name in ("one", "two"):
        write(compile_package(source), tmp_path / name)
    files = [
        {
            file.relative_to(folder): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
        for folder in (tmp_path / "one", tmp_path / "two")
    ]
    assert files[0] == files[1]


def test_a_build_leaves_nothing_of_an_earlier_one(source: Path, tmp_path: Path) -> None:
    stale = tmp_path / "target" / "roomle_mail_emails" / "brands" / "old.json"
    stale.parent.mkdir(parents=True)
    stale.touch()
    write(compile_package(source), tmp_path / "target")
    assert not stale.exists()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("{% if 'https' in url %}Open: {{ url }}{% endif %}", "Open: https://{}"),
        ("{{ url|replace('https://', 'Open: ') }} {{ url }}", "Open: {0} https://{0}"),
    ],
)
def test_a_template_may_test_and_filter_links(source: Path, asked: str, shown: str) -> None:
    edit(source, "templates/savedConfiguration.txt", "{{ url }}", asked)

    catalog = build_catalog(source)

    email = catalog.compose(saved(), catalog.brand(None), received=RECEIVED)
    assert shown.format("www.roomle.com/t/cp/?id=a:b:c") in email.text


# --- what brands may differ in -----------------------------------------------------------------


def test_a_brand_can_word_single_texts_itself(source: Path) -> None:
    plain = build_catalog(source).compose(
        saved(), build_catalog(source).brand(None), received=RECEIVED
    )
    own = build_catalog(source).compose(
        saved("exampleStudio"), build_catalog(source).brand("exampleStudio"), received=RECEIVED
    )
    assert "Continue designing" in plain.text
    assert "Weiterplanen" in own.text
    edit(source, BRANDS, 'button = "Weiterplanen"', 'button = "Los, {brand}!"')
    changed = build_catalog(source)
    email = changed.compose(
        saved("exampleStudio"), changed.brand("exampleStudio"), received=RECEIVED
    )
    assert "Los, Möbelstudio Beispiel!" in Page(email.html).text
    assert "Ihr Entwurf ist gespeichert" in email.text


def test_a_configurator_can_differ_in_one_colour_and_one_text(source: Path) -> None:
    edit(
        source,
        BRANDS,
        "[configurators.exampleStudioAustria]",
        "[configurators.exampleStudioAustria]\n"
        'colours.button = "#aa0000"\n'
        'texts.de.savedConfiguration.heading = "Servus"',
    )
    changed = build_catalog(source)
    brand, differing = changed.brand("exampleStudio"), changed.brand("exampleStudioAustria")
    assert differing.look["colours"]["light"]["button"] == "#aa0000"
    assert differing.look["colours"]["light"]["surface"] == "#faf7f0"
    assert brand.look["colours"]["light"]["button"] == "#f2c14e"
    email = changed.compose(saved("exampleStudioAustria"), differing, received=RECEIVED)
    assert "Servus" in email.text
    assert "Weiterplanen" in email.text


def test_a_brand_without_a_dark_logo_shows_its_name_in_dark_mode(source: Path) -> None:
    edit(source, BRANDS, 'logo_dark = "https://www.brand.example/mail/logo-dark.png"\n', "")
    changed = build_catalog(source)
    page = Page(changed.compose(saved(), changed.brand(None), received=RECEIVED).html)
    [dark] = page.find("div", "logo-dark")
    assert "".join(dark.itertext()) == "Example Furniture"
    assert not list(dark.iter("img"))


def test_a_brands_own_words_stay_text_too(source: Path) -> None:
    name = """<3 &"Ø" {{ 7*7 }} 'x'"""
    edit(source, BRANDS, '"Example Furniture"', f"'''{name}'''")
    changed = build_catalog(source)
    email = changed.compose(saved(), changed.brand(None), received=RECEIVED)
    assert Page(email.html).title == email.subject
    assert email.subject.startswith(f"Your {name} design is saved")
    [sent] = message(email)["From"].addresses
    assert sent.display_name == name


@pytest.mark.parametrize(
    ("lines", "where", "message"),
    [
        ('show = ["picture", "price"]', "show", 'such as ["picture", "name", "size"], got "price"'),
        ('show = "picture"', "show", "a list of what emails show"),
        ('show = ["name", "name"]', "show", '"name" is listed twice'),
        ('show = ["picture"]', "show", "picture_hosts = "),
        ('show = ["picture"]\npicture_hosts = []', "show", "picture_hosts = "),
        ('picture_hosts = ["https://a.example/"]', "picture_hosts", "a list of host names"),
        ('picture_hosts = ["*.example"]', "picture_hosts", "a list of host names"),
        ('picture_hosts = ["möbel.example"]', "picture_hosts", '"xn--mbel-5qa.example"'),
        ("catalogs = []", "catalogs", "at least one"),
        ('catalogs = ["demo:sofa"]', "catalogs", 'write it as "demo"'),
        ('catalogs = ["a b"]', "catalogs", 'such as ["myCatalog"]'),
        ('catalogs = [""]', "catalogs", 'such as ["myCatalog"]'),
        ('catalogues = ["demo"]', "catalogues", "did you mean `catalogs`?"),
    ],
)
def test_a_mistake_in_what_is_shown_of_designs_is_named(
    source: Path, lines: str, where: str, message: str
) -> None:
    line = edit(source, BRANDS, 'language = "en"\n', f'language = "en"\n{lines}\n')
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line + 1}: brands.default.{where}: ")
    assert message in problem


def test_a_brand_says_what_of_its_designs_is_shown_and_a_configurator_may_differ(
    source: Path,
) -> None:
    lines = 'show = ["picture"]\npicture_hosts = ["Uploads.roomle.com"]\ncatalogs = ["demo"]\n'
    edit(source, BRANDS, 'language = "de"\n', f'language = "de"\n{lines}')
    edit(source, BRANDS, 'reply_to = ["austria', 'show = []\nreply_to = ["austria')
    built = build_catalog(source)
    plain, brand = built.brand(None), built.brand("exampleStudio")
    assert (plain.show, plain.picture_hosts, plain.catalogs) == ((), (), ())
    assert (brand.show, brand.catalogs) == (("picture",), ("demo",))
    assert brand.picture_hosts == ("uploads.roomle.com",)
    assert built.brand("exampleStudioAustria").show == ()


def test_an_imprint_can_differ_by_language(source: Path) -> None:
    edit(source, BRANDS, 'imprint = """\nMöbelstudio', 'imprint.en = "Ltd"\nimprint.de = """\nM')
    brand = build_catalog(source).brand("exampleStudio")
    assert brand.look["imprint"]["en"] == ["Ltd"]
    assert brand.look["imprint"]["de"][-1] == "Geschäftsführung: Maria Muster"


@pytest.mark.parametrize("count", [1, 300])
def test_an_event_costs_the_same_with_any_number_of_brands(source: Path, count: int) -> None:
    more = "".join(
        f"""
        [configurators.c{number}]
        brand = "b{number}"
        [brands.b{number}]
        name = "Brand {number}"
        sender = "b{number}@brand.example"
        languages = ["en"]
        language = "en"
        link_hosts = ["*.roomle.com"]
        asset_hosts = ["uploads.roomle.com"]
        imprint = "Brand {number}"
        privacy = "https://www.brand.example/privacy"
        colours.button = "#112233"
        """
        for number in range(count)
    )
    file = source / BRANDS
    file.write_text(file.read_text("utf-8") + more, "utf-8")
    files = compile_package(source)
    read: list[str] = []

    def reading(name: str) -> str:
        read.append(name)
        return files[name]

    built = Catalog(reading)
    built.compose(saved("c0"), built.brand("c0"), received=RECEIVED)
    shard = next(name for name in read if name.startswith("configurators/"))
    assert sorted(read) == [
        "brands/b0.json",
        "catalog.json",
        shard,
        "templates/savedConfiguration.html",
        "templates/savedConfiguration.txt",
        "texts/en.json",
    ]
    # 256 shards: a few configurators each.
    assert sum(len(files[name]) for name in read if not name.startswith("templates/")) < 9_000
    built.compose(saved("c0"), built.brand("c0"), received=RECEIVED)
    assert len(read) == 6


# --- a sender's name -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Example Furniture", "Example Furniture <a@b.example>"),
        ("Smith, Jones & Co.", '"Smith, Jones & Co." <a@b.example>'),
        ('The "Best"', '"The \\"Best\\"" <a@b.example>'),
    ],
)
def test_a_senders_name_is_quoted_where_it_needs_it(name: str, header: str) -> None:
    assert sender(name, "a@b.example") == header


@given(
    st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=100)
    # The build replaces several spaces by one.
    .filter(lambda name: name.strip() == name and "  " not in name)
)
def test_any_senders_name_arrives_as_it_was_written(name: str) -> None:
    header = sender(name, "a@b.example")
    assert header.isascii()
    assert header.isprintable()
    assert all(len(word) <= 75 for word in header.split(" ") if word.startswith("=?"))
    # email.policy would replace a no-break space and its neighbours by one space.
    phrase, address = parseaddr(header)
    assert (str(make_header(decode_header(phrase))), address) == (name, "a@b.example")


# --- lines ---------------------------------------------------------------------------------------

TOML = '''a = 1
# about b
b = """
x
"""

[c.d]
e = [
  1,
]
f.g = 2
"h.i" = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b",), 3),
        (("c",), 7),
        (("c", "d", "e"), 8),
        (("c", "d", "e", 0), 8),
        (("c", "d", "f", "g"), 11),
        (("c", "d", "h.i"), 12),
        (("c", "d", "missing"), 7),
        (("nowhere", "at", "all"), 1),
    ],
)
def test_a_value_is_located_in_its_file(path: tuple[str | int, ...], line: int) -> None:
    assert locate(TOML, path) == line
