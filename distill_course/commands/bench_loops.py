"""Loops that are timed: the kit's own, and the article's."""
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor, nn

from distill_kit.batches import ViewBatches
from distill_kit.data.imageset import ImageSet
from distill_kit.devices import casting
from distill_kit.losses import distillation_terms
from distill_kit.models import STUDENTS, make_model
from distill_kit.optimizers import OPTIMIZERS, adamw
from distill_kit.run import Materials, Run
from distill_kit.schedules import constant
from distill_kit.settings import Settings
from distill_kit.teachers import Teacher
from distill_kit.training import CLIP_NORM, train, validate

ARTICLE_IMAGES, EPOCHS = 512, 2


class Kit:
    """The kit's own loop on kept logits, and the bare step that it is held against."""

    def __init__(self, settings: Settings, materials: Materials):
        self.settings, self.materials = settings, materials
        self.run = Run(settings, materials)
        self.optimizer = OPTIMIZERS[settings.optimizer](self.run.student)
        self.batch = next(iter(ViewBatches(materials.bank, materials.training.labels, settings.batch_size, 0,
                                           materials.logits)))
        self.validated_epoch()  # warm

    def bare_step(self) -> float:
        """Seconds an image of stem, forward, loss, backward, clipping, step, with the same batch again and again."""
        def step() -> None:
            self.optimizer.zero_grad(set_to_none=True)
            self._loss().backward()
            self._update()
        return self._clock(step, EPOCHS * len(self.run.batches)) / self.settings.batch_size

    def epoch(self) -> float:
        """Time the kit's loop without validation: seconds an image."""
        return self._loop(None)

    def validated_epoch(self) -> float:
        """Time the kit's loop with validation: seconds an image."""
        return self._loop(self.materials.watched)

    def parts(self) -> Iterator[tuple[str, float]]:
        """Seconds a step of the parts of a step, each alone; and of the validation after an epoch."""
        rows, views = torch.arange(self.settings.batch_size), torch.zeros(self.settings.batch_size, dtype=torch.int64)
        student, batch, materials = self.run.student.train(), self.batch, self.materials
        yield "gather", self._clock(lambda: (materials.bank.take(rows, views), materials.logits.take(rows, views)))
        with casting(materials.device, materials.precision):
            logits = student(batch.images).detach().requires_grad_()
        yield "loss", self._clock(lambda: distillation_terms(logits, batch.teacher_logits, batch.labels, 4.0, 0.1)
                                  .total.backward())
        self._loss().backward()
        yield "optimizer", self._clock(self._update)
        yield "validation", self._clock(lambda: validate(student, materials.watched, 4.0, 0.1, materials.precision),
                                        times=1)

    def _loss(self) -> Tensor:
        student = self.run.student.train()
        with casting(self.materials.device, self.materials.precision):
            logits = student(self.batch.images)
        return distillation_terms(logits, self.batch.teacher_logits, self.batch.labels, 4.0, 0.1).total

    def _update(self) -> None:
        nn.utils.clip_grad_norm_(self.run.student.parameters(), CLIP_NORM)
        self.optimizer.step()

    def _loop(self, validation) -> float:
        rows = train(self.run.student, self.run.batches, validation, epochs=EPOCHS, optimizer=self.optimizer,
                     learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1),
                     precision=self.materials.precision)
        return self._clock(lambda: list(rows), 1) / (EPOCHS * len(self.run.batches) * self.settings.batch_size)

    def _clock(self, work: Callable, times: int = 20) -> float:
        started = time.perf_counter()
        for _ in range(times):
            work()
        if self.materials.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / times


class Pictures(torch.utils.data.Dataset):
    """Images behind a DataLoader as most code has them: PIL images, transformed one by one."""

    def __init__(self, images: ImageSet, transform: Callable):
        from torchvision.transforms.functional import to_pil_image
        self.pictures = [to_pil_image(image) for image in images.images[:1_000]]
        self.labels, self.transform = images.labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[place]), self.labels[place]


class ArticleLoop:
    """The loop that the kit's article describes, with the kit's two models, in float32.

    Image transforms in a DataLoader, the teacher on every batch and in validation as well, `.item()` on every step;
    AdamW, clipping, a scheduler a step. watched: validation images after each epoch.
    """

    def __init__(self, images: ImageSet, watched: int, teacher: nn.Module, settings: Settings):
        from torchvision import transforms
        transform = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(),
                                        transforms.ToTensor()])
        self.loader = torch.utils.data.DataLoader(Pictures(images, transform), settings.batch_size, shuffle=True,
                                                  generator=torch.Generator().manual_seed(0), drop_last=True)
        self.batches = max(1, ARTICLE_IMAGES // settings.batch_size)
        self.validation_share = watched / len(images)
        self.validation = torch.utils.data.DataLoader(Pictures(images, transforms.ToTensor()), settings.batch_size)
        self.device = torch.device(settings.device)
        shape = STUDENTS[settings.student].fitted(images)
        self.student = make_model(shape, images.images).to(self.device)
        self.teacher = Teacher(teacher, self.device).module.eval()
        self.optimizer = adamw(self.student)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)

    def run(self) -> float:
        """Seconds a training image, without validation."""
        return self._pass(self.loader, trains=True)

    def validated_run(self) -> float:
        """Seconds a training image, with its share of the validation that follows an epoch."""
        return self.run() + self.validation_share * self._pass(self.validation, trains=False)

    def _pass(self, loader: Iterable, trains: bool) -> float:
        count, started = 0, time.perf_counter()
        self.student.train(trains)
        for images, labels in islice(loader, self.batches):
            images, labels = images.to(self.device), labels.to(self.device)
            with torch.no_grad():
                teacher_logits = self.teacher(images)
            with torch.set_grad_enabled(trains):
                logits = self.student(images)
                loss = distillation_terms(logits, teacher_logits, labels, 4.0, 0.7).total
            if trains:
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.student.parameters(), CLIP_NORM)
                self.optimizer.step()
                self.scheduler.step()
            else:
                (logits.argmax(dim=1) == labels).sum().item()
            loss.item()
            count += len(images)
        return (time.perf_counter() - started) / count
