"""What an event costs with many brands, stored records, API keys and forgeries."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from bench import measure, variants, wire
from bench.measure import Cpus
from bench.variants import PLACE, Variant
from bench.wire import Server
from roomle_mail.emails import shard_of

BRANDS = (1, 100, 10_000)
RECORDS = (0, 1_000_000)
OF_NOBODY = "not-the-0nly-key"
KEYS = (1, 2, 11, 101)
KEYS_SCRIPT = Path(__file__).with_name("keys.py").read_text()


async def grow(
    receiver: Variant, server: Server, python: Path, cpus: Cpus, *, rounds: int, calls: int
) -> dict[str, Any]:
    """Measure every kind of growth; within each, the sizes alternate."""

    async def taking_turns(sizes: Sequence[Any], made: Sequence[Variant]) -> list[dict[str, Any]]:
        runs: list[list[measure.Run]] = [[] for _ in made]
        own: list[list[float]] = [[] for _ in made]
        for _ in range(rounds):
            for variant, found, times in zip(made, runs, own, strict=True):
                found.append(await measure.run(variant, server, python, cpus, calls=calls))
                of = await measure.own_time(variant, server, python, cpus, calls=calls)
                times.extend(of["alone"])
        return [
            {
                "size": size,
                "cold": median(run.cold for run in found),
                "p50": median(time for run in found for time in run.warm),
                "busy": median(run.busy for run in found),
                "own": median(times),
                "sent": median(run.sent for run in found),
                "calls": sum(variant.each.values()),
            }
            for size, variant, found, times in zip(sizes, made, runs, own, strict=True)
        ]

    brands = await taking_turns(BRANDS, [with_brands(receiver, count) for count in BRANDS])
    refusals = await taking_turns(("good", "forged"), [receiver, forged(receiver)])
    return {
        "brands": brands,
        "records": await records(receiver, server, python, cpus, rounds=rounds, calls=calls),
        "refusals": refusals,
        "keys": await keys(receiver, server, python, cpus),
    }


def with_brands(receiver: Variant, count: int) -> Variant:
    """Make a receiver with many brands, each with a configurator; the events are for the last."""
    (built,) = receiver.paths
    package = built / "python" / "roomle_mail_emails"
    folder = PLACE / f"brands-{count}"
    shutil.rmtree(folder, ignore_errors=True)
    copy = folder / "python" / package.name
    shutil.copytree(package, copy)
    brand = json.loads((package / "brands" / "default.json").read_text())
    shards: dict[str, dict[str, Any]] = {}
    for number in range(count):
        name = f"brand{number}"
        (copy / "brands" / f"{name}.json").write_text(json.dumps(brand))
        configurator = configurator_of(number)
        shards.setdefault(shard_of(configurator), {})[configurator] = {"brand": name}
    for shard, content in shards.items():
        (copy / "configurators" / f"{shard}.json").write_text(json.dumps(content))
    return replace(
        receiver,
        name=f"brands-{count}",
        emails=folder,
        events=variants.posts(configurator=configurator_of(count - 1)),
    )


def configurator_of(number: int) -> str:
    """Name a brand's configurator; all names have the same length."""
    return f"configurator{number:05}"


def forged(receiver: Variant) -> Variant:
    """Send the receiver forged tokens; it looks once for a newer secret."""
    return replace(
        receiver,
        name="forged",
        events=variants.posts(secret=OF_NOBODY),
        at_first=Counter(GetSecretValue=2),
        each=Counter(),
        answer=401,
    )


async def records(
    receiver: Variant, server: Server, python: Path, cpus: Cpus, *, rounds: int, calls: int
) -> list[dict[str, Any]]:
    """Measure with `count` records of other tokens in the table; no event comes twice."""
    found: dict[int, list[measure.Run]] = {count: [] for count in RECORDS}
    for _ in range(rounds):
        for count in RECORDS:
            server.records = {b"token#%064x" % number for number in range(count)}
            fresh = replace(receiver, events=variants.posts(1 + receiver.warm_up + calls))
            found[count].append(await measure.run(fresh, server, python, cpus, calls=calls))
    server.records = None
    return [
        {
            "size": count,
            "p50": median(time for run in runs for time in run.warm),
            "busy": median(run.busy for run in runs),
            "sent": median(run.sent for run in runs),
            "calls": sum(receiver.each.values()),
        }
        for count, runs in found.items()
    ]


async def keys(receiver: Variant, server: Server, python: Path, cpus: Cpus) -> dict[str, float]:
    """Measure the verification of a token by the number of API keys, in seconds."""
    result = PLACE / "keys.json"
    arguments = (str(result), wire.API_KEY, wire.SECRET, *map(str, KEYS))
    await measure.script(receiver, server, python, cpus, KEYS_SCRIPT, *arguments)
    found: dict[str, float] = json.loads(result.read_text())
    return found
