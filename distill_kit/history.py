"""A run as plain data: one dict an epoch, kept as JSON lines.

The first line holds the settings of the run, each further line one epoch's row. Every write replaces the whole file at
once, so that a killed run leaves the rows of all its finished epochs and never half a line.

Columns of an epoch's row (losses are means over images, accuracies shares from 0 to 1):
    epoch, steps, seconds            number of the epoch (from 1), steps so far, seconds of training and validation
                                     so far (without the time in which kept logits are made, or the caller draws)
    learning_rate, alpha, temperature    at the last step of the epoch
    train_loss, train_hard, train_soft, train_accuracy, train_agreement      while training, as the weights moved
    val_loss, val_hard, val_soft, val_accuracy, val_agreement                 on validation images, afterwards
                                     (train_hard is 0 in a batch without any label, as in the loss, so that the terms
                                     add up to train_loss; val_hard is the mean over labelled images)
    train_teacher_accuracy, train_entropy, train_teacher_entropy              and the same with val_: how often the
                                     teacher's first class is the label; entropies in nats, both softened as in the loss
    gradient_norm, gradient_norm_median, gradient_norm_max, clipped, clip_norm    norm before clipping, share of steps
                                     that were clipped, the limit (None where there is none)
    update_ratio                     how far the epoch's first step moved the weights, as a share of their size
    label_mix, classes               how mixed a batch's labels are (1: as all of them), number of classes
    dead_units                       share of ReLU channels that answer to none of some validation images
    first_loss, first_hard, first_soft, first_alpha, first_temperature        of the run's first batch, in epoch 1 alone
    threads                          of the CPU; equal seeds give equal students where this is equal too
    cores_taken                      only where other programs were at work when the run began, so that its threads had
                                     to be chosen: the cores that they kept busy
    best                             is this the best epoch so far?
    stopped                          only where the run ended early: why
A figure that does not exist (the soft term without a teacher) is None. A loss that overflowed is not finite in memory
and null in the file.
"""
import json
import math
from pathlib import Path

from .files import replace_file

EPOCH, STEP = "epoch", "step"  # kinds of rows: one an epoch; light ones in between (step, train_loss, ...)


def save_history(path: Path | str, settings: dict, rows: list[dict]) -> None:
    """Write settings and rows as JSON lines, all or nothing."""
    lines = [{"kind": "settings", **settings}, *rows]
    text = "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in lines)
    replace_file(Path(path), text.encode())


def load_history(path: Path | str) -> tuple[dict, list[dict]]:
    """Settings and rows of a history, or of the one in a run's folder.

    Raises FileNotFoundError, or ValueError naming the line that is no JSON object.
    """
    path = Path(path)
    path = path / "history.jsonl" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"no history at {path}")
    lines = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            lines.append(json.loads(line))
            if not isinstance(lines[-1], dict):
                raise ValueError
        except ValueError:
            raise ValueError(f"{path}, line {number} is not a JSON object: {line[:60]!r}") from None
    settings = lines.pop(0) if lines and lines[0].get("kind") == "settings" else {}
    return {name: value for name, value in settings.items() if name != "kind"}, lines


def epoch_rows(rows: list[dict]) -> list[dict]:
    """The epoch rows alone, without the light ones."""
    return [row for row in rows if row.get("kind", EPOCH) == EPOCH]


def best_row(rows: list[dict]) -> dict:
    """The row whose weights the student ends with: the last one marked best, or the last where none is."""
    rows = epoch_rows(rows)
    return ([row for row in rows if row.get("best")] or rows)[-1]


def plain(value):
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
