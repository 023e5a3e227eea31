"""An answer, watched while it is called: what no answer may do or return, whatever its exercise."""
import copy
import inspect
import linecache
import re
import traceback
from collections.abc import Callable, Sequence
from types import CodeType

import numpy as np
import torch
from torch import Tensor, nn

from .exercise import EVERY, Exercise
from .limits import TookTooLong, settings
from .verdict import ERROR, NOT_ATTEMPTED, WRONG

DOTS = re.compile(r"(return|=|else|lambda[^:]*:)\s*\.\.\.")


class Stopped(Exception):
    """The verdict is known. Its arguments: the kind, and words."""


class Answer:
    """The learner's function, watched while it is called. shape: what each result must have; () is one number."""

    def __init__(self, function: Callable, exercise: Exercise):
        self.function, self.exercise, self.shape, self.inputs, self.result = function, exercise, (), "", ""
        self.calls: list[tuple[Tensor, str, str]] = []  # what came back, and both sides in words

    def __call__(self, *inputs, shape: tuple[int, ...] | None = None) -> Tensor:
        """Call it; shape: of this result only. Raises Stopped where the verdict is clear."""
        given, set_before, shape = copy.deepcopy(inputs), settings(), self.shape if shape is None else shape
        self.inputs, self.result = self.described(given), ""
        try:
            result = self.function(*inputs)
        except BaseException as error:  # SystemExit as well
            line = line_of(error, self.function)
            if isinstance(error, TookTooLong) or isinstance(error, KeyboardInterrupt) and "raise" not in line:
                raise  # from outside
            raise Stopped(ERROR, line + named(error)) from error
        self.result = in_words(result)
        if settings() != set_before:
            raise Stopped(WRONG, EVERY["settings_stay"])
        if words := "".join(map(changed, given, inputs)):
            raise Stopped(WRONG, EVERY["inputs_stay"].format(how=words))
        result = self.numbers(result)
        if tuple(result.shape) != shape:
            wanted = f"a tensor of shape {list(shape)}" if shape else "one number (a tensor of shape [])"
            raise Stopped(WRONG, EVERY["shape"].format(wanted=wanted, shape=list(result.shape)))
        if not torch.isfinite(result).all():
            raise Stopped(WRONG, EVERY["finite"])
        self.calls.append((result, self.inputs, self.result))
        return result

    def numbers(self, result: object) -> Tensor:
        """Make an ordinary tensor of what came back. Raises Stopped where that cannot be done."""
        if result is ...:
            raise Stopped(*self.dots())
        if not isinstance(result, Tensor | float | int | np.number | np.ndarray):
            words = EVERY["something" if result is None else "tensor"]
            raise Stopped(WRONG, words.format(kind=type(result).__name__))
        try:
            result = torch.as_tensor(result.copy() if isinstance(result, np.ndarray) else result).as_subclass(Tensor)
        except Exception as error:
            raise Stopped(WRONG, EVERY["numbers"]) from error
        if result.dtype is torch.bool or result.is_complex() or result.device.type != "cpu":
            raise Stopped(WRONG, EVERY["real"].format(dtype=result.dtype, device=result.device))
        return result

    def dots(self) -> tuple[str, str]:
        """Return the kind and words where `...` came back: from a stub that nobody touched, or from an open branch."""
        code, stubs = code_of(self.function), [self.exercise.stub, f"import torch\n{self.exercise.stub}"]  # two codes
        untouched = [part.co_code for stub in stubs for part in compile(stub, "stub", "exec").co_consts
                     if inspect.iscode(part)]
        if code is None or code.co_code in untouched:
            return NOT_ATTEMPTED, EVERY["untouched"]
        lines = enumerate(linecache.getlines(code.co_filename)[code.co_firstlineno - 1:], code.co_firstlineno)
        place = next((f", in line {number}, `{line.strip()}`" for number, line in lines if DOTS.search(line)), "")
        return WRONG, EVERY["no_dots"].format(place=place)

    def described(self, inputs: tuple) -> str:
        """Describe inputs: "logits = [[0.3, -1.2]], temperature = 2.0"."""
        code, names = code_of(self.function), re.findall(r"\w+", self.exercise.stub.partition("(")[2].partition(")")[0])
        own = code.co_varnames[:code.co_argcount] if code else ()
        return ", ".join(f"{name} = {in_words(value)}" for name, value in zip([*own, *names[len(own):]], inputs))

    def calls_of(self, results: Sequence) -> tuple[str, str]:
        """Describe the calls that gave these results, or the last call where there are none: inputs and result."""
        shown = [words for result, *words in self.calls if id(result) in map(id, results)]
        *before, (inputs, words) = shown or [(self.inputs, self.result)]
        return "".join(f"{earlier}, which gave {came}; and with " for earlier, came in before) + inputs, words


def changed(before: object, after: object) -> str:
    """Say what happened to something that an answer was given; nothing where it is as it was. A mode may change."""
    if isinstance(before, nn.Module):
        weights = (module.state_dict().values() for module in (before, after))
        same = repr(before) == repr(after) and not any(map(changed, *weights))
        return "" if same else EVERY["module"]
    if not isinstance(before, Tensor):
        return ""
    if after.grad is not None or before.requires_grad != after.requires_grad:
        return EVERY["gradient"]
    return "" if before.dtype == after.dtype and torch.equal(before, after) else EVERY["numbers_in_place"]


def code_of(function: Callable) -> CodeType | None:
    """Return the code of a function, below its decorators; None of what has none."""
    return getattr(inspect.unwrap(function), "__code__", None)


def in_words(value: object) -> str:
    """Write a value as a learner is shown it; a large tensor by its shape, a module by its layers."""
    try:
        if isinstance(value, Tensor | np.ndarray):
            return numbers_in_words(torch.as_tensor(value).detach())
        if isinstance(value, nn.Module):
            return f"a {type(value).__name__} of {', '.join(type(layer).__name__ for layer in value.children())}"
        words = f"{value:.4g}" if isinstance(value, float) else repr(value)
    except Exception:  # whatever came back
        words = "<"
    return f"a {type(value).__name__}" if words.startswith("<") else words[:60]


def numbers_in_words(value: Tensor) -> str:
    """Write a small tensor with its numbers."""
    if value.numel() > 12:
        return f"a tensor of shape {list(value.shape)}"
    if not value.is_floating_point():
        return str(value.tolist())
    largest = value[value.isfinite()].abs().amax().item() if value.isfinite().any() else 0.0
    digits = 3 if largest >= 0.01 or not largest else 3 - int(np.floor(np.log10(largest)))  # never all of them 0
    return str(np.round(value.double().numpy(), digits).tolist())


def line_of(error: BaseException, function: Callable) -> str:
    """Name the line of a function in which an error came up: "Line 3, `x = logits / t`: "."""
    code = code_of(function)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if code and frame.filename == code.co_filename]
    return f"Line {own[-1].lineno}{f', `{own[-1].line}`' if own[-1].line else ''}: " if own else ""


def named(error: BaseException) -> str:
    """Write an error, even one whose words fail: "NameError: name 't' is not defined"."""
    try:
        return f"{type(error).__name__}: {error}"[:300].rstrip(": ")
    except Exception:
        return type(error).__name__
