"""One whole run: from settings to a trained student, its history and its figures."""
import contextlib
import functools
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import nn

from .batches import Teacher
from .changes import CHANGES, Parts
from .data.imageset import (Dataset, ImageSet, class_number, keep_labels, leave_out, subset, with_label_noise)
from .devices import choose_device, choose_precision, keep_freed_memory
from .diagnosis.faults import FAULTS, STRENGTHS
from .history import EPOCH, best_row, save_history
from .losses import check_alpha, check_temperature
from .models import STUDENTS, ConvNet, Stem, make_model, whitening_stem
from .neighbours import Load, Room, announced, choose_threads, next_with
from .openmp import cores
from .optimizers import OPTIMIZERS
from .schedules import SHAPES, from_to, warmup_cosine
from .teachers import accuracy, answers, share_in_top
from .training import keep_best, train
from .views import PLAIN, VIEWS, KeptLogits, PlainBatches, View, ViewBank, ViewBatches
from .weights import save_model

DEFAULT_EPOCHS, QUICK_EPOCHS = 14, 8
WATCHED_SHARE = 0.4  # of the validation images are looked at after each epoch (2,000 of CIFAR-10's 5,000)


@dataclass(frozen=True)
class Settings:
    """All that makes a run what it is. The defaults are the default run; epochs=8 makes it the quick one."""
    data: str = "auto"
    images: int = 5_000             # training images, drawn from the pool
    epochs: int = DEFAULT_EPOCHS    # of images // batch_size steps each
    temperature: float = 4.0
    final_temperature: float | None = None
    alpha: float = 0.1              # weight of the hard term; 1 is cross-entropy alone
    final_alpha: float | None = None
    schedule: str = "linear"        # how alpha and temperature go to their final values
    learning_rate: float = 1e-2     # at its highest, after one epoch of warm-up; AdamW's (see optimizers.Muon)
    batch_size: int = 256
    optimizer: str = "muon"         # or "adamw", as the article has it: batch_size=64 suits it better
    label_noise: float = 0.0        # share of labels drawn at random
    labelled: int | None = None     # so many images keep their label, the others enter the soft term alone
    leave_out: str | None = None    # a class the student never sees
    student: str = "default"
    seed: int = 0                   # weights, batch order, view offsets, noise
    data_seed: int = 0              # which training images
    device: str | None = None
    precision: str = "auto"
    threads: int | None = None      # of the CPU; None: those that are best as busy as the machine is
    changes: tuple[str, ...] = ()   # names from changes.py: habits to leave out
    fault: str | None = None        # a name from diagnosis/faults.py; what the fault needs is set with it
    fault_strength: str = "clear"   # mild, clear or gross

    def __post_init__(self):
        if self.fault is not None:
            if self.fault not in FAULTS:
                near = "".join(f" Did you mean {name!r}?" for name in get_close_matches(self.fault, FAULTS, n=1))
                raise ValueError(f"fault must be one of {', '.join(FAULTS)}; got {self.fault!r}.{near}")
            if self.fault_strength not in STRENGTHS:
                raise ValueError(f"fault_strength must be {', '.join(STRENGTHS)}; got {self.fault_strength!r}")
            for name, value in FAULTS[self.fault].settings_for(self.fault_strength).items():
                object.__setattr__(self, name, value)
        for name in ("temperature", "final_temperature"):
            if (value := getattr(self, name)) is not None:
                check_temperature(value)
        for name in ("alpha", "final_alpha"):
            if (value := getattr(self, name)) is not None:
                check_alpha(value)
        for name in ("images", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")
        if self.threads is not None and not 1 <= self.threads <= cores():
            raise ValueError(f"threads must be 1 to {cores()}, the cores at hand, or None; got {self.threads}")
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"learning_rate must be a finite number above 0; got {self.learning_rate}")
        if not 0 <= self.label_noise <= 1:
            raise ValueError(f"label_noise must be 0 to 1; got {self.label_noise}")
        for name, known in (("student", STUDENTS), ("schedule", SHAPES), ("optimizer", OPTIMIZERS)):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        for name in self.changes:
            if name not in CHANGES:
                raise ValueError(f"changes must be of {', '.join(CHANGES)}; got {name!r}")

    @property
    def labels_alone(self) -> bool:
        """Does the teacher have no say at all?"""
        return self.alpha == 1 and self.final_alpha in (None, 1)


