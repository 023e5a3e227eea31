"""The command line under options that nobody should type: an answer, or one line that says what is wrong."""
import io
import json
import math
import subprocess
import sys

import pytest
from hostile import ODD_NUMBERS, answered_or_refused, command, inputs
from hypothesis import given
from hypothesis import strategies as st
from small_commands import DATASET

from distill_course import teacher_training
from distill_course.commands import bench, doctor
from distill_kit.__main__ import main
from distill_kit.models import Architecture
from distill_kit.run import Run

RECIPE = teacher_training.TeacherRecipe(Architecture((4,), 1, 1, "max", 4, 16), epochs=1, batch_size=20)
SMALL = {"--images": "40", "--epochs": "1", "--batch-size": "20", "--student": "tiniest", "--device": "cpu",
         "--precision": "float32"}
WHOLE = ("--images", "--epochs", "--batch-size", "--labelled", "--seed", "--data-seed", "--threads")
REAL = ("--temperature", "--final-temperature", "--alpha", "--final-alpha", "--learning-rate", "--label-noise")
ODD_TEXTS = ("", " ", "nowhere", "auto", "cpu", "cuda:99", "linear", "red", "dead_units", "gross", "\ud800", "<img>",
             "a\nb", "-", "--", "--json", "..", "/", "/dev/null", "x" * 300)
NAMES = ("--schedule", "--leave-out", "--student", "--device", "--precision", "--optimizer", "--fault",
         "--fault-strength", "--data", "--teacher", "--out", "--weights", "--help", "--nonsense", "--epoch")
right = st.sampled_from([("--alpha", "0.5"), ("--temperature", "2"), ("--seed", "7"), ("--label-noise", "0.25"),
                         ("--final-alpha", "1e-300"), ("--leave-out", "red"), ("--learning-rate", "1e300"),
                         ("--learning-rate", "1e-320"), ("--batch-size", str(2**63 - 1)), ("--schedule", "cosine")])
numbers = st.sampled_from([*ODD_NUMBERS, "1", "0.5", "2"])
option = st.one_of(right, right, st.tuples(st.sampled_from(WHOLE + REAL), numbers),
                   st.tuples(st.sampled_from(NAMES), st.sampled_from(ODD_TEXTS)))
commands = st.sampled_from(["distill", "distill", "distill", "teacher --train", "teacher --evaluate", "data", "doctor",
                            "faults", "diagnose", "bench", "", "distil"])


@pytest.fixture
def tiny_machine(little_machine, monkeypatch, tmp_path):
    """Tiny images, no process and no estimate of seconds; no more than three epochs are trained."""
    monkeypatch.setattr(teacher_training, "recipe_for", lambda dataset: RECIPE)
    monkeypatch.setattr(doctor, "slider_run_seconds", lambda *_: 5.5)
    monkeypatch.setattr(bench, "measure", lambda *_, **__: pytest.skip("more than refusals is not looked at"))
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    monkeypatch.chdir(tmp_path)


def is_refused_by_python(kind, text):
    try:
        return not math.isfinite(kind(text))
    except (ValueError, OverflowError):
        return True


@inputs(10)
@given(commands, st.lists(option, max_size=2))
def test_h4_a_command_answers_or_says_in_one_line_what_is_wrong(tiny_machine, name, options):
    words, options = name.split(), dict(options)
    if words[:1] == ["bench"]:
        options["--seeds"] = "0"
    if words[:1] == ["distill"]:
        options = {**SMALL, **options}
    if "--help" in options:
        assert command(*words, "--help")[0] in (0, 2)
        return
    given_options = [word for pair in options.items() for word in pair]
    for report in answered_or_refused("command line", *words, *given_options, "--json"):
        for option, text in options.items():
            kind = int if option in WHOLE else float
            if option in WHOLE + REAL and words[0] == "distill":
                assert not is_refused_by_python(kind, text)
                if "--fault" not in options:
                    assert report["settings"][option[2:].replace("-", "_")] == kind(text)


