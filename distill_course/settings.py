"""Settings as the course's tables write them: what differs from a quick run, in plain values."""
from dataclasses import fields

from distill_kit.data.imageset import Dataset
from distill_kit.settings import QUICK_EPOCHS, Settings

from . import habits  # noqa: F401 (registers the changes that tables name)
from .diagnosis.faults import faulty

FAVOURITE = "favourite"                            # for `leave_out`: a class chosen for the data set
LEFT_OUT = {"cifar10": "cat", "shapes10": "star"}  # the class whose absence shows most of what a teacher hands on
NO_FAULT = "none"


def favourite(dataset: Dataset) -> str:
    """Return the class to leave out of a data set."""
    return LEFT_OUT.get(dataset.name, dataset.pool.classes[0])


def settings_for(dataset: Dataset, seed: int, values: dict) -> Settings:
    """Make the settings of a quick run on a data set that differ in `values` from the default run.

    values: fields of Settings; leave_out may be FAVOURITE. fault and fault_strength: see diagnosis.faults.faulty.
    """
    values = {"data": dataset.name, "epochs": QUICK_EPOCHS, "seed": seed, **values}
    fault, strength = values.pop("fault", NO_FAULT), values.pop("fault_strength", "gross")
    if values.get("leave_out") == FAVOURITE:
        values["leave_out"] = favourite(dataset)
    if isinstance(values.get("changes"), list):  # as tables have it
        values["changes"] = tuple(values["changes"])
    settings = Settings(**values)
    return settings if fault == NO_FAULT else faulty(settings, fault, strength)


def changed(settings: Settings) -> dict:
    """Return the fields in which settings differ from the default run's."""
    return {each.name: value for each in fields(settings) if (value := getattr(settings, each.name)) != each.default}
