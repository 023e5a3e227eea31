"""A copy of start.py and tests/run.py in a folder of its own, for tests without a network and without pip."""
import importlib.util
import shutil
import types
from pathlib import Path

import pytest

KIT = Path(__file__).resolve().parents[1]


def load(folder, name="start.py"):
    """Load a script of a folder as a module of its own."""
    spec = importlib.util.spec_from_file_location("script_under_test", folder / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kit(tmp_path):
    """A folder with a copy of start.py, what its stamp depends on, tests/run.py and two notebooks."""
    for name in ("start.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(KIT / name, tmp_path / name)
    shutil.copytree(KIT / "requirements", tmp_path / "requirements")
    (tmp_path / "tests").mkdir()
    shutil.copy(KIT / "tests" / "run.py", tmp_path / "tests" / "run.py")
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
                shutil.rmtree(start.VENV, ignore_errors=True)  # --clear
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
