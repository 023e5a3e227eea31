"""The gallery: runs without their names, to be judged. game.py keeps the score, panels.py draws, view.py shows."""
from .view import Gallery

__all__ = ["Gallery"]
