"""What a diagnosis is made of: findings with their evidence, and what a run is held against. Plain frozen data."""
import math
import statistics
from dataclasses import asdict, dataclass

WORDS = {  # what a column or a probe's figure is called in a sentence; others: their name, without underscores
    "train_loss": "training loss", "val_loss": "validation loss", "train_accuracy": "training accuracy",
    "val_accuracy": "validation accuracy", "train_soft": "soft term", "first_soft": "soft term of the first batch",
    "epoch": "epochs", "train_agreement": "agreement with the teacher on training images",
    "train_teacher_accuracy": "the teacher's accuracy on training images",
    "val_teacher_accuracy": "the teacher's accuracy on validation images", "val_entropy": "the student's entropy",
    "train_teacher_entropy": "the teacher's entropy", "val_teacher_entropy": "the teacher's entropy",
    "gradient_norm_median": "median length of the gradient",
    "update_ratio": "length of a step over that of the weights",
    "dead_units": "share of units that answer to no image",
    "label_mix": "how mixed the labels of a batch are, beside all labels",
    "loss_ratio": "soft term of one batch over what the kit's loss gives for it",
    "teacher_match": "share of images whose logits in a batch are what the teacher itself answers",
    "not_training": "share of BatchNorm layers that stay in eval mode",
    "frozen": "share of weight matrices that are as they were before the first step",
    "false_labels": "share of labels that the teacher contradicts where it is sure"}
SEVERE, LOOK, NOTE = "severe", "worth a look", "note"
WRONG, HARM, HARMLESS = "wrong", "harm", "harmless"


@dataclass(frozen=True)
class Evidence:
    """One figure that a finding rests on: which column, where, and what it should have been."""
    column: str               # of the rows, or the name of a probe
    value: float | None
    epoch: int | None = None  # None: of the whole run, or of a probe
    expected: str = ""        # in words: "about 1"

    def __str__(self) -> str:
        where = f" in epoch {self.epoch}" if self.epoch is not None else ""
        value = "no number" if self.value is None else \
            in_bits(self.value) if self.column.endswith("entropy") else f"{self.value:.4g}"
        expected = f" (expected {self.expected})" if self.expected else ""
        return f"{WORDS.get(self.column, self.column.replace('_', ' '))}: {value}{where}{expected}"


def in_bits(nats: float) -> str:
    """An entropy as the course says it; rows have it in nats."""
    return f"{nats / math.log(2):.3f} bits"


@dataclass(frozen=True)
class Cause:
    """What is said of a cause, wherever it is found."""
    sentence: str
    remedy: str
    experiment: str           # the one that would confirm it
    alike: tuple[str, ...]    # names of other findings that would look the same


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
    probed: bool = False      # does it rest on a probe alone?

    def as_dict(self) -> dict:
        return {**asdict(self), "evidence": [asdict(one) for one in self.evidence], "alike": list(self.alike)}


@dataclass(frozen=True)
class Reference:
    """What healthy runs on some images came to, measured: see benchmarks/diagnosis.py."""
    data: str
    accuracy: float           # validation accuracy of the default run, the mean of `runs` seeds
    spread: float             # its standard deviation between seeds
    runs: int
    steps: int                # that such a run takes
    teacher_accuracy: float   # of the shipped teacher, on validation images


def values(rows: list[dict], column: str) -> list[tuple[int, float]]:
    """(epoch, value) where there is a finite number."""
    return [(row["epoch"], row[column]) for row in rows
            if isinstance(row.get(column), int | float) and math.isfinite(row[column])]


def last(rows: list[dict], column: str) -> float | None:
    found = values(rows, column)
    return found[-1][1] if found else None


def median(rows: list[dict], column: str) -> float | None:
    found = [value for _, value in values(rows, column)]
    return statistics.median(found) if found else None
