"""What an experiment watches: one share from 0 to 1 after each epoch; and what is looked at once, when a run is over.
All on validation images, but for the false labels, which only training images have."""
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..data.imageset import ImageSet, class_number
from ..run import Run
from ..teachers import answers, share_in_top


@dataclass(frozen=True)
class Measure:
    label: str                               # of the axis
    unit: str                                # "61.8 % of the validation images"
    of: Callable[[Run, dict], float]         # the run and its last epoch row
    on_cifar10: tuple[float, float] = (0.0, 1.0)  # lowest and highest in the picture, where they can be known before

    def axis(self, data: str) -> tuple[float, float]:
        return self.on_cifar10 if data == "cifar10" else (0.0, 1.0)


def logits_for(run: Run, images: ImageSet) -> Tensor:
    """What the student says now, [N, C]."""
    return answers(run.student, images, run.materials.device, run.materials.precision).float()


def rank2(run: Run, row: dict) -> float:
    """Of the validation images of the class left out: the share for which the student ranks it first or second."""
    watched = run.materials.dataset.validation
    number = class_number(watched.classes, run.settings.leave_out)
    watched = watched[watched.labels == number]
    return share_in_top(logits_for(run, watched), watched.labels, number, 2)


def by_class(run: Run) -> list[float]:
    """Of each class's validation images: the share that the student gets right."""
    images = run.materials.dataset.validation
    right = (logits_for(run, images).argmax(1) == images.labels).float()
    return [right[images.labels == number].mean().item() for number in range(len(images.classes))]


def swallowed(run: Run) -> float | None:
    """Of the training images with a false label: the share for which the student now says just that.

    None where no label is false.
    """
    shown, true = run.training, run.materials.training.labels
    false = (shown.labels != true) & (shown.labels >= 0)
    if not false.any():
        return None
    images = shown[false]
    return (logits_for(run, images).argmax(1) == images.labels).float().mean().item()


ACCURACY = Measure("validation accuracy", "of the validation images right", lambda run, row: row["val_accuracy"],
                   (0.2, 0.8))
RANK2 = Measure("class never seen, ranked 1st or 2nd", "of the images of the class never seen ranked first or second",
                rank2)
