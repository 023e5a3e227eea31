"""Checks of 05_convergence_diagnostics."""
import math

import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, same


def constant_loss_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The entropy of the labels, in nats."""
    labels = torch.cat([torch.arange(classes), torch.zeros(1).long(), draw.labels(rows, classes)])
    loss = answer(labels)
    yield same("It is a mean over the images: every label twice changes nothing.", answer(labels.repeat(2)), loss)
    yield Case("It is never below 0.", loss > -1e-6, (loss,))
    yield same("Where all images are of one class, it is 0.", answer(torch.ones(rows + 1).long()), 0)
    yield same("Three classes more, in front, without an image, change nothing.", answer(labels + 3), loss)
    yield same("With all C classes equally often, it is ln C.", answer(torch.arange(classes)), math.log(classes))
    shares = torch.bincount(labels) / len(labels)
    yield same("It is what F.cross_entropy gives if every image gets the shares of the classes, even or not.",
               loss, F.cross_entropy(shares.log().expand(len(labels), -1), labels))


def update_ratio_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The norm of the change over the norm before."""
    before, after = draw.logits(rows, classes), draw.logits(rows, classes)
    ratio = answer(before, after)
    yield same("Where nothing moved, it is 0.", answer(before, before.clone()), 0)
    yield same("It has no unit: weights ten times as large change nothing.", answer(10 * before, 10 * after), ratio)
    yield Case("It is never below 0: weights that shrink have moved as well.", answer(before, before / 2) > 0)
    yield same("Weights that only turn have moved: with every sign changed it is 2.", answer(before, -before), 2)
    yield same("It is measured by what was before: where weights double, it is 1.", answer(before, 2 * before), 1)
    yield same("A step twice as long gives twice as much.", answer(before, 2 * after - before), 2 * ratio, ratio)
    yield same("A norm looks at all weights together: in one long column they give the same.",
               answer(before.reshape(-1, 1), after.reshape(-1, 1)), ratio)
    moved = (after - before).norm() / torch.cat([before, before]).norm()
    yield same("Norms are roots of summed squares: weights that stand still add only to the lower norm.",
               answer(torch.cat([before, before]), torch.cat([after, before])), moved)


def ece_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Distances between mean confidence and the share that is right, weighted by the images of a bin."""
    shares, labels = draw.logits(4 * rows, classes).softmax(1), draw.labels(4 * rows, classes)
    error = answer(shares, labels, 10)
    yield same("Every image twice changes nothing.", answer(shares.repeat(2, 1), labels.repeat(2), 10), error)
    sure = F.one_hot(labels, classes).float()
    yield same("Sure, with probability 1, and always right: it is 0.", answer(sure, labels, 10), 0)
    yield same("Sure, with probability 1, and always wrong: it is 1.", answer(sure, (labels + 1) % classes, 10), 1)
    yield Case("It is never below 0; right but not sure is an error.", answer(shares, shares.argmax(1), 10) > 0)
    high, low = draw.number(0.91, 0.99), draw.number(0.51, 0.59)
    two, both, bins = sides(high, low, classes=classes), torch.tensor([1, 0]), 7
    for edge in range(bins // classes + 1, bins):  # no confidence is below 1 / classes
        below, above, top = edge / bins - 0.01, edge / bins + 0.01, (edge + 1) / bins - 0.01
        yield same("Too sure and too modest bins do not cancel. Their edges are 0, 1 / bins, 2 / bins and so on.",
                   answer(sides(above, below, classes=classes), both, bins), (above + 1 - below) / 2)
        yield same("Within a bin they do: it holds mean confidence against the share that is right. "
                   "Bins are 1 / bins wide.",
                   answer(sides(above, top, classes=classes), both, bins), abs((above + top) / 2 - 0.5))
    four, mixed = sides(high, high, high, low, classes=classes), torch.tensor([0, 0, 0, 1])
    yield same("Three times the images weigh three times as much.", answer(four, mixed, 10), (3 * (1 - high) + low) / 4)
    yield same("With one bin: mean confidence against accuracy.", answer(two, both, 1), (high + low) / 2 - 0.5)


def sides(*firsts: float, classes: int) -> torch.Tensor:
    """Probabilities [len(firsts), classes]: class 0 has these, the others have equal parts of the rest."""
    first = torch.tensor(firsts)[:, None]
    return torch.cat([first, ((1 - first) / (classes - 1)).expand(-1, classes - 1)], dim=1)


def stops_at_cases(answer: Answer, draw: Draw) -> Cases:
    """The epoch at which patience runs out."""
    for patience in (2, 3, 5):
        falling = 9.0 - torch.arange(patience + 4) - draw.uniform(patience + 4) / 2
        rising, stop = 9.0 - falling, 1 + patience
        yield same("While every epoch is better than all before, nothing stops it: it is the number of epochs.",
                   answer(falling, patience), len(falling))
        yield same("However little it is better, and however large it is: better is better.",
                   answer(500.0 - 5e-4 * torch.arange(patience + 4), patience), patience + 4)
        yield same("Where the first epoch stays the best, it stops after 1 + patience.", answer(rising, patience), stop)
        yield same("Better than the epoch before is not enough: it must be the best so far.",
                   answer(torch.cat([rising[:1], 20.0 + falling]), patience), stop)
        yield same("Where it falls and then rises, it stops `patience` epochs after the lowest.",
                   answer(torch.cat([falling[:3], falling[2] + rising]), patience), 3 + patience)
        saw = torch.stack([falling, falling + 5], dim=1).flatten()
        yield same("A better epoch begins the waiting anew.", answer(saw, patience), len(saw))
        yield same("An epoch as good as the best is not better.", answer(torch.full_like(rising, 2.5), patience), stop)
        yield same("It cannot wait for what would come after the stop.",
                   answer(torch.cat([rising[:stop], rising[:1] - 1]), patience), stop)
        yield same("Where the epochs are over before patience is, it is the number of epochs.",
                   answer(torch.cat([falling[:2], falling[:1]]), patience), 3)
