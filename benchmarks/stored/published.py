"""The stored results that pages show: the README's first run, and the candidates of docs/recipe.md."""
import statistics
import sys
from dataclasses import replace

from part import BENCHMARKS, ROOT, Part, made, of_plan

from distill_course.sweep.plan import Planned
from distill_course.sweep.stock import Stock
from distill_kit import plotting
from distill_kit.models import STUDENTS
from distill_kit.settings import DEFAULT_EPOCHS, QUICK_EPOCHS
from distill_kit.teachers import load_teacher

sys.path.append(str(BENCHMARKS))  # behind the libraries
from shared import spread, write_part

SHAPES = {
    "last block of 64": replace(STUDENTS["default"], widths=(32, 64, 64)),
    "first block of 24": replace(STUDENTS["default"], widths=(24, 64, 128)),
    "filters of 3x3 in each block": replace(STUDENTS["default"], kernels=(3, 3, 3)),
    "filters of 2x2 in each block": replace(STUDENTS["default"], kernels=(2, 2, 2)),
    "24 stem channels": replace(STUDENTS["default"], stem_channels=24),
}
STUDENTS.update(SHAPES)  # in each worker process as well, for it reads make.py, and so this file, before it trains
RUNS = {"quick run": QUICK_EPOCHS, "default run": DEFAULT_EPOCHS}
ARMS = {"labels alone": "alpha = 1.0", "with the teacher": "alpha = 0.1"}


class FirstRun(Part):
    """Runs with and without the teacher: quick and default run, the same seeds, images and views; test images."""
    file, workers = BENCHMARKS / "first_run.json", 1

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Return the plan's."""
        return of_plan("first_run")

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """Summarise both arms, and what the teacher is worth within each seed."""
        run, first = next(iter(self.runs(stock).values())), next(iter(results.values()))
        report = {"data": first["source"],
                  "teacher_test_accuracy": load_teacher(stock.dataset(run))[1]["test"]["accuracy"],
                  "seeds": len(results) // (len(RUNS) * len(ARMS)), "torch": first["machine"]["torch"],
                  "threads": first["threads"], "precision": first["report"]["precision"], **made(results.values())}
        for name, epochs in RUNS.items():
            arms = {arm: [results[f"epochs = {epochs}, {alpha}, seed {seed}"] for seed in range(report["seeds"])]
                    for arm, alpha in ARMS.items()}
            shares = {arm: [100 * run["report"]["test_accuracy"] for run in runs] for arm, runs in arms.items()}
            report[name] = {"epochs": epochs, **{arm: spread(values) for arm, values in shares.items()},
                            "gain": spread([b - a for a, b in zip(*shares.values())]),
                            "seconds": statistics.median(run["report"]["seconds"] for run in arms["with the teacher"])}
        return report

    def write(self, content: dict, results: dict[str, dict]) -> None:
        """Write the figures, the README's table and its picture."""
        super().write(content, results)
        write_part(ROOT / "README.md", "first_run", first_table(content))
        draw({arm: results[f"epochs = {DEFAULT_EPOCHS}, {alpha}, seed 0"]["rows"] for arm, alpha in ARMS.items()})

    def held(self, content: dict) -> list[str]:
        """List the runs, of which the number of seeds is stored."""
        return [f"epochs = {content[name]['epochs']}, {alpha}, seed {seed}" for name in RUNS
                for arm, alpha in ARMS.items() for seed in range(content[name][arm]["n"])]

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return the accuracies, in per cent."""
        return {f"{name}, {arm}": content[name][arm]["values"] for name in RUNS if name in content for arm in ARMS}


def first_table(report: dict) -> str:
    """Write the README's figures, in Markdown."""
    lines = [f"""
Measured on {report["data"]}, with the shipped teacher ({report["teacher_test_accuracy"]:.1%} of the test images),
students of 5,000 images, alpha 0.1 and temperature 4, on {report["threads"]} CPU cores in {report["precision"]}.
Per cent of the test images, mean and standard deviation over {report["seeds"]} seeds; the gain is within a seed.
`python benchmarks/stored/make.py first_run` makes this table again.

| | labels alone | with the teacher | gain in points | seconds |
|---|---|---|---|---|"""]
    for name in RUNS:
        row = report[name]
        cells = [f"{row[key]['mean']:.1f} ± {row[key]['sd']:.1f}" for key in (*ARMS, "gain")]
        lines.append(f"| {name}, {row['epochs']} epochs | {' | '.join(cells)} | {row['seconds']:.0f} |")
    return "\n".join(lines)


def draw(runs: dict[str, list[dict]]) -> None:
    """Draw the accuracies of both students, and the loss of the one with a teacher: docs/first_run.png."""
    figure, (left, right) = plotting.new_figure(2, width=10, height=3.6)
    plotting.curves(runs, "val_accuracy", left).set_title("Two students, the same 5,000 images")
    plotting.loss_terms(runs["with the teacher"], right).set_title("What the one with a teacher minimises")
    figure.savefig(ROOT / "docs" / "first_run.png", dpi=110)


class Recipes(Part):
    """Why the default student and its recipe are what they are: candidates, measured on validation images."""
    file, workers = BENCHMARKS / "recipes.json", 1

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Return the plan's."""
        return of_plan("recipes")

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """List for each candidate a row a seed, in per cent of the validation images. No test image is looked at."""
        candidates: dict[str, list[dict]] = {}
        for name, untaught in results.items():
            candidate, alpha, seed = name.rsplit(", ", 2)
            if alpha == ARMS["labels alone"]:
                taught = results[f"{candidate}, {ARMS['with the teacher']}, {seed}"]
                candidates.setdefault(candidate, []).append({
                    "seed": untaught["settings"]["seed"], "labels alone": 100 * untaught["report"]["val_accuracy"],
                    "with the teacher": 100 * taught["report"]["val_accuracy"], "seconds": taught["report"]["seconds"]})
        first = next(iter(results.values()))
        return {"data": first["source"], "precision": first["report"]["precision"], **made(results.values()),
                "machine": first["machine"], "candidates": candidates}

    def write(self, content: dict, results: dict[str, dict]) -> None:
        """Write the figures, and the table of docs/recipe.md."""
        super().write(content, results)
        write_part(ROOT / "docs" / "recipe.md", "recipes", recipe_table(content["candidates"]))

    def held(self, content: dict) -> list[str]:
        """List candidates and seeds, with the teacher and without."""
        return [f"{candidate}, {alpha}, seed {row['seed']}" for candidate, rows in content["candidates"].items()
                for row in rows for alpha in ARMS.values()]

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return the accuracies, in per cent."""
        return {f"{candidate}, {arm}": [row[arm] for row in rows]
                for candidate, rows in content.get("candidates", {}).items() for arm in ARMS}

    def marks(self, content: dict) -> list[dict]:
        """Return version and machine, of which the processor is enough."""
        return [{**content, "machine": content["machine"]["processor"]}]


def recipe_table(made: dict[str, list[dict]]) -> str:
    """Write the table of docs/recipe.md."""
    lines = ["| | n | labels alone | with the teacher | gain | least gain | seconds |", "|---" * 7 + "|"]
    for name, rows in made.items():
        columns = [[row[arm] for row in rows] for arm in ARMS]
        columns.append([b - a for a, b in zip(*columns)])
        cells = [f"{column['mean']:.1f} ± {column['sd']:.1f}" for column in map(spread, columns)]
        seconds = statistics.median(row["seconds"] for row in rows)
        lines.append(f"| {name} | {len(rows)} | {' | '.join(cells)} | {min(columns[2]):.1f} | {seconds:.1f} |")
    return "\n".join(lines)
