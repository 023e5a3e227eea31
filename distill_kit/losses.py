"""The distillation loss: cross-entropy with the labels, and KL divergence to the teacher's softened probabilities.

    total = alpha * hard + (1 - alpha) * soft,    soft = T^2 * KL(teacher_T || student_T)

Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015. Mind that alpha weighs the HARD term here;
half of the public code weighs the soft one.
"""
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

COLDEST, HOTTEST = 1e-3, 1e6  # temperatures beyond which a softmax says nothing but for rounding
NO_LABEL = -100  # the label of an image whose class is not known: PyTorch's cross-entropy ignores it


class LossTerms(NamedTuple):
    """The two terms of the loss and their weighted sum: scalars."""
    hard: Tensor   # cross-entropy with the labels
    soft: Tensor   # T^2 * KL(teacher_T || student_T); NaN without a teacher
    total: Tensor  # alpha * hard + (1 - alpha) * soft


def distillation_terms(student_logits: Tensor, teacher_logits: Tensor | None, true_labels: Tensor,
                       temperature: float = 4.0, alpha: float = 0.7) -> LossTerms:
    """Compute both terms of `distillation_loss` and the total, without its checks: what the training loop calls.

        >>> distillation_terms(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5)  # as in that example
        LossTerms(hard=tensor(0.4100), soft=tensor(0.3561), total=tensor(0.3831))

    student_logits, teacher_logits: [N, C]; true_labels: int64 [N], -100 where a label is not known, or probabilities
    [N, C]. Without a teacher (None) the total is alpha times the hard term. No gradient reaches the teacher.
    """
    student_logits = student_logits.to(torch.promote_types(student_logits.dtype, torch.float32))  # (N, C)
    if true_labels.is_floating_point():
        hard = F.cross_entropy(student_logits, true_labels.to(student_logits.dtype))
    else:
        labelled = (true_labels != NO_LABEL).sum().clamp(min=1)  # a batch without labels gives 0, not 0 / 0
        hard = F.cross_entropy(student_logits, true_labels, ignore_index=NO_LABEL, reduction="sum") / labelled
    if teacher_logits is None:
        return LossTerms(hard, torch.full_like(hard, math.nan), alpha * hard)

    teacher_logits = teacher_logits.detach().to(torch.promote_types(teacher_logits.dtype, student_logits.dtype))
    student_logits = student_logits.to(teacher_logits.dtype)  # float64 on either side makes both float64
    log_student = _log_softmax(student_logits / temperature)                                   # (N, C)
    log_teacher = _log_softmax(teacher_logits / temperature)                                   # (N, C)
    # Softening by T shrinks the gradient by about 1 / T^2; the factor T^2 gives it back.
    soft = temperature**2 * F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return LossTerms(hard, soft, alpha * hard + (1 - alpha) * soft)


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor | None, true_labels: Tensor,
                      temperature: float = 4.0, alpha: float = 0.7) -> Tensor:
    """Compute alpha * cross-entropy + (1 - alpha) * T^2 * KL(teacher_T || student_T), the mean over a batch: a scalar.

        >>> student_logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])   # (N, C)
        >>> teacher_logits = torch.tensor([[4.0, 0.0], [0.0, 2.0]])   # (N, C)
        >>> labels = torch.tensor([0, 1])                             # (N,)
        >>> distillation_loss(student_logits, teacher_logits, labels, temperature=2.0, alpha=0.5)
        tensor(0.3831)

    student_logits, teacher_logits: float [N, C], before any softmax; the teacher's may be None where alpha is 1. A
        logit of -inf rules a class out.
    true_labels: int64 [N], a class number or -100 for "not known": the hard term is the mean over the labelled rows (0
        if there are none), the soft term over all rows. Or soft labels: probabilities, float [N, C].
    temperature: 0.001 to 1,000,000; 1 leaves the teacher's probabilities as they are, a higher one makes them softer.
    alpha: 0 to 1, the weight of the hard term: 1 ignores the teacher, 0 ignores the labels.
    Half precision is computed in float32; float64 stays float64.

    Raises ValueError, naming the argument and its value.
    """
    check_temperature(temperature)
    check_alpha(alpha)
    check_teacher(teacher_logits, alpha)
    check_logits(student_logits, teacher_logits)
    check_labels(true_labels, *student_logits.shape)
    return distillation_terms(student_logits, teacher_logits, true_labels, temperature, alpha).total


