"""Settings as the course's tables write them: what differs from a quick run, in plain values."""
from collections.abc import Container
from dataclasses import fields, replace
from difflib import get_close_matches

from distill_kit.data.imageset import Dataset
from distill_kit.settings import QUICK_EPOCHS, Settings

from . import controls, habits  # noqa: F401 (they register the changes that tables name)
from .diagnosis.faults import faulty

FAVOURITE = "favourite"                            # for `leave_out`: a class chosen for the data set
LEFT_OUT = {"cifar10": "cat", "shapes10": "star"}  # the class whose absence shows most of what a teacher hands on
NO_FAULT = "none"
LEAST_BATCH, SOME_STEPS = 16, 8  # where a folder has few images


def favourite(dataset: Dataset) -> str:
    """Return the class to leave out of a data set."""
    return LEFT_OUT[dataset.name] if dataset.name in LEFT_OUT else dataset.pool.classes[0]


def quick(dataset: Dataset, values: dict) -> dict:
    """Add to plain values those of a quick run on a data set; FAVOURITE becomes the class."""
    values = {"data": dataset.name, "epochs": QUICK_EPOCHS, **values}
    if values.get("leave_out") == FAVOURITE:
        values["leave_out"] = favourite(dataset)
    return values


def settings_of(values: dict) -> Settings:
    """Make settings of plain values, as tables and command lines have them: lists for tuples, 1 for 1.0.

    values: fields of Settings; fault and fault_strength: see diagnosis.faults.faulty. Raises ValueError for others.
    """
    known = {field.name: field.type for field in fields(Settings)}
    values = {name: tuple(value) if isinstance(value, list) else float(value) if type(value) is int and known.get(
        name) in (float, float | None) and abs(value) < 1e300 else value for name, value in values.items()}
    fault, strength = values.pop("fault", None), values.pop("fault_strength", None)
    if strength is not None and fault is None:
        raise ValueError("fault-strength must come with --fault; got no fault")
    if unknown := [name for name in values if name not in known]:
        near = get_close_matches(unknown[0].replace("-", "_"), known, n=1)
        raise ValueError(f"there is no setting {unknown[0]!r}" + (f"; did you mean {near[0]!r}?" if near else "."))
    settings = Settings(**values)
    return settings if fault in (NO_FAULT, None) else faulty(settings, fault, strength or "gross")


def fitted(settings: Settings, dataset: Dataset, given: Container[str]) -> Settings:
    """Fit settings to a data set with fewer images than the default run has; given: names that somebody asked for."""
    images = len(dataset.pool)
    if "images" in given or images >= settings.images:
        return settings
    batch = settings.batch_size
    if "batch_size" not in given:  # an epoch is to have some steps
        batch = min(batch, max(LEAST_BATCH, images // SOME_STEPS))
    return replace(settings, images=images, batch_size=batch)


def changed(settings: Settings) -> dict:
    """Return the fields in which settings differ from the default run's."""
    return {each.name: value for each in fields(settings) if (value := getattr(settings, each.name)) != each.default}
