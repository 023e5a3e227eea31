"""The exercises of notebook convergence."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
