"""The exercises of notebook progressive."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
