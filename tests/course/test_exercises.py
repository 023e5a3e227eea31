"""Tests of every exercise with its bank of answers: right ones are accepted, wrong ones refused in words of their own.

    python tests/course/test_exercises.py      write docs/exercises.md, the matrix of all exercises
"""
import ast
import importlib
import inspect
import linecache
import math
import random
import time
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from equivalent import EQUIVALENT
from mutants import mutants
from torch import nn

from distill_course.exercises import Prediction, check, checking, every_exercise, find, watched
from distill_course.exercises.checking import judge
from distill_course.exercises.exercise import TABLE
from distill_course.exercises.verdict import ERROR, NOT_ATTEMPTED, RIGHT, WRONG
from distill_course.exercises.watched import in_words

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exercises.md"
EVERY = {exercise.name: (exercise, importlib.import_module(f"answers.{exercise.lesson.partition('_')[2]}"))
         for exercise in every_exercise()}


def made(code, name):
    """What a cell with this code defines under this name."""
    filename = f"<answer {hash(code)}>"
    linecache.cache[filename] = len(code), None, code.strip().splitlines(keepends=True), filename
    names = {"torch": torch, "F": F, "nn": nn, "math": math, "np": np}
    exec(compile(code.strip(), filename, "exec"), names)
    return names[name]


def spoilt(exercise, bank):
    """Answers that nobody should get through with, made from a right one: by what is wrong with them."""
    good, example = made(exercise.answer, exercise.name), eval(bank.EXAMPLE[exercise.name])

    def no_number(*inputs):
        return torch.as_tensor(good(*inputs)).float() * math.nan

    def in_place(*inputs):
        for tensor in [value for value in inputs if isinstance(value, torch.Tensor)][:1]:
            with torch.no_grad():
                tensor.add_(1)
        return good(*inputs)

    first = []

    def constant(*inputs):
        first.append(torch.as_tensor(good(*inputs))) if not first else None
        return first[0]

    def fails(*inputs):
        raise KeyError("nothing")

    return {"the visible example": lambda *inputs: example, "a constant": constant, "not a number": no_number,
            "its input changed": in_place, "an exception": fails, "nothing": lambda *inputs: None}


@pytest.mark.parametrize("name", EVERY)
def test_an_untouched_stub_is_not_attempted(name):
    exercise, _ = EVERY[name]
    assert judge(exercise, made(exercise.stub, name)).kind == judge(exercise, ...).kind == NOT_ATTEMPTED


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", EVERY)
def test_every_right_answer_is_accepted(name, seed):
    exercise, bank = EVERY[name]
    assert len(bank.RIGHT[name]) >= 2
    for code in [exercise.answer, *bank.RIGHT[name]]:
        verdict = judge(exercise, made(code, name), seed)
        assert verdict.kind == RIGHT, f"{code}\n{verdict}"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", EVERY)
def test_every_wrong_answer_is_refused_with_the_property_that_it_breaks(name, seed):
    exercise, bank = EVERY[name]
    assert len(bank.WRONG[name]) >= 5
    for code, words in bank.WRONG[name]:
        verdict = judge(exercise, made(code, name), seed)
        assert verdict.kind == WRONG and words in verdict.words, f"{code}\n{verdict}"


@pytest.mark.parametrize("name", EVERY)
def test_nobody_gets_through_without_an_answer(name):
    exercise, bank = EVERY[name]
    for what, answer in spoilt(exercise, bank).items():
        verdict = judge(exercise, answer, 0)
        assert verdict.kind == (ERROR if what == "an exception" else WRONG), f"{what}: {verdict}"


@pytest.mark.parametrize("name", EVERY)
def test_a_check_is_quick_and_leaves_random_states_alone(name):
    exercise, _ = EVERY[name]
    answer = made(exercise.answer, name)
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    started = time.process_time()
    judge(exercise, answer)
    assert time.process_time() - started < 1
    assert torch.equal(states[0], torch.random.get_rng_state()) and random.getstate() == states[2]
    assert np.array_equal(states[1], np.random.get_state()[1])


@pytest.mark.parametrize("name", EVERY)
def test_three_hints_begin_with_a_question_and_there_is_a_task(name):
    exercise, _ = EVERY[name]
    assert len(exercise.hints) == 3 and exercise.hints[0].endswith("?")
    assert exercise.task.strip() and f"def {name}(" in exercise.stub or f"class {name}" in exercise.stub