class Materials:
    """What runs on the same images share: the images in all their views, and what the teacher says of them.

    Build it once and hand it to many runs: the teacher is asked once for each image and view.
    """

    def __init__(self, dataset: Dataset, teacher: nn.Module, *, images: int = 5_000, data_seed: int = 0,
                 leave_out_class: str | None = None, device: str | None = None, precision: str = "auto",
                 views: tuple[View, ...] = VIEWS):
        keep_freed_memory()
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.drawn = (images, data_seed, leave_out_class)
        if images > len(dataset.pool):
            raise ValueError(f"images must be at most {len(dataset.pool):,}, the training pool of {dataset.name}; "
                             f"got {images:,}")
        training = subset(dataset.pool, images, data_seed)
        self.training = leave_out(training, leave_out_class) if leave_out_class is not None else training
        if not len(self.training):
            raise ValueError(f"leaving out {leave_out_class!r} leaves none of {images} images; ask for more images")
        self.dataset = replace(dataset, pool=self.training)  # the rest of the pool is 120 MB that no run looks at
        watched = dataset.validation[: max(1, round(WATCHED_SHARE * len(dataset.validation)))]
        frozen = Teacher(teacher, self.device, self.precision)
        self.bank = ViewBank(self.training.images, views, self.device)
        self.logits = KeptLogits(frozen, self.bank, len(self.training), self.training.images)
        plain = ViewBank(watched.images, PLAIN, self.device)
        self._watched_logits = KeptLogits(frozen, plain, len(watched), watched.images)
        self.watched = PlainBatches(plain, watched.labels, self._watched_logits)

    @classmethod
    def of(cls, settings: Settings, dataset: Dataset, teacher: nn.Module) -> "Materials":
        return cls(dataset, teacher, images=settings.images, data_seed=settings.data_seed,
                   leave_out_class=settings.leave_out, device=settings.device, precision=settings.precision)

    @functools.cached_property
    def stem(self) -> Stem:
        """The first layer of every student that learns from these images."""
        return whitening_stem(self.training.images)

    def complete(self, training: bool = True, progress: bool = False) -> None:
        """Ask the teacher for all that a run can need; training=False: only for what is watched."""
        self._watched_logits.complete(progress)
        if training:
            self.logits.complete(progress)

    def save_logits(self) -> None:
        """Keep what the teacher has said on the disk, for later runs."""
        self.logits.save(), self._watched_logits.save()

    @property
    def teacher_seconds(self) -> float:
        """Seconds in which the teacher has been at work so far."""
        return self.logits.seconds + self._watched_logits.seconds


