"""Drawing: rows or arrays in, matplotlib axes in and out. No torch here, and no pyplot state.

Colours are Okabe and Ito's (2008), told apart by colour-blind readers; each line also has its own dash, marker, name.
Runs, the terms of a loss and the figures of one run have colours of their own, so that one never stands for the other.
"""
from collections.abc import Mapping, Sequence
from io import BytesIO
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .history import epoch_rows

BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#222222"
GREY = "#dddddd"
TERMS = {"total": (BLACK, "-", "o"), "hard": (GREEN, "--", "s"), "soft": (PINK, "-.", "^")}
FIGURES = {"validation": (BLUE, "-", "o"), "training": (SKY, "--", "s"), "agreement": (ORANGE, "-.", "^")}
LINES = ((BLUE, "-", "o"), (RED, "--", "s"), (GREEN, "-.", "^"), (PINK, ":", "D"), (ORANGE, (0, (5, 1)), "v"),
         (SKY, (0, (3, 1, 1, 1)), "P"), (BLACK, (0, (1, 1)), "X"))

WORDS = {"accuracy": "accuracy", "val_accuracy": "validation accuracy", "train_accuracy": "training accuracy",
         "val_agreement": "agreement with the teacher", "val_loss": "validation loss", "train_loss": "training loss",
         "gradient_norm": "gradient norm", "learning_rate": "learning rate"}


class Picture(Figure):
    """A figure that a notebook shows when it is the last thing in a cell, although pyplot knows nothing of it."""

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png", dpi=110)
        return content.getvalue()


