"""start.py after the set-up: two at once, the learner's copies, and what the commands run."""
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from start_copy import load

# two at once


def test_a_second_start_waits_and_a_killed_one_leaves_no_lock(kit):
    start = load(kit)
    hold = "import sys, time; sys.path.insert(0, '.'); import start; lock = start.hold_lock(); "
    hold += "print('held', flush=True); "
    first = subprocess.Popen([sys.executable, "-c", hold + "time.sleep(300)"], cwd=kit, stdout=subprocess.PIPE,
                             text=True)
    assert first.stdout.readline() == "held\n"
    second = subprocess.Popen([sys.executable, "-c", hold], cwd=kit, stdout=subprocess.PIPE, text=True)
    assert "waiting for its end" in second.stdout.readline()
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=120)[0] == "held\n" and second.returncode == 0
    start.hold_lock().close()


@pytest.mark.skipif(os.name == "nt", reason="locks are not inherited there")
def test_a_command_that_outlives_its_start_still_holds_the_lock(kit):
    start = load(kit)
    start.LOG.write_text("")
    with start.hold_lock():
        orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
    import fcntl
    try:
        with start.LOCK.open("a") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        orphan.kill()
        orphan.wait()


def test_commands_run_with_their_output_in_the_log(kit):
    start = load(kit)
    start.LOG.write_text("")
    assert start.logged(sys.executable, "-c", "print('hello'); raise SystemExit(3)") == 3
    assert start.log_end(1) == "hello"


@pytest.mark.parametrize("log, words", [
    ("Collecting torch>=2.4", "collecting torch"),
    ("  Downloading https://download.pytorch.org/whl/cpu/torch-2.9-cp311-manylinux.whl (184.1 MB)",
     "downloading torch (184.1 MB)"),
    ("Installing collected packages: mpmath, sympy\n  Attempting uninstall: setuptools", "installing packages"),
    ("", "at work")])
def test_a_long_command_says_what_it_is_at(kit, monkeypatch, capsys, log, words):
    start = load(kit)
    start.LOG.write_text(log)
    waits = iter([subprocess.TimeoutExpired("pip", 15), 0])

    def wait(timeout):
        end = next(waits)
        if isinstance(end, Exception):
            raise end
        return end
    monkeypatch.setattr(start.subprocess, "Popen", lambda *command, **options: types.SimpleNamespace(wait=wait))
    assert start.logged("pip") == 0
    assert capsys.readouterr().out.lower().endswith(f"  {words.lower()}\n")


def test_nothing_from_outside_shadows_the_venv(kit, monkeypatch):
    start = load(kit)
    for name, value in {"PYTHONPATH": "/other", "PYTHONHOME": "/other", "JUPYTER_PATH": "/mine"}.items():
        monkeypatch.setenv(name, value)
    env = start.child_env()
    assert "PYTHONPATH" not in env and "PYTHONHOME" not in env
    assert env["JUPYTER_PATH"].split(os.pathsep) == [str(start.VENV / "share" / "jupyter"), "/mine"]
    assert env["PATH"].startswith(str(start.PYTHON.parent) + os.pathsep)


# the learner's copies

def test_copies_follow_the_course_until_the_learner_changes_them(kit, capsys):
    start = load(kit)
    start.update_copies()
    course, mine = kit / "notebooks", kit / "work"
    (mine / "01_soft_targets.ipynb").write_text("my answer")
    for name in ("00_start_here", "01_soft_targets"):
        (course / f"{name}.ipynb").write_text("second version")
    capsys.readouterr()
    start.update_copies()
    assert (mine / "00_start_here.ipynb").read_text() == "second version"
    assert (mine / "01_soft_targets.ipynb").read_text() == "my answer"
    assert capsys.readouterr().out.count("start.py reset 01_soft_targets") == 1


