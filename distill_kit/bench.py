"""How fast is the kit on this machine? Each thing timed in turn, round after round, so that all share the weather.

Figures are medians over the rounds; ratios are medians of the rounds' ratios.
"""
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from .batches import Batch, Teacher
from .data.imageset import Dataset, ImageSet
from .devices import casting, choose_device, choose_precision
from .losses import distillation_terms
from .models import STUDENTS, make_model
from .optimizers import adamw
from .run import DEFAULT_EPOCHS, QUICK_EPOCHS, Materials, Run, Settings
from .schedules import constant
from .training import CLIP_NORM, evaluate, train
from .views import PLAIN, VIEWS, KeptLogits, ViewBank, ViewBatches

ARTICLE_BATCHES, STEPS = 8, 78


def measure(dataset: Dataset, teacher: nn.Module, *, rounds: int = 5, seeds: int = 5, device: str | None = None,
            precision: str = "auto", say: Callable[[str], None] = lambda sentence: None) -> dict:
    """Every figure of `bench`, as plain data; `say` is told what is being timed."""
    device = choose_device(device)
    precision = choose_precision(precision, device)
    settings = Settings(data=dataset.name, device=str(device), precision=precision)
    materials = Materials.of(settings, dataset, teacher)
    say("the teacher, all views of the training images")
    passes = timed_passes(materials, teacher)
    materials.complete()
    kit = Kit(settings, materials)
    article = ArticleLoop(materials.training, teacher, settings)
    tutorial = TutorialLoop(materials.training)
    clocks: dict[str, list[float]] = {}
    for number in range(rounds):
        say(f"loops, round {number + 1} of {rounds}")
        for name, seconds_an_image in (("bare_step", kit.bare_step), ("loop", kit.epoch),
                                       ("loop_with_validation", kit.validated_epoch), ("article_loop", article.run),
                                       ("tutorial_loop", tutorial.run)):
            clocks.setdefault(name, []).append(seconds_an_image())
        for name, seconds_a_step in kit.parts():
            clocks.setdefault(f"{name}_ms", []).append(1000 * seconds_a_step)
    runs = {name: timed_runs(settings, epochs, materials, seeds, say)
            for name, epochs in (("default_run", DEFAULT_EPOCHS), ("quick_run", QUICK_EPOCHS))}
    say("memory of a fresh process")
    median = {name: statistics.median(values) for name, values in clocks.items()}
    ratio = lambda name, other: statistics.median(b / a for a, b in zip(clocks[name], clocks[other]))
    cold = runs["default_run"]["seconds"] + passes["seconds"]
    images = DEFAULT_EPOCHS * len(kit.run.batches) * settings.batch_size
    return {
        "ratio_to_bare_step": ratio("loop", "bare_step"),
        "ratio_to_article_loop": ratio("loop", "article_loop"),
        "ratio_to_article_loop_cold": median["article_loop"] * images / cold,
        "default_run_seconds": runs["default_run"]["seconds"],
        "default_run_test_accuracy": runs["default_run"]["test_accuracy"],
        "quick_run_seconds": runs["quick_run"]["seconds"],
        "quick_run_test_accuracy": runs["quick_run"]["test_accuracy"],
        "teacher_pass_seconds": passes["seconds"], "teacher_images_per_second": passes["images_per_second"],
        "peak_memory_bytes": peak_memory(settings),
        "images_per_second": {name: 1 / value for name, value in median.items() if not name.endswith("_ms")},
        "step_milliseconds": {name[:-3]: value for name, value in median.items() if name.endswith("_ms")},
        "precision": precision, "data": dataset.pool.source, "rounds": rounds, "seeds": seeds,
        "machine": machine(device)}


class Kit:
    """The kit's own loop on kept logits, and the bare step that it is held against."""

    def __init__(self, settings: Settings, materials: Materials):
        self.settings, self.materials = settings, materials
        self.run = Run(settings, materials)
        self.optimizer = adamw(self.run.student)
        self.batch = next(iter(ViewBatches(materials.bank, materials.training.labels, settings.batch_size, 0,
                                           materials.logits)))
        self.validated_epoch()  # warm

    def bare_step(self) -> float:
        """Seconds an image of stem, forward, loss, backward, clipping, step, with the same batch again and again."""
        started = time.perf_counter()
        for _ in range(STEPS):
            terms, parameters = self._forward()
            self.optimizer.zero_grad(set_to_none=True)
            terms.total.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP_NORM)
            self.optimizer.step()
        self._wait()
        return (time.perf_counter() - started) / (STEPS * self.settings.batch_size)

    def epoch(self) -> float:
        return self._loop(None)

    def validated_epoch(self) -> float:
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
        self._forward()[0].total.backward()
        yield "optimizer", self._clock(lambda: (nn.utils.clip_grad_norm_(student.parameters(), CLIP_NORM),
                                                self.optimizer.step()))
        yield "validation", self._clock(lambda: evaluate(student, materials.watched, 4.0, 0.1, materials.precision),
                                        times=1)

    def _forward(self):
        student = self.run.student.train()
        with casting(self.materials.device, self.materials.precision):
            logits = student(self.batch.images)
        terms = distillation_terms(logits, self.batch.teacher_logits, self.batch.labels, 4.0, 0.1)
        return terms, list(student.parameters())

    def _loop(self, validation) -> float:
        started = time.perf_counter()
        for _ in train(self.run.student, self.run.batches, validation, epochs=1, optimizer=self.optimizer,
                       learning_rate=constant(1e-3), temperature=constant(4.0), alpha=constant(0.1),
                       precision=self.materials.precision):
            pass
        self._wait()
        return (time.perf_counter() - started) / (len(self.run.batches) * self.settings.batch_size)

    def _clock(self, work: Callable, times: int = 20) -> float:
        work()
        started = time.perf_counter()
        for _ in range(times):
            work()
        self._wait()
        return (time.perf_counter() - started) / times

    def _wait(self) -> None:
        if self.materials.device.type == "cuda":
            torch.cuda.synchronize()


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
    """The loop that the kit's article describes: image transforms in a DataLoader, the teacher on every batch,
    `.item()` on every step; AdamW, clipping, a scheduler a step. With the kit's two models, in float32."""

    def __init__(self, images: ImageSet, teacher: nn.Module, settings: Settings):
        from torchvision import transforms
        transform = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(),
                                        transforms.ToTensor()])
        self.loader = torch.utils.data.DataLoader(Pictures(images, transform), settings.batch_size, shuffle=True,
                                                  generator=torch.Generator().manual_seed(0), drop_last=True)
        self.device = torch.device(settings.device)
        shape = replace(STUDENTS[settings.student], num_classes=len(images.classes), image_size=images.images.shape[-1])
        self.student = make_model(shape, images.images).to(self.device)
        self.teacher = Teacher(teacher, self.device).module.eval()
        self.optimizer = adamw(self.student)
        self.scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)

    def run(self) -> float:
        """Seconds an image."""
        total, count, started = 0.0, 0, time.perf_counter()
        for number, (images, labels) in enumerate(self.loader):
            if number == ARTICLE_BATCHES:
                break
            images, labels = images.to(self.device), labels.to(self.device)
            with torch.no_grad():
                teacher_logits = self.teacher(images)
            loss = distillation_terms(self.student(images), teacher_logits, labels, 4.0, 0.7).total
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.student.parameters(), CLIP_NORM)
            self.optimizer.step()
            self.scheduler.step()
            total += loss.item()
            count += len(images)
        return (time.perf_counter() - started) / count


