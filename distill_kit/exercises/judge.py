"""How an answer fares: called on fresh random inputs, watched, and judged by what it does.

Nothing of the learner's is changed: random states are as before, and inputs are the check's own.
"""
import copy
import inspect
import math
import random
import secrets
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from .record import Draw, Exercise
from .verdict import ERROR, NOT_ATTEMPTED, RIGHT, WRONG, Verdict


class Untouched(Exception):
    """The stub is as it was."""


class Broken(Exception):
    """A property that each result must have did not hold; its words."""


def judge(exercise: Exercise, answer: object, seed: int | None = None) -> Verdict:
    """The verdict on an answer. seed: of the inputs; a fresh one where None."""
    if answer is ...:
        return Verdict(exercise, NOT_ATTEMPTED)
    if not callable(answer):
        return Verdict(exercise, ERROR, f"{exercise.name} must be a function; it is {answer!r}.")
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    watched = Watched(answer)
    with random_states_kept():
        torch.default_generator.manual_seed(seed)
        try:
            for case in exercise.cases(watched, Draw(seed)):
                if not case.holds:
                    return Verdict(exercise, WRONG, case.words, *watched.seen(case.seen), seed)
        except Untouched:
            return Verdict(exercise, NOT_ATTEMPTED)
        except Broken as broken:
            return Verdict(exercise, WRONG, str(broken), watched.inputs, watched.result, seed)
        except Exception as error:
            if not watched.at_work:
                raise  # the check's own fault, and not the learner's
            return Verdict(exercise, ERROR, sentence_of(error, answer), watched.inputs, seed=seed)
    return Verdict(exercise, RIGHT, exercise.also)


class Watched:
    """An answer that is looked at while it is called: `shape` is the shape that the result must have."""

    def __init__(self, answer: Callable):
        self.answer, self.inputs, self.result, self.at_work = answer, "", "", False
        self.calls: list[tuple[object, str, str]] = []  # what came back, and both in words

    def __call__(self, *inputs, shape: tuple[int, ...] | None = None):
        before = copy.deepcopy(inputs)
        self.inputs, self.result = described(self.answer, before), ""
        self.at_work = True
        result = self.answer(*inputs)
        self.at_work = False
        self.result = in_words(result)
        if result is ...:
            raise Untouched
        if result is None:
            raise Broken("It returns something. Is there a `return`?")
        if not all(map(unchanged, before, inputs)):
            raise Broken("What it is given stays as it is. An operation whose name ends in `_` changes it in "
                         "place, and so does an assignment to a part of it, as in `x[0] = 1`.")
        if shape is None:
            self.calls.append((result, self.inputs, self.result))
            return result
        if not isinstance(result, Tensor | float | int | np.number | np.ndarray):
            raise Broken(f"It returns a tensor, not {type(result).__name__}.")
        result = torch.as_tensor(result)
        if tuple(result.shape) != shape:
            wanted = f"a tensor of shape {list(shape)}" if shape else "one number (a tensor of shape [])"
            raise Broken(f"It returns {wanted} here; this one has the shape {list(result.shape)}.")
        if not torch.isfinite(result).all():
            raise Broken("From finite inputs it makes finite numbers.")
        self.calls.append((result, self.inputs, self.result))
        return result

    def seen(self, results: tuple) -> tuple[str, str]:
        """Inputs and result, in words, of the calls that gave these results; of the last call where there are none."""
        found = [(inputs, words) for result, inputs, words in self.calls if any(result is one for one in results)]
        *before, (inputs, words) = found[-len(results):] if found else [(self.inputs, self.result)]
        return "".join(f"{earlier}, which gave {came}; and with " for earlier, came in before) + inputs, words


def unchanged(before: object, after: object) -> bool:
    if isinstance(before, Tensor):
        return torch.equal(before, after)
    if isinstance(before, nn.Module):
        return before.training == after.training and all(map(torch.equal, before.state_dict().values(),
                                                             after.state_dict().values()))
    return True


@contextmanager
def random_states_kept() -> Iterator[None]:
    kept = torch.random.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.random.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])


def described(answer: Callable, inputs: tuple) -> str:
    """"logits = [[0.3, -1.2]], temperature = 2.0"."""
    try:
        names = list(inspect.signature(answer).parameters)
    except (TypeError, ValueError):
        names = []
    names += [f"input {place + 1}" for place in range(len(names), len(inputs))]
    return ", ".join(f"{name} = {in_words(value)}" for name, value in zip(names, inputs))


def in_words(value: object) -> str:
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


def sentence_of(error: Exception, answer: Callable) -> str:
    """"Line 3, `x = logits / t`: NameError: name 't' is not defined"."""
    code = getattr(answer, "__code__", None) or getattr(getattr(answer, "forward", None), "__code__", None)
    own = [frame for frame in traceback.extract_tb(error.__traceback__)
           if code is not None and frame.filename == code.co_filename]
    place = f"Line {own[-1].lineno}, `{own[-1].line}`: " if own else ""
    return f"{place}{type(error).__name__}: {error}"
