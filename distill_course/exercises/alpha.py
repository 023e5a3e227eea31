"""Checks of 03_alpha."""
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .checking import Answer, Case, Cases, Draw, different, same


def mixed_target_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """alpha times the label, as a distribution, and the rest of the teacher's probabilities."""
    answer.shape, alpha = (rows, classes), draw.number(0.6, 0.8)
    labels, shares = contradicted(draw, rows, classes)
    one_hot, target = F.one_hot(labels, classes).float(), answer(shares, labels, alpha)
    yield same("What comes out for an image does not depend on the other images.",
               answer(shares[:1], labels[:1], alpha, shape=(1, classes)), target[:1], target)
    yield same("The numbers of an image add up to 1.", target.sum(1), 1, target)
    yield different("Another label gives another target.", answer(shares, (labels + 1) % classes, alpha), target)
    yield different("Another teacher gives another target.", answer(shares.roll(1, 1), labels, alpha), target)
    yield same("alpha = 1 leaves only the label: 1 for its class, else 0.", answer(shares, labels, 1.0), one_hot)
    yield same("alpha = 0 leaves only the teacher: its probabilities.", answer(shares, labels, 0.0), shares)
    yield same("alpha = 0.5 lies half-way between both.", answer(shares, labels, 0.5), (shares + one_hot) / 2)
    yield same("From alpha = 0 to 1 it goes in a straight line.", target, shares + alpha * (one_hot - shares))


def contradicted(draw: Draw, rows: int, classes: int) -> tuple[Tensor, Tensor]:
    """Labels [rows], neighbours of which differ, and a teacher's probabilities [rows, classes], least for the label."""
    labels = (draw.labels(1, classes) + torch.arange(rows)) % classes
    logits = draw.logits(rows, classes)
    least = logits.amin(1, keepdim=True) - 0.5
    return labels, logits.scatter(1, labels[:, None], least).softmax(1)


