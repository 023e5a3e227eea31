"""Results that ship with the kit (benchmarks/lab_stored.py makes them): how seeds differ, and one run for each stop."""
import functools
import json
from dataclasses import dataclass, field
from importlib.resources import files

from ..statistics import by_luck
from .experiments import Control, Experiment
from .share import code_of


@dataclass(frozen=True)
class Stored:
    """What is stored for one experiment on one data set."""
    data: str = ""                                      # name of the data set
    source: str = ""                                    # the copy of it
    date: str = ""
    noise: dict | None = None                           # of the measure over seeds: n, mean, sd; also the baseline's
    runs: dict[str, dict] = field(default_factory=dict)  # by their code: shares, best

    @property
    def spread(self) -> float:
        """In points: the standard deviation of these runs over seeds."""
        return 0.0 if self.noise is None else 100 * self.noise["sd"]

    @property
    def baseline_spread(self) -> float:
        return 0.0 if self.noise is None else 100 * self.noise.get("baseline sd", self.noise["sd"])

    @property
    def luck(self) -> float:
        """In points: so far do two of these runs differ by luck, 19 times of 20, if their settings are equally good."""
        return 0.0 if self.noise is None else by_luck(self.spread, self.spread, self.noise["n"])

    @property
    def luck_beside_baseline(self) -> float:
        """The same for a run and its baseline."""
        return 0.0 if self.noise is None else by_luck(self.spread, self.baseline_spread, self.noise["n"])

    def of(self, experiment: Experiment, values: dict) -> dict | None:
        """The stored run of these values, the others being as the experiment begins."""
        return self.runs.get(code_of(experiment, {**experiment.first_values, **values}, 0))


@functools.cache
def _table() -> dict:
    return json.loads((files("distill_kit") / "assets" / "lab-stored.json").read_text(encoding="utf-8"))


def stored_for(dataset: str, experiment: str) -> Stored:
    """Stored() where nothing is."""
    data = _table().get(dataset, {})
    return Stored(dataset, data["source"], data["date"], **data["experiments"][experiment]) \
        if experiment in data.get("experiments", {}) else Stored()


def alike(stored: Stored, experiment: Experiment, values: dict, control: Control) -> list:
    """The stops next to the control's value, on both sides, whose stored runs came out within luck of its own."""
    def best(place: int) -> float | None:
        run = stored.runs.get(code_of(experiment, {**values, control.name: control.stops[place]}, 0))
        return None if run is None else 100 * run["best"]
    here = control.stops.index(values[control.name])
    found = []
    for step in (-1, 1):
        place = here + step
        while 0 <= place < len(control.stops) and None not in (best(here), best(place)) \
                and abs(best(place) - best(here)) <= stored.luck:
            found.append(place)
            place += step
    return [control.stops[place] for place in sorted(found)]
