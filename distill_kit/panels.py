"""Four panels worth looking at when a run is to be judged, with the evidence of findings marked on them."""
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .diagnosis.finding import Finding
from .plotting import (BLACK, BLUE, GREEN, ORANGE, PINK, RED, SKY, TERMS, Picture, end_names, epochs_axis, points,
                       short, tidy)

Line = tuple[str, str, str, str, str]  # column, name, colour, dash, marker

LOSSES: tuple[Line, ...] = (*((f"train_{'loss' if name == 'total' else name}", name, *style)
                              for name, style in TERMS.items()), ("val_loss", "validation", BLUE, ":", "D"))
ACCURACIES: tuple[Line, ...] = (
    ("val_teacher_accuracy", "teacher", BLACK, (0, (1, 1)), ""),
    ("train_teacher_accuracy", "teacher on training", GREEN, "-.", "^"), ("train_accuracy", "training", SKY, "--", "s"),
    ("val_accuracy", "validation", BLUE, "-", "o"))
STEPS: tuple[Line, ...] = (
    ("gradient_norm_median", "gradient norm", GREEN, "-", "o"), ("update_ratio", "update ratio", RED, "--", "s"),
    ("learning_rate", "learning rate", BLACK, ":", "D"), ("dead_units", "dead units", PINK, "-.", "^"))
LIKENESS: tuple[Line, ...] = (
    ("val_agreement", "agreement", ORANGE, "-.", "^"), ("val_entropy", "student's entropy, bits", BLUE, "-", "o"),
    ("val_teacher_entropy", "teacher's, bits", BLACK, (0, (1, 1)), ""))
PANELS = {"Losses and their terms": LOSSES, "Accuracies, and the teacher's": ACCURACIES,
          "How the weights move (log scale)": STEPS, "How like its teacher": LIKENESS}


def four_panels(rows: Sequence[dict], findings: Sequence[Finding] = (), title: str = "") -> Figure:
    """Losses; accuracies; what moves the weights; likeness to the teacher. Evidence that is drawn is ringed."""
    figure = Picture(figsize=(9.6, 6.4), layout="constrained")
    axes = [tidy(ax) for ax in figure.subplots(2, 2).flat]
    for ax, (name, lines) in zip(axes, PANELS.items()):
        drawn = [line for line in lines if _draw(rows, line, ax)]
        if name.startswith("How the weights"):
            ax.set_yscale("log")
        end_names(ax, [_end(rows, line) for line in drawn])
        epochs_axis(ax)
        ax.set_title(name, loc="left")
    places = {line[0]: place for place, lines in enumerate(PANELS.values()) for line in lines}
    for evidence in [evidence for finding in findings for evidence in finding.evidence]:
        if evidence.column in places:
            _ring(rows, evidence.column, evidence.epoch, axes[places[evidence.column]])
    figure.suptitle(title)
    return figure


def _draw(rows: Sequence[dict], line: Line, ax: Axes) -> bool:
    column, name, colour, dash, marker = line
    epochs, found = _shown(rows, column)
    if found:
        ax.plot(epochs, found, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
    return bool(found)


def _shown(rows: Sequence[dict], column: str) -> tuple[list, list]:
    """Entropies in bits; on the logarithmic panel what is above 0 alone."""
    epochs, found = points(rows, column)
    if column.endswith("entropy"):
        return epochs, [value / math.log(2) for value in found]
    if column in [line[0] for line in STEPS]:
        kept = [(epoch, value) for epoch, value in zip(epochs, found) if value > 1e-5]
        return [epoch for epoch, _ in kept], [value for _, value in kept]
    return epochs, found


def _end(rows: Sequence[dict], line: Line) -> tuple:
    epochs, found = _shown(rows, line[0])
    value = f"{found[-1]:.1g}" if 0 < abs(found[-1]) < 0.001 else short(found[-1])  # 0.000 says nothing
    return epochs[-1], found[-1], f"{line[1]} {value}", line[2]


def _ring(rows: Sequence[dict], column: str, epoch: int | None, ax: Axes) -> None:
    """A ring around a point of a line; around the last one where the evidence is of the whole run."""
    epochs, found = _shown(rows, column)
    if epochs and (epoch is None or epoch in epochs):
        place = epochs.index(epoch) if epoch is not None else len(epochs) - 1
        ax.plot([epochs[place]], [found[place]], "o", markersize=14, markerfacecolor="none", markeredgecolor=RED,
                markeredgewidth=2.5, label="evidence")


def figures_table(rows: Sequence[dict]) -> str:
    """The same figures as an HTML table, an epoch a column: for whoever does not see the picture."""
    lines = []
    for title, panel in PANELS.items():
        lines.append(f"<tr><th style='text-align: left'>{title}</th></tr>")
        for column, name, *_ in panel:
            epochs, found = points(rows, column)
            if found:
                scale = math.log(2) if column.endswith("entropy") else 1.0
                cells = "".join(f"<td>{value / scale:.3g}</td>" for value in found)
                lines.append(f"<tr><td style='text-align: left'>{name}</td>{cells}</tr>")
    head = "".join(f"<th>epoch {row['epoch']}</th>" for row in rows)
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"
