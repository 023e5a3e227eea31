"""Which other processes on this machine train: known while they do, and not a moment longer."""
import contextlib
import subprocess
import sys

import filelock
import pytest
from small import ColourTeacher
from small_commands import QUICK
from small_lab import DATASET, LITTLE, session_of

from distill_course import notebook, other_runs
from distill_course.lab.worker import FINISHED, RUNNING
from distill_course.other_runs import announced, others_training
from distill_kit.data.cache import cache_folder
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

HOLDS = """if True:
    import sys, time
    from distill_course.other_runs import announced
    with announced():
        print("trains", flush=True)
        sys.stdin.readline()"""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "cache"))


def test_other_processes_that_train_are_counted_until_they_end_or_are_killed():
    assert others_training() == 0
    with announced():
        assert others_training() == 0  # this one is no other
    others = [subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
              for _ in range(2)]
    try:
        for other in others:
            assert other.stdout.readline() == "trains\n"
        assert others_training() == 2
        others[0].kill()
        others[0].wait()
        assert others_training() == 1
        others[1].communicate("\n")
        assert others_training() == 0 and not list((cache_folder() / "training").iterdir())
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_where_nothing_can_be_written_a_run_trains_all_the_same(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DISTILL_KIT_CACHE", str(tmp_path / "file" / "cache"))
    with announced():
        assert others_training() == 0


def test_what_cannot_be_asked_hides_no_other_run(tmp_path, monkeypatch):
    monkeypatch.setattr(other_runs, "cache_folder", lambda: tmp_path)
    folder = tmp_path / "training"
    (folder / f"{other_runs.socket.gethostname()}-0-folder").mkdir(parents=True)
    for name in ("1-dead", "2-foreign", "3-dead"):
        (folder / f"{other_runs.socket.gethostname()}-{name}").touch()

    class Lock(filelock.FileLock):
        def _acquire(self):
            if "foreign" in str(self.lock_file):
                raise PermissionError(13, "not yours")
            super()._acquire()
    monkeypatch.setattr(filelock, "FileLock", Lock)
    assert others_training() == 0
    assert sorted(path.name.split("-")[-1] for path in folder.iterdir()) == ["folder", "foreign"]


# Who announces itself

def signs():
    """How many trainings of this process others can see now."""
    folder = cache_folder() / "training"
    return len(list(folder.iterdir())) if folder.is_dir() else 0


@pytest.fixture
def seen(monkeypatch):
    """How many signs there are at each row of a training with a bar."""
    counts = []

    @contextlib.contextmanager
    def bar(steps, what):
        yield lambda row, more="": counts.append(signs())
    monkeypatch.setattr("distill_course.commands.distill.training_bar", bar)
    monkeypatch.setattr("distill_course.notebook.training_bar", bar)
    return counts


def little_run():
    settings = Settings(**LITTLE, device="cpu")
    return settings, Materials.of(settings, DATASET, ColourTeacher())


def test_a_run_alone_announces_nothing():
    assert [signs() for _ in Run(*little_run()).rows(every=1)] == [0] * 12  # ten steps and two epochs


def test_the_command_announces_itself_while_it_trains(answer, seen):
    assert answer("distill", *QUICK)[0] == 0
    assert set(seen) == {1} and signs() == 0


def test_a_notebook_announces_itself_while_it_trains(monkeypatch, seen):
    monkeypatch.setattr("IPython.display.display", lambda line: None)
    notebook.train_and_tell(*little_run())
    assert set(seen) == {1} and signs() == 0


def test_a_lab_announces_itself_while_it_trains_and_so_beside_its_baseline(tmp_path):
    session, counts = session_of(tmp_path / "runs"), {True: [], False: []}

    def look():
        if RUNNING in [run.state for run in (session.live, session.second) if run is not None]:
            counts[session.second is None].append(signs())
    session.on_change = look
    session.train()
    session.join(60)
    assert session.live.state == FINISHED and session.live.others == 0  # it is no other to itself
    assert set(counts[True]) == set(counts[False]) == {1} and signs() == 0
