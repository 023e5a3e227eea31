"""The training loop: a generator that yields a row of figures an epoch and owns nothing but training."""
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

import torch
from torch import nn

from .batches import Batch, LoaderBatches
from .devices import casting, choose_device, choose_precision
from .figures import Clock, EpochFigures, Tally, counting_dead_units
from .history import EPOCH, Row
from .losses import check_alpha, check_temperature, distillation_terms
from .models import logits_of
from .neighbours import Room
from .optimizers import adamw
from .schedules import Numbers, Schedule, as_schedule, check_learning_rate, warmup_cosine
from .step import Step
from .teachers import Teacher

CLIP_NORM = 1.0
DIVERGED = ("The loss is no longer a finite number (epoch {epoch}, learning rate {learning_rate:.2g}). "
            "Lower the learning rate and train again.")


def train(student: nn.Module, batches: Iterable[Batch], validation: Iterable[Batch] | None, *, epochs: int,
          optimizer: torch.optim.Optimizer, learning_rate: Schedule, temperature: Schedule, alpha: Schedule,
          clip_norm: float = CLIP_NORM, every: int | None = None, precision: str = "float32",
          loss: Callable = distillation_terms, recorded: bool = False) -> Iterator[Row]:
    """Train `student` in place; yield a row an epoch (columns: history.py) and a light one every `every` steps.

        >>> for row in train(student, batches, validation, epochs=8, optimizer=adamw(student),
        ...                  learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1)):
        ...     print(row["epoch"], row["val_accuracy"])

    batches, validation: iterated once an epoch; `Batch`es on the student's device.
    learning_rate, temperature, alpha: functions of the step (0, 1, 2, ...). Without teacher logits alpha must be 1.
    loss: called as `distillation_terms` is, and returns LossTerms as it does.
    recorded: replay a recording of the step on a GPU; see step.Step for what that asks of loss and student.

    Leave the `for` at any row to stop; the time that you spend there is not counted. A loss that is not finite ends the
    run, and the last row says so under "stopped".
    """
    clock, steps = Clock(), 0
    with Step(student, optimizer, loss, clip_norm, precision, recorded) as step:
        for epoch in range(1, epochs + 1):
            student.train()
            figures = EpochFigures(student, clip_norm)
            for batch in batches:
                numbers = Numbers(learning_rate(steps), temperature(steps), alpha(steps))
                figures.add(batch, numbers, step(batch, numbers))
                steps += 1
                if every and steps % every == 0:
                    row = {**figures.step_row(epoch, steps), "seconds": clock.seconds}
                    with clock.paused():
                        yield row
                    student.train()  # the caller may have measured it meanwhile, in eval mode

            row = figures.epoch_row(epoch, steps)
            finite = figures.tally.is_finite()
            if finite and validation is not None:
                row |= evaluate(student, validation, numbers.temperature, numbers.alpha, precision, loss=loss,
                                dead_units=True)
                finite = math.isfinite(row["val_loss"])
            row["seconds"] = clock.seconds
            if not finite:
                row["stopped"] = DIVERGED.format(**row)
            with clock.paused():
                yield row
            if not finite:
                return


@torch.no_grad()
def evaluate(student: nn.Module, batches: Iterable[Batch], temperature: float = 1.0, alpha: float = 1.0,
             precision: str = "float32", prefix: str = "val", loss: Callable = distillation_terms,
             dead_units: bool = False) -> Row:
    """Measure a student on all batches, in eval mode: columns that begin with `prefix` (history.py).

    Means are over images, not over batches, so that a short last batch does not weigh more.
    dead_units: also the share of the student's ReLU channels that answer to no image of the first batch.
    """
    student.eval()
    device = next(student.parameters()).device
    tally, dead = Tally(device), {}
    for number, (images, labels, teacher_logits) in enumerate(batches):
        counting = counting_dead_units(student, dead) if dead_units and number == 0 else nullcontext()
        with casting(device, precision), counting:
            logits = logits_of(student(images))
        terms = loss(logits, teacher_logits, labels, temperature, alpha)
        tally.add(Tally.of(terms, logits, teacher_logits, labels, temperature), labels, logits.shape[1])
    return {**tally.figures(prefix), **dead}


