"""Measures taken after each epoch (a share, 0 to 1), and once at the end.

All are taken on validation images, but for false labels, which only training images have. And what only takes the
teacher's logits: which images are worth showing, its share of a first step.
"""
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from distill_kit.data.imageset import ImageSet, class_number
from distill_kit.metrics import accuracy, answers, share_in_top, soft_targets
from distill_kit.run import Run

SHOWN = 8    # images to choose from
DOUBT = 0.6  # the teacher's confidence that makes an image worth showing


@dataclass(frozen=True)
class Measure:
    """What the curves of an experiment show."""
    label: str                               # of the axis
    unit: str                                # "61.8 % of the validation images"
    of: Callable[[Run, dict], float]         # the run and its last epoch row
    column: str                              # of stored runs
    on_cifar10: tuple[float, float] = (0.0, 1.0)  # lowest and highest in the picture, where they can be known before


def logits_for(run: Run, images: ImageSet) -> Tensor:
    """Ask the student as it is now: logits [N, C]."""
    return answers(run.student, images, run.materials.device, run.materials.precision)


def rank2(run: Run, row: dict) -> float:
    """Compute the share of the left-out class's validation images for which the student ranks it first or second."""
    watched = run.materials.validation
    number = class_number(watched.classes, run.settings.leave_out)
    watched = watched[watched.labels == number]
    return share_in_top(logits_for(run, watched), watched.labels, number, 2)


def by_class(run: Run) -> list[float]:
    """Compute for each class the share of its validation images that the student gets right; 0 where it has none."""
    images = run.materials.validation
    right = images.labels[logits_for(run, images).argmax(1) == images.labels].bincount(minlength=len(images.classes))
    return [number / max(1, count) for number, count in zip(right.tolist(), images.class_counts())]


def swallowed(run: Run) -> float | None:
    """Compute the share of the training images with a false label for which the student now says just that label.

    None where no label is false.
    """
    shown, true = run.training, run.materials.training.labels
    false = shown[(shown.labels != true) & (shown.labels >= 0)]
    return accuracy(logits_for(run, false), false.labels) if len(false) else None


def repeats(run: Run, row: dict) -> float:
    """Compute the share of the teacher's mistakes on validation images that the student makes as well."""
    watched = run.materials.watched
    rows = torch.arange(len(watched.labels))
    images, says = run.materials.validation[:len(rows)], watched.logits.take(rows, 0 * rows).cpu().argmax(1)  # (n,)
    wrong = says != images.labels
    return accuracy(logits_for(run, images[wrong]), says[wrong])


def of_test(run: Run, row: dict) -> float:
    """Compute the share of the test images that the student gets right: for what it does to look at them each time."""
    images = run.materials.test
    return accuracy(logits_for(run, images), images.labels)


def teachers_share(logits: Tensor, labels: Tensor, temperature: float, alpha: float) -> float:
    """Compute the soft term's share of the gradient at a student's first step, when all classes are alike to it.

    logits: the teacher's, [N, C]; labels [N]. The lengths of both terms' gradients with respect to the student's logits
    are compared, averaged over the images: alpha (p - label) for the hard term, (1 - alpha) T (p_T - teacher_T) for the
    soft term, in which T squared and the derivative's 1 / T have met (Hinton et al., 2015).
    """
    classes = logits.shape[1]
    hard = 1 / classes - one_hot(labels, classes)                                           # (N, C)
    soft = temperature * (1 / classes - soft_targets(logits, temperature))                  # (N, C)
    weights = alpha * hard.norm(dim=1).mean().item(), (1 - alpha) * soft.norm(dim=1).mean().item()
    return weights[1] / sum(weights)


def doubtful(logits: Tensor, labels: Tensor, first_of: int = -1) -> list[int]:
    """Choose SHOWN images about which the teacher is right, and nearly as sure as DOUBT; logits [N, C], labels [N].

    first_of: a class whose images come first.
    """
    sure, first = logits.softmax(1).max(1)
    order = torch.where(first == labels, (sure - DOUBT).abs(), 1.0) - (labels == first_of).float()
    return order.argsort(stable=True)[:SHOWN].tolist()


ACCURACY = Measure("validation accuracy", "of the validation images right", lambda run, row: row["val_accuracy"],
                   "val_accuracy", (0.2, 0.8))
MEASURES = {
    "accuracy": ACCURACY, "test": Measure("test accuracy", "of the test images right", of_test, "test"),
    "rank2": Measure("class never seen, ranked 1st or 2nd",
                     "of the images of the class never seen ranked first or second", rank2, "rank2"),
    "repeats": Measure("mistakes repeated", "of the teacher's mistakes repeated", repeats, "repeats")}