class Run:
    """One student's training: `for row in run.rows(): ...`, then `run.report()`.

    student: the network, trained in place; history: the epoch rows so far. With a `folder`, the history is written
    there after every epoch and the student at the end, whichever way the run ends.
    """

    def __init__(self, settings: Settings, materials: Materials, folder: Path | None = None, load: Load | None = None):
        """load: begun when the run was asked for, so that nobody waits for a look at what else the machine does."""
        asked = (settings.images, settings.data_seed, settings.leave_out)
        if asked != materials.drawn:
            raise ValueError("settings must ask for the images of the materials: images, data_seed and leave_out are "
                             f"{asked} in one and {materials.drawn} in the other. Make materials with Materials.of.")
        self.settings, self.materials, self.folder = settings, materials, folder
        self.history: list[dict] = []
        self.training = prepared_labels(materials.training, settings)
        self.batches = ViewBatches(
            materials.bank, self.training.labels, settings.batch_size, settings.seed,
            logits=None if settings.labels_alone else materials.logits,
            steps=max(1, len(self.training) // settings.batch_size),
            # Without a teacher an image without a label teaches nothing.
            rows=(self.training.labels >= 0).nonzero().squeeze(1) if settings.labels_alone else None)
        self.student = self.fresh_student()
        self.used: Parts | None = None  # what the loop was given, once it has begun
        self.load = Load() if load is None else load
        self.teacher_seconds = 0.0

    def rows(self, every: int | None = None) -> Iterator[dict]:
        """Train; a row an epoch, light rows every `every` steps in between. `seconds` leaves the teacher's time out."""
        before = self.materials.teacher_seconds
        self.choice = choice = choose_threads(self.settings.threads, self.load, self.student, self.materials.bank,
                                              self.materials.precision)
        self.began = time.perf_counter(), time.process_time()
        parts = self.used = self.parts()
        rows = train(parts.student, parts.batches, parts.watched, epochs=self.settings.epochs,
                     optimizer=parts.optimizer, learning_rate=parts.learning_rate, temperature=parts.temperature,
                     alpha=parts.alpha, clip_norm=parts.clip_norm, every=every, precision=self.materials.precision,
                     recorded=self.settings.optimizer != "sgd",  # torch's reads the rate, and waits for the device
                     loss=parts.loss)
        rows = keep_best(self.student, rows)
        try:
            with announced(), Room(self.materials.device, choice.taken, choice.threads), contextlib.closing(rows):
                while (row := next_with(choice.threads, rows)) is not None:
                    self.teacher_seconds = self.materials.teacher_seconds - before
                    row["seconds"] += choice.seconds - self.teacher_seconds
                    if choice.seconds:  # others were at work: so the threads were chosen
                        row["cores_taken"] = choice.taken
                    if row["kind"] == EPOCH:
                        self.history.append(row)
                        self._save_history()
                    yield row
        finally:
            self.materials.save_logits()
            if self.folder is not None and self.history:
                save_model(self.student, self.folder / "student.safetensors",
                           {"settings": asdict(self.settings), "data": self.training.source,
                            "classes": list(self.training.classes)}, half=False)

    @property
    def cores_used(self) -> float:
        """The cores that this process has had since the training began, in the mean."""
        began, worked = self.began
        return (time.process_time() - worked) / (time.perf_counter() - began)

    def parts(self) -> Parts:
        """What the loop is given: the course's recipe, but for the changes that the settings ask for."""
        settings, steps = self.settings, self.settings.epochs * len(self.batches)
        parts = Parts(
            self.student, self.batches, OPTIMIZERS[settings.optimizer](self.student),
            learning_rate=warmup_cosine(settings.learning_rate, len(self.batches), steps),
            temperature=from_to(settings.temperature, settings.final_temperature, steps, settings.schedule),
            alpha=from_to(settings.alpha, settings.final_alpha, steps, settings.schedule),
            peak=settings.learning_rate, steps=steps, kept=self.materials.logits, watched=self.materials.watched)
        for name in settings.changes:
            parts = CHANGES[name](parts)
        if settings.fault is not None:
            fault = FAULTS[settings.fault]
            parts = fault.apply(parts, fault.level(settings.fault_strength))
        return parts

    def report(self) -> dict:
        """The run's figures. Reads the test images: once, when all is decided, and not at all if the run diverged.

        Raises RuntimeError where no epoch is finished yet.
        """
        if not self.history:
            raise RuntimeError("the run has no figures yet: no epoch is finished")
        dataset, rows = self.materials.dataset, self.history
        device, precision = self.materials.device, self.materials.precision
        validation = answers(self.student, dataset.validation, device, precision).float()
        figures = {
            "val_accuracy": accuracy(validation, dataset.validation.labels), "test_accuracy": None,
            "seconds": rows[-1]["seconds"], "teacher_seconds": self.teacher_seconds,
            "images_per_second": rows[-1]["steps"] * self.batches.batch_size / rows[-1]["seconds"],
            "precision": precision, "best_epoch": best_row(rows)["epoch"], "epochs_done": rows[-1]["epoch"]}
        if "stopped" in rows[-1]:
            return {**figures, "stopped": rows[-1]["stopped"]}  # a failed run is no reason to look at the test images
        test = answers(self.student, dataset.test, device, precision).float()
        figures["test_accuracy"] = accuracy(test, dataset.test.labels)
        if self.settings.leave_out is not None:
            number = class_number(dataset.test.classes, self.settings.leave_out)
            figures["rank2_left_out"] = share_in_top(test, dataset.test.labels, number, 2)
        return figures

    def fresh_student(self) -> ConvNet:
        """The student as it is before the first step."""
        classes, size = len(self.training.classes), self.training.images.shape[-1]
        architecture = replace(STUDENTS[self.settings.student], num_classes=classes, image_size=size)
        return make_model(architecture, self.training.images, self.settings.seed,
                          self.materials.stem).to(self.materials.device)

    def _save_history(self) -> None:
        if self.folder is not None:
            save_history(self.folder / "history.jsonl", {**asdict(self.settings), "source": self.training.source},
                         self.history)


def prepared_labels(images: ImageSet, settings: Settings) -> ImageSet:
    """The training images with the labels that the student is shown: some drawn at random, some taken away."""
    if settings.label_noise:
        images = with_label_noise(images, settings.label_noise, settings.seed)
    if settings.labelled is not None:
        images = keep_labels(images, settings.labelled, settings.data_seed)
        if settings.labels_alone and not settings.labelled:
            raise ValueError("labelled must be 1 or more where alpha is 1: without labels and teacher nothing is left")
    return images


def new_run_folder(settings: Settings, parent: Path | str | None = None) -> Path:
    """runs/<time>-<seed>-<pid>/ under `parent`, $DISTILL_KIT_RUNS or ./runs; made, and never one that was there before.

    Raises OSError with one sentence if it cannot be made.
    """
    parent = Path(parent or os.environ.get("DISTILL_KIT_RUNS") or "runs")
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{settings.seed}-{os.getpid()}"
    for attempt in range(100):
        folder = parent / (name if attempt == 0 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            if not parent.is_dir():
                raise OSError(f"cannot write runs to {parent}: it is a file. Choose another folder.") from None
        except OSError as error:
            raise OSError(f"cannot write runs to {parent}: {error.strerror}. Choose another folder (--out).") from error
    raise OSError(f"cannot write runs to {parent}: {name} and a hundred more are taken")
