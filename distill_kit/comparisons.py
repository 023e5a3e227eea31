"""The course's comparisons: settings that differ in one thing, each trained with several seeds, and what came out.

Each takes minutes, so one run of it ships with the kit (assets/comparisons.json, made by benchmarks/comparisons.py);
`train` makes it again.
"""
import datetime
import functools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import NamedTuple

from torch import nn

from . import statistics
from .data.imageset import FAVOURITE, Dataset, favourite
from .devices import choose_device, choose_precision, machine
from .history import EPOCH
from .many import FAILED, REPORT, train_many
from .run import QUICK_EPOCHS, Materials, Run, Settings

SEEDS = 5
KEPT = ("val_accuracy", "val_loss", "train_loss", "train_accuracy", "gradient_norm", "clipped")  # of each epoch's row
TEACHER = "teacher"            # of an arm: the settings of the student that is to be its teacher
IN_THIS_PROCESS = ("teacher_in_train_mode",)  # changes that ask the teacher anew: others have no teacher


@dataclass(frozen=True)
class Comparison:
    """Arms that differ from the first one, the baseline, in what their dicts say: fields of run.Settings."""
    arms: dict[str, dict]
    shared: dict = field(default_factory=dict)
    figure: str = "val_accuracy"       # of Run.report
    seeds: int = SEEDS

    def settings(self, arm: str, dataset: Dataset, seed: int) -> Settings:
        values = {"epochs": QUICK_EPOCHS, **self.shared, **self.arms[arm]}
        values.pop(TEACHER, None)
        if values.get("leave_out") == FAVOURITE:
            values["leave_out"] = favourite(dataset)
        return Settings(data=dataset.name, seed=seed, **values)


@dataclass(frozen=True)
class Results:
    """What a comparison came to: for each arm one dict a seed, with Run.report's figures and its epochs in columns."""
    arms: dict[str, list[dict]]
    figure: str
    source: str = ""                   # the copy of the data
    machine: str = ""
    date: str = ""
    stored: bool = False

    def values(self, arm: str, figure: str = "") -> list[float]:
        """One figure for each seed, a share from 0 to 1."""
        return [run[figure or self.figure] for run in self.arms[arm]]

    def by_number(self, figure: str = "") -> dict[float, list[float]]:
        """The same for every arm that bears a number ("T = 4"), by that number."""
        return {float(arm.rpartition("= ")[2]): self.values(arm, figure) for arm in self.arms}

    @property
    def origin(self) -> str:
        """In one sentence: where these figures come from."""
        seeds = len(next(iter(self.arms.values())))
        when = "Stored" if self.stored else "Trained just now"
        return f"{when}: {seeds} seeds an arm, {self.source}, {self.machine}, {self.date}."


