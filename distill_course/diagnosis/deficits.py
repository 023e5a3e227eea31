"""What costs accuracy and breaks no rule: learning rates, lengths, sizes, the shape of curves. And what only looks so.

Each function looks at epoch rows and yields what it finds. Those of the second half need nothing but what any loop
writes down: train_loss, val_loss, val_accuracy and train_accuracy. Thresholds: assets/thresholds.toml.
"""
import math
from collections.abc import Iterator
from operator import attrgetter

from .finding import THRESHOLDS, Evidence, Finding, Reference, as_finding, figures, last, median, values

LEVEL = THRESHOLDS["deficits"]
value_of = attrgetter("value")


def length_of_steps(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for steps that change the weights by about as much as they are, or hardly.

    The first epoch warms up, and its first step says nothing. A gradient far above its limit may be why they are short.
    """
    step = max(figures(rows[1:], "update_ratio"), key=value_of, default=None)
    if step is None:
        return
    if step.value >= LEVEL.step_large:
        yield as_finding("learning_rate_too_high", step.beside("below 0.3"), severe=step.value > LEVEL.step_too_large)
    limit, length = median(rows, "clip_norm"), median(rows, "gradient_norm_median")
    small, moves = step.beside("0.01 or more"), step.value > LEVEL.step_small
    if None not in (limit, length) and limit < LEVEL.over_limit * length:
        above = Evidence("gradient_norm_median", length, None, f"not far above the limit, {limit:g}")
        yield as_finding("clipping_costs_nothing", above) if moves else as_finding("clipping_too_tight", small, above)
    elif not moves:
        yield as_finding("learning_rate_too_low", small, severe=step.value < LEVEL.step_too_small)


def units_without_answer(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for units that answer to no image, from the start or dying on the way."""
    dead = figures(rows, "dead_units")
    if not dead or min(map(value_of, dead[len(dead) // 2:])) < LEVEL.some_dead:
        return
    first, now, severe = dead[0], dead[-1], dead[-1].value > LEVEL.many_dead
    if now.value - first.value > LEVEL.more_dead:  # too long a step kills them; those dead from the start stay as many
        expected = f"no more than in epoch {first.epoch}, {first.value:.2f}"
        yield as_finding("learning_rate_too_high", now.beside(expected), severe=severe, elsewhere=True)
    else:
        yield as_finding("dead_units", now.beside("0"), severe=severe)


def learnt_by_heart(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for training images that are known far better than others."""
    own, others = last(rows, "train_accuracy"), last(rows, "val_accuracy")
    if None not in (own, others) and own - others >= LEVEL.nearly:
        evidence = Evidence("train_accuracy", own, rows[-1]["epoch"], f"nearer to validation, {others:.2f}")
        yield as_finding("too_few_images", evidence, severe=own - others > LEVEL.by_heart)


def guesses_what_is_new(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for guessing on validation images in every epoch: even a few images learnt by heart teach more than that."""
    own, others, classes = last(rows, "train_accuracy"), figures(rows, "val_accuracy"), rows[-1].get("classes")
    if None in (own, classes) or len(others) < 3 or own < LEVEL.learnt + (1 - LEVEL.learnt) / classes:
        return
    # guessing and two standard errors
    by_luck = 1 / classes + 2 * math.sqrt((1 - 1 / classes) / classes / LEVEL.few_images)
    most = max(others, key=value_of)
    if most.value <= by_luck:
        yield as_finding("right_only_in_train_mode", most.beside(f"above {by_luck:.2f}"),
                         Evidence("train_accuracy", own, rows[-1]["epoch"]))


def ended_early(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a run that ends while the student is still learning."""
    hard = values(rows, "train_hard") or values(rows, "train_loss")
    if not hard or "stopped" in rows[-1]:
        return
    ratio = hard[-1] / hard[0] if hard[0] else 1.0
    if len(rows) <= LEVEL.short or len(rows) <= 2 * LEVEL.short and ratio >= LEVEL.still_learning:
        evidence = Evidence("epoch", float(len(rows)), None, "more: the course's runs have 8 or 14")
        yield as_finding("too_few_epochs", evidence, severe=len(rows) <= LEVEL.short)


def far_below_reference(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Only where a run of enough steps can be held against measured ones."""
    own, others = last(rows, "train_accuracy"), max(values(rows, "val_accuracy"), default=None)
    hard, classes, steps = last(rows, "train_hard"), rows[-1].get("classes"), rows[-1].get("steps") or 0
    if reference is None or None in (own, others) or steps < LEVEL.enough_steps * reference.steps:
        return
    if others > reference.accuracy - LEVEL.far_below or own - others > LEVEL.fits_no_better:
        return
    if hard is None or not classes or hard >= LEVEL.hardly_learnt * math.log(classes):
        expected = f"{reference.accuracy:.2f}, the mean of {reference.runs} runs on {reference.data}"
        yield as_finding("student_too_small", Evidence("val_accuracy", others, None, expected))


def teacher_below_reference(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """A teacher that the student has overtaken needs no reference; otherwise it takes one."""
    teacher, student = median(rows, "val_teacher_accuracy"), last(rows, "val_accuracy")
    if teacher is None or median(rows, "alpha") == 1:  # where it has no say it may be weak
        return
    least = student if reference is None else reference.teacher_accuracy - LEVEL.below
    if least is not None and teacher < least:
        expected = f"above the student's {student:.2f}" if reference is None else \
            f"{reference.teacher_accuracy:.2f} on {reference.data}"
        yield as_finding("weak_teacher", Evidence("val_teacher_accuracy", teacher, None, expected),
                         severe=reference is not None and teacher < least - LEVEL.below)


def very_soft(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a temperature at which all classes look alike."""
    t, alpha = median(rows, "temperature"), median(rows, "alpha")
    if t is not None and t >= LEVEL.high_temperature and alpha != 1:
        yield as_finding("temperature_too_high", Evidence("temperature", t, None, "2 to 10"))


# The shape of curves

def is_no_number(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a loss that is no number, or far above where it began."""
    train = [Evidence("train_loss", row["train_loss"], row["epoch"]) for row in rows if "train_loss" in row]
    broken = [figure for figure in train if figure.value is None]
    if broken:
        yield as_finding("diverged", broken[0].beside("a finite number"))
    elif len(train) > 1 and train[-1].value > LEVEL.grown * train[0].value > 0:
        yield as_finding("diverged", train[-1].beside(f"below {train[0].value:.3g}, that of the first epoch"))


def validation_loss_rises(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a validation loss that rises while the training loss falls."""
    train, validation = figures(rows, "train_loss"), figures(rows, "val_loss")
    if len(train) < 4 or len(validation) < 4 or _alpha_moves(rows):
        return
    lowest = min(validation, key=value_of)
    after = [figure.value for figure in validation if figure.epoch > lowest.epoch]
    falls = any(figure.epoch == lowest.epoch and train[-1].value <= figure.value for figure in train)
    if falls and lowest.value > 0 and len(after) > 1 and min(after[-2:]) >= LEVEL.risen * lowest.value:
        expected = f"no higher than {lowest.value:.3g}, that of epoch {lowest.epoch}"
        yield as_finding("overfitting", validation[-1].beside(expected), severe=False)


def nothing_moves(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for losses that stand still."""
    train, validation = figures(rows, "train_loss"), figures(rows, "val_loss")
    if min(len(train), len(validation)) < 3 or _alpha_moves(rows):
        return
    curves = [list(map(value_of, curve)) for curve in (train, validation)]
    if all(max(curve) - min(curve) <= LEVEL.moved * max(abs(curve[0]), 1e-9) for curve in curves):
        yield as_finding("both_stagnate", train[-1].beside(f"below {train[0].value:.4g}, where it began"))


def up_and_down(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a validation accuracy that jumps."""
    accuracy = figures(rows, "val_accuracy")
    steps = [now.value - before.value for before, now in zip(accuracy, accuracy[1:])]
    falls = [figure.beside(f"no fall of {-step:.2f}") for figure, step, after in zip(accuracy[1:], steps, steps[1:])
             if step < -LEVEL.jump and after > LEVEL.jump / 2]
    if len(falls) >= LEVEL.jumps:
        yield as_finding("oscillates", *falls[:3], severe=False)


def best_at_the_end(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a last epoch that is the best so far."""
    accuracy = figures(rows, "val_accuracy")
    if len(accuracy) > 2 and accuracy[-1].value >= max(map(value_of, accuracy[:-1])) + LEVEL.climbed:
        yield as_finding("still_improving", accuracy[-1])


def validation_is_better(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for a validation accuracy above that of training."""
    train = {figure.epoch: figure for figure in figures(rows, "train_accuracy")}
    above = [(figure, train[figure.epoch]) for figure in figures(rows, "val_accuracy")
             if figure.epoch in train and figure.value > train[figure.epoch].value]
    if len(above) > 1 and above[-1][0].epoch == rows[-1]["epoch"]:
        yield as_finding("validation_above_training", *above[-1])


def _alpha_moves(rows: list[dict]) -> bool:
    """A loss whose weights change is another loss in each epoch."""
    return any(len({row.get(name) for row in rows}) > 1 for name in ("alpha", "temperature"))


DEFICITS = (length_of_steps, units_without_answer, learnt_by_heart, guesses_what_is_new, ended_early,
            far_below_reference, teacher_below_reference, very_soft, is_no_number, validation_loss_rises, nothing_moves,
            up_and_down, best_at_the_end, validation_is_better)
