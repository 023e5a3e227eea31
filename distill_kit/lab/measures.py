"""What an experiment watches: one share from 0 to 1, after each epoch, on validation images."""
from collections.abc import Callable
from dataclasses import dataclass

from ..data.imageset import class_number
from ..run import Run, share_in_top
from ..teachers import answers


@dataclass(frozen=True)
class Measure:
    label: str                               # of the axis
    unit: str                                # "61.8 % of the validation images"
    of: Callable[[Run, dict], float]         # the run and its last epoch row
    shown: tuple[float, float]               # lowest and highest in the picture


def rank2(run: Run, row: dict) -> float:
    """Of the validation images of the class left out: the share for which the student ranks it first or second."""
    watched = run.materials.dataset.validation
    number = class_number(watched.classes, run.settings.leave_out)
    watched = watched[watched.labels == number]
    logits = answers(run.student, watched, run.materials.device, run.materials.precision).float().cpu()
    return share_in_top(logits, watched.labels, number, 2)


ACCURACY = Measure("validation accuracy", "of the validation images right", lambda run, row: row["val_accuracy"],
                   (0.3, 0.8))
RANK2 = Measure("class never seen, ranked 1st or 2nd", "of the images of the class never seen ranked first or second",
                rank2, (0.0, 1.0))
