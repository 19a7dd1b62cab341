"""A burst on the deployed stack, as fast as it goes, and a worker's memory over many events.

The whole burst: `make load` (FAULTS_BURST=5000).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.built.conftest import Lambda
from tests.faults import figures, world
from tests.faults.lambdas import RECEIVER
from tests.stack.conftest import stack
from tests.stack.local import LocalStack
from tools import fixtures, sam
from tools.stack import webhook

__all__ = ["stack"]

BURST = 300
AT_ONCE = 6
KINDS = (fixtures.SAVED, fixtures.SHARED, fixtures.SHARED_AR, fixtures.EXPORTED)
INVOCATIONS = 4_500
GROWTH = 0.01


@dataclass(frozen=True, slots=True)
class Post:
    recipient: str
    body: str
    token: str
    forged: bool


def test_a_burst_with_repeats_and_forgeries_loses_and_doubles_nothing(stack: LocalStack) -> None:
    chance = figures.seeded("burst")
    burst = figures.number("FAULTS_BURST", BURST)
    posts: list[Post] = []
    for place in range(burst):
        recipient = world.new_recipient()
        body = fixtures.compact(world.payload(recipient, chance.choice(KINDS)))
        forged = place % 20 == 0
        token = stack.token(secret="another-secret-0") if forged else stack.token()
        posts.append(Post(recipient, body, token, forged))
    genuine = [post for post in posts if not post.forged]
    # Somewhere behind the first time, so that some come while that is at work.
    for repeat in chance.sample(genuine, burst // 10):
        place = posts.index(repeat)
        posts.insert(place + chance.randrange(1, 4 * AT_ONCE), repeat)

    def send(post: Post) -> webhook.Answer:
        return stack.post(post.body, token=post.token)

    with ThreadPoolExecutor(AT_ONCE) as clients:
        # Workers that load are no part of it.
        assert all(clients.map(lambda _: stack.post({"event": "warm.up"}), range(3 * AT_ONCE)))
        began = time.monotonic()
        answers = list(clients.map(send, posts))
    seconds = time.monotonic() - began

    mailed = Counter(recipient for email in stack.emails() for recipient in email.recipients)
    told: dict[Post, set[tuple[int, str | None]]] = defaultdict(set)
    for post, answer in zip(posts, answers, strict=True):
        told[post].add((answer.status, answer.code))
    for post, seen in told.items():
        # A machine that is too busy to answer in time leaves an event to Roomle.
        left_to_roomle = seen == {(503, "unavailable")}
        if post.forged:
            assert seen == {(401, "unauthorized")}
        else:
            assert left_to_roomle or seen == {(200, "sent")}, post
        assert mailed[post.recipient] == (not post.forged and not left_to_roomle), post
    late = sum(seen == {(503, "unavailable")} for seen in told.values())
    assert late <= burst // 50

    times = [answer.seconds for answer in answers]
    median, high = statistics.median(times), statistics.quantiles(times, n=100)[98]
    rate = len(posts) / seconds
    kinds = f"{burst // 10} repeats, {burst - len(genuine)} forgeries"
    figures.report(f"burst: {len(posts)} posts ({kinds}) in {seconds:.1f} s, {rate:.0f} a second")
    figures.report(f"burst: none lost or doubled, {late} left to Roomle for lack of time")
    figures.report(
        f"burst: answered within {median:.3f} s (median), {high:.3f} s (99 of 100), "
        f"{max(times):.2f} s (slowest)"
    )
    assert max(times) < 8


def test_a_workers_memory_stays_as_it_is(aws_lambda: Lambda) -> None:
    """The whole life: `make load` (FAULTS_INVOCATIONS=50000)."""
    invocations = figures.number("FAULTS_INVOCATIONS", INVOCATIONS)

    ended = subprocess.run(
        [
            aws_lambda.python,
            Path(__file__).with_name("steady_worker.py"),
            str(invocations),
            str(sam.ROOT),
        ],
        cwd=aws_lambda.tasks[RECEIVER],
        env=aws_lambda.environment(RECEIVER, **fixtures.environment()[RECEIVER]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stderr.splitlines()[-1])
    growth = found["end"] / found["warm"] - 1
    figures.report(
        f"memory of a worker: {found['warm'] / 2**20:.1f} MB when warm, {growth:+.2%} after "
        f"{invocations} invocations"
    )
    assert found["answers"] == {"200": invocations // 2, "202": invocations // 2}
    assert growth < GROWTH
