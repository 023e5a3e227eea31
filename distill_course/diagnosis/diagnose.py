"""From a run's history, and what probes found, to findings: the worst first, nothing where nothing is wrong."""
import math
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from reprlib import repr as briefly

from distill_kit.history import Row, epoch_rows
from distill_kit.losses import COLDEST, HOTTEST

from .deficits import DEFICITS
from .finding import CAUSES, HARM, HARMLESS, LOOK, NOTE, SEVERE, WORDS, WRONG, Finding, Reference, median
from .identities import IDENTITIES
from .probes import is_refuted, proofs

ORDER = (SEVERE, LOOK, NOTE)
USED = tuple(dict.fromkeys([column for cause in CAUSES.values() for column in cause.needs] + [
    "train_hard", "val_hard", "val_soft", "learning_rate", "alpha"]))
LIMITS = {("accuracy", "agreement", "alpha", "clipped", "dead_units"): (0, 1), ("temperature",): (COLDEST, HOTTEST),
          ("classes",): (2, 1e6), ("epoch", "steps"): (0, 1e15)}


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
    rows = [_figures(row, number) for number, row in enumerate(epoch_rows(history), start=1)]
    if not rows:
        raise ValueError("history must hold an epoch's row at least; it is empty")
    findings = [finding for look in (*IDENTITIES, *DEFICITS) for finding in look(rows, reference)
                if finished or not CAUSES[finding.name].at_the_end]
    if probes is not None:
        findings = [finding for finding in findings if not is_refuted(finding, probes)]
        findings += proofs(probes, median(rows, "alpha"))
    return settled(findings)


def _figures(row: dict, number: int) -> dict:
    """Leave out what is no figure, in a file that somebody wrote by hand; what is none that can be is None.

    number: of the epoch, where the row does not say.
    """
    figures = {name: None if wrong_with(name, value) or isinstance(value, float) and not math.isfinite(value) else value
               for name, value in row.items() if value is None or isinstance(value, int | float) or name == "stopped"}
    return {**figures, "epoch": number if figures.get("epoch") is None else figures["epoch"]}


def wrong_with(column: str, value: object) -> str:
    """Say what a column must hold where it cannot hold this value; "" where it can. None, NaN, infinity are no figures.

    Beyond these limits, those of float32 where there are no narrower ones, no rule says anything, and powers overflow.
    """
    if value is None or column in ("best", "stopped", "kind"):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "a number, or null where it is none"
    low, high = next((limits for names, limits in LIMITS.items() if column.endswith(names)), (-1e39, 1e39))
    if low <= value <= high or high != 1 and isinstance(value, float) and not math.isfinite(value):
        return ""
    return "a share from 0 to 1" if high == 1 else f"from {low:g} to {high:g}"


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
    kept = [replace(finding, severity=LOOK) if proved and finding.kind == HARM and finding.severity == SEVERE
            else finding for finding in kept if not (others and finding.name == "student_too_small")]
    return sorted(kept, key=lambda finding: (ORDER.index(finding.severity), finding.kind == HARMLESS))


def usable_columns(rows: Sequence[dict], lines: Sequence[int] = ()) -> tuple[list[str], list[str]]:
    """List the columns of a history that rules can read, and a sentence on each that none knows.

    The history may be from a loop of your own. lines: where each row stands in its file, if it is from one. Raises
    ValueError, naming column, place and value, where there is no column that is known, and where one holds what it
    cannot have.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    used = [name for name in names if name in USED]
    unknown = [f"Column {name!r} is not read; did you mean {near!r}?" for name in names
               if name not in (*USED, *Row.__annotations__) and (near := _meant(name))]
    if not used:
        raise ValueError(f"the history must have a column that is known, train_loss, val_loss or val_accuracy, say; it "
                         f"has {', '.join(names) or 'none'}. {' '.join(unknown)}".strip())
    for number, row in enumerate(rows, start=1):
        for name in row:
            if name in (*USED, *Row.__annotations__) and (wrong := wrong_with(name, row[name])):
                value = f"{row[name]:g}" if isinstance(row[name], float) else briefly(row[name])
                where = f" on line {lines[number - 1]}" if lines else ""
                mend = "Divide by 100." if "share" in wrong else "Write null where it is not known."
                raise ValueError(f"{name} must be {wrong}; epoch {number} has {value}{where}. {mend}")
    return used, unknown


def _meant(name: str) -> str | None:
    """Find the column that a name comes nearest to, if any does."""
    words = [WORDS["also called"].get(word, word) for word in name.lower().replace("-", " ").replace("_", " ").split()]
    words = "_".join(words).replace("train_train_loss", "train_loss").replace("val_train_loss", "val_loss")
    return next(iter(get_close_matches(words, USED, n=1, cutoff=0.8)), None)
