"""What a diagnosis is made of: causes, findings with their evidence, and what a run is held against. Frozen data."""
import statistics
from dataclasses import dataclass, replace
from types import SimpleNamespace

from distill_kit.metrics import BIT

from ..shipped import read_stored, read_table

WORDS = read_table("finding-words")
THRESHOLDS = {name: SimpleNamespace(**entry) for name, entry in read_table("thresholds").items()}  # of the rules
SEVERE, LOOK, NOTE = "severe", "worth a look", "note"
WRONG, HARM, HARMLESS = "wrong", "harm", "harmless"


@dataclass(frozen=True)
class Evidence:
    """One figure that a finding rests on: which column, where, and what it should have been."""
    column: str               # of the rows, or the name of a probe
    value: float | None
    epoch: int | None = None  # None: of the whole run, or of a probe
    expected: str = ""        # in words: "about 1"

    def beside(self, expected: str) -> "Evidence":
        """Return the same figure with what it should have been."""
        return replace(self, expected=expected)

    def __str__(self) -> str:
        where = f" in epoch {self.epoch}" if self.epoch is not None else ""
        value = "no number" if self.value is None else \
            in_bits(self.value) if self.column.endswith("entropy") else f"{self.value:.4g}"
        expected = f" (expected {self.expected})" if self.expected else ""
        return f"{WORDS['figures'].get(self.column, self.column.replace('_', ' '))}: {value}{where}{expected}"


def in_bits(nats: float) -> str:
    """Write an entropy as the course does; rows have it in nats."""
    return f"{nats / BIT:.3f} bits"


@dataclass(frozen=True)
class Finding:
    """name: of the cause; kind: proved wrong (by an identity or a probe), harm (a deficit), or harmless."""
    name: str
    kind: str
    severity: str
    evidence: tuple[Evidence, ...]
    sentence: str
    remedy: str
    experiment: str
    alike: tuple[str, ...] = ()
    probed: bool = False      # does it only rest on a probe?

    def in_words(self) -> str:
        """Say what it is, on what it rests, how to be sure, and what to do then."""
        seen = "; ".join(map(str, self.evidence))
        only = " Only a probe can see that." if self.probed else ""
        return f"{self.sentence} Seen in: {seen}.{only} To be sure: {self.experiment} Then: {self.remedy}"


@dataclass(frozen=True)
class Cause:
    """What is said of a cause, wherever it is found, and what a diagnosis must know about it (assets/causes.toml)."""
    kind: str                            # "wrong", "harm" or "harmless": see Finding
    sentence: str
    remedy: str
    experiment: str                      # the one that would confirm it
    alike: tuple[str, ...] = ()          # other causes that would look the same
    needs: tuple[str, ...] = ()          # the fewest columns in which a history shows it; none: it takes a probe
    explained_by: tuple[str, ...] = ()   # causes beside which it is no news
    at_the_end: bool = False             # can it only be seen when a run is over?
    probe: str = ""                      # the probe that proves or refutes it: "loss" or "teacher"
    elsewhere: str = ""                  # its sentence where it shows itself in another way


CAUSES = {name: Cause(**{key: value for key, value in entry.items() if key != "fault"})
          for name, entry in read_table("causes").items() if "sentence" in entry}


def as_finding(name: str, *evidence: Evidence, severe: bool = True, probed: bool = False,
               elsewhere: bool = False) -> Finding:
    """Make a finding in the words of its cause; elsewhere: the cause shows itself in another way.

    What is harmless is never severe.
    """
    cause = CAUSES[name]
    kind = WRONG if probed and cause.kind == HARM else cause.kind  # what a probe sees is proved
    severity = SEVERE if severe and kind != HARMLESS else NOTE if kind == HARMLESS and not probed else LOOK
    return Finding(name, kind, severity, evidence, cause.elsewhere if elsewhere else cause.sentence, cause.remedy,
                   cause.experiment, cause.alike, probed)


@dataclass(frozen=True)
class Reference:
    """What healthy runs on some images came to, measured (benchmarks/stored/make.py).

    Without a reference run, low accuracy is not reported.
    """
    data: str
    accuracy: float           # validation accuracy of the default run, the mean of `runs` seeds
    spread: float             # its standard deviation between seeds
    runs: int
    steps: int                # that such a run takes
    teacher_accuracy: float   # of the shipped teacher, on validation images
    version: int = 0          # of the code that trained them (sweep.plan.VERSION)
    machine: str = ""         # on which they were trained, and when
    date: str = ""


def figures(rows: list[dict], column: str) -> list[Evidence]:
    """List the numbers of a column, each with its epoch; rows: as `diagnose` has cleaned them."""
    return [Evidence(column, row[column], row["epoch"]) for row in rows if row.get(column) is not None]


def values(rows: list[dict], column: str) -> list[float]:
    """List the numbers of a column."""
    return [figure.value for figure in figures(rows, column)]


def last(rows: list[dict], column: str) -> float | None:
    """Return the last number of a column; None where there is none."""
    return next(reversed(values(rows, column)), None)


def median(rows: list[dict], column: str) -> float | None:
    """Return the median of a column's numbers; None where there is none."""
    known = values(rows, column)
    return statistics.median(known) if known else None


REFERENCES = {name: Reference(**entry) for name, entry in read_stored("reference").items()}  # by the data set's name


def reference_for(data: str | None) -> Reference | None:
    """Look up the reference for a data set's name ("cifar10"), or for the source that a history names."""
    name = str(data).partition(",")[0]  # of "CIFAR-10, JPEG copy"; a file may bring anything
    return REFERENCES.get(name.lower().replace("-", ""))
