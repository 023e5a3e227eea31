"""start.py without a network and without pip: each test runs a copy of it in a folder of its own."""
import errno
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

KIT = Path(__file__).resolve().parents[1]


def load(folder):
    """Load the start.py of a folder as a module of its own."""
    spec = importlib.util.spec_from_file_location("start_under_test", folder / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kit(tmp_path):
    """A folder with a copy of start.py, what its stamp depends on, and two notebooks."""
    for name in ("start.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(KIT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start_here", "01_soft_targets"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"{name}, first version")
    return tmp_path


@pytest.fixture
def commands(monkeypatch):
    """Set-up commands are recorded instead of run; `fails(command)` decides their exit status and what they say."""
    ran = []

    def install(start, fails=lambda command: None):
        def logged(*command):
            command = [str(part) for part in command]
            ran.append(command)
            if "venv" in command:
                start.SITE.mkdir(parents=True)
                start.PYTHON.parent.mkdir(parents=True)
                start.PYTHON.write_text("")
            said = fails(command)
            with start.LOG.open("a") as log:
                log.write((said or "fine") + "\n")
            return 1 if said else 0
        monkeypatch.setattr(start, "logged", logged)
        monkeypatch.setattr(start.urllib.request, "urlopen", lambda url, timeout: types.SimpleNamespace(status=200))
        monkeypatch.setattr(start.shutil, "which", lambda name: None)
        monkeypatch.setattr(start.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=50e9))
        monkeypatch.setattr(start.os.path, "exists", lambda path: False)
        monkeypatch.setattr(start.sys, "platform", "linux")
        return ran
    return install


def pip_calls(ran):
    return [command[3:] for command in ran if command[1:3] == ["-m", "pip"]]


# the set-up

def test_set_up_installs_all_and_is_skipped_the_second_time(kit, commands):
    start = load(kit)
    ran = commands(start)
    start.set_up(None)
    torch, rest = pip_calls(ran)
    assert torch[-4:] == ["--index-url", start.CPU_INDEX, "torch", "torchvision"]
    assert rest[-2:] == ["-r", "requirements.txt"]
    assert json.loads((start.VENV / start.SETTINGS).read_text()) == start.OVERRIDES
    assert (start.SITE / "distill_kit_here.pth").read_text().strip() == str(kit)
    ran.clear()
    start.set_up(None)
    assert ran == []


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml", "start.py"])
def test_a_changed_file_means_a_new_set_up(kit, commands, name):
    start = load(kit)
    ran = commands(start)
    start.set_up(None)
    ran.clear()
    (kit / name).write_text((kit / name).read_text() + "\n# changed\n")
    start.set_up(None)
    assert len(pip_calls(ran)) == 2


def test_a_set_up_cut_off_at_any_command_is_done_again(kit, commands):
    start = load(kit)
    cut = {"at": 0}

    def kill(command):
        cut["at"] -= 1
        if cut["at"] == 0:
            raise KeyboardInterrupt
    ran = commands(start, kill)
    for at in range(1, 5):
        cut["at"] = at
        with pytest.raises(KeyboardInterrupt):
            start.set_up(None)
        assert not start.read_json(start.STAMP)
    ran.clear()
    start.set_up(None)
    assert start.read_json(start.STAMP) and len(pip_calls(ran)) == 2


def test_a_venv_that_does_not_run_is_made_anew_and_one_that_runs_is_kept(kit, commands):
    start = load(kit)
    broken = ["import pip._internal.cli.main"]
    ran = commands(start, lambda command: "no pip" if command[-1] in broken else None)
    start.SITE.mkdir(parents=True)
    start.PYTHON.parent.mkdir(parents=True)
    start.PYTHON.write_text("")
    (start.VENV / "left-over").write_text("")
    start.make_venv()
    assert not (start.VENV / "left-over").exists() and ["venv" in command for command in ran] == [False, True]
    (start.VENV / "kept").write_text("")
    broken.clear()
    start.make_venv()
    assert (start.VENV / "kept").exists()


def test_a_package_whose_install_was_cut_off_is_forgotten(kit, commands):
    start = load(kit)
    commands(start)
    start.make_venv()
    for name, files in {"whole-1.dist-info": ["METADATA", "INSTALLER"], "cut-1.dist-info": ["METADATA"]}.items():
        (start.SITE / name).mkdir()
        for file in files:
            (start.SITE / name / file).write_text("")
    start.make_venv()
    assert [path.name for path in start.SITE.glob("*.dist-info")] == ["whole-1.dist-info"]


def test_a_failed_cpu_install_falls_back_to_the_default_index(kit, commands):
    start = load(kit)
    ran = commands(start, lambda command: "no such build" if start.CPU_INDEX in command else None)
    start.set_up(None)
    names = [(call[0], start.CPU_INDEX in call) for call in pip_calls(ran)]
    # what the first index left is removed: its torch does not work beside the other's torchvision
    assert names == [("install", True), ("uninstall", False), ("install", False), ("install", False)]
    assert start.TORCH_FROM.read_text() == "default"


def test_builds_that_do_not_import_fall_back_too(kit, commands):
    start = load(kit)
    tries = []

    def first_import_fails(command):
        if command[-1] == "import torch, torchvision":
            tries.append(command)
            return "undefined symbol" if len(tries) == 1 else None
    commands(start, first_import_fails)
    start.set_up(None)
    assert len(tries) == 2 and start.TORCH_FROM.read_text() == "default"


