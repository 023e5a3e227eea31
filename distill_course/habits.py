"""Habits of training taken away, each a function from the parts of a run to other parts.

`Settings(changes=("no_warmup",))` asks for one; importing this module makes them known.
"""
import math
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from distill_kit.batches import Batch, ViewBatches
from distill_kit.changes import register
from distill_kit.devices import casting
from distill_kit.models import logits_of
from distill_kit.run import Parts
from distill_kit.schedules import constant, cosine, linear, warmup_then
from distill_kit.teachers import Teacher


def no_warmup(parts: Parts) -> Parts:
    """Begin with the highest learning rate."""
    return replace(parts, learning_rate=cosine(parts.peak, 0.0, parts.steps + 1))


def straight_line(parts: Parts) -> Parts:
    """Let the learning rate fall in a straight line, as the article's does although it calls it a cosine."""
    down = linear(parts.peak, 0.0, parts.steps - len(parts.batches) + 1)
    return replace(parts, learning_rate=warmup_then(down, parts.peak, len(parts.batches)))


def constant_rate(parts: Parts) -> Parts:
    """Keep the learning rate at its highest after warm-up."""
    return replace(parts, learning_rate=warmup_then(constant(parts.peak), parts.peak, len(parts.batches)))


def no_clipping(parts: Parts) -> Parts:
    """Leave the gradient as long as it is."""
    return replace(parts, clip_norm=math.inf)


def no_weight_decay(parts: Parts) -> Parts:
    """Set every weight decay to 0."""
    for group in parts.optimizer.param_groups:
        group["weight_decay"] = 0.0
    return parts


def unwrapped(parts: Parts) -> ViewBatches:
    """Return the batches. Raises ValueError where another change has wrapped them already."""
    if not isinstance(parts.batches, ViewBatches):
        raise ValueError("changes must not alter the batches twice; take out one of the changes")
    return parts.batches


def teacher_in_train_mode(parts: Parts) -> Parts:
    """Leave the teacher in train mode: its BatchNorm judges each image by the batch that it happens to be in.

    Raises ValueError where another change alters what the teacher says, for this would take its place.
    """
    asked = parts.batches.batches if isinstance(parts.batches, Curriculum) else unwrapped(parts)
    if "ask_teacher" in vars(asked):
        raise ValueError("changes must not alter what the teacher says twice; take out one of the changes")
    return with_teacher(parts, lambda batch: answer_in_train_mode(parts.kept.teacher, batch.images), watched=False)


def easy_first(parts: Parts) -> Parts:
    """Begin with the images about which the teacher is surest; all of them take part from the middle of the run on."""
    return replace(parts, batches=Curriculum(unwrapped(parts), ease_of(parts), parts.steps // len(parts.batches)))


def hard_first(parts: Parts) -> Parts:
    """Begin with the images about which the teacher is least sure."""
    return replace(parts, batches=Curriculum(unwrapped(parts), -ease_of(parts), parts.steps // len(parts.batches)))


def ease_of(parts: Parts) -> Tensor:
    """Compute the teacher's top probability for each unaugmented image: float [N]."""
    rows = torch.arange(len(parts.batches.labels))
    return parts.kept.take(rows, torch.zeros_like(rows)).float().softmax(1).amax(1).cpu()


class Altered:
    """Batches that are changed on their way to the loop.

    change: a generator function, called anew for each pass: from the batches to what the loop is given.
    """

    def __init__(self, batches, change: Callable[[Iterable[Batch]], Iterator[Batch]]):
        self.batches, self.change = batches, change

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return self.change(self.batches)


def with_teacher(parts: Parts, answer: Callable[[Batch], Tensor], watched: bool = True) -> Parts:
    """Put other logits [N, C] in the teacher's place, in training and (watched) where the student is measured.

    Raises ValueError where nothing is asked of the teacher.
    """
    if getattr(parts.batches, "logits", True) is None:
        raise ValueError("changes must not alter what the teacher says where alpha is 1 throughout: it is not asked")

    def answered(batches: Iterable[Batch]) -> Iterator[Batch]:
        return (batch._replace(teacher_logits=answer(batch).half()) for batch in batches)
    return replace(parts, batches=Altered(parts.batches, answered),
                   watched=Altered(parts.watched, answered) if watched else parts.watched)


@torch.no_grad()
def answer_in_train_mode(teacher: Teacher, images: Tensor) -> Tensor:
    """Logits float16 [N, C] of a teacher that was left in train mode: of a copy, for it moves its statistics."""
    with casting(teacher.device, teacher.precision):
        return logits_of(deepcopy(teacher.module).train()(images)).half()


class Curriculum(Altered):
    """Batches from a share of the images, `ease` [N] highest first: 40 % in the first epoch, all from the middle on."""

    def __init__(self, batches: ViewBatches, ease: Tensor, epochs: int, first: float = 0.4):
        super().__init__(batches, self.easiest)
        self.epochs, self.first, self.epoch = epochs, first, 0
        self.order = batches.rows[ease[batches.rows].argsort(descending=True, stable=True)]

    def easiest(self, batches: ViewBatches) -> Iterator[Batch]:
        """Batches of the next epoch, from its share of the images."""
        share = min(1.0, self.first + (1 - self.first) * self.epoch / max(1, self.epochs // 2))
        self.epoch += 1
        batches.rows = self.order[:max(batches.batch_size, round(share * len(self.order)))]
        yield from batches


for habit in (no_warmup, straight_line, constant_rate, no_clipping, no_weight_decay, teacher_in_train_mode, easy_first,
              hard_first):
    register(habit.__name__, habit)
