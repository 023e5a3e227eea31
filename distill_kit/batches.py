"""Batches that already carry the teacher's logits, so that the loop need not know where they come from."""
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .devices import send
from .kept_logits import KeptLogits
from .views import ViewBank


class Batch(NamedTuple):
    """Images, their labels, and what the teacher says of just these images."""
    images: Tensor                  # float [N, 3, H, W], what the student sees
    labels: Tensor                  # int64 [N], -100 where not known
    teacher_logits: Tensor | None   # float16 [N, C], of the same view of the same images; None without a teacher


class ViewBatches:
    """Training batches: a new order in each pass, each image in the next of its views; a ragged last batch is dropped.

    Image i shows view (offset_i + passes) mod V, its offset drawn at random. Order and offsets come only from `seed`.
    steps: batches an epoch, images // batch_size where None; with more of them the images are gone through again.
    """

    def __init__(self, bank: ViewBank, labels: Tensor, batch_size: int, seed: int,
                 logits: KeptLogits | None = None, steps: int | None = None, rows: Tensor | None = None):
        """labels: int64 [N], one per image of the bank. rows: the images to train on, all where None."""
        self.bank, self.logits, self.labels = bank, logits, labels.to(bank.device)
        self.rows = torch.arange(len(labels)) if rows is None else rows
        self.batch_size = min(batch_size, len(self.rows))
        self.steps = len(self.rows) // self.batch_size if steps is None else steps
        self._generator = torch.Generator().manual_seed(seed)
        self._offset = send(torch.randint(len(bank.views), (len(labels),), generator=self._generator), bank.device)
        self._passes, self._queue = 0, []  # the queue: batches of this pass that are still to come

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for rows in self.epoch():
            views = (self._offset[rows] + self._passes - 1) % len(self.bank.views)
            yield Batch(self.bank.take(rows, views), self.labels[rows], self.ask_teacher(rows, views))

    def epoch(self) -> Iterator[Tensor]:
        """Yield the rows of the batches of one epoch, int64 [n] on the bank's device; who wants no images asks here."""
        for _ in range(self.steps):
            if not self._queue:
                self._passes += 1
                order = send(self.draw_order(), self.bank.device)  # whole: a copy a batch would keep a GPU waiting
                self._queue = list(order[: len(order) // self.batch_size * self.batch_size].split(self.batch_size))
            yield self._queue.pop(0)

    def draw_order(self) -> Tensor:
        """Draw the order of the next pass: int64, every row once."""
        return self.rows[torch.randperm(len(self.rows), generator=self._generator)]

    def ask_teacher(self, rows: Tensor, views: Tensor) -> Tensor | None:
        """Fetch the teacher's logits for image `rows[k]` in view `views[k]`, float16 [n, C]; None without a teacher."""
        return None if self.logits is None else self.logits.take(rows, views)


class PlainBatches:
    """Batches of all images in their order and as they are, with the teacher's logits: for measuring."""

    def __init__(self, bank: ViewBank, labels: Tensor, logits: KeptLogits | None = None, batch_size: int | None = None):
        self.bank, self.logits = bank, logits
        self.batch_size = batch_size or (256 if bank.device.type == "cpu" else 1_024)
        self.labels = labels.to(bank.device)

    def __iter__(self):
        for rows in torch.arange(len(self.labels), device=self.bank.device).split(self.batch_size):
            views = torch.zeros_like(rows)
            logits = None if self.logits is None else self.logits.take(rows, views)
            yield Batch(self.bank.take(rows, views), self.labels[rows], logits)
