"""Batches from any DataLoader and any teacher, and a look at what they give before training begins."""
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from operator import length_hint

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from .batches import Batch
from .devices import send
from .losses import check_labels, check_logits, check_numbers
from .models import in_eval_mode, logits_of
from .norms import MEASURED_ON
from .teachers import Teacher

IMAGE_KEYS = ("image", "images", "img", "pixel_values", "x", "input", "inputs")
LABEL_KEYS = ("label", "labels", "target", "targets", "y")


class LoaderBatches:
    """Batches of a DataLoader of (images, labels), or of dicts or longer tuples that hold them.

    len() is what the loader says, until a pass over it has shown another length.
    Raises ValueError for an empty loader, one without a length, and batches that the loop cannot use.
    """

    def __init__(self, loader: Iterable, teacher: Teacher | None, device: torch.device, name: str = "loader"):
        self.loader, self.teacher, self.device, self.name = loader, teacher, device, name
        self.classes: int | None = None  # known once somebody was asked
        self.steps = -1 if isinstance(loader, Iterator) else length_hint(loader, -1)  # len() may say that it has none
        if self.steps < 0:
            raise ValueError(f"{name} must have a length (batches an epoch) and be gone through once an epoch, as a "
                             f"DataLoader is; got a {type(loader).__name__}")
        if not self.steps:
            raise ValueError(f"{name} is empty: it yields no batch. Is batch_size too large (drop_last)?")

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        number = 0
        for number, batch in enumerate(self.loader, start=1):
            self.steps = max(self.steps, number)
            images, labels = pair_of(batch, self.name)
            check_numbers(images, f"the images of {self.name}, batch {number},")
            images = send(images, self.device)
            logits = None if self.teacher is None else self.teacher(images)
            if logits is not None:
                check_numbers(logits, f"the teacher logits for {self.name}, batch {number},")
                self.classes = logits.shape[1]
            if self.classes is not None:  # before the labels move: a GPU is not waited for, and never sees a bad one
                check_labels(labels, len(images), self.classes)
            yield Batch(images, send(labels, self.device), logits)
        self.steps = number

    def look(self, student: nn.Module, trains: bool) -> None:
        """Look at the first batch, and show it to student and teacher. Raises ValueError for what will not do.

        trains: is the student to be trained on these batches?
        """
        with undisturbed(self.loader):
            batch = next(iter(self.loader), None)
        if batch is None:
            raise ValueError(f"{self.name} is empty: it has a length of {self.steps} and yields no batch")
        images, labels = pair_of(batch, self.name)
        check_numbers(images, f"the images of {self.name}, batch 1,")
        few = send(images[:2], self.device)
        with in_eval_mode(student):
            logits = self._asked(student, few, "the student")                                          # (2, C)
            taught = None if self.teacher is None else self._asked(self.teacher, few, "the teacher")
        try:
            check_logits(logits, taught)
            check_labels(labels, len(images), logits.shape[1])
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        self.classes = logits.shape[1]
        if trains and ends_in_one_image(self.loader):
            with torch.random.fork_rng():
                self._asked(deepcopy(student).train(), few[:1], "its last batch has only one (drop_last=True leaves "
                            "it out), and the student")

    @torch.no_grad()
    def _asked(self, model: Callable[[Tensor], object], images: Tensor, who: str) -> Tensor:
        try:
            return logits_of(model(images))
        except Exception as error:  # of somebody's network
            raise ValueError(f"{self.name} yields images {images.dtype} [N, {', '.join(map(str, images.shape[1:]))}]; "
                             f"{who} cannot take them: {(str(error) or repr(error)).splitlines()[0].rstrip('.')}."
                             f"{hint_for(images)}") from error

    def images(self) -> Iterator[Tensor]:
        """Yield batches of images [N, 3, H, W] as training sees them, until there were MEASURED_ON of them."""
        seen = 0
        with undisturbed(self.loader):
            for batch in self.loader:
                images, _ = pair_of(batch, self.name)
                yield send(images, self.device)
                seen += len(images)
                if seen >= MEASURED_ON:
                    return


def pair_of(batch, name: str) -> tuple[Tensor, Tensor]:
    """Get images and labels from what a loader yields: a pair, a longer tuple that begins with them, or a dict.

    Raises ValueError, naming the loader, for anything else.
    """
    pair = batch[:2] if isinstance(batch, list | tuple) else ()
    if isinstance(batch, Mapping):
        pair = [batch[key] for keys in (IMAGE_KEYS, LABEL_KEYS) for key in [key for key in keys if key in batch][:1]]
    if len(pair) != 2 or not all(isinstance(each, Tensor) for each in pair):
        raise ValueError(f"{name} must yield (images, labels), both tensors, or a dict with one of the keys "
                         f"{', '.join(IMAGE_KEYS)} and one of {', '.join(LABEL_KEYS)}; got {in_words(batch)}")
    return tuple(pair)


def in_words(batch) -> str:
    """Name the types of what a loader yields."""
    if isinstance(batch, Mapping):
        return "a dict of " + ", ".join(f"{key}: {type(value).__name__}" for key, value in batch.items())
    kinds = [type(each).__name__ for each in batch] if isinstance(batch, list | tuple) else []
    return f"a {type(batch).__name__}" + (f" of {', '.join(kinds[:5])}" if kinds else "")


def hint_for(images: Tensor) -> str:
    """Say what a network that cannot take images mostly wants."""
    if images.dtype != torch.float32:
        return " Most networks want float32, 0 to 1: v2.ToDtype(torch.float32, scale=True)."
    if images.ndim == 4 and images.shape[3] in (1, 3, 4) and images.shape[1] not in (1, 3, 4):
        return " Most networks want the channels first: images.permute(0, 3, 1, 2)."
    return ""


def ends_in_one_image(loader: Iterable) -> bool:
    """Say whether the last batch of a DataLoader holds a single image. False where the loader does not say."""
    if not isinstance(loader, DataLoader) or loader.batch_size is None or isinstance(loader.dataset, IterableDataset):
        return False
    return loader.batch_size == 1 or (len(loader.sampler) % loader.batch_size == 1 and not loader.drop_last)


@contextmanager
def undisturbed(loader: Iterable):
    """Open a context in which a DataLoader may be iterated and draws the same order again afterwards."""
    generators = {getattr(each, "generator", None) for each in (loader, getattr(loader, "sampler", None))} - {None}
    with torch.random.fork_rng(devices=[]), ExitStack() as afterwards:
        for generator in generators:
            afterwards.callback(generator.set_state, generator.get_state())
        yield
