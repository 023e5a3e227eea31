"""Many students at once: each as if it were alone, whatever happens to the processes."""
import json
import multiprocessing
import os
import signal
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import ColourTeacher, coloured_dataset, same_state, state_of

from distill_course.diagnosis import probe
from distill_course.lab.measures import MEASURES
from distill_course.run_folders import read_result
from distill_course.sweep.crew import TRIES, finished, result_of, trained
from distill_course.sweep.plan import VERSION, Planned
from distill_course.sweep.stock import Stock
from distill_kit import changes
from distill_kit.history import plain
from distill_kit.models import ConvNet
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset()
SETTINGS = [Settings(images=100, epochs=2, batch_size=16, seed=seed, alpha=alpha, leave_out=left_out,
                     precision="float32", device="cpu")  # on a GPU there are no other processes
            for seed, alpha, left_out in ((0, 0.1, None), (1, 0.1, None), (0, 1.0, None), (0, 0.5, "green"))]
RUNS = [Planned(settings) for settings in SETTINGS]
NOT_COMPARED = ("seconds", "images_per_second", "teacher_seconds")


def without_clocks(row):
    return {name: value for name, value in row.items() if name not in NOT_COMPARED}


def figures(result):
    """What is compared of a result, and of a run that was trained in this process."""
    return {"rows": [*map(without_clocks, result["rows"])], "report": without_clocks(result["report"]),
            "probes": result.get("probes")}


def in_one_thread(train):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train()
    finally:
        torch.set_num_threads(threads)


def alone(settings, teacher=None, probes=False, measure=None):
    """The figures of a run in this process and one thread."""
    def train():
        run = Run(settings, Materials.of(settings, DATASET, teacher or ColourTeacher()))
        for row in run.rows():
            if measure is not None and row["kind"] == "epoch":
                row[measure] = MEASURES[measure].of(run, row)
        return figures(plain({"rows": run.history, "report": run.report(), "probes": probe(run) if probes else None}))
    return in_one_thread(train)


def results_of(runs, teacher=None, **options):
    """The results in the order of the runs."""
    made = list(trained(runs, Stock(DATASET, teacher or ColourTeacher()), progress=False, **options))
    assert sorted(place for place, _ in made) == list(range(len(runs)))  # each once
    return [dict(made)[place] for place in range(len(runs))]


def figures_of(runs, *arguments, **options):
    return [figures(result) for result in results_of(runs, *arguments, **options)]


def test_side_by_side_is_alone_bit_for_bit():
    assert figures_of(RUNS, workers=2) == [alone(settings) for settings in SETTINGS]


def test_a_result_says_what_it_was_computed_by():
    result, = results_of([Planned(SETTINGS[1], arm="mine", teacher="the one at hand")], workers=1)
    assert result["settings"] == plain(vars(SETTINGS[1])) and result["threads"] == 1 and result["version"] == VERSION
    assert (result["arm"], result["teacher"], result["taught_by"]) == ("mine", "the one at hand", None)
    assert result["source"] == DATASET.pool.source and {"processor", "torch"} <= result["machine"].keys()


def test_as_many_threads_as_the_settings_ask_for():
    result, = results_of([Planned(replace(SETTINGS[0], threads=2))], workers=1)
    assert result["threads"] == 2 and {row["threads"] for row in result["rows"]} == {2}


# What asks the teacher itself: trained in processes, too, whatever the teacher is

class OtherTeacher(ColourTeacher):
    """No ConvNet, and another in training: what it answers is not known before."""

    def forward(self, images):
        return super().forward(images) * (0.5 if self.training else 1)


def conv_teacher():
    torch.manual_seed(5)
    run = Run(SETTINGS[2], Materials.of(SETTINGS[2], DATASET, ColourTeacher()))
    return run.student.eval().requires_grad_(False)


@pytest.mark.parametrize("make", [OtherTeacher, conv_teacher])
def test_what_asks_the_teacher_itself_is_trained_in_processes(make):
    teacher = make()
    assert (type(teacher) is ConvNet) == (make is conv_teacher)
    settings = [SETTINGS[0], *(replace(SETTINGS[1], changes=(f"teacher_in_train_mode{strength}",))
                               for strength in ("", ":gross"))]
    made = figures_of([Planned(each) for each in settings], teacher, workers=2)
    assert made == [alone(each, teacher) for each in settings]
    assert made[1]["rows"] != alone(SETTINGS[1], teacher)["rows"]  # the change does something


@pytest.mark.parametrize("make", [OtherTeacher, conv_teacher])
def test_probes_and_measures_are_those_of_a_run_in_this_process(make):
    teacher = make()
    made, = figures_of([Planned(SETTINGS[3], probes=True, measure="rank2")], teacher, workers=1)
    assert made == alone(SETTINGS[3], teacher, probes=True, measure="rank2") and made["probes"]
    assert all("rank2" in row for row in made["rows"])


def test_an_arm_with_a_teacher_of_its_own_learns_from_that_student():
    taught_by = replace(SETTINGS[2], epochs=1, seed=SETTINGS[0].seed)

    def own_teacher():
        run = Run(taught_by, Materials.of(taught_by, DATASET, ColourTeacher()))
        list(run.rows())
        return run.student
    made = figures_of([Planned(SETTINGS[0], taught_by=taught_by), RUNS[0]], workers=2)
    assert made == [alone(SETTINGS[0], in_one_thread(own_teacher)), alone(SETTINGS[0])]
    assert made[0]["rows"] != made[1]["rows"]