def check_temperature(temperature: float, name: str = "temperature") -> None:
    """Raise ValueError, with the argument's name, unless a temperature is from COLDEST to HOTTEST."""
    if not COLDEST <= temperature <= HOTTEST:  # also refuses NaN
        raise ValueError(f"{name} must be {COLDEST} to {HOTTEST:,.0f}; got {temperature}. Colder, every softmax is one "
                         "class; hotter, all classes are equal but for rounding")


def check_alpha(alpha: float, name: str = "alpha") -> None:
    """Raise ValueError, with the argument's name, unless alpha is between 0 and 1."""
    if not 0 <= alpha <= 1:  # also refuses NaN
        raise ValueError(f"{name} must be between 0 (only the teacher) and 1 (only the labels); got {alpha}")


def check_teacher(teacher_logits: Tensor | None, alpha: float) -> None:
    """Raise ValueError where there is no teacher and alpha gives it a weight."""
    if teacher_logits is None and alpha != 1:
        raise ValueError(f"teacher_logits must be given where alpha is not 1; got None and alpha {alpha}")


def check_logits(student_logits: Tensor, teacher_logits: Tensor | None) -> None:
    """Raise ValueError unless logits are floats [N, C] with at least one row, and of the same shape on both sides."""
    for name, logits in (("student_logits", student_logits), ("teacher_logits", teacher_logits)):
        if logits is not None and not logits.is_floating_point():
            raise ValueError(f"{name} must be floats, as they come before any softmax; got {logits.dtype}")
    if student_logits.ndim != 2 or 0 in student_logits.shape:
        raise ValueError(f"student_logits must be [N, C] with N and C above 0; got {list(student_logits.shape)}")
    if teacher_logits is not None and teacher_logits.shape != student_logits.shape:
        raise ValueError(f"teacher_logits must have the shape of student_logits, {list(student_logits.shape)}; "
                         f"got {list(teacher_logits.shape)}. Both need the same images and the same classes.")


def check_labels(true_labels: Tensor, rows: int, classes: int) -> None:
    """Raise ValueError unless labels are int64 [N], each -100 or a class number, or probabilities, float [N, C].

    Reads the values, so a GPU is waited for: too slow for every batch.
    """
    if true_labels.is_floating_point() and true_labels.shape == (rows, classes):
        sums = true_labels.double().sum(1)                                                             # (N,)
        if not (true_labels.min() >= 0 and (sums - 1).abs().max() < 1e-2):
            raise ValueError("true_labels must be probabilities where they are floats, with the sum 1 in each row; got "
                             f"{true_labels.min():g} to {true_labels.max():g}, and {sums.max():g} as a sum")
        return
    if true_labels.shape != (rows,) or true_labels.dtype != torch.int64:
        raise ValueError(f"true_labels must be int64 [{rows}], one class number per row of student_logits, or "
                         f"probabilities [{rows}, {classes}]; got {true_labels.dtype} {list(true_labels.shape)}")
    wrong = true_labels[(true_labels != NO_LABEL) & ((true_labels < 0) | (true_labels >= classes))]
    if len(wrong):
        hint = ". Do they count from 1? Subtract 1" if (true_labels.min(), true_labels.max()) == (1, classes) else ""
        raise ValueError(f"true_labels must be 0 to {classes - 1}, or {NO_LABEL} for no label; "
                         f"got {int(wrong[0])}{hint}")


def check_numbers(values: Tensor, what: str) -> None:
    """Raise ValueError unless all values [N, ...] are finite."""
    finite = torch.isfinite(values.reshape(len(values), -1)).all(1)                                    # (N,)
    if not finite.all():
        raise ValueError(f"{what} must be finite numbers; got NaN or infinity for image {int(finite.long().argmin())}")


def class_numbers(labels: Tensor) -> Tensor:
    """Return labels as class numbers, int64 [N]; of probabilities [N, C] the highest one's."""
    return labels.argmax(1) if labels.is_floating_point() else labels


def _log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities [N, C], finite where a class is ruled out: its share of a divergence is then 0, and not NaN."""
    return F.log_softmax(logits, dim=1).clamp_min(torch.finfo(logits.dtype).min)
