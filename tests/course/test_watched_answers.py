"""Tests of what an answer may do while it is checked, and return: whatever it is, there is a verdict, and soon."""
import _thread
import functools
import math
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from test_exercises import EVERY, made
from torch import nn

from distill_course.exercises import check, checking, find
from distill_course.exercises.checking import judge
from distill_course.exercises.limits import LINES, SECONDS, TookTooLong, within
from distill_course.exercises.verdict import ERROR, NOT_ATTEMPTED, RIGHT, TOO_LONG, WRONG
from distill_course.exercises.watched import in_words

SOFTEN, LOSS = "def soften(z, t):\n    ", "def soft_loss(s, t, T):\n    "
GOOD = "return (z / t).softmax(1)"
KL = "T * T * F.kl_div((s / T).log_softmax(1), (t / T).softmax(1).detach(), reduction='batchmean')"
ASK = ("def ask(teacher, images):\n    {}\n    output = teacher.eval()(images)\n"
       "    return getattr(output, 'logits', output)")


def verdict_of(code, name="soften", seed=0):
    return judge(find(name), made(code, name), seed)


@pytest.fixture
def little_time(monkeypatch):
    monkeypatch.setattr(checking, "SECONDS", 0.3)


@pytest.mark.parametrize("body", [
    "while True:\n        pass", "while True:\n        try:\n            z = z + 0\n        except:\n            pass",
    "while True:\n        try:\n            z = z.exp()\n        except Exception:\n            continue",
    "def forever():\n        return forever2()\n    def forever2():\n        while 1: z + 1\n    return forever()",
    "while True:\n        print(z)", "while True:\n        __import__('time').sleep(0.01)",
    "for k in __import__('itertools').count():\n        z = z * 1"])
def test_an_answer_without_an_end_is_stopped(body, little_time, capsys):
    started = time.monotonic()
    verdict = verdict_of(SOFTEN + body)
    assert verdict.kind == TOO_LONG and "stopped after 0.3 seconds" in str(verdict) and "Line " in verdict.words
    assert "z = [[" in verdict.inputs and time.monotonic() - started < 10 and SECONDS <= 5


def test_an_answer_without_an_end_is_stopped_in_any_thread(little_time):
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(verdict_of(SOFTEN + "while True:\n        pass")))
    thread.start()
    thread.join(10)
    assert verdicts[0].kind == TOO_LONG


def test_a_slow_right_answer_takes_too_long_and_is_not_called_wrong(little_time):
    verdict = verdict_of(SOFTEN + "__import__('time').sleep(0.1)\n    " + GOOD)
    assert verdict.kind == TOO_LONG and "takes too long" in str(verdict) and "quicker way" in str(verdict)


def test_a_time_limit_ends_with_the_work():
    threads, late = _thread._count(), 0
    for _ in range(100):
        try:
            assert within(0.01, lambda: sum(range(400_000)) and 3) == 3  # about as long as the limit
        except TookTooLong:
            late += 1
    for _ in range(100_000):
        pass  # nothing comes afterwards
    assert _thread._count() == threads and late < 100


@pytest.mark.parametrize("body, words", [
    ("exit()", "SystemExit"), ("quit(3)", "SystemExit"), ("__import__('sys').exit('bye')", "SystemExit: bye"),
    ("raise SystemExit", "SystemExit"), ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ("raise GeneratorExit", "GeneratorExit"), ("next(iter([]))", "StopIteration"), ("input()", "EOFError"),
    ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd"), ("soften(z, t)", "RecursionError"),
    ("raise ValueError('x' * 10_000)", "ValueError: xxx")])
def test_whatever_an_answer_raises_is_an_error_in_its_line(body, words):
    stdin = sys.stdin
    verdict = verdict_of(SOFTEN + body)
    assert verdict.kind == ERROR and words in verdict.words and f"Line 2, `{body}`: " in verdict.words
    assert len(str(verdict)) < 700 and sys.stdin is stdin


