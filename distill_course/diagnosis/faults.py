"""What goes wrong with distillation: a table of faults that people really make, each in three strengths.

A fault changes a run's parts, and brings the settings without which it would not be there. `faulty` gives settings that
ask for it. Neither the loop nor `Settings` knows of any.
"""
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial

import torch
from torch import Tensor, nn

from distill_kit.batches import Batch
from distill_kit.changes import register
from distill_kit.losses import distillation_terms
from distill_kit.run import Parts
from distill_kit.settings import Settings

from ..habits import Altered, teacher_in_train_mode, unwrapped, with_teacher
from ..shipped import read_table
from .wrong_losses import WRONG_LOSSES

STRENGTHS = ("mild", "clear", "gross")


# What is done to a run's parts

def wrong_loss(parts: Parts, _: float, name: str) -> Parts:
    """Put a loss with a mistake in the place of the right one. Raises ValueError where that is another already."""
    if parts.loss is not distillation_terms:
        raise ValueError("changes must not alter the loss twice; take out one of the changes")
    return replace(parts, loss=WRONG_LOSSES[name])


def probabilities_for_logits(parts: Parts, _: float) -> Parts:
    """Hand over the teacher's probabilities as if they were logits."""
    return with_teacher(parts, lambda batch: batch.teacher_logits.float().softmax(1))


def noisy_teacher(parts: Parts, strength: float) -> Parts:
    """Add noise to the teacher's logits: the same in each pass over images that come in the same order."""
    def noisy(batches: Iterable[Batch]) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(0)
        for batch in batches:
            logits = batch.teacher_logits.float()                                            # (N, C)
            noise = torch.randn(logits.shape, generator=generator).to(logits.device)
            yield batch._replace(teacher_logits=(logits + strength * noise).half())
    return replace(parts, batches=Altered(parts.batches, noisy), watched=Altered(parts.watched, noisy))


def permuted_classes(parts: Parts, count: float) -> Parts:
    """Give `count` of the teacher's classes other numbers."""
    def permuted(batch: Batch) -> Tensor:
        some, others = batch.teacher_logits.tensor_split([int(count)], dim=1)
        return torch.cat([some.roll(1, dims=1), others], dim=1)
    return with_teacher(parts, permuted)


def shuffled_rows(parts: Parts, share: float) -> Parts:
    """Put a share of a batch's logits beside other images."""
    generator = torch.Generator().manual_seed(0)

    def misaligned(batch: Batch) -> Tensor:
        logits = batch.teacher_logits.clone()
        chosen = torch.randperm(len(logits), generator=generator)[:round(share * len(logits))]
        logits[chosen] = logits[chosen.roll(1)]
        return logits
    return with_teacher(parts, misaligned, watched=False)


def other_view(parts: Parts, views: float) -> Parts:
    """Ask the teacher about another view of each image."""
    batches = unwrapped(parts)
    batches.ask_teacher = lambda rows, seen: batches.logits.take(rows, (seen + int(views)) % len(batches.bank.views))
    return parts


def class_after_class(parts: Parts, share: float) -> Parts:
    """Sort a share of each pass by class."""
    generator = torch.Generator().manual_seed(0)
    batches = unwrapped(parts)
    labels, draw_order = batches.labels.cpu(), batches.draw_order

    def partly_sorted() -> Tensor:
        order = draw_order().clone()
        places = (torch.rand(len(order), generator=generator) < share).nonzero().squeeze(1)
        order[places] = order[places][labels[order[places]].argsort(stable=True)]
        return order
    batches.draw_order = partly_sorted
    return parts


def clipped(parts: Parts, limit: float) -> Parts:
    """Clip the gradient at another limit."""
    return replace(parts, clip_norm=limit)


def batch_norms(student: nn.Module) -> list[nn.BatchNorm2d]:
    """List a student's BatchNorm layers. Raises ValueError where it has none."""
    if not (norms := [module for module in student.modules() if isinstance(module, nn.BatchNorm2d)]):
        raise ValueError("student must have BatchNorm layers for this fault to be there; got one without. Take another")
    return norms


def low_biases(parts: Parts, share: float) -> Parts:
    """Push a share of the student's units so far down that they never answer."""
    with torch.no_grad():
        for norm in batch_norms(parts.student):
            norm.bias[:round(share * len(norm.bias))] = -10.0
    return parts


def blocks_in_eval_mode(parts: Parts, count: float) -> Parts:
    """Keep the last blocks of the student in eval mode."""
    for block in list(parts.student.blocks)[-int(count):] if batch_norms(parts.student) else ():
        block.train = lambda mode=True, block=block: nn.Module.train(block, False)
    return parts


