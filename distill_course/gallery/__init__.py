"""The gallery: runs without their names, to be judged. game.py keeps the score, panels.py draws, view.py shows."""
from .game import kit_score, stored_patients
from .view import Gallery

__all__ = ["Gallery", "kit_score", "stored_patients"]
