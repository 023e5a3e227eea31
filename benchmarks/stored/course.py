"""The stored results of the course: atlas, comparisons, the lab's runs, references, what people say."""
import math
import statistics

from part import ASSETS, HERE, Part, cifar10, made, of_plan, read, write

from distill_course.comparisons import ATLAS, COMPARISONS, KEPT, kept
from distill_course.lab.experiments import EXPERIMENTS, Experiment
from distill_course.lab.measures import ACCURACY, MEASURES
from distill_course.lab.share import code_of
from distill_course.people import beside_people, human_votes
from distill_course.statistics import by_luck
from distill_course.sweep.plan import Planned
from distill_course.sweep.stock import Stock
from distill_kit.settings import Settings

MOVED = {"temperature": ["temperature"], "alpha": ["alpha"], "labels": ["labelled"],  # controls whose stops are stored
         "plain": ["temperature", "alpha", "learning_rate", "images", "label_noise", "student"],
         "false_teacher": [], "schedule": []}
SEEDS = {"plain": 20}  # over which the luck of an experiment is measured; else:
FEWER_SEEDS = 12


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
        columns = [COMPARISONS[self.name].shared.get("measure", "val_accuracy")] if self.name in ATLAS else KEPT
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
    return words.format(runs=sum(map(len, arms)), cells=len(arms), seeds=" or ".join(map(str, seeds)), **marks)


class Lab(Part):
    """For each experiment mean and spread of what it measures, at its first values; then, with seed 0, its presets, and
    every stop of the controls in MOVED while the others stay.
    """
    file, planned_in = ASSETS / "lab-stored.json", "distill_course/assets/experiments.toml"

    def runs(self, stock: Stock) -> dict[str, Planned]:
        """Plan stops, and first values and baselines over the seeds. Names are the lab's codes."""
        runs, dataset = {}, cifar10(stock)
        for experiment in map(EXPERIMENTS.get, MOVED):
            first = experiment.first_values
            for values, seed in [*((values, 0) for values in what_to_store(experiment)),
                                 *((first, seed) for seed in seeds_of(experiment))]:
                settings = experiment.settings(values, dataset, seed)
                baseline = experiment.baseline_of(settings)
                measure = measure_of(experiment)
                taught_by = baseline if experiment.taught_by_baseline and settings != baseline else None
                code = code_of(experiment, values, seed)
                runs[code] = Planned(settings, taught_by=taught_by, measure=measure)
                if values == first:
                    runs[f"baseline of {code}"] = Planned(baseline, measure=measure)
        return runs

    def content(self, results: dict[str, dict], stock: Stock) -> dict:
        """Keep what lab.stored_runs reads."""
        experiments = {}
        for experiment in map(EXPERIMENTS.get, MOVED):
            codes = [code_of(experiment, values, 0) for values in what_to_store(experiment)]
            stops = {code: shares(results[code], experiment) for code in codes}
            experiments[experiment.name] = {"noise": noise(results, experiment), "runs": {
                code: {"shares": [round(share, 4) for share in each], "best": round(best, 4)}
                for code, (each, best) in stops.items()}}
        return {"source": next(iter(results.values()))["source"], "experiments": experiments, **made(results.values())}

    def read(self) -> dict:
        """Read what is stored of CIFAR-10."""
        return read(self.file).get("cifar10", {})

    def write(self, content: dict, results: dict[str, dict]) -> None:
        """Write it beside what is stored of other images."""
        write(self.file, {**read(self.file), "cifar10": content}, '},"')

    def held(self, content: dict) -> list[str]:
        """List codes, of baselines as well."""
        stored = content["experiments"]
        luck = [code_of(EXPERIMENTS[name], EXPERIMENTS[name].first_values, seed)
                for name in stored for seed in range(stored[name]["noise"]["n"])]
        return list(dict.fromkeys([*(code for name in stored for code in stored[name]["runs"]), *luck,
                                   *(f"baseline of {code}" for code in luck)]))

    def cells(self, content: dict) -> dict[str, list[float]]:
        """Return each stop's best share, and figures over seeds of first values and baselines."""
        cells = {}
        for name, entry in content.get("experiments", {}).items():
            cells |= {code: [run["best"]] for code, run in entry["runs"].items()}
            for of in ("", "baseline "):
                cells[f"{name}, {of or 'first values '}over seeds"] = spread_like(
                    entry["noise"][f"{of}mean"], entry["noise"][f"{of}sd"], entry["noise"]["n"])
        return cells

    def luck(self, content: dict) -> dict[str, float]:
        """Return by how much two single runs of an experiment differ by luck."""
        return {code: by_luck(entry["noise"]["sd"], entry["noise"]["sd"], entry["noise"]["n"])
                for entry in content.get("experiments", {}).values() for code in entry["runs"]}


def what_to_store(experiment: Experiment) -> list[dict]:
    """List the values of the controls that are trained with seed 0."""
    first = experiment.first_values
    moved = [{**first, control.name: stop} for control in experiment.controls
             if control.name in MOVED[experiment.name] for stop in control.stops]
    return [*({**first, **preset.values} for preset in experiment.presets), *moved]


def seeds_of(experiment: Experiment) -> range:
    """Return the seeds over which the luck of an experiment is measured."""
    return range(SEEDS.get(experiment.name, FEWER_SEEDS))


def measure_of(experiment: Experiment) -> str | None:
    """Return the name of an experiment's measure; None for accuracy, which every row has."""
    return None if experiment.measure is ACCURACY else next(
        name for name, measure in MEASURES.items() if measure is experiment.measure)


def shares(result: dict, experiment: Experiment) -> tuple[list[float], float]:
    """Return what an experiment measures: after each epoch, and at the one whose weights were kept."""
    column = measure_of(experiment) or "val_accuracy"
    return [row[column] for row in result["rows"]], [row[column] for row in result["rows"] if row["best"]][-1]


def noise(results: dict[str, dict], experiment: Experiment) -> dict:
    """Measure how an experiment's first values and their baseline differ from seed to seed."""
    codes = [code_of(experiment, experiment.first_values, seed) for seed in seeds_of(experiment)]
    values, baselines = ([shares(results[f"{of}{code}"], experiment)[1] for code in codes]
                         for of in ("", "baseline of "))
    return {"n": len(codes), "mean": statistics.mean(values), "sd": statistics.stdev(values),
            "baseline mean": statistics.mean(baselines), "baseline sd": statistics.stdev(baselines)}


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
