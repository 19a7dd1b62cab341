"""`roomle-mail design` against the stand-in: what it says, settles and never prints."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from roomle_mail_cli import roomle as asking
from roomle_mail_cli import sign
from roomle_mail_cli.roomle import Subject
from roomle_mail_cli.screen import CliError
from tests.command_line import CommandLine
from tools.roomle_api import content, faults, pictures
from tools.roomle_api.server import HEADERS, RoomleApi

SHELF = "demo:shelf:2564B3D4E19A9C46"
PICTURE = content.picture_of(SHELF)


@pytest.fixture
def cli(
    roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """The command line with a key, and the stand-in in place of Roomle's hosts: no AWS call."""
    monkeypatch.setenv("ROOMLE_API_KEY", sign.EXAMPLE_API_KEY)
    monkeypatch.setenv("ROOMLE_SECRET", sign.EXAMPLE_SECRET)
    monkeypatch.setenv("ROOMLE_API", roomle.url)
    monkeypatch.delenv("ROOMLE_MAIL_STACK", raising=False)
    wait(monkeypatch, 10)
    return CommandLine(monkeypatch, capsys)


def wait(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let an email wait longer for its design than it does, since a busy machine may be slow."""
    monkeypatch.setattr("roomle_mail.designs.DESIGN_WITHIN", seconds)
    monkeypatch.setattr("roomle_mail_cli.shown.DESIGN_WITHIN", seconds)


def answers(document: Any) -> dict[str, str]:
    return {each["question"]: each["answer"] for each in document["doubts"] if each["settled"]}


def open_questions(document: Any) -> set[str]:
    return {each["question"] for each in document["doubts"] if not each["settled"]}


BASE = "Which base URL works?"
TOKEN = "Which form of token is accepted?"
NEEDED = "Which headers are needed?"
PARTS = "Are an id's first two parts a component or an item?"
LABELS = "Does the header choose a label's language?"
THERE = "Is the picture there, without credentials?"
TRANSPARENT = "Is the picture transparent?"
UNKNOWN = "What does an unknown id answer?"


# --- what it says -----------------------------------------------------------------------------


def test_people_see_the_design_the_emails_the_doubts_and_how_long_each_call_took(
    cli: CommandLine,
) -> None:
    result = cli("design", SHELF, "--language", "de", "--language", "en")

    assert result.code == 0, result.err
    said = " ".join(result.out.split())
    assert "rootComponentId demo:shelf" in said
    assert f"picture {PICTURE} name Regal size" in said
    assert "name Shelf size" in said
    assert "the log says shown: picture, name, size" in said
    assert all(each in said for each in (BASE, TOKEN, NEEDED, PARTS, LABELS, THERE))
    calls = result.out.partition("seconds  what")[2].splitlines()[1:]
    assert len(calls) >= 15
    assert all(float(line.split()[0]) >= 0 for line in calls)


def test_every_doubt_is_settled_for_a_configuration(cli: CommandLine) -> None:
    document = cli("design", SHELF, "--json").json

    settled = answers(document)
    assert "https://api.roomle.com/v2: 200" in settled[BASE]
    assert "https://www.roomle.com/api/v2: 200" in settled[BASE]
    assert settled[TOKEN].startswith("01, vector of zeros; 01, vector from the key")
    assert "Refused: the word anonym; one of a wrong secret" in settled[TOKEN]
    assert settled[NEEDED] == "language, apiKey, token; not needed: currentTenant"
    assert settled[PARTS] == "component and item; rootComponentId is the same"
    assert settled[LABELS] == "yes: en: 'Shelf' (says it is en), de: 'Regal' (says it is de)"
    assert settled[THERE].startswith("yes: image/png")
    assert settled[TRANSPARENT] == "yes, its corner is (1024 × 1024 pixels)"
    assert settled[UNKNOWN] == '404, {"error": {"code": number, "message": text}}'
    assert open_questions(document) == {"Does Roomle say what its rate limits are?"}
    [email] = document["emails"]
    assert (email["name"], email["width"], email["depth"], email["height"]) == (
        "Shelf",
        1200,
        340.5,
        2250,
    )
    assert email["picture"] == PICTURE
    assert email["missing"] == []
    assert {"what", "method", "url", "status", "seconds"} == set(document["calls"][0])


@pytest.mark.parametrize(
    ("content_id", "kind"),
    [("demo:table", "item"), ("ps_1a2b3c", "plan")],
)
def test_items_and_plans_are_asked_about_too(cli: CommandLine, content_id: str, kind: str) -> None:
    result = cli("design", content_id, "--json")
    assert result.json["kind"] == kind
    # A plan has no name and no size, so they are not missing.
    assert result.json["emails"][0]["missing"] == []
    assert result.code == 0
    assert answers(result.json)[THERE].startswith("yes")


@pytest.mark.parametrize(
    ("content_id", "fault", "missing"),
    [
        ("ps_1a2b3c", "picture-404", ["picture"]),
        ("demo:table", "no-sizes", ["size"]),
        ("demo:table", "no-picture", ["picture"]),
        ("demo:table", "no-name", ["name"]),
    ],
)
def test_what_an_item_or_a_plan_can_have_and_lacks_is_missing(
    cli: CommandLine, roomle: RoomleApi, content_id: str, fault: str, missing: list[str]
) -> None:
    roomle.fault = fault
    result = cli("design", content_id, "--json")
    assert result.json["emails"][0]["missing"] == missing
    assert result.code == 1


def test_a_link_says_the_id_and_whether_it_is_of_the_test_system(
    cli: CommandLine, roomle: RoomleApi
) -> None:
    link = f"https://test.roomle.com/t/cp/?id={SHELF}&configuratorId=vizmotor"
    document = cli("design", link, "--json").json
    assert (document["id"], document["environment"]) == (SHELF, "test")
    assert answers(document)[BASE].startswith("https://www.test.roomle.com/api/v2: 200")
    assert all(each.target.startswith(("/api/v2/", "/configurations/")) for each in roomle.requests)


def test_a_brand_decides_what_an_email_would_show(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = 'show = ["name"]\ncatalogs = ["other"]'
    brand = 'languages = ["de", "en"]\nlanguage = "de"\n'
    (tmp_path / "brands.toml").write_text(
        f'default = "one"\n[configurators.shop]\nbrand = "two"\nshow = ["size"]\ncatalogs = []\n'
        f"[brands.one]\n{brand}\n[brands.two]\n{brand}{shows}\n"
    )
    monkeypatch.setenv("ROOMLE_MAIL_EMAILS", str(tmp_path))

    default = cli("design", SHELF, "--json").json
    assert (default["brand"], default["shows"]) == ("one", [])
    assert default["emails"][0]["name"] == "Regal"
    two = cli("design", SHELF, "--brand", "two", "--json")
    assert two.json["emails"][0]["log"] == "without: other catalog"
    assert two.code == 1
    shop = cli("design", SHELF, "--configurator-id", "shop", "--json").json
    assert (shop["emails"][0]["name"], shop["emails"][0]["width"]) == (None, 1200)
    unknown = cli("design", SHELF, "--brand", "three")
    assert (unknown.code, unknown.err) == (
        2,
        "roomle-mail: There is no brand 'three', only one, two.\n",
    )


def test_a_region_decides_on_the_units_and_another_language_is_refused(cli: CommandLine) -> None:
    [email] = cli("design", SHELF, "--language", "en-US", "--json").json["emails"]
    assert (email["name"], email["size"]) == ("Shelf", "47.2 × 13.4 × 88.6 in")
    refused = cli("design", SHELF, "--language", "pl")
    assert refused.code == 2
    assert "does not offer 'pl', only en, de" in refused.err


# --- what the answers settle ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forms", "answer"),
    [
        ({"01 fixed"}, "01, vector of zeros; 01, vector from the key. Refused: 01, vector in"),
        ({"02", "01 fixed"}, "01, vector of zeros; 01, vector from the key; 02. Refused:"),
        ({"anonym", "01 fixed"}, "01, vector of zeros; 01, vector from the key; the word anonym."),
    ],
)
def test_it_finds_the_tokens_form(
    cli: CommandLine, roomle: RoomleApi, forms: set[str], answer: str
) -> None:
    roomle.token_forms = frozenset(forms)
    assert answers(cli("design", SHELF, "--json").json)[TOKEN].startswith(answer)


def test_it_says_so_if_no_token_is_accepted(cli: CommandLine, roomle: RoomleApi) -> None:
    roomle.token_forms = frozenset()
    result = cli("design", SHELF, "--json")
    assert result.code == 1
    assert {BASE, TOKEN, NEEDED, PARTS, LABELS} <= open_questions(result.json)
    # Anyone can see the picture.
    assert result.json["emails"][0]["picture"] == PICTURE
    assert result.json["emails"][0]["log"] == "shown: picture; without: refused"


def test_it_says_so_if_the_token_is_not_checked(cli: CommandLine, roomle: RoomleApi) -> None:
    roomle.needed = ()
    roomle.checks_tokens = False
    settled = answers(cli("design", SHELF, "--json").json)
    assert settled[TOKEN] == "any, also one of a wrong secret: it is not checked"
    assert settled[NEEDED].startswith("none; not needed: language, currentTenant, apiKey, token")


def test_it_finds_the_needed_headers(cli: CommandLine, roomle: RoomleApi) -> None:
    roomle.needed = HEADERS
    needed = answers(cli("design", SHELF, "--json").json)[NEEDED]
    assert needed == "language, currentTenant, apiKey, token; not needed: none"


@pytest.mark.parametrize(
    ("fault", "question", "answer"),
    [
        ("only-item", PARTS, "item; rootComponentId is the same"),
        ("only-component", PARTS, "component; rootComponentId is the same"),
        ("opaque-picture", TRANSPARENT, "its corner is not (1024 × 1024 pixels)"),
        ("one-pixel", TRANSPARENT, "(1 × 1 pixels)"),
        ("foreign-picture", "Does perspectiveImage name the place that we know?", "another: "),
        ("no-head", THERE, "yes: image/png, 10 KB; HEAD answers 405"),
        ("500", UNKNOWN, '404, {"error": {"code": number, "message": text}}'),
    ],
)
def test_other_answers_are_told_as_they_are(
    cli: CommandLine, roomle: RoomleApi, fault: str, question: str, answer: str
) -> None:
    roomle.fault = fault
    assert answer in answers(cli("design", SHELF, "--json").json)[question]


@pytest.mark.parametrize(
    ("fault", "question", "answer"),
    [
        ("404", BASE, "none with this id (https://api.roomle.com/v2: 404 application/json"),
        ("html", THERE, "no, that is no picture: HEAD 200 text/html, GET 200 text/html"),
        ("name-other", LABELS, "the label is the same in all"),
        ("no-name", LABELS, "there is no label"),
        ("sizes-text", "Does it have sizes, and in millimetres?", "not three numbers: 1200 mm"),
        ("picture-404", THERE, "no: HEAD 404"),
    ],
)
def test_what_an_answer_leaves_open_is_said(
    cli: CommandLine, roomle: RoomleApi, fault: str, question: str, answer: str
) -> None:
    roomle.fault = fault
    [told] = [
        each["answer"]
        for each in cli("design", SHELF, "--json").json["doubts"]
        if each["question"] == question and not each["settled"]
    ]
    assert answer in told


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted(faults.FAULTS.keys() - {"slow", "hangs"}))
def test_no_fault_ends_in_a_traceback_or_prints_a_secret(
    cli: CommandLine, roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.3)
    wait(monkeypatch, 0.3)
    roomle.fault = fault

    result = cli("design", SHELF)

    assert result.code in (0, 1, 3)
    said = result.out + result.err
    assert "Traceback" not in said
    assert sign.EXAMPLE_SECRET not in said
    assert not re.search(r"\b0[1-3]-[A-Za-z0-9+/]{20}", said)
    # A terminal obeys control characters.
    assert all(each.isprintable() or each == "\n" for each in said)


@pytest.mark.parametrize("fault", ["hangs", "hangs-up", "not-http"])
def test_a_roomle_that_never_answers_is_unreachable(
    cli: CommandLine, roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.2)
    roomle.fault = fault
    result = cli("design", SHELF)
    assert result.code == 3
    assert "roomle-mail: Roomle's API can't be reached: " in result.err
    # Both bases and the picture were tried, and nothing more.
    assert len(roomle.requests) <= 4


def test_nobody_there_is_said_in_plain_words(cli: CommandLine) -> None:
    result = cli("design", SHELF, "--api", "http://127.0.0.1:1")
    assert (result.code, result.out) == (3, "")
    assert "Roomle's API can't be reached: no connection." in result.err


def test_a_program_learns_that_roomle_cannot_be_reached(cli: CommandLine) -> None:
    result = cli("design", SHELF, "--api", "http://127.0.0.1:1", "--json")
    assert result.code == 3
    assert result.json == {
        "error": "Roomle's API can't be reached: no connection.",
        "advice": "Check the network and the proxy. Meanwhile emails go out without designs.",
    }


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("design", "sofa"), "'sofa' is not an id of Roomle's."),
        (("design", "demo:../x:1"), "is not an id of Roomle's."),
        (("design", "demo::1"), "is not an id of Roomle's."),
        (("design", "https://www.roomle.com/"), "The link has no parameter `id`."),
        (("design", SHELF, "--api", "ftp://x"), "ftp://x is not an http(s) URL."),
    ],
)
def test_a_wrong_command_line_is_said_before_anything_is_asked(
    cli: CommandLine, roomle: RoomleApi, arguments: tuple[str, ...], problem: str
) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert problem in result.err
    assert roomle.requests == []


def test_prices_are_not_shown() -> None:
    found = {"id": "x", "price": 12, "retailerPrice": 13.5, "parts": "[]", "width": 3, "n": [1]}
    assert asking.without_prices(found) == {"id": "x", "width": 3}


# --- its parts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SHELF, "configuration"),
        ("demo:shelf", "item"),
        ("ps_1a2b", "plan"),
        (f"https://shop.example/#/?id={SHELF}", "configuration"),
    ],
)
def test_an_id_says_what_it_names(text: str, kind: str) -> None:
    assert Subject.of(text, test=False).kind == kind


@pytest.mark.parametrize("text", ["", "a:b:c:d", "a b:c:d", "ä:b:c", "a:b:c?x=1", "a:b/c:d", "ps"])
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(CliError):
        Subject.of(text, test=False)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pictures.sofa((1, 2, 3), size=4), "yes, its corner is (4 × 4 pixels)"),
        (pictures.sofa((1, 2, 3), transparent=False, size=4), "its corner is not (4 × 4 pixels)"),
        (b"GIF89a", "it is not a PNG"),
        (b"\x89PNG\r\n\x1a\n", "it is a broken PNG"),
        (pictures.sofa((1, 2, 3), size=4)[:30], "it is a broken PNG"),
    ],
)
def test_a_pictures_corner_tells_whether_it_is_transparent(data: bytes, told: str) -> None:
    assert asking.transparency(data) == told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "no JSON"),
        ("secret words", "text"),
        ({"error": {"code": 1, "more": {"a": 1}}}, '{"error": {"code": number, "more": object}}'),
        ({"error": True}, '{"error": true or false}'),
    ],
)
def test_the_shape_of_an_error_has_no_values(value: object, told: str) -> None:
    assert asking.shape(value) == told


def test_help_is_quick(cli: CommandLine) -> None:
    before = set(sys.modules)
    assert cli("design", "--help").code == 0
    assert "boto3" not in set(sys.modules) - before
