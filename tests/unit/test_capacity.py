"""The capacity model: no event is lost, and it obeys the limits that it models."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import markdown
from bench.capacity import model, report
from bench.capacity.model import Bucket, Load, Parameters, advise, simulate
from tests.unit import cloudformation
from tools import cost

LOADS = st.builds(Load, st.integers(0, 3_000), st.sampled_from([0.0, 0.5, 1.0]))
PARAMETERS = st.builds(
    Parameters,
    delivery=st.sampled_from(model.MODES),
    throttle_rate=st.floats(1, 100),
    throttle_burst=st.integers(1, 200),
    max_emails_per_hour=st.sampled_from([0, 100, 10_000]),
    mailer_concurrency=st.integers(2, 20),
    ses_rate=st.floats(0.5, 50),
)


@settings(max_examples=25)
@given(LOADS, PARAMETERS)
def test_every_event_ends_exactly_once(load: Load, parameters: Parameters) -> None:
    results = simulate(load, parameters)
    assert results.events == load.events
    assert results.sent == len(results.delays)
    assert all(delay >= 0 for delay in results.delays)
    if parameters.delivery == "ses":
        assert results.work["sqs"] <= 0
    if parameters.max_emails_per_hour:
        assert results.sent <= parameters.max_emails_per_hour * 9


@settings(max_examples=25)
@given(LOADS, PARAMETERS)
def test_ses_never_takes_more_than_its_rate(load: Load, parameters: Parameters) -> None:
    results = simulate(load, parameters)
    # Everything within nine hours, plus one second's worth at once.
    assert results.sent <= parameters.ses_rate * 9 * model.HOUR + max(1, parameters.ses_rate)


def test_the_same_seed_gives_the_same_results() -> None:
    load, parameters = Load(2_000, 0.5), Parameters(ses_rate=5)
    assert simulate(load, parameters) == simulate(load, parameters)
    assert simulate(load, parameters) != simulate(load, parameters, seed=1)


def test_a_bucket_gives_its_size_at_once_and_then_its_rate() -> None:
    bucket = Bucket(rate=2, size=5)
    assert [bucket.take(0) for _ in range(6)] == [True] * 5 + [False]
    assert [bucket.take(1) for _ in range(3)] == [True, True, False]
    assert sum(bucket.take(1 + each / 100) for each in range(1, 1_001)) == 20


@pytest.mark.parametrize("events", [1, 100, 1_000, 10_000])
def test_the_advice_leaves_nothing_to_roomle_and_is_in_time(events: int) -> None:
    load = Load(events, 0.5)
    results = simulate(load, advise(load))
    assert results.fallbacks == 0
    assert results.in_time > 0.99


def test_a_thousand_events_a_second_reach_a_warm_stack_and_the_bus() -> None:
    load = Load(20_000, seconds=20)
    parameters = replace(advise(load), event_bus=True)
    results = simulate(load, parameters)

    assert parameters.max_emails_per_hour >= 1_000 * model.HOUR
    # Lambda adds a thousand environments in ten seconds.
    assert set(results.ends) <= {"sent", "Roomle: Lambda throttled", "left in the queue"}
    assert results.ends["sent"] > 15_000
    published = results.work["published"]
    assert published == results.events - results.ends["Roomle: Lambda throttled"]
    assert results.cost()["EventBridge"] == pytest.approx(published / 1e6)
    assert simulate(Load(100), advise(load)).cost()["EventBridge"] == 0


def test_the_defaults_do_for_three_thousand_an_hour() -> None:
    results = simulate(Load(3_000, 0.5), Parameters())
    assert results.fallbacks == 0
    assert results.in_time > 0.99


def test_the_queue_takes_what_ses_does_not_and_without_it_roomle_does() -> None:
    load = Load(3_000, 1.0)
    queued = simulate(load, Parameters(delivery="ses,sqs", ses_rate=2))
    assert (queued.sent, queued.fallbacks) == (3_000, 0)
    assert queued.oldest > 60
    alone = simulate(load, Parameters(delivery="ses", ses_rate=2))
    assert alone.ends["Roomle: 503 SES throttled"] > 2_000
    assert alone.in_time == alone.sent / 3_000


def test_what_ses_never_takes_ends_as_dead_letters_after_about_six_hours() -> None:
    results = simulate(Load(3), Parameters(delivery="sqs", ses_rate=0.00001))
    # One is sent by SES's initial allowance.
    assert (results.sent, results.ends["dead letter"]) == (1, 2)
    assert 5 * model.HOUR < results.oldest < 7 * model.HOUR


def test_the_models_defaults_are_the_templates() -> None:
    template = cloudformation.read()
    defaults = {name: each.get("Default") for name, each in template["Parameters"].items()}
    ours = Parameters()
    assert ours.delivery == defaults["Delivery"]
    assert ours.throttle_rate == defaults["ThrottleRate"]
    assert ours.throttle_burst == defaults["ThrottleBurst"]
    assert ours.max_emails_per_hour == defaults["MaxEmailsPerHour"]
    assert ours.mailer_concurrency == defaults["MailerConcurrency"]
    assert defaults["MemorySize"] == model.MEMORY_MB
    resources = template["Resources"]
    queue = resources["MailerFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    assert queue["BatchSize"] == model.BATCH
    redrive = cloudformation.Stack().properties("Queue")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == model.MAX_RECEIVES


@pytest.mark.parametrize(
    ("page", "section"),
    [
        (report.DOCUMENT, "## In short"),
        (report.DOCUMENT, "## Cost"),
        (cost.PAGE, "## What it costs"),
    ],
)
def test_a_stack_without_a_mailer_is_told_of_too(page: Path, section: str) -> None:
    _, _, rest = page.read_text().partition(f"{section}\n")
    assert "`Mailer=off`" in rest.partition("\n## ")[0]


def test_every_input_names_its_source() -> None:
    for name, each in model.sourced_inputs().items():
        assert set(each) == {"value", "source"}, name
        assert each["source"].startswith(("AWS page", "assumption")), name


def test_the_document_has_every_table_once_and_those_without_a_run_are_current() -> None:
    text = report.DOCUMENT.read_text()
    names = re.findall(r"<!-- table (\w+) -->", text)
    assert sorted(names) == sorted(
        ["advice", "cost", "defaults", "inputs", "mailers", "measured", "rates", "regions",
         "slower", "thousand"]
    )  # fmt: skip
    assert markdown.filled(text, report.PLAIN) == text, "run 'make capacity'"
    for picture in re.findall(r"\(capacity/(.*?)\)", text):
        assert (report.PICTURES / picture).is_file()
