"""Why the default student and its recipe are what they are: candidates, measured on validation images.

    python benchmarks/recipes.py [--seeds 3]

Writes benchmarks/recipes.json, after every round, and the table in docs/recipe.md.

Each candidate differs from the default run in what its name says. All are trained in turn, with and without the
teacher, seed after seed, so that they share the weather of the machine. No test image is looked at.
"""
import argparse
import json
import statistics
from dataclasses import replace
from pathlib import Path

from first_run import spread

from distill_kit.bench import machine
from distill_kit.data import load_dataset
from distill_kit.models import STUDENTS
from distill_kit.run import QUICK_EPOCHS, Materials, Run, Settings
from distill_kit.teachers import accuracy, answers, load_teacher
from distill_kit.views import VIEWS

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- recipes -->", "<!-- /recipes -->"
SHAPES = {
    "last block halves": replace(STUDENTS["default"], last_halves=True),
    "last block of 64": replace(STUDENTS["default"], widths=(32, 64, 64)),
    "last block of 160": replace(STUDENTS["default"], widths=(32, 64, 160)),
    "first block of 24": replace(STUDENTS["default"], widths=(24, 64, 128)),
    "head max": replace(STUDENTS["default"], head="max"),
}
CANDIDATES = {
    "the default run": {},
    "the quick run": {"epochs": QUICK_EPOCHS},
    "16 epochs": {"epochs": 16},
    "learning rate 0.015": {"learning_rate": 1.5e-2},
    "learning rate 0.02": {"learning_rate": 2e-2},
    "batch 128, rate 0.02": {"batch_size": 128, "learning_rate": 2e-2},
    "batch 128, rate 0.02, 16 epochs": {"batch_size": 128, "learning_rate": 2e-2, "epochs": 16},
    "batch 128, rate 0.03, 16 epochs": {"batch_size": 128, "learning_rate": 3e-2, "epochs": 16},
    "batch 96, rate 0.015, 15 epochs": {"batch_size": 96, "learning_rate": 1.5e-2, "epochs": 15},
    "student small": {"student": "small"},
    "student wide": {"student": "wide"},
    **{name: {"student": name} for name in SHAPES},
    "2 views": {"views": VIEWS[:2]},
    "4 views": {"views": VIEWS[:4]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    STUDENTS.update(SHAPES)
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    materials = {}
    for changes in CANDIDATES.values():
        views = changes.get("views", VIEWS)
        if views not in materials:
            materials[views] = Materials(dataset, teacher, views=views)
            materials[views].complete(progress=True)
    made = {name: [] for name in CANDIDATES}
    for seed in range(10, 10 + options.seeds):  # other seeds than those whose test figures are published
        for name, changes in CANDIDATES.items():
            changes = dict(changes)
            shared = materials[changes.pop("views", VIEWS)]
            alone, taught = (trained(Settings(seed=seed, alpha=alpha, **changes), shared) for alpha in (1.0, 0.1))
            made[name].append((*alone, *taught))
            print(f"seed {seed}, {name}: {alone[0]:.1f} -> {taught[0]:.1f}, {taught[1]:.1f} s", flush=True)
        report = {"data": dataset.pool.source, "precision": shared.precision, "machine": machine(shared.device),
                  "candidates": {name: figures(rows) for name, rows in made.items()}}
        (ROOT / "benchmarks" / "recipes.json").write_text(json.dumps(report, indent=1) + "\n")
    write_table(report)


def trained(settings: Settings, materials: Materials) -> tuple[float, float]:
    """Per cent of all validation images, and seconds."""
    run = Run(settings, materials)
    for _ in run.rows():
        pass
    validation = materials.dataset.validation
    logits = answers(run.student, validation, materials.device, materials.precision).float()
    return 100 * accuracy(logits, validation.labels), run.history[-1]["seconds"]


def figures(rows: list[tuple]) -> dict:
    alone, seconds_alone, taught, seconds = zip(*rows)
    if len(rows) < 2:
        return {}
    return {"labels alone": spread(alone), "with the teacher": spread(taught),
            "gain": spread([b - a for a, b in zip(alone, taught)]), "seconds": round(statistics.median(seconds), 1)}


def write_table(report: dict) -> None:
    lines = ["", "| | n | labels alone | with the teacher | gain | least gain | seconds |", "|---" * 7 + "|"]
    for name, row in report["candidates"].items():
        gain = row["gain"]
        cells = [name, str(gain["n"]), *(f"{row[key]['mean']:.1f} ± {row[key]['sd']:.1f}"
                                         for key in ("labels alone", "with the teacher", "gain")),
                 f"{gain['least']:.1f}", f"{row['seconds']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    path = ROOT / "docs" / "recipe.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(START)
    path.write_text(before + START + "\n".join(lines) + "\n" + END + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
