"""The course's comparisons as records, read from assets/comparison-table.toml."""
from collections.abc import Iterable
from dataclasses import dataclass, field

from distill_kit.data.imageset import Dataset
from distill_kit.settings import QUICK_EPOCHS

from .settings import FAVOURITE, favourite
from .shipped import read_table
from .sweep.plan import Planned, crossed, planned


@dataclass(frozen=True)
class Comparison:
    """Arms that differ from the first of them, the baseline, in what their dicts say (sweep.plan.planned)."""
    arms: dict[str, dict]
    shared: dict = field(default_factory=dict)
    figure: str = "val_accuracy"       # of Run.report
    seeds: int = 5

    def plan(self, dataset: Dataset, seeds: int | None = None, arms: Iterable[str] | None = None) -> list[Planned]:
        """List the runs: quick runs on a data set, of all arms or some, with so many seeds; None: as many as it has."""
        usual = {"data": dataset.name, "epochs": QUICK_EPOCHS, **self.shared}
        if usual.get("leave_out") == FAVOURITE:
            usual["leave_out"] = favourite(dataset)
        return [planned(arm, {**usual, **self.arms[arm], "seed": seed})
                for arm in arms or self.arms for seed in range(seeds or self.seeds)]


COMPARISONS = {name: Comparison(dict(crossed(entry.pop("grid", {}), entry.pop("arms", None))), **entry)
               for name, entry in read_table("comparison-table").items()}
