"""One whole run: from settings to a trained student, its history and its figures."""
import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from .batches import Batch, PlainBatches, ViewBatches
from .changes import change_of
from .data.imageset import Dataset, ImageSet, class_number, keep_labels, leave_out, subset, with_label_noise
from .devices import choose_device, choose_precision
from .history import EPOCH, Row, best_row, save_history
from .kept_logits import KeptLogits
from .losses import distillation_terms
from .memory import keep_freed_memory
from .metrics import accuracy, answers, balanced_accuracy, share_in_top
from .models import STUDENTS, ConvNet, make_model, whitening_stem
from .neighbours import Room, next_with
from .optimizers import OPTIMIZERS
from .schedules import Schedule, from_to, warmup_cosine
from .settings import Settings
from .teachers import Teacher
from .training import CLIP_NORM, keep_best, train
from .views import PLAIN, VIEWS, View, ViewBank
from .weights import save_model

FEW_STEPS = 5  # an epoch: with fewer, the norms' statistics are measured anew before a student is judged (norms.py)
# After each epoch so many of the validation images are looked at, where there are many (CIFAR-10 has 5,000): a tenth of
# a run's time, and enough. Of fewer images than FEW all are.
WATCHED, FEW = 1_250, 2_000


class Materials:
    """What runs on the same images share: the images in all their views, and the teacher's logits for them.

        >>> materials = Materials.of(settings, dataset, teacher)

    Build it once and hand it to many runs: the teacher is asked once for each image and view.
    training, validation, test: the images. watched: batches of validation images, measured after each epoch.
    """

    def __init__(self, dataset: Dataset, teacher: nn.Module, *, images: int = 5_000, data_seed: int = 0,
                 leave_out_class: str | None = None, device: str | None = None, precision: str = "auto",
                 views: tuple[View, ...] = VIEWS):
        """images: drawn from the data set's pool, by data_seed. Raises ValueError for more than there are."""
        keep_freed_memory()
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.drawn = images, data_seed, leave_out_class
        if images > len(dataset.pool):
            raise ValueError(f"images must be at most {len(dataset.pool):,}, the training pool of {dataset.name}; "
                             f"got {images:,}")
        training = subset(dataset.pool, images, data_seed)
        self.training = leave_out(training, leave_out_class) if leave_out_class is not None else training
        if not len(self.training):
            raise ValueError(f"leaving out {leave_out_class!r} leaves none of {images} images; ask for more images")
        # Not the data set itself: the rest of its pool is 120 MB that no run looks at.
        self.name, self.validation, self.test = dataset.name, dataset.validation, dataset.test
        watched = dataset.validation[: WATCHED if len(dataset.validation) >= FEW else None]
        frozen = Teacher(teacher, self.device, self.precision)
        self.bank = ViewBank(self.training.images, views, self.device)
        self.logits = KeptLogits(frozen, self.bank, len(self.training), self.training.images)
        plain = ViewBank(watched.images, PLAIN, self.device)
        self.watched = PlainBatches(plain, watched.labels, KeptLogits(frozen, plain, len(watched), watched.images))

    @classmethod
    def of(cls, settings: Settings, dataset: Dataset, teacher: nn.Module) -> "Materials":
        """Build the materials that these settings ask for."""
        return cls(dataset, teacher, images=settings.images, data_seed=settings.data_seed,
                   leave_out_class=settings.leave_out, device=settings.device, precision=settings.precision)

    @functools.cached_property
    def stem(self) -> dict[str, Tensor]:
        """The first layer of every student that learns from these images."""
        return whitening_stem(self.training.images)

    def complete(self, training: bool = True, progress: bool = False) -> None:
        """Ask the teacher for all that a run can need; training=False: only for what is watched."""
        self.watched.logits.complete(progress)
        if training:
            self.logits.complete(progress)

    @property
    def teacher_seconds(self) -> float:
        """Seconds that the teacher has been at work so far."""
        return self.logits.seconds + self.watched.logits.seconds


