"""How fast is the kit on this machine? Each thing timed in turn, round after round, so that all share the weather.

Figures are medians over the rounds; ratios are medians of the rounds' ratios. What is timed: the kit's own loop, the
bare step and the article's loop, which stand at the end, and whole runs.
"""
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, default_collate

from distill_kit.data import Dataset, ImageSet, load_dataset
from distill_kit.devices import casting, choose_device
from distill_kit.kept_logits import KeptLogits
from distill_kit.losses import distillation_terms
from distill_kit.models import make_model
from distill_kit.optimizers import adamw
from distill_kit.run import Materials, Run
from distill_kit.schedules import check_whole, constant
from distill_kit.settings import DEFAULT_EPOCHS, QUICK_EPOCHS, Settings
from distill_kit.teachers import Teacher, load_teacher
from distill_kit.training import CLIP_NORM, train, validate
from distill_kit.views import VIEWS, ViewBank

from ..machine import counted, machine
from ..shipped import read_stored
from ..sweep.crew import finished
from ..teacher_training import ALL_VIEWS, recipe_for
from .commands import MOST_SEEDS, answer, rows_of
from .sentences import say

PASSED_VIEWS = ALL_VIEWS[:8]
ARTICLE_IMAGES, EPOCHS = 512, 2


def run_bench(options) -> int:
    """Measure how fast the kit is on this machine."""
    check_whole("seeds", options.seeds, 1, MOST_SEEDS)
    dataset = load_dataset(options.data)
    say(dataset.notice)
    teacher, _ = load_teacher(dataset)
    report = measure(dataset, teacher, seeds=options.seeds, device=options.device, precision=options.precision)
    answer(options, report, [
        *rows_of("bench", **report, threads=counted(report["machine"]["threads"], "thread")),
        ("memory", report["peak_memory_bytes"] and f"{report['peak_memory_bytes'] / 1e9:.2f} GB")])
    return 0


def measure(dataset: Dataset, teacher: nn.Module, *, rounds: int = 5, seeds: int = 5, device: str | None = None,
            precision: str = "auto", others: Callable[[Materials], dict[str, Callable]] = lambda materials: {}) -> dict:
    """Measure every figure of `bench`, as plain data; on standard error it says what is being timed.

    others: gives further loops by name that are timed in turn with the kit's, each to return its seconds an image.
    """
    settings = Settings(data=dataset.name, device=str(choose_device(device)), precision=precision)
    materials = Materials.of(settings, dataset, teacher)
    say("timing the teacher, eight views of the training images ...")
    pass_seconds = time_a_pass(materials, teacher)
    materials.complete()
    run = Run(settings, materials)
    # The article's loop has a teacher as `teacher --train` makes it (its weights do not matter here) and validates on
    # 2,000 images: a smaller teacher that learnt from that one and fewer validation images are ways of the kit's.
    kit, large = Kit(run), make_model(recipe_for(dataset).architecture, dataset.pool.images).to(materials.device)
    watched, small = len(materials.watched.labels), materials.logits.teacher.module
    loops = {"bare_step": kit.bare_step, "loop": kit.loop, "loop_with_validation": lambda: kit.loop(materials.watched),
             **article_loops(run, large, 2_000), **others(materials),
             **article_loops(run, small, watched, "_shipped_teacher")}
    clocks, parts = defaultdict(list), defaultdict(list)
    for number in range(rounds):
        say(f"timing loops, round {number + 1} of {rounds} ...")
        for name, seconds_an_image in loops.items():
            clocks[name].append(seconds_an_image())
        for name, seconds_a_step in kit.parts():
            parts[name].append(seconds_a_step)
    runs = {**timed_runs("default_run", replace(settings, epochs=DEFAULT_EPOCHS), materials, seeds),
            **timed_runs("quick_run", replace(settings, epochs=QUICK_EPOCHS), materials, seeds)}
    say("timing memory of a fresh process ...")
    speeds = {name: 1 / statistics.median(values) for name, values in clocks.items()}

    def ratio(name: str, other: str) -> float:
        return statistics.median(b / a for a, b in zip(clocks[name], clocks[other]))

    cold = runs["default_run_seconds"] + pass_seconds * len(VIEWS) / len(PASSED_VIEWS)
    images = DEFAULT_EPOCHS * len(run.batches) * settings.batch_size
    return {
        "ratio_to_bare_step": ratio("loop", "bare_step"), "ratio_to_article_training": ratio("loop", "article_loop"),
        **{f"ratio_to_article_loop{which}": ratio("loop_with_validation", f"article_loop_with_validation{which}")
           for which in ("", "_shipped_teacher")},
        "ratio_to_article_loop_cold": images / speeds["article_loop_with_validation"] / cold, **runs,
        "teacher_pass_seconds": pass_seconds, "images_per_second": speeds, "peak_memory_bytes": peak_memory(settings),
        "teacher_images_per_second": len(materials.training) * len(PASSED_VIEWS) / pass_seconds,
        "step_milliseconds": {name: 1000 * statistics.median(values) for name, values in parts.items()},
        "precision": materials.precision, "data": dataset.pool.source, "rounds": rounds, "seeds": seeds,
        "machine": machine(materials.device), "quick_run_seconds_elsewhere": read_stored("machines")}


