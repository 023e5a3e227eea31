"""What editors and type checkers are shown: they cannot follow __getattr__."""
from .data import ImageSet as ImageSet
from .data import load_dataset as load_dataset
from .losses import distillation_loss as distillation_loss
from .metrics import evaluate as evaluate
from .models import make_model as make_model
from .run import Materials as Materials
from .run import Run as Run
from .settings import Settings as Settings
from .teachers import load_teacher as load_teacher
from .training import train_student_with_distillation as train_student_with_distillation

__version__: str
REPOSITORY: str
