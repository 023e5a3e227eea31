"""Files that are whole or not there."""
import os
import signal
import subprocess
import sys

import pytest

from distill_kit.files import UNFINISHED, replace_file, replacing


def test_replace_file_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["b"]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    replace_file(path, b"old")

    def fail(handle):
        raise OSError("disk full")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_process_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    replace_file(path, b"old")
    killed = subprocess.run([sys.executable, "-c", f"""
import os, signal
from pathlib import Path
from distill_kit.files import replace_file
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
replace_file(Path({str(path)!r}), b"new" * 100_000)"""])
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left, = (other for other in tmp_path.iterdir() if other != path)
    assert left.name.startswith(".file.") and left.name.endswith(UNFINISHED)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_written_file_has_the_usual_permissions(tmp_path):
    replace_file(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write to .*file.*: .*\. Choose another folder\.$"):
        replace_file(tmp_path / "file" / "history.jsonl", b"")


def test_an_unfinished_file_lies_hidden_beside_its_place_until_the_with_ends(tmp_path):
    path = tmp_path / "folder" / "file"
    replace_file(path, b"old")
    with replacing(path) as file:
        file.write(b"new")
        part, = (other for other in path.parent.iterdir() if other != path)
        assert part.name.startswith(".file.") and part.name.endswith(UNFINISHED)
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("failure", [ValueError("half-way"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", [b"old", None])
def test_a_failure_inside_the_with_leaves_the_old_file_and_no_unfinished_one(tmp_path, failure, old):
    path = tmp_path / "file"
    if old is not None:
        replace_file(path, old)
    with pytest.raises(type(failure)), replacing(path) as file:
        file.write(b"half of the new")
        raise failure
    assert {other.name: other.read_bytes() for other in tmp_path.iterdir()} == ({} if old is None else {"file": old})


def test_two_that_write_at_once_do_not_mix_and_the_last_to_finish_stays(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as first:
        with replacing(path) as second:
            first.write(b"first"), second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first" and os.listdir(tmp_path) == ["file"]
