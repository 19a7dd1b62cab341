"""Measure everything in one run, or write tables and plots of the results.

    python -m bench measure [--rounds 12] [--calls 2000] [--only NAME ...]
    python -m bench report

`measure` writes bench/results/results.json; `report` writes bench/results/results.md, and tables
and plots of docs/performance.md. `make bench` does both.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench import growth, measure, report, variants
from bench.measure import Cpus, Run
from bench.variants import PEERS, PLACE, RESULTS, Variant
from bench.wire import Server
from tools.sam import ROOT

# The variants whose imports are compared.
TRACED = ("receiver", "floor", "fastapi", "flask", "chalice")
TRACES = 3


async def measure_all(rounds: int, calls: int, only: Sequence[str]) -> dict[str, Any]:
    """Run all variants in turn, in a different order each round; the first round is not counted."""
    cpus = Cpus.choose()
    os.sched_setaffinity(0, {cpus.rest})
    (PLACE / "home").mkdir(parents=True, exist_ok=True)
    python = variants.interpreter()
    chosen = [each for each in variants.functions() if not only or each.name in only]
    placed = [folder for each in chosen for folder in (*each.folders, python.parent.parent)]
    before = files_below(placed)
    load = os.getloadavg()[0]
    server = Server()
    await server.start()
    runs: dict[str, list[Run]] = defaultdict(list)
    own: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    imports: dict[str, list[dict[str, float]]] = defaultdict(list)
    order = random.Random(7)  # noqa: S311 (it only shuffles)
    for number in range(rounds + 1):
        turn = [each for each in chosen for _ in range(each.turns)]
        order.shuffle(turn)
        for variant in turn:
            processes = rounds * variant.turns
            share = -(-calls // variant.slower // processes) if number else 0
            run = await measure.run(variant, server, python, cpus, calls=share)
            if not number:
                continue
            runs[variant.name].append(run)
            times = await measure.own_time(variant, server, python, cpus, calls=max(share // 3, 5))
            for way, seconds in times.items():
                own[variant.name][way] += seconds
            if number <= TRACES and variant.name in TRACED:
                imports[variant.name].append(
                    await measure.import_times(variant, server, python, cpus)
                )
        say(f"round {number} of {rounds}")
    found: dict[str, Any] = {
        "setting": setting(calls, load),
        "variants": {
            each.name: summary(each, runs[each.name], own[each.name], imports[each.name])
            for each in chosen
        },
    }
    if not only:
        found["growth"] = await growth.grow(
            chosen[0], server, python, cpus, rounds=3, calls=max(calls // 10, 20)
        )
        say("growth")
    # Lambda's file system is read-only, so nothing may have been written there.
    if written := files_below(placed) - before:
        raise RuntimeError(f"written next to the code: {sorted(map(str, written))[:5]}")
    return found


def files_below(folders: Sequence[Path]) -> set[Path]:
    """List every file in some folders."""
    return {path for folder in folders for path in folder.rglob("*")}


def summary(
    variant: Variant,
    runs: list[Run],
    own: dict[str, list[float]],
    imports: list[dict[str, float]],
) -> dict[str, Any]:
    """Keep what the tables need: times in seconds, sizes in bytes."""
    warm = [seconds for run in runs for seconds in run.warm]
    zipped, unzipped = variants.size(variant)
    return {
        "title": variant.title,
        "floor": variant.floor,
        "calls": dict(variant.each),
        "processes": len(runs),
        "cold": [round(run.cold, 5) for run in runs],
        "init": [round(run.init, 5) for run in runs],
        "first": [round(run.first, 5) for run in runs],
        "cpu": [round(run.cpu, 5) for run in runs],
        "busy": round(median(run.busy for run in runs), 6),
        "peak": [run.peak for run in runs],
        "warm": {"events": len(warm), **middle_and_edge(warm)},
        "own": {
            way: {"events": len(times), **middle_and_edge(times)} for way, times in own.items()
        },
        "zipped": zipped,
        "unzipped": unzipped,
        "imports": {
            group: round(median(trace.get(group, 0.0) for trace in imports), 5)
            for group in sorted({group for trace in imports for group in trace})
        },
    }


def middle_and_edge(seconds: list[float]) -> dict[str, float]:
    """Summarize a distribution."""
    cuts = quantiles(seconds, n=100)
    return {"p50": round(median(seconds), 7), "p99": round(cuts[98], 7)}


def setting(calls: int, load: float) -> dict[str, Any]:
    """Describe machine and versions."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    pinned = [
        *sorted(PEERS.glob("*/requirements.txt")),
        *(ROOT / place / "requirements.txt" for place in ("layers/dependencies",)),
    ]
    text = "\n".join(path.read_text() for path in pinned)
    names = (
        "apig-wsgi", "aws-lambda-powertools", "boto3", "chalice", "fastapi", "flask", "mangum",
        "minijinja", "pycryptodome", "pydantic", "pydantic-core", "urllib3",
    )  # fmt: skip
    versions = {
        name: ", ".join(sorted(set(re.findall(rf"^{name}==(\S+)", text, re.MULTILINE))))
        for name in names
    }
    dev = (ROOT / "requirements" / "dev.txt").read_text()
    (client,) = re.findall(r"^awslambdaric==(\S+)", dev, re.MULTILINE)
    return {
        "on": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": model[1] if model else platform.machine(),
        "processors": os.cpu_count(),
        "load": round(load, 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {"awslambdaric": client, **versions},
        "calls": calls,
    }


def say(what: str) -> None:
    """Print the progress."""
    sys.stderr.write(f"bench: {what}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--rounds", type=int, default=12)
    measuring.add_argument("--calls", type=int, default=2000, help="warm events of each variant")
    measuring.add_argument("--only", nargs="*", default=(), metavar="NAME")
    measuring.add_argument("--to", type=Path, default=RESULTS)
    reporting = commands.add_parser("report")
    reporting.add_argument("--plots", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(arguments)
    if options.command == "measure":
        found = asyncio.run(measure_all(options.rounds, options.calls, options.only))
        options.to.parent.mkdir(exist_ok=True)
        options.to.write_text(json.dumps(found, indent=1) + "\n")
        return 0
    return report.write(plots=options.plots)


if __name__ == "__main__":
    sys.exit(main())
