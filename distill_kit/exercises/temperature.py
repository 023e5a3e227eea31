"""The exercises of notebook temperature."""
from .record import Exercise

EXERCISES: tuple[Exercise, ...] = ()
