"""The lab on a machine as it is: what it says of threads and neighbours, and what it does when something fails."""
import random
import threading
from types import SimpleNamespace

import pytest
from small_lab import session_of

from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.lab_run import LabRun
from distill_course.lab.measures import by_class
from distill_course.lab.picture import draw
from distill_course.lab.words import state_sentence
from distill_course.lab.worker import FAILED, FINISHED, RUNNING, STOPPED, WAITING
from distill_kit.run import Run
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


def test_h1_a_drawing_that_fails_ends_neither_the_run_nor_the_worker(tmp_path, caplog):
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


def lab_threads():
    return [thread for thread in threading.enumerate() if thread.name == "distill_kit lab"]


@pytest.fixture
def failing(monkeypatch):
    """Runs fail before their first row, after some rows or not at all; `most` is how many trained at once at most."""
    rows, chance, state = Run.rows, random.Random(1), SimpleNamespace(alive=0, most=0, failed=0, failing=True)

    def rows_or_not(run, **options):
        left = chance.choice((0, 1, 3)) if state.failing and chance.random() < 0.3 else 10**9
        state.alive += 1
        state.most = max(state.most, state.alive)
        try:
            for place, row in enumerate(rows(run, **options)):
                if place >= left:
                    state.failed += 1
                    raise chance.choice((RuntimeError, ValueError, MemoryError))("this one fails")
                yield row
        finally:
            state.alive -= 1
    monkeypatch.setattr(Run, "rows", rows_or_not)
    return state


def test_h8_three_thousand_moves_at_random_with_runs_that_fail(tmp_path, failing):
    """No thread is dead or beside another, the last that was asked for is shown, and no folder is empty."""
    chance = random.Random(0)
    session = session_of(tmp_path, epochs=1, images=40)
    session.on_change = lambda: draw(session)
    session.train()
    alphas, joined = EXPERIMENTS["alpha"].controls[0].stops, 0
    for _ in range(3_000):
        act = chance.choice(("move", "move", "move", "train", "train", "stop", "pin", "restore", "repeat", "seed"))
        if act == "move":
            session.move(alpha=chance.choice(alphas))
        elif act == "restore" and session.runs:
            session.restore(chance.choice([*session.pinned, *session.runs]))
        elif act != "restore":
            {"train": session.train, "stop": session.stop, "pin": session.pin, "repeat": session.repeat,
             "seed": session.new_seed}[act]()
        assert len(lab_threads()) <= 1
        if chance.random() < 0.05:
            assert session.worker.join(60) and session.live.state not in (WAITING, RUNNING)
            live, own = session.live, (session.values, session.seed)
            assert act not in ("move", "train", "seed") or (live.values, live.settings.seed) == own
            joined += 1
    failing.failing = False
    session.train()
    last = session.live
    assert session.worker.join(60) and session.failure is None and session.live is last and last.state == FINISHED
    assert not lab_threads() and failing.most == 1 and failing.failed > 30 and joined > 100
    folders = list(tmp_path.iterdir())
    assert folders and all((folder / "history.jsonl").is_file() for folder in folders)
    assert {run.folder for run in session.runs} <= set(folders)


def test_what_is_asked_for_while_seeds_are_repeated_is_what_is_shown(tmp_path, monkeypatch):
    """Even where it is asked for just as one of the seeds is over and the next is about to be shown."""
    session, measured = session_of(tmp_path, epochs=1, images=40), []

    def move_once(run):
        if not measured:
            measured.append(run)
            session.move(alpha=0.9)
        return by_class(run)
    session.train()
    session.join(60)
    session.values["alpha"] = 0.5  # whose baseline is there, so that nothing is said between two seeds
    monkeypatch.setattr("distill_course.lab.session.by_class", move_once)
    session.repeat()
    session.join(60)
    assert session.live.settings.alpha == session.values["alpha"] == 0.9 and session.live.state == FINISHED


def test_h8_a_run_that_is_given_up_before_its_first_row_leaves_nothing(tmp_path):
    session = session_of(tmp_path, epochs=3, images=100)
    session.on_change = lambda: session.worker.stop() if session.live.progress else None  # at the first light row
    session.train()
    session.join(60)
    assert session.live.state == STOPPED and not session.runs and list(tmp_path.iterdir()) == []


def run_beside(**figures):
    return LabRun(Settings(device="cpu"), {}, **figures)


def test_the_lab_says_how_many_threads_a_run_has_and_what_neighbours_cost_it(monkeypatch):
    from distill_course import machine
    from distill_course.lab import words
    for module in (machine, words):
        monkeypatch.setattr(module, "cores", lambda: 4)
        monkeypatch.setattr(module, "cpu_quota", lambda: None)
    say = words.on_this_machine
    assert say(None) == say(run_beside()) == ""
    assert say(run_beside(threads=4, cores=(0.1, 3.5))) == "It trains in 4 threads."
    assert say(run_beside(threads=1, cores=(2.9, 1.0))) == (
        "It trains in 1 thread; other programs keep 2.9 of 4 cores busy. It has had 1.0 cores, so it takes "
        "about 4.0 times as long as on an idle machine.")
    for module in (machine, words):
        monkeypatch.setattr(module, "cpu_quota", lambda: 1.0)
    assert say(run_beside(threads=1, cores=(0.0, 1.0))) == "It trains in 1 thread; this container may use 1 of 4 cores."
    assert "about 2.0 times" in say(run_beside(threads=1, cores=(1.0, 0.5)))  # of the core it may use, not of four
    assert say(LabRun(Settings(device="cuda"), {}, threads=2, cores=(0.0, 1.0))) == ""


def test_the_time_left_comes_from_the_runs_own_steps_and_what_the_teacher_is_still_asked():
    from distill_course.lab.words import done
    assert done(run_beside(progress=0.25, seconds=2.0)) == "epoch 1 of 14, about 6 s left"
    assert done(run_beside(progress=0.25, seconds=2.0, teacher_left=10.0)) == "epoch 1 of 14, about 16 s left"


def test_a_run_in_the_lab_knows_its_threads_and_the_cores_that_it_had(tmp_path, monkeypatch):
    monkeypatch.setattr("distill_kit.neighbours.LOOK_SECONDS", 0.01)
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    assert session.live.threads >= 1 and session.live.cores[1] > 0
