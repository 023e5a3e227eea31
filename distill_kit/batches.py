"""Batches that already carry the teacher's logits, so that the loop need not know where they come from."""
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .devices import casting, send
from .losses import check_labels
from .models import logits_of


class Batch(NamedTuple):
    images: Tensor                  # float [N, 3, H, W], what the student sees
    labels: Tensor                  # int64 [N], -100 where not known
    teacher_logits: Tensor | None   # float16 [N, C], of the same view of the same images; None without a teacher


class Teacher:
    """A trained network that only answers. The one place where eval mode, no gradient and rounding are seen to.

    Its logits are rounded to float16 before their first use, so that kept and fresh ones are equal.
    """

    def __init__(self, module: nn.Module, device: torch.device | str = "cpu", precision: str = "float32"):
        self.device, self.precision = torch.device(device), precision
        self.module = module.to(self.device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """images float [N, 3, H, W] -> float16 [N, C]."""
        self.module.to(self.device).eval()  # each time: whoever else holds the module may have moved or switched it
        with casting(self.device, self.precision):
            return logits_of(self.module(images)).half()


class LoaderBatches:
    """Any DataLoader of (images, labels), any teacher module: the teacher answers for each batch anew.

    student: where there is no teacher, asked once in eval mode for the number of classes, so that labels are checked.
    Raises ValueError for an empty loader, one without a length, batches that are not pairs, and labels out of range.
    """

    def __init__(self, loader: Iterable, teacher: Teacher | None, device: torch.device, name: str = "loader",
                 student: nn.Module | None = None):
        self.loader, self.teacher, self.device, self.name, self.student = loader, teacher, device, name, student
        self.classes: int | None = None
        try:
            self.steps = len(loader)
        except TypeError:
            raise ValueError(f"{name} must have a length (batches an epoch); a {type(loader).__name__} has none"
                             ) from None
        if not self.steps:
            raise ValueError(f"{name} is empty: it yields no batch. "
                             "Is batch_size larger than the data set (drop_last)?")

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        for pair in self.loader:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise ValueError(f"{self.name} must yield (images, labels); got {type(pair).__name__}")
            images, labels = pair
            images = send(images, self.device)
            logits = None if self.teacher is None else self.teacher(images)
            if self.classes is None:
                self.classes = self._classes(images, logits)
            if self.classes is not None:  # before the labels move: a GPU is not waited for, and never sees a bad one
                check_labels(labels, len(images), self.classes)
            yield Batch(images, send(labels, self.device), logits)

    @torch.no_grad()
    def _classes(self, images: Tensor, logits: Tensor | None) -> int | None:
        if logits is not None:
            return logits.shape[1]
        if self.student is None:
            return None
        training = self.student.training
        logits = logits_of(self.student.eval()(images[:1]))                                    # (1, C)
        self.student.train(training)
        return logits.shape[1]
