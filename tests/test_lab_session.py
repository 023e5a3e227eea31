"""The lab without a browser: what a learner does, and what the lab then knows and says."""
import dataclasses
import random
import threading
import time

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_kit.history import best_row, load_history
from distill_kit.lab.experiments import EXPERIMENTS, Control, Experiment
from distill_kit.lab.orders import FAILED, FINISHED, STOPPED, WAITING
from distill_kit.lab.picture import draw
from distill_kit.lab.session import LabRun, Session
from distill_kit.lab.stored import Stored
from distill_kit.lab.words import settings_words, state_sentence, verdict
from distill_kit.run import Settings

DATASET = coloured_dataset()
LITTLE = {"images": 100, "epochs": 2, "batch_size": 20, "precision": "float32"}


def session_of(tmp_path, name="alpha", **changes):
    return Session(EXPERIMENTS[name], DATASET, ColourTeacher(), device="cpu", folder=tmp_path, quiet=0.0,
                   **{**LITTLE, **changes})


def test_a_move_trains_and_then_what_it_is_held_against(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED and session.live.settings.alpha == 0.5 and len(session.live.shares) == 2
    assert session.baseline.settings.alpha == 1.0 and len(session.baseline.shares) == 2
    assert session.runs == [session.live] and session.second is None
    assert f"{100 * session.live.best:.1f} % of the validation images right, against" in verdict(session, Stored())


def test_the_baseline_is_trained_once_for_all_values_that_share_it(tmp_path):
    session = session_of(tmp_path)
    for alpha in (0.1, 0.5):
        session.move(alpha=alpha)
        session.join(60)
    assert len(session.baselines) == 1 and len(session.runs) == 2
    session.move(label_noise=0.0)
    session.join(60)
    assert len(session.baselines) == 2


def test_what_is_itself_the_baseline_is_not_trained_twice(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=1.0)
    session.join(60)
    assert session.baseline is session.live and session.runs == [session.live]
    assert len(list(tmp_path.iterdir())) == 1 and "itself what the others are held against" in verdict(session, Stored())


def test_each_run_is_on_the_disk(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    settings, rows = load_history(session.live.folder / "history.jsonl")
    assert settings["alpha"] == 0.5 and [row["epoch"] for row in rows] == [1, 2]


def test_same_values_same_run_and_a_new_seed_another(tmp_path):
    session = session_of(tmp_path)
    shares = []
    for act in (session.train, session.train, session.new_seed):
        act()
        session.join(60)
        shares.append((session.live.shares, [said.tolist() for said in session.live.logits]))
    assert shares[0] == shares[1] != shares[2]


def test_the_figure_of_a_run_is_that_of_the_weights_that_are_kept(tmp_path):
    """Not the best of what is measured: that may be an accident of the first epoch."""
    session = session_of(tmp_path, "temperature", epochs=4)
    session.train()
    session.join(60)
    rows = load_history(session.live.folder / "history.jsonl")[1]
    assert session.live.best == session.live.shares[best_row(rows)["epoch"] - 1]


def test_a_value_that_a_control_does_not_have_is_refused_and_nothing_changes(tmp_path):
    session = session_of(tmp_path)
    with pytest.raises(ValueError, match="alpha must be one of 0.0, 0.05, .*; got 0.123"):
        session.move(alpha=0.123)
    assert session.values["alpha"] == 0.1 and session.live is None


def test_stop_keeps_what_was_learnt(tmp_path):
    session = session_of(tmp_path, epochs=2_000)
    session.train()
    while not session.live.shares:
        time.sleep(0.01)
    session.stop()
    session.join(5)
    assert session.live.state == STOPPED and session.runs == [session.live]
    assert len(load_history(session.live.folder / "history.jsonl")[1]) == len(session.live.shares)
    assert "Stopped" in state_sentence(session)


def test_a_new_value_takes_the_place_of_the_run_before(tmp_path):
    session = session_of(tmp_path, epochs=2_000)
    session.train()
    while not session.live.shares:
        time.sleep(0.01)
    before = session.live
    session.fixed["epochs"] = 1
    session.move(alpha=0.9)
    session.join(60)
    assert before.state == STOPPED and session.live.state == FINISHED and session.live.settings.alpha == 0.9
    assert [run.number for run in session.runs] == [1, 2]


def test_stop_before_it_began(tmp_path):
    session = session_of(tmp_path)
    session.worker._orders.quiet = 60.0
    session.train()
    assert session.live.state == WAITING
    session.stop()
    session.join(5)
    assert session.live.state == STOPPED and not session.runs


def test_a_loss_that_is_not_finite_is_one_sentence_and_the_next_move_works(tmp_path):
    session = session_of(tmp_path, learning_rate=1e30)
    session.train()
    with pytest.raises(FloatingPointError):
        session.join(60)
    assert session.live.state == FAILED and "no longer a finite number" in state_sentence(session)
    session.fixed["learning_rate"] = 1e-2
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED


def test_a_class_never_seen_is_the_data_sets_own_where_the_favourite_is_not_there(tmp_path):
    session = session_of(tmp_path, "temperature")
    session.train()
    session.join(60)
    assert session.live.settings.leave_out == "red" and "ranked first or second" in verdict(session, Stored())


def test_a_run_restored_has_its_values_and_seed(tmp_path):
    session = session_of(tmp_path)
    session.move(alpha=0.5)
    session.join(60)
    session.new_seed()
    session.move(alpha=0.9)
    session.join(60)
    session.restore(session.runs[0])
    session.join(60)
    assert session.values["alpha"] == 0.5 and session.seed == 0
    assert session.live.shares == session.runs[0].shares
    assert settings_words(session.live, session) == "alpha 0.5, random labels 0.4, seed 0"


def test_the_picture_has_a_line_for_the_run_the_baseline_and_the_last_ones(tmp_path):
    session = session_of(tmp_path)
    assert draw(session).count("<polyline") == 0
    for alpha in (0.1, 0.5, 0.9):
        session.move(alpha=alpha)
        session.join(60)
    picture = draw(session)
    assert picture.count("<polyline") == 4
    assert f"this run {100 * session.live.best:.1f} %" in picture and "alpha = 1" in picture and "1: alpha 0.1" in picture
    assert picture.startswith("<svg") and "&lt;" not in picture


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_every_preset_of_every_experiment_is_a_run(experiment):
    defaults = {control.name: experiment.start.get(control.name) for control in experiment.controls}
    start = {name: value for name, value in defaults.items() if value is not None}
    for preset in experiment.presets:
        settings = experiment.settings({**start, **preset.values}, DATASET, seed=0)
        assert (settings.fault or settings.epochs == 8) and preset.why.endswith(".")
        assert experiment.baseline_of(settings) != settings or settings.alpha == 1.0
    for name, value in start.items():
        assert value in next(control.stops for control in experiment.controls if control.name == name)


def test_a_sixth_experiment_is_one_record(tmp_path):
    batch = Control("batch_size", "Batch", (10, 20, 50), "Images a step.")
    sixth = Experiment("batch", "Batches", "Do small batches help?", "", (batch,), {"batch_size": 20}, ())
    session = Session(sixth, DATASET, ColourTeacher(), device="cpu", folder=tmp_path, quiet=0.0,
                      **{name: value for name, value in LITTLE.items() if name != "batch_size"})
    session.move(batch_size=50)
    session.join(60)
    assert dataclasses.asdict(session.live.settings)["batch_size"] == 50 and session.live.state == FINISHED


def test_a_full_disk_is_a_sentence_and_the_next_move_works(tmp_path, monkeypatch):
    session = session_of(tmp_path)

    def full(*arguments):
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr("distill_kit.run.save_history", full)
        session.train()
        with pytest.raises(OSError):
            session.join(60)
        assert session.live.state == FAILED and "No space left on device" in state_sentence(session)
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED


def test_of_ten_labs_only_the_one_that_was_moved_last_trains(tmp_path):
    sessions = [session_of(tmp_path, epochs=300) for _ in range(10)]
    for session in sessions[:9]:
        session.train()
    sessions[9].fixed["epochs"] = 1
    sessions[9].train()
    for session in sessions:
        session.join(60)
    assert [session.live.state == FINISHED for session in sessions] == [False] * 9 + [True]


def test_train_pin_and_train_again_with_nothing_moved(tmp_path):
    """Runs of equal values are two runs: they hold tensors, which `==` cannot compare."""
    session = session_of(tmp_path)
    drawn = []
    session.on_change = lambda: drawn.append(draw(session))
    session.train()
    session.join(60)
    first = session.pin()
    assert session.pinned == [first]
    session.train()
    session.join(60)
    assert session.live.state == FINISHED and session.live is not first and session.pinned == [first]
    session.pin()
    assert session.pinned == [first, session.live]
    session.restore(first)
    session.join(60)
    assert session.live.state == FINISHED and drawn[-1].count("<polyline") == 4  # this run, its baseline, both pinned


def test_of_all_that_holds_tensors_equal_means_the_same():
    images, twin = DATASET.pool, DATASET.pool[torch.arange(len(DATASET.pool))]
    runs = [LabRun(Settings(), {}, logits=[torch.zeros(2)]) for _ in range(2)]
    for one, other in ((images, twin), (DATASET, dataclasses.replace(DATASET)), runs):
        assert one == one and one != other and one in [other, one] and one not in [other]


def test_a_drawing_that_fails_ends_neither_the_run_nor_the_worker(tmp_path, caplog):
    session = session_of(tmp_path)

    def fail():
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("no ink")
    session.on_change = fail
    session.train()
    session.join(60)
    assert session.live.state == FINISHED and session.failure is None and "no ink" in caplog.text
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED


def test_a_thousand_moves_at_random_leave_no_dead_thread(tmp_path):
    chance = random.Random(0)
    session = session_of(tmp_path, epochs=1, images=40)
    session.on_change = lambda: draw(session)
    alphas = EXPERIMENTS["alpha"].controls[0].stops
    for number in range(1_000):
        act = chance.choice(("move", "move", "move", "train", "train", "stop", "pin", "restore", "repeat", "seed"))
        if act == "move":
            session.move(alpha=chance.choice(alphas))
        elif act == "restore" and session.runs:
            session.restore(chance.choice([*session.pinned, *session.runs]))
        elif act != "restore":
            {"train": session.train, "stop": session.stop, "pin": session.pin, "repeat": session.repeat,
             "seed": session.new_seed}[act]()
        if chance.random() < 0.1:
            session.join(60)
    session.train()
    assert session.worker.join(60) and session.failure is None and session.live.state == FINISHED
    assert not [thread for thread in threading.enumerate() if thread.name == "distill_kit lab"]


def run_beside(**figures):
    return LabRun(Settings(device="cpu"), {}, **figures)


def test_the_lab_says_how_many_threads_a_run_has_and_what_neighbours_cost_it(monkeypatch):
    from distill_kit.lab import words
    monkeypatch.setattr(words, "cores", lambda: 4)
    monkeypatch.setattr(words, "cpu_quota", lambda: None)
    say = words.on_this_machine
    assert say(None) == say(run_beside()) == ""
    assert say(run_beside(threads=4, taken=0.1, used=3.5)) == "It trains in 4 threads."
    assert say(run_beside(threads=1, taken=2.9, used=1.0)) == (
        "It trains in 1 thread. Other programs kept 2.9 of 4 cores busy when it began. It has had 1.0 cores, so it takes about "
        "4.0 times as long as on an idle machine.")
    assert "2 other runs of the kit trained at the same time" in say(run_beside(threads=2, taken=None, used=2.0, others=2))
    monkeypatch.setattr(words, "cpu_quota", lambda: 1.0)
    monkeypatch.setattr(words, "allowed_threads", lambda: 1)
    assert say(run_beside(threads=1, used=1.0)) == "It trains in 1 thread: this container may use 1 of 4 cores."
    assert "about 2.0 times" in say(run_beside(threads=1, used=0.5, others=1))  # of the core that it may use, not of four
    assert say(LabRun(Settings(device="cuda"), {}, threads=2, used=1.0)) == ""


def test_the_time_left_comes_from_the_runs_own_steps_and_what_the_teacher_is_still_asked():
    from distill_kit.lab.words import done
    assert done(run_beside(progress=0.25, seconds=2.0)) == "epoch 1 of 14, about 6 s left"
    assert done(run_beside(progress=0.25, seconds=2.0, teacher_left=10.0)) == "epoch 1 of 14, about 16 s left"


def test_a_run_in_the_lab_knows_its_threads_and_who_else_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_kit.lab.session.others_training", lambda: 3)
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    assert session.live.threads >= 1 and session.live.others == 3 and session.live.used > 0
