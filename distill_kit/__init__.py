"""distill_kit: knowledge distillation, taught by training again while you watch.

    from distill_kit import distillation_loss, load_dataset, train_student_with_distillation
"""
from importlib import import_module
from typing import TYPE_CHECKING

from . import openmp

if TYPE_CHECKING:  # for editors and type checkers, which cannot follow __getattr__
    from .data import ImageSet, load_dataset
    from .losses import distillation_loss
    from .models import make_model
    from .run import Materials, Run
    from .settings import Settings
    from .teachers import load_teacher
    from .training import train_student_with_distillation

__version__ = "0.1.0"
REPOSITORY = "https://github.com/distill-kit/distill_kit"  # the one place that says where the project lives

_HOMES = {
    "distillation_loss": "losses",
    "train_student_with_distillation": "training",
    "load_dataset": "data",
    "ImageSet": "data",
    "load_teacher": "teachers",
    "make_model": "models",
    "Materials": "run",
    "Run": "run",
    "Settings": "settings",
}
__all__ = ["REPOSITORY", "__version__", *_HOMES]
openmp.prepare()  # before anything loads torch: a container may allow fewer threads than there are cores


def __getattr__(name: str):
    """Fetch a public name from its module when it is first used: the import itself costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
