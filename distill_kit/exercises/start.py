"""The exercises of notebook start."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
