"""distill_course: what the notebooks stand on. It stands on distill_kit, which knows nothing of it.

    from distill_course import Lab, check

settings.py, habits.py, many.py: runs as the course asks for them. comparisons.py, statistics.py: what came of several.
exercises/: checks. diagnosis/, gallery/: what goes wrong with a run. lab/: sliders that train. commands/: the command
line.
"""
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors and type checkers, which cannot follow __getattr__
    from .comparisons import paired, stored
    from .diagnosis import diagnose, faulty, probe
    from .exercises import Prediction, check
    from .gallery import Gallery
    from .lab import Lab
    from .statistics import Paired

_HOMES = {
    "paired": "comparisons", "stored": "comparisons",
    "diagnose": "diagnosis", "faulty": "diagnosis", "probe": "diagnosis",
    "Prediction": "exercises", "check": "exercises",
    "Gallery": "gallery",
    "Lab": "lab",
    "Paired": "statistics",
}
__all__ = [*_HOMES]


def __getattr__(name: str):
    """Fetch a name from its module when it is first used: the import itself costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
