"""What a run leaves on the disk, whichever way it ends."""
import json

import pytest
from small import CLASSES, same_state, state_of
from small_runs import finished, run_of

from distill_kit.history import load_history
from distill_kit.weights import load_model

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")


def test_history_can_be_read_after_every_epoch(tmp_path):
    run, counts = run_of(epochs=3), []
    for _ in run.rows(folder=tmp_path):
        settings, rows = load_history(tmp_path / "history.jsonl")
        counts.append(len(rows))
        assert rows == json.loads(json.dumps(run.history))
    assert counts == [1, 2, 3]
    assert settings["temperature"] == 4.0 and settings["source"] == "coloured noise"


def test_the_student_is_written_with_its_best_weights(tmp_path):
    run = finished(folder=tmp_path)
    loaded, card = load_model(tmp_path / "student.safetensors")
    assert same_state(state_of(loaded), state_of(run.student))
    assert card["classes"] == list(CLASSES) and card["settings"]["images"] == 96


def test_a_run_that_is_left_keeps_its_rows_and_best_weights(tmp_path):
    run, states = run_of(epochs=9), []
    for row in run.rows(every=2, folder=tmp_path):
        if row["kind"] == "epoch":
            states.append(state_of(run.student))
        if row["steps"] == 14:
            break
    assert [row["epoch"] for row in load_history(tmp_path / "history.jsonl")[1]] == [1, 2]
    best = [row["epoch"] for row in run.history if row["best"]][-1]
    assert same_state(state_of(load_model(tmp_path / "student.safetensors")[0]), states[best - 1])


def test_a_run_that_diverges_has_a_report_that_says_so(tmp_path):
    run = finished(folder=tmp_path, learning_rate=1e30)
    report = run.report()
    assert "no longer a finite number" in report["stopped"] and report["test_accuracy"] is None
    assert "no longer a finite number" in load_history(tmp_path / "history.jsonl")[1][-1]["stopped"]


def test_a_run_without_a_folder_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "runs"))
    assert finished().history and list(tmp_path.iterdir()) == []
