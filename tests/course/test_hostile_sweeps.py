"""Many students whose processes may be killed at any time, and what is refused before any of them begins."""
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small import ColourTeacher, coloured_dataset
from test_crew import DATASET, RUNS, SETTINGS, alone, figures_of

from distill_course import comparisons
from distill_course.comparisons import COMPARISONS, Comparison
from distill_course.diagnosis import faulty
from distill_course.lab import Lab
from distill_course.people import human_votes
from distill_course.sweep.crew import NO_WORKER
from distill_course.teacher_training import train_teacher
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings


def kill_a_worker():
    """Kill the newest process of this one; returns whether there was any."""
    workers = sorted(child.pid for child in multiprocessing.active_children() if child.is_alive())
    if workers:
        os.kill(workers[-1], signal.SIGKILL)
    return bool(workers)


@pytest.mark.filterwarnings("ignore:Run")
def test_h7_a_sweep_whose_first_worker_is_killed_as_it_begins_goes_on():
    """Before it has anything to do, which breaks the pool that it is in."""
    killer = threading.Thread(target=lambda: [time.sleep(0.01) for _ in iter(kill_a_worker, True)])
    killer.start()
    assert figures_of(RUNS[:2], workers=2) == [alone(each) for each in SETTINGS[:2]]
    killer.join()


def test_a_script_without_the_guard_is_told_so_in_a_sentence(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from small import ColourTeacher, coloured_dataset\n"
        "from distill_course.sweep.crew import trained\nfrom distill_course.sweep.plan import planned\n"
        "from distill_course.sweep.stock import Stock\n"
        "run = planned('', dict(images=100, epochs=1, batch_size=16, precision='float32', device='cpu'))\n"
        "list(trained([run], Stock(coloured_dataset(), ColourTeacher()), workers=2, progress=False))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == f"RuntimeError: {NO_WORKER}"
    assert done.stderr.count("Traceback") == 1 and "bootstrapping" not in done.stderr


def test_h7_a_comparison_keeps_what_was_trained_where_another_run_fails(monkeypatch):
    monkeypatch.setitem(COMPARISONS, "tiny", Comparison({"one": {}, "other": {}, "none": {}}, figure="val_accuracy"))
    results = [(place, {"settings": {"seed": place % 2}, "report": {"val_accuracy": 0.5}, "rows": []})
               for place in (1, 0, 2)] + [(place, {"error": "killed"}) for place in (3, 4, 5)]
    monkeypatch.setattr(comparisons, "trained", lambda *_, **__: iter(results))
    with pytest.warns(UserWarning, match="is left out: killed"):
        results = comparisons.train("tiny", DATASET, ColourTeacher(), seeds=2, progress=False)
    assert [run["seed"] for run in results.arms["one"]] == [0, 1]
    assert results.values("one") == [0.5, 0.5] and results.values("other") == [0.5] and "none" not in results.arms


# Refused before anything is trained

@pytest.mark.parametrize("name", ["dead_units", "student_in_eval_mode"])
def test_a_fault_of_batch_norm_is_refused_for_a_student_without_it(name):
    settings = replace(SETTINGS[0], student="layer_norm", changes=(f"{name}:gross",))
    with pytest.raises(ValueError, match="student must have BatchNorm layers for this fault"):
        Run(settings, Materials.of(settings, DATASET, ColourTeacher()))


def test_a_fault_in_the_soft_term_does_not_replace_an_alpha_of_1():
    with pytest.raises(ValueError, match="kl_swapped is a fault in the soft term, which alpha = 1 leaves out"):
        faulty(Settings(alpha=1), "kl_swapped")
    assert faulty(Settings(alpha=1, final_alpha=0.5), "kl_swapped").alpha != 1


@pytest.mark.parametrize("place", ["weights", "weights.safetensors"])
def test_a_folder_in_the_place_of_a_teachers_weights_is_refused_at_once(tmp_path, place, monkeypatch):
    (tmp_path / "weights").mkdir(), (tmp_path / "weights.md").mkdir()
    monkeypatch.setattr("distill_course.teacher_training.train", lambda *_, **__: pytest.fail("it trains"))
    with pytest.raises(ValueError, match="out must be a file for the weights"):
        train_teacher(coloured_dataset(), out=tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["weights", "weights.md"]


@pytest.mark.parametrize("experiment", [None, 5, ["alpha"]])
def test_a_lab_is_asked_for_by_a_name_a_code_or_an_experiment(experiment):
    with pytest.raises(ValueError, match="experiment must be one of .*, a code or an Experiment; got"):
        Lab(experiment, DATASET, ColourTeacher())


@pytest.mark.parametrize("start, sentence", [
    ({"changes": "text"}, "changes must be a tuple of names"), ({"learning_rate": "4"}, "learning_rate must"),
    ({"changes": None}, "changes must be a tuple"), ({"alpha": True}, "alpha must be a number; got True")])
def test_what_a_lab_begins_with_is_of_its_type(tmp_path, start, sentence):
    with pytest.raises(ValueError, match=sentence):
        Lab("alpha", DATASET, ColourTeacher(), device="cpu", folder=tmp_path, images=100, **start)


def test_after_the_largest_seed_comes_the_first(tmp_path):
    lab = Lab("alpha", DATASET, ColourTeacher(), device="cpu", folder=tmp_path, seed=2**63 - 1, images=40, epochs=1)
    lab.session.worker.ask = lambda order: None
    lab.session.new_seed()
    assert lab.session.seed == lab.session.live.settings.seed == 0
    assert Settings(seed=2**63 - 1).seed == 2**63 - 1


def test_runs_whose_folder_was_deleted_are_said_and_the_others_saved(tmp_path):
    lab = Lab("alpha", DATASET, ColourTeacher(), device="cpu", folder=tmp_path, images=40, epochs=1, batch_size=20)
    lab.run(), lab.run()
    (lab.session.runs[0].folder / "history.jsonl").unlink()
    lab._offer()
    assert "Save 2 runs" in lab.panel.offer.value and "The folder of run 1 is gone" in lab.panel.why.value


def test_an_answer_that_is_no_http_is_a_sentence_about_the_votes(monkeypatch, tmp_path):
    from http.client import IncompleteRead

    def broken(*_, **__):
        raise IncompleteRead(b"")
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", broken)
    with pytest.raises(ConnectionError, match="CIFAR-10H could not be fetched"):
        human_votes(fetch=True)
