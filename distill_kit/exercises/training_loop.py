"""The exercises of notebook training_loop."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