def new_figure(columns: int = 1, width: float = 8.0, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure made without pyplot, and its axes side by side; show it by naming it last in a notebook cell."""
    figure = Picture(figsize=(width, height), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(1, columns)))
    return figure, [tidy(ax) for ax in axes]


def curves(runs: Mapping[str, Sequence[dict]], column: str, ax: Axes) -> Axes:
    """One column of several runs over epochs; `runs` maps a run's name to its rows. Lines are named where they end."""
    ends = []
    for (name, rows), (colour, dash, marker) in zip(runs.items(), cycle(LINES)):
        epochs, values = points(rows, column)
        ax.plot(epochs, values, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
        if len(values):
            ends.append((epochs[-1], values[-1], f"{name} {short(values[-1])}", colour))
    end_names(ax, ends)
    epochs_axis(ax)
    ax.set_ylabel(WORDS.get(column, column.replace("_", " ")))
    return ax


def loss_terms(rows: Sequence[dict], ax: Axes, part: str = "train") -> Axes:
    """The total loss of one run and its hard and soft terms; part: "train" or "val"."""
    ends = []
    for name, (colour, dash, marker) in TERMS.items():
        epochs, values = points(rows, f"{part}_{'loss' if name == 'total' else name}")
        if len(values):
            ax.plot(epochs, values, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
            ends.append((epochs[-1], values[-1], f"{name} {short(values[-1])}", colour))
    end_names(ax, ends)
    epochs_axis(ax)
    ax.set_ylabel({"train": "training loss", "val": "validation loss"}[part])
    return ax


def run_figure(rows: Sequence[dict], title: str = "") -> Figure:
    """One run at a glance: its losses with their terms, and its accuracies."""
    figure, (left, middle, right) = new_figure(3, width=12)
    loss_terms(rows, left, "train").set_title("What is minimised")
    loss_terms(rows, middle, "val").set_title("The same on validation images")
    accuracies = {"validation": "val_accuracy", "training": "train_accuracy", "agreement": "val_agreement"}
    ends = []
    for name, column in accuracies.items():
        colour, dash, marker = FIGURES[name]
        epochs, values = points(rows, column)
        if len(values):
            right.plot(epochs, values, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
            ends.append((epochs[-1], values[-1], f"{name} {short(values[-1])}", colour))
    end_names(right, ends)
    epochs_axis(right)
    right.set_title("Accuracy, agreement with the teacher")
    figure.suptitle(title)
    return figure


def image(pixels: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """One image, uint8 [3, H, W]."""
    ax.imshow(np.moveaxis(np.asarray(pixels), 0, -1), interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def soft_targets(probabilities: Mapping[str, np.ndarray], classes: Sequence[str], ax: Axes,
                 label: int | None = None) -> Axes:
    """A teacher's probabilities for one image as bars, one group a class; `probabilities` maps a name ("T = 4") to [C].

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


def confusion(teacher: np.ndarray, student: np.ndarray, classes: Sequence[str], ax: Axes) -> Axes:
    """How often the student says one class where the teacher says another; class numbers [N] each, shares of a row."""
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (np.asarray(teacher), np.asarray(student)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    ax.grid(False)
    for row, column in np.ndindex(shares.shape):
        if shares[row, column] >= 0.005:
            ax.text(column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=8,
                    color="white" if shares[row, column] < 0.5 else "black")
    places = range(len(classes))
    ax.set(xticks=places, yticks=places, yticklabels=classes, xlabel="the student says", ylabel="the teacher says",
           title="Per cent of what the teacher calls so")
    ax.set_xticks(places, classes, rotation=45, ha="right")
    return ax


def gains(pairs: Mapping[str, Sequence[float]], ax: Axes, interval: tuple[float, float] | None = None) -> Axes:
    """The gain of each of several seeds in points, one dot each, and the interval of their mean, where given."""
    for place, (name, values) in enumerate(pairs.items()):
        ax.plot(values, [place] * len(values), "o", color=BLACK, markersize=7, alpha=0.8)
        ax.plot([np.mean(values)] * 2, [place - 0.25, place + 0.25], color=BLACK, linewidth=2)
    if interval is not None:
        ax.axvspan(*interval, color=SKY, alpha=0.25, linewidth=0)
    ax.axvline(0, color=BLACK, linewidth=1)
    ax.set(yticks=range(len(pairs)), yticklabels=list(pairs), ylim=(-0.6, len(pairs) - 0.4), xlabel="gain in points")
    return ax


def differences(pairs: Sequence, ax: Axes) -> Axes:
    """Arms against a baseline (comparisons.Paired): a dot a seed, the mean as a stroke, its 95 % interval as a bar."""
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
    """Shares over a setting, one line a group through the means of its seeds: `groups` maps name to x to values."""
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


def heat_map(values: np.ndarray, rows: Sequence, columns: Sequence, ax: Axes, xlabel: str, ylabel: str) -> Axes:
    """Numbers [rows, columns] as coloured squares that show them."""
    values = np.asarray(values)
    ax.imshow(values, cmap="cividis", aspect="auto")
    ax.grid(False)
    middle = (values.min() + values.max()) / 2
    for place in np.ndindex(values.shape):
        ax.text(place[1], place[0], f"{values[place]:.1f}", ha="center", va="center",
                color="white" if values[place] < middle else "black")
    ax.set(xticks=range(len(columns)), xticklabels=columns, yticks=range(len(rows)), yticklabels=rows,
           xlabel=xlabel, ylabel=ylabel)
    return ax


def points(rows: Sequence[dict], column: str) -> tuple[list, list]:
    """Epochs and values where there is a value."""
    pairs = [(row["epoch"], row[column]) for row in epoch_rows(list(rows))
             if row.get(column) is not None and np.isfinite(row[column])]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def end_names(ax: Axes, ends: list[tuple]) -> None:
    """Write each line's name beside its last point, moved apart where they would overlap."""
    if not ends:
        return
    low, high = ax.get_ylim()
    gap, last = 0.075 * (high - low), -np.inf
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        last = max(y, last + gap)
        ax.annotate(text, (x, y), xytext=(8, (last - y) / (high - low) * _height_in_points(ax)),
                    textcoords="offset points", color=_darker(colour), va="center", fontsize=9, annotation_clip=False)


def _darker(colour: str) -> tuple[float, float, float]:
    """The same colour, dark enough to be read as text on white."""
    from matplotlib.colors import to_rgb
    red, green, blue = to_rgb(colour)
    share = min(1.0, 0.4 / (0.30 * red + 0.59 * green + 0.11 * blue + 1e-9))
    return red * share, green * share, blue * share


def _height_in_points(ax: Axes) -> float:
    return ax.get_position().height * ax.figure.get_figheight() * 72


def epochs_axis(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.margins(x=0.04)


def tidy(ax: Axes) -> Axes:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(axis="y", color=GREY, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"
