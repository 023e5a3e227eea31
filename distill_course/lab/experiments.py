"""Experiments of the lab: what is asked, what can be moved, what is measured.

assets/experiments.toml has the records, assets/lab-controls.toml the controls.

A control bears the name of a field of Settings, or of what settings.settings_of knows beside them.
"""
from contextlib import suppress
from dataclasses import dataclass, field, replace

from distill_kit.data.imageset import Dataset
from distill_kit.settings import QUICK_EPOCHS, Settings

from ..diagnosis.faults import FAULTS, STRENGTHS, fault_of
from ..settings import NO_FAULT, quick, settings_of
from ..shipped import read_table
from .measures import ACCURACY, MEASURES, Measure


@dataclass(frozen=True)
class Control:
    """A slider or list: a field of Settings under the learner's hand."""
    name: str
    label: str
    stops: tuple                # the values it can take, in order
    words: str                  # what it does, in one sentence

    def read(self, text: str):
        """Return the value that a text means. Raises ValueError where it means none."""
        with suppress(ValueError):
            return self.check(type(self.stops[0])(text.strip()))  # "4" means 4.0
        return self.check(text)

    def check(self, value):
        """Return the stop that a value equals, or a number between two of them.

        Raises ValueError for any other, naming control and value.
        """
        if value in self.stops:
            return self.stops[self.stops.index(value)]
        kind = type(self.stops[0])
        if kind in (int, float) and isinstance(value, (int, kind)) and self.stops[0] < value < self.stops[-1]:
            return kind(value)
        called = self.name if self.label == self.name else f"{self.name} ({self.label})"
        words = "" if kind is str else ", or a number between"
        raise ValueError(f"{called} must be one of {', '.join(map(str, self.stops))}{words}; got {value!r}")

    def stops_with(self, value) -> tuple:
        """Return the stops, and the value in its place where it is none of them."""
        return self.stops if value in self.stops else tuple(sorted((*self.stops, value)))


@dataclass(frozen=True)
class Preset:
    """Values worth a try."""
    name: str
    values: dict
    why: str                    # in one sentence: why they are good ones, or bad ones


@dataclass(frozen=True)
class Experiment:
    """What a lab is about."""
    name: str
    title: str
    question: str
    note: str                   # what must be known to read the result rightly
    controls: tuple[Control, ...]
    start: dict                 # values of the controls, and other fields of Settings that differ from the default
    presets: tuple[Preset, ...]
    measure: Measure = ACCURACY
    # What the run is held against. Without a teacher the temperature changes nothing: one baseline serves them all.
    baseline: dict = field(default_factory=lambda: {"alpha": 1.0, "final_alpha": None, "temperature": 4.0})
    baseline_name: str = "alpha = 1, labels alone"
    taught_by_baseline: bool = False  # is the baseline's student the teacher, instead of the shipped one?

    @property
    def first_values(self) -> dict:
        """What the controls say before the learner moves them."""
        return {control.name: self.start[control.name] if control.name in self.start
                else getattr(Settings, control.name) for control in self.controls}

    def settings(self, values: dict, dataset: Dataset, seed: int) -> Settings:
        """Return the settings that these values of the controls ask for. Raises ValueError for one that cannot be."""
        for control in self.controls:
            if control.name in values:
                control.check(values[control.name])
        return settings_of(quick(dataset, {"seed": seed, **self.start, **values}))

    def taught_by(self, settings: Settings) -> Settings | None:
        """Return the settings of the student that is a run's teacher; None where the shipped teacher teaches."""
        against = self.baseline_of(settings)
        return against if self.taught_by_baseline and settings != against else None

    def baseline_of(self, settings: Settings) -> Settings:
        """Return the settings that a run is held against; without its fault also without the settings that are it."""
        fault, _ = fault_of(settings) or (None, "")
        usual = {"epochs": QUICK_EPOCHS, **self.start}
        healthy = {name: usual.get(name, getattr(Settings, name)) for name in fault.itself} if fault else {}
        others = tuple(change for change in settings.changes if not (fault and change.startswith(f"{fault.name}:")))
        return replace(settings, changes=others, **healthy, **self.baseline)


STOPS = {"fault": (NO_FAULT, *FAULTS), "fault_strength": STRENGTHS}  # of controls whose tables have none
CONTROLS = {name: Control(**{"name": name, "stops": STOPS.get(name), **entry})
            for name, entry in read_table("lab-controls").items()}


def experiment_of(name: str, entry: dict) -> Experiment:
    """Make an experiment of a table of assets/experiments.toml."""
    controls = tuple(CONTROLS[control] for control in entry["controls"])
    presets = tuple(Preset(**preset) for preset in entry.get("presets", ())) or tuple(
        Preset(fault.replace("_", " "), {"fault": fault, "fault_strength": "gross"}, FAULTS[fault].sentence)
        for fault in FAULTS if "fault" in entry["controls"])
    changed = {"controls": controls, "presets": presets, "measure": MEASURES[entry.get("measure", "accuracy")]}
    if "baseline_without" in entry:
        changed["baseline"] = dict.fromkeys(entry.pop("baseline_without"))
    return Experiment(name, **{**entry, **changed})


EXPERIMENTS = {name: experiment_of(name, entry) for name, entry in read_table("experiments").items()}
