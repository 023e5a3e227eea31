"""The distillation loss with one mistake each, as they stand in public code. For learners to meet, never to train with.

Each is called as `losses.distillation_terms` is and returns LossTerms. Its name is that of the fault. Most are wrong in
the soft term only: a function makes theirs of the right one, the logits [N, C] of both sides and the temperature.
"""
from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from distill_kit.losses import LossTerms, distillation_terms


def with_soft_term(other: Callable[..., Tensor], student, teacher, labels, temperature, alpha) -> LossTerms:
    """Put another soft term in the place of the right one."""
    hard, soft, _ = distillation_terms(student, teacher, labels, temperature, alpha)
    soft = other(soft, student.float(), teacher.float(), temperature)
    return LossTerms(hard, soft, alpha * hard + (1 - alpha) * soft)


def t_squared_missing(soft, student, teacher, temperature) -> Tensor:
    """Forget the factor T^2: the soft term is T^2 times too small."""
    return soft / temperature**2


def element_mean(soft, student, teacher, temperature) -> Tensor:
    """Use `reduction="mean"` for "batchmean", which also divides by the number of classes."""
    return soft / student.shape[1]


def softmax_for_log_softmax(soft, student, teacher, temperature) -> Tensor:
    """Hand probabilities to `kl_div`, which expects their logarithms."""
    student, teacher = (student / temperature).softmax(1), (teacher / temperature).softmax(1)
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean")


def kl_swapped(soft, student, teacher, temperature) -> Tensor:
    """Compute KL(student || teacher): the two arguments the other way round."""
    return temperature**2 * divergence(teacher / temperature, student / temperature)


def student_not_softened(soft, student, teacher, temperature) -> Tensor:
    """Divide only the teacher's logits by the temperature."""
    return temperature**2 * divergence(student, teacher / temperature)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Compute KL(target || logits) of logits [N, C], the mean over their rows."""
    return F.kl_div(logits.log_softmax(1), target.log_softmax(1), reduction="batchmean", log_target=True)


def alpha_inverted(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Put alpha on the soft term: half of the public code weighs that term, and its values are copied."""
    return distillation_terms(student, teacher, labels, temperature, 1 - alpha)


WRONG_LOSSES: dict[str, Callable[..., LossTerms]] = {other.__name__: partial(with_soft_term, other) for other in (
    t_squared_missing, element_mean, kl_swapped, softmax_for_log_softmax, student_not_softened)}
WRONG_LOSSES["alpha_inverted"] = alpha_inverted
