"""What goes wrong with distillation, one fault a function: from a run's parts and a strength to other parts.

Each fault is one that people really make. It has three strengths; the numbers behind `levels` are what a function is
given for mild, clear and gross, `settings` what the run needs for the fault to be there at all, and `itself` those of
them that are the fault. The loop knows of none.
"""
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..batches import Batch
from ..changes import AnsweredAnew, Parts
from . import loss_variants

STRENGTHS = ("mild", "clear", "gross")


@dataclass(frozen=True)
class Fault:
    """name and sentence for the learner; findings: names that count as right, the first is the fault's own."""
    name: str
    sentence: str
    apply: Callable[[Parts, float], Parts]
    levels: tuple[float, float, float]
    findings: tuple[str, ...]
    settings: tuple[dict, dict, dict] = ({}, {}, {})   # for mild, clear, gross
    itself: tuple[str, ...] = ()                       # settings that a run without the fault does not share
    needs_probe: bool = False                          # can a history alone not tell it?
    harmless: bool = False                             # does it cost less than a point or two?

    def level(self, strength: str) -> float:
        return self.levels[STRENGTHS.index(strength)]

    def settings_for(self, strength: str) -> dict:
        return self.settings[STRENGTHS.index(strength)]


FAULTS: dict[str, Fault] = {}


def fault(*levels: float, findings: tuple[str, ...] = (), settings: dict | None = None, itself: tuple[str, ...] = (),
          needs_probe: bool = False, harmless: bool = False):
    """Enter a function into FAULTS; its docstring's first line is the sentence. A setting may be a triple: one value
    for each strength."""
    def enter(function):
        name = function.__name__
        each = tuple({key: value[k] if isinstance(value, tuple) else value for key, value in (settings or {}).items()}
                     for k in range(len(STRENGTHS)))
        FAULTS[name] = Fault(name, function.__doc__.splitlines()[0], function, levels or (1.0, 1.0, 1.0),
                             (name, *findings), each, itself, needs_probe, harmless)
        return function
    return enter


@dataclass
class Altered:
    """Batches, each changed on its way to the loop. begin: gives the change for one pass over them."""
    batches: object
    begin: Callable[[], Callable[[Batch], Batch]]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        return map(self.begin(), self.batches)

    def __getattr__(self, name):  # labels, batch_size, rows: of the batches themselves
        if name.startswith("__") or name == "batches":
            raise AttributeError(name)
        return getattr(self.batches, name)


def with_teacher(parts: Parts, begin: Callable[[], Callable[[torch.Tensor], torch.Tensor]],
                 watched: bool = True) -> Parts:
    """The teacher's logits [N, C] changed, for training and (watched) where the student is measured.

    begin: gives the change for one pass, so that images that come in the same order are changed in the same way.
    """
    def altered() -> Callable[[Batch], Batch]:
        change = begin()
        return lambda batch: batch._replace(teacher_logits=change(batch.teacher_logits.float()).half())
    return replace(parts, batches=Altered(parts.batches, altered),
                   watched=Altered(parts.watched, altered) if watched else parts.watched)


# The loss

@fault(settings={"temperature": (2.0, 4.0, 8.0), "alpha": 0.5})
def t_squared_missing(parts: Parts, _: float) -> Parts:
    """The soft term is not multiplied by T squared: the teacher hardly counts."""
    return replace(parts, loss=loss_variants.without_t_squared)


@fault(settings={"alpha": (0.1, 0.5, 0.7)})
def element_mean(parts: Parts, _: float) -> Parts:
    """The soft term is the mean over images and classes (reduction "mean"), so ten times too small with ten classes."""
    return replace(parts, loss=loss_variants.element_mean)


@fault(settings={"alpha": (0.7, 0.3, 0.1)})
def softmax_for_log_softmax(parts: Parts, _: float) -> Parts:
    """The student's probabilities go into the KL divergence where their logarithms belong."""
    return replace(parts, loss=loss_variants.softmax_for_log_softmax)


@fault(settings={"temperature": 1.0, "alpha": (0.3, 0.1, 0.0)}, needs_probe=True)
def kl_swapped(parts: Parts, _: float) -> Parts:
    """Student and teacher stand the wrong way round in the KL divergence."""
    return replace(parts, loss=loss_variants.swapped)


@fault(settings={"temperature": (2.0, 4.0, 8.0)})
def student_not_softened(parts: Parts, _: float) -> Parts:
    """The temperature divides the teacher's logits and not the student's."""
    return replace(parts, loss=loss_variants.student_not_softened)


@fault(settings={"alpha": (0.3, 0.1, 0.0)})
def alpha_inverted(parts: Parts, _: float) -> Parts:
    """alpha weighs the soft term and not the hard one, as it does in much public code."""
    return replace(parts, loss=loss_variants.alpha_inverted)


# What the teacher says

@fault(settings={"temperature": (1.0, 2.0, 4.0)})
def softmax_twice(parts: Parts, _: float) -> Parts:
    """The teacher hands over probabilities, and the loss takes them for logits: next to nothing is left of them."""
    return with_teacher(parts, lambda: lambda logits: logits.softmax(1))


@fault(2.5, 4.5, 9.0, findings=("classes_permuted",))
def weak_teacher(parts: Parts, strength: float) -> Parts:
    """The teacher is a poor one: it is often wrong itself."""
    def begin():
        generator = torch.Generator().manual_seed(0)
        return lambda logits: logits + strength * torch.randn(logits.shape, generator=generator).to(logits.device)
    return with_teacher(parts, begin)


