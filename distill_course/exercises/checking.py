"""How an answer is judged: it is called on fresh random inputs, watched, and judged by what it does.

A check is a generator function with the name of its exercise: `soften_cases(answer, draw)`. Its docstring says what a
right answer computes. It calls the answer on inputs of its own and yields a Case for each property. torch's global
random state stays as it was.
"""
import copy
import inspect
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .exercise import Exercise
from .verdict import ERROR, NOT_ATTEMPTED, RIGHT, WRONG, Verdict

SIZES = ((1, 2), (1, 3), (2, 3), (5, 10))  # rows and classes of the inputs: the smallest that fails is shown


class Case(NamedTuple):
    """One property: a sentence that is true of every right answer, and whether it held."""
    words: str
    holds: bool | Tensor  # of a tensor all must hold
    seen: Sequence = ()   # results that show it, as the answer returned them; where there are none, the last call shows


Cases = Iterator[Case]


def same(words: str, result, other, *seen, tolerance: float = 1e-4) -> Case:
    """Make a case that holds where two results are equal. seen: further results that show it."""
    return Case(words, close(result, other, tolerance), (result, other, *seen))


def different(words: str, result, other) -> Case:
    """Make a case that holds where two results are not equal."""
    return Case(words, not close(result, other), (result, other))


def close(result, other, tolerance: float = 1e-4) -> bool:
    """Say whether two results are equal but for rounding."""
    result, other = torch.as_tensor(result).double(), torch.as_tensor(other).double()
    return bool(torch.isclose(result, other, rtol=tolerance, atol=tolerance).all())


class Draw:
    """Random inputs, from a seed of their own."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)

    def logits(self, rows: int, classes: int) -> Tensor:
        """Draw float32 [rows, classes], each row with one clear first."""
        logits = torch.randn(rows, classes, generator=self.generator)
        first = torch.randint(classes, (rows, 1), generator=self.generator)
        return logits.scatter_add(1, first, torch.full((rows, 1), 2.0))

    def labels(self, rows: int, classes: int) -> Tensor:
        """Draw int64 [rows], from 0 to classes - 1."""
        return torch.randint(classes, (rows,), generator=self.generator)

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 of this shape, from 0 to 1."""
        return torch.rand(shape, generator=self.generator)

    def number(self, low: float, high: float) -> float:
        """Draw a number between the two, with two digits behind the point."""
        return round(low + (high - low) * self.uniform().item(), 2)


class Untouched(Exception):
    """The stub is as it was."""


class Broken(Exception):
    """A property that every result must have did not hold; its words."""


def judge(exercise: Exercise, answer: object, seed: int | None = None) -> Verdict:
    """Judge an answer. seed: of the inputs; a fresh one where None."""
    if not callable(answer):
        kind = NOT_ATTEMPTED if answer is ... else ERROR
        return Verdict(exercise, kind, f"{exercise.name} must be a function; it is {answer!r}.")
    seed = torch.Generator().seed() % 1_000_000 if seed is None else seed
    watched = Answer(answer)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            for case in exercise.cases(watched, Draw(seed)):
                if not torch.as_tensor(case.holds).all():
                    return Verdict(exercise, WRONG, case.words, *watched.calls_of(case.seen), seed)
        except Untouched:
            return Verdict(exercise, NOT_ATTEMPTED)
        except Broken as broken:
            return Verdict(exercise, WRONG, str(broken), watched.inputs, watched.result, seed)
        except Exception as error:
            if not watched.at_work:
                raise  # the check's own fault, and not the learner's
            return Verdict(exercise, ERROR, sentence_of(error, answer), watched.inputs, seed=seed)
    return Verdict(exercise, RIGHT, exercise.also)


class Answer:
    """The learner's function, watched while it is called. shape: what each result must have; () is one number."""

    def __init__(self, function: Callable):
        self.function, self.shape, self.inputs, self.result, self.at_work = function, (), "", "", False
        self.calls: list[tuple[Tensor, str, str]] = []  # what came back, and both sides in words

    def __call__(self, *inputs, shape: tuple[int, ...] | None = None) -> Tensor:
        """Call it; shape: of this result only."""
        before, shape = copy.deepcopy(inputs), self.shape if shape is None else shape
        self.inputs, self.result, self.at_work = described(self.function, before), "", True
        result = self.function(*inputs)
        self.result, self.at_work = in_words(result), False
        if result is ...:
            raise Untouched
        if result is None:
            raise Broken("It returns something. Is there a `return`?")
        if not all(torch.equal(*pair) for pair in zip(before, inputs) if isinstance(pair[0], Tensor)):
            raise Broken("What it is given stays as it is. An operation whose name ends in `_` changes it in "
                         "place, and so does an assignment to a part of it, as in `x[0] = 1`.")
        if not isinstance(result, Tensor | float | int | np.number | np.ndarray):
            raise Broken(f"It returns a tensor, not {type(result).__name__}.")
        try:
            result = torch.as_tensor(result)
        except (OverflowError, TypeError, ValueError) as error:
            raise Broken("It returns numbers that a tensor can hold.") from error
        if result.is_complex():
            raise Broken("It returns real numbers.")
        if tuple(result.shape) != shape:
            wanted = f"a tensor of shape {list(shape)}" if shape else "one number (a tensor of shape [])"
            raise Broken(f"It returns {wanted} here; this one has the shape {list(result.shape)}.")
        if not torch.isfinite(result).all():
            raise Broken("From finite inputs it makes finite numbers.")
        self.calls.append((result, self.inputs, self.result))
        return result

    def calls_of(self, results: Sequence) -> tuple[str, str]:
        """Describe the calls that gave these results, or the last call where there are none: inputs and result."""
        returned = {id(result) for result, *_ in self.calls}
        wanted = [id(result) for result in results if id(result) in returned]
        shown = [words for result, *words in self.calls if id(result) in wanted][-len(wanted):]
        *before, (inputs, words) = shown or [(self.inputs, self.result)]
        return "".join(f"{earlier}, which gave {came}; and with " for earlier, came in before) + inputs, words


def described(function: Callable, inputs: tuple) -> str:
    """Describe inputs: "logits = [[0.3, -1.2]], temperature = 2.0"."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    names = list(code.co_varnames[:code.co_argcount]) if code else []
    names += [f"input {place + 1}" for place in range(len(names), len(inputs))]
    return ", ".join(f"{name} = {in_words(value)}" for name, value in zip(names, inputs))


def in_words(value: object) -> str:
    """Write a value as a learner is shown it; a large tensor by its shape."""
    if isinstance(value, Tensor | np.ndarray):
        value = torch.as_tensor(value).detach()
        if value.numel() > 12:
            return f"a tensor of shape {list(value.shape)}"
        if not value.is_floating_point():
            return str(value.tolist())
        largest = value[value.isfinite()].abs().amax().item() if value.isfinite().any() else 0.0
        digits = 3 if largest >= 0.01 or not largest else 3 - math.floor(math.log10(largest))  # never all of them 0
        return str(np.round(value.double().numpy(), digits).tolist())
    if isinstance(value, nn.Module):
        return f"a {type(value).__name__}"
    return f"{value:.4g}" if isinstance(value, float) else repr(value)[:60]


def sentence_of(error: Exception, function: Callable) -> str:
    """Describe an error with its line: "Line 3, `x = logits / t`: NameError: name 't' is not defined"."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    place = f"Line {own[-1].lineno}{f', `{own[-1].line}`' if own[-1].line else ''}: " if own else ""
    return f"{place}{type(error).__name__}: {error}"
