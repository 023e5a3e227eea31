"""Exercises of 04_progressive_distillation."""
from collections.abc import Iterator

import torch
from torch import Tensor

from .record import Answer, Case, Draw, Exercise, close


def alpha_at_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for steps in (2, 3, 6, 24):
        start, way = draw.number(0.05, 0.45), draw.number(0.1, 0.5)
        end = round(start + way, 2)
        every = torch.arange(steps)
        given = answer(every, steps, start, end, shape=(steps,))
        line = given.double()
        yield Case("At step 0 it is `start`.", close(line[0], start))
        yield Case("Where `start` and `end` are the same number, it stays there.",
                   close(answer(every, steps, end, end, shape=(steps,)), end))
        yield Case("Where `end` is the larger one, it never falls.", bool((line.diff() > -1e-6).all()),
                   (given,))
        yield Case("Where `end` is the larger one, it has risen by the last step.", bool(line[-1] > line[0] + 1e-3),
                   (given,))
        yield Case("Each step changes it by the same amount.", close(line.diff(), line.diff()[0]), (given,))
        yield Case(f"Steps are counted from 0, so the last of {steps} is step {steps - 1}: there it is `end`.",
                   close(line[-1], end), (given,))
        down = answer(every, steps, end, start, shape=(steps,))
        yield Case("The way down is the way up, read backwards.", close(down, line.flip(0)), (given, down))
        some = every[torch.randperm(steps, generator=draw.generator)[:2]]
        yield Case("What it says of one step does not depend on which other steps are asked about.",
                   close(other := answer(some, steps, start, end, shape=(len(some),)), line[some]), (given, other))


ALPHA_AT = Exercise(
    "alpha_at",
    """
Write `alpha_at`: a straight line from `start` at step 0 to `end` at the **last** step. Steps are counted from 0, and
there are at least two. `step` is a tensor, so that you can ask about many at once. Of five steps from 0.2 to 0.6, the
steps 0, 2 and 4 have the alphas 0.2, 0.4 and 0.6.
""", '''
def alpha_at(step, steps, start, end):
    """step [N], each from 0 to steps - 1 -> alpha [N]."""
    return ...
''', '''
def alpha_at(step, steps, start, end):
    """step [N], each from 0 to steps - 1 -> alpha [N]."""
    done = step / (steps - 1)
    return start + (end - start) * done
''', alpha_at_cases,
    ("With five steps, which number must stand under `step` so that step 4 has gone the whole way?",
     "First the share of the way that is done, from 0 to 1. Then `start`, and that share of `end - start`.",
     "`start + (end - start) * step / (steps - 1)`"),
    "`torch.linspace(start, end, steps)[step]` is the same line.")