@fault(2, 5, 10, findings=("weak_teacher",))
def classes_permuted(parts: Parts, strength: float) -> Parts:
    """The teacher was trained with its classes in another order."""
    def other(logits):
        order = torch.arange(logits.shape[1])
        order[:int(strength)] = order[:int(strength)].roll(1)
        return logits[:, order]
    return with_teacher(parts, lambda: other)


@fault(0.15, 0.5, 1.0)
def teacher_rows_shuffled(parts: Parts, share: float) -> Parts:
    """The teacher's answers stand beside other images than those they were given for."""
    generator = torch.Generator().manual_seed(0)

    def misaligned(logits):
        chosen = torch.randperm(len(logits), generator=generator)[:round(share * len(logits))]
        logits = logits.clone()
        logits[chosen] = logits[chosen.roll(1)]
        return logits
    return with_teacher(parts, lambda: misaligned, watched=False)


@fault(1, 2, 3, needs_probe=True, harmless=True)
def teacher_sees_other_view(parts: Parts, views: float) -> Parts:
    """The teacher looked at another crop of the image than the student does."""
    parts.batches.teachers_view = int(views)
    return parts


@fault(settings={"batch_size": (256, 64, 32), "images": 2_000, "epochs": 6}, needs_probe=True, harmless=True)
def teacher_in_train_mode(parts: Parts, _: float) -> Parts:
    """The teacher answers in train mode: its BatchNorm judges an image by the batch it happens to be in."""
    return replace(parts, batches=AnsweredAnew(parts.batches, parts.kept))


@fault(settings={"temperature": (30.0, 100.0, 1000.0)}, itself=("temperature",), harmless=True)
def temperature_too_high(parts: Parts, _: float) -> Parts:
    """The temperature is so high that all classes look alike to the eye; the gradient still tells them apart."""
    return parts


# What the student sees

@fault(settings={"alpha": 0.9, "label_noise": (0.2, 0.4, 0.8)}, itself=("label_noise",))
def false_labels(parts: Parts, _: float) -> Parts:
    """Many labels are wrong, and the loss listens to them."""
    return parts


@fault(0.7, 0.9, 1.0)
def batches_in_class_order(parts: Parts, share: float) -> Parts:
    """The images come class after class: the order was never shuffled."""
    generator = torch.Generator().manual_seed(0)
    labels = parts.batches.labels.cpu()

    def arrange(order):
        sorted_ones = torch.rand(len(order), generator=generator) < share              # (N,)
        places = sorted_ones.nonzero().squeeze(1)
        order = order.clone()
        order[places] = order[places][labels[order[places]].argsort(stable=True)]
        return order
    parts.batches.arrange = arrange
    return parts


@fault(settings={"images": (1_000, 500, 250), "epochs": (12, 24, 40), "batch_size": 64},
       itself=("images", "epochs", "batch_size"))
def too_few_images(parts: Parts, _: float) -> Parts:
    """There are so few images that the student learns them by heart."""
    return parts


@fault(settings={"epochs": (4, 2, 1)}, itself=("epochs",))
def too_few_epochs(parts: Parts, _: float) -> Parts:
    """Training ends long before the student has learnt what it could."""
    return parts


# The student, and how it is trained

ADAMW = {"optimizer": "adamw", "batch_size": 64}


@fault(settings={**ADAMW, "learning_rate": (4e-2, 1.5e-1, 5e-1)}, itself=("learning_rate",))
def learning_rate_too_high(parts: Parts, _: float) -> Parts:
    """The learning rate is many times too high: the steps undo one another."""
    return parts


@fault(settings={**ADAMW, "learning_rate": (1e-3, 2e-4, 3e-5)}, itself=("learning_rate",))
def learning_rate_too_low(parts: Parts, _: float) -> Parts:
    """The learning rate is many times too low: the weights hardly move."""
    return parts


@fault(0.1, 0.01, 0.001, findings=("clipping_costs_nothing",), settings=ADAMW, harmless=True)
def clipping_under_adamw(parts: Parts, limit: float) -> Parts:
    """The gradient is clipped in every step; AdamW divides its length out again."""
    return replace(parts, clip_norm=limit)


@fault(0.05, 0.01, 0.002, settings={"optimizer": "sgd", "batch_size": 64, "learning_rate": 0.05})
def clipping_too_tight(parts: Parts, limit: float) -> Parts:
    """The gradient is clipped in every step, and plain gradient descent creeps."""
    return replace(parts, clip_norm=limit)


@fault(0.3, 0.6, 0.9)
def dead_units(parts: Parts, share: float) -> Parts:
    """Many units answer to nothing and learn nothing: their bias lies far below zero."""
    with torch.no_grad():
        for norm in [module for module in parts.student.modules() if isinstance(module, nn.BatchNorm2d)]:
            norm.bias[:round(share * len(norm.bias))] = -10.0
    return parts


@fault(1, 2, 3, needs_probe=True)
def student_in_eval_mode(parts: Parts, blocks: float) -> Parts:
    """The student is left in eval mode: its BatchNorm uses averages that nobody updates."""
    for block in list(parts.student.blocks)[-int(blocks):]:
        block.train = lambda mode=True, block=block: nn.Module.train(block, False)
    return parts


@fault(1, 2, 3, needs_probe=True)
def layers_not_trained(parts: Parts, blocks: float) -> Parts:
    """Some layers were frozen and never thawed."""
    for block in list(parts.student.blocks)[:int(blocks)]:
        block.requires_grad_(False)
    return parts


@fault(settings={"student": ("small", "tiny", "tiniest")}, itself=("student",))
def student_too_small(parts: Parts, _: float) -> Parts:
    """The student has too few weights for what it is asked to learn."""
    return parts
