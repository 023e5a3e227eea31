"""Comparisons: what is compared, what came out for each arm and seed, and pairs of arms.

assets/comparison-table.toml has those of the lessons, assets/atlas-table.toml those of the atlas. Each takes minutes to
train, so its results ship with the course (benchmarks/stored/make.py makes them); `train` trains it again.
"""
import datetime
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from distill_kit.data.imageset import Dataset

from .machine import machine_in_words
from .settings import quick
from .shipped import read_stored, read_table
from .statistics import Paired
from .sweep.crew import trained
from .sweep.plan import VERSION, Planned, crossed, planned
from .sweep.stock import Stock

KEPT = ("val_accuracy", "val_loss", "train_loss", "train_accuracy", "gradient_norm", "clipped")  # of each epoch's row


@dataclass(frozen=True)
class Comparison:
    """Arms that differ from the first of them, the baseline, in what their dicts say (sweep.plan.planned)."""
    arms: dict[str, dict]
    shared: dict = field(default_factory=dict)
    figure: str = "val_accuracy"       # of Run.report
    seeds: int | tuple[int, ...] = 5   # a number, or which

    def plan(self, dataset: Dataset, seeds: int | None = None, arms: Iterable[str] | None = None) -> list[Planned]:
        """List the runs: quick runs on a data set, of all arms or some, with so many seeds; None: as many as it has."""
        seeds = seeds or self.seeds
        return [planned(arm, quick(dataset, {**self.shared, **self.arms[arm], "seed": seed}))
                for arm in arms or self.arms for seed in (seeds if isinstance(seeds, tuple) else range(seeds))]


ATLAS, COMPARISONS = ({name: Comparison(dict(crossed(entry.pop("grid", {}), entry.pop("arms", None))), **entry)
                       for name, entry in read_table(table).items()} for table in ("atlas-table", "comparison-table"))
COMPARISONS |= ATLAS


@dataclass(frozen=True)
class Results:
    """What a comparison came to."""
    arms: dict[str, list[dict]]        # a dict for each seed: Run.report's figures, and the epochs in columns (`kept`)
    figure: str                        # that the comparison is about
    source: str = ""                   # the copy of the data
    machine: str = ""
    date: str = ""
    stored: bool = False
    name: str = ""                     # in COMPARISONS
    version: int = VERSION             # of the code that trained them

    def values(self, arm: str, figure: str = "") -> list[float]:
        """Return a figure for each seed, a share from 0 to 1."""
        return [run[figure or self.figure] for run in self.arms[arm]]

    def by(self, setting: str, figure: str = "") -> dict[float, list[float]]:
        """Return the same for every arm, by the value that the arm gives to a setting ("temperature")."""
        return {float(COMPARISONS[self.name].arms[arm][setting]): self.values(arm, figure) for arm in self.arms}

    @property
    def origin(self) -> str:
        """Say in a sentence where these figures come from."""
        seeds = len(next(iter(self.arms.values())))
        when = "Stored" if self.stored else "Trained just now"
        return f"{when}: {seeds} seeds an arm, {self.source}, {self.machine}, {self.date}."


def paired(results: Results, baseline: str | None = None, figure: str = "") -> list[Paired]:
    """Hold every other arm against the baseline (the first arm where None), with the seeds that both have.

        >>> for pair in paired(stored("temperature"), "T = 1"):
        ...     print(pair)

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
        pairs.append(Paired(arm, gains, baseline))
    return pairs


def _by_seed(results: Results, arm: str, figure: str) -> dict[int, float]:
    """Return a figure of an arm's runs by the run's seed; by its place where no seed stands."""
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
    """Return the shipped results of a comparison. Raises ValueError for a name that none has.

        >>> stored("temperature").values("T = 4")  # validation accuracy, a share from 0 to 1, one a seed
        [0.6972, 0.6934, 0.6938, 0.7008, 0.6958]
    """
    table = read_stored("comparisons") | read_stored("atlas")
    if name not in table:
        raise ValueError(f"name must be one of {', '.join(table)}; got {name!r}")
    return Results(**table[name], figure=COMPARISONS[name].figure, stored=True, name=name)


def train(name: str, dataset: Dataset, teacher: nn.Module, seeds: int | None = None, *, arms: list[str] | None = None,
          progress: bool = True, **shared) -> Results:
    """Train a comparison again, with a progress bar; shared: further fields of Settings, such as epochs=4.

    A run that fails is left out, with a warning; an arm all of whose runs do is not in the results.
    """
    comparison = COMPARISONS[name]
    plan = replace(comparison, shared={**comparison.shared, **shared}).plan(dataset, seeds, arms)
    runs: dict[str, list[dict]] = {run.arm: [] for run in plan}
    for place, result in trained(plan, Stock(dataset, teacher), progress=progress):
        arm, seed = plan[place].arm, plan[place].settings.seed
        if "error" in result:  # the others are not lost
            warnings.warn(f"{arm} with seed {seed} is left out: {result['error']}", stacklevel=2)
        else:
            runs[arm].append(kept(result))
    runs = {arm: sorted(of_arm, key=lambda run: run["seed"]) for arm, of_arm in runs.items() if of_arm}
    return Results(runs, comparison.figure, dataset.pool.source, machine_in_words(), datetime.date.today().isoformat(),
                   name=name)


def kept(result: dict, columns: Iterable[str] = KEPT) -> dict:
    """Return what is kept of a run's result: its seed, figures, the best epoch, and columns of its epochs."""
    figures = {name: round(result["report"][name], 4) for name in ("val_accuracy", "test_accuracy", "rank2_left_out")
               if result["report"].get(name) is not None}
    rows = result["rows"]
    epochs = {name: [None if row.get(name) is None else round(row[name], 4) for row in rows] for name in columns}
    best = max((row["epoch"] for row in rows if row["best"]), default=None)
    return {"seed": result["settings"]["seed"], **figures, "best": best, "epochs": epochs}


def with_patience(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Return how many epochs early stopping would train, and to which it would go back; both from 1."""
    best = 1
    for epoch, loss in enumerate(losses, start=1):
        best = epoch if loss < losses[best - 1] else best
        if epoch - best == patience:
            return epoch, best
    return len(losses), best
