"""Designs: what Roomle says of one, in time and right, or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roomle_mail import designs as module
from roomle_mail.designs import DESIGN_WITHIN, RESTS_FOR, Designs, Lookup, Wanted
from roomle_mail.emails import Design
from roomle_mail.errors import SecretUnusable
from roomle_mail.events import Event
from roomle_mail.tokens import Credential
from roomle_mail_cli.sign import EXAMPLE_API_KEY, EXAMPLE_SECRET
from tools.roomle_api import faults, server
from tools.roomle_api.server import RoomleApi

NOW = 1_800_000_000.0
CREDENTIAL = Credential(EXAMPLE_API_KEY, EXAMPLE_SECRET.encode())
SHELF = "demo:shelf:2564B3D4"
UPLOADS = "https://uploads.roomle.com"
PICTURE = f"{UPLOADS}/configurations/{SHELF}/perspectiveImage.png"
WANTED = Wanted(
    show=("picture", "name", "size"),
    picture_hosts=("uploads.roomle.com", "catalog.roomle.com"),
    catalogs=(),
    language="de",
)
WHOLE = Design(PICTURE, "Regal", 1200, 340.5, 2250)
NOTHING = Design()
NO_NAME, NO_SIZE = WHOLE._replace(name=None), Design(PICTURE, "Regal")
NO_PICTURE = WHOLE._replace(picture=None)
NEVER_ENDS = {"slow", "hangs", "dripping", "dripping-header"}
# Seconds that the caller can spare, so that what hangs is given up soon.
SOON = 0.4


def event(content_id: str | None = SHELF, **changes: Any) -> Event:
    plain = Event(
        name="email.savedConfiguration",
        recipient="anna@customer.example",
        success=True,
        configuration_id=content_id,
        item_id=None,
        configurator_id=None,
        url="https://www.roomle.com/t/cp/?id=x",
        result_url=None,
        payload={},
    )
    return plain._replace(**changes)


@pytest.fixture(scope="module")
def running() -> Iterator[RoomleApi]:
    with server.running() as api:
        yield api


@pytest.fixture
def roomle(running: RoomleApi) -> RoomleApi:
    running.fault = None
    running.requests.clear()
    return running


@pytest.fixture
def designs(roomle: RoomleApi) -> Iterator[Designs]:
    made = Designs(on=True, stand_in=roomle.url, token_algorithm="01", token_iv="fixed")
    yield made
    roomle.fault = None


def look_up(
    designs: Designs,
    content: Event | None = None,
    wanted: Wanted = WANTED,
    *,
    credential: Callable[[], Credential | None] = lambda: CREDENTIAL,
    now: float = NOW,
    spare: float = 20.0,
) -> tuple[Design, Lookup]:
    lookup = designs.begin(content or event(), wanted, credential=credential, now=now, spare=spare)
    return lookup.result(), lookup


# --- what is found ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (event(), WHOLE),
        (event(None, item_id="demo:table"), Design(None, "Tisch", 1800, 900, 740)),
        (event("demo:table"), Design(None, "Tisch", 1800, 900, 740)),
        (event("ps_ABC123"), Design(f"{UPLOADS}/plans/ps_ABC123/thumbnail.png")),
    ],
    ids=["configuration", "item", "item as configurationId", "plan"],
)
def test_configurations_items_and_plans_are_found(
    designs: Designs, content: Event, found: Design
) -> None:
    design, lookup = look_up(designs, content)

    assert design._replace(picture=found.picture and design.picture) == found
    assert lookup.outcome
    assert lookup.outcome.startswith("shown: ")


@pytest.mark.parametrize("show", [("picture",), ("name",), ("size",), ("name", "size")])
def test_only_what_the_brand_shows_is_looked_up(
    designs: Designs, roomle: RoomleApi, show: tuple[str, ...]
) -> None:
    design, lookup = look_up(designs, wanted=WANTED._replace(show=show))

    assert (design.picture is not None) == ("picture" in show)
    assert (design.name is not None) == ("name" in show)
    assert (design.width is not None) == ("size" in show)
    assert lookup.outcome == f"shown: {', '.join(show)}"
    assert any("components" in each.target for each in roomle.requests) == ("name" in show)
    assert any(each.method == "HEAD" for each in roomle.requests) == ("picture" in show)


@pytest.mark.parametrize(
    ("language", "name"), [("de", "Regal"), ("de-AT", "Regal"), ("en-US", "Shelf"), ("sv", None)]
)
def test_the_name_is_in_the_emails_language_or_left_out(
    designs: Designs, language: str, name: str | None
) -> None:
    design, _ = look_up(designs, wanted=WANTED._replace(language=language))
    assert design.name == name


@pytest.mark.parametrize(
    ("show", "outcome"),
    [(("picture", "name", "size"), "shown: picture"), (("name", "size"), None)],
)
def test_a_name_and_a_size_of_a_plan_are_not_missed(
    designs: Designs, show: tuple[str, ...], outcome: str | None
) -> None:
    _, lookup = look_up(designs, event("ps_ABC123"), WANTED._replace(show=show))
    assert lookup.outcome == outcome


def test_nothing_is_asked_and_no_thread_starts_where_the_brand_shows_nothing(
    designs: Designs, roomle: RoomleApi
) -> None:
    before = threading.active_count()
    lookup = designs.begin(
        event(), WANTED._replace(show=()), credential=lambda: CREDENTIAL, now=NOW, spare=20.0
    )

    assert threading.active_count() == before
    assert (lookup.result(), lookup.outcome) == (NOTHING, None)
    assert not roomle.requests


def test_the_parameter_switches_designs_off(designs: Designs, roomle: RoomleApi) -> None:
    designs.on = False
    design, lookup = look_up(designs)

    assert (design, lookup.outcome) == (NOTHING, "without: switched off")
    assert not roomle.requests


# --- what is sent to Roomle -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://www.roomle.com/t/cp/?id=x", "/v2/"),
        ("https://test.roomle.com/t/cp/?id=x", "/api/v2/"),
        ("https://www.test.roomle.com/t/cp/", "/api/v2/"),
        ("HTTPS://TEST.ROOMLE.COM", "/api/v2/"),
        ("https://shop.example/?back=https://test.roomle.com/", "/v2/"),
        ("https://test.roomle.com.shop.example/", "/v2/"),
        ("https://contest.roomle.com/", "/v2/"),
    ],
)
@pytest.mark.parametrize("field", ["url", "result_url"])
def test_the_host_of_either_link_chooses_between_test_and_live(
    designs: Designs, roomle: RoomleApi, field: str, link: str, path: str
) -> None:
    look_up(designs, event(**{"url": "https://shop.example/", field: link}))
    assert roomle.requests[0].target == f"{path}configurations/{SHELF}"


@pytest.mark.parametrize("algorithm", ["01", "02"])
@pytest.mark.parametrize("iv", ["fixed", "prefix"])
def test_every_call_to_the_api_has_the_documented_headers(
    roomle: RoomleApi, algorithm: str, iv: Any
) -> None:
    # The stand-in verifies the token.
    made = Designs(on=True, stand_in=roomle.url, token_algorithm=algorithm, token_iv=iv)
    assert look_up(made)[0] == WHOLE

    calls = [each.headers for each in roomle.requests if each.method == "GET"]
    assert {each["apikey"] for each in calls} == {EXAMPLE_API_KEY}
    assert {each["language"] for each in calls} == {"de"}
    assert {each["currenttenant"] for each in calls} == {"demo"}


def test_a_picture_is_looked_at_without_credentials(designs: Designs, roomle: RoomleApi) -> None:
    look_up(designs)

    (head,) = [each.headers for each in roomle.requests if each.method == "HEAD"]
    assert not head.keys() & {"apikey", "token", "currenttenant"}


@pytest.mark.parametrize("fault", ["api-redirect-elsewhere", "picture-redirect-elsewhere"])
def test_credentials_follow_no_redirect_to_another_host(
    designs: Designs, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    _, lookup = look_up(designs)

    assert lookup.outcome
    assert "other host" in lookup.outcome


def no_secret() -> Credential | None:
    raise SecretUnusable("The secret is not JSON.")


@pytest.mark.parametrize(
    "credential",
    [lambda: None, no_secret, lambda: Credential("anotherKey", b"another-secret-0")],
    ids=["none", "unusable secret", "unknown to Roomle"],
)
def test_without_credentials_that_roomle_takes_only_the_public_picture_is_shown(
    designs: Designs, credential: Callable[[], Credential | None]
) -> None:
    design, lookup = look_up(designs, credential=credential)

    assert design == Design(PICTURE)
    assert lookup.outcome == "shown: picture; without: refused"


# --- ids and catalogues -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_id",
    [
        "", "demo", "demo:", ":shelf", "demo:shelf:", "demo:shelf:2564/..", "demo:..:2564",
        "../tenants", "demo:shelf/../..", "demo:shelf:a:b", "demo:sh elf", "demo:shelf?x=1",
        "demo:shelf#x", "demo:sh%2Felf", "demo:shelf\\x", "demo:shelf\n", "demo:šelf", "ps_",
        "ps_a/b", "PS_abc", "demo:shelf:" + "F" * 129, "d" * 101 + ":shelf",
    ],
)  # fmt: skip
def test_an_id_of_another_form_leads_to_no_call(
    designs: Designs, roomle: RoomleApi, content_id: str
) -> None:
    design, lookup = look_up(designs, event(content_id))

    assert (design, lookup.outcome) == (NOTHING, "without: odd id")
    assert not roomle.requests


@pytest.mark.parametrize("content_id", [SHELF, "demo:shelf", "ps_abc"])
def test_a_catalogue_that_the_brand_does_not_list_shows_nothing_and_is_not_asked_for(
    designs: Designs, roomle: RoomleApi, content_id: str
) -> None:
    wanted = WANTED._replace(catalogs=("brand", "demos"))
    design, lookup = look_up(designs, event(content_id), wanted)

    assert (design, lookup.outcome) == (NOTHING, "without: other catalog")
    assert not roomle.requests


def test_the_answer_may_not_name_another_catalogue_either(
    designs: Designs, roomle: RoomleApi
) -> None:
    wanted = WANTED._replace(catalogs=("demo",))
    assert look_up(designs, wanted=wanted)[0] == WHOLE

    roomle.fault = "other-catalog"
    design, lookup = look_up(designs, wanted=wanted)
    assert (design, lookup.outcome) == (NOTHING, "without: other catalog")


# --- the breaker ------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "503", "429", "hangs-up", "reset", "hangs", "dripping"])
def test_after_an_outage_roomle_is_left_alone_for_five_minutes(
    designs: Designs, roomle: RoomleApi, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    # What is late is an outage if it had the full time.
    monkeypatch.setattr(module, "DESIGN_WITHIN", SOON / 2)
    roomle.fault = fault
    look_up(designs, spare=SOON)
    roomle.fault = None
    roomle.requests.clear()

    for later in (0, 1, RESTS_FOR - 1):
        design, lookup = look_up(designs, now=NOW + later)
        assert (design, lookup.outcome) == (NOTHING, "without: outage")
    assert not roomle.requests


@pytest.mark.parametrize("fault", ["hangs", "dripping", "component-hangs", "picture-hangs"])
def test_what_is_late_in_less_than_the_full_time_is_no_outage(
    designs: Designs, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    _, lookup = look_up(designs, spare=SOON)
    roomle.fault = None
    assert lookup.outcome
    assert lookup.outcome.endswith("without: late")
    assert lookup._thread
    lookup._thread.join()

    assert look_up(designs)[0] == WHOLE


@pytest.mark.parametrize("fault", ["503", "429", "reset", "hangs-up"])
def test_an_outage_is_one_however_little_time_there_was(
    designs: Designs, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    look_up(designs, spare=2 * DESIGN_WITHIN - 0.1)
    roomle.fault = None

    assert look_up(designs)[1].outcome == "without: outage"


def test_five_minutes_after_an_outage_designs_are_shown_again(
    designs: Designs, roomle: RoomleApi
) -> None:
    roomle.fault = "503"
    look_up(designs)
    roomle.fault = None

    assert look_up(designs, now=NOW + RESTS_FOR)[0] == WHOLE


def test_a_clock_that_goes_back_does_not_keep_designs_away(
    designs: Designs, roomle: RoomleApi
) -> None:
    roomle.fault = "503"
    look_up(designs)
    roomle.fault = None

    assert look_up(designs, now=NOW - 3_600)[0] == WHOLE


def test_an_outage_of_roomles_test_system_costs_no_live_design(
    designs: Designs, roomle: RoomleApi
) -> None:
    roomle.fault = "503"
    look_up(designs, event(url="https://test.roomle.com/"))
    roomle.fault = None

    assert look_up(designs)[0] == WHOLE


@pytest.mark.parametrize("fault", ["404", "401", "html", "other-id", "no-picture", "large"])
def test_what_concerns_one_design_alone_is_no_outage(
    designs: Designs, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    look_up(designs)
    roomle.fault = None

    assert look_up(designs)[0] == WHOLE


def test_a_lookup_that_is_left_behind_is_the_only_one(designs: Designs, roomle: RoomleApi) -> None:
    roomle.fault = "dripping-header"
    _, left = look_up(designs, spare=SOON)
    roomle.fault = None
    roomle.requests.clear()
    threads = threading.active_count()

    for later in range(1, 4):
        design, lookup = look_up(designs, now=NOW + later * RESTS_FOR)
        assert (design, lookup.outcome) == (NOTHING, "without: busy")
    assert left.is_running()
    assert threading.active_count() <= threads
    assert not roomle.requests


def test_what_a_late_thread_still_finds_changes_nothing(
    designs: Designs, roomle: RoomleApi
) -> None:
    roomle.fault = "picture-slow"
    design, lookup = look_up(designs)
    told = lookup.outcome
    assert lookup._thread
    lookup._thread.join()

    assert design == NO_PICTURE
    assert lookup.outcome == told == "shown: name, size; without: late"


# --- faults -----------------------------------------------------------------------------------

# What is still shown under a fault; under all others nothing is.
STILL_SHOWN = {
    "opaque-picture": WHOLE, "one-pixel": WHOLE, "other-catalog": WHOLE, "only-item": WHOLE,
    "only-component": WHOLE, "no-root": NO_NAME, "hostile-root": NO_NAME, "no-head": NO_PICTURE,
    "name-controls": WHOLE._replace(name="So fa [31m"),
    "name-template": WHOLE._replace(name="{{ 7 * 7 }} {% x %} {brand} {design}"),
}  # fmt: skip


def still_shown(fault: str) -> Design:
    if fault in STILL_SHOWN:
        return STILL_SHOWN[fault]
    if fault.startswith("name-") or fault == "no-name":
        return NO_NAME
    if fault == "sizes-digits":  # the whole answer can't be read
        return NOTHING
    if fault.startswith("sizes-") or fault in {"no-sizes", "no-depth"}:
        return NO_SIZE
    return NO_PICTURE if fault.endswith("-picture") else NOTHING


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_under_any_fault_only_what_is_right_is_shown(
    designs: Designs, roomle: RoomleApi, fault: str
) -> None:
    roomle.fault = fault
    design, lookup = look_up(designs, spare=SOON if fault in NEVER_ENDS else 20.0)

    assert design == still_shown(fault)
    assert lookup.outcome
    is_whole = None not in (design.picture, design.name, design.width)
    assert is_whole or "without: " in lookup.outcome


@pytest.mark.parametrize("fault", faults.FAULTS)
@pytest.mark.parametrize("part", ["picture", "component"])
def test_a_fault_of_one_part_costs_that_part_alone(
    designs: Designs, roomle: RoomleApi, part: str, fault: str
) -> None:
    roomle.fault = f"{part}-{fault}"
    spare = SOON if fault in NEVER_ENDS else 20.0
    design, _ = look_up(designs, spare=spare)

    rest = design._replace(picture=PICTURE) if part == "picture" else design._replace(name="Regal")
    assert rest == WHOLE
