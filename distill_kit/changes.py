"""Changes to a run: functions from its parts to other parts, known by name.

The kit has none of its own. Whoever has one registers it; `Settings(changes=("no_warmup",))` then asks for it.
"""
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

    @property
    def epoch_steps(self) -> int:
        """Steps an epoch."""
        return len(self.batches)


Change = Callable[[Parts], Parts]
CHANGES: dict[str, Change] = {}


def register(name: str, change: Change) -> None:
    """Make a change known by a name.

        >>> register("no_clipping", lambda parts: replace(parts, clip_norm=math.inf))
    """
    CHANGES[name] = change


def check_change(name: str) -> None:
    """Raise ValueError for a name that nobody has registered."""
    if name not in CHANGES:
        known = ", ".join(CHANGES) or "none is registered yet"
        raise ValueError(f"changes must be registered ones ({known}); got {name!r}. Those of the course are registered "
                         "by `import distill_course.habits` and `import distill_course.diagnosis`.")
