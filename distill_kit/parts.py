"""Parts of a run: what the loop is given, and what it was made from. Changes (changes.py) alter them."""
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from .batches import Batch, ViewBatches
from .kept_logits import KeptLogits
from .losses import distillation_terms
from .schedules import Schedule
from .training import CLIP_NORM


@dataclass(frozen=True, eq=False)
class Parts:
    """What `training.train` is given, and what it was made from."""
    student: nn.Module
    batches: ViewBatches
    optimizer: torch.optim.Optimizer
    learning_rate: Schedule
    temperature: Schedule
    alpha: Schedule
    peak: float                 # of the learning rate
    steps: int                  # in all
    kept: KeptLogits            # of the teacher, and the teacher itself
    watched: Iterable[Batch]    # validation images, measured after each epoch
    clip_norm: float = CLIP_NORM
    loss: Callable = distillation_terms
