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
    ("val_agreement", "agreement", ORANGE, "-.", "^"), ("val_entropy", "student's entropy", BLUE, "-", "o"),
    ("val_teacher_entropy", "teacher's entropy", BLACK, (0, (1, 1)), ""))
PANELS = {"Losses and their terms": LOSSES, "Accuracies, and the teacher's": ACCURACIES,
          "How the weights move (log scale)": STEPS, "How like its teacher": LIKENESS}
HOMES = {"loss": 0, "soft": 0, "hard": 0, "accuracy": 1, "mix": 1, "norm": 2, "ratio": 2, "units": 2, "entropy": 3,
         "agreement": 3}  # by the last word of a column: where evidence is told that has no line of its own


def four_panels(rows: Sequence[dict], findings: Sequence[Finding] = (), title: str = "") -> Figure:
    """Losses; accuracies; what moves the weights; likeness to the teacher. Evidence is ringed, or told in a panel."""
    figure = Picture(figsize=(9.6, 6.4), layout="constrained")
    axes = [tidy(ax) for ax in figure.subplots(2, 2).flat]
    for ax, (name, lines) in zip(axes, PANELS.items()):
        drawn = [line for line in lines if _draw(rows, line, ax)]
        if name.startswith("How the weights"):
            ax.set_yscale("log")
        end_names(ax, [_end(rows, line) for line in drawn])
        epochs_axis(ax)
        ax.set_title(name, loc="left")
    told: dict[int, list[str]] = {}
    for evidence in [evidence for finding in findings for evidence in finding.evidence]:
        place = _panel_of(evidence.column)
        if not _ring(rows, evidence.column, evidence.epoch, axes[place]):
            told.setdefault(place, []).append(str(evidence))
    for place, sentences in told.items():
        axes[place].text(0.02, 0.98, "\n".join(sentences[:3]), transform=axes[place].transAxes, va="top", fontsize=9,
                         color="#8a3b00", bbox={"facecolor": "white", "edgecolor": RED, "alpha": 0.85, "pad": 3})
    figure.suptitle(title)
    return figure


def _panel_of(column: str) -> int:
    for place, lines in enumerate(PANELS.values()):
        if column in [line[0] for line in lines]:
            return place
    return HOMES.get(column.split("_")[-1], 1)


def _draw(rows: Sequence[dict], line: Line, ax: Axes) -> bool:
    column, name, colour, dash, marker = line
    epochs, found = _shown(rows, column)
    if found:
        ax.plot(epochs, found, color=colour, linestyle=dash, marker=marker, markersize=4, label=name)
    return bool(found)


def _shown(rows: Sequence[dict], column: str) -> tuple[list, list]:
    """Entropies as shares of ln C; on the logarithmic panel what is above 0 alone."""
    epochs, found = points(rows, column)
    if column.endswith("entropy"):
        classes = next((row["classes"] for row in rows if row.get("classes")), None)
        return epochs, [value / math.log(classes) for value in found] if classes else found
    if column in [line[0] for line in STEPS]:
        kept = [(epoch, value) for epoch, value in zip(epochs, found) if value > 1e-5]
        return [epoch for epoch, _ in kept], [value for _, value in kept]
    return epochs, found


def _end(rows: Sequence[dict], line: Line) -> tuple:
    epochs, found = _shown(rows, line[0])
    return epochs[-1], found[-1], f"{line[1]} {short(found[-1])}", line[2]


def _ring(rows: Sequence[dict], column: str, epoch: int | None, ax: Axes) -> bool:
    """A ring around a point of a line; around the last one where the evidence is of the whole run."""
    epochs, found = _shown(rows, column) if column in [line[0] for line in sum(PANELS.values(), ())] else ([], [])
    if not epochs or epoch is not None and epoch not in epochs:
        return False
    place = epochs.index(epoch) if epoch is not None else len(epochs) - 1
    ax.plot([epochs[place]], [found[place]], "o", markersize=14, markerfacecolor="none", markeredgecolor=RED,
            markeredgewidth=2.5, label="evidence")
    return True