@dataclass(frozen=True, eq=False)
class Parts:
    """What `training.train` is given, and what it was made from. Changes (changes.py) alter them."""
    student: nn.Module
    batches: ViewBatches
    optimizer: torch.optim.Optimizer
    learning_rate: Schedule
    temperature: Schedule
    alpha: Schedule
    peak: float                 # of the learning rate
    steps: int                  # in all
    kept: KeptLogits            # of the teacher, and the teacher itself
    watched: Iterable[Batch]    # validation images, measured after each epoch
    clip_norm: float = CLIP_NORM
    loss: Callable = distillation_terms


class Run:
    """One student's training: iterate over `rows()`, then ask for the `report()`.

        >>> run = Run(settings, Materials.of(settings, load_dataset(), teacher))
        >>> for row in run.rows():
        ...     print(row["epoch"], row["val_accuracy"])
        >>> run.report()["test_accuracy"]
        0.716

    student: the network, trained in place. history: the epoch rows so far. best: rank and weights of the
    best of them. parts: what the loop is given, changes made;
    batches: the batches as they were before. room: knows how many cores other programs take.
    """

    def __init__(self, settings: Settings, materials: Materials):
        """Device and precision are those of the materials.

        Raises ValueError where the materials hold other images than the settings ask for.
        """
        if settings.drawn != materials.drawn:
            raise ValueError("settings must ask for the images of the materials: images, data_seed and leave_out are "
                             f"{settings.drawn} and {materials.drawn}. Make materials with Materials.of.")
        self.settings, self.materials = settings, materials
        self.history: list[Row] = []
        self.best: dict = {}
        self.training = prepared_labels(materials.training, settings)
        self.batches = ViewBatches(
            materials.bank, self.training.labels, settings.batch_size, settings.seed,
            logits=None if settings.labels_only else materials.logits,
            steps=max(1, len(self.training) // settings.batch_size),
            # Without a teacher an image without a label teaches nothing.
            rows=(self.training.labels >= 0).nonzero().squeeze(1) if settings.labels_only else None)
        self.student = self.fresh_student()
        self.parts = self._parts()
        self.threads = settings.threads or torch.get_num_threads()
        self.room = Room(materials.device, self.threads)
        self.teacher_seconds, self.began = 0.0, False

    def rows(self, every: int | None = None, folder: Path | str | None = None) -> Iterator[Row]:
        """Train, once: yield a row an epoch and a light row every `every` steps. `seconds` leaves the teacher out.

        folder: gets the history after every epoch and the student at the end, whichever way the run ends. A run that is
        to go on after it was killed is trained by `resumable` (checkpoints.py).
        """
        if self.began:
            raise RuntimeError("this run has been trained; make another Run of the same settings")
        parts, materials, before = self.parts, self.materials, self.materials.teacher_seconds
        self.began = True
        rows = train(parts.student, parts.batches, parts.watched, epochs=self.settings.epochs,
                     optimizer=parts.optimizer, learning_rate=parts.learning_rate, temperature=parts.temperature,
                     alpha=parts.alpha, clip_norm=parts.clip_norm, every=every, precision=materials.precision,
                     recorded=True, loss=parts.loss, plain=None if len(parts.batches) >= FEW_STEPS
                     else lambda: (batch.images for batch in PlainBatches(materials.bank, self.training.labels)),
                     after=self.history[-1] if self.history else None)
        rows = keep_best(self.student, rows, best=self.best)
        try:
            with self.room, contextlib.closing(rows):
                while (row := next_with(self.threads, rows)) is not None:
                    self.teacher_seconds = materials.teacher_seconds - before
                    row["seconds"] -= self.teacher_seconds
                    if row["kind"] == EPOCH:
                        self.history.append(row)
                        if folder is not None:
                            about = {**asdict(self.settings), "source": self.training.source}
                            save_history(Path(folder, "history.jsonl"), about, self.history)
                    yield row
        finally:
            materials.logits.save()
            materials.watched.logits.save()
            if folder is not None and self.history:
                card = {"settings": asdict(self.settings), "data": self.training.source,
                        "classes": list(self.training.classes)}
                save_model(self.student, Path(folder, "student.safetensors"), card, half=False)
            elif folder is not None:
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()  # only where it is empty: a run given up before its first row leaves nothing

    def report(self) -> dict:
        """Compute the run's figures. Call it once: it reads the test images, but not where the run diverged.

        Keys: val_accuracy and test_accuracy (shares from 0 to 1, of all images), val_balanced_accuracy and
        test_balanced_accuracy (means over the classes), seconds (training and validation), teacher_seconds,
        images_per_second, precision, best_epoch, epochs_done. With a class left out: rank2_left_out, the share of its
        test images for which the student ranks it first or second. Where the run diverged: stopped, which says why.

        Raises RuntimeError where no epoch is finished yet.
        """
        if not self.history:
            raise RuntimeError("the run has no figures yet: no epoch is finished")
        materials, rows, precision = self.materials, self.history, self.materials.precision
        validation = answers(self.student, materials.validation, materials.device, precision)
        labels, seconds = materials.validation.labels, rows[-1]["seconds"]
        figures = {"val_accuracy": accuracy(validation, labels), "test_accuracy": None, "seconds": seconds,
                   "val_balanced_accuracy": balanced_accuracy(validation, labels), "precision": precision,
                   "teacher_seconds": self.teacher_seconds, "best_epoch": best_row(rows)["epoch"], "epochs_done":
                   rows[-1]["epoch"], "images_per_second": rows[-1]["steps"] * self.batches.batch_size / seconds}
        if "stopped" in rows[-1]:
            return {**figures, "stopped": rows[-1]["stopped"]}  # a failed run is no reason to look at the test images
        test = answers(self.student, materials.test, materials.device, precision)
        figures |= {"test_accuracy": accuracy(test, materials.test.labels),
                    "test_balanced_accuracy": balanced_accuracy(test, materials.test.labels)}
        if self.settings.leave_out is not None:
            number = class_number(materials.test.classes, self.settings.leave_out)
            figures["rank2_left_out"] = share_in_top(test, materials.test.labels, number, 2)
        return figures

    def fresh_student(self) -> ConvNet:
        """Make the student as it is before the first step."""
        architecture = STUDENTS[self.settings.student].fitted(self.training)
        return make_model(architecture, self.training.images, self.settings.seed,
                          self.materials.stem).to(self.materials.device)

    def _parts(self) -> Parts:
        """Put together what the loop is given: the kit's recipe, and the changes that the settings ask for."""
        settings, steps = self.settings, self.settings.epochs * len(self.batches)
        parts = Parts(
            self.student, self.batches, OPTIMIZERS[settings.optimizer](self.student),
            learning_rate=warmup_cosine(settings.learning_rate, len(self.batches), steps),
            temperature=from_to(settings.temperature, settings.final_temperature, steps, settings.schedule),
            alpha=from_to(settings.alpha, settings.final_alpha, steps, settings.schedule),
            peak=settings.learning_rate, steps=steps, kept=self.materials.logits, watched=self.materials.watched)
        for name in settings.changes:
            parts = change_of(name)(parts)
        return parts


def prepared_labels(images: ImageSet, settings: Settings) -> ImageSet:
    """Give the training images the labels that the student is shown: some drawn at random, some taken away."""
    if settings.label_noise:
        images = with_label_noise(images, settings.label_noise, settings.seed)
    if settings.labelled is not None:
        images = keep_labels(images, settings.labelled, settings.data_seed)
        if settings.labels_only and not settings.labelled:
            raise ValueError("labelled must be 1 or more where alpha is 1: without labels and teacher nothing is left")
    return images