def cases_in(check):
    """The cases that a check makes: for each its key, and the names of values for its sentence."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(check))) if isinstance(node, ast.Call)]
    return {(call.args[0].value, *sorted(keyword.arg for keyword in call.keywords if keyword.arg != "tolerance"))
            for call in calls if getattr(call.func, "id", "") in ("Case", "same", "different")}


@pytest.mark.parametrize("name", EVERY)
def test_every_case_has_a_sentence_and_every_sentence_a_case(name):
    fields = {key: {field for _, field, *_ in Formatter().parse(words) if field} for key, words in TABLE[name].items()}
    assert cases_in(EVERY[name][0].cases) == {(key, *sorted(names)) for key, names in fields.items()}
    assert all(words.endswith(".") for words in TABLE[name].values())


def test_the_table_of_cases_has_the_exercises_and_the_sizes_that_checks_take():
    names = [", ".join([*inspect.signature(exercise.cases).parameters][2:]) for exercise in every_exercise()]
    assert {*names} - {""} == TABLE["sizes"].keys() and {"sizes", "every answer", *EVERY} == TABLE.keys()


def test_every_sentence_that_holds_of_every_answer_is_used():
    places = [node.slice for module in (checking, watched) for node in ast.walk(ast.parse(inspect.getsource(module)))
              if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "EVERY"]
    keys = [node.value for place in places for node in ast.walk(place) if isinstance(node, ast.Constant)]
    assert {*keys} - {None} == TABLE["every answer"].keys()


def test_an_error_is_shown_with_its_line():
    verdict = check(made("def soften(logits, temperature):\n    scaled = logits / t\n    return scaled", "soften"))
    assert verdict.kind == ERROR and "Line 2, `scaled = logits / t`: NameError" in str(verdict)
    assert "is not defined. Seen with" in str(verdict)
    assert "Seen with logits = [[" in str(verdict)


def test_a_wrong_answer_is_shown_with_the_smallest_input_and_without_the_answer():
    verdict = check(made("def soften(logits, temperature):\n    return logits.softmax(1)", "soften"))
    first, other = verdict.inputs.split("; and with ")  # one row, two classes, at two temperatures
    assert first.startswith("logits = [[") and first.count(",") == 4 and other.count(",") == 2
    assert "softmax(dim=1)" not in str(verdict) and "<details><summary>Hint 3" in verdict.html


def test_only_the_calls_that_show_a_mistake_are_shown():
    verdict = check(made("def alpha_at(step, steps, start, end):\n    return start + (end - start) * step / steps",
                         "alpha_at"))
    start, end = (float(verdict.inputs.split(f"{name} = ")[1].split(",")[0]) for name in ("start", "end"))
    assert "the last of 2 is step 1" in verdict.words and start < end and "; and with" not in verdict.inputs
    last = float(verdict.result.strip("[]").split(",")[1])
    assert last == pytest.approx((start + end) / 2, abs=6e-3)


def test_small_numbers_are_not_shown_as_0():
    assert in_words(torch.tensor([[1.2e-6, -3e-5]])) == "[[1.2e-06, -3e-05]]"
    assert in_words(torch.tensor([2.24249, 0.0001])) == "[2.242, 0.0]" and in_words(torch.zeros(2)) == "[0.0, 0.0]"


def test_the_solution_is_a_press_away_once_there_is_an_attempt_and_is_not_stored():
    exercise = find("soften")
    assert "widget-view" not in str(judge(exercise, made(exercise.stub, "soften"))._repr_mimebundle_())
    wrong = judge(exercise, lambda logits, temperature: logits)
    bundle, box = wrong._repr_mimebundle_(), wrong._box()
    assert exercise.answer not in str(bundle)
    box.children[1].click()
    assert "softmax(dim=1)" in box.children[2].value


def test_what_is_no_exercise_is_named():
    with pytest.raises(ValueError, match="name must be one of soften"):
        find("harden")
    assert check(3, "soften").kind == ERROR and check(..., "soften").kind == NOT_ATTEMPTED


def test_a_prediction_is_kept_and_set_against_what_came():
    guess = Prediction(40, "T does little.", "%")
    assert repr(guess) == "Noted: 40 %, because T does little."
    assert "47.5 %. That is 7.5 points too low. Your reason was: T does little. Does" in repr(guess.against(47.5))
    assert "measured: 70.1 %. That is 5.1 points too low." in repr(Prediction(65, unit="%").against(70.0512))
    assert "Your reason was: so. Does it" in repr(Prediction(65, "so", "%").against(70))
    with pytest.raises(ValueError, match="0 to 100 per cent"):
        Prediction(700, unit="%")
    assert "within what another seed does" in repr(guess.against(41, luck=2))
    assert repr(Prediction()).startswith("No guess yet") and "You made no guess" in repr(Prediction().against(3))
    with pytest.raises(ValueError, match="value must be a number"):
        Prediction("many")


def by_rule(name, seed=0):
    """The mutants of a model answer that do not compute the same: changed lines, and whether the check accepts them."""
    exercise, _ = EVERY[name]
    return [(lines, judge(exercise, made(code, name), seed).kind == RIGHT) for lines, code in mutants(exercise.answer)
            if lines not in EQUIVALENT.get(name, ())]


@pytest.mark.parametrize("name", EVERY)
def test_wrong_answers_by_rule_are_refused(name):
    answers = by_rule(name, seed=1)
    assert len(answers) >= 10
    assert [lines for lines, accepted in answers if accepted] == []


def test_what_is_called_equivalent_is_a_mutant():
    for name, reasons in EQUIVALENT.items():
        assert set(reasons) <= {lines for lines, _ in mutants(EVERY[name][0].answer)}


def matrix():
    """The page: how every exercise fares against its bank."""
    lines, caught, answers, refused, killed, made_by_rule = [], 0, 0, 0, 0, 0
    for name, (exercise, bank) in EVERY.items():
        right = [judge(exercise, made(code, name), 0).kind == RIGHT for code in [exercise.answer, *bank.RIGHT[name]]]
        wrong = [judge(exercise, made(code, name), 0) for code, _ in bank.WRONG[name]]
        bad = [judge(exercise, answer, 0).kind in (WRONG, ERROR) for answer in spoilt(exercise, bank).values()]
        rule = [survived for _, survived in by_rule(name)]
        stub = judge(exercise, made(exercise.stub, name)).kind
        own = len({verdict.words for verdict in wrong})
        refusals = sum(verdict.kind == WRONG for verdict in wrong)
        lines.append(f"| `{name}` | {stub} | {sum(right)} of {len(right)} | {refusals} of {len(wrong)} | {own} | "
                     f"{sum(bad)} of {len(bad)} | {rule.count(False)} of {len(rule)} |")
        caught += refusals + sum(bad)
        answers, refused = answers + len(wrong) + len(bad), refused + len(right) - sum(right)
        killed, made_by_rule = killed + rule.count(False), made_by_rule + len(rule)
    equal = sum(map(len, EQUIVALENT.values()))
    return f"""# The exercises and their checks