@pytest.mark.parametrize("builds, nvidia, reachable, platform, source", [
    ("auto", False, True, "linux", "cpu"), ("auto", True, True, "linux", "default"),
    ("cpu", True, True, "linux", "cpu"), ("gpu", False, True, "linux", "default"),
    ("auto", False, False, "linux", "default"), ("cpu", False, False, "linux", "default"),
    ("auto", False, True, "darwin", "default"), ("cpu", False, True, "win32", "default")])
def test_where_torch_comes_from(kit, commands, monkeypatch, builds, nvidia, reachable, platform, source):
    start = load(kit)
    commands(start)
    monkeypatch.setattr(start.shutil, "which", lambda name: "/usr/bin/nvidia-smi" if nvidia else None)
    monkeypatch.setattr(start.sys, "platform", platform)
    if not reachable:
        def refuse(url, timeout):
            raise OSError("refused")
        monkeypatch.setattr(start.urllib.request, "urlopen", refuse)
    assert start.torch_source(builds) == source


def test_a_choice_of_builds_is_remembered_and_can_be_changed(kit, commands):
    start = load(kit)
    ran = commands(start)
    start.set_up("gpu")
    assert not any(start.CPU_INDEX in call for call in pip_calls(ran))
    ran.clear()
    start.set_up(None)
    assert ran == []
    start.set_up("cpu")
    assert [call[0] for call in pip_calls(ran)] == ["uninstall", "install", "install"]


# failures: one sentence, exit status 1

def failure(capsys, start, *arguments):
    """What start.py says, and its exit status, when it is started with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        sys.exit(start.main(list(arguments)))
    status = stopped.value.code
    return (status, capsys.readouterr().err) if isinstance(status, int) else (1, status)


@pytest.mark.parametrize("said, sentence", [
    ("NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused", "No network: PyTorch"),
    ("Temporary failure in name resolution", "Check your connection"),
    ("OSError: [Errno 28] No space left on device", "Not enough disk"),
    ("ERROR: No matching distribution found for torch", "another Python helps")])
def test_pip_failures(kit, commands, capsys, said, sentence):
    start = load(kit)
    commands(start, lambda command: said if "install" in command else None)
    status, words = failure(capsys, start, "setup")
    assert status == 1 and sentence in words and "Traceback" not in words


def test_too_little_disk_is_said_before_anything_is_fetched(kit, commands, capsys, monkeypatch):
    start = load(kit)
    ran = commands(start)
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: types.SimpleNamespace(free=1.2e9))
    status, words = failure(capsys, start, "setup")
    assert status == 1 and "Not enough disk" in words and "1.2 GB" in words and pip_calls(ran) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_no_write_access(kit, capsys, monkeypatch, number):
    start = load(kit)

    def refuse(*arguments, **options):
        raise OSError(number, os.strerror(number), str(start.LOCK))
    monkeypatch.setattr(start.Path, "open", refuse)
    status, words = failure(capsys, start, "setup")
    assert status == 1 and words.startswith(f"No write access to {start.LOCK}")


def test_no_venv_module(kit, commands, capsys, monkeypatch):
    start = load(kit)
    commands(start)
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    status, words = failure(capsys, start, "setup")
    assert status == 1 and "apt install python3-venv" in words and not start.VENV.exists()


def test_ctrl_c(kit, capsys, monkeypatch):
    start = load(kit)

    def interrupt(builds):
        raise KeyboardInterrupt
    monkeypatch.setattr(start, "set_up", interrupt)
    assert start.main(["setup"]) == 130
    assert "The same command goes on" in capsys.readouterr().err


def test_an_old_python_gets_a_sentence(kit, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    with pytest.raises(SystemExit, match="needs Python 3.10 or newer and this is Python 3.8"):
        load(kit)


def test_old_pythons_can_parse_it():
    import ast
    ast.parse((KIT / "start.py").read_text(), feature_version=(3, 6))


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
    assert start.last_lines(1) == ["hello"]


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

@pytest.fixture
def called(monkeypatch):
    """Keep set-up and processes out; record what would run."""
    calls = []

    def install(start, status=0):
        monkeypatch.setattr(start, "set_up", lambda builds: calls.append(builds))
        monkeypatch.setattr(start.os, "execve", lambda path, command, env: calls.append(command))
        monkeypatch.setattr(start.os, "chdir", lambda path: None)
        monkeypatch.setattr(start.subprocess, "call", lambda command, **options: calls.append(command) or status)
        return calls
    return install


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
    assert ("--allow-root" in lab) == allowed and not any("token" in part or "password" in part for part in lab)


@pytest.mark.parametrize("status", [0, 1, 5])
def test_test_runs_every_test_and_notebook_and_returns_their_status(kit, called, status):
    (kit / "notebooks" / "solutions").mkdir()
    (kit / "notebooks" / "solutions" / "01_soft_targets.ipynb").write_text("")
    start = load(kit)
    calls = called(start, status)
    assert start.main(["test", "-k", "loss"]) == status
    run = calls[-1]
    assert run[1:5] == ["-m", "pytest", "--nbval-lax", "tests"] and run[-2:] == ["-k", "loss"]
    notebooks = ["00_start_here.ipynb", "01_soft_targets.ipynb", "solutions/01_soft_targets.ipynb"]
    assert [Path(part).relative_to(kit / "notebooks").as_posix() for part in run[5:-2]] == notebooks


def test_test_of_a_named_file_runs_that_alone(kit, called):
    start = load(kit)
    calls = called(start)
    start.main(["test", "notebooks/00_start_here.ipynb", "-x"])
    assert calls[-1][1:] == ["-m", "pytest", "--nbval-lax", "notebooks/00_start_here.ipynb", "-x"]


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
