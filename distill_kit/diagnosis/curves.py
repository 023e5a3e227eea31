"""What the curves alone can say: losses and accuracies, as any loop writes them down.

Columns: train_loss, val_loss, val_accuracy (and train_accuracy). Each function gives a finding, or None.
"""
import math

from .causes import found
from .finding import HARM, HARMLESS, LOOK, NOTE, SEVERE, Evidence, Finding, Reference, values

GROWN = 1.5        # of the first epoch's training loss
RISEN = 1.1        # of the lowest validation loss
MOVED = 0.02       # relative: less is standing still
JUMP = 0.06        # of the validation accuracy from one epoch to the next, down and up again
JUMPS = 2
CLIMBED = 0.01     # of the validation accuracy, in the last epoch


def is_no_number(rows: list[dict], reference: Reference | None) -> Finding | None:
    train = [(row["epoch"], row["train_loss"]) for row in rows if "train_loss" in row]
    broken = [epoch for epoch, value in train if value is None or not math.isfinite(value)]
    if broken:
        return found("diverged", HARM, SEVERE, Evidence("train_loss", None, broken[0], "a finite number"))
    if len(train) > 1 and train[-1][1] > GROWN * train[0][1] > 0:
        return found("diverged", HARM, SEVERE, Evidence("train_loss", train[-1][1], train[-1][0],
                                                        f"below {train[0][1]:.3g}, that of the first epoch"))
    return None


def validation_loss_rises(rows: list[dict], reference: Reference | None) -> Finding | None:
    train, validation = values(rows, "train_loss"), values(rows, "val_loss")
    if len(train) < 4 or len(validation) < 4 or _alpha_moves(rows):
        return None
    epoch, lowest = min(validation, key=lambda pair: pair[1])
    after = [value for at, value in validation if at > epoch]
    if len(after) < 2 or lowest <= 0 or min(after[-2:]) < RISEN * lowest or train[-1][1] > dict(train)[epoch]:
        return None
    return found("overfitting", HARM, LOOK, Evidence("val_loss", validation[-1][1], validation[-1][0],
                                                     f"no higher than {lowest:.3g}, that of epoch {epoch}"))


def nothing_moves(rows: list[dict], reference: Reference | None) -> Finding | None:
    train, validation = values(rows, "train_loss"), values(rows, "val_loss")
    if min(len(train), len(validation)) < 3 or _alpha_moves(rows):
        return None
    for found_ in (train, validation):
        every = [value for _, value in found_]
        if max(every) - min(every) > MOVED * max(abs(every[0]), 1e-9):
            return None
    return found("both_stagnate", HARM, SEVERE, Evidence("train_loss", train[-1][1], train[-1][0],
                                                         f"below {train[0][1]:.4g}, where it began"))


def up_and_down(rows: list[dict], reference: Reference | None) -> Finding | None:
    accuracy = values(rows, "val_accuracy")
    steps = [b - a for (_, a), (_, b) in zip(accuracy, accuracy[1:])]
    falls = [(epoch, step) for (epoch, _), step, after in zip(accuracy[1:], steps, [*steps[1:], 0.0])
             if step < -JUMP and after > JUMP / 2]
    if len(falls) < JUMPS:
        return None
    return found("oscillates", HARM, LOOK, *(Evidence("val_accuracy", dict(accuracy)[epoch], epoch,
                                                      f"no fall of {-step:.2f}") for epoch, step in falls[:3]))


def best_at_the_end(rows: list[dict], reference: Reference | None) -> Finding | None:
    accuracy = values(rows, "val_accuracy")
    if len(accuracy) < 3 or accuracy[-1][1] < max(value for _, value in accuracy[:-1]) + CLIMBED:
        return None
    return found("still_improving", HARMLESS, NOTE, Evidence("val_accuracy", accuracy[-1][1], accuracy[-1][0]))


def validation_is_better(rows: list[dict], reference: Reference | None) -> Finding | None:
    train, validation = dict(values(rows, "train_accuracy")), dict(values(rows, "val_accuracy"))
    above = [epoch for epoch in validation if epoch in train and validation[epoch] > train[epoch]]
    if len(above) < 2 or rows[-1]["epoch"] not in above:
        return None
    epoch = above[-1]
    return found("validation_above_training", HARMLESS, NOTE,
                 Evidence("val_accuracy", validation[epoch], epoch), Evidence("train_accuracy", train[epoch], epoch))


def _alpha_moves(rows: list[dict]) -> bool:
    """A loss whose weights change is another loss in each epoch."""
    return any(len({row.get(name) for row in rows}) > 1 for name in ("alpha", "temperature"))


CURVES = (is_no_number, validation_loss_rises, nothing_moves, up_and_down, best_at_the_end, validation_is_better)