Each check is itself tested, with four kinds of answers: right ones, written in different ways; mistakes that people
make; answers that are none (the example copied, a constant, not a number, its input changed, an exception, nothing);
and answers by rule: the model answer with one piece of code replaced by another, such as `-` for `+`, `mean` for `sum`,
2 for 1, one input for the other, or nothing for a statement. `python tests/course/test_exercises.py` makes this page.
The tests fail where it is not up to date.

{caught} of {answers} wrong answers caught, {refused} right answers refused. {killed} of {made_by_rule} answers by rule
refused; {equal} further ones compute the same as the model answer, and stand with reasons in
`tests/course/equivalent.py`.

| exercise | untouched stub | right answers accepted | mistakes refused | different sentences | no answers refused | \
by rule |
|---|---|---|---|---|---|---|
""" + "\n".join(lines) + "\n"


def test_the_page_shows_the_matrix():
    assert matrix() == PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(matrix(), encoding="utf-8")


@pytest.mark.parametrize("because", [None, 5, "for a reason"])
def test_a_reason_of_any_kind_is_kept(because):
    assert ("Your reason was" in Prediction(3, because).against(2.0)) == (because is not None)


@pytest.mark.parametrize("result, words", [
    (10**400, "numbers that a tensor can hold"), (1j, "a tensor, not complex"), (torch.tensor(1j), "real numbers"),
    (np.array(1j), "real numbers"), (np.complex64(1j), "real numbers")])
@pytest.mark.parametrize("name", EVERY)
def test_whatever_comes_back_is_judged(name, result, words):
    verdict = judge(EVERY[name][0], lambda *inputs: result, seed=0)
    assert verdict.kind == WRONG and words in verdict.words


@pytest.mark.parametrize("name", EVERY)
def test_yes_and_no_are_judged(name):
    assert judge(EVERY[name][0], lambda *inputs: True, seed=0).kind == WRONG
