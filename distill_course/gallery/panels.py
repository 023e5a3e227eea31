"""Four panels worth looking at when a run is to be judged, with the evidence of findings marked on them."""
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distill_kit.colours import BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, TERMS
from distill_kit.history import Row
from distill_kit.metrics import BIT
from distill_kit.plotting import Picture, named_lines, points, tidy

from ..diagnosis.finding import Finding
from ..markup import escape

# Each line: column, name, colour, dash, marker
LOSSES = (*((f"train_{'loss' if name == 'total' else name}", name, *style)
            for name, style in TERMS.items()), ("val_loss", "validation", BLUE, ":", "D"))
ACCURACIES = (
    ("val_teacher_accuracy", "teacher", BLACK, (0, (1, 1)), ""),
    ("train_teacher_accuracy", "teacher on training", GREEN, "-.", "^"), ("train_accuracy", "training", SKY, "--", "s"),
    ("val_accuracy", "validation", BLUE, "-", "o"))
STEPS = (("gradient_norm_median", "gradient norm", GREEN, "-", "o"), ("update_ratio", "update ratio", RED, "--", "s"),
         ("learning_rate", "learning rate", BLACK, ":", "D"), ("dead_units", "dead units", PINK, "-.", "^"))
LIKENESS = (
    ("val_agreement", "agreement", ORANGE, "-.", "^"), ("val_entropy", "student's entropy, bits", BLUE, "-", "o"),
    ("val_teacher_entropy", "teacher's, bits", BLACK, (0, (1, 1)), ""))
PANELS = {"Losses and their terms": LOSSES, "Accuracies, and the teacher's": ACCURACIES,
          "How the weights move (log scale)": STEPS, "How like its teacher": LIKENESS}


def four_panels(rows: Sequence[Row], findings: Sequence[Finding] = (), title: str = "") -> Figure:
    """Draw losses, accuracies, what moves the weights, and likeness to the teacher; ring evidence that is drawn."""
    figure = Picture(figsize=(9.6, 6.4), layout="constrained")
    marked = [evidence for finding in findings for evidence in finding.evidence]
    for ax, (name, columns) in zip(map(tidy, figure.subplots(2, 2).flat), PANELS.items()):
        if columns is STEPS:
            ax.set_yscale("log")
        named_lines(((words, *_shown(rows, column), style) for column, words, *style in columns), ax)
        ax.set_title(name, loc="left")
        for evidence in marked:
            if evidence.column in [column for column, *_ in columns]:
                _ring(rows, evidence.column, evidence.epoch, ax)
    figure.suptitle(title)
    return figure


def _shown(rows: Sequence[Row], column: str) -> tuple[list, list]:
    """Return epochs and values to be drawn: entropies in bits, on the logarithmic panel only what is above 0."""
    lowest = 1e-5 if column in [line[0] for line in STEPS] else -math.inf
    kept = [(epoch, value / unit_of(column)) for epoch, value in zip(*points(rows, column)) if value > lowest]
    return [epoch for epoch, _ in kept], [value for _, value in kept]


def unit_of(column: str) -> float:
    """Return what a figure is divided by to be shown: rows have entropies in nats."""
    return BIT if column.endswith("entropy") else 1.0


def _ring(rows: Sequence[Row], column: str, epoch: int | None, ax: Axes) -> None:
    """Draw a ring around a point of a line: the last where the evidence is of the whole run."""
    drawn = dict(zip(*_shown(rows, column)))
    epoch = next(reversed(drawn), None) if epoch is None else epoch
    if epoch in drawn:
        ax.plot([epoch], [drawn[epoch]], "o", markersize=14, markerfacecolor="none", markeredgecolor=RED,
                markeredgewidth=2.5, label="evidence")


def figures_table(rows: Sequence[Row]) -> str:
    """Write the same figures as an HTML table, an epoch a column: for whoever does not see the picture."""
    lines = []
    for title, panel in PANELS.items():
        lines.append(f"<tr><th style='text-align: left'>{title}</th></tr>")
        for column, name, *_ in panel:
            _, shown = points(rows, column)
            if shown:
                cells = "".join(f"<td>{value / unit_of(column):.3g}</td>" for value in shown)
                lines.append(f"<tr><td style='text-align: left'>{name}</td>{cells}</tr>")
    head = "".join(f"<th>epoch {escape(row['epoch'])}</th>" for row in rows)
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"