OF_TEACHER = {"--epochs": int, "--learning-rate": float, "--seed": int}
RANGES = {"--images": (1, 140), "--epochs": (1, 100_000), "--batch-size": (1, 2**63 - 1), "--labelled": (0, 40),
          "--seed": (0, 2**63 - 1), "--data-seed": (0, 2**63 - 1), "--temperature": (1e-3, 1e6), "--alpha": (0, 1),
          "--final-temperature": (1e-3, 1e6), "--final-alpha": (0, 1), "--label-noise": (0, 1)}


@pytest.mark.parametrize("option", WHOLE + REAL)
def test_h4_every_odd_number_of_distill_is_taken_as_what_it_is_or_refused_in_a_line(tiny_machine, monkeypatch, option):
    """Up to the first step, which is not taken: whatever comes so far has begun to train."""
    monkeypatch.setattr(Run, "rows", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("it trains")))
    for text in ODD_NUMBERS:
        kind = int if option in WHOLE else float
        options = {**SMALL, option: text}
        status, out, errors = command("distill", *[f"{name}={value}" for name, value in options.items()], "--json")
        line = errors.splitlines()[-1]
        low, high = RANGES.get(option, (0, math.inf))
        fits = not is_refused_by_python(kind, text) and low <= kind(text) <= high and (
            option != "--learning-rate" or kind(text) > 0) and (option != "--threads" or kind(text) == 1)
        assert (status, line == "distill_kit: it trains") == ((1, True) if fits else (2, False)), (text, line)
        assert line.startswith("distill_kit: ") and out == "" and "Traceback" not in errors
        assert fits or option[2:].replace("-", "_") in line or option in line, line


@pytest.mark.parametrize("option", OF_TEACHER)
def test_h4_every_odd_number_of_teacher_is_taken_as_what_it_is_or_refused_in_a_line(tiny_machine, monkeypatch, option):
    trained = []

    def train(dataset, recipe, *, seed, **_):
        trained.append({"--epochs": recipe.epochs, "--learning-rate": recipe.learning_rate, "--seed": seed}[option])
        raise RuntimeError("it trains")
    monkeypatch.setattr(teacher_training, "train_teacher", train)
    for text in ODD_NUMBERS:
        status, _, errors = command("teacher", "--train", f"{option}={text}", "--json")
        line, kind = errors.splitlines()[-1], OF_TEACHER[option]
        low, high = RANGES.get(option, (5e-324, math.inf))
        fits = not is_refused_by_python(kind, text) and low <= kind(text) <= high
        assert (status, line == "distill_kit: it trains") == ((1, True) if fits else (2, False)), (text, line)
        assert trained.pop() == kind(text) if fits else option[2:5] in line


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_a_console_that_lacks_letters_ends_no_command(tiny_machine, tmp_path, monkeypatch, encoding):
    file = tmp_path / "mine.jsonl"
    file.write_text('{"first_soft": 9, "first_temperature": 4, "train_teacher_entropy": 1, "classes": 10, '
                    '"val_acc\\u2028": 1, "val_acc\\ud800": 1}')
    for arguments in (["faults"], ["data"], ["diagnose", str(file)], ["distill", "--data", "\u2028\u00e9\ud800"]):
        written = io.BytesIO(), io.BytesIO()
        for name, raw in zip(("stdout", "stderr"), written):
            monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
        assert main(arguments) == (2 if arguments[0] == "distill" else 0)
        sys.stdout.flush(), sys.stderr.flush()
        out, errors = (raw.getvalue().decode(encoding) for raw in written)
        assert out if arguments[0] != "distill" else errors.count("\n") == 1 and r"\ud800" in errors


def test_the_little_images_are_as_many_as_the_tests_above_think():
    assert len(DATASET.pool) >= 140


def test_a_run_that_diverged_with_a_class_left_out_is_reported(tiny_machine):
    options = {**SMALL, "--leave-out": "red", "--learning-rate": "1e300"}
    status, out, errors = command("distill", *(word for pair in options.items() for word in pair), "--json")
    report = json.loads(out)
    assert status == 1 and errors.splitlines()[-1] == f"distill_kit: {report['stopped']}"
    assert "rank2_left_out" not in report
