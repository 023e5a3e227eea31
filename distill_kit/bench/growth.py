"""How time grows with images, epochs, threads, and students at once: what `bench --full` adds."""
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from ..data.imageset import Dataset
from ..many import train_many
from ..run import Materials, Run, Settings

IMAGES, EPOCHS, STUDENTS_AT_ONCE = (500, 1_500, 5_000, 15_000, 45_000), (1, 2, 4, 8, 16), 4


def measure_growth(settings: Settings, dataset: Dataset, teacher: nn.Module, materials: Materials,
                   say: Callable[[str], None]) -> dict:
    """materials: those of `settings`, with all that the teacher will be asked."""
    growth: dict[str, dict] = {"epoch_seconds_by_images": {}}
    for images in (count for count in IMAGES if count <= len(dataset.pool)):
        say(f"an epoch of {images:,} images, labels alone")  # the teacher would take minutes for the most of them
        one = replace(settings, images=images, epochs=1, alpha=1.0, batch_size=min(settings.batch_size, images))
        growth["epoch_seconds_by_images"][images] = seconds_of(one, Materials.of(one, dataset, teacher))
    growth["seconds_by_epochs"] = {}
    for epochs in EPOCHS:
        say(f"a run of {epochs} epochs")
        growth["seconds_by_epochs"][epochs] = seconds_of(replace(settings, epochs=epochs), materials)
    growth["quick_run_seconds_by_threads"] = by_threads(settings, materials, say)
    growth["seconds_a_student_by_processes"] = by_processes(settings, dataset, teacher, say)
    return growth


def seconds_of(settings: Settings, materials: Materials) -> float:
    run = Run(settings, materials)
    for _ in run.rows():
        pass
    return run.history[-1]["seconds"]


def by_threads(settings: Settings, materials: Materials, say: Callable[[str], None]) -> dict:
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
    """Of four students side by side, the start of the processes included."""
    seconds = {}
    for workers in sorted({1, torch.get_num_threads()}):
        say(f"{STUDENTS_AT_ONCE} students, {workers} at once")
        started = time.perf_counter()
        asked = [replace(settings, seed=seed) for seed in range(STUDENTS_AT_ONCE)]
        for _ in train_many(asked, dataset, teacher, workers=workers, progress=False):
            pass
        seconds[workers] = (time.perf_counter() - started) / STUDENTS_AT_ONCE
    return seconds