def easiest_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for images, classes in ((4, 2), (4, 3), (8, 3), (20, 10)):
        logits = told_apart(draw, images, classes)
        places = answer(logits, 1.0, shape=(images,))
        yield Case("What it returns are places of images: whole numbers, from 0 to N - 1.",
                   bool((places == places.round()).all() and (places >= 0).all() and (places < images).all()))
        places = places.long()
        yield Case("With a share of 1, every image is named once.", len(places.unique()) == images)
        half = answer(logits, 0.5, shape=(images // 2,)).long()
        yield Case("A smaller share is the beginning of a larger one.", torch.equal(half, places[:images // 2]))
        rise = 50.0 * torch.arange(images)[:, None]
        shifted = [answer(logits + number, 1.0, shape=(images,)).long() for number in (rise, -rise)]
        yield Case("Adding a number to all logits of one image changes nothing: softmax does not see it.",
                   torch.equal(*shifted))
        yield Case("It does not matter which class the teacher is sure of.",
                   torch.equal((other := answer(logits.roll(1, 1), 1.0, shape=(images,))).long(), places),
                   (places, other))
        undecided = torch.cat([torch.zeros(1, classes), logits[1:]])
        yield Case("An image whose logits are all alike comes last.",
                   int(answer(undecided, 1.0, shape=(images,))[-1]) == 0)
        yield Case("How sure the teacher is: its highest probability, and no other measure.",
                   torch.equal(places, logits.softmax(1).amax(1).argsort(descending=True)), (places,))


def told_apart(draw: Draw, images: int, classes: int) -> Tensor:
    """Logits whose highest probabilities lie so far apart that rounding cannot change their order.

    With three classes and more, the lead of the first over the second gives another order.
    """
    while True:
        logits = draw.logits(images, classes)
        confidence, top = logits.softmax(1).amax(1), logits.topk(2, dim=1).values
        apart = confidence.sort().values.diff().min() > 1e-4
        if apart and (classes == 2 or not torch.equal(confidence.argsort(), (top[:, 0] - top[:, 1]).argsort())):
            return logits


EASIEST = Exercise(
    "easiest",
    """
Write `easiest`: the places of the images about which the teacher is surest, the surest first. How sure it is: its
highest probability at T = 1. `share` says how many: 0.5 is half of them, and the number comes out whole. For three
images with the logits (0, 1), (5, 5) and (0, 3), a share of 2/3 gives the places 2 and 0.
""", '''
def easiest(teacher_logits, share):
    """teacher_logits [N, C] -> places of images, [share * N]."""
    return ...
''', '''
def easiest(teacher_logits, share):
    """teacher_logits [N, C] -> places of images, [share * N]."""
    confidence = teacher_logits.softmax(dim=1).amax(dim=1)
    count = round(share * len(teacher_logits))
    return confidence.argsort(descending=True)[:count]
''', easiest_cases,
    ("Two images have the same highest logit. Is the teacher equally sure of both?",
     "From logits to probabilities, from those to one number an image, and then its order: `argsort`.",
     "`teacher_logits.softmax(dim=1).amax(dim=1).argsort(descending=True)`, and of that the first ones."),
    "`confidence.topk(count).indices` sorts as well.")


def paired_gain_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for seeds in (2, 3, 5, 8):
        before = 60 + 5 * draw.logits(1, seeds)[0]
        gains = 0.2 + torch.rand(seeds, generator=draw.generator) / 2 + torch.arange(seeds)**2  # all above 0, and apart
        mean, error = answer(before, before + gains, shape=(2,)).double()
        yield Case("First the mean gain, after minus before: it is above 0 where `after` is better.", bool(mean > 0))
        yield Case("The mean, times the number of seeds, is what all the gains add up to.",
                   close(mean * seeds, gains.sum(), 1e-3))
        alike = answer(before, before + 1.5, shape=(2,))
        yield Case("However far apart the seeds lie: where every pair gains the same, the standard error is 0.",
                   close(alike[1], 0, 1e-3))
        back = answer(before + gains, before, shape=(2,))
        yield Case("Before and after changed over: the mean changes its sign, and the error stays.",
                   close(back, torch.stack([-mean, error]), 1e-3))
        twice = answer(before, before + 2 * gains, shape=(2,))
        yield Case("Gains twice as large: both numbers are twice as large.",
                   close(twice, torch.stack([2 * mean, 2 * error]), 1e-3))
        many = answer(before.repeat(4), (before + gains).repeat(4), shape=(2,))
        yield Case("Four times as many seeds that say the same: the error is at most half as large.",
                   bool(many[1] < 0.505 * error + 1e-4))
        pair = answer(before[:2], (before + gains)[:2], shape=(2,))
        yield Case("With two seeds the standard error is half of what their gains differ by: N - 1 is 1.",
                   close(pair[1], (gains[0] - gains[1]).abs() / 2, 1e-3))


PAIRED_GAIN = Exercise(
    "paired_gain",
    """
Write `paired_gain`: two numbers, the mean gain and its standard error. `before` and `after` are accuracies in per
cent, with the seeds in the same order. The standard error is the standard deviation of the gains (the one that
divides by N - 1), over √N. For 60, 70, 65 before and 61, 71, 67 after it gives 1.33 and 0.33.
""", '''
def paired_gain(before, after):
    """before, after [N] -> [mean gain, its standard error], shape [2]."""
    return ...
''', '''
def paired_gain(before, after):
    """before, after [N] -> [mean gain, its standard error], shape [2]."""
    gains = after - before
    error = gains.std() / len(gains) ** 0.5
    return torch.stack([gains.mean(), error])
''', paired_gain_cases,
    ("If one seed is lucky in both runs of its pair, what is left of its luck in their difference?",
     "Subtract first. Whatever you take the standard deviation of, it is neither `before` nor `after`.",
     "`gains = after - before`, then `torch.stack([gains.mean(), gains.std() / len(gains) ** 0.5])`."),
    "An interval is the mean, give or take a few standard errors: for five seeds and 95 %, 2.78 (Student, 1908).")


def false_alarms_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for races, arms in ((2, 3), (3, 3), (6, 8)):
        middle = 0.4 * draw.logits(races, arms).clamp(-2, 2)                           # inside -0.8 to 0.8
        quiet = middle - 1, middle + 1                                                 # all of them hold zero
        above, below = (middle + 2 - 1, middle + 2 + 1), (middle - 2 - 1, middle - 2 + 1)
        yield Case("Where every interval holds zero, it is 0.", close(answer(*quiet, shape=()), 0))
        yield Case("It is a share of the races, and never above 1.", bool(answer(*above, shape=()) <= 1 + 1e-6))
        yield Case("Where every interval lies above zero, it is 1.", close(answer(*above, shape=()), 1))
        yield Case("An interval below zero is clear of it, too.", close(answer(*below, shape=()), 1))
        one, two = beside(above, quiet, 1), beside(above, quiet, 2)
        yield Case("A race with two clear intervals counts as much as a race with one.",
                   close(answer(*two, shape=()), answer(*one, shape=())))
        yield Case("One clear interval is enough for its race.", close(answer(*one, shape=()), 1))
        both = tuple(torch.cat(pair) for pair in zip(one, quiet))
        yield Case("As many quiet races beside them: the share is half as large.", close(answer(*both, shape=()), 0.5))


def beside(clear: tuple[Tensor, Tensor], quiet: tuple[Tensor, Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Lows and highs, the first `count` arms of each race from `clear` and the others from `quiet`."""
    return tuple(torch.cat([a[:, :count], b[:, count:]], dim=1) for a, b in zip(clear, quiet))


FALSE_ALARMS = Exercise(
    "false_alarms",
    """
Each row is one race: a notebook like this one, with K arms and their intervals, from `lows` to `highs`. Write
`false_alarms`: the share of the races in which at least one interval lies clear of zero, above it or below it. For the
lows (-1, -1), (0.2, -1) and the highs (1, 1), (1, 1) it gives 0.5: the second race has one.
""", '''
def false_alarms(lows, highs):
    """lows, highs [N, K]: N races, K arms -> one number, a share of the races."""
    return ...
''', '''
def false_alarms(lows, highs):
    """lows, highs [N, K]: N races, K arms -> one number, a share of the races."""
    clear = (lows > 0) | (highs < 0)
    return clear.any(dim=1).float().mean()
''', false_alarms_cases,
    ("Where do both ends of an interval lie if zero is not inside?",
     "A table of true and false [N, K] first. Then one true or false for each race, and then their share.",
     "`((lows > 0) | (highs < 0)).any(dim=1).float().mean()`"),
    "`(lows * highs > 0)` says the same of an interval: both ends have the same sign.")

EXERCISES = (ALPHA_AT, EASIEST, PAIRED_GAIN, FALSE_ALARMS)
