"""Measure on Shapes-10 the effects that the course teaches, and write them to shapes10.json beside this file.

    python benchmarks/shapes10.py [--teacher teacher.safetensors] [--seeds 5]

Pairs of runs differ in one setting alone; both have the same seeds, images, views and number of steps. Test images.
"""
import argparse
import json
import statistics
from pathlib import Path

import torch

from distill_kit.data import load_dataset
from distill_kit.run import QUICK_EPOCHS, Materials, Run, Settings
from distill_kit.shapes import best_accuracy
from distill_kit.teachers import load_teacher, measure

QUICK = {"epochs": QUICK_EPOCHS}
NEVER_SEEN = {**QUICK, "alpha": 0.0, "leave_out": "star"}
EFFECTS = {  # what the two runs share, then what sets them apart
    "default run: labels alone, distilled": ({}, {"alpha": 1.0}, {"alpha": 0.1}),
    "quick run: labels alone, distilled": (QUICK, {"alpha": 1.0}, {"alpha": 0.1}),
    "40 % of labels redrawn: labels alone, distilled": ({**QUICK, "label_noise": 0.4}, {"alpha": 1.0}, {"alpha": 0.1}),
    "1,000 labels among 5,000: labels alone, distilled": ({**QUICK, "labelled": 1_000}, {"alpha": 1.0}, {"alpha": 0.1}),
    "star never seen, ranked first or second: T 1, T 10": (NEVER_SEEN, {"temperature": 1.0}, {"temperature": 10.0}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", help="weights; the shipped ones where left out")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    dataset = load_dataset("shapes10")
    teacher, _ = load_teacher(dataset, options.teacher)
    report = {"best_possible_test": best_accuracy(dataset.test), "teacher_test": measure(teacher, dataset.test)["accuracy"],
              "torch": torch.__version__, "threads": torch.get_num_threads(), "effects": {}}
    for name, (shared, one, other) in EFFECTS.items():
        materials = Materials.of(Settings(data="shapes10", **shared), dataset, teacher)
        runs = [[figure(Settings(data="shapes10", seed=seed, **shared, **arm), materials) for seed in range(options.seeds)]
                for arm in (one, other)]
        report["effects"][name] = row = summary(*runs)
        report["precision"] = materials.precision
        print(f"{name}: {row['one'][0]:.1%} -> {row['other'][0]:.1%}, difference {row['difference'][0]:.1%} "
              f"+- {row['difference'][1]:.1%}, least {row['least']:.1%} (n = {row['n']})", flush=True)
        Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


def figure(settings: Settings, materials: Materials) -> float:
    """Train one student; its test accuracy, or how often it ranks the class it never saw first or second."""
    run = Run(settings, materials)
    for _ in run.rows():
        pass
    report = run.report()
    return report.get("rank2_left_out", report["test_accuracy"])


def summary(one: list[float], other: list[float]) -> dict:
    """Mean and standard deviation of both and of their difference seed by seed; every single figure."""
    differences = [b - a for a, b in zip(one, other)]
    spread = lambda values: (statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)
    return {"n": len(one), "one": spread(one), "other": spread(other), "difference": spread(differences),
            "least": min(differences), "all": [one, other]}


if __name__ == "__main__":
    main()
