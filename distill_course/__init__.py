"""distill_course: what the notebooks stand on. It stands on distill_kit, which knows nothing of it.

    from distill_course import Lab, check

settings.py, habits.py: runs as the course asks for them. comparisons.py, statistics.py: what came of several;
drawings.py draws it.
exercises/: checks. diagnosis/, gallery/: what goes wrong with a run. lab/: sliders that train. commands/: the command
line.
"""
from distill_kit.lazily import fetched

_HOMES = {"paired": "comparisons", "stored": "comparisons", "diagnose": "diagnosis", "faulty": "diagnosis",
          "probe": "diagnosis", "Prediction": "exercises", "check": "exercises", "Gallery": "gallery", "Lab": "lab",
          "Paired": "statistics"}
__getattr__, __dir__ = fetched(__name__, _HOMES)
__all__ = __dir__()
