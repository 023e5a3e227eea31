"""Exercises of 02_training_loop."""
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .record import SIZES, Answer, Case, Draw, Exercise, close

NO_LABEL = -100


def hard_term_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        logits, labels = draw.logits(rows, classes), draw.labels(rows, classes)
        loss = answer(logits, labels, shape=())
        yield Case("It is never below 0.", bool(loss >= 0), (loss,))
        sure = 50.0 * F.one_hot(labels, classes)
        yield Case("Where the student is sure of every label, it is 0.", close(answer(sure, labels, shape=()), 0))
        twice = answer(torch.cat([logits, logits]), torch.cat([labels, labels]), shape=())
        yield Case("It is a mean over the rows: the same batch twice gives the same loss.", close(twice, loss),
                   (twice, loss))
        alike = answer(torch.zeros(rows, classes), labels, shape=())
        yield Case("It is in natural logarithms: where all C logits of a row are alike, it is ln C.",
                   close(alike, math.log(classes)))
        unknown = torch.full((rows,), NO_LABEL)
        mixed = torch.cat([labels, unknown])
        found = answer(torch.cat([logits, draw.logits(rows, classes)]), mixed, shape=())
        other = answer(torch.cat([logits, draw.logits(rows, classes)]), mixed, shape=())
        yield Case("The logits of a row without a label make no difference.", close(found, other), (found, other))
        yield Case("It is the mean over the rows that have a label; further rows without one change nothing.",
                   close(found, loss), (found, loss))
        yield Case("Where no row has a label, it is 0.", close(answer(logits, unknown, shape=()), 0))
        logits.requires_grad_()
        loss = answer(logits, labels, shape=())
        gradient = torch.autograd.grad(loss, logits, allow_unused=True)[0] if loss.requires_grad else None
        yield Case("A gradient reaches the student.", gradient is not None and bool(gradient.any()))
        known = F.cross_entropy(logits, labels)
        yield Case("Where every row has a label, it is cross-entropy.", close(loss, known))


HARD_TERM = Exercise(
    "hard_term",
    """
Write the hard term: cross-entropy with the labels, the mean over those rows that have a label. The label -100 says
"not known". Where no row has a label, the hard term is 0. For two rows of logits, both 2 and 0, with the labels 0 and
-100 it gives 0.13.
""", '''
def hard_term(student_logits, labels):
    """student_logits [N, C], labels [N] with -100 for "not known" -> one number."""
    return ...
''', '''
def hard_term(student_logits, labels):
    """student_logits [N, C], labels [N] with -100 for "not known" -> one number."""
    labelled = (labels != -100).sum().clamp(min=1)
    return F.cross_entropy(student_logits, labels, reduction="sum") / labelled
''', hard_term_cases,
    ("A mean is a sum divided by a number of rows. Which rows are in the sum, and which must be counted?",
     "`F.cross_entropy` leaves out rows with -100 by itself (`ignore_index`). What does its mean divide by where none "
     "is left? `reduction='sum'` leaves the dividing to you.",
     "`F.cross_entropy(student_logits, labels, reduction='sum') / (labels != -100).sum().clamp(min=1)`"),
    "`F.cross_entropy` alone does the same, but for a batch without any label, where it gives 0 / 0.")


def gradients_of(rows: int, classes: int, draw: Draw) -> torch.Tensor:
    """None of them near 0, so that no norm is nearly that of a single number."""
    numbers = draw.logits(rows, classes)
    return torch.where(numbers < 0, -1.0, 1.0) * (0.5 + numbers.abs())


def clip_factor_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        weight, bias = gradients_of(rows, classes, draw), gradients_of(1, classes, draw)[0]
        length = torch.cat([weight.flatten(), bias]).norm().item()
        nothing, limit = torch.zeros(classes), 0.1 * length
        factor = answer(weight, bias, limit, shape=())
        yield Case("It is above 0 and never above 1: gradients are made shorter or left alone, never turned.",
                   bool(0 < factor <= 1))
        yield Case("Gradients ten times as long are clipped ten times as much.",
                   close(other := answer(10 * weight, 10 * bias, limit, shape=()), factor / 10, 1e-5), (factor, other))
        yield Case("Gradients that are short enough stay as they are: the factor is 1.",
                   close(answer(weight, bias, 2 * length, shape=()), 1))
        yield Case("Gradients of 0 stay as they are: the factor is 1.",
                   close(answer(0 * weight, nothing, 1.0, shape=()), 1))
        yield Case("The bias counts: where the weight's gradient is 0, a long one of the bias is clipped.",
                   bool(answer(0 * weight, bias, 0.1, shape=()) < 1))
        yield Case("Of the weight's gradient alone, the bias's being 0, the norm is `max_norm` afterwards.",
                   close(answer(weight, nothing, 0.1, shape=()) * weight.norm(), 0.1))
        after = factor * length
        yield Case("Both together are one long vector, which is no longer than `max_norm` afterwards.",
                   bool(after < 1.0001 * limit))
        yield Case("It makes no gradient shorter than it must: what was too long has the norm `max_norm` afterwards.",
                   bool(after > 0.9999 * limit))


