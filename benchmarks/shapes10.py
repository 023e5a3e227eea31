"""Measure the effects that the course teaches on Shapes-10, and beside them on CIFAR-10 where that is at hand.

    python benchmarks/shapes10.py [--teacher teacher.safetensors] [--seeds 5]
    python benchmarks/shapes10.py --picture      the sheet of examples, docs/shapes10.png, and nothing measured

Writes benchmarks/shapes10.json and the table in docs/shapes10.md. Pairs of runs differ in a single setting; both have
the same seeds, images, views and number of steps. Test images.
"""
import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from shared import ROOT, results, spread, write_json, write_part

from distill_course.settings import favourite
from distill_course.sweep.plan import Planned
from distill_kit.data import Dataset, ImageSet, load_dataset
from distill_kit.data.shapes10 import best_accuracy
from distill_kit.metrics import measure
from distill_kit.models import STUDENTS
from distill_kit.settings import QUICK_EPOCHS, Settings
from distill_kit.teachers import load_teacher

FILTERS = {"filters of 3x3": (3, 3, 3), "filters of 2x2": (2, 3, 2)}
# In each worker process as well, for it reads this file before it trains.
STUDENTS.update({name: replace(STUDENTS["default"], kernels=kernels) for name, kernels in FILTERS.items()})
QUICK = {"epochs": QUICK_EPOCHS}
UNTAUGHT, TAUGHT = {"alpha": 1.0}, {"alpha": 0.1}
EFFECTS = {  # what the two runs share, then what sets them apart
    "default run: labels alone, with the teacher": ({}, UNTAUGHT, TAUGHT),
    "quick run: labels alone, with the teacher": (QUICK, UNTAUGHT, TAUGHT),
    "40 % of the labels drawn at random: labels alone, with the teacher":
        ({**QUICK, "label_noise": 0.4}, UNTAUGHT, TAUGHT),
    "1,000 labels among 5,000 images: labels alone, with the teacher":
        ({**QUICK, "labelled": 1_000}, UNTAUGHT, TAUGHT),
    "a class never seen, ranked first or second: T = 1, T = 10": (QUICK, {"temperature": 1.0}, {"temperature": 10.0}),
    "with the teacher: filters of 3x3 in each block, of 2x2 in the first and the last":
        (QUICK, *({"student": name} for name in FILTERS)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", help="weights of a teacher of Shapes-10; the shipped ones where left out")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", action="store_true", help="draw the sheet of examples instead")
    options = parser.parse_args()
    shapes = load_dataset("shapes10")
    if options.picture:
        draw_sheet(shapes.validation, ROOT / "docs" / "shapes10.png")
        return
    sets = {"shapes10": (shapes, options.teacher)}
    try:
        sets["cifar10"] = load_dataset("cifar10"), None
    except FileNotFoundError as error:
        print(error)
    report = {"best_possible_test": best_accuracy(shapes.test), "seeds": options.seeds, "torch": torch.__version__,
              "sets": {}}
    for name, (dataset, weights) in sets.items():
        report["sets"][name] = measured(dataset, weights, options.seeds)
        write_json("shapes10.json", report)
    write_part(ROOT / "docs" / "shapes10.md", "effects", table(report))


def measured(dataset: Dataset, weights: str | None, seeds: int) -> dict:
    """Measure every effect on a data set, with a pair of runs for each seed."""
    teacher, _ = load_teacher(dataset, weights)
    report = {"data": dataset.pool.source, "teacher_test": measure(teacher, dataset.test)["accuracy"],
              "left_out": favourite(dataset), "effects": {}}
    for name, (shared, *arms) in EFFECTS.items():
        if "never seen" in name:
            shared = {**shared, "leave_out": favourite(dataset)}
        runs = [Planned(Settings(data=dataset.name, seed=seed, **shared, **arm))
                for arm in arms for seed in range(seeds)]
        made = [result["report"] for result in results(runs, dataset, teacher)]
        # How often the class never seen is ranked first or second, where there is one.
        figures = [100 * row.get("rank2_left_out", row["test_accuracy"]) for row in made]
        report["effects"][name] = row = summary(figures[:seeds], figures[seeds:])
        report["precision"] = made[0]["precision"]
        print(dataset.name, name, json.dumps(row), flush=True)
    return report


def summary(first: list[float], second: list[float]) -> dict:
    """Summarise the figures of both arms, and their differences seed by seed."""
    differences = [b - a for a, b in zip(first, second)]
    return {"n": len(first), "one": spread(first), "other": spread(second), "difference": spread(differences),
            "least": round(min(differences), 2)}


def table(report: dict) -> str:
    """Write the page's figures, in Markdown."""
    sets = report["sets"].values()
    best, own = report["best_possible_test"], report["sets"]["shapes10"]
    left_out = " and ".join(f"the {row['left_out']} of {row['data'].split(',')[0]}" for row in sets)
    lines = [f"""
The best possible guess is right for {best:.1%} of the test images, the shipped teacher for {own["teacher_test"]:.1%}.
Below: per cent of the test images, means over {report["seeds"]} seeds, and the difference with its standard deviation,
in percentage points. The class never seen is {left_out}; its row counts only its own test images.
`python benchmarks/shapes10.py` makes this table again (here in {own["precision"]}, one thread a student).

| | {" | ".join(row["data"].split(", seed")[0] for row in sets)} |
|---|{"---|" * len(sets)}"""]
    for name in EFFECTS:
        cells = [f"{row['one']['mean']:.1f} → {row['other']['mean']:.1f}: {row['difference']['mean']:+.1f} ± "
                 f"{row['difference']['sd']:.1f}" for row in (each["effects"][name] for each in sets)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_sheet(images: ImageSet, path: Path, rows: int = 8) -> None:
    """Draw a column a class: its images from the clearest to the most doubtful, each with its two likeliest classes."""
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
