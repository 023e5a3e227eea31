"""What can go wrong with `sweep`: options, files, databases, disks. Each is a sentence, and nothing is lost."""
import errno
import json
import os
import re
import sqlite3
import subprocess

import pytest
from filelock import FileLock
from sweeping import TINY, until

LOOK, IMAGES = {"settings": []}, ["--images", "96"]
STORAGE = "storage must be a database's address, sqlite:///FILE or postgresql://"


def the_sentence(errors):
    """The single sentence on standard error, beside bars and where the results go."""
    own = [line for line in errors.splitlines() if line.startswith("distill_kit: ")]
    assert len(own) == 1 and errors.splitlines()[-1] == own[0], errors
    return own[0]


@pytest.mark.parametrize("options, sentence", [
    (["--temprature", "4"], "there is no option --temprature; did you mean --temperature?"),
    (["--temperature", "hot"], "takes values with commas between them; got 'hot'"),
    (["--temperature", ""], "takes values with commas between them; got ''"),
    (["--temperature", "1,,4"], "takes values with commas between them; got '1,,4'"),
    (["--temperature", "1,4,"], "takes values with commas between them; got '1,4,'"),
    (["--temperature", "-1"], "temperature must be "), (["--temperature", "nan"], "temperature must be "),
    (["--alpha", "0.1,2"], "alpha must be .*2"), (["--student", "moon"], "student must be one of .*got 'moon'"),
    (["--alpha", "none"], "alpha must be a number; got None"), (["--seeds", "0"], "seeds must be 1 or more; got 0"),
    (["--seeds", "1001"], "seeds must be .*got 1001"), (["--seeds", "many"], "--seeds"),
    (["--seeds", "2", "--seed", "1,2"], r"seeds is a count, from --seed on, .*got \[1, 2\]"),
    (["--temperature", "4,4"], "each run once"), (["--temperature", "4,4.0"], "each run once"),
    (["--workers", "0"], "workers must be 1 or more"), (["--images", "5000"], "images must be at most"),
    (["--leave-out", "moon"], "moon"), (["--fault", "moon"], "fault must be .*moon"),
    (["--study", "../mine"], r"study must be a name of letters.*got '\.\./mine'"),
    (["--study", ""], "study must be a name"), (["--plan", "/no/plan.toml"], "leave out"),
    (["--status", "--seeds", "2"], "status takes --study and --storage only; leave out .*--seeds")])
def test_options_that_make_no_sense_are_exit_2_and_leave_nothing(sweeps, tmp_path, options, sentence):
    status, report, errors = sweeps(*options)
    assert status == 2 and report is None and re.search(sentence, the_sentence(errors)), errors
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["temperature", "alpha", "seeds", "workers", "plan", "teacher", "fault"])
@pytest.mark.parametrize("look", [["--status"], ["--export", "out.csv"]])
def test_looking_takes_no_settings(sweeps, look, option):
    status, _, errors = sweeps(*look, f"--{option}", "1", **LOOK)
    assert status == 2 and f"takes --study and --storage only; leave out --{option}" in the_sentence(errors)


def test_a_table_of_another_kind_is_refused(sweeps, tmp_path):
    sweeps()
    for name in ("out.xlsx", "out", "out.json.gz"):
        status, report, errors = sweeps("--export", tmp_path / name, **LOOK)
        assert status == 2 and report is None and f"export must end in .csv, .jsonl (an object a line) or .parquet; " \
            f"got {str(tmp_path / name)!r}" in the_sentence(errors)


# Studies and databases

@pytest.mark.parametrize("look", [["--status"], ["--export", "out.csv"]])
def test_a_study_that_is_not_there_is_named_and_not_made(sweeps, little_sweeps, look):
    status, _, errors = sweeps(*look, **LOOK)
    assert status == 2 and f"no study at {little_sweeps}/study.db" in the_sentence(errors)
    assert not little_sweeps.exists()
    sweeps()
    status, _, errors = sweeps(*look, "--study", "other", "--storage", f"sqlite:///{little_sweeps}/study.db", **LOOK)
    assert status == 2 and "no study 'other' in sqlite:///" in the_sentence(errors)


def of_something_else(path):
    with sqlite3.connect(path) as file:
        file.execute("create table cats (name text)")


@pytest.mark.parametrize("make, sentence", [
    (lambda path: path.write_bytes(b"no study " * 100), "is no study"),
    (of_something_else, "database of something else"), (lambda path: path.mkdir(), "is no study")])
@pytest.mark.parametrize("look", [[], ["--status"]])
def test_a_file_that_is_no_study_is_left_as_it_is(sweeps, tmp_path, make, sentence, look):
    path = tmp_path / "given.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    status, report, errors = sweeps("--storage", f"sqlite:///{path}", *look, settings=[] if look else IMAGES)
    assert status == 2 and report is None
    assert "no study at" in errors if path.is_dir() and look else sentence in the_sentence(errors)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("storage", [
    "nonsense", "", "moon://host/name", "postgresql+moon://host/name", "mysql://host/x", "oracle://host/x",
    "sqlite+moon:///x.db", "http://host"])
@pytest.mark.parametrize("look", [[], ["--status"]])
def test_a_storage_of_an_unknown_kind_is_a_sentence(sweeps, storage, look, little_sweeps):
    status, _, errors = sweeps("--storage", storage, *look, settings=[] if look else IMAGES)
    assert status == 2 and STORAGE in the_sentence(errors)
    assert not little_sweeps.exists()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("distill_course.sweep.ledger.AT_FIRST", 0.5)


