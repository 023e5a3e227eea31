"""What an exercise is: one record, from its text to the properties by which an answer is judged."""
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

SIZES = ((1, 2), (1, 3), (2, 3), (5, 10))  # rows and classes of the inputs: the smallest that fails is shown


class Case(NamedTuple):
    """One thing that was looked at: a sentence that is true of every right answer, and whether it held."""
    words: str
    holds: bool
    seen: tuple = ()   # results of the calls that show it, as the answer returned them; the last call where empty


@dataclass(frozen=True)
class Exercise:
    """Text, stub, reference and check of one exercise. The answer is a function (or a class) that the learner writes.

    cases: a generator that calls the answer on inputs of its own and yields what it saw. An untouched stub returns
        `...`, which ends it.
    """
    name: str                          # what the stub defines, too
    task: str                          # Markdown
    stub: str
    reference: str
    cases: Callable[["Answer", "Draw"], Iterator[Case]]
    hints: tuple[str, str, str]        # a question, where to look, the line that is missing
    also: str = ""                     # said to whoever is right


Answer = Callable[..., Tensor]  # the learner's function, watched (see judge.py)


class Draw:
    """Random inputs, from a seed of their own."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def logits(self, rows: int, classes: int) -> Tensor:
        """float32 [rows, classes], each row with one clear first."""
        logits = torch.randn(rows, classes, generator=self.generator)
        first = torch.randint(classes, (rows, 1), generator=self.generator)
        return logits.scatter_add(1, first, torch.full((rows, 1), 2.0))

    def labels(self, rows: int, classes: int) -> Tensor:
        return torch.randint(classes, (rows,), generator=self.generator)

    def number(self, low: float, high: float) -> float:
        """One number between the two, with two digits behind the point."""
        return round(low + (high - low) * torch.rand((), generator=self.generator).item(), 2)


def close(one, other, tolerance: float = 1e-4) -> bool:
    """Are two results equal, but for rounding?"""
    one, other = torch.as_tensor(one).double(), torch.as_tensor(other).double()
    return bool(torch.isclose(one, other, rtol=tolerance, atol=tolerance).all())
