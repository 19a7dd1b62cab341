"""Designs without a network: the time box by a clock that stands still, and what is taken over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import designs as module
from roomle_mail.designs import DESIGN_WITHIN, Designs, Lookup, Wanted
from roomle_mail.emails import Design, visible_name
from roomle_mail.events import Event

WANTED = Wanted(("picture", "name", "size"), ("uploads.roomle.com",), (), "en")
EVENT = Event(
    name="email.savedConfiguration",
    recipient="anna@customer.example",
    success=True,
    configuration_id="demo:shelf:2564B3D4",
    item_id=None,
    configurator_id=None,
    url="https://www.roomle.com/t/cp/?id=x",
    result_url=None,
    payload={},
)


@dataclass
class Clock:
    """Only waiting for a thread takes time."""

    now: float = 1_000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Stuck:
    """A thread that never ends."""

    clock: Clock
    waits: list[float] = field(default_factory=list)
    started: int = 0

    def __call__(self, **_: Any) -> Stuck:
        return self

    def start(self) -> None:
        self.started += 1

    def is_alive(self) -> bool:
        return self.started > 0

    def join(self, timeout: float) -> None:
        self.waits.append(timeout)
        self.clock.now += timeout


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stuck(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Stuck:
    stuck = Stuck(clock)
    monkeypatch.setattr(module, "Thread", stuck)
    return stuck


@pytest.fixture
def designs() -> Designs:
    return Designs(on=True, stand_in=None, token_algorithm="01", token_iv="fixed")


def begin(designs: Designs, *, spare: float = 10.0, now: float = 0.0) -> Lookup:
    return designs.begin(EVENT, WANTED, credential=lambda: None, now=now, spare=spare)


@pytest.mark.parametrize(
    ("spare", "box"), [(60, DESIGN_WITHIN), (2, DESIGN_WITHIN), (1, 0.5), (0.2, 0.1)]
)
def test_the_box_is_half_of_what_can_be_spared_and_a_second_at_most(
    designs: Designs, stuck: Stuck, spare: float, box: float
) -> None:
    lookup = begin(designs, spare=spare)

    assert lookup.result() == Design()
    assert stuck.waits == [pytest.approx(box)]
    assert lookup.outcome == "without: late"


def test_what_was_done_beside_it_counts_as_time_of_the_box(
    designs: Designs, stuck: Stuck, clock: Clock
) -> None:
    lookup = begin(designs)
    clock.now += 0.7
    lookup.result()
    assert stuck.waits == [pytest.approx(0.3)]

    clock.now += 60
    lookup.result()
    assert stuck.waits[-1] == 0


@pytest.mark.parametrize("spare", [0, -1, -math.inf])
def test_without_time_to_spare_nothing_begins(designs: Designs, stuck: Stuck, spare: float) -> None:
    lookup = begin(designs, spare=spare)

    assert (lookup.result(), lookup.outcome) == (Design(), "without: no time left")
    assert not stuck.started


def test_an_outage_costs_the_box_once(designs: Designs, stuck: Stuck, clock: Clock) -> None:
    began = clock.now
    for second in range(100):
        begin(designs, now=float(second)).result()

    assert stuck.started == 1
    assert clock.now - began == pytest.approx(DESIGN_WITHIN)


def test_a_short_box_that_was_too_short_is_no_outage(designs: Designs, stuck: Stuck) -> None:
    assert begin(designs, spare=DESIGN_WITHIN).result() == Design()
    stuck.started = 0  # its thread ends
    assert begin(designs).outcome is None
    assert stuck.started == 1


def test_where_no_thread_can_start_the_email_goes_out_without(
    designs: Designs, stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(stuck, "start", fail)
    lookup = begin(designs)

    assert (lookup.result(), lookup.outcome) == (Design(), "without: no thread")


# --- what is taken over -----------------------------------------------------------------------


@given(st.text())
def test_a_name_is_one_short_printable_line_without_a_link(text: str) -> None:
    name = visible_name(text)
    if name is not None:
        assert 0 < len(name) <= 80
        assert name.isprintable()
        assert name == " ".join(name.split())
        assert "@" not in name
        assert "://" not in name


@pytest.mark.parametrize(
    "name",
    ["Regal", "Étagère d’angle 2", "Sofa No. 5", "Tisch 2.0", "Vitrine 40 × 60", "棚", "x" * 80],
)
def test_a_plain_name_is_shown(name: str) -> None:
    assert visible_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "\x00", "x" * 81, "win: evil.example", "www.evil", "mail@evil", "https://evil",
        "HTTPS://EVIL", "S\u0301\u0301\u0301", "möbel.österreich", "evil\u3002example",
        "evil\uff0eexample", "evil\u200b.example", "\u3164", "\u2800 \u115f", "\u00ad\u200d",
    ],
)  # fmt: skip
def test_any_other_name_is_left_out(name: str) -> None:
    assert visible_name(name) is None


def test_what_has_no_width_parts_no_words() -> None:
    assert visible_name("Eck\u00adso\u00adfa\u200b \u2060links") == "Ecksofa links"


@dataclass
class Roomle:
    """Answers every call with one object."""

    found: dict[str, Any]

    def get(self, *_: str) -> dict[str, Any]:
        return self.found


@pytest.mark.parametrize(
    ("root", "component", "name"),
    [
        ("demo:shelf", {"label": "Shelf"}, "Shelf"),
        ("demo:shelf", {"label": "Shelf", "catalog": "demo"}, "Shelf"),
        ("demo:shelf", {"label": "Shelf", "catalog": "other"}, None),
        ("demo:shelf", {"label": "Shelf", "catalog": None}, None),
        ("other:shelf", {"label": "Shelf"}, None),
        ("other:shelf", {"label": "Shelf", "catalog": "demo"}, None),
    ],
)
def test_a_name_is_only_of_a_catalogue_that_the_brand_lists(
    designs: Designs, root: str, component: dict[str, Any], name: str | None
) -> None:
    lookup = Lookup(designs, EVENT, WANTED._replace(catalogs=("demo",)), 0, 1)
    lookup._try(lookup._name, Roomle(component), {"rootComponentId": root})
    assert lookup.result().name == name
    assert lookup.problems == ([] if name else ["other catalog"])


@given(st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none()))
def test_a_length_is_a_finite_number_within_reason(value: object) -> None:
    if module._is_length(value):
        assert isinstance(value, (int, float))
        assert not isinstance(value, bool)
        assert 2 <= value <= 50_000


@given(st.text(max_size=60))
def test_whatever_an_id_is_its_path_stays_below_roomles(content_id: str) -> None:
    made = Designs(on=True, stand_in=None, token_algorithm="01", token_iv="fixed")
    content = EVENT._replace(configuration_id=content_id)

    if Lookup(made, content, WANTED, 0.0, 1.0).kind is not None:
        assert content_id.isascii()
        assert not set(content_id) & set("/\\?#%&@ \t\r\n")
        assert content_id.strip(".") == content_id