def test_a_result_on_the_disk_is_the_one_that_comes(tmp_path):
    run, stock = RUNS[0], Stock(DATASET, ColourTeacher())
    result = in_one_thread(lambda: result_of(run, stock.source(run), tmp_path / "folder" / "result.json"))
    assert read_result(tmp_path / "folder" / "result.json") == json.loads(json.dumps(result))
    assert figures(result) == alone(SETTINGS[0])


# Processes that die

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
        if deaths < lives and multiprocessing.parent_process() is not None:
            path.write_text("x" * (deaths + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        return parts
    changes.CHANGES["die"] = die
    return Dying(name)


@pytest.fixture
def mortal(tmp_path, monkeypatch):
    """A run whose process dies so many times; in this process the change does nothing."""
    monkeypatch.setitem(changes.CHANGES, "die", lambda parts: parts)
    return lambda lives: Planned(replace(SETTINGS[0], data=Dying(f"{tmp_path / 'deaths'} {lives}"), changes=("die",)))


def test_h7_a_killed_process_is_reported_and_its_student_trained_again(mortal):
    with pytest.warns(UserWarning, match="Run 0: its process ended with status -9; it is trained again from the start"):
        made = figures_of([mortal(1), RUNS[1]], workers=1)
    assert made == [alone(settings) for settings in SETTINGS[:2]]


@pytest.mark.filterwarnings("ignore:Run")
def test_h7_a_student_whose_process_is_killed_three_times_is_trained_all_the_same(mortal):
    assert figures_of([mortal(3), RUNS[1]], workers=2) == [alone(settings) for settings in SETTINGS[:2]]


def test_h7_a_student_whose_process_always_dies_fails_and_no_other(mortal):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed, other = results_of([mortal(TRIES), RUNS[1]], workers=2)
    assert list(failed) == ["error"] and "Fewer workers need less" in failed["error"]
    assert failed["error"].startswith("its process ended with status -9, 5 times")
    assert figures(other) == alone(SETTINGS[1])


def test_leaving_the_for_stops_them_all():
    made = trained(RUNS, Stock(DATASET, ColourTeacher()), workers=2, progress=False)
    next(made)
    assert multiprocessing.active_children()
    made.close()
    assert not multiprocessing.active_children()


def test_a_bad_setting_is_refused_before_anything_begins():
    bad = Settings(images=100, labelled=500, batch_size=16)
    with pytest.raises(ValueError, match="500"):
        next(trained([RUNS[0], Planned(bad)], Stock(DATASET, ColourTeacher())))
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_workers_are_a_whole_number_above_0(workers):
    with pytest.raises(ValueError, match=f"workers must be 1 or more, or None for as many as threads; got {workers!r}"):
        next(trained(RUNS, Stock(DATASET, ColourTeacher()), workers=workers, progress=False))


def test_a_change_that_workers_do_not_know_fails_its_student_and_no_other(monkeypatch):
    monkeypatch.setitem(changes.CHANGES, "mine", lambda parts: parts)
    failed, other = results_of([Planned(replace(SETTINGS[0], changes=("mine",))), RUNS[1]], workers=1)
    assert "got 'mine'" in failed["error"] and "registered in every process" in failed["error"]
    assert list(failed) == ["error"] and figures(other) == alone(SETTINGS[1])


def test_an_error_of_any_kind_is_a_sentence_that_names_it(monkeypatch):
    def stumble(run):
        raise KeyError("colour")
    monkeypatch.setattr(Run, "rows", stumble)
    assert result_of(RUNS[0], Materials.of(SETTINGS[0], DATASET, ColourTeacher())) == {"error": "KeyError: 'colour'"}


def test_students_that_are_made_in_several_threads_at_once_are_those_that_are_made_one_by_one(monkeypatch):
    """As two labs of a kernel make theirs; the weights come from a generator that all threads share."""
    materials = Materials.of(SETTINGS[0], DATASET, ColourTeacher())
    settings = [replace(SETTINGS[0], seed=seed) for seed in range(40)]
    monkeypatch.setattr(Run, "rows", lambda run: iter(()))
    monkeypatch.setattr(ConvNet, "__init__", slowly(ConvNet.__init__))
    one_by_one = [state_of(finished(each, materials).student) for each in settings]
    with ThreadPoolExecutor(4) as threads:
        at_once = list(threads.map(lambda each: state_of(finished(each, materials).student), settings))
    assert all(map(same_state, one_by_one, at_once))


def slowly(make):
    """Other threads get their turn while the weights are drawn."""
    def made(network, architecture):
        time.sleep(1e-3)
        make(network, architecture)
    return made


def test_runs_of_one_process_leave_what_they_share_as_it_was():
    source = Stock(DATASET, ColourTeacher()).source(RUNS[0])
    logits, teacher = source.logits, source.logits.teacher
    seconds = source.teacher_seconds
    assert "error" not in result_of(RUNS[0], source)
    assert source.logits is logits and logits.teacher is teacher and source.teacher_seconds == seconds
