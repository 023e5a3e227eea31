"""Whole runs on little images, to test with."""
from small import ColourTeacher, coloured_dataset

from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset()
QUICK = {"images": 96, "epochs": 2, "batch_size": 16, "student": "small", "device": "cpu", "precision": "float32"}


def settings_of(**changes):
    return Settings(**{**QUICK, **changes})


def run_of(teacher=None, dataset=DATASET, **changes):
    settings = settings_of(**changes)
    return Run(settings, Materials.of(settings, dataset, teacher or ColourTeacher()))


def finished(folder=None, **options):
    run = run_of(**options)
    list(run.rows(folder=folder))
    return run