def false_labels_cases(answer: Answer, draw: Draw) -> Cases:
    """A share of the labels drawn anew, evenly from all classes."""
    seed, share, few = int(draw.labels(1, 100_000)), draw.number(0.4, 0.6), draw.labels(5, 3)
    yield same("With share = 0 every label stays what it is.", answer(few, 0.0, 3, seed, shape=(5,)), few)
    for count, classes in ((200, 3), (4_000, 10)):  # with 4,000 labels shares come out to a few hundredths
        labels, answer.shape, lenient = draw.labels(count, classes), (count,), 2 / math.sqrt(count)
        before, drawn = torch.random.get_rng_state(), answer(labels, 1.0, classes, seed)
        global_state_kept = torch.equal(before, torch.random.get_rng_state())
        yield Case("Labels stay class numbers: int64.", drawn.dtype == torch.int64)
        yield Case("Every label lies between 0 and classes - 1.", 0 <= int(drawn.min()) <= int(drawn.max()) < classes)
        yield same("The same seed gives the same labels.", answer(labels, 1.0, classes, seed), drawn)
        yield different("Another seed gives other labels.", answer(labels, 1.0, classes, seed + 1), drawn)
        yield Case("torch's global random state stays as it was: only the generator draws.", global_state_kept)
        again = (drawn == labels).float().mean() - 1 / classes
        yield Case("One in `classes` of the labels that are drawn anew is right again by chance.", again > -lenient)
        yield Case("As large a share is drawn as was asked for: with share = 1 that is every label.", again < lenient)
        yield Case("All classes are drawn, and equally often, those too that no label had before.",
                   evenly(answer(torch.zeros_like(labels), 1.0, classes, seed), classes, lenient))
    classes, answer.shape = 2**24, (20_000,)  # so many that none is right again; and all the digits that torch.rand has
    labels = draw.labels(20_000, classes)
    drawn = answer(labels, share, classes, seed)
    chosen = drawn != labels
    early, late = chosen.double().view(2, -1).mean(1)
    yield Case("Early labels and late ones are drawn alike.", abs(early - late) < 0.03)
    yield Case("As large a share is drawn as was asked for.", abs((early + late) / 2 - share) < 0.015)
    yield Case("Places are random: that a label is drawn says nothing of the next one.",
               abs((chosen[1:] & chosen[:-1]).double().mean() - share**2) < 0.03)
    yield Case("Which class is drawn has nothing to do with which places are: a draw for each.",
               evenly(drawn[chosen] * 8 // classes, 8, 0.02))


def evenly(labels: Tensor, classes: int, lenient: float) -> Tensor:
    """Say of each class whether its share is as large as that of any other, or nearly."""
    return (torch.bincount(labels, minlength=classes) / len(labels) - 1 / classes).abs() < lenient


def paired_interval_cases(answer: Answer, draw: Draw) -> Cases:
    """The mean gain, give or take t standard errors."""
    answer.shape = (2,)
    for pairs in (2, 3, 5):
        before, t = 60 + draw.logits(1, pairs)[0], draw.number(2, 5)
        after = before + draw.number(1, 3) + 0.5 * draw.logits(1, pairs)[0]
        ends = answer(before, after, t)
        yield Case("The lower end comes first.", ends[0] < ends[1])
        yield same("Its middle is the mean of after - before.", ends.mean(), (after - before).mean())
        luck = 5 * draw.logits(1, pairs)[0]  # of a seed, which both of its runs share
        yield same("A seed that is lucky for both of its runs changes nothing: pairs count.",
                   answer(before + luck, after + luck, t), ends, tolerance=1e-3)
        yield same("Twice the t makes it twice as wide.", answer(before, after, 2 * t).diff(), 2 * ends.diff())
        yield same("Losses count as gains do: with before and after swapped, both ends change their places and signs.",
                   answer(after, before, t), -ends.flip(0), ends)
    few, many = (answer(torch.zeros(n), torch.tensor([1.0, 2.0] * (n // 2)), t).diff() for n in (4, 400))
    yield Case("A hundred times as many pairs make it about ten times as narrow.", 8 < few / many < 14)
    yield same("To either side it reaches t standard deviations, with n - 1 below, over the square root of n.",
               ends.diff() / 2, t * (after - before).std() / math.sqrt(pairs), ends)


def pairs_needed_cases(answer: Answer, draw: Draw) -> Cases:
    """The number of pairs from which four of five intervals lie clear of zero."""
    gains, difference = spread(draw.number(0.4, 0.8), draw.number(0.5, 2)), draw.number(0.3, 0.5)
    needed = answer(gains, difference).double()
    yield Case("Nobody trains half a pair: it is a whole number.", needed == needed.round())
    yield Case("An interval needs two pairs at the least.", answer(gains / 20, 3.0) >= 2)
    yield same("Half a point on each gain changes nothing: spread counts.", answer(gains + 0.5, difference), needed)
    yield Case("More spread takes more pairs.", answer(3 * gains, difference) > needed)
    yield same("Four times the difference and spread take as many pairs.", answer(4 * gains, 4 * difference), needed)
    many, small = answer(spread(1.0), 0.01).item(), answer(spread(1.0), 0.02).item()
    yield Case("Half the difference takes four times as many pairs.", abs(many / small - 4) < 0.1)
    yield Case("With so many pairs, at least four of five intervals lie clear of zero.", chance(small) > 0.795)
    yield Case("It asks for no more than is needed: a tenth fewer would be too few.", chance(0.9 * small) < 0.795)
    yield Case("Where nearly nothing spreads, two pairs are enough.", answer(gains / 20, 3.0) == 2)
    first = 5 + int(draw.labels(1, 20))
    for pairs, rest in ((first, 0.7), (first + 1, 0.3)):  # no nearer to a whole one: 1.96 + 0.84 has more places
        yield same("What is left over takes one pair more: it is rounded up.",
                   answer(spread(math.sqrt(pairs + rest) / 2.8), 1.0), pairs + 1)


def spread(sd: float, mean: float = 0.0) -> Tensor:
    """Five gains with just this standard deviation, four of them on one side."""
    return mean + sd * torch.tensor([-1.0, -1, -1, -1, 4]) / math.sqrt(5)


def chance(pairs: float) -> float:
    """The chance that the interval of so many pairs lies clear of zero: gains of 0.02 that spread by 1. No t: many."""
    return 0.5 * math.erfc((1.96 - 0.02 * math.sqrt(pairs)) / math.sqrt(2))
