"""An exercise: its texts, which stand in a lesson's source, and the check that belongs to it."""
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ..shipped import read_stored, read_table

TABLE = read_table("exercise-cases")  # sentences of the cases, by exercise and key, and the sizes of their inputs
EVERY = TABLE["every answer"]         # those that hold whatever the exercise


@dataclass(frozen=True)
class Exercise:
    """The texts of one exercise. The learner writes a function (or a class) of this name."""
    lesson: str        # the name of its notebook: "01_temperature"
    name: str
    task: str          # Markdown
    stub: str          # an untouched one returns `...`
    answer: str        # a model answer
    hints: list[str]   # three: a question, where to look, the line that is missing
    also: str = ""     # shown to whoever is right

    @property
    def cases(self) -> Callable[..., Iterator]:
        """The check, a generator function: soften_cases of temperature.py for `soften` of 01_temperature."""
        return getattr(import_module(f".{self.lesson.partition('_')[2]}", __package__), f"{self.name}_cases")


@cache
def every_exercise() -> tuple[Exercise, ...]:
    """Read all exercises, in the order of the course. notebooks/build.py writes assets/exercises.json."""
    return tuple(Exercise(**texts) for texts in read_stored("exercises"))


def find(name: str) -> Exercise:
    """Find the exercise of this name. Raises ValueError where there is none."""
    names = {exercise.name: exercise for exercise in every_exercise()}
    if not isinstance(name, str) or name not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; got {name!r:.60}")
    return names[name]
