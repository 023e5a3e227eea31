"""Drawings that lessons have beside the kit's curves: probabilities as bars, differences, seeds, a map."""
from collections.abc import Mapping, Sequence
from itertools import cycle
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from distill_kit.colours import BLACK, GREY, LINES, SKY
from distill_kit.plotting import end_names

from .statistics import interval


def probability_bars(probabilities: Mapping[str, np.ndarray], classes: Sequence[str], ax: Axes,
                     label: int | None = None) -> Axes:
    """Draw probabilities for an image as bars, a group a class; `probabilities` maps a name ("T = 4") to values [C].

    label: the number of the true class, whose name is set in bold.
    """
    places, thick = np.arange(len(classes)), 0.8 / len(probabilities)
    hatches = cycle(("", "///", "...", "xx"))
    for k, ((name, shares), (colour, _, _), hatch) in enumerate(zip(probabilities.items(), cycle(LINES), hatches)):
        ax.barh(places + (k - (len(probabilities) - 1) / 2) * thick, shares, thick, color=colour, hatch=hatch,
                edgecolor="white", linewidth=0.4, label=name)
    ax.set(yticks=places, yticklabels=classes, xlim=(0, 1), xlabel="probability")
    ax.invert_yaxis()
    ax.grid(False)
    ax.grid(axis="x", color=GREY, linewidth=0.6)
    if label is not None:
        ax.get_yticklabels()[label].set_fontweight("bold")
    ax.legend(frameon=False, loc="center right")
    return ax


def differences(pairs: Sequence, ax: Axes) -> Axes:
    """Draw differences from a baseline, an arm a line: a dot a seed, the mean as a stroke, its 95 % interval as a bar.

    pairs: objects with arm (a name), differences (in points), mean, low and high.
    """
    for place, pair in enumerate(pairs):
        if len(pair.differences) > 1:  # a single pair has no interval
            ax.barh(place, pair.high - pair.low, 0.5, left=pair.low, color=SKY, alpha=0.35, linewidth=0)
        ax.plot(pair.differences, [place] * len(pair.differences), "o", color=BLACK, markersize=5, alpha=0.7)
        ax.plot([pair.mean] * 2, [place - 0.3, place + 0.3], color=BLACK, linewidth=2)
    ax.axvline(0, color=BLACK, linewidth=1, linestyle="--")
    ax.set(yticks=range(len(pairs)), yticklabels=[pair.arm for pair in pairs], xlabel="difference in points")
    ax.invert_yaxis()
    ax.grid(False)
    return ax


def seeds(groups: Mapping[str, Mapping[float, Sequence[float]]], ax: Axes, xlabel: str, ylabel: str) -> Axes:
    """Draw shares over a setting, a line a group through the means of its seeds; `groups` maps name to x to values."""
    ends = []
    for (name, points), (colour, dash, marker) in zip(groups.items(), cycle(LINES)):
        places = sorted(points)
        means = [100 * float(np.mean(points[x])) for x in places]
        ax.plot(places, means, color=colour, linestyle=dash, marker=marker, markersize=6, label=name)
        for x in places:
            ax.plot([x] * len(points[x]), [100 * value for value in points[x]], ".", color=colour, alpha=0.5)
        ends.append((places[-1], means[-1], f"{name} {means[-1]:.1f} %".strip(), colour))
    places = sorted({x for points in groups.values() for x in points})
    ax.set(xlabel=xlabel, ylabel=f"{ylabel}, %", xticks=places, xticklabels=[f"{x:g}" for x in places])
    end_names(ax, ends)
    return ax


def heat_map(values: np.ndarray, rows: Sequence, columns: Sequence, ax: Axes, xlabel: str, ylabel: str,
             framed: Sequence[tuple[int, int]] = (), halves: np.ndarray | None = None) -> Axes:
    """Draw numbers [rows, columns] as coloured squares that show them.

    framed: places of squares with a frame. halves: half of each number's interval, to be written below it.
    """
    values = np.asarray(values)
    ax.imshow(values, cmap="cividis", aspect="auto")
    ax.grid(False)
    middle = (values.min() + values.max()) / 2
    for place in np.ndindex(values.shape):
        half = "" if halves is None else f"\n±{halves[place]:.1f}"
        ax.text(place[1], place[0], f"{values[place]:.1f}{half}", ha="center", va="center",
                color="white" if values[place] < middle else "black")
    for row, column in framed:
        ax.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor=BLACK, linewidth=2.5))
    ax.set(xticks=range(len(columns)), xticklabels=columns, yticks=range(len(rows)), yticklabels=rows,
           xlabel=xlabel, ylabel=ylabel)
    return ax


def claims(tested: Sequence, ax: Axes) -> Axes:
    """Draw claims a line each: what each says as a band, what came out as a dot with its 95 % interval.

    tested: objects with says, above, below, differences and verdict. The dot is full where the verdict is clear.
    """
    ends = [interval(claim.differences) for claim in tested]
    left, right = min(low for low, _ in ends) - 0.5, max(high for _, high in ends) + 0.5
    for place, (claim, (low, high)) in enumerate(zip(tested, ends)):
        start, end = max(claim.above, left), min(claim.below, right)
        ax.barh(place, end - start, 0.8, left=start, color=SKY, alpha=0.35, linewidth=0)
        ax.plot([low, high], [place] * 2, color=BLACK, linewidth=2)
        ax.plot(np.mean(claim.differences), place, "o", color=BLACK, markersize=7,
                markerfacecolor="white" if "not decided" in claim.verdict else BLACK)
        ax.annotate(claim.verdict, (1.02, place), xycoords=("axes fraction", "data"), va="center")
    ax.axvline(0, color=BLACK, linewidth=1, linestyle="--")
    ax.set(yticks=range(len(tested)), yticklabels=[fill(claim.says, 60) for claim in tested], xlim=(left, right),
           ylim=(len(tested) - 0.4, -0.6), xlabel="difference in points")
    ax.grid(False)
    return ax
