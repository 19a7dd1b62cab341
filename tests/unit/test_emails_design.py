"""What an email shows of the design, and when it was made: picture, name, size, date."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails_build import timezones
from emails_build.package import compile_package, draft_package
from roomle_mail.emails import Brand, Catalog, Design, Email
from roomle_mail.events import EVENTS, Event
from tests.emails_building import build_catalog, edit, problems
from tests.emails_reading import RECEIVED, Page, message

CATALOG = Catalog.load()
PICTURE = "https://uploads.roomle.com/configurations/a:b:c/perspectiveImage.png"
DESIGN = Design(picture=PICTURE, name="Shelf “Oslo”", width=1200, depth=340.5, height=2250)
SHOW = ("picture", "name", "size")
EN, BRANDS = "texts/en.toml", "brands.toml"
SAVED, SAVED_TEXT = "templates/savedConfiguration.mjml", "templates/savedConfiguration.txt"
TITLE = re.compile(r"<title>(.+?)</title>", re.DOTALL)
EVERY_EMAIL = pytest.mark.parametrize("name", EVENTS)


def brand(show: tuple[str, ...] = SHOW, **values: Any) -> Brand:
    hosts = ("uploads.roomle.com",)
    return replace(CATALOG.brand(None), show=show, picture_hosts=hosts, offsets=(), **values)


def event(name: str = EVENTS[0], *, success: bool = True, lang: str = "en") -> Event:
    return Event(
        name=name,
        recipient="person@example.org",
        success=success,
        configuration_id="a:b:c",
        item_id=None,
        configurator_id=None,
        url=f"https://www.roomle.com/t/cp/?id=a:b:c&lang={lang}",
        result_url="https://uploads.roomle.com/exports/c.glb" if name == EVENTS[-1] else None,
        payload={},
    )


def compose(
    design: Design = DESIGN,
    show: tuple[str, ...] = SHOW,
    *,
    of: Event | None = None,
    received: float = RECEIVED,
    catalog: Catalog = CATALOG,
) -> Email:
    return catalog.compose(of or event(), brand(show), received=received, design=design)


def pictures(email: Email) -> list[dict[str, str]]:
    return [
        dict(image.items())
        for cell in Page(email.html).find("td", "plate")
        for image in cell.iter("img")
    ]


# --- picture, name, size -------------------------------------------------------------------------


@EVERY_EMAIL
def test_picture_name_and_size_are_shown_above_the_button(name: str) -> None:
    email = compose(of=event(name))

    [picture] = pictures(email)
    assert picture["src"] == PICTURE
    assert "Shelf “Oslo”" in picture["alt"]
    # Outlook goes by the attributes.
    assert picture["width"] == picture["height"] == "288"
    page = Page(email.html)
    places = [email.html.index(each) for each in (PICTURE, ">Shelf “Oslo”<", "120 × 34.1 × 225 cm")]
    assert places == sorted(places)
    assert places[-1] < email.html.index(f">{page.buttons[0].text}")
    lines = email.text.splitlines()
    assert "Shelf “Oslo”" in lines
    assert "Width × depth × height: 120 × 34.1 × 225 cm" in lines
    assert PICTURE not in email.text


@EVERY_EMAIL
def test_a_picture_is_a_link_to_where_the_button_leads(name: str) -> None:
    page = Page(compose(of=event(name)).html)
    [cell] = page.find("td", "plate")
    [link] = cell.iter("a")
    assert link.get("href") == page.buttons[0].get("href")


@EVERY_EMAIL
@pytest.mark.parametrize("show", [(), SHOW])
def test_an_email_about_an_unknown_design_has_no_trace_of_one(
    name: str, show: tuple[str, ...]
) -> None:
    email = compose(Design(), show, of=event(name))
    assert email == compose(Design(), (), of=event(name))
    assert not Page(email.html).find("td", "plate")
    assert "×" not in email.html + email.text + email.subject
    above, _, _ = email.text.partition("https://")
    assert "\n\n\n" not in above.partition("\n\n\n")[2]


@EVERY_EMAIL
def test_nothing_is_shown_for_a_brand_that_does_not_want_it(name: str) -> None:
    assert compose(DESIGN, (), of=event(name)) == compose(Design(), (), of=event(name))


FAILED = event(EVENTS[-1], success=False)


@pytest.mark.parametrize(
    ("of", "show"), [(event(), SHOW), (event(), ("size",)), (event(), ()), (FAILED, SHOW)]
)
def test_an_email_says_what_of_a_design_it_has_a_place_for(
    of: Event, show: tuple[str, ...]
) -> None:
    assert CATALOG.shows(of, brand(show)) == (() if of == FAILED else show)


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ("", ("name",)),
        ("{% if design.size is defined %}{{ design.size }}{% endif %}", ("name", "size")),
        ("{% set of = design %}{% if of.size is defined %}{{ of.size }}{% endif %}", SHOW),
    ],
)
def test_a_design_has_a_place_in_a_template_or_in_one_of_its_texts(
    source: Path, line: str, shows: tuple[str, ...]
) -> None:
    edit(source, SAVED, '<mj-include path="shared/design.mjml" />', "")
    edit(source, SAVED_TEXT, '{% include "shared/design.txt" %}', line)
    # The subject has the design's name.
    assert shown_by(source) == shows


def test_without_a_text_that_has_its_name_a_design_has_no_place(source: Path) -> None:
    edit(source, SAVED, '<mj-include path="shared/design.mjml" />', "")
    edit(source, SAVED_TEXT, '{% include "shared/design.txt" %}', "")
    for texts in (source / "texts").iterdir():
        edit(source, f"texts/{texts.name}", "\nsubject_with_design", "\n# ")
    assert shown_by(source) == ()

    words = 'texts.de.savedConfiguration.preview_with_design = "{design}"'
    edit(source, BRANDS, "[brands.default]\n", f"[brands.default]\n{words}\n")
    assert shown_by(source) == ("name",)


def shown_by(source: Path) -> tuple[str, ...]:
    """What of a design an email has a place for, in spite of texts that are not shown any more."""
    return Catalog(draft_package(source).files.__getitem__).shows(event(), brand())


def test_an_email_about_a_failure_shows_no_design() -> None:
    failed = event(EVENTS[-1], success=False)._replace(result_url=None)
    email = compose(of=failed)
    assert not pictures(email)
    assert "Oslo" not in email.html + email.text + email.subject


@pytest.mark.parametrize("shown", SHOW)
def test_a_brand_may_show_one_of_them_alone(shown: str) -> None:
    email = compose(DESIGN, (shown,))
    assert (bool(pictures(email)), "Oslo" in email.html, "225 cm" in email.html) == (
        shown == "picture",
        shown == "name",
        shown == "size",
    )
    assert ("Oslo" in email.subject) == ("Oslo" in email.text) == (shown == "name")
    assert ("225 cm" in email.text) == (shown == "size")


@pytest.mark.parametrize("unknown", SHOW)
def test_what_is_unknown_leaves_no_gap(unknown: str) -> None:
    lost: dict[str, Any] = {"width": None} if unknown == "size" else {unknown: None}
    email = compose(DESIGN._replace(**lost))
    rest = tuple(each for each in SHOW if each != unknown)
    assert email == compose(DESIGN, rest)
    assert "None" not in email.html + email.text + email.subject


def test_a_picture_of_a_design_without_a_name_has_an_alternative_text() -> None:
    [picture] = pictures(compose(DESIGN._replace(name=None)))
    assert picture["alt"] == "Picture of the design"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/a.png",
        "http://uploads.roomle.com/a.png",
        "https://uploads.roomle.com.evil.example/a.png",
        "https://uploads.roomle.com:8443/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "",
    ],
)
def test_a_picture_from_elsewhere_is_not_shown(link: str) -> None:
    email = compose(DESIGN._replace(picture=link))
    assert email == compose(DESIGN, ("name", "size"))


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Width × depth × height: 120 × 34.1 × 225 cm"),
        ("en-us", "Width × depth × height: 47.2 × 13.4 × 88.6 in"),
        ("de", "Breite × Tiefe × Höhe: 120 × 34,1 × 225 cm"),
        ("de-CH", "Breite × Tiefe × Höhe: 120 × 34.1 × 225 cm"),
        ("fr", "Largeur × profondeur × hauteur\N{NO-BREAK SPACE}: 120 × 34,1 × 225 cm"),
        ("it", "Larghezza × profondità × altezza: 120 × 34,1 × 225 cm"),
        ("es_MX", "Ancho × fondo × alto: 120 × 34.1 × 225 cm"),
        ("nl", "Breedte × diepte × hoogte: 120 × 34,1 × 225 cm"),
        ("ja", "Width × depth × height: 120 × 34.1 × 225 cm"),
    ],
)
def test_a_size_is_written_for_the_reader_whom_the_link_names(language: str, line: str) -> None:
    email = compose(of=event(lang=language))
    assert line in email.text.splitlines()
    assert line in Page(email.html).text


# --- names ---------------------------------------------------------------------------------------

NAMES = {
    "markup": '<img src=x onerror="alert(1)">',
    "quotes": "\"a\" 'b' & c",
    "template": "{{ 7*7 }}{% raw %}",
    "placeholders": "{brand} {date} {design}",
    "entities": "&lt;b&gt;",
    "encoded word": "=?utf-8?q?Bcc=3A_x?=",
    "80 characters": "W" * 80,
    "Hebrew": "ספה פינתית",
    "Chinese": "转角沙发",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_shown_as_it_is_written(name: str) -> None:
    email = compose(DESIGN._replace(name=name))
    page = Page(email.html)
    assert [each.text for each in page.find("strong")] == [name]
    assert page.skeleton == Page(compose().html).skeleton
    assert name in email.text.splitlines()
    assert name in str(message(email)["Subject"])
    assert page.title == email.subject
    assert pictures(email)[0]["alt"].endswith(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Oslo\r\nBcc: victim example", "Oslo Bcc: victim example"),
        ("  Oslo\t \u2028 shelf\u2029\x85", "Oslo shelf"),
        ("\u202eOslo\u2066\u200f\ufeff\x00", "Oslo"),
        ("Os\ud800lo", "Os lo"),
        ("Sofa No. 5", "Sofa No. 5"),
        ("Sofa 2.0", "Sofa 2.0"),
    ],
)
def test_nothing_invisible_of_a_name_is_shown(name: str, shown: str) -> None:
    assert compose(DESIGN._replace(name=name)) == compose(DESIGN._replace(name=shown))
    assert shown in compose(DESIGN._replace(name=name)).subject


@pytest.mark.parametrize(
    "name",
    [
        "",
        " \n ",
        "\u202e\u200f",
        "W" * 81,
        "Win at https://evil.example/",
        "Go to evil.example now",
        "WWW.evil",
        "someone@evil",
        "ftp://a",
        "möbel.de",
    ],
)
def test_a_name_that_no_design_has_is_not_shown(name: str) -> None:
    assert compose(DESIGN._replace(name=name)) == compose(DESIGN._replace(name=None))


SKELETONS = [
    Page(compose(DESIGN._replace(name=each)).html).skeleton for each in (DESIGN.name, None)
]


@given(st.text(max_size=100))
def test_any_name_leaves_headers_and_elements_as_they_are(name: str) -> None:
    email = compose(DESIGN._replace(name=name))
    assert Page(email.html).skeleton in SKELETONS
    assert email.subject.isprintable()
    assert len(email.subject) <= 255
    assert not message(email).defects


# --- two emails differ ---------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "de", "fr", "it", "es", "nl"])
@pytest.mark.parametrize(
    ("name", "success"), [*((name, True) for name in EVENTS), (EVENTS[-1], False)]
)
def test_two_emails_about_two_designs_have_two_subjects(
    name: str, lang: str, success: bool
) -> None:
    about = event(name, lang=lang, success=success)
    later = RECEIVED + 60
    for design in (Design(), DESIGN):
        one, other = compose(design, of=about), compose(design, of=about, received=later)
        assert one.subject != other.subject
        # Parsing both would take most of the test's time.
        assert TITLE.findall(one.html) != TITLE.findall(other.html)
        assert len(TITLE.findall(one.html)) == 1


@EVERY_EMAIL
def test_two_names_make_two_subjects(name: str) -> None:
    one, other = compose(of=event(name)), compose(DESIGN._replace(name="Sofa"), of=event(name))
    assert one.subject != other.subject


@pytest.mark.parametrize(
    ("zone", "received", "date"),
    [
        (None, "2026-11-27T14:05:59", "27 Nov 2026, 14:05 UTC"),
        ("Europe/Vienna", "2026-11-27T14:05:59", "27 Nov 2026, 15:05"),
        ("Europe/Vienna", "2026-11-27T23:30:00", "28 Nov 2026, 00:30"),
        ("Europe/Vienna", "2026-03-29T00:59:59", "29 Mar 2026, 01:59"),
        ("Europe/Vienna", "2026-03-29T01:00:00", "29 Mar 2026, 03:00"),
        ("Europe/Vienna", "2026-10-25T00:59:59", "25 Oct 2026, 02:59"),
        ("Europe/Vienna", "2026-10-25T01:00:00", "25 Oct 2026, 02:00"),
        ("America/New_York", "2040-07-01T02:00:00", "30 Jun 2040, 22:00"),
        ("Asia/Kolkata", "2026-11-27T14:05:59", "27 Nov 2026, 19:35"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00", "4 Oct 2026, 02:30"),
        ("UTC", "2026-11-27T14:05:59", "27 Nov 2026, 14:05"),
    ],
)
def test_a_date_is_in_the_brands_time_zone(zone: str | None, received: str, date: str) -> None:
    moment = datetime.fromisoformat(received).replace(tzinfo=UTC).timestamp()
    offsets = tuple(timezones.offsets(zone)) if zone else ()
    local = replace(brand(), offsets=offsets)
    email = CATALOG.compose(event(), local, received=moment)
    assert email.subject == f"Your Example Furniture design is saved ({date})"


# --- texts with a design's name ------------------------------------------------------------------


HEADING = 'heading = "Your design is saved"'
OWN = 'button = "Weiterplanen"'


@pytest.mark.parametrize(
    ("name", "old", "new", "below", "where", "message"),
    [
        (EN, HEADING, 'heading = "{design}"', 0, "heading", "`heading_with_design`"),
        (EN, HEADING, f'{HEADING}\nheading_with_design = "Saved"', 1, "heading_w", "{design} in"),
        (
            EN,
            HEADING,
            f'{HEADING}\nheading_with_design = "{{name}}{{design}}"',
            1,
            "hea",
            '"{name}',
        ),
        (EN, HEADING, f'{HEADING}\nheading_with_design = ""', 1, "heading_w", "a text in quotes"),
        (EN, HEADING, f'{HEADING}\nheading_with_desing = "{{design}}"', 1, "hea", "isn't shown"),
        (EN, HEADING, f'{HEADING}\nfooter_with_design = "{{design}}"', 1, "foo", "isn't shown"),
        (EN, HEADING, 'heading_with_design = "{design}"', None, "heading", "isn't known"),
        (EN, HEADING, 'heading = "{Date}"', 0, "heading", "{brand}, {date} or {design}"),
        (BRANDS, OWN, 'button = "{design}"', 0, "button", "`button_with_design`"),
        (BRANDS, OWN, 'button_with_design = "Los"', 0, "button_w", "{design} in"),
    ],
)
def test_a_mistake_in_either_form_is_named(
    source: Path,
    name: str,
    old: str,
    new: str,
    below: int | None,
    where: str,
    message: str,
) -> None:
    line = edit(source, name, old, new)
    if below is None:  # what is missing is named with its section
        line, below = edit(source, name, "[savedConfiguration]", "[savedConfiguration]"), 0
    problem = problems(source)[0]
    assert problem.startswith(f"{name}:{line + below}: ")
    assert f"savedConfiguration.{where}" in problem
    assert message in problem


@pytest.mark.parametrize(
    ("key", "length", "fits"),
    [
        ("subject", 255, True),
        ("subject", 256, False),
        ("subject_with_design", 175, True),
        ("subject_with_design", 176, False),
    ],
)
@pytest.mark.parametrize("name", [EN, BRANDS])
def test_a_subject_fits_with_the_longest_name(
    source: Path, name: str, key: str, length: int, fits: bool
) -> None:
    value = "x" * length + ("{design}" if key != "subject" else "")
    line = f'{key} = "{value}"'
    if name == EN:
        text = (source / EN).read_text("utf-8")
        old = re.search(rf"^{key} = .*$", text, re.MULTILINE)
        assert old
        place = edit(source, EN, old[0], line)
    else:
        place = edit(source, BRANDS, OWN, line)
    if fits:
        compile_package(source)
    else:
        [problem] = problems(source)
        assert problem.startswith(f"{name}:{place}: ")
        assert f"savedConfiguration.{key}: has 256 characters" in problem


def test_any_text_may_have_a_form_with_the_name(source: Path) -> None:
    edit(source, EN, HEADING, f'{HEADING}\nheading_with_design = "“{{design}}” by {{brand}}"')
    edit(source, EN, 'text = """', 'text_with_design = "{design}\\n\\nis yours."\ntext = """')
    catalog = build_catalog(source)
    named, unnamed = (compose(each, catalog=catalog) for each in (DESIGN, Design()))
    assert "“Shelf “Oslo”” by Example Furniture" in Page(named.html).text
    assert {"Shelf “Oslo”", "is yours."} <= set(named.text.splitlines())
    assert "Your design is saved" in Page(unnamed.html).text
    assert "is yours." not in unnamed.text


@pytest.mark.parametrize(
    ("own", "subject"),
    [
        ('subject = "Servus"', "Servus"),
        ('subject_with_design = "{design}!"', "Shelf “Oslo”!"),
        ('subject = "Servus"\nsubject_with_design = "{design}!"', "Shelf “Oslo”!"),
        ("", "Ihr Entwurf ist gespeichert: Shelf “Oslo” (27.11.2026, 15:05)"),
    ],
)
def test_a_brands_own_text_stands_for_both_forms(source: Path, own: str, subject: str) -> None:
    edit(source, BRANDS, OWN, f"{OWN}\n{own}")
    edit(
        source, BRANDS, 'timezone = "Europe/Vienna"', 'timezone = "Europe/Vienna"\nshow = ["name"]'
    )
    catalog = build_catalog(source)
    studio = catalog.brand("exampleStudio")
    email = catalog.compose(event(lang="de"), studio, received=RECEIVED, design=DESIGN)
    assert email.subject == subject


@pytest.mark.parametrize("shown", ["name", "picture", "size"])
def test_a_template_must_ask_whether_there_is_a_design(source: Path, shown: str) -> None:
    file = "templates/savedConfiguration.txt"
    line = edit(source, file, "{{ t.button }}", f"{{{{ design.{shown} }}}} {{{{ t.button }}}}")
    assert problems(source)[0].startswith(f"{file}:{line}: `design.{shown}` is undefined")


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Wien", "Europe/Vienna"),
        ("europe/vienna", "Europe/Vienna"),
        ("CET+1", "a time zone"),
        ("../UTC", "a time zone"),
    ],
)
def test_a_time_zone_that_is_none_is_a_mistake(source: Path, zone: str, hint: str) -> None:
    line = edit(source, BRANDS, '"Europe/Vienna"', f'"{zone}"')
    [problem, *_] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.studio.timezone: expected a time zone")
    assert hint in problem
