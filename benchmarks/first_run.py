"""Runs with and without the teacher, several seeds: the figures and the picture of the README.

    python benchmarks/first_run.py [--data cifar10] [--seeds 3]

Writes benchmarks/first_run.json, docs/first_run.png and the table in README.md.

Quick and default run, alpha 1 against alpha 0.1, the same seeds, images and views; test images.
"""
import argparse
import json
import statistics
from pathlib import Path

import torch
from shared import ROOT, spread, trained, write_json, write_part

from distill_kit import plotting
from distill_kit.data import load_dataset
from distill_kit.run import Materials
from distill_kit.settings import DEFAULT_EPOCHS, QUICK_EPOCHS, Settings
from distill_kit.teachers import load_teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    dataset = load_dataset(options.data)
    teacher, card = load_teacher(dataset)
    materials = Materials.of(Settings(), dataset, teacher)
    report = {"data": dataset.pool.source, "teacher_test_accuracy": card["test"]["accuracy"],
              "seeds": options.seeds, "torch": torch.__version__, "threads": torch.get_num_threads(),
              "precision": materials.precision}
    for name, epochs in (("quick run", QUICK_EPOCHS), ("default run", DEFAULT_EPOCHS)):
        runs = {alpha: [trained(Settings(alpha=alpha, epochs=epochs, seed=seed), materials)
                        for seed in range(options.seeds)] for alpha in (1.0, 0.1)}
        untaught, taught = ([100 * run.report()["test_accuracy"] for run in runs[alpha]] for alpha in (1.0, 0.1))
        report[name] = {"epochs": epochs, "labels alone": spread(untaught), "with the teacher": spread(taught),
                        "gain": spread([b - a for a, b in zip(untaught, taught)]),
                        "seconds": statistics.median(run.history[-1]["seconds"] for run in runs[0.1])}
        print(name, json.dumps(report[name]))
    draw({"labels alone": runs[1.0][0].history, "with the teacher": runs[0.1][0].history},
         ROOT / "docs" / "first_run.png")
    write_json("first_run.json", report)
    write_part(ROOT / "README.md", "first_run", table(report))


def table(report: dict) -> str:
    """Write the README's figures, in Markdown."""
    lines = [f"""
Measured on {report["data"]}, with the shipped teacher ({report["teacher_test_accuracy"]:.1%} of the test images),
students of 5,000 images, alpha 0.1 and temperature 4, on {report["threads"]} CPU cores in {report["precision"]}.
Per cent of the test images, mean and standard deviation over {report["seeds"]} seeds; the gain is within a seed.
`python benchmarks/first_run.py` makes this table again.

| | labels alone | with the teacher | gain in points | seconds |
|---|---|---|---|---|"""]
    for name in ("quick run", "default run"):
        row = report[name]
        cells = [f"{row[key]['mean']:.1f} ± {row[key]['sd']:.1f}"
                 for key in ("labels alone", "with the teacher", "gain")]
        lines.append(f"| {name}, {row['epochs']} epochs | {' | '.join(cells)} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def draw(runs: dict, path: Path) -> None:
    """Draw the accuracies of both students, and the loss of the one with a teacher."""
    figure, (left, right) = plotting.new_figure(2, width=10, height=3.6)
    plotting.curves(runs, "val_accuracy", left).set_title("Two students, the same 5,000 images")
    plotting.loss_terms(runs["with the teacher"], right).set_title("What the one with a teacher minimises")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
