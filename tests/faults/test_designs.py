"""Roomle's API is dead: it is asked once, and then the answer comes as fast as without designs."""

from __future__ import annotations

import statistics

import pytest

from tests.faults import figures, world
from tests.faults.lambdas import RECEIVER, Functions, Mortal, assert_foreseen
from tests.faults.proxy import BREAK, DRIP, HANG, NO_CONNECTION, Fault
from tests.faults.test_faults import OUTAGE_IS_OLD

DEAD = (NO_CONNECTION, HANG, DRIP, BREAK)
EVENTS = 400
# Seconds between the answers that one in a hundred takes longer than.
APART = 0.1


def post(receiver: Mortal) -> tuple[float, str]:
    """Post an event, and return how long the answer took and what was shown of its design."""
    body = world.payload(world.new_recipient())
    answer = world.post(receiver, world.request(body, clock=receiver.clock))
    assert (answer.status, answer.code) == (200, "sent")
    (sent,) = [line for line in assert_foreseen(receiver) if line["message"] == "sent"]
    return answer.seconds, sent.get("design", "")


@pytest.mark.parametrize("fault", DEAD, ids=str)
def test_a_dead_roomle_is_asked_by_one_event_in_five_minutes(
    functions: Functions, fault: Fault
) -> None:
    with functions.started(RECEIVER, designs=True, DELIVERY="ses") as receiver:
        assert post(receiver)[1] == "shown: picture, name, size"
        receiver.line.fail("ROOMLE", fault)
        assert post(receiver)[1].startswith("without: ")
        asked = len(receiver.line.calls)
        assert {post(receiver)[1] for _ in range(5)} == {"without: outage"}
        assert not [c for c in receiver.line.calls[asked:] if c.service == "ROOMLE"]

        receiver.line.heal()
        receiver.clock.move(OUTAGE_IS_OLD)
        again = {"shown: picture, name, size"}
        if fault is DRIP:
            # The server may still be at the first answer, and then no other lookup begins.
            again.add("without: busy")
        assert post(receiver)[1] in again


@pytest.mark.proof  # about seconds
@pytest.mark.parametrize("fault", DEAD, ids=str)
def test_with_roomle_dead_answers_take_no_longer_than_without_designs(
    functions: Functions, fault: Fault
) -> None:
    events = figures.number("FAULTS_DESIGNS", EVENTS)
    times: dict[str, list[float]] = {"dead": [], "without": []}
    with (
        functions.started(RECEIVER, designs=True, DELIVERY="ses") as dead,
        functions.started(RECEIVER, DELIVERY="ses") as without,
    ):
        dead.line.fail("ROOMLE", fault)
        first, _ = post(dead)
        post(without)
        # In turn, so that whatever else the machine does slows both down.
        for _ in range(events):
            times["dead"].append(post(dead)[0])
            times["without"].append(post(without)[0])

    high = {name: statistics.quantiles(seconds, n=100)[98] for name, seconds in times.items()}
    figures.report(
        f"Roomle dead ({fault}): answered within {high['dead']:.3f} s (99 of 100), "
        f"{high['without']:.3f} s without designs; the first event took {first:.2f} s"
    )
    assert high["dead"] - high["without"] < APART
