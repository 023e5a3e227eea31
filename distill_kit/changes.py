"""Habits of training taken away, one at a time: each a function from the parts of a run to other parts.

The loop knows of none. `Settings(changes=("no_warmup",))` asks for one.
"""
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .batches import Batch
from .devices import casting
from .losses import distillation_terms
from .models import logits_of
from .schedules import Schedule, constant, cosine, linear, warmup_then
from .training import CLIP_NORM
from .views import KeptLogits, ViewBatches


@dataclass(frozen=True, eq=False)
class Parts:
    """What `training.train` is given, and what it was made from."""
    student: nn.Module
    batches: ViewBatches
    optimizer: torch.optim.Optimizer
    learning_rate: Schedule
    temperature: Schedule
    alpha: Schedule
    peak: float                 # of the learning rate
    steps: int                  # in all
    kept: KeptLogits            # what the teacher says, and the teacher itself
    watched: Iterable[Batch]    # the validation images that are looked at after each epoch
    clip_norm: float = CLIP_NORM
    loss: Callable = distillation_terms

    @property
    def epoch_steps(self) -> int:
        return len(self.batches)


def no_warmup(parts: Parts) -> Parts:
    """The learning rate begins at its highest."""
    return replace(parts, learning_rate=cosine(parts.peak, 0.0, parts.steps + 1))


def straight_line(parts: Parts) -> Parts:
    """The learning rate falls in a straight line, as the article's does although it calls it a cosine."""
    down = linear(parts.peak, 0.0, parts.steps - parts.epoch_steps + 1)
    return replace(parts, learning_rate=warmup_then(down, parts.peak, parts.epoch_steps))


def constant_rate(parts: Parts) -> Parts:
    """The learning rate stays at its highest after warm-up."""
    return replace(parts, learning_rate=warmup_then(constant(parts.peak), parts.peak, parts.epoch_steps))


def no_clipping(parts: Parts) -> Parts:
    return replace(parts, clip_norm=math.inf)


def no_weight_decay(parts: Parts) -> Parts:
    for group in parts.optimizer.param_groups:
        if "weight_decay" in group:
            group["weight_decay"] = 0.0
    return parts


def teacher_in_train_mode(parts: Parts) -> Parts:
    """The teacher answers in train mode: its BatchNorm judges each image by the batch that it happens to be in."""
    return replace(parts, batches=AnsweredAnew(parts.batches, parts.kept))


def easy_first(parts: Parts) -> Parts:
    """A curriculum: the images about which the teacher is surest first, all of them from the middle of the run on."""
    return replace(parts, batches=Curriculum(parts.batches, ease_of(parts), parts.steps // parts.epoch_steps))


def hard_first(parts: Parts) -> Parts:
    return replace(parts, batches=Curriculum(parts.batches, -ease_of(parts), parts.steps // parts.epoch_steps))


def ease_of(parts: Parts) -> Tensor:
    """Of each image, [N]: the teacher's highest probability for it as it is."""
    rows = torch.arange(len(parts.batches.labels))
    return parts.kept.take(rows, torch.zeros_like(rows)).float().softmax(1).amax(1).cpu()


class AnsweredAnew:
    """Batches for which a teacher in train mode answers; its own statistics are put back in the end."""

    def __init__(self, batches: ViewBatches, kept: KeptLogits):
        self.batches, self.teacher = batches, kept.teacher

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        module = self.teacher.module
        kept = {name: value.clone() for name, value in module.state_dict().items()}
        try:
            for images, labels, _ in self.batches:
                module.train()
                with torch.no_grad(), casting(self.teacher.device, self.teacher.precision):
                    logits = logits_of(module(images)).half()
                yield Batch(images, labels, logits)
        finally:
            module.load_state_dict(kept)
            module.eval()


class Curriculum:
    """Batches from a share of the images, `ease` [N] highest first: 40 % in the first epoch, all from the middle on."""

    def __init__(self, batches: ViewBatches, ease: Tensor, epochs: int, first: float = 0.4):
        self.batches, self.epochs, self.first, self.epoch = batches, epochs, first, 0
        self.order = batches.rows[ease[batches.rows].argsort(descending=True, stable=True)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        share = min(1.0, self.first + (1 - self.first) * self.epoch / max(1, self.epochs // 2))
        self.epoch += 1
        self.batches.rows = self.order[:max(self.batches.batch_size, round(share * len(self.order)))]
        yield from self.batches


CHANGES: dict[str, Callable[[Parts], Parts]] = {change.__name__: change for change in (
    no_warmup, straight_line, constant_rate, no_clipping, no_weight_decay, teacher_in_train_mode, easy_first,
    hard_first)}