def time_a_pass(materials: Materials, teacher: nn.Module) -> float:
    """Time the teacher on eight views of the training images, nothing kept before: seconds."""
    bank = ViewBank(materials.training.images, PASSED_VIEWS, materials.device)
    logits = KeptLogits(Teacher(teacher, materials.device, materials.precision), bank, len(materials.training))
    logits.complete()
    return logits.seconds


def timed_runs(name: str, settings: Settings, materials: Materials, seeds: int) -> dict:
    """Return median seconds and mean test accuracy of whole runs with kept logits; their keys begin with `name`."""
    made = []
    for seed in range(seeds):
        say(f"timing a run of {settings.epochs} epochs, seed {seed + 1} of {seeds} ...")
        made.append(finished(replace(settings, seed=seed), materials).report())
    return {f"{name}_seconds": statistics.median(report["seconds"] for report in made),
            f"{name}_test_accuracy": statistics.mean(report["test_accuracy"] for report in made)}


def peak_memory(settings: Settings) -> int | None:
    """Measure the most bytes that a fresh process of `distill` held; None on Windows, which does not say."""
    if sys.platform == "win32":
        return None
    # A small process begins it and asks: Linux also counts what a process held before it became another program.
    code = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code, sys.executable, "-m", "distill_kit", "distill",
                               "--data", settings.data, "--out", folder, "--precision", settings.precision,
                               "--device", settings.device, "--json"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run whose memory was to be measured failed: {done.stderr.strip()[-300:]}")
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


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


def article_loops(run: Run, teacher: nn.Module, watched: int, which: str = "") -> dict[str, Callable[[], float]]:
    """Make the loop that the kit's article describes, with the images and the student of a run, in float32.

    Image transforms in a DataLoader, the teacher on every batch and in validation as well, `.item()` on every step;
    AdamW, clipping, a scheduler a step. watched: validation images an epoch.

    Returns functions that give seconds a training image: without validation, and with the image's share of it.
    """
    from torchvision import transforms
    images, size, device = run.materials.training, run.settings.batch_size, run.materials.device
    augmented = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(),
                                    transforms.ToTensor()])
    training = pictures_loader(images, augmented, size, shuffle=True, drop_last=True)
    validation = pictures_loader(images, transforms.ToTensor(), size)
    teacher, student = teacher.eval(), run.fresh_student()
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
    return {f"article_loop{which}": lambda: seconds(training, trains=True),
            f"article_loop_with_validation{which}": lambda: seconds(training, trains=True)
            + watched / len(images) * seconds(validation, trains=False)}