def test_the_learner_can_interrupt():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    timer = threading.Timer(0.2, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        verdict_of(SOFTEN + "while True:\n        pass")
    timer.join()
    signal.signal(signal.SIGINT, before)


def test_a_flood_of_printed_lines_is_cut(capsys):
    both = "print('line', *range(20)); print('x' * 9, file=__import__('sys').stderr)"
    assert verdict_of(SOFTEN + f"for k in range(50):\n        {both}\n    " + GOOD).kind == RIGHT
    for text in capsys.readouterr():
        assert text.count("\n") == LINES + 2 and "more lines" in text and "980" in text
    assert verdict_of(SOFTEN + "print('few')\n    " + GOOD.replace("(1)", "(0)")).kind == WRONG
    assert set(capsys.readouterr().out.splitlines()) == {"few"}
    verdict_of(SOFTEN + "print('x' * 100_000)\n    " + GOOD)
    assert len(capsys.readouterr().out) < 3_000


def test_a_warning_is_shown_once():
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        assert verdict_of(SOFTEN + "__import__('warnings').warn('careful')\n    " + GOOD).kind == RIGHT
    assert [str(warning.message) for warning in shown] == ["careful"]


@pytest.mark.parametrize("call", [
    "torch.set_grad_enabled(False)", "torch.set_default_dtype(torch.float64)", "torch.set_num_threads(3)",
    "torch.set_deterministic_debug_mode('warn')", "torch.no_grad().__enter__()"])
def test_an_answer_that_leaves_torch_set_otherwise_is_refused_and_torch_put_back(call):
    settings = (torch.is_grad_enabled, torch.get_default_dtype, torch.get_num_threads,
                torch.get_deterministic_debug_mode)
    before, state = [get() for get in settings], torch.random.get_rng_state()
    verdict = verdict_of(SOFTEN + f"torch.manual_seed(1)\n    {call}\n    " + GOOD)
    assert verdict.kind == WRONG and "torch stays set as it was" in verdict.words
    assert [get() for get in settings] == before and torch.equal(state, torch.random.get_rng_state())


class Own(torch.Tensor):
    """A subclass of which nothing can be computed."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), keywords=None):
        raise NotImplementedError(function.__name__)


class Silent:
    """A result that cannot be shown."""

    def __repr__(self):
        raise RuntimeError


MASK = torch.tensor([True, False])
ODD = {
    "objects": np.array([object(), None]), "strings": np.array(["a"]), "dates": np.array(["2020-01-01"], "M8[D]"),
    "records": np.zeros(2, [("a", int)]), "masked": np.ma.masked_array([1.0, 2.0], [True, False]),
    "float16": torch.ones(2).half(), "float8": torch.ones(2).to(torch.float8_e4m3fn), "bool": MASK,
    "uint16": torch.ones(2).to(torch.uint16), "uint64": torch.ones(2).to(torch.uint64),
    "np.uint64": np.ones(2, np.uint64), "uint32 scalar": torch.tensor(1).to(torch.uint32),
    "longdouble": np.ones(2, np.longdouble), "big-endian": np.ones(2, ">f4"), "np.bool": np.bool_(True),
    "sparse": torch.eye(2).to_sparse(), "csr": torch.eye(2).to_sparse_csr(), "empty": torch.empty(0),
    "nested": torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]), "meta": torch.empty(2, device="meta"),
    "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
    "subclass": torch.ones(2).as_subclass(Own),
    "parameter": nn.Parameter(torch.ones(2)), "grad": torch.ones(2, requires_grad=True).exp(), "list": [torch.ones(2)],
    "tuple": (torch.ones(1), torch.ones(1)), "dict": {}, "module": nn.Linear(1, 1), "class": Silent, "silent": Silent(),
    "function": len, "generator": (k for k in range(3)), "text": "0.5", "bytes": b"1", "huge": 10**400, "nan": math.nan,
    "infinite": np.inf, "inference": torch.inference_mode()(torch.ones)(2), "long": torch.ones(2**16).tolist(),
    "not implemented": NotImplemented, "number": 3, "scalar": torch.tensor(1.0),
    "complex": torch.tensor(1j), "cycle": [], "view": np.arange(6.0)[::-2]}
ODD["cycle"].append(ODD["cycle"])


@pytest.mark.parametrize("name", EVERY)
def test_whatever_an_answer_returns_there_is_a_verdict(name):
    for what, result in ODD.items():
        verdict = judge(EVERY[name][0], lambda *inputs, result=result: result, seed=0)
        assert verdict.kind == WRONG and len(str(verdict)) < 1500, f"{what}: {verdict}"


@pytest.mark.parametrize("name", EVERY)
def test_a_right_answer_of_an_odd_type_has_a_verdict(name):
    exercise = EVERY[name][0]
    good = made(exercise.answer, name)
    types = [torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.uint16, torch.complex64, torch.int8]
    makes = [functools.partial(torch.Tensor.to, dtype=dtype) for dtype in types] + [
        nn.Parameter, torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.to_sparse, lambda x: x.as_subclass(Own),
        lambda x: x.to("meta"), lambda x: x.requires_grad_()]
    for make in makes:
        verdict = judge(exercise, lambda *inputs, make=make: make(torch.as_tensor(good(*inputs))), seed=0)
        assert verdict.kind in (RIGHT, WRONG, ERROR)


@pytest.mark.parametrize("line, words", [
    ("t.detach_()", "keeps its `requires_grad`"), ("t.requires_grad_(False)", "keeps its `requires_grad`"),
    ("s.requires_grad_()", "keeps its `requires_grad`"), (f"s.requires_grad and ({KL}).backward()", "gets no gradient"),
    ("s.requires_grad and (s * 2).sum().backward()", "gets no gradient"), ("del s.grad", ""),
    ("s.data = s.data.double()", "stays as it is"), ("s.requires_grad or s.t_()", "stays as it is")])
def test_inputs_keep_numbers_types_and_gradients(line, words):
    verdict = verdict_of(LOSS + f"loss = {KL}\n    {line}\n    return loss", "soft_loss")
    assert verdict.kind == (WRONG if words else RIGHT) and words in verdict.words


def test_a_graph_that_was_used_up_is_no_traceback():
    used_up = "s.requires_grad and torch.autograd.grad(loss, s)"
    verdict = verdict_of(LOSS + f"loss = {KL}\n    {used_up}\n    return loss", "soft_loss")
    assert verdict.kind == WRONG and "backward through the graph a second time" in verdict.words


@pytest.mark.parametrize("line", [
    "teacher.half()", "teacher.double()", "del teacher[3]", "teacher[3] = nn.Identity()", "del teacher._parameters",
    "teacher[1].weight.data.mul_(2)", "teacher[1].weight = None", "del teacher[1].bias", "teacher.to('meta')",
    "teacher.forward = None", "teacher.__dict__.clear()", "teacher.add_module('more', nn.ReLU())"])
def test_modules_stay_as_they_are(line):
    assert verdict_of(ASK.format(line), "ask").kind in (WRONG, ERROR)


@pytest.mark.parametrize("name", ["isclose", "isfinite", "as_tensor", "equal", "softmax"])
def test_a_replaced_function_of_torch_is_no_traceback(name, monkeypatch):
    monkeypatch.setattr(torch, name, getattr(torch, name))
    assert verdict_of(SOFTEN + f"torch.{name} = None\n    return torch.exp(z)").kind in (WRONG, ERROR)


@pytest.mark.parametrize("name", [["a"], {}, 3, torch.ones(2), "Soften", "soften ", b"soften", ("soften",)])
def test_a_name_of_any_kind_is_answered_in_a_sentence(name):
    with pytest.raises(ValueError, match="name must be one of soften"):
        check(lambda z, t: z, name)


@pytest.mark.parametrize("answer", [3, "x" * 10**6, torch.zeros(10**5), [..., ...], nn.Linear, Silent(), None])
def test_what_is_no_function_is_answered_in_a_sentence(answer):
    assert check(answer, "soften").kind == ERROR and len(str(check(answer, "soften"))) < 500


def test_dots_that_are_left_are_named_with_their_line():
    verdict = verdict_of(SOFTEN + "if len(z) > 1:\n        return ...\n    " + GOOD)
    assert verdict.kind == WRONG and "left, in line 3, `return ...`." in verdict.words
    verdict = verdict_of("def learning_rate_at(step, *rest):\n    '''0, 1, ...'''\n    rate = ...\n    return rate",
                         "learning_rate_at")
    assert verdict.kind == WRONG and "line 3, `rate = ...`" in verdict.words
    assert verdict_of(SOFTEN + "return ...").kind == NOT_ATTEMPTED
    cell = f"import torch\n{find('false_labels').stub}"  # other code for Python, whose compiler looks at imports
    assert verdict_of(cell, "false_labels").kind == NOT_ATTEMPTED


def test_inputs_have_the_names_of_the_task_where_an_answer_gives_none():
    def refused(function):
        return lambda *inputs: function(*inputs)
    for name, begins in (("soften", "logits = [["), ("ask", "teacher = a Sequential of Flatten, Linear, ReLU, ")):
        verdict = judge(find(name), refused(lambda *inputs: None), 0)
        assert verdict.inputs.startswith(begins) and "input 2" not in verdict.inputs
    assert in_words(torch.Generator()) == "a Generator" and in_words(nn.Sequential(nn.ReLU())) == "a Sequential of ReLU"
    assert in_words(k for k in ()) == "a generator" and in_words(Silent()) == "a Silent"
