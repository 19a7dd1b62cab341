"""The results as tables and plots: bench/results/results.md, docs/performance.md and its folder.

The document's text is written by hand; its tables come only from bench/results/results.json.
"""

import json
import sys
from collections.abc import Callable
from functools import cache
from statistics import median, quantiles
from typing import Any, NamedTuple

from bench.capacity.model import inputs
from bench.markdown import Rows, filled, table
from bench.variants import RESULTS
from tools.sam import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
# MB; Lambda gives processor time in proportion, up to one core at 1769 and more beyond.
MEMORIES = (256, 512, 768, 1024, 1536, 1769)
FULL = 1769
MONTH = 30 * 86_400
MB = 1_000_000
MIB = 1024 * 1024


@cache
def results() -> dict[str, Any]:
    """The results of the last run."""
    found: dict[str, Any] = json.loads(RESULTS.read_text())
    return found


def variants() -> dict[str, dict[str, Any]]:
    """The results of each variant."""
    found: dict[str, dict[str, Any]] = results()["variants"]
    return found


def middle(name: str, what: str) -> float:
    """The median over a variant's processes, or of its events."""
    value: Any = variants()[name]
    for step in what.split("."):
        value = value[step]
    return float(median(value) if isinstance(value, list) else value)


def ratio(name: str, what: str, floor: str = "") -> float:
    """The ratio to the floor."""
    return middle(name, what) / middle(floor or variants()[name]["floor"], what)


def ms(seconds: float, digits: int = 0) -> str:
    """Format a time in milliseconds."""
    return f"{seconds * 1e3:.{digits}f}"


def us(seconds: float, digits: int = 0) -> str:
    """Format a time in microseconds."""
    return f"{seconds * 1e6:.{digits}f}"


# --- the targets ------------------------------------------------------------------------------


class Target(NamedTuple):
    """A bound: at most so much."""

    what: str
    at_most: float
    measured: float
    form: str = "× {:.2f}"

    @property
    def met(self) -> str:
        """The verdict on the figure as it is shown."""
        shown = float(self.form.format(self.measured).strip("× µsMB"))
        return "met" if shown <= self.at_most else "**not met**"


def targets() -> list[Target]:
    """The bounds, with what was measured."""
    zipped = variants()["receiver"]["zipped"]
    return [
        Target("cold start, of the floor with the same calls", 0.9, ratio("receiver", "cold")),
        Target("warm event, half within, of the floor", 1.1, ratio("receiver", "warm.p50")),
        Target("peak memory, of the floor", 1.0, ratio("receiver", "peak")),
        Target("all that is uploaded, zipped", 9.0, zipped / MB, "{:.1f} MB"),
    ]


def table_targets() -> str:
    """The bounds and whether they hold."""
    rows: Rows = [
        (
            each.what,
            each.form.replace(".2f", "g")
            .replace(".0f", "g")
            .replace(".1f", "g")
            .format(each.at_most),
            each.form.format(each.measured),
            each.met,
        )
        for each in targets()
    ]
    return table(("what", "at most", "measured", ""), rows)


# --- what was measured ------------------------------------------------------------------------


def table_cold() -> str:
    """From the start of the process to the first answer."""
    rows: Rows = [
        (
            each["title"],
            ms(median(each["cold"])),
            f"{ms(quantiles(each['cold'])[0])} to {ms(quantiles(each['cold'])[2])}",
            ratio_of(name, "cold"),
            ms(median(each["init"])),
            ms(median(each["first"])),
            ms(median(each["cpu"])),
        )
        for name, each in variants().items()
    ]
    head = (
        "", "cold start, ms", "half of them, ms", "of its floor", "until ready", "first event",
        "processor",
    )  # fmt: skip
    return table(head, rows)


def ratio_of(name: str, what: str) -> str:
    """Format the ratio to the floor, if the variant has one."""
    return "1" if variants()[name]["floor"] == name else f"× {ratio(name, what):.2f}"


def table_warm() -> str:
    """Event after event."""
    rows: Rows = [
        (
            each["title"],
            sum(each["calls"].values()),
            ms(each["warm"]["p50"], 2),
            ratio_of(name, "warm.p50"),
            ms(each["warm"]["p99"], 2),
            ratio_of(name, "warm.p99"),
        )
        for name, each in variants().items()
    ]
    head = (
        "", "calls to AWS", "half within, ms", "of its floor", "99 % within, ms", "of its floor",
    )  # fmt: skip
    return table(head, rows)


def table_own() -> str:
    """The same without AWS."""
    rows: Rows = [
        (
            each["title"],
            us(each["own"]["alone"]["p50"]),
            ratio_of(name, "own.alone.p50"),
            us(each["own"]["passed_on"]["p50"]),
            us(each["own"]["between"]["p50"]),
            ratio_of(name, "own.between.p50"),
        )
        for name, each in variants().items()
    ]
    head = (
        "", "own time, µs", "of its floor", "with lines passed on", "between calls, µs",
        "of its floor",
    )  # fmt: skip
    return table(head, rows)


def table_sizes() -> str:
    """Memory and upload size."""
    rows: Rows = [
        (
            each["title"],
            f"{median(each['peak']) / MIB:.1f}",
            ratio_of(name, "peak"),
            f"{each['zipped'] / MB:.1f}",
            f"{each['unzipped'] / MB:.1f}",
        )
        for name, each in variants().items()
    ]
    return table(("", "peak memory, MiB", "of its floor", "zipped, MB", "unzipped, MB"), rows)


