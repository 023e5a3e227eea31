"""The exercises of notebook your_own."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
