"""Colours of Okabe and Ito (2008), told apart by colour-blind readers; each line also has its own dash and marker.

Runs, the terms of a loss and the figures of a run have colours of their own, so that none stands for another.
"""
BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#222222"
GREY = "#dddddd"
TERMS = {"total": (BLACK, "-", "o"), "hard": (GREEN, "--", "s"), "soft": (PINK, "-.", "^")}
FIGURES = {"validation": (BLUE, "-", "o"), "training": (SKY, "--", "s"), "agreement": (ORANGE, "-.", "^")}
LINES = ((BLUE, "-", "o"), (RED, "--", "s"), (GREEN, "-.", "^"), (PINK, ":", "D"), (ORANGE, (0, (5, 1)), "v"),
         (SKY, (0, (3, 1, 1, 1)), "P"), (BLACK, (0, (1, 1)), "X"))
