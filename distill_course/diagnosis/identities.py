"""What must be so in every right run, whatever its accuracy: where it is not, something is wrong.

Each function looks at epoch rows (history.py) and yields what it finds; nothing where a column is missing.
Thresholds: assets/thresholds.toml.
"""
import math
from collections.abc import Iterator

from .finding import THRESHOLDS, Evidence, Finding, Reference, as_finding, figures, in_bits, last, median

LEVEL = THRESHOLDS["identities"]


def total_of_terms(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """total = alpha hard + (1 - alpha) soft, on the first batch; or in every epoch, where alpha stood still."""
    first = [rows[0].get(f"first_{name}") for name in ("loss", "hard", "soft", "alpha")]
    looked = [(*first, 1)] if None not in first else [
        (*terms, row["epoch"]) for row in rows if row.get("alpha") == rows[0].get("alpha")
        and None not in (terms := [row.get(name) for name in ("train_loss", "train_hard", "train_soft", "alpha")])]
    off, inverted = [], []
    for total, hard, soft, alpha, epoch in looked:
        right, other = alpha * hard + (1 - alpha) * soft, (1 - alpha) * hard + alpha * soft
        scale = LEVEL.total_off * max(abs(hard), abs(soft), 1e-6)
        if abs(total - right) > scale:
            off.append(Evidence("loss", total, epoch, f"{right:.3g} from its terms"))
            inverted.append(abs(total - other) <= scale)
    if off and len(off) == len(looked):
        yield as_finding("alpha_inverted" if all(inverted) else "loss_is_another", off[0])


def negative_soft_term(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """A KL divergence is never below zero."""
    below = [figure for column in ("train_soft", "first_soft") for figure in figures(rows, column)
             if figure.value < -1e-3]
    if below:
        yield as_finding("softmax_for_log_softmax", below[0].beside("0 or more"))


def first_soft_term(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """An untrained student knows nothing: its soft term is about T^2 (ln C - entropy of the teacher)."""
    soft, t = map(rows[0].get, ("first_soft", "first_temperature"))
    entropy, classes = map(rows[0].get, ("train_teacher_entropy", "classes"))
    if None in (soft, t, entropy, classes) or math.log(classes) - entropy < LEVEL.least_contrast or soft < 0:
        return
    expected = t**2 * (math.log(classes) - entropy)
    ratio = max(soft / expected, 1e-9)
    evidence = Evidence("first_soft", soft, 1,
                        f"about {expected:.2g}: T² (ln C - the teacher's entropy), with C classes")
    if ratio > LEVEL.soft_too_large and t <= 1.5:
        yield as_finding("kl_swapped", evidence)
    elif ratio <= LEVEL.soft_too_small:
        distance = {"t_squared_missing": abs(math.log(ratio * t**2)), "element_mean": abs(math.log(ratio * classes))}
        name = min(distance, key=distance.get)
        yield as_finding(name if distance[name] < math.log(2) else "loss_is_another", evidence)


def student_as_flat(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """At the loss's temperature a student comes near its teacher's sharpness; one that is not softened cannot."""
    t, classes = rows[-1].get("temperature"), rows[-1].get("classes")
    own, teacher = last(rows, "val_entropy"), last(rows, "val_teacher_entropy")
    if None in (t, classes, own, teacher) or t < 3 or len(rows) < 2 or (median(rows, "alpha") or 0) > LEVEL.little_say:
        return
    contrast = math.log(classes) - teacher
    if contrast < LEVEL.least_contrast or (last(rows, "val_agreement") or 0) < LEVEL.like_its_teacher:
        return
    if (math.log(classes) - own) / contrast <= LEVEL.flatness / t**2:
        yield as_finding("student_not_softened",
                         Evidence("val_entropy", own, rows[-1]["epoch"], f"nearer to the teacher's {in_bits(teacher)}"))


def teacher_of_probabilities(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Logits that lie within 1 of one another cannot be softened below this entropy."""
    t, classes = rows[0].get("first_temperature", rows[0].get("temperature")), rows[0].get("classes")
    entropy = last(rows[:1], "train_teacher_entropy")
    if None in (t, classes, entropy) or t > 50:
        return
    top = 1 / (1 + (classes - 1) * math.exp(-1 / t))
    flattest = (1 - top) / t - math.log(top)                          # of one logit 1, the others 0, over T
    if entropy >= flattest - 1e-5:
        yield as_finding("softmax_twice", Evidence(
            "train_teacher_entropy", entropy, 1, f"below {in_bits(flattest)} at T = {t:g}"))


def teachers_word_against_labels(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Good on validation images, at odds with the training labels: its rows are misplaced, or the labels are false.

    A student that follows the teacher more than the labels says that the teacher is right.
    """
    here, there = median(rows, "train_teacher_accuracy"), median(rows, "val_teacher_accuracy")
    if None in (here, there) or there - here < LEVEL.teacher_gap:
        return
    own, agreed = last(rows, "train_accuracy"), last(rows, "train_agreement")
    evidence = Evidence("train_teacher_accuracy", here, None, f"about {there:.2f}, as on validation images")
    classes, alpha = rows[-1].get("classes") or 10, median(rows, "alpha")
    if None in (own, agreed) or agreed <= own or here < 1.5 / classes:
        yield as_finding("teacher_rows_shuffled", evidence)
    else:
        mild = there - here < 0.1 or alpha is not None and alpha < 0.3
        agrees = Evidence("train_agreement", agreed, rows[-1]["epoch"], f"below that with the labels, {own:.2f}")
        yield as_finding("false_labels", evidence, agrees, severe=not mild)


def order_of_batches(rows: list[dict], reference: Reference | None) -> Iterator[Finding]:
    """Look for batches whose labels are less mixed than all labels."""
    mix = median(rows, "label_mix")
    if mix is not None and mix <= LEVEL.mixed:
        yield as_finding("batches_in_class_order", Evidence("label_mix", mix, None, "1"), severe=mix < LEVEL.sorted)


IDENTITIES = (total_of_terms, negative_soft_term, first_soft_term, student_as_flat, teacher_of_probabilities,
              teachers_word_against_labels, order_of_batches)
