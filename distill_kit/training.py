"""The training loop, once: a generator that yields a row of figures an epoch and owns nothing but training."""
import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from .batches import Batch, LoaderBatches, Teacher
from .devices import casting, choose_device, choose_precision, numbers_on
from .history import EPOCH, STEP
from .losses import LossTerms, check_alpha, check_logits, check_teacher, check_temperature, distillation_terms
from .models import logits_of
from .neighbours import Room
from .optimizers import adamw
from .recording import Recorded
from .schedules import Schedule, as_schedule, warmup_cosine
from .signals import Tally, counting_dead_units, gradient_figures, matrices, update_ratio

CLIP_NORM = 1.0
FLOAT16_SCALE = 2.0**10  # lifts small gradients above what float16 rounds to 0; used in float16 alone


def train(student: nn.Module, batches: Iterable[Batch], validation: Iterable[Batch] | None, *, epochs: int,
          optimizer: torch.optim.Optimizer, learning_rate: Schedule, temperature: Schedule, alpha: Schedule,
          clip_norm: float = CLIP_NORM, every: int | None = None, precision: str = "float32",
          loss: Callable = distillation_terms, recorded: bool = False) -> Iterator[dict]:
    """Train `student` in place; yield a row an epoch (columns: see history.py) and a light one every `every` steps.

    batches, validation: iterated once an epoch, of `Batch`, already on the student's device. The schedules are asked at
    each step (0, 1, 2, ...). Leave the `for` at any row to stop; the caller's time there is not counted. A loss that is
    not finite ends the run: the last row then says so under "stopped". Without a teacher's logits (cross-entropy alone)
    alpha must be 1. loss: another one than the kit's, with the arguments and the LossTerms of `distillation_terms`.
    recorded: on a GPU, play a recording of the step from its second time on, many times as fast. Student and loss must
    then do the same work each time: no Python in them that depends on values, or on chance of its own.
    """
    parameters = [parameter for parameter in student.parameters() if parameter.requires_grad]
    device = parameters[0].device
    scaler = torch.amp.GradScaler(device.type, init_scale=FLOAT16_SCALE, enabled=precision == "float16")

    def learn(images: Tensor, labels: Tensor, teacher_logits: Tensor | None, rate, t, a) -> tuple:
        """One step on a batch: the terms of its loss, its logits [N, C], the gradient's norm before clipping, and
        what the tally adds up."""
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("lr_ratio", 1.0)
        with casting(device, precision):
            logits = logits_of(student(images))                                      # (N, C)
        check_logits(logits, teacher_logits)
        terms = loss(logits, teacher_logits, labels, t, a)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(terms.total).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, clip_norm)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)  # again: a gradient would keep a recording's memory
        terms, logits = LossTerms(*(term.detach() for term in terms)), logits.detach()
        return terms, logits, norm, Tally.of(terms, logits, teacher_logits, labels, t)
    weights, first = matrices(student), {}
    step, started = 0, time.perf_counter()
    once = recorded and device.type == "cuda" and not scaler.is_enabled()  # a scaler waits for the device
    with Recorded(learn) if once else nullcontext(learn) as learn:
        for epoch in range(1, epochs + 1):
            student.train()
            tally, norms = Tally(device), []
            for images, labels, teacher_logits in batches:
                rate, t, a = learning_rate(step), temperature(step), alpha(step)
                check_temperature(t), check_alpha(a), check_teacher(teacher_logits, a)
                rate_there, t_there, a_there = numbers_on(device, rate, t, a)
                before = None if norms else [weight.detach().clone() for weight in weights]
                terms, logits, norm, sums = learn(images, labels, teacher_logits, rate_there, t_there, a_there)
                norms.append(norm.clone())  # a recorded step writes into the same place again
                if before is not None:
                    moved = update_ratio(before, weights)
                if not step:
                    first = {**{name: value.clone() for name, value in zip(("hard", "soft", "loss"), terms)},
                             "alpha": a, "temperature": t}

                step += 1
                tally.add(sums, labels, logits.shape[1])
                if every and step % every == 0:
                    row = {"kind": STEP, "epoch": epoch, "steps": step, "learning_rate": rate, "alpha": a,
                           "temperature": t, **tally.figures("train"), "seconds": time.perf_counter() - started}
                    left = time.perf_counter()
                    yield row
                    started += time.perf_counter() - left
                    student.train()  # the caller may have measured it meanwhile, in eval mode

            if not norms:
                raise ValueError(f"batches must yield a batch in every epoch; epoch {epoch} had none")
            row = {"kind": EPOCH, "epoch": epoch, "steps": step, "learning_rate": rate, "alpha": a, "temperature": t,
                   **tally.figures("train"), **gradient_figures(norms, clip_norm),
                   "update_ratio": None if moved is None else float(moved), "label_mix": tally.label_mix(),
                   "classes": logits.shape[1], "threads": torch.get_num_threads()}
            if epoch == 1:
                row |= {f"first_{name}": float(value) for name, value in first.items()}
                row["first_soft"] = None if teacher_logits is None else row["first_soft"]
            finite = tally.is_finite()
            if finite and validation is not None:
                row |= evaluate(student, validation, t, a, precision, loss=loss, dead_units=True)
                finite = math.isfinite(row["val_loss"])
            row["seconds"] = time.perf_counter() - started
            if not finite:
                row["stopped"] = (f"The loss is no longer a finite number (epoch {epoch}, learning rate {rate:.2g}). "
                                  "Lower the learning rate and train again.")
            left = time.perf_counter()
            yield row
            started += time.perf_counter() - left
            if not finite:
                return


