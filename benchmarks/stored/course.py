"""The stored results of the course: atlas, comparisons, references, what people say."""
import math
import statistics

from part import ASSETS, BENCHMARKS, HERE, Part, cifar10, made, of_plan, read, write

from distill_course.comparisons import ATLAS, COMPARISONS, KEPT, kept
from distill_course.people import beside_people, human_votes
from distill_course.sweep.plan import Planned
from distill_course.sweep.stock import Stock
from distill_kit.settings import Settings


class Comparison(Part):
    """One of distill_course/comparisons.py's, of the atlas or of the lessons."""

    def __init__(self, name: str):
        self.name = name
        self.file = ASSETS / f"{'atlas' if name in ATLAS else 'comparisons'}.json"
        self.planned_in = f"distill_course/assets/{'atlas' if name in ATLAS else 'comparison'}-table.toml"

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Plan every arm with every seed."""
        return {f"{run.arm}, seed {run.settings.seed}": run for run in COMPARISONS[self.name].plan(cifar10(stock))}

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """Keep what comparisons.stored reads."""
        measured = COMPARISONS[self.name].shared.get("measure", "val_accuracy")
        columns = dict.fromkeys([measured] if self.name in ATLAS else [*KEPT, measured])
        arms: dict[str, list[dict]] = {}
        for run, result in results.items():
            arms.setdefault(run.rpartition(", seed ")[0], []).append(kept(result, columns))
        return {"arms": arms, "source": next(iter(results.values()))["source"], **made(results.values())}

    def read(self) -> dict:
        """Read this comparison."""
        return read(self.file).get(self.name, {})

    def write(self, content: dict, results: dict[str, dict]) -> None:
        """Write this comparison beside the others, and the atlas's card."""
        everything = {**read(self.file), self.name: content}
        write(self.file, everything, '},{"seed"')
        if self.name in ATLAS:
            self.file.with_suffix(".md").write_text(card(everything), encoding="utf-8")

    def held(self, content: dict) -> list[str]:
        """List arms and seeds."""
        return [f"{arm}, seed {run['seed']}" for arm, runs in content["arms"].items() for run in runs]

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return each figure of each arm."""
        return {f"{arm}, {figure}": [run[figure] for run in runs] for arm, runs in content.get("arms", {}).items()
                for figure in runs[0] if figure not in ("seed", "epochs")}

    def named(self, cell: str) -> str:
        """Return comparison and arm."""
        return f"{self.name}: {cell.rpartition(', ')[0]}"


def card(atlas: dict[str, dict]) -> str:
    """Write the atlas's data card."""
    arms = [runs for part in atlas.values() for runs in part["arms"].values()]
    marks = {name: "; ".join(dict.fromkeys(str(part[name]) for part in atlas.values()))
             for name in ("source", "machine", "date", "version")}
    seeds = sorted({len(runs) for runs in arms})
    words = (HERE / "atlas_card.md").read_text(encoding="utf-8")
    anew = read(BENCHMARKS / "atlas_anew.json")
    return words.format(inside=anew["inside"], of=anew["of"], runs=sum(map(len, arms)), cells=len(arms),
                        seeds=" or ".join(map(str, seeds)), **marks)


def spread_like(mean: float, spread: float, n: int) -> list[float]:
    """Return n values with this mean and standard deviation: all that a test of means asks of them."""
    step = spread / math.sqrt(n * (n + 1) / 12)  # of n numbers in a row the deviation is sqrt(n (n + 1) / 12)
    return [mean + step * (place - (n - 1) / 2) for place in range(n)]


class Reference(Part):
    """What healthy runs come to, against which `diagnose` holds a run's accuracy."""
    file = ASSETS / "reference.json"

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Return the plan's."""
        return of_plan("reference")

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """Keep what diagnosis.finding reads, for each data set."""
        by_data: dict[str, list[dict]] = {}
        for name, result in results.items():
            by_data.setdefault(name.partition(",")[0].removeprefix("data = "), []).append(result)
        return {data: summary(runs) for data, runs in by_data.items()}

    def held(self, content: dict) -> list[str]:
        """List data sets and seeds, of which only the number is stored."""
        seeds = sorted({run.settings.seed for run in of_plan("reference").values()})
        return [f"data = {data}, seed {seed}" for data in content for seed in seeds[:content[data]["runs"]]]

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return the accuracy of both data sets."""
        return {data: spread_like(entry["accuracy"], entry["spread"], entry["runs"]) for data, entry in content.items()}

    def marks(self, content: dict) -> list[dict]:
        """Return the entries of both data sets."""
        return list(content.values())


def summary(results: list[dict]) -> dict:
    """Summarise healthy runs: best validation accuracy, mean and spread over seeds, and the shipped teacher's."""
    best, final = [max(row["val_accuracy"] for row in result["rows"]) for result in results], results[0]["rows"][-1]
    return {"data": results[0]["source"], "accuracy": round(statistics.mean(best), 4),
            "spread": round(statistics.stdev(best), 4), "runs": len(results), "steps": final["steps"],
            "teacher_accuracy": round(final["val_teacher_accuracy"], 4), **made(results)}


class People(Part):
    """How near the teacher comes to what people say, which notebook 01 shows. Needs CIFAR-10H (see data/README.md)."""
    file, planned_in = ASSETS / "people.json", "no run"

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """Keep what people.beside_people returns where the votes are not at hand."""
        human_votes(fetch=True)
        dataset, marks = cifar10(stock), made([])
        report = beside_people(dataset, stock.teacher(Planned(Settings(data="cifar10"))))
        rounded = {name: [round(x, 4) for x in value] if isinstance(value, list) else value
                   for name, value in report.items()}
        return {**rounded, "origin": f"Stored: 10,000 test images, {dataset.pool.source}, {marks['date']}.",
                "version": marks["version"]}

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return every figure, which are computed to the digit."""
        return {f"{what}, T = {temperature:g}": [figure] for what in ("distance", "teacher") if what in content
                for temperature, figure in zip(content["temperatures"], content[what])}
