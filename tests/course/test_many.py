"""Many students at once: each as if it were alone, whatever happens to the processes."""
import multiprocessing
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course import many
from distill_course.many import FAILED, REPORT, TRIES, train_many
from distill_kit import changes
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset()
SETTINGS = [Settings(images=100, epochs=2, batch_size=16, seed=seed, alpha=alpha, leave_out=left_out,
                     precision="float32", device="cpu")  # on a GPU there are no other processes
            for seed, alpha, left_out in ((0, 0.1, None), (1, 0.1, None), (0, 1.0, None), (0, 0.5, "green"))]
NOT_COMPARED = ("seconds", "images_per_second", "teacher_seconds", "index")


def without_clocks(row):
    return {name: value for name, value in row.items() if name not in NOT_COMPARED}


def alone(settings):
    """The rows of a run in this process and one thread, as `train_many` would say them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run = Run(settings, Materials.of(settings, DATASET, ColourTeacher()))
        rows = list(run.rows())
        return [without_clocks(row) for row in [*rows, {"kind": REPORT, **run.report()}]]
    finally:
        torch.set_num_threads(threads)


def of_each(rows, count=4):
    of_student = [[] for _ in range(count)]
    for row in rows:
        of_student[row["index"]].append(without_clocks(row))
    return of_student


def test_side_by_side_is_alone_bit_for_bit():
    made = of_each(train_many(SETTINGS, DATASET, ColourTeacher(), workers=2, progress=False))
    assert made == [alone(settings) for settings in SETTINGS]


class Dying(str):
    """A data set's name that, where it arrives in another process, brings a change with it which kills that process.

    It reads "FILE LIVES": the process dies until the file holds so many lines, a line for each death.
    """

    def __reduce__(self):
        return arrived, (str(self),)


def arrived(name):
    path, lives = Path(name.split()[0]), int(name.split()[1])

    def die(parts):
        deaths = path.read_text().count("x") if path.exists() else 0
        if deaths < lives:
            path.write_text("x" * (deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return parts
    changes.register("die", die)
    return Dying(name)


@pytest.fixture
def mortal(tmp_path, monkeypatch):
    """Settings whose process dies so many times; in this process the change does nothing."""
    monkeypatch.setitem(changes.CHANGES, "die", lambda parts: parts)
    return lambda lives: replace(SETTINGS[0], data=Dying(f"{tmp_path / 'deaths'} {lives}"), changes=("die",))


def test_h7_a_killed_process_is_reported_and_its_student_trained_again(mortal):
    with pytest.warns(UserWarning, match="Setting 0: its process ended with status -9; its student is trained again"):
        rows = list(train_many([mortal(1), SETTINGS[1]], DATASET, ColourTeacher(), workers=1, progress=False))
    assert of_each(rows, 2) == [alone(settings) for settings in SETTINGS[:2]]


@pytest.mark.filterwarnings("ignore:Setting")
def test_h7_a_student_whose_process_is_killed_three_times_is_trained_all_the_same(mortal):
    rows = list(train_many([mortal(3), SETTINGS[1]], DATASET, ColourTeacher(), workers=2, progress=False))
    assert of_each(rows, 2) == [alone(settings) for settings in SETTINGS[:2]]


def test_h7_a_student_whose_process_always_dies_fails_and_no_other(mortal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = list(train_many([mortal(TRIES), SETTINGS[1]], DATASET, ColourTeacher(), workers=2, progress=False))
    failed, other = of_each(rows, 2)
    assert [row["kind"] for row in failed] == [FAILED] and "Fewer workers need less" in failed[0]["error"]
    assert failed[0]["error"].startswith("its process ended with status -9, 5 times")
    assert other == alone(SETTINGS[1])


def test_leaving_the_for_stops_them_all():
    rows = train_many(SETTINGS, DATASET, ColourTeacher(), workers=2, progress=False)
    next(rows)
    assert multiprocessing.active_children()
    rows.close()
    assert not multiprocessing.active_children()


def test_a_bad_setting_is_refused_before_anything_begins():
    bad = Settings(images=100, labelled=500, batch_size=16)
    with pytest.raises(ValueError, match="500"):
        next(train_many([SETTINGS[0], bad], DATASET, ColourTeacher()))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_are_refused(workers):
    with pytest.raises(ValueError, match=f"workers must be 1 or more, .*; got {workers}"):
        next(train_many(SETTINGS, DATASET, ColourTeacher(), workers=workers, progress=False))


def test_a_change_that_workers_do_not_know_fails_its_student_and_no_other(monkeypatch):
    monkeypatch.setitem(changes.CHANGES, "mine", lambda parts: parts)
    settings = [replace(SETTINGS[0], changes=("mine",)), SETTINGS[1]]
    failed, other = of_each(train_many(settings, DATASET, ColourTeacher(), workers=1, progress=False), 2)
    assert [row["kind"] for row in failed] == [FAILED]
    assert "got 'mine'" in failed[0]["error"] and "registered in every process" in failed[0]["error"]
    assert other == alone(SETTINGS[1])


def test_an_error_of_any_kind_is_a_row_that_names_it(monkeypatch):
    def stumble(run):
        raise KeyError("colour")
    monkeypatch.setattr(Run, "rows", stumble)
    materials = {many._key(SETTINGS[0]): Materials.of(SETTINGS[0], DATASET, ColourTeacher())}
    assert list(many._train(3, SETTINGS[0], materials)) == [
        {"kind": FAILED, "index": 3, "error": "KeyError: 'colour'"}]
