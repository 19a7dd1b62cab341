"""The stand-in answers in Roomle's shapes, checks the headers, and fails when it is told to."""

from __future__ import annotations

import http.client
import io
import json
import urllib.request

import pytest
from PIL import Image

from roomle_mail_cli import sign
from tests.roomle_api.conftest import ask, credentials
from tools import fixtures
from tools.roomle_api import __main__ as command
from tools.roomle_api import content, faults, pictures
from tools.roomle_api.server import HEADERS, RoomleApi

SHELF = "demo:shelf:2564B3D4E19A9C46"
# Whatever a client can meet on the way to an answer.
BROKEN_CONNECTION = (OSError, http.client.HTTPException)


# --- shapes -----------------------------------------------------------------------------------


def test_a_configuration_has_what_roomles_example_has(roomle: RoomleApi) -> None:
    answer = ask(roomle, f"/configurations/{SHELF}")

    assert answer.status == 200
    [(name, found)] = answer.json.items()
    assert name == "configuration"
    assert found["id"] == SHELF
    assert (found["rootComponentId"], found["catalog"]) == ("demo:shelf", "demo")
    assert (found["width"], found["height"], found["depth"]) == (1200, 2250, 340.5)
    assert found["perspectiveImage"] == (
        f"https://uploads.roomle.com/configurations/{SHELF}/perspectiveImage.png"
    )
    assert json.loads(found["parts"])["fullList"][0]["label"] == ""
    assert "label" not in found


@pytest.mark.parametrize(
    ("language", "label", "spoken"),
    [
        ("de", "Regal", "de"),
        ("de-AT", "Regal", "de"),
        ("FR", "Étagère", "fr"),
        ("en_US", "Shelf", "en"),
        ("pl", "Shelf", "en"),
    ],
)
def test_a_component_is_named_in_the_language_of_the_header(
    roomle: RoomleApi, language: str, label: str, spoken: str
) -> None:
    found = ask(roomle, "/components/demo:shelf", credentials(language)).json["component"]
    assert found == {"id": "demo:shelf", "catalog": "demo", "label": label, "language": spoken}


def test_an_item_has_a_name_and_a_size(roomle: RoomleApi) -> None:
    found = ask(roomle, "/items/demo:table").json["item"]
    assert (found["label"], found["width"], found["depth"], found["height"]) == (
        "Table",
        1800,
        900,
        740,
    )


def test_a_plan_has_pictures_but_no_name_and_no_size(roomle: RoomleApi) -> None:
    found = ask(roomle, f"/planSnapshots/{fixtures.PLAN}").json["planSnapshot"]
    assert set(found) == {"id", "created", "perspectiveImage", "topImage"}
    assert found["perspectiveImage"] == content.picture_of(fixtures.PLAN, "plan")


@pytest.mark.parametrize("prefix", ["", "/v2", "/api/v2"])
@pytest.mark.parametrize("spelling", [SHELF, SHELF.replace(":", "%3A")])
def test_every_base_that_roomle_has_works(roomle: RoomleApi, prefix: str, spelling: str) -> None:
    found = ask(roomle, f"{prefix}/configurations/{spelling}").json["configuration"]
    assert found["id"] == SHELF


@pytest.mark.parametrize(
    "path", ["/", "/tenants/1", "/demo:shelf", "/configurations/", "/configurations/a/b"]
)
def test_another_path_is_not_found_and_says_error(roomle: RoomleApi, path: str) -> None:
    answer = ask(roomle, path)
    assert answer.status == 404
    assert set(answer.json) == {"error"}


@pytest.mark.parametrize(
    "path", ["/configurations/demo:shelf:0000", "/components/demo:00", "/planSnapshots/ps_0000"]
)
def test_an_id_of_zeros_is_unknown(roomle: RoomleApi, path: str) -> None:
    answer = ask(roomle, path)
    assert answer.status == 404
    assert answer.json["error"]["message"] == "unknown id"


# --- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/configurations/{SHELF}/perspectiveImage.png",
        f"/plans/{fixtures.PLAN}/thumbnail.png",
        "/demo:shelf/perspectiveImage.png",
    ],
)
def test_a_picture_needs_no_credentials_and_is_transparent(roomle: RoomleApi, path: str) -> None:
    answer, head = ask(roomle, path, {}), ask(roomle, path, {}, method="HEAD")

    picture = Image.open(io.BytesIO(answer.body))
    picture.verify()
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert (picture.format, picture.size, picture.mode) == ("PNG", (1024, 1024), "RGBA")
    loaded = Image.open(io.BytesIO(answer.body))
    assert loaded.getchannel("A").getextrema() == (0, 255)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.body))


def test_two_designs_have_two_pictures() -> None:
    first, second = (pictures.sofa(content.colour_of(each)) for each in ("a:b:1", "a:b:2"))
    assert first != second


def test_an_items_picture_is_a_redirect_to_the_catalogue(roomle: RoomleApi) -> None:
    answer = ask(roomle, "/items/demo:shelf/perspectiveImage", {})

    host, path = "https://catalog.roomle.com", "/demo:shelf/perspectiveImage.png"
    assert (answer.status, answer.headers["location"]) == (307, host + path)
    assert ask(roomle, path, {}).headers["content-type"] == "image/png"


# --- the four headers -------------------------------------------------------------------------


