"""From a run's history, and what probes found, to findings: the worst first, nothing where nothing is wrong."""
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from distill_kit.history import Row, epoch_rows

from .causes import CAUSES
from .deficits import DEFICITS
from .finding import HARM, HARMLESS, LOOK, NOTE, SEVERE, WRONG, Finding, Reference, median
from .identities import IDENTITIES
from .probes import is_refuted, proofs

ORDER = (SEVERE, LOOK, NOTE)
USED = tuple(dict.fromkeys([column for cause in CAUSES.values() for column in cause.needs] + [
    "train_hard", "val_hard", "val_soft", "learning_rate", "alpha"]))
ALSO_CALLED = {"loss": "train_loss", "training": "train", "validation": "val", "valid": "val", "dev": "val",
               "acc": "accuracy", "lr": "learning_rate"}


def diagnose(history: list[dict], probes: dict | None = None, reference: Reference | None = None,
             finished: bool = True) -> list[Finding]:
    """Look for what is wrong with a run: findings, the worst first; none where nothing is wrong.

        >>> for finding in diagnose(run.history, probe(run), reference_for("cifar10")):
        ...     print(finding.severity, finding.in_words())

    history: rows as `train` yields them; from a loop of your own, dicts with any of history.py's columns.
    probes: what `probe(run)` gave. reference: what healthy runs on these images came to; without it low accuracy is not
        reported. finished: False while the run goes on; what only its end can show is then left out.

    Raises ValueError where there is no epoch to look at.
    """
    rows = [{"epoch": number, **_figures(row)} for number, row in enumerate(epoch_rows(history), start=1)]
    if not rows:
        raise ValueError("history must hold an epoch's row at least; it is empty")
    findings = [finding for look in (*IDENTITIES, *DEFICITS) if (finding := look(rows, reference)) is not None
                and (finished or not CAUSES[finding.name].at_the_end)]
    if probes is not None:
        findings = [finding for finding in findings if not is_refuted(finding, probes)]
        findings += proofs(probes, median(rows, "alpha"))
    return settled(findings)


def _figures(row: dict) -> dict:
    """Leave out what is no figure, in a file that somebody wrote by hand."""
    return {name: value for name, value in row.items() if value is None or isinstance(value, int | float)
            or name == "stopped"}


def settled(findings: list[Finding]) -> list[Finding]:
    """Merge findings of one name, drop those that another explains, and lower deficits that a proved cause explains."""
    best = {}
    for finding in sorted(findings, key=lambda finding: (ORDER.index(finding.severity), finding.probed)):
        if (other := best.setdefault(finding.name, finding)) is not finding:  # seen in the history and by a probe
            best[finding.name] = replace(other, evidence=other.evidence + finding.evidence,
                                         probed=other.probed and finding.probed)
    kept = [finding for finding in best.values()
            if not any(cause in best and ORDER.index(best[cause].severity) <= ORDER.index(finding.severity)
                       for cause in CAUSES[finding.name].explained_by)]
    proved = any(finding.kind == WRONG and finding.severity == SEVERE for finding in kept)
    others = any(finding.severity == SEVERE and finding.name != "student_too_small" for finding in kept)
    kept = [replace(finding, severity=LOOK)
            if proved and finding.kind == HARM and finding.severity == SEVERE else finding
            for finding in kept if not (others and finding.name == "student_too_small")]
    return sorted(kept, key=lambda finding: (ORDER.index(finding.severity), finding.kind == HARMLESS))


def sure_from(history: list[dict], reference: Reference | None = None) -> dict[str, int]:
    """Find the first epoch from which on each severe finding of the whole history was there all the time."""
    rows = [{"epoch": number, **row} for number, row in enumerate(epoch_rows(history), start=1)]
    named = [{finding.name for finding in diagnose(rows[:end], reference=reference, finished=end == len(rows))
              if finding.severity == SEVERE} for end in range(1, len(rows) + 1)]
    since = {name: 1 + max((place for place, names in enumerate(named) if name not in names), default=-1)
             for name in named[-1]}  # it follows the last epoch without it
    return {name: rows[place]["epoch"] for name, place in since.items()}


def usable_columns(rows: Sequence[dict]) -> tuple[list[str], list[str]]:
    """List the columns of a history that rules can read, and a sentence on each that none knows.

    The history may be from a loop of your own. Raises ValueError, naming column and value, where there is no column
    that is known, where a column holds text, and where an accuracy is no share from 0 to 1.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    used = [name for name in names if name in USED]
    unknown = [_remark(name) for name in names if name not in (*USED, *Row.__annotations__) and _meant(name)]
    if not used:
        raise ValueError(f"the history must have a column that is known, train_loss, val_loss or val_accuracy, say; it "
                         f"has {', '.join(names) or 'none'}. {' '.join(unknown)}".strip())
    for number, row in enumerate(rows, start=1):
        for name in used:
            value = row.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{name} must be a number, or null where it is none; epoch {number} has {value!r}")
            if value is not None and name.endswith("accuracy") and not 0 <= value <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1; epoch {number} has {value:g}. Divide by 100.")
    return used, unknown


def _meant(name: str) -> str | None:
    """Find the column that a name comes nearest to, if any does."""
    words = [ALSO_CALLED.get(word, word) for word in name.lower().replace("-", " ").replace("_", " ").split()]
    words = "_".join(words).replace("train_train_loss", "train_loss").replace("val_train_loss", "val_loss")
    return next(iter(get_close_matches(words, USED, n=1, cutoff=0.8)), None)


def _remark(name: str) -> str:
    return f"Column {name!r} is not read; did you mean {_meant(name)!r}?"