class TutorialLoop:
    """The pair of PyTorch's distillation tutorial by its description: a deep and a light plain network of 1.2 and 0.3
    million weights, Adam, batch 128, T 2, soft loss 0.25 and cross-entropy 0.75, no augmentation."""

    def __init__(self, images: ImageSet):
        from torchvision import transforms
        self.loader = torch.utils.data.DataLoader(Pictures(images, transforms.ToTensor()), 128, shuffle=True,
                                                  generator=torch.Generator().manual_seed(0), drop_last=True)
        with torch.random.fork_rng(devices=[]):
            self.teacher, self.student = _plain_net((128, 64, 64, 32), 512), _plain_net((16, 16), 256)
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=1e-3)

    def run(self) -> float:
        """Seconds an image."""
        count, started = 0, time.perf_counter()
        for number, (images, labels) in enumerate(self.loader):
            if number == ARTICLE_BATCHES // 2:
                break
            with torch.no_grad():
                teacher_logits = self.teacher(images)
            loss = distillation_terms(self.student(images), teacher_logits, labels, 2.0, 0.75).total
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()
            count += len(images)
        return (time.perf_counter() - started) / count


def _plain_net(channels: tuple[int, ...], hidden: int) -> nn.Module:
    """Convolutions with ReLU, a pooling after every second (or, of two, after each), and two linear layers."""
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(zip((3, *channels), channels)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        if len(channels) == 2 or place % 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 64, hidden), nn.ReLU(), nn.Dropout(0.1),
                         nn.Linear(hidden, 10))


def timed_passes(materials: Materials, teacher: nn.Module) -> dict:
    """All eight views of the training images through the teacher, nothing kept before."""
    frozen = Teacher(teacher, materials.device, materials.precision)
    logits = KeptLogits(frozen, materials.bank, len(materials.training))
    logits.complete()
    return {"seconds": logits.seconds, "images_per_second": len(materials.training) * len(VIEWS) / logits.seconds}


def timed_runs(settings: Settings, epochs: int, materials: Materials, seeds: int, say: Callable[[str], None]) -> dict:
    """Median seconds and mean test accuracy of whole runs with kept logits."""
    made = []
    for seed in range(seeds):
        say(f"a run of {epochs} epochs, seed {seed + 1} of {seeds}")
        run = Run(replace(settings, epochs=epochs, seed=seed), materials)
        for _ in run.rows():
            pass
        made.append(run.report())
    return {"seconds": statistics.median(report["seconds"] for report in made),
            "test_accuracy": statistics.mean(report["test_accuracy"] for report in made)}


def peak_memory(settings: Settings) -> int | None:
    """Bytes that a fresh process of `distill` with these settings held at most; None on Windows, which does not say."""
    if sys.platform == "win32":
        return None
    code = ("import resource, sys; from distill_kit.__main__ import main; status = main(sys.argv[1:]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); sys.exit(status)")
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", code, "distill", "--data", settings.data, "--json",
                               "--out", folder, "--precision", settings.precision, "--device", settings.device],
                              capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run whose memory was to be measured failed: {done.stderr.strip()[-300:]}")
    answer, kilobytes = done.stdout.strip().splitlines()
    json.loads(answer)
    return int(kilobytes) * (1 if sys.platform == "darwin" else 1024)


def machine(device: torch.device) -> dict:
    """What the figures were taken on."""
    import psutil
    from pathlib import Path
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return {"processor": name, "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "cores": psutil.cpu_count(logical=False), "threads": torch.get_num_threads(),
            "instructions": torch.backends.cpu.get_cpu_capability(), "memory_bytes": psutil.virtual_memory().total,
            "system": platform.system(), "python": platform.python_version(), "torch": torch.__version__}
