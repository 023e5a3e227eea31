"""Schedules: plain functions from the step (0, 1, 2, ...) to a number, for learning rate, alpha and temperature."""
import math
from collections.abc import Callable
from typing import NamedTuple

Schedule = Callable[[int], float]


class Numbers(NamedTuple):
    """What the schedules of a run give at one step."""
    learning_rate: float
    temperature: float
    alpha: float


def constant(value: float) -> Schedule:
    """The same value at every step."""
    return lambda step: value


def linear(start: float, end: float, steps: int) -> Schedule:
    """A straight line from `start` at step 0 to `end` at the last of `steps` steps; `end` afterwards.

        >>> rate = linear(1.0, 0.0, steps=5)
        >>> [rate(step) for step in range(6)]
        [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return lambda step: start + (end - start) * _progress(step, steps)


def cosine(start: float, end: float, steps: int) -> Schedule:
    """Half a cosine wave from `start` to `end`: slow, fast, slow (Loshchilov and Hutter, SGDR, 2017)."""
    return lambda step: end + (start - end) * (1 + math.cos(math.pi * _progress(step, steps))) / 2


def warmup_then(after: Schedule, peak: float, warmup_steps: int) -> Schedule:
    """Rise in a straight line to `peak` over `warmup_steps` (the first step already moves), then follow `after`."""
    return lambda step: peak * (step + 1) / (warmup_steps + 1) if step < warmup_steps else after(step - warmup_steps)


def warmup_cosine(peak: float, warmup_steps: int, steps: int) -> Schedule:
    """The learning rate of the kit: one rise to `peak`, then a cosine down to 0 over the rest of `steps`.

    0 is reached one step after the last, so that no step is spent standing still.
    """
    return warmup_then(cosine(peak, 0.0, max(steps - warmup_steps, 1) + 1), peak, warmup_steps)


def as_schedule(value: float | Schedule) -> Schedule:
    """Turn a number into a constant schedule; a schedule is returned as it is."""
    return value if callable(value) else constant(float(value))


def check_learning_rate(rate: float) -> None:
    """Raise ValueError unless a learning rate is a finite number above 0."""
    if not 0 < rate < math.inf:  # also refuses NaN
        raise ValueError(f"learning_rate must be a finite number above 0; got {rate}")


def check_whole(name: str, value: int, least: int, most: int = 2**63 - 1) -> None:
    """Raise ValueError, with the argument's name, unless a value is a whole number from least to most."""
    if type(value) is not int or not least <= value <= most:
        limit = "below 2**63" if most == 2**63 - 1 else f"up to {most:,}"
        raise ValueError(f"{name} must be {least} or more; got {value!r}. It is a whole number {limit}.")


SHAPES = {"linear": linear, "cosine": cosine}


def from_to(start: float, end: float | None, steps: int, shape: str = "linear") -> Schedule:
    """Make a schedule from `start` to `end`; constant where `end` is None. Raises ValueError for an unknown shape."""
    if shape not in SHAPES:
        raise ValueError(f"schedule must be one of {', '.join(SHAPES)}; got {shape!r}")
    return constant(start) if end is None else SHAPES[shape](start, end, steps)


def _progress(step: int, steps: int) -> float:
    return min(step / (steps - 1), 1.0) if steps > 1 else 1.0
