"""Measure everything in one run, interleaved, and write bench/results/.

    python -m bench [--rounds 12] [--calls 2000] [--only NAME ...]
"""

import argparse
import asyncio
import json
import os
import random
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import measure, variants
from bench.measure import Cpus
from bench.variants import PLACE, Variant
from bench.wire import Server


async def main(options: argparse.Namespace) -> dict[str, Any]:
    cpus = Cpus.choose()
    os.sched_setaffinity(0, {cpus.rest})
    (PLACE / "home").mkdir(parents=True, exist_ok=True)
    python = variants.interpreter()
    chosen = [v for v in variants.functions() if not options.only or v.name in options.only]
    server = Server()
    await server.start()
    raw: dict[str, dict[str, list[Any]]] = {v.name: defaultdict(list) for v in chosen}
    order = random.Random(7)  # noqa: S311 (it only shuffles)
    for round_ in range(options.rounds + 1):
        turn = list(chosen)
        order.shuffle(turn)
        for v in turn:
            calls = options.calls if v.quick else options.calls // 20
            r = await measure.run(v, server, python, cpus, calls=calls if round_ else 0)
            own = await measure.own_time(v, server, python, cpus, calls=calls) if round_ and calls else []
            if round_:
                for k in ("cold", "init", "first", "cpu", "peak"):
                    raw[v.name][k].append(getattr(r, k))
                raw[v.name]["warm"].append(r.warm)
                raw[v.name]["own"].append(own)
        print(f"round {round_} of {options.rounds}", file=sys.stderr, flush=True)
    return raw

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--only", nargs="*")
    o = parser.parse_args()
    raw = asyncio.run(main(o))
    from statistics import median, quantiles
    for n, r in raw.items():
        w = [x for x in r["warm"] if x]; 
        print(f"{n:20} cold {median(r['cold'])*1e3:7.1f} min {min(r['cold'])*1e3:7.1f} cpu {median(r['cpu'])*1e3:7.1f} min {min(r['cpu'])*1e3:7.1f} init {median(r['init'])*1e3:7.1f} first {median(r['first'])*1e3:6.1f} peak {median(r['peak'])/2**20:6.1f}", end=" ")
        if w:
            print(f"p50 {median(map(median,w))*1e3:6.2f} p99 {median(sorted(x)[int(len(x)*.99)] for x in w)*1e3:6.2f} own {median(map(median,r['own']))*1e6:6.1f}us", end="")
        print()
