"""Runs that were killed go on, and end with the same student as if nobody had killed them, bit for bit."""
import contextlib
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from small import ColourTeacher, coloured_dataset, same_state, state_of
from small_runs import DATASET, run_of

from distill_kit import checkpoints, training
from distill_kit.checkpoints import CHECKPOINT, differences, resumable
from distill_kit.history import load_history
from distill_kit.models import STUDENTS
from distill_kit.weights import load_model

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
EPOCHS = 4
TIMES = ("seconds", "cores_taken")  # columns that are measured by a clock


def untimed(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def whole_run(folder, **settings):
    run = run_of(**{"epochs": EPOCHS, **settings})
    list(resumable(run, folder))
    return run


def cut_after(epoch, folder, **settings):
    """Train until so many epochs are finished, and leave the run in the middle of the next."""
    for row in resumable(run_of(**{"epochs": EPOCHS, **settings}), folder, every=1):
        if row["epoch"] == epoch + 1:
            break


def assert_same(run, folder, other, its_folder):
    reports = [{name: value for name, value in each.report().items() if "second" not in name} for each in (run, other)]
    assert untimed(run.history) == untimed(other.history) and reports[0] == reports[1]
    assert same_state(state_of(run.student), state_of(other.student))
    assert untimed(load_history(folder)[1]) == untimed(load_history(its_folder)[1])
    (student, card), (its_student, its_card) = (load_model(place / "student.safetensors")
                                                for place in (folder, its_folder))
    assert same_state(state_of(student), state_of(its_student)) and card == its_card
    assert sorted(path.name for path in folder.iterdir()) == [CHECKPOINT, "history.jsonl", "student.safetensors"]


SETTINGS = {
    "default": {}, "adamw": {"optimizer": "adamw"}, "sgd": {"optimizer": "sgd", "learning_rate": 0.05},
    "schedules": {"final_temperature": 1.0, "final_alpha": 0.9, "schedule": "cosine"},
    "few labels": {"labelled": 20}, "label noise": {"label_noise": 0.4}, "labels only": {"alpha": 1.0},
    "few labels only": {"alpha": 1.0, "labelled": 20}, "left out": {"leave_out": "blue"}, "ragged": {"images": 90},
    "few steps": {"batch_size": 48}, "bfloat16": {"precision": "bfloat16"}, "layer norm": {"student": "layer_norm"},
    "steps too long": {"learning_rate": 5.0}}


@pytest.mark.parametrize("name", SETTINGS)
def test_case_29_a_run_that_goes_on_is_the_run_that_was_not_cut(tmp_path, name):
    whole = whole_run(tmp_path / "whole", **SETTINGS[name])
    for epoch in range(1, EPOCHS):
        folder = tmp_path / str(epoch)
        cut_after(epoch, folder, **SETTINGS[name])
        before = load_history(folder)[1]
        run = run_of(epochs=EPOCHS, **SETTINGS[name])
        rows = list(resumable(run, folder))
        assert [row["epoch"] for row in rows] == list(range(epoch + 1, EPOCHS + 1))
        seconds = [row["seconds"] for row in run.history]
        assert run.history[:epoch] == before and seconds[0] > 0 and seconds == sorted(seconds)
        assert_same(run, folder, whole, tmp_path / "whole")


@pytest.mark.parametrize("epoch", range(1, EPOCHS))
@pytest.mark.parametrize("best", range(1, EPOCHS + 1))
def test_the_best_epoch_may_lie_before_the_cut_or_behind_it(tmp_path, monkeypatch, best, epoch):
    real = training.validate

    def claim(accuracies):
        monkeypatch.setattr(training, "validate", lambda *args, **options: {
            **real(*args, **options), "val_accuracy": next(accuracies)})
    accuracies = [0.9 if number == best else 0.1 * number for number in range(1, EPOCHS + 1)]
    claim(iter(accuracies))
    whole = whole_run(tmp_path / "whole")
    claim(iter(accuracies))
    cut_after(epoch, tmp_path / "cut")
    claim(iter(accuracies[epoch:]))
    run = whole_run(tmp_path / "cut")
    assert run.report()["best_epoch"] == best
    assert_same(run, tmp_path / "cut", whole, tmp_path / "whole")


def test_a_run_may_be_cut_again_and_again(tmp_path):
    for epoch in range(1, EPOCHS):
        cut_after(epoch, tmp_path / "cut")
    run, whole = whole_run(tmp_path / "cut"), whole_run(tmp_path / "whole")
    assert_same(run, tmp_path / "cut", whole, tmp_path / "whole")


@pytest.mark.parametrize("epoch", (1, 2, 3))
@pytest.mark.parametrize("last", (f"{CHECKPOINT}", "history.jsonl", "student.safetensors"))
def test_a_kill_between_any_two_files_can_be_gone_on_from(tmp_path, monkeypatch, last, epoch):
    """The process dies while `last` is written in this epoch: what it wrote before is there, and nothing after."""
    written = []

    def dies(real):
        def write(path, content):
            written.append(path.name)
            if path.name == last and (written.count(last) == epoch or last == "student.safetensors"):
                raise KeyboardInterrupt
            real(path, content)
        return write
    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for module in ("distill_kit.checkpoints", "distill_kit.history", "distill_kit.weights"):
            patch.setattr(f"{module}.replace_file", dies(checkpoints.replace_file))
        whole_run(tmp_path / "cut", epochs=3)
    run, whole = whole_run(tmp_path / "cut", epochs=3), whole_run(tmp_path / "whole", epochs=3)
    assert_same(run, tmp_path / "cut", whole, tmp_path / "whole")


KILLED = """
import os, signal, sys
from small_runs import run_of
from distill_kit.checkpoints import resumable
for row in resumable(run_of(epochs=4), sys.argv[1], every=1):
    if row["steps"] == 15:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
def test_case_29_a_run_that_was_killed_goes_on(tmp_path):
    tests = Path(__file__).parent
    script = f"import sys; sys.path[:0] = {[str(tests), str(tests.parent)]!r}\n{KILLED}"
    process = subprocess.run([sys.executable, "-c", script, str(tmp_path / "cut")], cwd=tests.parents[1])
    assert process.returncode == -signal.SIGKILL
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == [CHECKPOINT, "history.jsonl"]
    run, whole = whole_run(tmp_path / "cut"), whole_run(tmp_path / "whole")
    assert_same(run, tmp_path / "cut", whole, tmp_path / "whole")


def test_a_run_that_diverges_leaves_no_checkpoint(tmp_path):
    run = whole_run(tmp_path, learning_rate=1e30)
    assert "stopped" in run.history[-1] and not (tmp_path / CHECKPOINT).exists()


def test_nor_does_one_that_is_killed_when_it_has_diverged(tmp_path, monkeypatch):
    def dies(path, content):
        raise KeyboardInterrupt
    monkeypatch.setattr("distill_kit.weights.replace_file", dies)
    with pytest.raises(KeyboardInterrupt):
        whole_run(tmp_path, learning_rate=1e30)
    assert [path.name for path in tmp_path.iterdir()] == ["history.jsonl"]


def test_what_was_already_learnt_is_not_learnt_again_and_the_teacher_is_not_asked_for_it(tmp_path):
    cut_after(3, tmp_path)
    run, asked = run_of(epochs=EPOCHS), []
    run.materials.logits.take = lambda rows, views, take=run.materials.logits.take: asked.append(rows) or take(
        rows, views)
    list(resumable(run, tmp_path))
    assert len(asked) == len(run.batches)  # those of the last epoch


# What is refused, and what is said

OTHER = coloured_dataset(count=201)


@pytest.mark.parametrize("settings, words", [
    ({"temperature": 2.0}, "temperature was 4.0 and is 2.0"), ({"data_seed": 1}, "data_seed was 0 and is 1"),
    ({"epochs": 5}, "epochs was 4 and is 5"), ({"optimizer": "adamw"}, "optimizer was 'muon' and is 'adamw'"),
    ({"dataset": OTHER}, "the images are others"),
    ({"dataset": replace(DATASET, test=DATASET.test[1:])}, "the images are others"),
    ({"teacher": torch.nn.Sequential(ColourTeacher())}, "the teacher is another one")])
def test_a_checkpoint_of_another_student_is_refused(tmp_path, settings, words):
    cut_after(1, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"nothing can go on from .*it is of another student, for which .*{words}"):
        next(resumable(run_of(**{"epochs": EPOCHS, **settings}), tmp_path))
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_checkpoint_of_students_of_another_shape_is_refused(tmp_path, monkeypatch):
    cut_after(1, tmp_path)
    for name, shape in STUDENTS.items():
        monkeypatch.setitem(STUDENTS, name, replace(shape, stem_channels=24))
    with pytest.raises(ValueError, match="the students are those of another version"):
        next(resumable(run_of(epochs=EPOCHS), tmp_path))
    assert differences({}, {"the student": 1}) == differences({"the student": 2}, {"the student": 1})  # none was kept


def test_a_folder_of_images_may_have_moved(tmp_path):
    cut_after(1, tmp_path / "cut", data="here")
    whole = whole_run(tmp_path / "whole")
    run = run_of(epochs=EPOCHS, data="there")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is to be said of it
        list(resumable(run, tmp_path / "cut"))
    assert untimed(run.history) == untimed(whole.history) and same_state(state_of(run.student), state_of(whole.student))
    assert load_history(tmp_path / "cut")[0]["data"] == "there"


def test_another_precision_or_number_of_threads_is_said(tmp_path, request):
    cut_after(1, tmp_path)
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(torch.get_num_threads() + 1)
    run = run_of(epochs=EPOCHS, precision="bfloat16")
    with pytest.warns(UserWarning, match="precision was 'float32' and is 'bfloat16', threads was . and is .*digits"):
        rows = list(resumable(run, tmp_path))
    assert rows[-1]["epoch"] == EPOCHS
