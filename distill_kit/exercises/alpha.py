"""Exercises of 03_alpha."""
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .record import SIZES, Answer, Case, Draw, Exercise, close

MANY = 4_000  # labels, so that a share comes out to a few hundredths with every seed


def contradicted(draw: Draw, rows: int, classes: int) -> tuple[Tensor, Tensor]:
    """Labels [rows], neighbours of which differ, and a teacher's probabilities [rows, classes], least for the label."""
    labels = (draw.labels(1, classes) + torch.arange(rows)) % classes
    logits = draw.logits(rows, classes)
    least = logits.amin(1, keepdim=True) - 0.5
    return labels, logits.scatter(1, labels[:, None], least).softmax(1)


def mixed_target_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        shape, alpha = (rows, classes), draw.number(0.6, 0.8)
        labels, said = contradicted(draw, rows, classes)
        one_hot = F.one_hot(labels, classes).float()
        target = answer(said, labels, alpha, shape=shape)
        first = answer(said[:1], labels[:1], alpha, shape=(1, classes))
        yield Case("What comes out for one image does not depend on the other images.", close(target[:1], first),
                   (target, first))
        yield Case("The numbers of an image add up to 1.", close(target.sum(1), torch.ones(rows)), (target,))
        other_label = answer(said, (labels + 1) % classes, alpha, shape=shape)
        yield Case("With another label comes another target.", not close(other_label, target), (target, other_label))
        other_teacher = answer(said.roll(1, 1), labels, alpha, shape=shape)
        yield Case("With another teacher comes another target.", not close(other_teacher, target),
                   (target, other_teacher))
        yield Case("alpha = 1 leaves the label alone: 1 for its class, 0 for every other.",
                   close(answer(said, labels, 1.0, shape=shape), one_hot))
        yield Case("alpha = 0 leaves the teacher alone: its probabilities, as they are.",
                   close(answer(said, labels, 0.0, shape=shape), said))
        middle = answer(said, labels, 0.5, shape=shape)
        yield Case("alpha = 0.5 lies half-way between what alpha = 0 and alpha = 1 give.",
                   close(middle, (said + one_hot) / 2))
        yield Case("From alpha = 0 to alpha = 1 it goes in a straight line.",
                   close(target, said + alpha * (one_hot - said)), (target,))


MIXED_TARGET = Exercise(
    "mixed_target",
    """
Write `mixed_target`: the one target that stands for both, at T = 1. Alpha is the weight of the label. For a
teacher that says 0.2 and 0.8, the label 0, and alpha = 0.5 it gives 0.6 and 0.4.
""", '''
def mixed_target(teacher_probabilities, labels, alpha):
    """teacher_probabilities [N, C], labels int64 [N] -> target [N, C]."""
    return ...
''', '''
def mixed_target(teacher_probabilities, labels, alpha):
    """teacher_probabilities [N, C], labels int64 [N] -> target [N, C]."""
    label = F.one_hot(labels, teacher_probabilities.shape[1])
    return alpha * label + (1 - alpha) * teacher_probabilities
''', mixed_target_cases,
    ("A label is a distribution, too. How would you write it with C numbers?",
     "`F.one_hot` turns class numbers into rows of 0 and 1. It has to be told how many classes there are.",
     "`alpha * label + (1 - alpha) * teacher_probabilities`, where `label` is one-hot"),
    "`torch.lerp(teacher_probabilities, one_hot.float(), alpha)` is the same. With alpha below one half, a false label "
    "cannot outvote a teacher that is sure.")


