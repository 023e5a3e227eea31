"""Results of the lab that ship with the course (benchmarks/stored/make.py): how seeds differ, a run for each stop."""
from dataclasses import dataclass, field
from itertools import takewhile

from ..shipped import read_stored
from ..statistics import by_luck
from .experiments import Control, Experiment, Preset
from .share import code_of


@dataclass(frozen=True)
class Stored:
    """What is stored for one experiment on one data set."""
    data: str = ""                                      # name of the data set
    source: str = ""                                    # the copy of it
    date: str = ""
    noise: dict | None = None                           # of the measure over seeds: n, mean, sd; also the baseline's
    runs: dict[str, dict] = field(default_factory=dict)  # by their code: shares, best

    def luck(self, other: str = "sd") -> float:
        """Points by which two of these runs differ by luck, 19 times of 20, if their settings are equally good.

        other: "baseline sd" for a run and its baseline.
        """
        noise = self.noise
        return 100 * by_luck(noise["sd"], noise.get(other, noise["sd"]), noise["n"]) if noise else 0.0

    def of(self, experiment: Experiment, values: dict) -> dict | None:
        """Return the stored run with these values; the other controls are as the experiment begins."""
        return self.runs.get(code_of(experiment, {**experiment.first_values, **values}, 0))

    def of_presets(self, experiment: Experiment) -> list[tuple[Preset, dict]]:
        """List the presets whose result is stored, each with its run."""
        runs = [(preset, self.of(experiment, preset.values)) for preset in experiment.presets]
        return [(preset, run) for preset, run in runs if run is not None]


def stored_for(dataset: str, experiment: str) -> Stored:
    """Return what is stored for an experiment on a data set; `Stored()` where nothing is."""
    data = read_stored("lab-stored").get(dataset, {})
    return Stored(dataset, data["source"], data["date"], **data["experiments"][experiment]) \
        if experiment in data.get("experiments", {}) else Stored()


def alike(stored: Stored, experiment: Experiment, values: dict, control: Control) -> list:
    """List the control's value and the stops on both sides of it whose stored runs came out within luck of its own."""
    here, place = stored.of(experiment, values), control.stops.index(values[control.name])

    def is_near(stop) -> bool:
        run = stored.of(experiment, {**values, control.name: stop})
        return None not in (here, run) and abs(100 * run["best"] - 100 * here["best"]) <= stored.luck()
    below, above = takewhile(is_near, control.stops[:place][::-1]), takewhile(is_near, control.stops[place + 1:])
    return [*reversed([*below]), control.stops[place], *above]
