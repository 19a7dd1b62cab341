"""Words of texts, names and labels that would be shown wrongly, or to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from emails_build import links, words
from emails_build.package import compile_package
from tests.emails_building import append, edit, problems

BRANDS, DE = "brands.toml", "texts/de.toml"
SAVED, SAVED_TEXT = "templates/savedConfiguration.mjml", "templates/savedConfiguration.txt"
BUTTON = 'button = "Weiterplanen"'
NAME = 'name = "Example Furniture"'
HOURS, SOCIAL, IMPRINT = 'hours.en = "', "Instagram =", "1 Example Street"
# Everywhere that a person writes words: the file, what is there, and what is there then.
PLACES = {
    "text": (DE, BUTTON, 'button = "a {} b"'),
    "a brand's text": (BRANDS, BUTTON, 'button = "a {} b"'),
    "name": (BRANDS, NAME, 'name = "a {} b"'),
    "sender's name": (BRANDS, NAME, NAME + '\nsender_name = "a {} b"'),
    "hours": (BRANDS, HOURS, 'hours.en = "{} '),
    "social": (BRANDS, SOCIAL, '"a {} b" ='),
    "imprint": (BRANDS, IMPRINT, "{} " + IMPRINT),
    "template": (SAVED, "<mj-include", "<mj-text>a {} b</mj-text>\n<mj-include"),
    "text part": (SAVED_TEXT, "{{ url }}", "a {} b\n{{{{ url }}}}"),
}


def first_problem(source: Path, place: str, said: str) -> str:
    """The first problem of the emails with these words, which has to name their line."""
    name, old, new = PLACES[place]
    line = edit(source, name, old, new.format(said))
    problem = problems(source)[0]
    # The sender's name is below another line, and an imprint begins above.
    shown = line + {"sender's name": 1, "imprint": -2}.get(place, 0)
    assert problem.startswith(f"{name}:{shown}: ")
    return problem


# --- links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("auf http://b.example/x.", 'expected a link of https://, got "http://b.example/x"'),
        ("HTTP://B.EXAMPLE", 'expected a link of https://, got "HTTP://B.EXAMPLE"'),
        ("ftp://b.example", 'expected a link of https://, got "ftp://b.example"'),
        ("http://{}.example/", 'expected a link of https://, got "http://{}.example/"'),
        ("javascript:alert(1)", 'expected a link of https://, got "javascript:alert(1"'),
        ("https://localhost/", "a host such as www.brand.example"),
        ("https://10.0.0.1/", "a host such as www.brand.example"),
        ("https://u@b.example/", "without user or port"),
        ("https://möbel.example/ä", 'write the link as "https://xn--mbel-5qa.example/%C3%A4"'),
    ],
)
def test_a_link_among_words_is_https(said: str, message: str) -> None:
    [problem] = links.in_words(said)
    assert message in problem


@pytest.mark.parametrize(
    "said",
    [
        "Auf https://www.b.example/x?y=1&z=2.", "(https://b.example)", "https://b.example/{brand}",
        "www.b.example", "Zeit: 9-12", "shop@b.example", "mailto:a@b.example", "begins https://",
    ],
)  # fmt: skip
def test_other_links_and_words_are_fine(said: str) -> None:
    assert not [*links.in_words(said)]


@pytest.mark.parametrize("place", PLACES)
def test_a_link_without_encryption_is_named_wherever_it_is_written(
    source: Path, place: str
) -> None:
    assert 'expected a link of https://, got "http://b.example"' in first_problem(
        source, place, "http://b.example"
    )


@pytest.mark.parametrize(
    ("name", "old", "new", "below"),
    [
        (BRANDS, "logo_width = 200", 'texts.en.savedConfiguration.note = "{link}"', 0),
        (BRANDS, "logo_width = 200", 'texts.en.savedConfiguration.note = """\na\n{link}"""', 2),
        ("texts/en.toml", "preview = ", 'note = "{link}"\npreview = ', 0),
    ],
)
def test_a_place_for_a_link_that_there_is_not_is_named_where_it_is_written(
    source: Path, name: str, old: str, new: str, below: int
) -> None:
    line = edit(source, name, old, new) + below
    [problem, *_] = problems(source)
    assert problem.startswith(f"{name}:{line}: {{link}} would be shown as it is written: ")


def test_a_link_that_a_text_part_assembles_is_https_too(source: Path) -> None:
    number = append(source, SAVED_TEXT, '{{ "http://" ~ brand.id ~ ".example" }}')
    [problem, *_] = problems(source)
    assert problem.startswith(f"{SAVED_TEXT}:{number}: expected a link of https://")


# --- Markdown ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "**fett**", "ein **fettes Wort** hier", "*kursiv*", "_x_", "__x__", "***x***", "~~weg~~",
        "`code`", "[Seite](https://b.example)", "[Seite](/seite)", "[x](www.b.example)",
        "![Bild](https://b.example/x.png)", '[x](https://b.example "Titel")', "**{brand}**",
        "(*kursiv*)", "„_x_“",
    ],
)  # fmt: skip
def test_markdown_in_a_line_is_recognised(said: str) -> None:
    assert words.markup(said)
    assert words.markdown(said)


@pytest.mark.parametrize(
    "said",
    [
        "Preis*, Maße*", "2 * 3 * 4", "5*3*2", "snake_case_name", "[neu] (jetzt)", "a_b_", "* x",
        "Nr. #1", "1. Bezirk", "~5 Tage, ~6 Wochen", "it`s", "_", "**", "- eins", r"C:\x_y_z",
        "I <3 you", "1. Mai bis\n24. Juni ist zu.", "eins - zwei\ndrei", "#Sofa",
    ],
)  # fmt: skip
def test_signs_that_are_not_markdown_are_words(said: str) -> None:
    assert words.markup(said) is None
    assert words.markup_of_lines(said) is None


@pytest.mark.parametrize(
    "said", ["# Titel", "Text\n\n## Titel", "- eins\n- zwei", "* eins\n  * zwei", "1. a\n2. b",
             "> Zitat", "---", "| a | b |", "eins\n\n- zwei\n- drei"],
)  # fmt: skip
def test_markdown_of_whole_lines_is_recognised(said: str) -> None:
    assert words.markup_of_lines(said)


@pytest.mark.parametrize("place", ["text", "hours", "social", "template"])
def test_markdown_is_named_wherever_it_would_be_shown_as_letters(source: Path, place: str) -> None:
    assert '"**x**" would be shown as it is written' in first_problem(source, place, "**x**")


def test_a_list_in_a_text_is_named(source: Path) -> None:
    line = edit(source, DE, 'text = """\n', 'text = """\n- eins\n- zwei\n')
    [problem] = problems(source)
    assert problem == (
        f'{DE}:{line}: savedConfiguration.text: "- eins" would be shown as it is written: texts '
        "hold no HTML and no Markdown, links and emphasis belong in the template"
    )


# --- characters that nobody sees --------------------------------------------------------------


@pytest.mark.parametrize(
    "character",
    "\u202e\u202a\u202d\u2066\u2069\u200b\u2060\u00ad\u200d\u200c\u180e\ufeff\u3164\u2800\ue000"
    "\u034f\ufffa\U000e0041",
    ids=lambda each: f"U+{ord(each):04X}",
)
def test_a_character_that_nobody_sees_is_recognised(character: str) -> None:
    for said in (f"a{character}b", character, f"{character}b", f"a{character}"):
        assert f"U+{ord(character):04X} (" in str(words.hidden(said))


@pytest.mark.parametrize(
    "said",
    [
        "À bientôt\u00a0!", "12\u202f000", "👩\u200d👩\u200d👧 ❤\ufe0f", "\u0645\u06cc\u200c\u062e",
        "\u0915\u094d\u200d\u0937", "👍🏽", "a\nb", "a\tb", "",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)  # fmt: skip
def test_what_a_script_or_an_emoji_needs_is_fine(said: str) -> None:
    assert not [*words.problems(said)]


def test_a_problem_shows_such_a_character_by_its_number(source: Path) -> None:
    edit(source, BRANDS, "[configurators.exampleStudio]", r'[configurators."a\u202eb"]')
    [problem] = problems(source)
    assert problem.startswith(rf"{BRANDS}:8: configurators.a\U0000202Eb: has U+202E (right-to-lef")


@pytest.mark.parametrize("mark", "\u200e\u200f\u061c")
def test_marks_of_direction_are_for_texts_from_right_to_left(mark: str) -> None:
    assert not [*words.problems(f"a{mark}b", rtl=True)]
    assert f"U+{ord(mark):04X} (" in next(words.problems(f"a{mark}b"))


@pytest.mark.parametrize("place", PLACES)
def test_a_character_that_nobody_sees_is_named_wherever_it_is_written(
    source: Path, place: str
) -> None:
    # Templates know no escapes.
    written = "\u202e" if PLACES[place][0].startswith("templates/") else r"\u202e"
    assert "U+202E (right-to-left override), which nob" in first_problem(source, place, written)


@pytest.mark.parametrize(
    ("place", "written", "message"),
    [
        ("text", "\u202e", "U+202E (right-to-left override)"),
        ("name", "\u200b", "U+200B (zero width space)"),
        ("hours", r"\u0007", "control character"),
        ("name", r"\u0007", "control character"),
        ("text", "\x1b[31m", "U+001B (control character)"),
        ("text part", "\x1b[31m", "U+001B (control character)"),
        ("template", "&#8238;", "turns the order of what follows"),
        ("template", "&#x2067;", "turns the order of what follows"),
    ],
)
def test_such_a_character_is_named_however_it_is_written(
    source: Path, place: str, written: str, message: str
) -> None:
    assert message in first_problem(source, place, written)


# --- line breaks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        (DE, BUTTON, 'button = "Weiter\\r\\nBcc: x@b.example"'),
        (BRANDS, BUTTON, 'button = """Weiter\nplanen"""'),
        (DE, 'subject_with_design = "Ihr Entwurf', 'subject_with_design = "Ihr\\nEntwurf'),
        (DE, 'second_button = "Händler ', 'second_button = "Händler\\n'),
        (BRANDS, NAME, 'name = "Example\\nFurniture"'),
        (BRANDS, NAME, f'sender_name = "Example\\r\\nBcc: x@b.example"\n{NAME}'),
        (BRANDS, SOCIAL, '"Insta\\ngram" ='),
    ],
)
def test_a_line_break_in_what_is_one_line_is_named(
    source: Path, where: str, old: str, new: str
) -> None:
    line = edit(source, where, old, new)
    [problem, *_] = problems(source)
    assert problem.startswith(f"{where}:{line}: ")
    assert "line break" in problem


def test_a_line_that_goes_on_in_the_next_is_one_line(source: Path) -> None:
    edit(source, DE, BUTTON, 'button = """\nWeiter\\\n  planen\n"""')
    edit(source, BRANDS, NAME, 'name = """\nExample Furniture\n"""')
    assert compile_package(source)


# --- languages that are never shown -----------------------------------------------------------


STUDIO = """\
[brands.studio]
name = "Studio"
sender = "studio@brand.example"
languages = ["de", "en"]
language = "de"
link_hosts = ["*.roomle.com"]
asset_hosts = ["uploads.roomle.com"]
colours.button = "#1f4d43"
imprint.de = "x"
imprint.en = "x"
privacy.de = "https://b.example/"
privacy.en = "https://b.example/"
extra.promise.de = "x"
extra.inner.promise.de = "x"
"""
BY_LANGUAGE = {
    "blocks.hours": "x",
    "blocks.second_button": "https://b.example/",
    "blocks.note_link": "https://b.example/",
    "privacy": "https://b.example/",
    "imprint": "x",
    "extra.promise": "x",
    "extra.inner.promise": "x",
}


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("fr", '"fr" is not among its `languages`: add it there, or delete this'),
        ("xx", 'there is no texts/xx.toml: expected one of "de", "en"'),
    ],
)
def test_what_a_brand_says_in_a_language_that_it_does_not_offer_is_named(
    source: Path, tag: str, why: str
) -> None:
    before = (source / BRANDS).read_text("utf-8").partition("[brands.studio]")[0]
    added = [f'{name}.{tag} = "{value}"' for name, value in BY_LANGUAGE.items()]
    added += [f'texts.{tag}.savedConfiguration.button = "x"']
    (source / BRANDS).write_text(before + STUDIO + "\n".join(added), "utf-8")
    first = (before + STUDIO).count("\n") + 1

    found = problems(source)

    for line, name in enumerate([*BY_LANGUAGE, "texts"], first):
        told = f"{BRANDS}:{line}: brands.studio.{name}.{tag}: would never be shown, since {why}"
        assert told in found


def test_a_configurator_may_offer_fewer_languages_than_its_brand(source: Path) -> None:
    edit(source, BRANDS, "reply_to", 'languages = ["de"]\nreply_to')
    assert compile_package(source)


def test_a_configurators_own_words_are_checked_too(source: Path) -> None:
    line = edit(source, BRANDS, "reply_to", 'blocks.hours.fr = "x"\nreply_to')
    [problem] = problems(source)
    assert problem.startswith(
        f"{BRANDS}:{line}: configurators.exampleStudioAustria.blocks.hours.fr: would never be shown"
    )


def test_a_wrong_value_in_one_language_is_named(source: Path) -> None:
    line = edit(source, BRANDS, f"{HOURS}Mon", "hours.en = 5 # ")
    [problem] = problems(source)
    assert problem.startswith(f"{BRANDS}:{line}: brands.studio.blocks.hours.en: expected lines of")
    assert problem.endswith("; got 5")


def test_a_table_of_ones_own_may_have_short_names(source: Path) -> None:
    for name, line in ((SAVED, "<mj-text>{{ brand.extra.size.cm }}</mj-text>"),
                       (SAVED_TEXT, "{{ brand.extra.size.cm }}")):  # fmt: skip
        append(source, name, line)
    for brand in ("default", "studio"):
        append(source, BRANDS, f'[brands.{brand}.extra]\nsize = {{ cm = "5 cm" }}')
    assert compile_package(source)