def frozen_blocks(parts: Parts, count: float) -> Parts:
    """Freeze the first blocks of the student."""
    parts.student.blocks[:int(count)].requires_grad_(False)
    return parts


# The table

IN_SOFT_TERM: dict[str, Callable[[Parts, float], Parts]] = {  # which is not there where alpha is 1 throughout
    **{name: partial(wrong_loss, name=name) for name in WRONG_LOSSES},
    "softmax_twice": probabilities_for_logits, "weak_teacher": noisy_teacher, "classes_permuted": permuted_classes,
    "teacher_rows_shuffled": shuffled_rows, "teacher_sees_other_view": other_view,
    "teacher_in_train_mode": lambda parts, _: teacher_in_train_mode(parts),
    "temperature_too_high": lambda parts, _: parts}  # its settings are the fault
APPLY = IN_SOFT_TERM | {
    "batches_in_class_order": class_after_class, "clipping_under_adamw": clipped, "clipping_too_tight": clipped,
    "student_in_eval_mode": blocks_in_eval_mode, "layers_not_trained": frozen_blocks, "dead_units": low_biases}


@dataclass(frozen=True)
class Fault:
    """A fault as assets/causes.toml has it, and what it does to a run's parts."""
    name: str
    sentence: str                                         # for the learner
    levels: tuple[float, float, float] = (1.0, 1.0, 1.0)  # what `apply` is given for mild, clear and gross
    settings: dict = field(default_factory=dict)          # that the fault needs; a list has a value for each strength
    itself: tuple[str, ...] = ()                          # settings that are the fault: a run without it lacks them
    also: tuple[str, ...] = ()                            # findings that count as right beside the fault's own name
    needs_probe: bool = False                             # can a history not tell it?
    harmless: bool = False                                # does it cost less than a point or two?

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of findings that count as right."""
        return self.name, *self.also

    def apply(self, parts: Parts, level: float) -> Parts:
        """Build the fault into a run's parts; a fault of settings leaves them as they are.

        Raises ValueError for a fault in the soft term where the teacher has no say.
        """
        if self.name in IN_SOFT_TERM and parts.alpha(0) == parts.alpha(parts.steps) == 1:
            raise ValueError(f"{self.name} is a fault in the soft term, which alpha = 1 leaves out; set it lower")
        return APPLY[self.name](parts, level) if self.name in APPLY else parts

    def settings_for(self, strength: str) -> dict:
        """Return the settings that the fault needs at this strength."""
        place = STRENGTHS.index(strength)
        return {name: value[place] if isinstance(value, list) else value for name, value in self.settings.items()}


FAULTS: dict[str, Fault] = {name: Fault(name, **entry["fault"]) for name, entry in read_table("causes").items()
                            if "fault" in entry}
for fault in FAULTS.values():
    for strength, level in zip(STRENGTHS, fault.levels):
        register(f"{fault.name}:{strength}", partial(fault.apply, level=level))


def faulty(settings: Settings, name: str, strength: str = "gross") -> Settings:
    """Return settings that ask for a fault, and have what the fault needs.

        >>> faulty(Settings(epochs=8), "dead_units", "clear").changes
        ('dead_units:clear',)

    Raises ValueError for an unknown fault or strength, and for settings that have a fault already.
    """
    if fault_of(settings) is not None:
        raise ValueError(f"settings must have no fault yet; got changes {settings.changes}")
    if str(name) not in FAULTS:  # a file may bring anything
        near = "".join(f" Did you mean {other!r}?" for other in get_close_matches(str(name), FAULTS, n=1))
        raise ValueError(f"fault must be one of {', '.join(FAULTS)}; got {name!r}.{near}")
    if name in IN_SOFT_TERM and settings.labels_only:
        raise ValueError(f"{name} is a fault in the soft term, which alpha = 1 leaves out; set alpha lower")
    if strength not in STRENGTHS:
        raise ValueError(f"fault_strength must be {', '.join(STRENGTHS)}; got {strength!r}")
    return replace(settings, changes=(*settings.changes, f"{name}:{strength}"), **FAULTS[name].settings_for(strength))


def fault_of(settings: Settings) -> tuple[Fault, str] | None:
    """Find the fault that settings ask for, and its strength; None where there is none."""
    asked = (change.partition(":") for change in settings.changes)
    return next(((FAULTS[name], strength) for name, _, strength in asked
                 if name in FAULTS and strength in STRENGTHS), None)
