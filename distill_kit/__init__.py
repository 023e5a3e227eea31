"""distill_kit: knowledge distillation, taught by training again while you watch.

    from distill_kit import distillation_loss, load_dataset, train_student_with_distillation
"""
from typing import TYPE_CHECKING

from . import lazily, openmp

if TYPE_CHECKING:  # for editors and type checkers, which cannot follow __getattr__
    from .data import ImageSet, load_dataset
    from .losses import distillation_loss
    from .metrics import evaluate
    from .models import make_model
    from .run import Materials, Run
    from .settings import Settings
    from .teachers import load_teacher
    from .training import train_student_with_distillation

__version__ = "0.1.0"
REPOSITORY = "https://github.com/distill-kit/distill_kit"  # the one place that says where the project lives

_HOMES = {
    "distillation_loss": "losses", "train_student_with_distillation": "training",
    "load_dataset": "data", "ImageSet": "data",
    "load_teacher": "teachers", "make_model": "models", "evaluate": "metrics",
    "Materials": "run", "Run": "run", "Settings": "settings",
}
__getattr__, __dir__ = lazily.fetched(__name__, _HOMES, "REPOSITORY", "__version__")
__all__ = __dir__()
openmp.prepare()  # before anything loads torch: a container may allow fewer threads than there are cores
