"""How an answer is judged: it is called on fresh random inputs, watched, and judged by what it does.

A check is a generator function with the name of its exercise: `soften_cases(answer, draw)`. Its docstring says what a
right answer computes. It calls the answer on inputs of its own and yields a Case for each property, by the key of its
sentence in assets/exercise-cases.toml. One that takes `rows` and `classes` as well, or other sizes, is called for each
that the same table has under these names. watched.py says what no answer may do, limits.py how long it may take.
"""
import inspect
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .exercise import EVERY, TABLE, Exercise
from .limits import SECONDS, TookTooLong, contained, within
from .verdict import ERROR, NOT_ATTEMPTED, RIGHT, TOO_LONG, WRONG, Verdict
from .watched import Answer, Stopped, in_words, line_of, named


class Case(NamedTuple):
    """One property: the key of a sentence that is true of every right answer, and whether it held."""
    key: str
    holds: bool | Tensor  # of a tensor all must hold
    seen: Sequence = ()   # results that show it, as the answer returned them; where there are none, the last call shows
    values: dict = {}     # those that the sentence holds


Cases = Iterator[Case]


def same(key: str, result, other, *seen, tolerance: float = 1e-4, **values) -> Case:
    """Make a case that holds where two results are equal. seen: further results that show it."""
    return Case(key, close(result, other, tolerance), (result, other, *seen), values)


def different(key: str, result, other) -> Case:
    """Make a case that holds where two results are not equal."""
    return Case(key, not close(result, other), (result, other))


def close(result, other, tolerance: float = 1e-4) -> bool:
    """Say whether two results are equal but for rounding."""
    both = (torch.as_tensor(numbers).double() for numbers in (result, other))
    return torch.allclose(*both, rtol=tolerance, atol=tolerance)


def gradients(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    """Compute the gradient of a loss for each input, 0 where none reaches it."""
    attached = loss + 0 * sum(x.sum() for x in inputs)  # to each of them, so that there is a way back
    return torch.autograd.grad(attached, inputs)


class Draw(torch.Generator):
    """Random inputs, from a seed of their own."""

    def logits(self, rows: int, classes: int) -> Tensor:
        """Draw float32 [rows, classes], each row with one clear first."""
        logits = torch.randn(rows, classes, generator=self)
        return logits.scatter_add(1, logits.argmax(1, keepdim=True), torch.ones(rows, 1))

    def labels(self, rows: int, classes: int) -> Tensor:
        """Draw int64 [rows], from 0 to classes - 1."""
        return torch.randint(classes, (rows,), generator=self)

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 of this shape, from 0 to 1."""
        return torch.rand(shape, generator=self)

    def number(self, low: float, high: float) -> float:
        """Draw a number between the two, with two digits behind the point."""
        return round(low + (high - low) * self.uniform().item(), 2)


def judge(exercise: Exercise, answer: object, seed: int | None = None) -> Verdict:
    """Judge an answer. seed: of the inputs; a fresh one where None."""
    if answer is ...:
        return Verdict(exercise, NOT_ATTEMPTED, EVERY["untouched"])
    if not callable(answer):
        return Verdict(exercise, ERROR, f"{exercise.name} must be a function; it is {in_words(answer)}.")
    seed = torch.Generator().seed() % 1_000_000 if seed is None else seed
    _, _, *names = inspect.signature(exercise.cases).parameters
    sizes = TABLE["sizes"][", ".join(names)] if names else [()]
    watched, draw = Answer(answer, exercise), Draw().manual_seed(seed)
    with contained():
        torch.default_generator.manual_seed(seed)
        try:
            cases = (case for size in sizes for case in exercise.cases(watched, draw, *size))
            failed = within(SECONDS, lambda: next((c for c in cases if not torch.as_tensor(c.holds).all()), None))
            if failed:
                words = TABLE[exercise.name][failed.key].format(**failed.values)
                return Verdict(exercise, WRONG, words, *watched.calls_of(failed.seen), seed)
            return Verdict(exercise, RIGHT, exercise.also)
        except Stopped as stopped:
            kind, words = stopped.args
        except TookTooLong as error:
            kind, words = TOO_LONG, line_of(error, answer) + EVERY["in_time"].format(seconds=SECONDS)
        except Exception as error:  # the check's own lines stumble over what came back
            kind, words = WRONG, EVERY["computable"].format(error=named(error))
    return Verdict(exercise, kind, words, watched.inputs, watched.result, seed)
