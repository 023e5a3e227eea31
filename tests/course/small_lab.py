"""A lab on little images, to test with."""
from small import ColourTeacher, coloured_dataset

from distill_course.lab import Lab
from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.session import Session

DATASET = coloured_dataset()
LITTLE = {"images": 100, "epochs": 2, "batch_size": 20, "precision": "float32"}


def session_of(tmp_path, name="alpha", **changes):
    return Session(EXPERIMENTS[name], DATASET, ColourTeacher(), device="cpu", folder=tmp_path, quiet=0.0,
                   **{**LITTLE, **changes})


def lab_of(tmp_path, name="alpha"):
    """A lab that waits for no slider to come to rest."""
    lab = Lab(name, DATASET, ColourTeacher(), device="cpu", folder=tmp_path, **LITTLE)
    lab.session.worker.quiet = 0.0
    return lab
