"""Results that ship with the kit (benchmarks/lab_stored.py makes them): how seeds differ, and one run for each stop."""
import functools
import json
from dataclasses import dataclass, field
from importlib.resources import files

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
        """In points: the standard deviation over seeds, of these runs or of their baseline, whichever is larger."""
        return 0.0 if self.noise is None else 100 * max(self.noise["sd"], self.noise.get("baseline sd", 0.0))

    @property
    def luck(self) -> float:
        """In points: what the difference of two runs that differ in their seeds alone stays below, 19 times of 20."""
        return 2 * self.spread * 2 ** 0.5

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
