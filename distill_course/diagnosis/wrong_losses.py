"""The distillation loss with one mistake each, as they stand in public code. For learners to meet, never to train with.

Each is called as `losses.distillation_terms` is and returns LossTerms. Its name is that of the fault.
"""
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from distill_kit.losses import LossTerms, distillation_terms


def right(student: Tensor, teacher: Tensor, labels: Tensor, temperature, alpha) -> LossTerms:
    """Compute the kit's own loss."""
    return distillation_terms(student.float(), teacher.float(), labels, temperature, alpha)


def mixed(soft: Tensor, terms: LossTerms, alpha) -> LossTerms:
    """Put another soft term in the place of the right one."""
    return LossTerms(terms.hard, soft, alpha * terms.hard + (1 - alpha) * soft)


def t_squared_missing(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Forget the factor T^2: the soft term is T^2 times too small."""
    terms = right(student, teacher, labels, temperature, alpha)
    return mixed(terms.soft / temperature**2, terms, alpha)


def element_mean(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Use `reduction="mean"` for "batchmean", which also divides by the number of classes."""
    terms = right(student, teacher, labels, temperature, alpha)
    return mixed(terms.soft / student.shape[1], terms, alpha)


def softmax_for_log_softmax(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Hand probabilities to `kl_div`, which expects their logarithms."""
    wrong = F.kl_div(F.softmax(student.float() / temperature, dim=1), F.softmax(teacher.float() / temperature, dim=1),
                     reduction="batchmean")
    return mixed(temperature**2 * wrong, right(student, teacher, labels, temperature, alpha), alpha)


def kl_swapped(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Compute KL(student || teacher): the two arguments the other way round."""
    other = F.kl_div(F.log_softmax(teacher.float() / temperature, dim=1),
                     F.log_softmax(student.float() / temperature, dim=1), reduction="batchmean", log_target=True)
    return mixed(temperature**2 * other, right(student, teacher, labels, temperature, alpha), alpha)


def student_not_softened(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Divide only the teacher's logits by the temperature."""
    hard = F.kl_div(F.log_softmax(student.float(), dim=1), F.log_softmax(teacher.float() / temperature, dim=1),
                    reduction="batchmean", log_target=True)
    return mixed(temperature**2 * hard, right(student, teacher, labels, temperature, alpha), alpha)


def alpha_inverted(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Put alpha on the soft term: half of the public code weighs that term, and its values are copied."""
    return right(student, teacher, labels, temperature, 1 - alpha)


WRONG_LOSSES: dict[str, Callable[..., LossTerms]] = {loss.__name__: loss for loss in (
    t_squared_missing, element_mean, kl_swapped, softmax_for_log_softmax, student_not_softened, alpha_inverted)}