def keep_best(student: nn.Module, rows: Iterable[Row], patience: int | None = None) -> Iterator[Row]:
    """Pass rows on, mark the best epochs, and leave the student with its best weights however the run ends.

    Best is the highest validation accuracy, then the lowest validation cross-entropy; never a loss, which changes with
    temperature and alpha. patience: stop after so many epochs without a better one.
    """
    best, weights, waited = None, None, 0
    try:
        for row in rows:
            if row["kind"] == EPOCH and row.get("val_accuracy") is not None:
                rank = (row["val_accuracy"], -row["val_hard"])
                row["best"] = "stopped" not in row and (best is None or rank > best)
                if row["best"]:
                    best, waited = rank, 0
                    weights = {name: value.detach().clone() for name, value in student.state_dict().items()}
                else:
                    waited += 1
                if patience is not None and waited >= patience:
                    row.setdefault("stopped", f"No better epoch in {patience}: stopped early, best weights restored.")
            yield row
            if "stopped" in row:
                return
    finally:  # also when the caller leaves its `for`, or is interrupted
        if weights is not None:
            student.load_state_dict(weights)


def train_student_with_distillation(
        student: nn.Module, teacher: nn.Module | None, train_loader: Iterable, val_loader: Iterable,
        num_epochs: int = 10, learning_rate: float = 1e-3, temperature: float | Schedule = 4.0,
        alpha: float | Schedule = 0.7, device: str | torch.device | None = None, *, patience: int | None = 3,
        history: list[Row] | None = None, on_row: Callable[[Row], None] | None = None,
        precision: str = "float32") -> nn.Module:
    """Distil `teacher` into `student` by AdamW, with one epoch of warm-up, cosine decay, clipping and early stopping.

        >>> history = []
        >>> student = train_student_with_distillation(student, teacher, train_loader, val_loader, history=history)
        >>> history[-1]["val_accuracy"]  # a share from 0 to 1
        0.68

    student, teacher: any modules that turn images [N, 3, H, W] into logits [N, C], or into an object with `.logits`.
        The teacher may be None where alpha is 1.
    train_loader, val_loader: DataLoaders of (images, labels int64 [N]); the label of an image without one is -100.
    temperature, alpha: numbers, or functions of the step (0, 1, ...) that return one (schedules.py).
    patience: stop after so many epochs without a better one; None trains all `num_epochs`.
    history: a list to which the epoch rows are added as they are made, so that an interrupted run keeps them.
    on_row: called with each row, to print or draw.

    Returns the student with its best weights loaded, in eval mode; after an interrupt the student has them, too. Warns
    where the loss was no longer finite, and returns the best weights before that. Raises ValueError for bad arguments.
    """
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be 1 or more; got {num_epochs}")
    check_learning_rate(learning_rate)
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be 1 or more, or None; got {patience}")
    if student is teacher:
        raise ValueError("student and teacher are the same module; a student needs weights of its own")
    device = choose_device(device)
    precision = choose_precision(precision, device)
    temperature, alpha = as_schedule(temperature), as_schedule(alpha)
    check_temperature(temperature(0))
    check_alpha(alpha(0))
    frozen = None if teacher is None else Teacher(teacher, device, precision)
    batches = LoaderBatches(train_loader, frozen, device, "train_loader", student)
    validation = LoaderBatches(val_loader, frozen, device, "val_loader", student)
    student.to(device)
    rows = train(student, batches, validation, epochs=num_epochs, optimizer=adamw(student),
                 learning_rate=warmup_cosine(learning_rate, len(batches), len(batches) * num_epochs),
                 temperature=temperature, alpha=alpha, precision=precision)
    with Room(device):
        for row in keep_best(student, rows, patience):
            if history is not None:
                history.append(row)
            if on_row is not None:
                on_row(row)
            if "stopped" in row and not math.isfinite(row.get("val_loss", math.nan)):
                warnings.warn(row["stopped"], RuntimeWarning, stacklevel=2)
    return student.eval()
