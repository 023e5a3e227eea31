"""Plans: which runs a sweep trains. A run is plain data; its key says what its figures depend on, on any machine."""
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

from distill_kit.models import STUDENTS
from distill_kit.schedules import check_whole
from distill_kit.settings import Settings
from distill_kit.views import VIEWS

from ..settings import settings_of
from ..shipped import read_stored, tomllib
from ..teacher_training import ALL_VIEWS

VERSION = 2  # of what a run computes. Raise it by hand where a figure can change: results of both are never mixed
GROUP = 5    # runs that differ only in their seed and are claimed together, at most


@dataclass(frozen=True)
class Planned:
    """A run of a plan."""
    settings: Settings
    arm: str = ""                      # its name in the plan
    teacher: str | None = None         # as `distill --teacher` takes it
    taught_by: Settings | None = None  # in its place: a student of these settings and of the run's seed
    views: int = len(VIEWS)            # of each image: the first of VIEWS, if more of teacher_training.ALL_VIEWS
    measure: str | None = None         # a column more in each row, of lab.measures.MEASURES
    probes: bool = False               # is the trained run probed (diagnosis.probe)?

    def __post_init__(self):
        check_whole("views", self.views, 1, len(ALL_VIEWS))
        if self.measure == "rank2" and self.settings.leave_out is None:
            raise ValueError("measure 'rank2' must come with leave_out, whose class it ranks; got none")

    def key(self, data: str, teacher: str) -> str:
        """Hash all that the run's figures depend on; data, teacher: fingerprints.

        Names of the data and of the teacher do not enter: they may be others on another machine. The student's shape
        does, behind its name.
        """
        about = {**asdict(self), "arm": None, "teacher": None, "fingerprints": [data, teacher], "version": VERSION}
        for settings in filter(None, (about["settings"], about["taught_by"])):
            settings.update(data=None, shape=asdict(STUDENTS[settings["student"]]))
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cell(self) -> "Planned":
        """The same without its seed: runs of one cell differ by luck."""
        without = {name: replace(own, seed=0) for name in ("settings", "taught_by") if (own := getattr(self, name))}
        return replace(self, **without)

    @property
    def needs(self) -> tuple:
        """Images and teacher, on which the teacher's logits depend: runs that agree in it share their materials."""
        own = self.settings
        return (own.data, own.size, own.validation_share, own.test_share, self.teacher or "", own.images, own.data_seed,
                own.leave_out or "", self.views, own.device or "", own.precision)


# What a student that is to be the teacher has of the run that it teaches.
SHARED = ("data", "size", "validation_share", "test_share", "images", "data_seed", "epochs", "device", "precision",
          "threads")
OWN = {"teacher", "views", "measure", "probes"}  # values of a plan that are no settings


def planned(arm: str, values: dict) -> Planned:
    """Make a run of plain values: fields of Settings and of Planned, fault and fault_strength.

        >>> planned("taught at T = 2", {"temperature": 2.0, "seed": 3}).settings.temperature
        2.0

    teacher: a name, or the values of a student that is to be the teacher. Raises ValueError for what is wrong.
    """
    own = {name: value for name, value in values.items() if name in OWN}
    settings = settings_of({name: value for name, value in values.items() if name not in own})
    if isinstance(own.get("teacher"), dict):
        same = {name: getattr(settings, name) for name in SHARED}
        own["taught_by"] = settings_of({**same, **own.pop("teacher"), "seed": settings.seed})
    return Planned(settings, arm, **own)


def crossed(grid: dict[str, list], arms: dict[str, dict] | None = None) -> list[tuple[str, dict]]:
    """Name every arm with every combination of a grid, and give its values.

        >>> crossed({"temperature": [1, 2], "alpha": [0.5]})
        [('T = 1, alpha = 0.5', {'temperature': 1, 'alpha': 0.5}), ('T = 2, alpha = 0.5', {...})]
    """
    named = []
    for (arm, own), values in product((arms or {"": {}}).items(), product(*grid.values())):
        words = [arm, *(f"{name.replace('temperature', 'T')} = {value}" for name, value in zip(grid, values))]
        named.append((", ".join(filter(None, words)), {**own, **dict(zip(grid, values))}))
    return named


def cells(part: dict) -> list[tuple[str, dict]]:
    """List the runs of a part of a plan: names and values, as `planned` takes them.

    part: `shared` values, a `grid` of lists, `arms` with values of their own, and `seeds`, a number or a list.
    """
    seeds = part.get("seeds", 1)
    return [(arm, {**part.get("shared", {}), **values, "seed": seed})
            for arm, values in crossed(part.get("grid", {}), part.get("arms"))
            for seed in (seeds if isinstance(seeds, list) else range(int(seeds)))]  # TOML's 2.0 is a whole number, too


def read_plan(path: Path | str) -> list[tuple[str, dict]]:
    """Read the runs of a plan file (TOML): names and values, as `planned` takes them.

    Each table is a part of the plan (`cells`); assets/plan-schema.json says it in full. Raises FileNotFoundError, or
    ValueError naming the place.
    """
    from jsonschema import Draft202012Validator, exceptions
    if not (path := Path(path)).exists():
        raise FileNotFoundError(f"no plan at {path}")
    try:
        parts = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as some editors on Windows write it
    except (OSError, RecursionError, ValueError) as error:
        raise ValueError(f"plan {path} cannot be read as TOML: {error}") from None
    wrong = exceptions.best_match(Draft202012Validator(read_stored("plan-schema")).iter_errors(parts))
    if wrong is not None:
        raise ValueError(f"plan {path}, {wrong.json_path.removeprefix('$.')}: {wrong.schema['description']} "
                         f"({wrong.message})")
    return [(": ".join(filter(None, (name, arm))), own) for name, part in parts.items() for arm, own in cells(part)]


def keyed(runs: Iterable[Planned], fingerprints: Callable[[Planned], tuple[str, str]]) -> dict[str, Planned]:
    """Give runs their keys, those that share materials side by side. Raises ValueError for two equal runs."""
    plan: dict[str, Planned] = {}
    twice: dict[str, str] = {}  # the name of an arm that another has already
    for run in sorted(runs, key=lambda run: tuple(map(str, run.needs))):
        if (first := plan.setdefault(run.key(*fingerprints(run)), run)) is not run:
            twice.setdefault(run.arm, f"{run.arm!r} with seed {run.settings.seed} equals {first.arm!r}")
    if twice:
        raise ValueError("a plan must have each run once; leave out of one of the two what both have: "
                         + "; ".join([*twice.values()][:5]))
    return plan


def groups(plan: dict[str, Planned]) -> list[tuple[str, ...]]:
    """Cut a plan into what is claimed at once: keys of runs of one cell, at most GROUP of them."""
    alike: dict[Planned, list[str]] = {}
    for key, run in plan.items():
        alike.setdefault(run.cell, []).append(key)
    return [tuple(keys[first:first + GROUP]) for keys in alike.values() for first in range(0, len(keys), GROUP)]
