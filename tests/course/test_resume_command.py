"""python -m distill_kit distill --resume: a run that was interrupted goes on, or a sentence says why it cannot."""
import contextlib
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small import coloured_dataset
from small_commands import DATASET, QUICK, value_of

from distill_kit import data
from distill_kit.checkpoints import CHECKPOINT
from distill_kit.history import load_history
from distill_kit.progress import training_bar

QUICK = [*QUICK, "--epochs", "3"]
FREE = ("seconds", "teacher_seconds", "load_seconds", "images_per_second", "history", "cores_taken", "cores_used")


@pytest.fixture
def interrupted(answer, monkeypatch, tmp_path):
    """Runs `distill` and presses Ctrl-C in the second epoch; gives the run's folder and standard error."""
    def run(*options):
        @contextlib.contextmanager
        def pressed(steps, what):
            def follow(row, more=""):
                if row["epoch"] == 2:
                    raise KeyboardInterrupt
            yield follow
        with monkeypatch.context() as patch:
            patch.setattr("distill_course.commands.distill.training_bar", pressed)
            status, out, errors = answer("distill", *QUICK, *options, "--json")
        assert status == 130 and out == ""
        folder = max((tmp_path / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
        return folder, errors
    return run


def untimed(report):
    return {name: value for name, value in report.items() if name not in FREE}


@pytest.mark.parametrize("options", [[], ["--fault", "batches_in_class_order"], ["--alpha", "1", "--labelled", "30"]])
def test_a_run_that_goes_on_reports_what_the_whole_run_does(answer, interrupted, options):
    whole = value_of(answer("distill", *QUICK, *options, "--json")[1])
    folder, _ = interrupted(*options)
    status, out, _ = answer("distill", "--resume", folder, "--json")
    assert status == 0 and untimed(value_of(out)) == untimed(whole)
    assert [row["epoch"] for row in load_history(folder)[1]] == [1, 2, 3] and not (folder / CHECKPOINT).exists()


def test_a_kill_before_the_figures_are_told_loses_none_of_them(answer, monkeypatch, tmp_path):
    def pressed(*_):
        raise KeyboardInterrupt
    whole = value_of(answer("distill", *QUICK, "--json")[1])
    with monkeypatch.context() as patch:
        patch.setattr("distill_course.commands.distill.report_of", pressed)
        assert answer("distill", *QUICK, "--json")[0] == 130
    folder = max((tmp_path / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    status, out, _ = answer("distill", "--resume", folder, "--json")
    assert status == 0 and untimed(value_of(out)) == untimed(whole) and not (folder / CHECKPOINT).exists()


def test_for_people_it_ends_with_a_table_and_a_picture(answer, interrupted):
    folder, _ = interrupted()
    status, out, _ = answer("distill", "--resume", folder)
    assert status == 0 and "test accuracy" in out and (folder / "curves.png").is_file()


def test_the_command_line_that_goes_on_is_said_before_the_first_step(answer, interrupted):
    folder, errors = interrupted("--teacher", "some teacher")
    line = f"python -m distill_kit distill --resume {folder} --teacher 'some teacher'"
    assert f"If it is interrupted, it goes on by: {line}\n" in errors
    assert errors.splitlines()[-1] == "distill_kit: Interrupted. What was finished is kept."
    assert answer(*shlex.split(line)[3:])[0] == 0


def test_an_interrupt_before_the_first_epoch_is_over_names_no_way_to_go_on(answer, monkeypatch, tmp_path):
    @contextlib.contextmanager
    def pressed(steps, what):
        def follow(row, more=""):
            raise KeyboardInterrupt
        yield follow
    monkeypatch.setattr("distill_course.commands.distill.training_bar", pressed)
    status, _, errors = answer("distill", *QUICK)
    assert status == 130 and errors.splitlines()[-1] == "distill_kit: Interrupted. What was finished is kept."
    assert list((tmp_path / "runs").iterdir()) == []


# What is refused

def spoilt(how):
    def spoil(folder):
        path = folder / "history.jsonl"
        lines = path.read_text().splitlines()
        settings = json.loads(lines[0])
        {"settings": lambda: settings.update(more=1), "changes": lambda: settings.update(changes=5),
         "none": lambda: settings.update(kind="epoch"), "unknown": lambda: settings.update(changes=["nonsense"]),
         "threads": lambda: settings.update(threads=10_000), "other": lambda: settings.update(temperature=2.0),
         "missing": (folder / CHECKPOINT).unlink, "cut": lambda: (folder / CHECKPOINT).write_bytes(
             (folder / CHECKPOINT).read_bytes()[:-9])}[how]()
        path.write_text("\n".join([json.dumps(settings), *lines[1:]]))
    return spoil


@pytest.mark.parametrize("spoil, sentence", [
    (shutil.rmtree, "no history at "), (lambda folder: (folder / "history.jsonl").unlink(), "no history at "),
    (spoilt("missing"), f"has no {CHECKPOINT}: the run is finished, or its first epoch never was"),
    (spoilt("cut"), f"{CHECKPOINT} is cut or not a safetensors file"),
    (spoilt("settings"), "does not hold the settings of a run"),
    (spoilt("none"), "does not hold the settings of a run"),
    (spoilt("changes"), "does not hold the settings of a run"), (spoilt("unknown"), "changes must be registered ones"),
    (spoilt("threads"), "threads must be 1 to "),
    (spoilt("other"), "it is of another student, for which temperature was 4.0 and is 2.0")])
def test_a_folder_from_which_nothing_can_go_on_is_a_sentence(answer, interrupted, spoil, sentence):
    folder, _ = interrupted()
    spoil(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else None
    status, out, errors = answer("distill", "--resume", folder)
    assert status == 2 and out == "" and sentence in errors.splitlines()[-1] and "Traceback" not in errors
    assert before == ({path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else None)


def test_a_finished_run_is_said_to_be_finished(answer):
    for options in ([], ["--learning-rate", "1e30"]):
        folder = Path(value_of(answer("distill", *QUICK, *options, "--json")[1])["history"]).parent
        status, _, errors = answer("distill", "--resume", folder)
        assert status == 2 and f"{folder} has no checkpoint.safetensors: the run is finished" in errors


def test_other_options_are_refused_by_name(answer, interrupted):
    folder, _ = interrupted()
    status, _, errors = answer("distill", "--resume", folder, "--epochs", 9, "--label-noise", 0.1, "--seeds", 2)
    assert status == 2 and "leave out --epochs, --label-noise, --seeds" in errors
    assert answer("distill", "--resume", folder, "--device", "cpu", "--threads", 1, "--precision", "float32")[0] == 0


def test_a_folder_of_images_may_have_moved_but_not_changed(answer, interrupted, monkeypatch, tmp_path):
    folder, _ = interrupted()
    other = interrupted()[0]
    there = {"moved": DATASET, "other": coloured_dataset(201)}
    monkeypatch.setattr(data, "load_dataset", lambda name, **_: there[name])
    report = value_of(answer("distill", "--resume", folder, "--data", "moved", "--json")[1])
    assert report["settings"]["data"] == "moved"
    status, _, errors = answer("distill", "--resume", other, "--data", "other")
    assert status == 2 and "another student, for which the images are others" in errors.splitlines()[-1]


def test_a_new_process_knows_the_faults_and_habits_that_a_run_may_have(interrupted, tmp_path):
    folder, _ = interrupted("--fault", "dead_units")
    path = folder / "history.jsonl"
    path.write_text(path.read_text().replace('["dead_units:gross"]', '["dead_units:gross", "no_warmup"]'))
    script = ("import pathlib, sys; from distill_course.commands.distill import settings_in; "
              "print(*settings_in(pathlib.Path(sys.argv[1]), {}).changes)")
    process = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    assert process.stdout == "dead_units:gross no_warmup\n"


def test_a_student_of_a_study_goes_on(answer, interrupted, tmp_path):
    study, epochs = ["distill", *QUICK, "--seeds", 2, "--out", tmp_path / "runs" / "study", "--json"], []
    interrupted("--seeds", "2", "--out", tmp_path / "runs" / "study")
    assert (tmp_path / "runs" / "study" / "teacher-0" / CHECKPOINT).is_file()

    @contextlib.contextmanager
    def heard(steps, what):
        with training_bar(steps, what) as follow:
            yield lambda row, more="": (epochs.append(row["epoch"]), follow(row, more))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distill_course.commands.distill.training_bar", heard)
        arms = value_of(answer(*study)[1])["arms"]
    assert epochs[0] == 2
    study[study.index("--out") + 1] = tmp_path / "runs" / "whole"
    assert value_of(answer(*study)[1])["arms"] == arms