@pytest.mark.parametrize("name", HEADERS)
def test_each_header_is_needed(roomle: RoomleApi, name: str) -> None:
    given = credentials()
    del given[name]

    roomle.needed = HEADERS
    answer = ask(roomle, f"/configurations/{SHELF}", given)
    assert answer.status == 401
    assert name in answer.json["error"]["message"]

    roomle.needed = tuple(each for each in HEADERS if each != name)
    answer = ask(roomle, f"/configurations/{SHELF}", given)
    # Without the key nobody can tell whose the token is.
    assert answer.status == (401 if name == "apiKey" else 200)


@pytest.mark.parametrize(
    ("form", "accepted"),
    [
        ({}, "01 fixed"),
        ({"iv": "key"}, "01 fixed"),
        ({"iv": "prefix"}, "01 prefix"),
        ({"algorithm": "02"}, "02"),
    ],
)
def test_a_token_is_accepted_in_its_form_only(
    roomle: RoomleApi, form: dict[str, str], accepted: str
) -> None:
    given = credentials(**form)
    path = f"/configurations/{SHELF}"
    assert ask(roomle, path, given).status == 200
    roomle.token_forms = frozenset((accepted,))
    assert ask(roomle, path, given).status == 200
    roomle.token_forms = frozenset(("01 fixed", "01 prefix", "02")) - {accepted}
    assert ask(roomle, path, given).status == 401


@pytest.mark.parametrize("value", ["anonym", "01-AAAA", "garbage", "ü"])
def test_anything_else_is_no_token(roomle: RoomleApi, value: str) -> None:
    given = credentials() | {"token": value.encode("utf-8").decode("latin-1")}
    assert ask(roomle, f"/configurations/{SHELF}", given).status == 401


def test_a_token_of_another_secret_is_refused_and_anonym_can_be_allowed(roomle: RoomleApi) -> None:
    path = f"/components/{content.component_of(SHELF)}"
    assert ask(roomle, path, credentials() | {"apiKey": "another"}).status == 401
    anonym = credentials() | {"token": "anonym"}
    roomle.token_forms |= {"anonym"}
    assert ask(roomle, path, anonym).status == 200


# --- faults -----------------------------------------------------------------------------------


def outcome(roomle: RoomleApi, path: str) -> object:
    """What a client meets: an answer, or a broken connection."""
    try:
        answer = ask(roomle, path)
    except BROKEN_CONNECTION as err:
        return type(err).__name__
    return (
        answer.status,
        answer.headers.get("location"),
        answer.headers.get("content-type"),
        answer.body,
    )


@pytest.mark.parametrize("name", faults.FAULTS)
def test_each_fault_changes_at_least_one_answer_and_only_while_it_is_switched_on(
    roomle: RoomleApi, name: str
) -> None:
    paths = [
        f"/configurations/{SHELF}",
        "/components/demo:shelf",
        f"/configurations/{SHELF}/perspectiveImage.png",
    ]
    if name == "no-head":
        assert ask(roomle, paths[2], method="HEAD").status == 200
        roomle.fault = name
        assert ask(roomle, paths[2], method="HEAD").status == 405
        return
    right = [outcome(roomle, path) for path in paths]
    roomle.fault = name
    wrong = [outcome(roomle, path) for path in paths]
    roomle.fault = None
    again = [outcome(roomle, path) for path in paths]

    # A component is not only known as one unless the item is missing.
    if name == "only-component":
        roomle.fault = name
        assert ask(roomle, "/items/demo:shelf").status == 404
        return
    assert wrong != right
    assert again == right


def test_an_id_names_its_own_fault_and_others_stay_right(roomle: RoomleApi) -> None:
    assert ask(roomle, "/configurations/demo:fault-404:2564").status == 404
    assert ask(roomle, "/planSnapshots/ps_fault-500").status == 500
    assert ask(roomle, f"/configurations/{SHELF}").status == 200
    assert ask(roomle, "/configurations/demo:fault-unheard-of:2564").status == 200


def test_a_fault_can_strike_one_kind_of_request_alone(roomle: RoomleApi) -> None:
    only_picture = "demo:fault-picture-404:2564"
    assert ask(roomle, f"/configurations/{only_picture}").status == 200
    assert ask(roomle, f"/configurations/{only_picture}/perspectiveImage.png").status == 404
    roomle.fault = "component-html"
    assert ask(roomle, "/components/demo:shelf").headers["content-type"].startswith("text/html")
    assert ask(roomle, f"/configurations/{SHELF}").json


def test_another_program_can_switch_faults(roomle: RoomleApi) -> None:
    def switch(method: str, name: bytes | None = None) -> object:
        request = urllib.request.Request(f"{roomle.url}/_faults", data=name, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["fault"]

    assert switch("GET") is None
    assert switch("PUT", b"html") == "html"
    assert roomle.fault == "html"
    with pytest.raises(urllib.error.HTTPError, match="400"):
        switch("PUT", b"unheard of")
    assert switch("GET") == "html"
    assert switch("DELETE") is None


def test_every_request_is_recorded_without_the_switch(roomle: RoomleApi) -> None:
    ask(roomle, "/_faults")
    ask(roomle, f"/configurations/{SHELF}", credentials("nl"))
    [seen] = roomle.requests
    assert (seen.method, seen.target, seen.headers["language"]) == (
        "GET",
        f"/configurations/{SHELF}",
        "nl",
    )
    assert sign.EXAMPLE_API_KEY not in repr(seen)


def test_its_own_command_lists_the_faults_and_refuses_an_unknown_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    helped = capsys.readouterr().out
    assert all(name in helped for name in faults.FAULTS)
    with pytest.raises(SystemExit) as ended:
        command.main(["--fault", "unheard-of"])
    assert ended.value.code == 2
