"""The exercises of the course: `check` judges an answer, `Prediction` keeps a guess until the run is over.

One file a notebook holds its records; judge.py calls the answer and verdict.py says how it fared.
"""
from importlib import import_module

from .judge import judge
from .predict import Prediction
from .record import Exercise
from .verdict import Verdict

NOTEBOOKS = {"01": "temperature", "02": "training_loop", "03": "alpha", "04": "progressive",
             "05": "convergence", "07": "your_own"}


def exercises_of(notebook: str) -> tuple[Exercise, ...]:
    """The exercises of a notebook, by the number that its name begins with."""
    name = NOTEBOOKS.get(notebook[:2])
    return () if name is None else import_module(f".{name}", __name__).EXERCISES


def find(name: str) -> Exercise:
    """Raises ValueError for a name that no exercise has."""
    every = [exercise for notebook in NOTEBOOKS for exercise in exercises_of(notebook)]
    for exercise in every:
        if exercise.name == name:
            return exercise
    raise ValueError(f"name must be one of {', '.join(exercise.name for exercise in every)}; got {name!r}")


def check(answer: object, name: str | None = None) -> Verdict:
    """How an answer fares: not attempted, an error in your code, not yet right, or right.

    answer: what you wrote. name: of the exercise, where the answer goes by another one.
    """
    return judge(find(name or getattr(answer, "__name__", "")), answer)


__all__ = ["Prediction", "check", "exercises_of", "find"]
