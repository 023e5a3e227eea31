"""What the kit takes on an NVIDIA GPU: a run, all images, 75 students, the lab; with each step recorded, and without.

    python benchmarks/gpu.py [--launched]

Writes benchmarks/gpu.json. --launched: also with every kernel of a step asked for by itself, which takes minutes.
"""
import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from distill_kit import training
from distill_kit.data import load_dataset
from distill_kit.devices import choose_device, choose_precision, machine
from distill_kit.lab.experiments import EXPERIMENTS
from distill_kit.lab.session import Session
from distill_kit.many import reports, train_many
from distill_kit.run import QUICK_EPOCHS, Materials, Run, Settings
from distill_kit.teachers import load_teacher

PATH = Path(__file__).parent / "gpu.json"
GRID = [{"temperature": temperature, "alpha": alpha, "seed": seed} for temperature, alpha, seed in
        itertools.product((1, 2, 4, 8, 16), (0.05, 0.1, 0.3, 0.5, 0.9), range(3))]
SEEDS = 5       # of the runs that are timed one by one
WHAT = {
    "quick run": "of 5,000 images, the first of a process first: seconds of each",
    "45,000 images, 8 epochs": "seconds of each",
    "75 students": "train_many of 5 temperatures, 5 alphas, 3 seeds, 8 epochs: seconds of all, and of training alone",
    "lab": "seconds from a new seed to the end of the run alone, a median of 3 for each experiment",
    "test accuracy": "of the runs of the first two lines with seed 0, and the mean of the 75 students",
}


@contextmanager
def launched() -> Iterator[None]:
    """No step is recorded: every kernel of it is asked for by itself."""
    kept, training.Recorded = training.Recorded, nullcontext
    try:
        yield
    finally:
        training.Recorded = kept


def measure(dataset, teacher) -> dict:
    found, accuracy = {}, {}
    for name, images in (("quick run", 5_000), ("45,000 images, 8 epochs", len(dataset.pool))):
        settings = [Settings(images=images, epochs=QUICK_EPOCHS, seed=seed) for seed in range(SEEDS)]
        materials = Materials.of(settings[0], dataset, teacher)
        materials.complete()
        runs = [trained(Run(one, materials)) for one in settings]
        found[name] = [round(run.history[-1]["seconds"], 3) for run in runs]
        accuracy[name] = runs[0].report()["test_accuracy"]
    began = time.perf_counter()
    made = reports(train_many([Settings(epochs=QUICK_EPOCHS, **one) for one in GRID], dataset, teacher), len(GRID))
    found["75 students"] = [round(time.perf_counter() - began, 1), round(sum(one["seconds"] for one in made), 1)]
    accuracy["75 students"] = round(sum(one["test_accuracy"] for one in made) / len(made), 4)
    found["lab"] = {name: lab_seconds(name, dataset, teacher) for name in EXPERIMENTS}
    return {**found, "test accuracy": accuracy}


def trained(run: Run) -> Run:
    for _ in run.rows():
        pass
    return run


def lab_seconds(name: str, dataset, teacher) -> float:
    with tempfile.TemporaryDirectory() as folder:
        session = Session(EXPERIMENTS[name], dataset, teacher, folder=folder)
        found = []
        for number in range(4):  # the first one makes what the others find ready
            session.new_seed()
            session.join()
            found.append(session.runs[-1].seconds)
    return round(sorted(found[1:])[1], 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launched", action="store_true")
    options = parser.parse_args()
    device = choose_device("cuda")
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    report = {"machine": machine(device), "data": dataset.pool.source, "precision": choose_precision("auto", device),
              "what": WHAT, "recorded": measure(dataset, teacher)}
    if options.launched:
        with launched():
            report["launched"] = measure(dataset, teacher)
    torch.cuda.synchronize()
    PATH.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["recorded"], indent=1))


if __name__ == "__main__":
    main()
