"""Norms with running statistics (BatchNorm): which stay as they were given, and when they are measured anew.

A student is judged in eval mode, by statistics that a norm gathered while it trained: a moving mean that looks some
1 / momentum steps back. Where an epoch has fewer steps than that, they are those of weights long gone, and a good
student is judged to be at chance. Training itself never reads them.
"""
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

MEASURED_ON = 2_000  # images
STALE = 0.05         # share of a moving mean that may be older than an epoch


def frozen_norms(student: nn.Module) -> list[nn.Module]:
    """List the norms that training leaves alone: those whose parameters are frozen, or that you put in eval mode."""
    return [norm for norm in student.modules() if isinstance(norm, _NormBase) and (student.training > norm.training or (
        norm.affine and not any(parameter.requires_grad for parameter in norm.parameters())))]


def train_mode(student: nn.Module, frozen: list[nn.Module]) -> None:
    """Switch a student to train mode, but for its frozen norms."""
    student.train()
    for norm in frozen:
        norm.eval()


def stale_norms(student: nn.Module, steps: int) -> list[nn.Module]:
    """List the norms in train mode whose statistics are to a good part older than `steps` steps."""
    return [norm for norm in student.modules() if isinstance(norm, _NormBase) and norm.training
            and norm.track_running_stats and (norm.momentum is None or (1 - norm.momentum) ** steps > STALE)]


@torch.no_grad()
def measure_anew(student: nn.Module, norms: list[nn.Module], images: Iterable[Tensor]) -> None:
    """Set the statistics of norms to their means over batches of images [N, 3, H, W], in the student as it is now."""
    momenta = [norm.momentum for norm in norms]
    student.eval()
    for number, batch in enumerate(images, start=1):
        for norm in norms:
            norm.train().momentum = 1 / number  # so that a moving mean is the mean of all batches
        student(batch)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
