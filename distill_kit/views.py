"""Views: discrete augmentation, so that a teacher's answer to an augmented image can be kept and used again.

A view is (flip, dy, dx): mirror the image or not, then move the window by dy rows and dx columns over the image, whose
edges are mirrored outwards. Teacher and student always see the same view of an image ("a good teacher is patient and
consistent", Beyer et al., 2022).
"""
import time
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from .batches import Batch, Teacher
from .devices import send
from .logit_store import LogitStore, addresses

View = tuple[bool, int, int]

PLAIN: tuple[View, ...] = ((False, 0, 0),)
VIEWS: tuple[View, ...] = tuple((flip, dy, dx) for dy, dx in ((0, 0), (1, 2)) for flip in (False, True))
# Every shift of up to four pixels, mirrored every second time: for training teachers, who need not be asked again.
# Steps of 31 through the 81 shifts, so that an image that sees a few of them sees ones that differ.
_SHIFTS = tuple(product(range(-4, 5), repeat=2))
ALL_VIEWS: tuple[View, ...] = tuple((flip, *_SHIFTS[31 * k % 81]) for k in range(81) for flip in (False, True))

ASKED_AT_ONCE = 640  # images: between two moves of a progress bar
TEACHER_BLOCK = 64  # images a pass, always: sums of floats depend on the size of the batch they are made in
GPU_BLOCK = 512     # the same on a GPU, where a pass of 64 takes as long


class ViewBank:
    """All views of some images, one gather away.

    The images lie padded, row by row, plain and mirrored, in one run of bytes. A row of any view is then `3 * width`
    neighbouring bytes, so a batch is a single index_select over overlapping rows, with no arithmetic on pixels.
    """

    def __init__(self, images: Tensor, views: tuple[View, ...] = VIEWS, device: torch.device | str = "cpu"):
        """images: uint8 [N, 3, H, W]."""
        self.views, self.device, self.size = views, torch.device(device), tuple(images.shape[2:])
        self.count = len(images)
        height, width = self.size
        pad = max(max(abs(dy), abs(dx)) for _, dy, dx in views)
        rows, columns = _mirrored(height, pad), _mirrored(width, pad)
        images = images.to(self.device)  # as they are, to be padded there
        padded = images.permute(0, 2, 3, 1)[:, rows][:, :, columns]                 # (N, H + 2 pad, W + 2 pad, 3)
        if any(flip for flip, _, _ in views):
            padded = torch.stack([padded, padded.flip(2)], dim=1)                   # (N, 2, H + 2 pad, W + 2 pad, 3)
        else:
            padded = padded.unsqueeze(1)
        pixels = padded.contiguous().flatten()
        places = pixels.numel() // 3
        self._windows = pixels.as_strided((places - width + 1, 3 * width), (3, 1))  # one that starts at each pixel
        tall, wide = height + 2 * pad, width + 2 * pad
        self._image_step = padded.shape[1] * tall * wide
        starts = [(flip * tall + pad + dy) * wide + pad + dx for flip, dy, dx in views]
        self._view_start = torch.tensor(starts, device=self.device)
        self._row_start = torch.arange(height, device=self.device) * wide

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """Floats 0 to 1, [n, 3, H, W] in channels_last: image `rows[k]` in view `views[k]` (int64 [n], on the CPU)."""
        rows, views = send(rows, self.device), send(views, self.device)
        start = rows * self._image_step + self._view_start[views]                   # (n,)
        windows = (start.unsqueeze(1) + self._row_start).flatten()                  # (n * H,)
        pixels = self._windows.index_select(0, windows)
        return pixels.view(len(rows), *self.size, 3).permute(0, 3, 1, 2).float().div_(255)


