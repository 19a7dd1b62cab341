"""The plots of the results."""

from pathlib import Path
from statistics import median
from typing import Any

import matplotlib.pyplot as plt

from bench.plots import save

OURS, OTHERS = "#15803d", "#9ca3af"


def draw(variants: dict[str, dict[str, Any]], folder: Path) -> None:
    """Cold starts, with a dot for each process, and warm events, all compared with the floor."""
    answering = {name: each for name, each in variants.items() if "mailer" not in name}
    names = [each["title"].strip("*") for each in answering.values()][::-1]
    colours = [OURS if name.startswith("receiver") else OTHERS for name in answering][::-1]
    found = list(answering.values())[::-1]

    figure, axis = plt.subplots(figsize=(8, 3.8))
    axis.barh(names, [median(each["cold"]) * 1e3 for each in found], color=colours)
    for row, each in enumerate(found):
        axis.plot(
            [seconds * 1e3 for seconds in each["cold"]],
            [row] * len(each["cold"]),
            linestyle="",
            marker="|",
            color="#111827",
        )
    axis.set_xlabel("cold start, from the start of the process to its first answer, ms")
    save(figure, folder / "cold.svg")

    figure, axis = plt.subplots(figsize=(8, 3.8))
    axis.barh(names, [each["warm"]["p50"] * 1e3 for each in found], color=colours)
    axis.plot(
        [each["warm"]["p99"] * 1e3 for each in found],
        names,
        linestyle="",
        marker="|",
        markersize=14,
        color="#111827",
    )
    axis.set_xscale("log")
    axis.set_xlim(left=1)
    axis.set_xlabel("warm event, half within (bar) and 99 % within (mark), ms")
    save(figure, folder / "warm.svg")
