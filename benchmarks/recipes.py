"""Why the default student and its recipe are what they are: candidates, measured on validation images.

    python benchmarks/recipes.py [--seeds 3] [--only "the default run" "last block halves"]
    python benchmarks/recipes.py --only             trains nothing: writes the table from recipes.json

Writes benchmarks/recipes.json after every pair of runs, goes on from what is there, and makes the table in
docs/recipe.md.

Each candidate differs from the default run in what its name says. All are trained in turn, with and without the
teacher, seed after seed, so that they share the weather of the machine. No test image is looked at.
"""
import argparse
import statistics
from dataclasses import replace

from shared import BENCHMARKS, ROOT, read_json, spread, trained, write_json, write_part

from distill_course.machine import machine
from distill_course.teacher_training import ALL_VIEWS
from distill_kit.data import load_dataset
from distill_kit.metrics import accuracy, answers
from distill_kit.models import STUDENTS
from distill_kit.run import Materials, Run
from distill_kit.settings import QUICK_EPOCHS, Settings
from distill_kit.teachers import load_teacher
from distill_kit.views import VIEWS

FIRST_SEED = 10  # other seeds than those whose test figures are published
SHAPES = {
    "last block halves": replace(STUDENTS["default"], last_halves=True),
    "last block of 64": replace(STUDENTS["default"], widths=(32, 64, 64)),
    "last block of 160": replace(STUDENTS["default"], widths=(32, 64, 160)),
    "first block of 24": replace(STUDENTS["default"], widths=(24, 64, 128)),
    "head max": replace(STUDENTS["default"], head="max"),
}
ADAMW = {"optimizer": "adamw", "batch_size": 64}
CANDIDATES = {
    "the default run": {},
    "the quick run": {"epochs": QUICK_EPOCHS},
    "10 epochs": {"epochs": 10},
    "12 epochs": {"epochs": 12},
    "16 epochs": {"epochs": 16},
    "learning rate 0.005": {"learning_rate": 5e-3},
    "learning rate 0.02": {"learning_rate": 2e-2},
    "batch 128": {"batch_size": 128},
    "batch 128, rate 0.005, 10 epochs": {"batch_size": 128, "learning_rate": 5e-3, "epochs": 10},
    "AdamW, batch 64, 14 epochs": {**ADAMW, "epochs": 14},
    "AdamW, batch 64, 14 epochs, 8 views": {**ADAMW, "epochs": 14, "views": ALL_VIEWS[:8]},
    "AdamW, batch 128, rate 0.02, 16 epochs": {**ADAMW, "batch_size": 128, "learning_rate": 2e-2, "epochs": 16},
    "2 views": {"views": VIEWS[:2]},
    "8 views": {"views": ALL_VIEWS[:8]},
    "student small": {"student": "small"},
    "student wide": {"student": "wide"},
    **{name: {"student": name} for name in SHAPES},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES), metavar="NAME", help="candidates")
    options = parser.parse_args()
    STUDENTS.update(SHAPES)
    dataset = load_dataset("cifar10")
    teacher, _ = load_teacher(dataset)
    made = read_json("recipes.json")["candidates"] if (BENCHMARKS / "recipes.json").exists() else {}
    materials = {}
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        for name in options.only:
            rows = made.setdefault(name, [])
            if any(row["seed"] == seed for row in rows):
                continue  # it was measured before
            changes = dict(CANDIDATES[name])
            views = changes.pop("views", VIEWS)
            if views not in materials:
                materials[views] = Materials(dataset, teacher, views=views)
                materials[views].complete(progress=True)
            untaught, taught = (trained(Settings(seed=seed, alpha=alpha, **changes), materials[views])
                                for alpha in (1.0, 0.1))
            rows.append({"seed": seed, "labels alone": per_cent(untaught), "with the teacher": per_cent(taught),
                         "seconds": taught.history[-1]["seconds"]})
            print(name, rows[-1], flush=True)
            write_json("recipes.json", {"data": dataset.pool.source, "precision": materials[views].precision,
                                        "machine": machine(materials[views].device), "candidates": made})
    write_table(made)


def per_cent(run: Run) -> float:
    """Measure a student on all validation images."""
    validation, materials = run.materials.validation, run.materials
    return 100 * accuracy(answers(run.student, validation, materials.device, materials.precision), validation.labels)


def write_table(made: dict[str, list[dict]]) -> None:
    """Write the table of docs/recipe.md."""
    lines = ["| | n | labels alone | with the teacher | gain | least gain | seconds |", "|---" * 7 + "|"]
    for name, rows in made.items():
        columns = [[row["labels alone"] for row in rows], [row["with the teacher"] for row in rows]]
        columns.append([b - a for a, b in zip(*columns)])
        cells = [f"{column['mean']:.1f} ± {column['sd']:.1f}" for column in map(spread, columns)]
        seconds = statistics.median(row["seconds"] for row in rows)
        lines.append(f"| {name} | {len(rows)} | {' | '.join(cells)} | {min(columns[2]):.1f} | {seconds:.1f} |")
    write_part(ROOT / "docs" / "recipe.md", "recipes", "\n".join(lines))


if __name__ == "__main__":
    main()
