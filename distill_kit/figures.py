"""Figures of a row: sums over the images of an epoch, and what is looked at once in it. history.py has the columns.

Everything here is cheap and stays on the device until an epoch is over: reading a figure makes a GPU wait.
"""
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .batches import Batch
from .devices import send
from .history import EPOCH, STEP, Row
from .losses import LossTerms, class_numbers
from .metrics import entropy
from .schedules import Numbers

TRAIN = "train"   # prefix of what is summed while training
TOGETHER = 100_000  # logits of batches that are summed at once
LOOKED_AT = 256     # images, so that the share of dead units does not depend on the size of a batch


class Sums(NamedTuple):
    """Sums over images, in the order in which they lie in a tensor [11]; or a tensor [N] of each image's part."""
    total: float | Tensor            # of the loss
    hard: float | Tensor             # as it enters the total: a batch without any label adds 0
    labelled_hard: float | Tensor    # over labelled images
    soft: float | Tensor
    correct: float | Tensor          # images that the student gets right
    agreed: float | Tensor           # images of which student and teacher say the same; NaN without a teacher
    labelled: float | Tensor         # images with a label
    images: float | Tensor
    teacher_correct: float | Tensor  # NaN without a teacher
    entropy: float | Tensor          # of the student, softened as in the loss
    teacher_entropy: float | Tensor  # NaN without a teacher


class Tally:
    """Sums over images, taken of many batches at once: a call takes as long for a single batch as for all of them.

        >>> tally = Tally()
        >>> tally.add(terms, logits, teacher_logits, labels, temperature=4.0)
        >>> means(tally.sums, "val")["val_accuracy"]
        0.68
    """

    def __init__(self):
        self._waiting, self._summed = [], []

    def add(self, terms: LossTerms, logits: Tensor, teacher_logits: Tensor | None, labels: Tensor,
            temperature: float) -> None:
        """Add a batch: logits [N, C], labels as the loss takes them; all may be overwritten afterwards."""
        kept = (each if each is None else each.clone() for each in (logits, teacher_logits, class_numbers(labels)))
        self._waiting.append((torch.stack(terms), *kept, temperature))
        if len(self._waiting) * logits.numel() >= TOGETHER:
            self._summed, self._waiting = [*self._summed, self._sum()], []

    @property
    def sums(self) -> Sums:
        """The sums so far, the same whoever asked before; on a GPU this waits for them."""
        parts = [*self._summed, *([self._sum()] if self._waiting else [])]
        return Sums(*torch.stack(parts).cpu().double().sum(dim=0).tolist() if parts else [0.0] * len(Sums._fields))

    @torch.no_grad()
    def _sum(self) -> Tensor:
        terms, logits, teacher_logits, labels, temperatures = zip(*self._waiting)
        of = torch.arange(len(labels)).repeat_interleave(torch.tensor([len(each) for each in labels]))
        of, temperature = (send(each, logits[0].device) for each in (of, torch.tensor(temperatures)[of, None]))
        hard, soft, total = torch.stack(terms)[of].T                                  # (N,), each image its batch's
        both = torch.stack([torch.cat(each) for each in (logits, teacher_logits) if each[0] is not None]).float()
        predicted, undecided, labels = both.argmax(dim=2), entropy(both, temperature), torch.cat(labels)  # (1 or 2, N)
        right, labelled, count = predicted == labels, labels >= 0, torch.ones_like(hard)
        agreed, teacher_right, teacher_entropy = [count * torch.nan] * 3 if len(both) == 1 else (
            predicted[0] == predicted[1], right[1], undecided[1])
        return torch.stack(Sums(total, hard, hard * labelled, soft, right[0], agreed, labelled, count, teacher_right,
                                undecided[0], teacher_entropy)).sum(dim=1)


def means(sums: Sums, prefix: str) -> dict[str, float | None]:
    """Means under their column names; None for what needs labels or a teacher where there are none.

    While training the terms are means over batches, as they enter the total, so that they add up to it. On
    validation images the hard term is the mean over labelled images.
    """
    if not sums.images:
        raise ValueError(f"no batch to compute {prefix}_loss from: is the loader empty?")
    taught, labelled = not math.isnan(sums.agreed), sums.labelled > 0
    hard = sums.hard / sums.images if prefix == TRAIN else sums.labelled_hard / max(sums.labelled, 1)
    return {f"{prefix}_loss": sums.total / sums.images, f"{prefix}_hard": hard if labelled else None,
            f"{prefix}_soft": sums.soft / sums.images if taught else None,
            f"{prefix}_accuracy": sums.correct / sums.labelled if labelled else None,
            f"{prefix}_agreement": sums.agreed / sums.images if taught else None,
            f"{prefix}_teacher_accuracy": sums.teacher_correct / sums.labelled if taught and labelled else None,
            f"{prefix}_entropy": sums.entropy / sums.images,
            f"{prefix}_teacher_entropy": sums.teacher_entropy / sums.images if taught else None}