@pytest.mark.parametrize("look", [[], ["--status"]])
def test_a_storage_that_does_not_answer_is_a_sentence_without_its_password(sweeps, impatient, look):
    status, report, errors = sweeps("--storage", "postgresql://me:secret@127.0.0.1:9/name", *look,
                                    settings=[] if look else IMAGES)
    assert status == 1 and report is None and "secret" not in errors
    assert "the storage postgresql://me:***@127.0.0.1:9/name cannot be reached or written (" in the_sentence(errors)


def test_two_sweeps_of_one_file_at_once_are_refused_and_looking_is_not(grid, sweeps, little_sweeps):
    grid(seeds="1")
    lock = FileLock(f"{little_sweeps}/study.db.lock")
    with lock:
        status, report, errors = grid(seeds="1")
        assert status == 1 and report is None
        assert "another sweep is at work with" in the_sentence(errors) and "--status shows how far" in errors
        assert sweeps("--status", **LOOK)[1]["finished"] == 4
        assert sweeps("--export", little_sweeps / "out.csv", **LOOK)[0] == 0
    assert grid(seeds="1")[0] == 0


# Results on the disk

def files(folder):
    return sorted((folder / "results").glob("*.json"))


@pytest.mark.parametrize("cut", [lambda text: text[:100], lambda text: "", lambda text: "[]", lambda text: "{}",
                                 lambda text: "null", lambda text: text.replace('"seed": 0', '"seed": 5'),
                                 lambda text: text.replace('"rows"', '"lines"'), lambda text: "[" * 100_000,
                                 lambda text: text.replace('{"val_accuracy": ', '{"val_accuracy": 7'),
                                 lambda text: text.replace('"test_accuracy": ', '"test_accuracy": NaN, "x": '),
                                 lambda text: text.replace('"report": {', '"report": [], "other": {'),
                                 lambda text: re.sub('"test_accuracy": [0-9.]+', '"test_accuracy": 0.9', text),
                                 lambda text: text.replace('"views": 4', '"views": 3')])
def test_a_result_that_was_cut_or_is_of_another_run_is_trained_again(sweeps, trained, little_sweeps, cut):
    sweeps()
    file, = files(little_sweeps)
    whole = json.loads(file.read_text())
    file.write_text(cut(file.read_text()))
    (little_sweeps / "study.db").unlink()
    trained.clear()
    with pytest.warns(UserWarning, match="is cut, altered or of another run; its run is trained again"):
        status, report, _ = sweeps()
    assert status == 0 and len(trained) == 1 and report["finished"] == 1
    assert json.loads(file.read_text())["report"]["test_accuracy"] == whole["report"]["test_accuracy"]


def test_results_on_the_disk_are_entered_into_a_new_database_and_not_trained_again(grid, trained, little_sweeps):
    grid()
    (little_sweeps / "study.db").unlink(), files(little_sweeps)[3].unlink()
    trained.clear()
    status, report, _ = grid()
    assert status == 0 and report["finished"] == 8 and report["repeated"] == 0 and len(trained) == 1


def test_a_result_whose_figure_was_altered_is_a_clash_and_the_first_is_kept(grid, sweeps, little_sweeps, tmp_path):
    grid()
    file = files(little_sweeps)[2]
    result = json.loads(file.read_text())
    right, result["report"]["test_accuracy"] = result["report"]["test_accuracy"], 0.125
    file.write_text(json.dumps(result))
    status, report, errors = grid()
    assert status == 1 and report["finished"] == 8 and report["failed"] == 0
    assert f"{file} is cut, altered or of another run; what the study has is kept" in the_sentence(errors)
    assert json.loads(file.read_text())["report"]["test_accuracy"] == right
    assert sweeps("--export", tmp_path / "out.jsonl", **LOOK)[0] == 0
    rows = [*map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())]
    assert {row["test_accuracy"] for row in rows if row["key"] == file.stem} == {right}


# Disks

def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(grid, sweeps, trained, monkeypatch):
    from distill_course import run_folders
    real, written = run_folders.replace_file, []

    def write(path, content):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        real(path, content)
    with monkeypatch.context() as patch:
        patch.setattr(run_folders, "replace_file", write)
        status, report, errors = grid()
    assert status == 1 and report is None and "No space left on device" in the_sentence(errors)
    state = sweeps("--status", **LOOK)[1]
    assert state["running"] == 0 and state["requested"] == 8
    trained.clear()
    assert grid()[0] == 0 and len(trained) == 5  # three lie on the disk


@pytest.fixture
def little_disk(tmp_path):
    """A disk of half a megabyte, where one can be made."""
    (tmp_path / "disk").mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", tmp_path / "disk"], stderr=-3):
        pytest.skip("no file system can be mounted here")
    yield tmp_path / "disk"
    subprocess.call(["umount", "-l", tmp_path / "disk"])


def test_a_disk_that_fills_up_loses_nothing(sweep, little_disk, tmp_path):
    options = ["--study", "mine", *TINY, "--seeds", "4", "--workers", "1"]
    environment = {"DISTILL_KIT_CACHE": str(tmp_path / "cache")}
    (little_disk / "sweeps" / "mine").mkdir(parents=True)
    own = sweep(*options, folder=little_disk, environment=environment)
    filler = little_disk / "filler"
    until(lambda: own.finished >= 1, "a result")
    file = os.open(filler, os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        while True:
            os.write(file, bytes(1024))
    os.close(file)
    status, report, errors = own.end()
    assert status == 1 and report is None and "Traceback" not in errors, errors
    kept = own.finished
    filler.unlink()
    own.start()
    status, report, errors = own.end()
    assert status == 0 and report["finished"] == 4 and report["repeated"] == 0 and kept >= 1
