"""In which folder a run is written."""
import re

import pytest

from distill_course.run_folders import new_run_folder
from distill_kit.settings import Settings


def test_run_folders_are_never_used_twice(tmp_path):
    folders = [new_run_folder(Settings(seed=7), tmp_path / "runs") for _ in range(4)]
    assert len(set(folders)) == 4 and all(folder.is_dir() for folder in folders)
    assert all(re.match(r"\d{8}-\d{6}-7-\d+", folder.name) for folder in folders)


def test_run_folders_go_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_KIT_RUNS", str(tmp_path / "elsewhere"))
    assert new_run_folder(Settings()).parent == tmp_path / "elsewhere"
    assert new_run_folder(Settings(), tmp_path / "here").parent == tmp_path / "here"
    monkeypatch.delenv("DISTILL_KIT_RUNS")
    monkeypatch.chdir(tmp_path)
    assert new_run_folder(Settings()).resolve().parent == (tmp_path / "runs").resolve()


@pytest.mark.parametrize("below", ["file", "file/deeper"])
def test_a_run_folder_that_cannot_be_made_is_one_sentence(tmp_path, below):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"^cannot write runs to .*file.*\. Choose another folder"):
        new_run_folder(Settings(), tmp_path / below)
