"""The lab: move a slider and watch a student train again.

experiments.py says what can be asked; session.py knows what was asked and what came; worker.py trains, one thread at a
time; words.py and picture.py (on svg.py) say and draw it; ../atlas.py knows what such runs came to;
panel.py has the widgets and view.py puts them to work.
"""
from .view import Lab

__all__ = ["Lab"]
