"""Loops that are timed: the kit's own, and the article's."""
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from distill_kit.data.imageset import ImageSet
from distill_kit.devices import casting
from distill_kit.losses import distillation_terms
from distill_kit.optimizers import adamw
from distill_kit.run import Run
from distill_kit.schedules import constant
from distill_kit.training import CLIP_NORM, train, validate

ARTICLE_IMAGES, EPOCHS = 512, 2


class Kit:
    """The kit's own loop on kept logits, and the bare step that it is held against."""

    def __init__(self, run: Run):
        self.run, self.student, self.optimizer = run, run.student, run.parts.optimizer
        self.device, self.precision = run.materials.device, run.materials.precision
        self.batch = next(iter(run.batches))
        self.loop(run.materials.watched)  # warm

    def bare_step(self) -> float:
        """Seconds an image of stem, forward, loss, backward, clipping, step, with the same batch again and again."""
        def step() -> None:
            self.optimizer.zero_grad()
            self._loss(self._logits()).backward()
            self._update()
        return self._clock(step, EPOCHS * len(self.run.batches)) / len(self.batch.labels)

    def loop(self, validation: Iterable | None = None) -> float:
        """Time the kit's loop, with validation where batches for it are given: seconds an image."""
        rows = train(self.student, self.run.batches, validation, epochs=EPOCHS, optimizer=self.optimizer,
                     learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1),
                     precision=self.precision)
        return self._clock(lambda: list(rows), 1) / (EPOCHS * len(self.run.batches) * len(self.batch.labels))

    def parts(self) -> Iterator[tuple[str, float]]:
        """Seconds a step of the parts of a step, each alone; and of the validation after an epoch."""
        rows, materials = torch.arange(len(self.batch.labels)), self.run.materials
        views = torch.zeros_like(rows)
        yield "gather", self._clock(lambda: (materials.bank.take(rows, views), materials.logits.take(rows, views)))
        logits = self._logits().detach().requires_grad_()
        yield "loss", self._clock(lambda: self._loss(logits).backward())
        self._loss(self._logits()).backward()
        yield "optimizer", self._clock(self._update)
        yield "validation", self._clock(
            lambda: validate(self.student, materials.watched, 4.0, 0.1, self.precision), times=1)

    def _logits(self) -> Tensor:
        with casting(self.device, self.precision):
            return self.student.train()(self.batch.images)

    def _loss(self, logits: Tensor) -> Tensor:
        return distillation_terms(logits, self.batch.teacher_logits, self.batch.labels, 4.0, 0.1).total

    def _update(self) -> None:
        nn.utils.clip_grad_norm_(self.student.parameters(), CLIP_NORM)
        self.optimizer.step()

    def _clock(self, work: Callable, times: int = 20) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / times


def pictures_loader(images: ImageSet, transform: Callable, batch_size: int, **options) -> DataLoader:
    """Put images behind a DataLoader as most code has them: PIL images, transformed one by one."""
    from torchvision.transforms.functional import to_pil_image
    pairs = list(zip(map(to_pil_image, images.images[:1_000]), images.labels.tolist()))
    return DataLoader(pairs, batch_size, generator=torch.Generator().manual_seed(0), collate_fn=lambda batch: (
        default_collate([(transform(picture), label) for picture, label in batch])), **options)


def article_loops(run: Run) -> dict[str, Callable[[], float]]:
    """Make the loop that the kit's article describes, with the images and models of a run, in float32.

    Image transforms in a DataLoader, the teacher on every batch and in validation as well, `.item()` on every step;
    AdamW, clipping, a scheduler a step.

    Returns functions that give seconds a training image: without validation, and with the image's share of it.
    """
    from torchvision import transforms
    images, size, device = run.materials.training, run.settings.batch_size, run.materials.device
    augmented = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(),
                                    transforms.ToTensor()])
    training = pictures_loader(images, augmented, size, shuffle=True, drop_last=True)
    validation = pictures_loader(images, transforms.ToTensor(), size)
    validation_share = len(run.materials.watched.labels) / len(images)
    teacher, student = run.materials.logits.teacher.module.eval(), run.fresh_student()
    optimizer = adamw(student)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)

    def seconds(loader: DataLoader, trains: bool) -> float:
        count, started = 0, time.perf_counter()
        student.train(trains)
        for pictures, labels in islice(loader, max(1, ARTICLE_IMAGES // size)):
            pictures, labels = pictures.to(device), labels.to(device)
            with torch.no_grad():
                teacher_logits = teacher(pictures)
            with torch.set_grad_enabled(trains):
                logits = student(pictures)
                loss = distillation_terms(logits, teacher_logits, labels, 4.0, 0.7).total
            if trains:
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(student.parameters(), CLIP_NORM)
                optimizer.step()
                scheduler.step()
            else:
                (logits.argmax(dim=1) == labels).sum().item()
            loss.item()
            count += len(pictures)
        return (time.perf_counter() - started) / count
    return {"article_loop": lambda: seconds(training, trains=True),
            "article_loop_with_validation": lambda: seconds(training, trains=True)
            + validation_share * seconds(validation, trains=False)}
