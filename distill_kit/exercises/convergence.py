"""Exercises of 05_convergence_diagnostics, and the walk through stored epochs that its section on patience takes."""
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .record import SIZES, Answer, Case, Draw, Exercise, close


def constant_loss_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        labels = torch.cat([torch.arange(classes), torch.zeros(1).long(), draw.labels(rows, classes)])
        loss = answer(labels, shape=())
        yield Case("It is a mean over the images: every label twice, and nothing changes.",
                   close(other := answer(torch.cat([labels, labels]), shape=()), loss), (loss, other))
        yield Case("It is never below 0.", bool(loss > -1e-6), (loss,))
        yield Case("Where all images are of one class, that class is the answer, and it is 0.",
                   close(answer(torch.ones(rows + 1).long(), shape=()), 0))
        yield Case("Three classes more, in front, of which there is no image: nothing changes.",
                   close(other := answer(labels + 3, shape=()), loss), (loss, other))
        yield Case("Where all C classes occur equally often, it is ln C.",
                   close(answer(torch.arange(classes).repeat(rows), shape=()), math.log(classes)))
        shares = torch.bincount(labels) / len(labels)
        yield Case("It is what F.cross_entropy says if every image is given the shares of the classes, even or not.",
                   close(F.cross_entropy(shares.log().expand(len(labels), -1), labels), loss), (loss,))


CONSTANT_LOSS = Exercise(
    "constant_loss",
    """
A student that cannot tell images apart gives all of them the same answer. Its best answer is the share of each class.
Write `constant_loss`, the cross-entropy of that answer: minus the sum of share times ln(share). A class without images
adds nothing. For the labels 0, 0, 1, 1 it gives 0.69.
""", '''
def constant_loss(labels):
    """labels [N], class numbers -> one number, in nats."""
    return ...
''', '''
def constant_loss(labels):
    """labels [N], class numbers -> one number, in nats."""
    counts = torch.bincount(labels)
    shares = counts[counts > 0] / len(labels)
    return -(shares * shares.log()).sum()
''', constant_loss_cases,
    ("How often does each class occur, as a share of all images?",
     "`torch.bincount` counts class numbers. What does 0 times the logarithm of 0 come to on a computer?",
     "`shares = counts[counts > 0] / len(labels)`, then `-(shares * shares.log()).sum()`"),
    "It is the entropy of the labels. A loss that stays there says that the student has learnt nothing about images.")


def update_ratio_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        before, after = draw.logits(rows, classes), draw.logits(rows, classes)
        ratio = answer(before, after, shape=())
        yield Case("Where nothing moved, it is 0.", close(answer(before, before.clone(), shape=()), 0))
        yield Case("It has no unit: all weights ten times as large, before and after, and nothing changes.",
                   close(other := answer(10 * before, 10 * after, shape=()), ratio), (ratio, other))
        yield Case("It is never below 0: weights that shrink have moved as well.",
                   bool(answer(before, before / 2, shape=()) > 0))
        yield Case("Weights that only turn, at the same length, have moved: with every sign changed it is 2.",
                   close(answer(before, -before, shape=()), 2))
        yield Case("It is measured by what was there before: where all weights double, it is 1.",
                   close(answer(before, 2 * before, shape=()), 1))
        yield Case("A step twice as long in the same direction gives twice as much.",
                   close(other := answer(before, 2 * after - before, shape=()), 2 * ratio), (ratio, other))
        yield Case("A norm looks at all weights together: in one long column they give the same.",
                   close(other := answer(before.reshape(-1, 1), after.reshape(-1, 1), shape=()), ratio), (ratio, other))
        longer = torch.linalg.vector_norm(torch.stack([before, before]))
        moved = torch.linalg.vector_norm(torch.stack([after - before, torch.zeros_like(before)]))
        yield Case("Norms are roots of summed squares: weights that stand still add to the lower norm alone.",
                   close(answer(torch.cat([before, before]), torch.cat([after, before]), shape=()), moved / longer))


UPDATE_RATIO = Exercise(
    "update_ratio",
    """
How far does a step go, beside the weights that it changes? Write `update_ratio`: the norm of the change over the norm
of the weights before. For weights 3 and 4 that become 3 and 4.5 it gives 0.1.
""", '''
def update_ratio(before, after):
    """before, after: weights [O, I] -> one number."""
    return ...
''', '''
def update_ratio(before, after):
    """before, after: weights [O, I] -> one number."""
    return (after - before).norm() / before.norm()
''', update_ratio_cases,
    ("How long is the arrow from the old weights to the new ones?",
     "`tensor.norm()` is the root of the sum of all squares, whatever the shape. Subtract first, or afterwards?",
     "`(after - before).norm() / before.norm()`"),
    "The gradient's norm is another thing: AdamW and Muon scale it away before they step.")


