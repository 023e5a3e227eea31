"""The course's comparisons as records, read from assets/comparison-table.toml."""
from dataclasses import dataclass, field
from itertools import product

from distill_kit.data.imageset import Dataset
from distill_kit.settings import Settings

from .settings import settings_for
from .shipped import read_table

TEACHER = "teacher"  # in an arm: the settings of the student that is to be its teacher


@dataclass(frozen=True)
class Comparison:
    """Arms that differ from the first of them, the baseline, in what their dicts say (settings.settings_for)."""
    arms: dict[str, dict]
    shared: dict = field(default_factory=dict)
    figure: str = "val_accuracy"       # of Run.report
    seeds: int = 5

    def settings(self, arm: str, dataset: Dataset, seed: int) -> Settings:
        """Return the settings of an arm with a seed."""
        values = {**self.shared, **self.arms[arm]}
        values.pop(TEACHER, None)
        return settings_for(dataset, seed, values)


def arms_of(grid: dict[str, list]) -> dict[str, dict]:
    """Make an arm for each combination of values, named after them.

        >>> arms_of({"temperature": [1, 2], "alpha": [0.5]})
        {'T = 1, alpha = 0.5': {'temperature': 1.0, 'alpha': 0.5}, 'T = 2, alpha = 0.5': {...}}
    """
    names = [name.replace("temperature", "T") for name in grid]
    return {", ".join(f"{name} = {value}" for name, value in zip(names, values)): dict(zip(grid, map(float, values)))
            for values in product(*grid.values())}


COMPARISONS = {name: Comparison(**{"arms": arms_of(entry.pop("grid", {})), **entry})
               for name, entry in read_table("comparison-table").items()}
