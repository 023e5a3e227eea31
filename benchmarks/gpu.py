"""What the kit takes on an NVIDIA GPU: a run, all images, 75 students, the lab; with each step recorded, and without.

    python benchmarks/gpu.py [--launched] [--precision bfloat16 float16]

Writes benchmarks/gpu.json; what was measured by other means before stays in it.
--launched: also with every kernel of a step asked for by itself, which takes minutes.
--precision: beside the one that the GPU is fastest in.
"""
import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from shared import read_json, results, trained, write_json
from torch import nn

from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.session import Session
from distill_course.machine import machine
from distill_course.sweep.plan import VERSION, Planned
from distill_kit import step
from distill_kit.data import Dataset, load_dataset
from distill_kit.devices import choose_device, choose_precision
from distill_kit.run import Materials
from distill_kit.settings import QUICK_EPOCHS, Settings
from distill_kit.teachers import load_teacher

GRID = [{"temperature": temperature, "alpha": alpha, "seed": seed} for temperature, alpha, seed in
        itertools.product((1, 2, 4, 8, 16), (0.05, 0.1, 0.3, 0.5, 0.9), range(3))]
SEEDS = 5       # of the runs that are timed singly
WHAT = {
    "quick run": "of 5,000 images, the first of a process first: seconds of each",
    "45,000 images, 8 epochs": "seconds of each",
    "75 students": "as a plan of 5 temperatures, 5 alphas, 3 seeds, 8 epochs: seconds of all, and the sum of training",
    "lab": "seconds from a new seed to the end of the run itself, a median of 3 for each experiment",
    "test accuracy": "of the runs of the first two lines with seed 0, and the mean of the 75 students",
}


@contextmanager
def launched() -> Iterator[None]:
    """Open a context in which no step is recorded: every kernel of it is asked for by itself."""
    kept = step.Recorded
    step.Recorded = type("Launched", (kept,), {"__call__": lambda self, *inputs: self.function(*inputs)})
    try:
        yield
    finally:
        step.Recorded = kept


def measure(dataset: Dataset, teacher: nn.Module, precision: str) -> dict:
    """Measure every line of WHAT; the lab, which chooses its precision, only where that is this one."""
    figures, accuracy = {}, {}
    for name, images in (("quick run", 5_000), ("45,000 images, 8 epochs", len(dataset.pool))):
        settings = [Settings(images=images, epochs=QUICK_EPOCHS, seed=seed, precision=precision)
                    for seed in range(SEEDS)]
        materials = Materials.of(settings[0], dataset, teacher)
        materials.complete()
        runs = [trained(each, materials) for each in settings]
        figures[name] = [round(run.history[-1]["seconds"], 3) for run in runs]
        accuracy[name] = runs[0].report()["test_accuracy"]
    name, began = "75 students", time.perf_counter()
    runs = [Planned(Settings(epochs=QUICK_EPOCHS, precision=precision, **each)) for each in GRID]
    made = [result["report"] for result in results(runs, dataset, teacher)]
    figures[name] = [round(time.perf_counter() - began, 1), round(sum(each["seconds"] for each in made), 1)]
    accuracy[name] = round(sum(each["test_accuracy"] for each in made) / len(made), 4)
    if precision == choose_precision("auto", torch.device("cuda")):
        figures["lab"] = {name: lab_seconds(name, dataset, teacher) for name in EXPERIMENTS}
    return {**figures, "test accuracy": accuracy}


def lab_seconds(name: str, dataset: Dataset, teacher: nn.Module) -> float:
    """Time runs of the lab, and return the median of three."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(EXPERIMENTS[name], dataset, teacher, folder=folder)
        seconds = []
        for _ in range(4):  # the first makes what the others have ready
            session.new_seed()
            session.join()
            seconds.append(session.runs[-1].seconds)
    return round(sorted(seconds[1:])[1], 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launched", action="store_true")
    parser.add_argument("--precision", nargs="+", default=["float16"])
    options = parser.parse_args()
    device = choose_device("cuda")
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    precision = choose_precision("auto", device)
    report = {"machine": machine(device), "version": VERSION, "data": dataset.pool.source, "precision": precision,
              "what": WHAT, "recorded": measure(dataset, teacher, precision)}
    for other in options.precision:
        report[f"recorded, {other}"] = measure(dataset, teacher, other)
    if options.launched:
        with launched():
            report["launched"] = measure(dataset, teacher, precision)
    torch.cuda.synchronize()
    write_json("gpu.json", read_json("gpu.json") | report)
    print(json.dumps(report["recorded"], indent=1))


if __name__ == "__main__":
    main()
