"""A run as plain data: one row an epoch, kept as JSON lines.

The first line of a file holds the settings of the run, each further line the row of an epoch. Every write replaces the
whole file at once, so that a killed run leaves the rows of all its finished epochs and never half a line.
"""
import json
from pathlib import Path
from typing import TypedDict

from .files import replace_file

EPOCH, STEP = "epoch", "step"  # kinds of rows: one an epoch; light ones in between


class Row(TypedDict, total=False):
    """Figures of an epoch; a light row has the first group and what begins with train_.

    Losses are means over images, accuracies shares from 0 to 1, entropies in nats and softened as in the loss. A figure
    that does not exist (the soft term without a teacher) is None. A loss that overflowed is not finite in memory and
    null in the file.
    """
    kind: str                                # EPOCH or STEP
    epoch: int                               # from 1
    steps: int                               # so far
    seconds: float                           # of training and validation so far, without kept logits and the caller
    learning_rate: float                     # at the last step, as the next two
    alpha: float
    temperature: float

    train_loss: float                        # while training, as the weights moved; the terms add up to it
    train_hard: float | None                 # a batch without any label counts as 0
    train_soft: float | None
    train_accuracy: float | None
    train_agreement: float | None            # with the teacher's first class
    train_teacher_accuracy: float | None
    train_entropy: float
    train_teacher_entropy: float | None
    val_loss: float                          # on validation images, after the epoch
    val_hard: float | None                   # the mean over labelled images
    val_soft: float | None
    val_accuracy: float | None
    val_agreement: float | None
    val_teacher_accuracy: float | None
    val_entropy: float
    val_teacher_entropy: float | None

    gradient_norm: float                     # before clipping, the mean over steps
    gradient_norm_median: float
    gradient_norm_max: float
    clipped: float                           # share of steps that were clipped
    clip_norm: float | None                  # the limit; None where there is none
    update_ratio: float | None               # how far the epoch's first step moved the weights, relative to their size
    label_mix: float | None                  # how mixed a batch's labels are; 1 is as mixed as all labels
    classes: int
    dead_units: float | None                 # share of ReLU channels that answer to none of some validation images
    first_loss: float                        # of the run's first batch, only in epoch 1, as the next four
    first_hard: float
    first_soft: float | None
    first_alpha: float
    first_temperature: float
    threads: int                             # of the CPU; equal seeds give equal students where this is equal, too
    best: bool                               # the best epoch so far?
    stopped: str                             # why the run ended early; only where it did


def save_history(path: Path | str, settings: dict, rows: list[Row]) -> None:
    """Write settings and rows as JSON lines, all or nothing."""
    lines = [{"kind": "settings", **settings}, *rows]
    replace_file(Path(path), "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in lines).encode())


def load_history(path: Path | str) -> tuple[dict, list[Row]]:
    """Read the settings and rows of a history, or of the history in a run's folder.

    Raises FileNotFoundError, or ValueError naming the file, and the line that is no JSON object.
    """
    lines = list(numbered_lines(path).values())
    settings = lines.pop(0) if lines and lines[0].get("kind") == "settings" else {}
    return {name: value for name, value in settings.items() if name != "kind"}, lines


def numbered_lines(path: Path | str) -> dict[int, dict]:
    """Read all lines of a history that are not blank by their number in the file, from 1; raises as `load_history`."""
    path = Path(path, "history.jsonl") if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no history at {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8 (byte {error.start}); write it in that encoding.") from None
    lines = {}
    for number, line in enumerate(text.split("\n"), start=1):  # not splitlines: a text in JSON may hold its other ends
        if not line.strip():
            continue
        try:
            lines[number] = json.loads(line)
            if not isinstance(lines[number], dict):
                raise ValueError
        except (ValueError, RecursionError):
            raise ValueError(f"{path}, line {number} is not a JSON object: {line[:60]!r}") from None
    return lines


def epoch_rows(rows: list[Row]) -> list[Row]:
    """Leave out the light rows."""
    return [row for row in rows if row.get("kind", EPOCH) == EPOCH]


def best_row(rows: list[Row]) -> Row:
    """Find the row whose weights the student ends with: the last that is marked best, or the last of all."""
    rows = epoch_rows(rows)
    return ([row for row in rows if row.get("best")] or rows)[-1]


def plain(value):
    """Return what JSON makes of a value, with None for what it does not have: NaN and infinity."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)