def ece_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for rows, classes in SIZES:
        shares, labels = draw.logits(4 * rows, classes).softmax(1), draw.labels(4 * rows, classes)
        error = answer(shares, labels, 10, shape=())
        yield Case("Every image twice, and nothing changes.",
                   close(other := answer(shares.repeat(2, 1), labels.repeat(2), 10, shape=()), error), (error, other))
        sure = F.one_hot(labels, classes).float()
        yield Case("Sure, with probability 1, and always right: it is 0.", close(answer(sure, labels, 10, shape=()), 0))
        yield Case("Sure, with probability 1, and always wrong: it is 1.",
                   close(answer(sure, (labels + 1) % classes, 10, shape=()), 1))
        first = shares.argmax(1)
        yield Case("It is never below 0. Too modest is an error as well: always right, and not sure.",
                   bool(answer(shares, first, 10, shape=()) > 0))
        high, low = draw.number(0.91, 0.99), draw.number(0.51, 0.59)
        two, both = sides(high, low, classes=classes), torch.tensor([1, 0])
        yield Case("Too sure in one bin and too modest in another do not make up for each other.",
                   close(answer(two, both, 10, shape=()), (high + 1 - low) / 2))
        near = sides(high, high, classes=classes)
        yield Case("Within a bin they do: it holds mean confidence against the share that is right.",
                   close(answer(near, both, 10, shape=()), abs(high - 0.5)))
        four, mixed = sides(high, high, high, low, classes=classes), torch.tensor([0, 0, 0, 1])
        yield Case("A bin with three times as many images weighs three times as much.",
                   close(answer(four, mixed, 10, shape=()), (3 * (1 - high) + low) / 4))
        yield Case("With one bin it is the distance between mean confidence and accuracy.",
                   close(answer(two, both, 1, shape=()), (high + low) / 2 - 0.5))


def sides(*firsts: float, classes: int) -> Tensor:
    """Probabilities [len(firsts), classes]: class 0 has these, class 1 the rest."""
    first = torch.tensor(firsts)
    return torch.cat([first[:, None], 1 - first[:, None], torch.zeros(len(first), classes - 2)], dim=1)


ECE = Exercise(
    "ece",
    """
Of the answers that a student gives with 70 % confidence, 70 % should be right. Write `ece`, the expected calibration
error. Sort the images by their highest probability into equally wide bins from 0 to 1; a 1 belongs to the last. In
each bin take the distance between mean confidence and the share that is right. Average the bins, weighted by their
images. For probabilities 0.95, 0.05 and 0.85, 0.15 with the labels 0 and 1, in ten bins, it gives 0.45.
""", '''
def ece(probabilities, labels, bins):
    """probabilities [N, C], labels [N], number of bins -> one number."""
    return ...
''', '''
def ece(probabilities, labels, bins):
    """probabilities [N, C], labels [N], number of bins -> one number."""
    confidence, first = probabilities.max(dim=1)
    right = (first == labels).float()
    place = (confidence * bins).long().clamp(max=bins - 1)
    gaps = torch.zeros(bins).index_add(0, place, confidence - right)
    return gaps.abs().sum() / len(labels)
''', ece_cases,
    ("In one bin with n images: what is n times (mean confidence minus share right), as a sum over its images?",
     "`probabilities.max(dim=1)` gives confidence and class; `(confidence * bins).long()` the bin, but for a 1. "
     "`index_add` sums by bin.",
     "`torch.zeros(bins).index_add(0, place, confidence - right).abs().sum() / len(labels)`"),
    "A loop over the bins with a mask is as good (Guo and others, 2017).")


def stops_at_cases(answer: Answer, draw: Draw) -> Iterator[Case]:
    for patience in (2, 3, 5):
        noise = torch.rand(patience + 4, generator=draw.generator) / 2
        falling = 9.0 - torch.arange(patience + 4) - noise
        rising = 9.0 - falling
        yield Case("While every epoch is better than all before, nothing stops it: it is the number of epochs.",
                   close(answer(falling, patience, shape=()), len(falling)))
        yield Case("Where the first epoch stays the best, it stops after epoch 1 + patience.",
                   close(answer(rising, patience, shape=()), 1 + patience))
        bump = torch.cat([rising[:1], 20.0 + falling])
        yield Case("Better than the epoch before is not enough: it must be the best so far.",
                   close(answer(bump, patience, shape=()), 1 + patience))
        saw = torch.stack([falling, falling + 5], dim=1).flatten()
        yield Case("A better epoch begins the waiting anew.", close(answer(saw, patience, shape=()), len(saw)))
        yield Case("An epoch that is as good as the best is not better.",
                   close(answer(torch.full_like(rising, 2.5), patience, shape=()), 1 + patience))
        late = torch.cat([rising[:1 + patience], rising[:1] - 1])
        yield Case("It cannot wait for what would come after the stop.",
                   close(answer(late, patience, shape=()), 1 + patience))
        short = torch.cat([falling[:2], falling[:1]])
        yield Case("Where the epochs are over before patience is, it is the number of epochs.",
                   close(answer(short, patience, shape=()), 3))


STOPS_AT = Exercise(
    "stops_at",
    """
Early stopping ends a run once `patience` epochs in a row were not better than the best before them. Write `stops_at`:
from the validation loss of each epoch, how many epochs are trained. Lower is better; equal is not. For the losses 3,
2, 4, 3, 1 and a patience of 2 it gives 4.
""", '''
def stops_at(losses, patience):
    """losses [E], patience -> the number of epochs that are trained."""
    return ...
''', '''
def stops_at(losses, patience):
    """losses [E], patience -> the number of epochs that are trained."""
    best, waited = math.inf, 0
    for epoch, loss in enumerate(losses.tolist(), start=1):
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == patience:
            return epoch
    return len(losses)
''', stops_at_cases,
    ("Which two things must you remember from one epoch to the next?",
     "Walk through the epochs with `enumerate(losses.tolist(), start=1)`. A better epoch sets the counter back.",
     "`best, waited = (loss, 0) if loss < best else (best, waited + 1)`, then `if waited == patience: return epoch`"),
    "The run then goes back to the weights of its best epoch.")


EXERCISES = (CONSTANT_LOSS, UPDATE_RATIO, ECE, STOPS_AT)
