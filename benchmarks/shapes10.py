"""Measure on Shapes-10 the effects that the course teaches, and write them to shapes10.json beside this file.

    python benchmarks/shapes10.py [--teacher teacher.safetensors] [--seeds 5]
    python benchmarks/shapes10.py --picture docs/shapes10.png      the sheet of examples, and nothing measured

Pairs of runs differ in one setting alone; both have the same seeds, images, views and number of steps. Test images.
"""
import argparse
import json
import statistics
from pathlib import Path

import torch

from distill_kit.data import ImageSet, load_dataset
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
    parser.add_argument("--picture", help="draw the sheet of examples to this file instead")
    options = parser.parse_args()
    dataset = load_dataset("shapes10")
    if options.picture:
        return draw_sheet(dataset.validation, options.picture)
    teacher, _ = load_teacher(dataset, options.teacher)
    report = {"best_possible_test": best_accuracy(dataset.test),
              "teacher_test": measure(teacher, dataset.test)["accuracy"],
              "torch": torch.__version__, "threads": torch.get_num_threads(), "effects": {}}
    for name, (shared, one, other) in EFFECTS.items():
        materials = Materials.of(Settings(data="shapes10", **shared), dataset, teacher)
        runs = [[figure(Settings(data="shapes10", seed=seed, **shared, **arm), materials)
                 for seed in range(options.seeds)] for arm in (one, other)]
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


def draw_sheet(images: ImageSet, path: str, rows: int = 8) -> None:
    """A column a class: its images from the clearest to the most doubtful, each with its two likeliest classes."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(rows, 10, figsize=(11, 11.2), gridspec_kw={"wspace": 0.06, "hspace": 0.32})
    for label, name in enumerate(images.classes):
        own = images[images.labels == label]
        order = own.probabilities[:, label].argsort(descending=True)
        for row, place in enumerate(torch.linspace(0, len(own) - 1, rows + 1)[:-1].long()):
            axis, image = axes[row, label], order[place]
            axis.imshow(own.images[image].permute(1, 2, 0), interpolation="nearest")
            axis.set_axis_off()
            shares, classes = own.probabilities[image].topk(2)
            text = [f"{images.classes[k]} {share:.0%}" for share, k in zip(shares, classes) if share > 0.005]
            axis.text(0.5, -0.04, "\n".join(text), fontsize=6.5, color="0.35", ha="center", va="top",
                      transform=axis.transAxes)
        axes[0, label].set_title(name, fontsize=11, pad=4)
    figure.savefig(path, dpi=110, bbox_inches="tight", facecolor="white")


if __name__ == "__main__":
    main()
