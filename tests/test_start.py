"""start.py's set-up and its failures, without a network and without pip."""
import errno
import json
import os
import sys
import types

import pytest
from start_copy import KIT, load


def pip_calls(ran):
    return [command[3:] for command in ran if command[1:3] == ["-m", "pip"]]


# the set-up

def test_set_up_installs_all_and_is_skipped_the_second_time(kit, commands):
    start = load(kit)
    ran = commands(start)
    start.set_up(None)
    torch, rest = pip_calls(ran)
    assert torch[-4:-2] == ["--index-url", start.CPU_INDEX] and torch[-2] == "torchvision"
    assert torch[-1] in (kit / "requirements" / "kit.txt").read_text() and torch[-1].startswith("torch>=")
    assert rest[-2:] == ["-r", "requirements.txt"]
    assert json.loads((start.VENV / start.SETTINGS).read_text()) == start.OVERRIDES
    assert (start.SITE / "distill_kit_here.pth").read_text().strip() == str(kit)
    ran.clear()
    start.set_up(None)
    assert ran == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements/course.txt", "requirements/sweep.txt",
                                  "pyproject.toml", "start.py"])
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
        return "undefined symbol" if len(tries) == 1 and command is tries[0] else None
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


@pytest.mark.parametrize("log, sentence", [
    ("NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused", "No network: PyTorch"),
    ("Temporary failure in name resolution", "Check your connection"),
    ("OSError: [Errno 28] No space left on device", "Not enough disk"),
    ("ERROR: No matching distribution found for torch", "another Python helps")])
def test_pip_failures(kit, commands, capsys, log, sentence):
    start = load(kit)
    commands(start, lambda command: log if "install" in command else None)
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


def test_no_venv_module(kit, commands, capsys):
    start = load(kit)
    commands(start, lambda command: "ensurepip is not available" if "venv" in command else None)
    status, words = failure(capsys, start, "setup")
    assert status == 1 and "     | ensurepip is not available\n" in words and "apt install python3-venv" in words


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
