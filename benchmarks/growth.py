"""Measure all that speed.json holds: the figures of `bench`, the loop of PyTorch's tutorial, and how time grows.

    python benchmarks/growth.py > benchmarks/speed.json     some ten minutes

Standard output is a JSON value; what is being timed stands on standard error.
"""
import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import torch
from shared import results, trained
from torch import nn

from distill_course.commands.bench import ARTICLE_IMAGES, measure, pictures_loader
from distill_course.sweep.plan import Planned
from distill_kit import load_dataset, load_teacher
from distill_kit.data.imageset import Dataset, ImageSet
from distill_kit.losses import distillation_terms
from distill_kit.run import Materials
from distill_kit.settings import QUICK_EPOCHS, Settings

IMAGES, EPOCHS, STUDENTS_AT_ONCE = (500, 1_500, 5_000, 15_000, 45_000), (1, 2, 4, 8, 16), 4


def measure_growth(settings: Settings, dataset: Dataset, teacher: nn.Module, materials: Materials,
                   say: Callable[[str], None]) -> dict:
    """Time runs of growing size; materials: those of `settings`."""
    growth: dict[str, dict] = {"epoch_seconds_by_images": {}}
    for images in (count for count in IMAGES if count <= len(dataset.pool)):
        say(f"an epoch of {images:,} images, labels alone")  # the teacher would take minutes for the most of them
        few = replace(settings, images=images, epochs=1, alpha=1.0, batch_size=min(settings.batch_size, images))
        growth["epoch_seconds_by_images"][images] = seconds_of(few, Materials.of(few, dataset, teacher))
    growth["seconds_by_epochs"] = {}
    for epochs in EPOCHS:
        say(f"a run of {epochs} epochs")
        growth["seconds_by_epochs"][epochs] = seconds_of(replace(settings, epochs=epochs), materials)
    growth["quick_run_seconds_by_threads"] = by_threads(settings, materials, say)
    growth["seconds_a_student_by_processes"] = by_processes(settings, dataset, teacher, say)
    return growth


def seconds_of(settings: Settings, materials: Materials) -> float:
    """Time a run, without the teacher."""
    return trained(settings, materials).history[-1]["seconds"]


def by_threads(settings: Settings, materials: Materials, say: Callable[[str], None]) -> dict:
    """Time a run with one thread, two, and so on."""
    before, seconds = torch.get_num_threads(), {}
    try:
        for threads in range(1, before + 1):
            say(f"a quick run with {threads} of {before} threads")
            torch.set_num_threads(threads)
            seconds[threads] = seconds_of(settings, materials)
    finally:
        torch.set_num_threads(before)
    return seconds


def by_processes(settings: Settings, dataset: Dataset, teacher: nn.Module, say: Callable[[str], None]) -> dict:
    """Time a student where several are trained side by side, the start of the processes included."""
    seconds = {}
    for workers in sorted({1, torch.get_num_threads()}):
        say(f"{STUDENTS_AT_ONCE} students, {workers} at once")
        started = time.perf_counter()
        asked = [Planned(replace(settings, seed=seed)) for seed in range(STUDENTS_AT_ONCE)]
        results(asked, dataset, teacher, workers=workers, progress=False)
        seconds[workers] = (time.perf_counter() - started) / STUDENTS_AT_ONCE
    return seconds


class TutorialLoop:
    """The loop of PyTorch's distillation tutorial, by its description.

    A deep and a light plain network of 1.2 and 0.3 million weights, Adam, batch 128, T 2, soft loss 0.25 and
    cross-entropy 0.75, no augmentation.
    """

    def __init__(self, images: ImageSet):
        from torchvision import transforms
        self.loader = pictures_loader(images, transforms.ToTensor(), 128, shuffle=True, drop_last=True)
        with torch.random.fork_rng(devices=[]):
            self.teacher, self.student = plain_net((128, 64, 64, 32), 512), plain_net((16, 16), 256)
        self.optimizer = torch.optim.Adam(self.student.parameters(), lr=1e-3)

    def run(self) -> float:
        """Return seconds an image."""
        count, started = 0, time.perf_counter()
        for images, labels in islice(self.loader, ARTICLE_IMAGES // 128):
            with torch.no_grad():
                teacher_logits = self.teacher(images)
            loss = distillation_terms(self.student(images), teacher_logits, labels, 2.0, 0.75).total
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()
            count += len(images)
        return (time.perf_counter() - started) / count


def plain_net(channels: tuple[int, ...], hidden: int) -> nn.Module:
    """Make convolutions with ReLU, a pooling after every second (after each where there are two), two linear layers."""
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(zip((3, *channels), channels)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        if len(channels) == 2 or place % 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * 64, hidden), nn.ReLU(), nn.Dropout(0.1),
                         nn.Linear(hidden, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="auto")
    parser.add_argument("--rounds", type=int, default=5, help="of the loops")
    parser.add_argument("--seeds", type=int, default=5, help="of the runs")
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    teacher, _ = load_teacher(dataset)

    def say(sentence: str) -> None:
        print(f"timing {sentence} ...", file=sys.stderr)

    def tutorial(materials: Materials) -> dict[str, Callable]:
        return {"tutorial_loop": TutorialLoop(materials.training).run}
    report = measure(dataset, teacher, rounds=options.rounds, seeds=options.seeds, others=tutorial)
    settings = Settings(data=dataset.name, epochs=QUICK_EPOCHS)
    materials = Materials.of(settings, dataset, teacher)
    print(json.dumps({**report, "growth": measure_growth(settings, dataset, teacher, materials, say)}))


if __name__ == "__main__":
    main()