class EpochFigures:
    """Figures of one epoch, gathered step by step. Make it before the first step: it looks at the weights."""

    def __init__(self, student: nn.Module, clip_norm: float):
        self.clip_norm, self.weights = clip_norm, matrices(student)
        self.before = [weight.detach().clone() for weight in self.weights]
        self.tally, self.norms, self.labels = Tally(), [], []

    def add(self, batch: Batch, numbers: Numbers, terms: LossTerms, logits: Tensor, norm: Tensor) -> None:
        """Add what a step on a batch left (step.py)."""
        if not self.norms:
            self.moved = update_ratio(self.before, self.weights)
            self.first = {**{name: value.clone() for name, value in zip(("hard", "soft", "loss"), terms)},
                          "alpha": numbers.alpha, "temperature": numbers.temperature}
            self.taught, self.classes = batch.teacher_logits is not None, logits.shape[1]
        self.norms.append(norm.clone())  # a recorded step writes into the same place again
        self.labels.append(class_numbers(batch.labels).clone())
        self.tally.add(terms, logits, batch.teacher_logits, batch.labels, numbers.temperature)
        self.numbers = numbers

    def step_row(self, epoch: int, steps: int) -> Row:
        """Make a light row: the means so far."""
        return {"kind": STEP, "epoch": epoch, "steps": steps, **self.numbers._asdict(), **means(self.tally.sums, TRAIN)}

    def epoch_row(self, epoch: int, steps: int) -> Row:
        """Make the epoch's row, without what validation adds. Raises ValueError where there was no step."""
        if not self.norms:
            raise ValueError(f"batches must yield a batch in every epoch; epoch {epoch} had none")
        labels = torch.cat(self.labels).cpu().split([len(labels) for labels in self.labels])  # a GPU waits once
        row = {**self.step_row(epoch, steps), "kind": EPOCH, **gradient_figures(self.norms, self.clip_norm),
               "update_ratio": None if self.moved is None else float(self.moved), "classes": self.classes,
               "label_mix": label_mix(labels, self.classes, least=32), "threads": torch.get_num_threads()}
        if epoch == 1:
            row |= {f"first_{name}": float(value) for name, value in self.first.items()}
            row["first_soft"] = row["first_soft"] if self.taught else None
        return row


class Clock:
    """Seconds since it was made, and `behind` before, without those in which it was paused."""

    def __init__(self, behind: float = 0.0):
        self._started = time.perf_counter() - behind

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Open a context whose time does not count."""
        left = time.perf_counter()
        try:
            yield
        finally:
            self._started += time.perf_counter() - left


def label_mix(batches: Sequence[Tensor], classes: int, least: int = 1) -> float | None:
    """Compute how mixed the labels of a batch are, relative to all labels: about 1 where batches are drawn at random.

    It is the mean entropy of the labels in a batch over the entropy of all labels. A small batch shows too little
    entropy; Miller's correction (1955) adds (classes seen - 1) / (2 N), which is too little below some 30 labels.
    least: labels that a batch must have to count. None where no batch does, or with a single class.
    """
    counts = torch.stack([torch.bincount(labels[labels >= 0], minlength=classes) for labels in batches]).double()
    counts = counts[counts.sum(1) >= least]                                                            # (batches, C)
    whole = _corrected_entropy(counts.sum(0))
    return (_corrected_entropy(counts).mean() / whole).item() if whole > 1e-6 else None  # NaN, too, is not above


def _corrected_entropy(counts: Tensor) -> Tensor:
    sizes = counts.sum(-1, keepdim=True)                                                               # (..., 1)
    return torch.special.entr(counts / sizes).sum(-1) + ((counts > 0).sum(-1) - 1) / (2 * sizes.squeeze(-1))


def gradient_figures(norms: list[Tensor], clip_norm: float) -> dict[str, float | None]:
    """Summarise the gradient's norm before clipping: mean, median, largest, and the share of clipped steps."""
    norms = torch.stack(norms).float()
    return {"gradient_norm": norms.mean().item(), "gradient_norm_median": norms.median().item(),
            "gradient_norm_max": norms.max().item(), "clipped": (norms > clip_norm).float().mean().item(),
            "clip_norm": clip_norm if math.isfinite(clip_norm) else None}


def matrices(student: nn.Module) -> list[Tensor]:
    """List the trained weights of two or more dimensions: biases and norms move by rules of their own."""
    return [parameter for parameter in student.parameters() if parameter.requires_grad and parameter.ndim >= 2]


@torch.no_grad()
def update_ratio(before: Sequence[Tensor], after: Sequence[Tensor]) -> Tensor | None:
    """Compute how far a step moved the weights: the norm of the change over the norm before it.

    A scalar on the device: nobody waits for it here.
    """
    if not before:
        return None
    moved = torch.stack([(b - a).norm() for b, a in zip(before, after)]).norm()
    return moved / torch.stack([b.norm() for b in before]).norm().clamp_min(1e-12)                      # ()


@contextmanager
def counting_dead_units(student: nn.Module, figures: dict):
    """Count dead units while the student looks at a batch: channels of nn.ReLU modules that stay at 0.

    Only the first LOOKED_AT images count. At the end `figures["dead_units"]` is the share of such channels; None for a
    student without nn.ReLU modules.
    """
    largest: list[Tensor] = []  # of each call of such a module

    def look(module, _, output):
        output = output[:LOOKED_AT].detach()
        over = [axis for axis in range(output.ndim) if axis != 1]
        largest.append(output.amax(dim=over).flatten() if output.ndim > 1 else output)  # (channels,)
    with ExitStack() as hooks:
        for module in student.modules():
            if isinstance(module, nn.ReLU):
                hooks.enter_context(module.register_forward_hook(look))
        yield
    figures["dead_units"] = (torch.cat(largest) <= 0).float().mean().item() if largest else None
