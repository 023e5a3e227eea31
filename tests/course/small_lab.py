"""A lab on little images, to test with."""
from small import ColourTeacher, coloured_dataset

from distill_course.atlas import Cell
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


def cell_of(mean, spread=0.005, order=(-2, -1, 0, 1, 2)):
    """A cell of five seeds with this mean and standard deviation, best after the second of two epochs."""
    shares = [mean + place * spread / 2.5**0.5 for place in order]
    return Cell(tuple({"seed": seed, "best": 2, "epochs": {"val_accuracy": [share - 0.1, share]}}
                      for seed, share in enumerate(shares)), "tiny, 2026-01-01")


def with_cells(session, cells):
    """Let a session find these cells, by its runs' alpha, as the atlas's."""
    session.in_atlas = True
    session.measured = lambda settings: cells.get(settings.alpha, Cell())
    return session
