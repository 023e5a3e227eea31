"""The atlas: what runs of the same settings came to, over seeds. It is asked for settings, and knows of nothing else.

assets/atlas-table.toml is its plan, atlas.json what came out, atlas.md its card. Where it has nothing, stored
comparisons may (comparisons.py).
"""
import functools
import statistics
from dataclasses import dataclass, replace
from types import SimpleNamespace

from torch import nn

from distill_kit.checkpoints import of_network
from distill_kit.data import Dataset
from distill_kit.models import ConvNet
from distill_kit.settings import Settings
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

from .comparisons import ATLAS, COMPARISONS, stored
from .shipped import read_stored
from .statistics import interval
from .sweep.plan import Planned

DATA, SIZES = "cifar10", [45_000, 5_000, 10_000]  # images of pool, validation and test


@dataclass(frozen=True)
class Cell:
    """Runs of the same settings, a seed each, in their order; none where nothing was measured."""
    runs: tuple[dict, ...] = ()
    origin: str = ""              # the copy of the data, and when
    column: str = "val_accuracy"  # what is looked at after each epoch

    @property
    def curves(self) -> list[list[float]]:
        """What was measured after each epoch, a run each: shares."""
        return [run["epochs"][self.column] for run in self.runs]

    @property
    def best(self) -> list[float]:
        """The same after the epoch whose weights were kept; of older runs, where it is highest."""
        return [curve[run["best"] - 1] if "best" in run else max(curve) for run, curve in zip(self.runs, self.curves)]

    @property
    def band(self) -> list[tuple[float, float, float]]:
        """Lower end of the 95 % interval of the mean, mean, and upper end, an epoch each."""
        return [(low, statistics.fmean(shares), high)
                for shares in zip(*self.curves) for low, high in [interval(shares)]]


def measured(settings: Settings, taught_by: Settings | None = None, column: str = "val_accuracy") -> Cell:
    """Return the cell of these settings, whatever their seed; an empty one where it has no such column.

        >>> measured(Settings(data="cifar10", epochs=8)).best
        [0.7024, 0.6992, ...]

    taught_by: settings of the student that is the teacher; None for the shipped teacher.
    """
    cell = _cells().get(_key(Planned(settings, taught_by=taught_by)), Cell())
    return replace(cell, column=column) if all(column in run["epochs"] for run in cell.runs) else Cell()


def knows(dataset: Dataset, teacher: nn.Module) -> bool:
    """Were the atlas's runs made on such images, on as many, and with this teacher?"""
    return dataset.name == DATA and [len(dataset.pool), len(dataset.validation), len(dataset.test)] == SIZES and \
        isinstance(teacher, ConvNet) and of_network(teacher) == of_network(load_model(shipped_path(DATA))[0])


@functools.cache
def _cells() -> dict[Planned, Cell]:
    cells: dict[Planned, Cell] = {}
    others = sorted(map(stored, read_stored("comparisons")), key=lambda each: -min(map(len, each.arms.values())))
    for results in (*map(stored, read_stored("atlas")), *others):  # of others those with most seeds first
        for run in COMPARISONS[results.name].plan(SimpleNamespace(name=DATA), seeds=1):
            before = cells.get(_key(run), Cell()).runs
            if results.name in ATLAS or not before:  # some cells of the atlas have runs in two of its parts
                runs = sorted((*before, *results.arms[run.arm]), key=lambda run: run["seed"])
                cells[_key(run)] = Cell(tuple(runs), f"{results.source}, {results.date}")
    return cells


def _key(run: Planned) -> Planned:
    """Leave out what changes no figure but by luck, or none at all; of the student that is the teacher, too."""
    relevant = {name: _relevant(own) for name in ("settings", "taught_by") if (own := getattr(run, name))}
    return replace(run, **relevant, arm="", measure=None)


def _relevant(own: Settings) -> Settings:
    own = replace(own, seed=0, device=None, precision="auto", threads=None)
    if own.final_alpha is None and own.final_temperature is None:
        own = replace(own, schedule=Settings.schedule, temperature=4.0 if own.labels_only else own.temperature)
    return own