class Paired(NamedTuple):
    """An arm against the baseline, seed by seed, in points."""
    arm: str
    differences: list[float]
    mean: float
    low: float          # 95 % interval of the mean (Student, 1908); NaN below two pairs, which have none
    high: float
    baseline: str = ""

    @property
    def may_be_luck(self) -> bool:
        return not (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        against = f", against {self.baseline}" if self.baseline else ""
        return f"{self.arm}{against}: {statistics.in_words(self.differences)}"


def paired(results: Results, baseline: str | None = None, figure: str = "") -> list[Paired]:
    """Every other arm against the baseline (the first arm where None), with the seeds that both have.

    Raises ValueError where two arms have no seed in common, and where a run has no such figure or a seed comes twice.
    """
    figure = figure or results.figure
    baseline = next(iter(results.arms), None) if baseline is None else baseline
    if baseline not in results.arms:
        raise ValueError(f"baseline must be an arm ({', '.join(results.arms) or 'there is none'}); got {baseline!r}")
    before, pairs = _by_seed(results, baseline, figure), []
    for arm in [arm for arm in results.arms if arm != baseline]:
        after = _by_seed(results, arm, figure)
        gains = [100 * (after[seed] - before[seed]) for seed in before if seed in after]
        if not gains:
            seeds = [", ".join(map(str, figures)) or "none" for figures in (before, after)]
            raise ValueError(f"arms must have a seed in common; {baseline!r} has {seeds[0]} and {arm!r} has {seeds[1]}")
        pairs.append(Paired(arm, gains, sum(gains) / len(gains), *statistics.interval(gains), baseline))
    return pairs


def _by_seed(results: Results, arm: str, figure: str) -> dict[int, float]:
    """A figure of each of an arm's runs by the run's seed; by its place where no seed stands."""
    figures: dict[int, float] = {}
    for place, run in enumerate(results.arms[arm]):
        seed, value = run.get("seed", place), run.get(figure)
        if value is None or not math.isfinite(value):
            raise ValueError(f"{figure} must be a number in every run; {arm!r} with seed {seed} has {value}")
        if seed in figures:
            raise ValueError(f"an arm must have each seed once; {arm!r} has seed {seed} twice")
        figures[seed] = value
    return figures


def stored(name: str) -> Results:
    """The shipped run of a comparison. Raises ValueError for a name that none has."""
    table = _table()
    if name not in table:
        raise ValueError(f"name must be one of {', '.join(table)}; got {name!r}")
    return Results(**table[name], figure=COMPARISONS[name].figure, stored=True)


def train(name: str, dataset: Dataset, teacher: nn.Module, seeds: int | None = None, *, arms: list[str] | None = None,
          progress: bool = True, **shared) -> Results:
    """Train a comparison again, with a progress bar. shared: further fields of Settings (epochs=4, say)."""
    comparison = COMPARISONS[name]
    comparison = replace(comparison, shared={**comparison.shared, **shared})
    asked = [(arm, seed) for arm in arms or comparison.arms for seed in range(seeds or comparison.seeds)]
    found = {arm: [] for arm, _ in asked}
    for arm, run in _trained(comparison, asked, dataset, teacher, progress):
        found[arm].append(run)
    found = {arm: sorted(runs, key=lambda run: run["seed"]) for arm, runs in found.items()}
    return Results(found, comparison.figure, dataset.pool.source, machine_in_words(), datetime.date.today().isoformat())


def _trained(comparison: Comparison, asked: list[tuple[str, int]], dataset: Dataset, teacher: nn.Module,
             progress: bool) -> Iterator[tuple[str, dict]]:
    alone = [pair for pair in asked if needs_this_process(comparison, pair[0])]
    together = [pair for pair in asked if pair not in alone]
    if together:
        settings = [comparison.settings(arm, dataset, seed) for arm, seed in together]
        epochs: dict[int, list[dict]] = {}
        for row in train_many(settings, dataset, teacher, progress=progress):
            if row["kind"] == FAILED:
                raise RuntimeError(f"{together[row['index']]}: {row['error']}")
            if row["kind"] == EPOCH:
                epochs.setdefault(row["index"], []).append(row)
            if row["kind"] == REPORT:
                arm, seed = together[row["index"]]
                yield arm, kept(seed, row, epochs[row["index"]])
    for arm, seed in alone:
        own, settings = comparison.arms[arm].get(TEACHER), comparison.settings(arm, dataset, seed)
        between = None if own is None else Settings(
            **{"data": dataset.name, "seed": seed, "epochs": settings.epochs, **own})
        run = _run(settings, dataset, teacher if own is None else _run(between, dataset, teacher).student)
        yield arm, kept(seed, run.report(), run.history)


def needs_this_process(comparison: Comparison, arm: str) -> bool:
    values = comparison.arms[arm]
    return TEACHER in values or bool(set(values.get("changes", ())) & set(IN_THIS_PROCESS))


def _run(settings: Settings, dataset: Dataset, teacher: nn.Module) -> Run:
    run = Run(settings, Materials.of(settings, dataset, teacher))
    for _ in run.rows():
        pass
    return run


def kept(seed: int, report: dict, rows: list[dict]) -> dict:
    """What is stored of one run."""
    figures = {name: round(report[name], 4) for name in ("val_accuracy", "test_accuracy", "rank2_left_out")
               if report.get(name) is not None}
    columns = {name: [None if row.get(name) is None else round(row[name], 4) for row in rows] for name in KEPT}
    return {"seed": seed, **figures, "epochs": columns}


def with_patience(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """How many of a run's epochs early stopping would train, and which one it would go back to; both from 1."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        best = epoch if loss < losses[best - 1] else best
        if epoch - best == patience:
            return epoch, best
    return len(losses), best


def machine_in_words() -> str:
    about = machine(choose_device())
    threads = "1 thread" if about["threads"] == 1 else f"{about['threads']} threads"
    return f"{threads} ({about['processor']}) in {choose_precision(device=choose_device())}"


@functools.cache
def _table() -> dict:
    return json.loads((files("distill_kit") / "assets" / "comparisons.json").read_text(encoding="utf-8"))


ARTICLE = {"optimizer": "adamw", "batch_size": 64}  # what the article's advice is about
NOISY, FEW = {"label_noise": 0.4}, {"labelled": 1_000}
ALPHAS = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.0)

COMPARISONS = {
    # 01
    "temperature": Comparison({f"T = {t}": {"temperature": float(t)} for t in (1, 2, 4, 8, 16)}),
    "class never seen": Comparison({f"T = {t}": {"temperature": float(t)} for t in (1, 2, 4, 10, 20)},
                                   {"alpha": 0.0, "leave_out": FAVOURITE}, "rank2_left_out"),
    # 02
    "habits": Comparison({
        "all habits": {}, "no warm-up": {"changes": ("no_warmup",)},
        "straight line": {"changes": ("straight_line",)}, "constant rate": {"changes": ("constant_rate",)},
        "no clipping": {"changes": ("no_clipping",)}, "no weight decay": {"changes": ("no_weight_decay",)},
        "teacher in train mode": {"changes": ("teacher_in_train_mode",)}}, ARTICLE),
    # 03
    "alpha": Comparison({f"alpha = {a}": {"alpha": a} for a in ALPHAS}),
    "alpha, false labels": Comparison({f"alpha = {a}": {"alpha": a} for a in ALPHAS}, NOISY),
    "alpha, few labels": Comparison({f"alpha = {a}": {"alpha": a} for a in ALPHAS}, FEW),
    "teacher of false labels": Comparison({
        "labels alone": {"alpha": 1.0},
        "a teacher that saw them too": {"alpha": 0.1, TEACHER: {**NOISY, "alpha": 1.0}},
        "the course's teacher": {"alpha": 0.1}}, NOISY),
    "map": Comparison({f"T = {t}, alpha = {a}": {"temperature": float(t), "alpha": a}
                       for t in (1, 2, 4, 8, 16) for a in (0.0, 0.3, 0.5, 0.7, 0.9)}, seeds=3),
    # 04
    "progressive": Comparison({  # the article promises 0.5 to 1.5 points for the third
        "alpha 0.3 throughout": {}, "alpha 0.7 throughout": {"alpha": 0.7},
        "alpha 0.3 to 0.9": {"final_alpha": 0.9}, "0.3 to 0.9, cosine": {"final_alpha": 0.9, "schedule": "cosine"},
        "alpha 0.9 to 0.3": {"alpha": 0.9, "final_alpha": 0.3},
        "T 8 to 2": {"temperature": 8.0, "final_temperature": 2.0},
        "T 2 to 8": {"temperature": 2.0, "final_temperature": 8.0},
        "easy images first": {"changes": ("easy_first",)},
        "hard images first": {"changes": ("hard_first",)}}, {"alpha": 0.3}),
    "assistant": Comparison({
        "the teacher itself": {}, "an assistant between": {TEACHER: {"student": "wider"}},
        "labels alone": {"alpha": 1.0}}, {"student": "small"}),
    # 05
    "learning rate": Comparison({f"rate {rate:g}": {"learning_rate": rate}
                                 for rate in (0.01, 0.001, 0.003, 0.03, 0.1)}, seeds=3),
    "norm": Comparison({"batch norm": {}, "layer norm": {"student": "layer_norm"}}),
    "whose labels": Comparison({
        "1,000 labelled images": {"images": 1_000, "alpha": 0.1, "batch_size": 128, "epochs": 23},
        "and 4,000 that the teacher labels": FEW, "5,000 labelled images": {}}, seeds=3),
    "how long": Comparison({f"{epochs} epochs": {"epochs": epochs} for epochs in (8, 4, 14, 28)}, seeds=3),
}
