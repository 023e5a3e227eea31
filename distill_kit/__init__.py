"""distill_kit: knowledge distillation, taught by training again while you watch.

    from distill_kit import distillation_loss, load_dataset, train_student_with_distillation
"""
from . import lazily, openmp

__version__ = "0.1.0"
REPOSITORY = "https://github.com/distill-kit/distill_kit"  # the one place that says where the project lives

_HOMES = {"distillation_loss": "losses", "train_student_with_distillation": "training", "load_dataset": "data",
          "ImageSet": "data", "load_teacher": "teachers", "make_model": "models", "evaluate": "metrics",
          "Materials": "run", "Run": "run", "Settings": "settings"}
__getattr__, __dir__ = lazily.fetched(__name__, _HOMES, "REPOSITORY", "__version__")
__all__ = __dir__()
openmp.prepare()  # before anything loads torch: a container may allow fewer threads than there are cores
