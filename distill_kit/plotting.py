"""Drawing: rows or arrays in, matplotlib axes in and out. No torch here, and no pyplot state."""
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from .colours import FIGURES, GREY, LINES, TERMS
from .history import Row, epoch_rows

WORDS = {"val_accuracy": "validation accuracy", "train_accuracy": "training accuracy", "val_loss": "validation loss",
         "train_loss": "training loss", "val_agreement": "agreement with the teacher"}


class Picture(Figure):
    """A figure that a notebook shows when it is the last thing in a cell, although pyplot knows nothing of it.

    A dollar in a name is a dollar and begins no formula.
    """

    def draw(self, renderer) -> None:
        """Draw all; only the numbers on a logarithmic axis, which matplotlib writes itself, are formulas."""
        for text in self.findobj(Text):
            if "$" in text.get_text():
                text.set_parse_math(r"\mathdefault" in text.get_text())
        super().draw(renderer)

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        self.savefig(content, format="png", dpi=110)
        return content.getvalue()


def new_figure(columns: int = 1, width: float = 8.0, height: float = 3.2) -> tuple[Figure, list[Axes]]:
    """A figure made without pyplot, and its axes side by side; show it by naming it last in a notebook cell."""
    figure = Picture(figsize=(width, height), layout="constrained")
    return figure, [tidy(ax) for ax in np.atleast_1d(figure.subplots(1, columns))]


def named_lines(lines: Iterable[tuple], ax: Axes) -> Axes:
    """Draw lines over epochs, each with its name and last value where it ends; a line without values is left out.

    lines: name, epochs, values, and the style: colour, dash, marker.
    """
    ends = []
    for name, epochs, values, (colour, dash, marker) in lines:
        if len(values):
            ax.plot(epochs, values, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
            ends.append((epochs[-1], values[-1], f"{name} {short(values[-1])}", colour))
    end_names(ax, ends)
    ax.set_xlabel("epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.margins(x=0.04)
    return ax


def curves(runs: Mapping[str, Sequence[Row]], column: str, ax: Axes) -> Axes:
    """Draw a column of several runs over epochs; `runs` maps a run's name to its rows.

        >>> figure, (ax,) = new_figure()
        >>> curves({"T = 1": run.history, "T = 4": other.history}, "val_accuracy", ax)
    """
    ax.set_ylabel(WORDS.get(column, column.replace("_", " ")))
    return named_lines(((name, *points(rows, column), style)
                        for (name, rows), style in zip(runs.items(), cycle(LINES))), ax)


def loss_terms(rows: Sequence[Row], ax: Axes, part: str = "train") -> Axes:
    """Draw the total loss of a run and its hard and soft terms; part: "train" or "val"."""
    ax.set_ylabel(WORDS[f"{part}_loss"])
    return named_lines(((name, *points(rows, f"{part}_{'loss' if name == 'total' else name}"), style)
                        for name, style in TERMS.items()), ax)


def run_figure(rows: Sequence[Row], title: str = "") -> Figure:
    """Draw a run at a glance: its losses with their terms, and its accuracies."""
    figure, (left, middle, right) = new_figure(3, width=12)
    loss_terms(rows, left, "train").set_title("What is minimised")
    loss_terms(rows, middle, "val").set_title("The same on validation images")
    columns = {"validation": "val_accuracy", "training": "train_accuracy", "agreement": "val_agreement"}
    named_lines(((name, *points(rows, column), FIGURES[name]) for name, column in columns.items()), right)
    right.set_title("Accuracy, agreement with the teacher")
    figure.suptitle(title)
    return figure


def image(pixels: np.ndarray, ax: Axes, title: str = "") -> Axes:
    """Draw an image, uint8 [3, H, W]."""
    ax.imshow(np.moveaxis(np.asarray(pixels), 0, -1), interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def points(rows: Sequence[Row], column: str) -> tuple[list, list]:
    """List epochs and values where a column has a finite value."""
    pairs = [(row["epoch"], row[column]) for row in epoch_rows(list(rows))
             if row.get(column) is not None and np.isfinite(row[column])]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def end_names(ax: Axes, ends: list[tuple]) -> None:
    """Write each line's name beside its last point, moved apart where they would overlap."""
    low, high = ax.get_ylim()
    tall = ax.get_position().height * ax.figure.get_figheight() * 72  # points
    gap, last = 0.075 * (high - low), -np.inf
    for x, y, text, colour in sorted(ends, key=lambda end: end[1]):
        last = max(y, last + gap)
        ax.annotate(text, (x, y), xytext=(8, (last - y) / (high - low) * tall),
                    textcoords="offset points", color=_darker(colour), va="center", fontsize=9, annotation_clip=False)


def _darker(colour: str) -> tuple[float, float, float]:
    """The same colour, dark enough to be read as text on white."""
    shade = np.array(to_rgb(colour))                                                                   # (3,)
    return tuple(shade * min(1.0, 0.4 / (shade @ (0.30, 0.59, 0.11) + 1e-9)))


def tidy(ax: Axes) -> Axes:
    """Leave out what frames and grids do not need."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color=GREY, linewidth=0.6)
    ax.set_axisbelow(True)
    return ax


def short(value: float) -> str:
    """Write a value in three digits or so; a tiny one never as 0.000."""
    return f"{value:.1g}" if 0 < abs(value) < 0.001 else f"{value:.3f}" if abs(value) < 10 else f"{value:.3g}"
