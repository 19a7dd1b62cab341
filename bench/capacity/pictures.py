"""The pictures of docs/capacity.md."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from bench.capacity.model import MODES, Results
from bench.plots import save

COLOURS = {"ses": "#c2410c", "sqs": "#1d4ed8", "ses,sqs": "#15803d"}


def draw_modes(results: dict[tuple[int, str], Results], bursts: Sequence[int], path: Path) -> None:
    """The defaults: in time, and left to Roomle, by mode."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True)
    for axis, name in zip(axes, ("in time", "Roomle mails"), strict=True):
        for mode in MODES:
            found = [results[events, mode] for events in bursts]
            shares = [each.in_time if axis is axes[0] else each.fallbacks for each in found]
            axis.plot(
                bursts, [each * 100 for each in shares], marker="o", label=mode, color=COLOURS[mode]
            )
        axis.set_xscale("log")
        axis.set_ylim(-3, 103)
        axis.set_title(f"{name}, % of events")
        axis.set_xlabel("events in an hour")
    axes[0].legend(title="Delivery")
    save(figure, path)


def draw_rates(results: dict[tuple[float, str], Results], path: Path) -> None:
    """SES's rate against 100,000 events."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    speeds = sorted({rate for rate, _ in results})
    for mode in MODES:
        shares = [results[rate, mode].in_time * 100 for rate in speeds]
        axes[0].plot(speeds, shares, marker="o", label=mode, color=COLOURS[mode])
        if mode != "ses":
            ages = [results[rate, mode].oldest / 60 for rate in speeds]
            axes[1].plot(speeds, ages, marker="o", label=mode, color=COLOURS[mode])
    axes[0].set_title("in time, % of 100,000 events")
    axes[1].set_title("oldest message in the queue, minutes")
    axes[0].legend(title="Delivery")
    for axis in axes:
        axis.set_xlabel("SES's rate, emails a second")
    save(figure, path)