def false_labels_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    seed = int(draw.labels(1, 100_000))
    few = draw.labels(5, 3)
    yield Case("With share = 0 every label stays what it is.", torch.equal(answer(few, 0.0, 3, seed, shape=(5,)), few))
    for count, classes in ((200, 3), (MANY, 10)):
        labels, shape, lenient = draw.labels(count, classes), (count,), 3 / math.sqrt(count)
        drawn = answer(labels, 1.0, classes, seed, shape=shape)
        yield Case("Labels stay class numbers: int64.", drawn.dtype == torch.int64)
        yield Case("Every label lies between 0 and classes - 1.", 0 <= int(drawn.min()) <= int(drawn.max()) < classes)
        yield Case("The same seed gives the same labels.",
                   torch.equal((other := answer(labels, 1.0, classes, seed, shape=shape)), drawn), (drawn, other))
        yield Case("Another seed gives other labels.",
                   not torch.equal((other := answer(labels, 1.0, classes, seed + 1, shape=shape)), drawn),
                   (drawn, other))
        before = torch.random.get_rng_state()
        answer(labels, 0.5, classes, seed, shape=shape)
        yield Case("torch's global random state stays as it was: the generator draws alone.",
                   torch.equal(before, torch.random.get_rng_state()))
        right = (drawn == labels).float().mean().item()
        yield Case("Of the labels that are drawn anew, one in `classes` is right again by chance.",
                   right > 1 / classes - lenient)
        alike = answer(torch.zeros_like(labels), 1.0, classes, seed, shape=shape)
        yield Case("All classes are drawn, those too that no label had before.", len(alike.unique()) == classes)
    share = draw.number(0.5, 0.7)
    halves = (answer(labels, share, classes, seed, shape=shape) != labels).float().view(2, -1).mean(1)
    yield Case("Early labels and late ones are drawn alike.", bool(abs(halves[0] - halves[1]) < 0.1))
    wanted = share * (1 - 1 / classes)
    yield Case("As large a share is drawn anew as was asked for.", abs(halves.mean().item() - wanted) < lenient)


FALSE_LABELS = Exercise(
    "false_labels",
    """
Make labels that cannot be trusted. Write `false_labels`: a share of the labels, at random places, is drawn anew,
evenly from all classes; some of these are right again by chance. What you are given stays as it is. With share = 0, the
labels 2, 0, 1 stay 2, 0, 1.
""", '''
def false_labels(labels, share, classes, seed):
    """labels int64 [N] -> labels [N], a share of them drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    return ...
''', '''
def false_labels(labels, share, classes, seed):
    """labels int64 [N] -> labels [N], a share of them drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(labels.shape, generator=generator) < share
    drawn = torch.randint(classes, labels.shape, generator=generator)
    return torch.where(chosen, drawn, labels)
''', false_labels_cases,
    ("Two things are left to chance: which labels, and which class instead. How many draws is that for each label?",
     "`torch.rand` and `torch.randint` take `generator=generator`. `torch.where` chooses between two, place by place.",
     "`torch.where(torch.rand(labels.shape, generator=generator) < share, drawn, labels)`"),
    "`torch.randperm(len(labels), generator=generator)[:round(share * len(labels))]` are places, exactly as many as "
    "the share asks for. The kit does it like that, in `with_label_noise`.")