def test_a_copy_has_no_results_so_that_a_guess_is_one(kit, capsys):
    start = load(kit)
    cells = [{"cell_type": "markdown", "source": "Guess."},
             {"cell_type": "code", "source": "1 + 1", "outputs": [{"text": "2"}], "execution_count": 7, "metadata": {}}]
    (kit / "notebooks" / "00_start_here.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}))
    start.update_copies()
    copied = json.loads((kit / "work" / "00_start_here.ipynb").read_text())
    assert copied == {"cells": [cells[0], {**cells[1], "outputs": [], "execution_count": None}], "nbformat": 4}
    assert not start.is_changed(kit / "notebooks" / "00_start_here.ipynb")
    capsys.readouterr()
    start.update_copies()
    assert capsys.readouterr().out == ""


def test_a_changed_copy_is_not_news_while_the_course_stays(kit, capsys):
    start = load(kit)
    start.update_copies()
    (kit / "work" / "00_start_here.ipynb").write_text("mine")
    start.update_copies()
    assert capsys.readouterr().out == "" and (kit / "work" / "00_start_here.ipynb").read_text() == "mine"


@pytest.mark.parametrize("record", ["", "{", "[1]", None])
def test_a_lost_record_costs_no_changed_copy(kit, record):
    start = load(kit)
    start.update_copies()
    (kit / "work" / "00_start_here.ipynb").write_text("mine")
    start.COPIES.unlink() if record is None else start.COPIES.write_text(record)
    start.update_copies()
    assert (kit / "work" / "00_start_here.ipynb").read_text() == "mine"
    assert start.read_json(start.COPIES)["01_soft_targets.ipynb"]


def test_a_deleted_copy_comes_back(kit):
    start = load(kit)
    start.update_copies()
    (kit / "work" / "00_start_here.ipynb").unlink()
    start.update_copies()
    assert (kit / "work" / "00_start_here.ipynb").exists()


@pytest.mark.parametrize("name", ["01", "01_soft_targets", "01_soft_targets.ipynb", "work/01_soft_targets.ipynb"])
def test_reset_keeps_the_changed_notebook_aside(kit, name):
    start = load(kit)
    start.update_copies()
    for text in ("my answer", "my second answer"):
        (kit / "work" / "01_soft_targets.ipynb").write_text(text)
        assert start.main(["reset", name]) is None
    assert (kit / "work" / "01_soft_targets.ipynb").read_text() == "01_soft_targets, first version"
    aside = sorted((kit / "work").glob("01_soft_targets.20*.ipynb"))
    assert [path.read_text() for path in aside] == ["my answer", "my second answer"]


def test_reset_of_an_unchanged_copy_keeps_nothing_aside(kit):
    start = load(kit)
    start.update_copies()
    start.reset("00")
    assert len(list((kit / "work").glob("*.ipynb"))) == 2


@pytest.mark.parametrize("name", ["02", "0", ""])
def test_reset_of_no_single_notebook_names_them(kit, name):
    start = load(kit)
    with pytest.raises(SystemExit, match="00_start_here, 01_soft_targets"):
        start.reset(name)


# what the commands run

@pytest.mark.parametrize("user, allowed", [(0, True), (1000, False)])
def test_lab_opens_the_learners_copy_on_loopback_with_its_token(kit, called, monkeypatch, user, allowed):
    start = load(kit)
    calls = called(start)
    monkeypatch.setattr(start.os, "geteuid", lambda: user, raising=False)
    start.main(["--cpu", "--no-browser", "--port", "8890"])
    builds, lab = calls
    assert builds == "cpu" and lab[:3] == [str(start.PYTHON), "-m", "jupyterlab"]
    assert "--ServerApp.ip=127.0.0.1" in lab and "--LabApp.default_url=/lab/tree/work/00_start_here.ipynb" in lab
    assert lab[-3:] == ["--no-browser", "--port", "8890"] and (kit / "work" / "00_start_here.ipynb").exists()
    assert f"--LabApp.workspaces_dir={start.VENV / 'workspaces'}" in lab  # not the tabs of other projects
    assert ("--allow-root" in lab) == allowed and not any("token" in part or "password" in part for part in lab)


@pytest.mark.parametrize("status", [0, 1])
def test_test_runs_all_tests_in_the_venv_and_returns_their_status(kit, called, status):
    start = load(kit)
    calls = called(start, status)
    assert start.main(["test", "-k", "loss"]) == status
    assert calls == [None, [str(start.PYTHON), str(kit / "tests" / "run.py"), "-k", "loss"]]


@pytest.fixture
def pytest_runs(monkeypatch):
    """Load a folder's tests/run.py whose runs are recorded with their environment; they end with these statuses."""
    def install(folder, statuses):
        run, runs, ends = load(folder, "tests/run.py"), [], iter(statuses)
        monkeypatch.setattr(run.subprocess, "call",
                            lambda command, cwd, env: runs.append((command, env)) or next(ends))
        return run, runs
    return install


@pytest.mark.parametrize("statuses, status", [
    ((0, 0), 0), ((0, 1), 1), ((5, 0), 0), ((0, 5), 0), ((5, 5), 5), ((2, 1), 2)])
def test_all_tests_are_every_test_and_every_notebook(kit, pytest_runs, statuses, status):
    (kit / "notebooks" / "solutions").mkdir()
    (kit / "notebooks" / "solutions" / "01_soft_targets.ipynb").write_text("")
    run, runs = pytest_runs(kit, statuses)
    assert run.main(["-k", "loss"]) == status
    tests, learners = ([Path(part).name for part in command[3:]] for command, _ in runs)
    assert tests == ["--nbval-lax", "tests", "01_soft_targets.ipynb", "-k", "loss"]
    assert learners == ["--nbval-lax", "00_start_here.ipynb", "01_soft_targets.ipynb", "-k", "loss"]
    assert "solutions" in runs[0][0][5] and not any("solutions" in part for part in runs[1][0])
    assert [env.get("DISTILL_KIT_EPOCHS") for _, env in runs] == [os.environ.get("DISTILL_KIT_EPOCHS"), "1"]
    assert not Path(runs[1][1]["DISTILL_KIT_DATA"]).exists()


def test_of_named_files_only_these_run(kit, pytest_runs):
    run, runs = pytest_runs(kit, [0])
    assert run.main(["notebooks/00_start_here.ipynb", "-x"]) == 0
    ((command, _),) = runs
    assert command[1:] == ["-m", "pytest", "--nbval-lax", "notebooks/00_start_here.ipynb", "-x"]


def test_setup_opens_nothing(kit, called):
    start = load(kit)
    calls = called(start)
    assert not start.main(["setup", "--gpu"])
    assert calls == ["gpu"] and not start.WORK.exists()


def test_the_second_start_takes_less_than_a_second(kit, commands):
    start = load(kit)
    commands(start)
    start.set_up(None)
    start.update_copies()
    before = os.times()
    subprocess.run([sys.executable, str(kit / "start.py"), "setup"], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, PIP_NO_INDEX="1"))
    after = os.times()  # processor seconds: a busy machine does not count
    assert after.children_user + after.children_system - before.children_user - before.children_system < 1
