"""What probes prove (probes.py): which loss it is, whose rows they are, which layers stand still."""
from .causes import found
from .finding import HARMLESS, LOOK, SEVERE, WRONG, Evidence, Finding

FALSE_LABELS = 0.05  # of the labels that a confident teacher contradicts; healthy runs: below 0.02
TEACHERS = {"shuffled": "teacher_rows_shuffled", "permuted": "classes_permuted", "probabilities": "softmax_twice",
            "train_mode": "teacher_in_train_mode", "other_view": "teacher_sees_other_view"}
COSTS_LITTLE = ("teacher_in_train_mode", "teacher_sees_other_view")


def loss(probes: dict) -> Finding | None:
    if probes.get("loss") in (None, "right"):
        return None
    name = "loss_is_another" if probes["loss"] == "other" else probes["loss"]
    return found(name, WRONG, SEVERE, Evidence("loss_ratio", probes.get("loss_ratio"), None, "1"), probed=True)


def teacher(probes: dict) -> Finding | None:
    said = probes.get("teacher")
    if said in (None, "same"):
        return None
    name = TEACHERS.get(said, "teacher_answers_differ")
    kind, severity = (HARMLESS, LOOK) if name in COSTS_LITTLE else (WRONG, SEVERE)
    return found(name, kind, LOOK if name == "teacher_answers_differ" else severity,
                 Evidence("teacher_match", probes.get("teacher_match"), None, "1"), probed=True)


def layers_in_eval_mode(probes: dict) -> Finding | None:
    share = probes.get("not_training") or 0.0
    return found("student_in_eval_mode", WRONG, SEVERE, Evidence("not_training", share, None, "0"),
                 probed=True) if share else None


def frozen_layers(probes: dict) -> Finding | None:
    share = probes.get("frozen") or 0.0
    return found("layers_not_trained", WRONG, SEVERE, Evidence("frozen", share, None, "0"),
                 probed=True) if share else None


def contradicted_labels(probes: dict, alpha: float | None) -> Finding | None:
    share = probes.get("false_labels")
    if share is None or share < FALSE_LABELS or probes.get("teacher") not in (None, "same"):
        return None  # a teacher whose rows are not its own is no witness
    mild = share < 0.1 or alpha is not None and alpha < 0.3
    return found("false_labels", WRONG, LOOK if mild else SEVERE, Evidence("false_labels", share, None, "0"),
                 probed=True)