def paired_interval_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for pairs in (2, 3, 5):
        before, t = 60 + draw.logits(1, pairs)[0], draw.number(2, 5)
        after = before + draw.number(1, 3) + 0.5 * draw.logits(1, pairs)[0]
        low, high = answer(before, after, t, shape=(2,))
        yield Case("The lower end comes first.", bool(low < high))
        yield Case("Its middle is the mean of after - before.", close((low + high) / 2, (after - before).mean()))
        luck = 5 * draw.logits(1, pairs)[0]  # of a seed, which both of its runs share
        yield Case("A seed that is lucky for both of its runs changes nothing: pairs count.",
                   close(answer(before + luck, after + luck, t, shape=(2,)), torch.stack([low, high]), 1e-3))
        wide = answer(before, after, 2 * t, shape=(2,))
        yield Case("Twice the t makes it twice as wide.", close(wide[1] - wide[0], 2 * (high - low)))
    few, many = (answer(torch.zeros(n), torch.tensor([1.0, 2.0] * (n // 2)), t, shape=(2,)) for n in (4, 400))
    narrower = (few[1] - few[0]) / (many[1] - many[0])
    yield Case("A hundred times as many pairs make it about ten times as narrow.", bool(8 < narrower < 14))
    gains = torch.tensor([0.0, draw.number(1, 3)])
    low, high = answer(torch.zeros(2), gains, t, shape=(2,))
    yield Case("With two pairs it reaches t times half their distance to either side: the deviation has n - 1 below.",
               close((high - low) / 2, t * gains[1] / 2))


PAIRED_INTERVAL = Exercise(
    "paired_interval",
    """
Write `paired_interval`: the 95 % interval of the mean gain. Take the gain of each pair. To either side of their mean
the interval reaches t times their standard deviation (with n - 1) over the square root of n. Gains of 1, 2 and 3, with
t = 4.30, give -0.48 and 4.48.
""", '''
def paired_interval(before, after, t):
    """before, after [n], a pair at each place -> tensor [2]: low, high."""
    return ...
''', '''
def paired_interval(before, after, t):
    """before, after [n], a pair at each place -> tensor [2]: low, high."""
    gains = after - before
    reach = t * gains.std() / math.sqrt(len(gains))
    return torch.stack([gains.mean() - reach, gains.mean() + reach])
''', paired_interval_cases,
    ("Whose spread counts here: that of the accuracies, or that of the gains?",
     "`gains.std()` has n - 1 below already. What is still to be divided by the square root of n?",
     "`reach = t * gains.std() / math.sqrt(len(gains))`, then the mean minus it and plus it, with `torch.stack`"),
    "`paired` from `distill_kit.comparisons` does the same, and finds t itself.")


def pairs_needed_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    sd, difference = draw.number(0.4, 0.8), draw.number(0.3, 0.5)
    gains = spread(sd, draw.number(0.5, 2))
    needed = answer(gains, difference, shape=()).item()
    yield Case("Nobody trains half a pair: it is a whole number.", needed == round(needed))
    yield Case("An interval needs two pairs at the least.", answer(gains / 20, 3.0, shape=()).item() >= 2)
    yield Case("Half a point more in every gain changes nothing: how far they spread counts.",
               answer(gains + 0.5, difference, shape=()).item() == needed)
    yield Case("More spread takes more pairs.", answer(3 * gains, difference, shape=()).item() > needed)
    yield Case("Four times the difference and four times the spread take as many pairs.",
               answer(4 * gains, 4 * difference, shape=()).item() == needed)
    small = answer(spread(1.0), 0.02, shape=()).item()
    yield Case("Half the difference takes four times as many pairs.",
               abs(answer(spread(1.0), 0.01, shape=()).item() / small - 4) < 0.1)
    yield Case("With so many pairs, at least four of five intervals lie clear of zero.",
               chance(small, 1.0, 0.02) > 0.795)
    yield Case("With a tenth fewer it would be less than four of five: it asks for no more than is needed.",
               chance(0.9 * small, 1.0, 0.02) < 0.795)
    pairs = 5 + int(draw.labels(1, 20))
    for rest in (0.7, 0.3):  # not nearer to a whole number: 1.96 + 0.84 has further places
        yield Case("What is left over takes one pair more: it is rounded up.",
                   answer(spread(math.sqrt(pairs + rest) / 2.8), 1.0, shape=()).item() == pairs + 1)


def spread(sd: float, mean: float = 0.0) -> Tensor:
    """Three gains with just this standard deviation."""
    return torch.tensor([mean - sd, mean, mean + sd])


def chance(pairs: float, sd: float, difference: float) -> float:
    """That the interval of so many pairs lies clear of zero, for a true difference; many pairs, so no t."""
    return 0.5 * math.erfc((1.96 - math.sqrt(pairs) * difference / sd) / math.sqrt(2))


PAIRS_NEEDED = Exercise(
    "pairs_needed",
    """
Write `pairs_needed`: a few pairs are trained; how many does it take to find a difference? With n pairs the mean gain
has a standard error of sd / √n, where sd is how far single gains spread (with n - 1). The difference should be 2.8
times that: 1.96 for the interval, and 0.84 so that four of five experiments get there. Round up; two pairs at the
least. Gains of 0, 1 and 2 have an sd of 1, and a difference of 1 then takes 8.
""", '''
def pairs_needed(gains, difference):
    """gains [n], of pairs already trained; difference: a number -> how many pairs."""
    return ...
''', '''
def pairs_needed(gains, difference):
    """gains [n], of pairs already trained; difference: a number -> how many pairs."""
    pairs = (2.8 * gains.std().item() / difference) ** 2
    return max(2, math.ceil(pairs))
''', pairs_needed_cases,
    ("difference = 2.8 · sd / √n. What is n?",
     "Multiply by √n, divide by the difference, and square both sides. `math.ceil` rounds up.",
     "`max(2, math.ceil((2.8 * gains.std().item() / difference) ** 2))`"),
    "Half the difference costs four times the pairs. And with few pairs t is larger than 1.96: add two.")

EXERCISES = (MIXED_TARGET, FALSE_LABELS, PAIRED_INTERVAL, PAIRS_NEEDED)
