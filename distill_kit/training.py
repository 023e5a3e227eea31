"""The training loop: a generator that yields a row of figures an epoch and owns nothing but training."""
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from copy import deepcopy

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .batches import Batch
from .devices import casting, choose_device, choose_precision
from .figures import Clock, EpochFigures, Tally, counting_dead_units, means
from .history import EPOCH, Row
from .loaders import LoaderBatches
from .losses import check_alpha, check_teacher, check_temperature, distillation_terms
from .models import logits_of
from .neighbours import Room
from .norms import frozen_norms, measure_anew, stale_norms, train_mode
from .optimizers import Optimizer, adamw, optimizer_of
from .progress import training_bar
from .schedules import Numbers, Schedule, as_schedule, check_learning_rate, check_whole, warmup_cosine
from .step import Step
from .teachers import Teacher, check_apart

CLIP_NORM = 1.0
DIVERGED = ("The loss is no longer a finite number (epoch {epoch}, learning rate {learning_rate:.2g}), although images "
            "and teacher logits were. Lower the learning rate and train again.")


def train(student: nn.Module, batches: Iterable[Batch], validation: Iterable[Batch] | None, *, epochs: int,
          optimizer: torch.optim.Optimizer, learning_rate: Schedule, temperature: Schedule, alpha: Schedule,
          clip_norm: float = CLIP_NORM, every: int | None = None, precision: str = "float32",
          loss: Callable = distillation_terms, recorded: bool = False,
          plain: Callable[[], Iterable[Tensor]] | None = None, after: Row | None = None) -> Iterator[Row]:
    """Train `student` in place; yield a row an epoch (columns: history.py) and a light one every `every` steps.

        >>> for row in train(student, batches, validation, epochs=8, optimizer=adamw(student),
        ...                  learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1)):
        ...     print(row["epoch"], row["val_accuracy"])

    batches, validation: iterated once an epoch; `Batch`es on the student's device.
    learning_rate, temperature, alpha: functions of the step (0, 1, 2, ...). Without teacher logits alpha must be 1.
    loss: called as `distillation_terms` is, and returns LossTerms as it does.
    recorded: replay a recording of the step on a GPU; see step.Step for what that asks of loss and student.
    plain: gives batches of training images, on which stale statistics are measured anew (norms.py); None leaves them
        as they are.
    after: the row of the epoch that lies behind, where a run that began before goes on; `epochs` counts from its start.
    Frozen layers and norms stay as they are.

    Leave the `for` at any row to stop; the time that you spend there is not counted. A loss that is not finite ends the
    run, and the last row says so under "stopped".
    """
    behind = after or {"epoch": 0, "steps": 0, "seconds": 0.0}
    clock, steps, frozen = Clock(behind["seconds"]), behind["steps"], frozen_norms(student)
    with closing(Step(student, optimizer, loss, clip_norm, precision, recorded)) as step:
        for epoch in range(behind["epoch"] + 1, epochs + 1):
            train_mode(student, frozen)
            figures, before = EpochFigures(student, clip_norm), steps
            for batch in batches:
                numbers = Numbers(learning_rate(steps), temperature(steps), alpha(steps))
                figures.add(batch, numbers, *step(batch, numbers))
                steps += 1
                if every and steps % every == 0:
                    row = {**figures.step_row(epoch, steps), "seconds": clock.seconds}
                    with clock.paused():
                        yield row
                    train_mode(student, frozen)  # the caller may have measured it meanwhile, in eval mode

            row = figures.epoch_row(epoch, steps)
            finite = math.isfinite(row["train_loss"])
            if finite and plain and (stale := stale_norms(student, steps - before)):
                with casting(step.device, precision):
                    measure_anew(student, stale, plain())
            if finite and validation is not None:
                row |= validate(student, validation, numbers.temperature, numbers.alpha, precision, loss=loss,
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
def validate(student: nn.Module, batches: Iterable[Batch], temperature: float = 1.0, alpha: float = 1.0,
             precision: str = "float32", loss: Callable = distillation_terms, dead_units: bool = False) -> Row:
    """Measure a student on all batches, in eval mode: columns that begin with val_ (history.py).

    Means are over images, not over batches, so that a short last batch does not weigh more.
    dead_units: also the share of the student's ReLU channels that answer to no image of the first batch.
    """
    student.eval()
    device = next(student.parameters()).device
    tally, dead = Tally(), {}
    for number, (images, labels, teacher_logits) in enumerate(batches):
        counting = counting_dead_units(student, dead) if dead_units and number == 0 else nullcontext()
        with casting(device, precision), counting:
            logits = logits_of(student(images))
        terms = loss(logits, teacher_logits, labels, temperature, alpha)
        tally.add(terms, logits, teacher_logits, labels, temperature)
    return {**means(tally.sums, "val"), **dead}


def keep_best(student: nn.Module, rows: Iterable[Row], patience: int | None = None,
              best: dict | None = None) -> Iterator[Row]:
    """Pass rows on, mark the best epochs, and leave the student with its best weights however the run ends.

    Best is the highest validation accuracy, then the lowest validation cross-entropy; never a loss, which changes with
    temperature and alpha. Where no epoch was measured the student keeps its last weights; its first ones where those
    are no longer finite. patience: stop after so many epochs without a better one. best: gets the `rank` of the
    best epoch and the student's `weights` after it; those of a run that goes on are in it.
    """
    best, waited, first = {} if best is None else best, 0, deepcopy(student.state_dict())
    try:
        for row in rows:
            if row["kind"] == EPOCH and row.get("val_accuracy") is not None:
                rank = (row["val_accuracy"], -row["val_hard"])
                row["best"] = "stopped" not in row and rank > best.get("rank", ())
                waited = 0 if row["best"] else waited + 1
                if row["best"]:
                    best.update(rank=rank, weights=deepcopy(student.state_dict()))  # with versions: some ask for them
                if patience is not None and waited >= patience:
                    row.setdefault("stopped", f"No better epoch in {patience}: stopped early, best weights restored.")
            yield row
            if "stopped" in row:
                return
    finally:  # also when the caller leaves its `for`, or is interrupted
        values = *student.parameters(), *student.buffers()
        if "weights" in best or not all(value.isfinite().all() for value in values):
            student.load_state_dict(best.get("weights", first))


def train_student_with_distillation(
        student: nn.Module, teacher: nn.Module | Sequence[nn.Module] | None, train_loader: Iterable,
        val_loader: Iterable, num_epochs: int = 10, learning_rate: float | Schedule = 1e-3,
        temperature: float | Schedule = 4.0, alpha: float | Schedule = 0.7, device: str | torch.device | None = None, *,
        patience: int | None = 3, history: list[Row] | None = None, on_row: Callable[[Row], None] | None = None,
        precision: str = "float32", optimizer: Optimizer = adamw, progress: bool = True) -> nn.Module:
    """Distil `teacher` into `student` by AdamW, with one epoch of warm-up, cosine decay, clipping and early stopping.

        >>> history = []
        >>> student = train_student_with_distillation(student, teacher, train_loader, val_loader, history=history)
        >>> history[-1]["val_accuracy"]  # a share from 0 to 1
        0.68

    student, teacher: any modules that turn images [N, 3, H, W] into logits [N, C]: a tensor, an object with `.logits`,
        or a tuple that begins with either. Of several teachers the student is shown the mean logits. The teacher may be
        None where alpha is 1. What is frozen in the student stays as it is.
    train_loader, val_loader: DataLoaders of (images, labels), further things left out, or of dicts with the usual keys.
        Labels are int64 [N], -100 for an image without one, or probabilities, float [N, C].
    learning_rate: the highest; or a function of the step (0, 1, ...) that takes the place of warm-up and cosine.
    temperature, alpha: numbers, or functions of the step that return one (schedules.py). alpha weighs the labels. 0.7
        is the article's; it leans on them and asks less of the teacher. The kit's own runs (`Settings`) have 0.1, which
        was better with a good teacher that sees what the student sees (notebook 03).
    patience: stop after so many epochs without a better one; None trains all `num_epochs`.
    history: a list to which the epoch rows are added as they are made, so that an interrupted run keeps them.
    on_row: called with each row, to print or draw.
    optimizer: a torch optimizer of the student's parameters, whose learning rates are then the highest ones; or a
        function that makes one of the student.
    progress: a line on standard error, for what takes more than a second.

    Returns the student with its best weights loaded, in eval mode; after an interrupt the student has them, too. Warns
    where the loss was no longer finite, and returns the best weights before that. Raises ValueError for bad arguments,
    and for images or teacher logits that are no finite numbers.
    """
    check_whole("num_epochs", num_epochs, 1)
    check_whole("patience", 1 if patience is None else patience, 1)
    if not isinstance(student, nn.Module):
        raise ValueError(f"student must be a torch.nn.Module; got {type(student).__name__}")
    device = choose_device(device)
    precision = choose_precision(precision, device)
    temperature, alpha = as_schedule(temperature), as_schedule(alpha)
    check_temperature(temperature(0))
    check_alpha(alpha(0))
    frozen = None if teacher is None else Teacher(teacher, device, precision)
    check_teacher(frozen, alpha(0))
    if frozen is not None:
        check_apart(student, frozen.module)
    optimizer, peak = optimizer_of(student.to(device), optimizer, learning_rate)
    if not callable(learning_rate):
        check_learning_rate(learning_rate)
    batches = LoaderBatches(train_loader, frozen, device, "train_loader")
    validation = LoaderBatches(val_loader, frozen, device, "val_loader")
    batches.look(student, trains=True)
    validation.look(student, trains=False)

    def rate(step: int) -> float:  # the loader may turn out to have another length than it says
        return warmup_cosine(peak, len(batches), len(batches) * num_epochs)(step)
    rows = train(student, batches, validation, epochs=num_epochs, optimizer=optimizer,
                 learning_rate=learning_rate if callable(learning_rate) else rate, temperature=temperature, alpha=alpha,
                 every=max(1, len(batches) // 10), precision=precision, plain=batches.images)
    with Room(device), training_bar(num_epochs * len(batches), "training the student", progress) as follow:
        for row in keep_best(student, rows, patience):
            follow(row)
            if row["kind"] == EPOCH:
                if history is not None:
                    history.append(row)
                if on_row is not None:
                    on_row(row)
                remark_on(row, progress)
    return student.eval()


def remark_on(row: Row, shown: bool) -> None:
    """Say what an epoch shows that its figures do not. Raises ValueError where nothing can be learnt.

    shown: may ordinary things be said as well?
    """
    if row["epoch"] == 1 and row["train_accuracy"] is None and row["alpha"] == 1:
        raise ValueError("train_loader must have labels where alpha is 1; all are -100, so that nothing was learnt")
    if "stopped" in row and not math.isfinite(row.get("val_loss", math.nan)):
        warnings.warn(row["stopped"], RuntimeWarning, stacklevel=3)
    elif "stopped" in row and shown:
        tqdm.write(row["stopped"], file=sys.stderr)
    elif row["epoch"] == 1 and row["val_accuracy"] is None:
        warnings.warn("val_loader has no labels (all are -100): no epoch is the best, so the student keeps its last "
                      "weights, and it is not stopped early.", RuntimeWarning, stacklevel=3)
