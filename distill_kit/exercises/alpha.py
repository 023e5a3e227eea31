"""The exercises of notebook alpha."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