def table_imports() -> str:
    """A cold start's imports by package."""
    traced = {name: each for name, each in variants().items() if each["imports"]}
    groups = sorted(
        {group for each in traced.values() for group in each["imports"]},
        key=lambda group: -max(each["imports"].get(group, 0) for each in traced.values()),
    )
    rows: Rows = [
        (group, *(ms(each["imports"].get(group, 0), 1) for each in traced.values()))
        for group in groups
    ]
    rows.append(("sum", *(ms(sum(each["imports"].values()), 1) for each in traced.values())))
    return table(("import of", *(each["title"] for each in traced.values())), rows)


def table_tuning() -> str:
    """Calculate cold start, warm event and price by memory size, from the processor time."""
    given = inputs()
    waiting = (
        given["speed.ses_call_ms"]
        + (sum(variants()["receiver"]["calls"].values()) - 1) * given["speed.other_call_ms"]
    ) / 1000
    cpu, busy = middle("receiver", "cpu"), float(variants()["receiver"]["busy"])
    rest = middle("receiver", "cold") - cpu
    rows: Rows = []
    for memory in MEMORIES:
        share = memory / FULL
        cold, warm = rest + cpu / share + waiting, waiting + busy / share
        price = memory / 1024 * given["prices.lambda_per_gb_second"] * 1e6
        rows.append((memory, ms(cold), ms(warm), f"${price * warm:.2f}", f"${price * cold:.2f}"))
    head = (
        "MemorySize", "cold start, ms", "warm event, ms", "a million warm events",
        "a million cold starts",
    )  # fmt: skip
    return table(head, rows)


def table_snapstart() -> str:
    """Calculate the price of SnapStart and that of computing cold starts, by memory size."""
    given = inputs()
    rows: Rows = []
    for memory in MEMORIES:
        size = memory / 1024
        computing = middle("receiver", "cpu") * FULL / memory * size
        rows.append(
            (
                memory,
                f"${2 * size * given['prices.snap_start_cache_per_gb_second'] * MONTH:.2f}",
                f"${size * given['prices.snap_start_restore_per_gb'] * 1e6:.2f}",
                f"${computing * given['prices.lambda_per_gb_second'] * 1e6:.2f}",
            )
        )
    head = (
        "MemorySize", "a month, for each deploy that is kept", "a million restored starts",
        "computing of a million cold starts without it",
    )  # fmt: skip
    return table(head, rows)


def table_brands() -> str:
    """By the number of brands."""
    rows: Rows = [
        (
            f"{each['size']:,}",
            ms(each["cold"]),
            ms(each["p50"], 2),
            us(each["own"]),
            each["calls"],
            f"{each['sent']:,.0f}",
        )
        for each in results()["growth"]["brands"]
    ]
    head = ("brands", "cold start, ms", "warm event, ms", "own time, µs", "calls", "bytes sent")
    return table(head, rows)


def table_records() -> str:
    """By the number of stored records."""
    rows: Rows = [
        (
            f"{each['size']:,}",
            ms(each["p50"], 2),
            ms(each["busy"], 2),
            each["calls"],
            f"{each['sent']:,.0f}",
        )
        for each in results()["growth"]["records"]
    ]
    head = ("records", "warm event, ms", "processor, ms", "calls", "bytes sent")
    return table(head, rows)


def table_keys() -> str:
    """By the number of API keys."""
    found = results()["growth"]["keys"]
    rows: Rows = [(keys, us(seconds, 1)) for keys, seconds in found.items()]
    return table(("API keys", "verifying a token, µs"), rows)


def table_refusals() -> str:
    """A forged token compared with a valid one."""
    rows: Rows = [
        (
            each["size"],
            ms(each["p50"], 2),
            ms(each["busy"], 2),
            us(each["own"]),
            each["calls"],
        )
        for each in results()["growth"]["refusals"]
    ]
    head = ("token", "warm event, ms", "processor, ms", "own time, µs", "calls to AWS")
    return table(head, rows)


def table_setting() -> str:
    """Machine and versions."""
    found = results()["setting"]
    processes = {each["processes"] for each in variants().values()}
    rows: Rows = [
        ("measured", found["on"]),
        ("machine", f"{found['machine']}, {found['processors']} processors, {found['system']}"),
        ("load before it began", found["load"]),
        ("Python", found["python"]),
        ("processes of a variant", " or ".join(map(str, sorted(processes)))),
        ("warm events of each variant", f"{found['calls']:,}"),
        *((name, version) for name, version in found["versions"].items()),
    ]
    return table(("", ""), rows)


TABLES: dict[str, Callable[[], str]] = {
    "targets": table_targets,
    "cold": table_cold,
    "warm": table_warm,
    "own": table_own,
    "sizes": table_sizes,
    "imports": table_imports,
    "tuning": table_tuning,
    "snapstart": table_snapstart,
    "brands": table_brands,
    "records": table_records,
    "keys": table_keys,
    "refusals": table_refusals,
    "setting": table_setting,
}


def write(*, plots: bool) -> int:
    """Write tables and plots."""
    parts = [f"## {name.capitalize()}\n\n{make()}\n" for name, make in TABLES.items()]
    RESULTS.with_name("results.md").write_text("# Results\n\n" + "\n".join(parts))
    DOCUMENT.write_text(filled(DOCUMENT.read_text(), TABLES))
    if plots:
        from bench import pictures  # noqa: PLC0415 (matplotlib takes a second that tests save)

        pictures.draw(variants(), DOCUMENT.with_suffix(""))
    sys.stdout.write(f"bench: {RESULTS.parent.relative_to(ROOT)}, {DOCUMENT.relative_to(ROOT)}\n")
    return 0