class KeptLogits:
    """A teacher's logits by (image, view): made when first needed, then kept in memory as float16 [N, V, C].

    images: the bank's, uint8 [N, 3, H, W]. Given them, logits are also kept on the disk, where the teacher is of the
    kit's family, and found there by a later run (see logit_store.py).
    """

    def __init__(self, teacher: Teacher, bank: ViewBank, count: int, images: Tensor | None = None):
        self.teacher, self.bank = teacher, bank
        self.seconds = 0.0  # spent in the teacher so far
        self._known = torch.zeros(count, len(bank.views), dtype=torch.bool)
        self._values: Tensor | None = None  # its width is known with the first answer
        self._unsaved: list[tuple[Tensor, Tensor]] = []
        self._store = None if images is None else LogitStore.of(teacher, bank.views)
        if self._store is not None:
            self._addresses = addresses(images)
            known, values = self._store.read(self._addresses) or (self._known, None)
            self._known, self._values = known, None if values is None else values.to(bank.device)

    def take(self, rows: Tensor, views: Tensor) -> Tensor:
        """float16 [n, C] on the bank's device."""
        missing = ~self._known[rows, views]
        if missing.any():
            self._make(rows[missing], views[missing])
        return self._values[send(rows, self.bank.device), send(views, self.bank.device)]

    @property
    def known(self) -> float:
        """Share of all answers that are known."""
        return self._known.float().mean().item()

    def complete(self, progress: bool = False) -> None:
        """Ask the teacher for all that is not known yet; progress: with a bar."""
        from tqdm import tqdm
        views, rows = (~self._known).T.nonzero(as_tuple=True)                            # view by view
        with tqdm(total=len(rows), desc="asking the teacher", unit=" images", leave=False, delay=1,
                  disable=not progress) as bar:
            for r, v in zip(rows.split(ASKED_AT_ONCE), views.split(ASKED_AT_ONCE)):
                if len(r):
                    self._make(r, v)
                    bar.update(len(r))
        self.save()

    def __getstate__(self) -> dict:
        """What another process is sent: the answers, and neither the teacher nor the disk."""
        return {**self.__dict__, "teacher": None, "_store": None, "_unsaved": []}

    def _make(self, rows: Tensor, views: Tensor) -> None:
        if self.teacher is None:
            raise RuntimeError("the teacher's answers for some images are missing: call complete() first")
        started = time.perf_counter()
        block = TEACHER_BLOCK if self.bank.device.type == "cpu" else GPU_BLOCK
        for r, v in zip(rows.split(block), views.split(block)):
            fill = torch.arange(block).clamp(max=len(r) - 1)                        # a short block repeats its last
            logits = self.teacher(self.bank.take(r[fill], v[fill]))[: len(r)]
            if self._values is None:
                self._values = logits.new_zeros(*self._known.shape, logits.shape[1])
            self._values[send(r, self.bank.device), send(v, self.bank.device)] = logits
            self._known[r, v] = True
        self.seconds += time.perf_counter() - started
        self._unsaved.append((rows, views))
        if sum(len(rows) for rows, _ in self._unsaved) >= len(self._known):  # as many as one view of all images
            self.save()

    def save(self) -> None:
        """Add to the disk what is not there yet. Without it an ended process loses less than one view of all images."""
        unsaved, self._unsaved = self._unsaved, []
        if self._store is None or not unsaved:
            return
        rows, views = (torch.cat(parts) for parts in zip(*unsaved))
        logits = self.take(rows, views).cpu()
        self._store.add(self._addresses[rows.numpy()], views.numpy(), logits.numpy())


class ViewBatches:
    """Training batches: a new order each epoch, each image in the next of its views; a ragged last batch is dropped.

    Image i shows view (offset_i + passes) mod V, its offset drawn at random. Order and offsets come from `seed` alone.
    steps: batches an epoch where that is not images // batch_size: fewer images are then gone through more often.
    """

    def __init__(self, bank: ViewBank, labels: Tensor, batch_size: int, seed: int,
                 logits: KeptLogits | None = None, steps: int | None = None, rows: Tensor | None = None):
        """labels: int64 [N], one per image of the bank; rows: the images to train on, all where None."""
        self.bank, self.logits = bank, logits
        self.labels = labels.to(bank.device)
        self.rows = torch.arange(len(labels)) if rows is None else rows
        self.batch_size = min(batch_size, len(self.rows))
        self.steps = len(self.rows) // self.batch_size if steps is None else steps
        self.arrange: Callable[[Tensor], Tensor] = lambda order: order  # of the images of a pass, drawn at random
        self.teachers_view = 0                                          # so many views on from the student's
        self._generator = torch.Generator().manual_seed(seed)
        self._offset = torch.randint(len(bank.views), (len(labels),), generator=self._generator)
        self._passes = 0
        self._queue = iter(())

    def __len__(self) -> int:
        return self.steps

    def __iter__(self):
        """One epoch."""
        for _ in range(self.steps):
            rows = next(self._queue, None)
            if rows is None:
                self._queue = self._new_pass()
                rows = next(self._queue)
            views = (self._offset[rows] + self._passes - 1) % len(self.bank.views)
            asked = (views + self.teachers_view) % len(self.bank.views)
            logits = None if self.logits is None else self.logits.take(rows, asked)
            yield Batch(self.bank.take(rows, views), self.labels[send(rows, self.bank.device)], logits)

    def _new_pass(self):
        self._passes += 1
        order = self.arrange(self.rows[torch.randperm(len(self.rows), generator=self._generator)])
        return iter(order[: len(order) // self.batch_size * self.batch_size].split(self.batch_size))


class PlainBatches:
    """All images in their order and as they are, with the teacher's logits: for measuring."""

    def __init__(self, bank: ViewBank, labels: Tensor, logits: KeptLogits | None = None, batch_size: int | None = None):
        self.bank, self.logits = bank, logits
        self.batch_size = batch_size or (256 if bank.device.type == "cpu" else 1_024)
        self.labels = labels.to(bank.device)

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __iter__(self):
        for rows in torch.arange(len(self.labels)).split(self.batch_size):
            views = torch.zeros_like(rows)
            logits = None if self.logits is None else self.logits.take(rows, views)
            yield Batch(self.bank.take(rows, views), self.labels[send(rows, self.bank.device)], logits)


def _mirrored(length: int, pad: int) -> Tensor:
    """Places of a line with its ends mirrored outwards: for length 4 and pad 2: 2 1 0 1 2 3 2 1."""
    places = torch.arange(-pad, length + pad).abs()
    return (length - 1) - ((length - 1) - places).abs()
