"""The distillation loss with one mistake each, as they stand in public code. For learners to meet, never to train with.

Each has the arguments and the LossTerms of `losses.distillation_terms`; a strength where there is one goes from 0 (no
mistake) to 1.
"""
import torch.nn.functional as F
from torch import Tensor

from ..losses import LossTerms, distillation_terms


def right(student: Tensor, teacher: Tensor, labels: Tensor, temperature, alpha) -> LossTerms:
    return distillation_terms(student.float(), teacher.float(), labels, temperature, alpha)


def mixed(terms: LossTerms, soft: Tensor, alpha) -> LossTerms:
    return LossTerms(terms.hard, soft, alpha * terms.hard + (1 - alpha) * soft)


def without_t_squared(student, teacher, labels, temperature, alpha) -> LossTerms:
    """The factor T^2 forgotten: the soft term is T^2 times too small."""
    terms = right(student, teacher, labels, temperature, alpha)
    return mixed(terms, terms.soft / temperature**2, alpha)


def element_mean(student, teacher, labels, temperature, alpha) -> LossTerms:
    """`reduction="mean"` for "batchmean": also divided by the number of classes."""
    terms = right(student, teacher, labels, temperature, alpha)
    return mixed(terms, terms.soft / student.shape[1], alpha)


def softmax_for_log_softmax(student, teacher, labels, temperature, alpha) -> LossTerms:
    """Probabilities where `kl_div` expects their logarithms."""
    terms = right(student, teacher, labels, temperature, alpha)
    wrong = F.kl_div(F.softmax(student.float() / temperature, dim=1), F.softmax(teacher.float() / temperature, dim=1),
                     reduction="batchmean")
    return mixed(terms, temperature**2 * wrong, alpha)


def swapped(student, teacher, labels, temperature, alpha) -> LossTerms:
    """KL(student || teacher): the two arguments the other way round."""
    terms = right(student, teacher, labels, temperature, alpha)
    other = F.kl_div(F.log_softmax(teacher.float() / temperature, dim=1),
                     F.log_softmax(student.float() / temperature, dim=1), reduction="batchmean", log_target=True)
    return mixed(terms, temperature**2 * other, alpha)


def student_not_softened(student, teacher, labels, temperature, alpha) -> LossTerms:
    """The temperature on the teacher's side alone."""
    terms = right(student, teacher, labels, temperature, alpha)
    hard = F.kl_div(F.log_softmax(student.float(), dim=1), F.log_softmax(teacher.float() / temperature, dim=1),
                    reduction="batchmean", log_target=True)
    return mixed(terms, temperature**2 * hard, alpha)


def softmax_twice(student, teacher, labels, temperature, alpha) -> LossTerms:
    """The teacher's probabilities taken for its logits: softened once more, hardly anything is left of them."""
    return right(student, F.softmax(teacher.float(), dim=1), labels, temperature, alpha)


def alpha_inverted(student, teacher, labels, temperature, alpha) -> LossTerms:
    """alpha on the soft term: half of the public code weighs that one, and its values are copied."""
    terms = right(student, teacher, labels, temperature, alpha)
    return LossTerms(terms.hard, terms.soft, alpha * terms.soft + (1 - alpha) * terms.hard)
