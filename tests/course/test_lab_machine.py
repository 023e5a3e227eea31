"""The lab on a machine as it is: what it says of threads and neighbours, and what it does when something fails."""
import random
import threading

import pytest
from small_lab import session_of

from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.lab_run import LabRun
from distill_course.lab.picture import draw
from distill_course.lab.words import state_sentence
from distill_course.lab.worker import FAILED, FINISHED
from distill_kit.settings import Settings


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
    for _ in range(1_000):
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
    from distill_course.lab import words
    monkeypatch.setattr(words, "cores", lambda: 4)
    monkeypatch.setattr(words, "cpu_quota", lambda: None)
    say = words.on_this_machine
    assert say(None) == say(run_beside()) == ""
    assert say(run_beside(threads=4, taken=0.1, used=3.5)) == "It trains in 4 threads."
    assert say(run_beside(threads=1, taken=2.9, used=1.0)) == (
        "It trains in 1 thread. Other programs kept 2.9 of 4 cores busy when it began. It has had 1.0 cores, so it "
        "takes about 4.0 times as long as on an idle machine.")
    beside = say(run_beside(threads=2, taken=None, used=2.0, others=2))
    assert "2 other runs of the kit trained at the same time" in beside
    monkeypatch.setattr(words, "cpu_quota", lambda: 1.0)
    monkeypatch.setattr(words, "allowed_threads", lambda: 1)
    assert say(run_beside(threads=1, used=1.0)) == "It trains in 1 thread: this container may use 1 of 4 cores."
    assert "about 2.0 times" in say(run_beside(threads=1, used=0.5, others=1))  # of the core it may use, not of four
    assert say(LabRun(Settings(device="cuda"), {}, threads=2, used=1.0)) == ""


def test_the_time_left_comes_from_the_runs_own_steps_and_what_the_teacher_is_still_asked():
    from distill_course.lab.words import done
    assert done(run_beside(progress=0.25, seconds=2.0)) == "epoch 1 of 14, about 6 s left"
    assert done(run_beside(progress=0.25, seconds=2.0, teacher_left=10.0)) == "epoch 1 of 14, about 16 s left"


def test_a_run_in_the_lab_knows_its_threads_and_who_else_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_course.lab.session.others_training", lambda: 3)
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    assert session.live.threads >= 1 and session.live.others == 3 and session.live.used > 0
