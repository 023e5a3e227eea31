"""From a run's history, and what probes found, to findings: the worst first, nothing where nothing is wrong."""
from dataclasses import replace

from ..history import epoch_rows
from . import probed
from .curves import CURVES
from .finding import HARM, HARMLESS, LOOK, NOTE, SEVERE, WRONG, Finding, Reference, median
from .harm import HARMS
from .identities import IDENTITIES

ORDER = (SEVERE, LOOK, NOTE)
LOSSES = ("alpha_inverted", "t_squared_missing", "element_mean", "softmax_for_log_softmax", "kl_swapped",
          "student_not_softened", "loss_is_another")
ROWS = ("teacher_rows_shuffled", "classes_permuted", "softmax_twice")
# What follows from what: the second is no news where the first is known.
EXPLAINED_BY = {
    "kl_swapped": ("softmax_twice",),
    "student_not_softened": ("teacher_rows_shuffled", "false_labels", "batches_in_class_order", "softmax_twice",
                             "t_squared_missing", "element_mean", "alpha_inverted"),
    "dead_units": ("learning_rate_too_high", "diverged"),
    "oscillates": ("learning_rate_too_high", "batches_in_class_order", "student_in_eval_mode"),
    "diverged": ("learning_rate_too_high",),
    "both_stagnate": ("learning_rate_too_low", "clipping_too_tight", "layers_not_trained", "dead_units"),
    "overfitting": ("too_few_images",),
    "too_few_epochs": ("learning_rate_too_low", "clipping_too_tight"),
    "weak_teacher": ("classes_permuted", "softmax_twice"),
    "teacher_answers_differ": ("weak_teacher",),
    "validation_above_training": ("batches_in_class_order", "too_few_epochs", "false_labels"),
    "still_improving": ("batches_in_class_order", "too_few_epochs", "learning_rate_too_low", "clipping_too_tight"),
}


# What cannot be said before a run is over.
AT_THE_END = ("too_few_epochs", "student_too_small", "student_not_softened", "still_improving",
              "validation_above_training", "both_stagnate")


def diagnose(history: list[dict], probes: dict | None = None, reference: Reference | None = None,
             finished: bool = True) -> list[Finding]:
    """Findings of a run.

    history: rows as `train` yields them; of a loop of one's own, dicts with "epoch" and any of history.py's columns.
    probes: what `probe(run)` gave. reference: what healthy runs on these images came to (reference_for(name)); without
        it what a run lacks to others is not judged. finished: False while the run goes on; what only its end can show
        is then left out.

    Raises ValueError where there is no epoch to look at.
    """
    rows = [{"epoch": number, **_figures(row)} for number, row in enumerate(epoch_rows(history), start=1)]
    if not rows:
        raise ValueError("history must hold an epoch's row at least; it is empty")
    findings = [finding for look in (*IDENTITIES, *HARMS, *CURVES) if (finding := look(rows, reference)) is not None
                and (finished or finding.name not in AT_THE_END)]
    if probes is not None:
        findings = [finding for finding in findings if not _refuted(finding, probes)]
        findings += [finding for finding in (
            probed.loss(probes), probed.teacher(probes), probed.layers_in_eval_mode(probes),
            probed.frozen_layers(probes), probed.contradicted_labels(probes, median(rows, "alpha")))
            if finding is not None]
    return settled(findings)


def _figures(row: dict) -> dict:
    """What is no figure, in a file that somebody wrote by hand, is not there."""
    return {name: value for name, value in row.items() if value is None or isinstance(value, int | float)
            or name == "stopped"}


def _refuted(finding: Finding, probes: dict) -> bool:
    """Has a probe looked at just that, and found it otherwise?"""
    if finding.name in LOSSES:
        return probes.get("loss") not in (None, finding.name)
    if finding.name in ROWS:
        said = probes.get("teacher")
        return said is not None and probed.TEACHERS.get(said) != finding.name
    return False


def settled(findings: list[Finding]) -> list[Finding]:
    """One finding a name, what follows from another left out, and deficits that a proved cause explains set lower."""
    best = {}
    for finding in sorted(findings, key=lambda finding: (ORDER.index(finding.severity), finding.probed)):
        if (other := best.setdefault(finding.name, finding)) is not finding:  # seen in the history and by a probe
            best[finding.name] = replace(other, evidence=other.evidence + finding.evidence,
                                         probed=other.probed and finding.probed)
    kept = [finding for finding in best.values()
            if not any(cause in best and ORDER.index(best[cause].severity) <= ORDER.index(finding.severity)
                       for cause in EXPLAINED_BY.get(finding.name, ()))]
    proved = any(finding.kind == WRONG and finding.severity == SEVERE for finding in kept)
    others = any(finding.severity == SEVERE and finding.name != "student_too_small" for finding in kept)
    kept = [replace(finding, severity=LOOK)
            if proved and finding.kind == HARM and finding.severity == SEVERE else finding
            for finding in kept if not (others and finding.name == "student_too_small")]
    return sorted(kept, key=lambda finding: (ORDER.index(finding.severity), finding.kind == HARMLESS))


def sure_from(history: list[dict], reference: Reference | None = None) -> dict[str, int]:
    """Of each severe finding of the whole history: the first epoch from which on it was one all the time."""
    rows = [{"epoch": number, **row} for number, row in enumerate(epoch_rows(history), start=1)]
    named = [{finding.name for finding in diagnose(rows[:end], reference=reference, finished=end == len(rows))
              if finding.severity == SEVERE} for end in range(1, len(rows) + 1)]
    sure = {}
    for name in named[-1]:
        since = len(named)
        while since > 1 and name in named[since - 2]:
            since -= 1
        sure[name] = rows[since - 1]["epoch"]
    return sure
