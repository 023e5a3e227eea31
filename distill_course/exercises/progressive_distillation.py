"""Checks of 04_progressive_distillation."""
import torch
from torch import Tensor

from .checking import Answer, Case, Cases, Draw, same


def alpha_at_cases(answer: Answer, draw: Draw) -> Cases:
    """A straight line that reaches its end at the last step."""
    for steps in (2, 3, 6, 24):
        start, end, every = draw.number(0.05, 0.45), draw.number(0.95, 1), torch.arange(steps)
        answer.shape = steps,
        given = answer(every, steps, start, end)
        line = given.double()
        yield same("At step 0 it is `start`.", line[0], start)
        yield same("Where `start` and `end` are the same number, it stays there.", answer(every, steps, end, end), end)
        yield Case("Where `end` is the larger one, it never falls.", line.diff() > -1e-6, (given,))
        yield Case("Where `end` is the larger one, it has risen by the last step.", line[-1] > line[0] + 1e-3, (given,))
        yield same("Each step changes it by the same amount.", line.diff(), line.diff()[0], given)
        yield same(f"Counted from 0, the last of {steps} is step {steps - 1}: there it is `end`.", line[-1], end, given)
        yield same("The way down is the way up, read backwards.", answer(every, steps, end, start), line.flip(0), given)
        some = every[torch.randperm(steps, generator=draw.generator)[:2]]
        yield same("What it gives for a step does not depend on which other steps are asked about.",
                   answer(some, steps, start, end, shape=(len(some),)), line[some], given)


def easiest_cases(answer: Answer, draw: Draw) -> Cases:
    """Places of images by the teacher's highest probability, the highest first."""
    for images, classes in ((4, 2), (4, 3), (8, 3), (20, 10)):
        answer.shape, logits = (images,), apart(draw, images, classes)
        places = answer(logits, 1.0)
        yield Case("What it returns are places of images: whole numbers, from 0 to N - 1.",
                   (places == places.round()) & (places >= 0) & (places < images))
        yield Case("With a share of 1, every image is named once.", len(places.unique()) == images)
        yield same("Smaller shares begin larger ones.", answer(logits, 0.5, shape=(images // 2,)), places[:images // 2])
        rise = 50.0 * torch.arange(images)[:, None]
        yield same("Adding a number to all logits of an image changes nothing: softmax does not see it.",
                   answer(logits + rise, 1.0), answer(logits - rise, 1.0))
        yield same("It does not matter which class the teacher is sure of.", answer(logits.roll(1, 1), 1.0), places)
        undecided = torch.cat([torch.zeros(1, classes), logits[1:]])
        yield Case("An image whose logits are all alike comes last.", answer(undecided, 1.0)[-1] == 0)
        yield same("How sure the teacher is: its highest probability, and no other measure.",
                   places, logits.softmax(1).amax(1).argsort(descending=True))


def apart(draw: Draw, images: int, classes: int) -> Tensor:
    """Logits whose highest probabilities lie so far apart that rounding cannot change their order.

    With three classes and more, other measures give other orders: the lead of the first over the second, the sum of
    squares, the entropy.
    """
    while True:
        logits = draw.logits(images, classes)
        p, top = logits.softmax(1), logits.topk(2, dim=1).values
        confidence, *others = p.amax(1), top[:, 0] - top[:, 1], p.square().sum(1), (p * p.log()).sum(1)
        clear, order = confidence.sort().values.diff().min() > 1e-4, confidence.argsort()
        if clear and (classes == 2 or not any(torch.equal(order, other.argsort()) for other in others)):
            return logits


def false_alarms_cases(answer: Answer, draw: Draw) -> Cases:
    """The share of races in which some interval lies clear of zero."""
    for races, arms in ((2, 3), (3, 3), (6, 8)):
        middle, unit = 0.4 * draw.logits(races, arms).clamp(-2, 2), 0.05 + 0.1 * draw.uniform(races, arms)
        quiet, above, below = ((unit * (middle + move - 1), unit * (middle + move + 1)) for move in (0, 2, -2))
        yield same("Where every interval holds zero, it is 0.", answer(*quiet), 0)
        yield Case("It is a share of the races, and never above 1.", answer(*above) <= 1 + 1e-6)
        yield same("Where every interval lies above zero, it is 1.", answer(*above), 1)
        yield same("An interval below zero is clear of it, too.", answer(*below), 1)
        for touching in ((0 * unit, unit), (-unit, 0 * unit)):
            yield same("An interval that ends at zero is not clear of it.", answer(*touching), 0)
        single, double = beside(above, quiet, 1), beside(above, quiet, 2)
        yield same("A race with two clear intervals counts as much as with one.", answer(*double), answer(*single))
        for one_side in (single, beside(below, quiet, 1)):
            yield same("One clear interval is enough for its race.", answer(*one_side), 1)
        yield same("As many quiet races beside them halve the share.", answer(*map(torch.cat, zip(single, quiet))), 0.5)


def beside(clear: tuple[Tensor, Tensor], quiet: tuple[Tensor, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Lows and highs, `count` arms of each race from `clear`, from the second one on, and the others from `quiet`."""
    return tuple(torch.cat([a[:, :count], b[:, count:]], dim=1).roll(1, 1) for a, b in zip(clear, quiet))
