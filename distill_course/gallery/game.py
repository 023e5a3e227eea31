"""A game with runs that have no names: you say what is wrong with each, and see what the kit says. No widgets here."""
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..diagnosis.diagnose import diagnose
from ..diagnosis.faults import FAULTS
from ..diagnosis.finding import SEVERE, Finding, reference_for
from ..shipped import read_stored

HEALTHY = "healthy"
RECIPE = ("{epochs} epochs of {images:,} images in batches of {batch_size}, {optimizer} with a learning rate of "
          "{learning_rate:g}")


@dataclass(frozen=True)
class Patient:
    """A stored run: what it has (a fault's name, or HEALTHY), its rows, what probes found, and where it comes from."""
    truth: str
    strength: str | None
    rows: tuple[dict, ...]
    probes: dict
    data: str = "cifar10"
    settings: dict = field(default_factory=dict)  # fields of Settings

    @property
    def how(self) -> str:
        """Say how it was trained, as its owner would know it."""
        last = self.rows[-1]
        words = [] if last.get("temperature") is None else ["T = {temperature:g}, alpha = {alpha:g}".format(**last)]
        words += [RECIPE.format(**self.settings)] if self.settings else []
        return f"Trained with {'; '.join(words)}." if words else ""

    def seen_in(self, columns: Sequence[str]) -> "Patient":
        """Return the same run for somebody who only has these columns of its rows, and asked no probe."""
        rows = [{name: row.get(name) for name in ("epoch", *columns)} for row in self.rows]
        return replace(self, rows=tuple(rows), probes={})

    def findings(self) -> list[Finding]:
        """Diagnose the run."""
        return diagnose(list(self.rows), self.probes, reference_for(self.data))

    @property
    def accepted(self) -> tuple[str, ...]:
        """Names that count as right: a fault that looks just like it counts as well."""
        return FAULTS[self.truth].findings if self.truth in FAULTS else (HEALTHY,)

    def kit_says(self) -> str:
        """Return the name of the kit's first severe finding, or of what it calls harmless; HEALTHY if there is none."""
        names = [finding.name for finding in self.findings()
                 if finding.severity == SEVERE or finding.name in FAULTS and FAULTS[finding.name].harmless]
        return names[0] if names else HEALTHY


@dataclass
class Game:
    """Patients in a row; answers as (truth, the learner's, the kit's)."""
    patients: Sequence[Patient]
    place: int = 0
    answers: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def patient(self) -> Patient | None:
        """The patient in front; None when all have been judged."""
        return self.patients[self.place] if self.place < len(self.patients) else None

    def say(self, name: str) -> str:
        """Answer for the patient in front; returns what the truth is, in a sentence."""
        if name not in (HEALTHY, *FAULTS):
            raise ValueError(f"name must be {HEALTHY} or a fault, {', '.join(FAULTS)}; got {name!r}")
        patient = self.patient
        if patient is None:
            raise ValueError("every run of the gallery has been judged; begin anew")
        kit = patient.kit_says()
        self.answers.append((patient.truth, name, kit))
        right = "Right" if name in patient.accepted else "Not quite" if name != HEALTHY != patient.truth else "No"
        what = "Nothing is wrong with it." if patient.truth == HEALTHY else (
            f"{patient.truth.replace('_', ' ')} ({patient.strength}). {FAULTS[patient.truth].sentence}")
        return f"{right}: {what} The kit says: {kit.replace('_', ' ')}."

    def next(self) -> None:
        """Go on to the next patient."""
        self.place += 1

    def score(self) -> dict[str, tuple[int, int, int]]:
        """Count by truth: runs of it, how many of them you got right, how many the kit did."""
        hits = [(truth, (1, yours in patient.accepted, kit in patient.accepted))
                for patient, (truth, yours, kit) in zip(self.patients, self.answers)]
        return {truth: tuple(map(sum, zip(*(hit for other, hit in hits if other == truth)))) for truth, _ in hits}


def kit_score(patients: Sequence[Patient]) -> str:
    """Say how many of the faults the kit names, and how many healthy runs it leaves alone."""
    ill = [patient.kit_says() in patient.accepted for patient in patients if patient.truth != HEALTHY]
    well = [patient.kit_says() == HEALTHY for patient in patients if patient.truth == HEALTHY]
    return f"{sum(ill)} of {len(ill)} faults named, {sum(well)} of {len(well)} healthy runs left alone"


@functools.cache
def stored_patients() -> tuple[Patient, ...]:
    """Return the runs that come with the course (benchmarks/stored/make.py), in an order that tells nothing."""
    return tuple(Patient(**{**entry, "rows": tuple(entry["rows"])}) for entry in read_stored("gallery")["runs"])
