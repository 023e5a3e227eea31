"""What follows a slider without any training: how soft the teacher speaks, and whose word weighs how much."""
import math

import torch
from torch import Tensor


def soft_targets(logits: Tensor, temperature: float) -> Tensor:
    """The probabilities [..., C] of logits [..., C] at this temperature."""
    return (logits / temperature).softmax(dim=-1)


def entropy_bits(probabilities: Tensor) -> float:
    """Of one distribution [C]: 0 where one class has it all, log2 C where all are alike."""
    return torch.special.entr(probabilities).sum().item() / math.log(2)


def teachers_share(logits: Tensor, labels: Tensor, temperature: float, alpha: float) -> float:
    """The soft term's share of the gradient at a student's first step, when all classes are alike to it.

    logits: the teacher's, [N, C]; labels [N]. By the lengths of both terms' gradients with respect to the student's
    logits, averaged over the images: alpha (p - label) for the hard term, (1 - alpha) T (p_T - teacher_T) for the soft
    one, in which T squared and the derivative's 1 / T have met (Hinton et al., 2015).
    """
    classes = logits.shape[1]
    hard = 1 / classes - torch.nn.functional.one_hot(labels, classes)                       # (N, C)
    soft = temperature * (1 / classes - soft_targets(logits, temperature))                  # (N, C)
    weights = alpha * hard.norm(dim=1).mean().item(), (1 - alpha) * soft.norm(dim=1).mean().item()
    return weights[1] / sum(weights)