@torch.no_grad()
def evaluate(student: nn.Module, batches: Iterable[Batch], temperature: float = 1.0, alpha: float = 1.0,
             precision: str = "float32", prefix: str = "val", loss: Callable = distillation_terms,
             dead_units: bool = False) -> dict:
    """Loss with its terms, accuracy and agreement with the teacher over all batches, in eval mode.

    Means over images, not over batches, so that a short last batch does not weigh more. dead_units: also the share of
    the student's ReLU channels that answer to no image of the first batch.
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


def keep_best(student: nn.Module, rows: Iterable[dict], patience: int | None = None) -> Iterator[dict]:
    """Pass rows on, mark the best epochs, and leave the student with its best weights however the run ends.

    Best is the highest validation accuracy, then the lowest validation cross-entropy: never a loss that changes with
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
        history: list[dict] | None = None, on_row: Callable[[dict], None] | None = None,
        precision: str = "float32") -> nn.Module:
    """Distil `teacher` into `student`: AdamW, one epoch of warm-up, cosine decay, clipping at 1.0, early stopping.

    student, teacher: any modules that turn images into logits [N, C], or into an object with `.logits`. The teacher may
        be None where alpha is 1.
    train_loader, val_loader: DataLoaders of (images, labels); an image without a label has -100.
    temperature, alpha: numbers, or schedules from the step (0, 1, ...) to a number (see schedules.py).
    patience: stop after so many epochs without a better one; None trains all `num_epochs`.
    history: a list to which the epoch rows are added as they are made, so that an interrupted run keeps them.
    on_row: called with each row, to print or draw.

    Returns the student with its best weights loaded, in eval mode; it has them also after an interrupt. Warns where
    the loss was no longer finite, and returns the best weights before that. Raises ValueError for bad arguments.
    """
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be 1 or more; got {num_epochs}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0; got {learning_rate}")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be 1 or more, or None; got {patience}")
    if student is teacher:
        raise ValueError("student and teacher are the same module; a student needs weights of its own")
    device = choose_device(device)
    precision = choose_precision(precision, device)
    temperature, alpha = as_schedule(temperature), as_schedule(alpha)
    check_temperature(temperature(0)), check_alpha(alpha(0))
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