CLIP_FACTOR = Exercise(
    "clip_factor",
    """
Clipping takes all gradients of a network as one long vector. If its norm, the root of the sum of all squares, is above
`max_norm`, they are all multiplied by one factor, so that it becomes `max_norm`. If not, they stay as they are. Write
the factor for a layer with two gradients, its weight's and its bias's. For a weight's gradient of 3, a bias's of 4 and
a `max_norm` of 1 it gives 0.2.
""", '''
def clip_factor(weight, bias, max_norm):
    """weight [N, C] and bias [C], both gradients -> one number, by which both are multiplied."""
    return ...
''', '''
def clip_factor(weight, bias, max_norm):
    """weight [N, C] and bias [C], both gradients -> one number, by which both are multiplied."""
    norm = (weight.square().sum() + bias.square().sum()).sqrt()
    return (max_norm / norm).clamp(max=1)
''', clip_factor_cases,
    ("What would the norm of 3 and 4 be, as one vector, and what must it be multiplied by to become 1?",
     "Add the squares of both, then take the root. Then see to it that the factor is never above 1: `clamp`.",
     "`norm = (weight.square().sum() + bias.square().sum()).sqrt()`, then `(max_norm / norm).clamp(max=1)`."),
    "`torch.nn.utils.clip_grad_norm_` does this for all parameters at once, and returns the norm before it.")


def learning_rate_at_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for warmup, steps in ((2, 6), (3, 11), (5, 25), (0, 8)):
        peak = draw.number(0.5, 2)

        def at(step: int, height: float = peak) -> Tensor:
            # A tensor, so that the judge sees when it is changed.
            return answer(torch.tensor(step), height, warmup, steps, shape=())

        given = [at(step) for step in range(steps)]
        rates = [rate.item() for rate in given]
        rise, down = rates[:warmup + 1], rates[warmup:]
        doubled = [(given[step], at(step, 2 * peak)) for step in (0, warmup, steps - 1)]
        wrong = [pair for pair in doubled if not close(pair[1], 2 * pair[0])]
        yield Case("A peak twice as high makes it twice as high, at every step.", not wrong, sum(wrong[:1], ()))
        yield Case("Step 0 already moves: its rate is above 0.", rates[0] > 1e-6, (given[0],))
        yield Case("No rate is above the peak.", max(rates) < 1.0001 * peak, (given[rates.index(max(rates))],))
        yield Case("At step `warmup_steps` it is at its peak.", close(rates[warmup], peak), (given[warmup],))
        wrong = [step for step in range(warmup) if rates[step] >= rates[step + 1]]
        yield Case("In warm-up each step has a higher rate than the one before.", not wrong, following(given, wrong))
        wrong = [step for step in range(warmup) if not close(rise[step], peak * (step + 1) / (warmup + 1))]
        yield Case("In warm-up it rises by the same amount at each step; at step 0 it has risen once.", not wrong,
                   following(given, wrong))
        wrong = [step for step in range(warmup, steps - 1) if rates[step] <= rates[step + 1]]
        yield Case("After warm-up it falls at every step.", not wrong, following(given, wrong))
        yield Case("The last step still moves: its rate is above 0.", rates[-1] > 1e-6, (given[-1],))
        middle, quarter = (steps - warmup) // 2, (steps - warmup) // 4
        if (steps - warmup) % 2 == 0:
            yield Case("Half way down it is half the peak.", close(down[middle], peak / 2), (given[warmup + middle],))
        yield Case("The fall is slow at first, then faster.",
                   down[0] - down[quarter] < 0.99 * (down[quarter] - down[2 * quarter]),
                   tuple(given[warmup + place] for place in (0, quarter, 2 * quarter)))
        wrong = [step for step in range(steps - warmup) if not close(
            down[step], peak * math.cos(math.pi * step / (steps - warmup) / 2) ** 2)]
        yield Case("It is half a cosine wave, which would reach 0 at step `steps`.", not wrong,
                   tuple(given[warmup + step] for step in wrong[:1]))


def following(given: list[Tensor], wrong: list[int]) -> tuple[Tensor, ...]:
    """The first wrong step, and the one behind it."""
    return tuple(given[wrong[0]:wrong[0] + 2]) if wrong else ()


LEARNING_RATE_AT = Exercise(
    "learning_rate_at",
    """
Write the learning rate of the course. In warm-up it rises by equal amounts: peak / (warmup_steps + 1) at step 0, the
peak at step `warmup_steps`. From there it falls along half a cosine wave, and would be 0 at step `steps`, one after the
last. Half such a wave is (1 + cos(π · progress)) / 2, with a progress from 0 to 1. At step 3, with a peak of 1, one
step of warm-up and 5 steps in all, it gives 0.5.
""", '''
def learning_rate_at(step, peak, warmup_steps, steps):
    """step 0, 1, ... of `steps` -> its learning rate, one number."""
    return ...
''', '''
def learning_rate_at(step, peak, warmup_steps, steps):
    """step 0, 1, ... of `steps` -> its learning rate, one number."""
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (steps - warmup_steps)
    return peak * (1 + math.cos(math.pi * progress)) / 2
''', learning_rate_at_cases,
    ("How far has the way down been gone at step `warmup_steps`, and how far at step `steps`?",
     "Two cases: an `if` for warm-up, and the wave for all that comes after. The progress counts from the end of "
     "warm-up, and is divided by the steps that are left then.",
     "`progress = (step - warmup_steps) / (steps - warmup_steps)`, and after warm-up "
     "`peak * (1 + math.cos(math.pi * progress)) / 2`."),
    "The kit's is `warmup_cosine` in `distill_kit/schedules.py`.")

EXERCISES = (HARD_TERM, CLIP_FACTOR, LEARNING_RATE_AT)
