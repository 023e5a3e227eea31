"""python -m distill_kit sweep: what it trains, what it says, how it goes on, and its tables."""
import csv
import gc
import io
import itertools
import json
import re
import sqlite3

import pytest
import tqdm
from small_commands import QUICK
from small_sweeps import DATASET

from distill_course.sweep.crew import Crew
from distill_kit.run import Run
from distill_kit.settings import Settings

ALL = {(temperature, alpha, seed) for temperature in (1.0, 4.0) for alpha in (0.1, 0.9) for seed in (0, 1)}
LOOK = {"settings": []}  # no settings beside --status and --export


def counts(report):
    return tuple(report[name] for name in ("requested", "finished", "failed", "repeated"))


def test_every_combination_is_trained_and_a_second_start_trains_nothing(grid, trained, little_sweeps):
    status, report, errors = grid()
    assert status == 0 and sorted(trained) == sorted(ALL)
    assert list(report) == ["requested", "finished", "failed", "repeated", "seconds", "study", "storage"]
    assert counts(report) == (8, 8, 0, 0) and report["study"] == "mine" and report["seconds"] > 0
    assert report["storage"] == f"sqlite:///{little_sweeps}/study.db" and str(little_sweeps) in errors
    assert len(list((little_sweeps / "results").glob("*.json"))) == 8
    trained.clear()
    status, again, errors = grid()
    assert status == 0 and trained == [] and counts(again) == (8, 8, 0, 0), errors


def test_the_time_left_is_that_of_the_runs_so_far(grid, monkeypatch):
    now, real, left, turns = [0.0], Crew.wait, [], itertools.count()

    class Bar(tqdm.std.tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **options, file=io.StringIO(), mininterval=0)
            self._time, self.start_t, self.last_print_t = (lambda: now[0]), 0.0, 0.0

        def update(self, number=1):
            super().update(number)
            if number:
                left.append((self.n, str(self).partition("<")[2].partition(",")[0]))

    def wait(crew):
        now[0] += 5.0
        return real(crew) if next(turns) % 4 == 3 else []
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    monkeypatch.setattr(Crew, "wait", wait)
    assert grid()[0] == 0
    assert left == [(number, tqdm.tqdm.format_interval(20 * (8 - number))) for number in range(1, 9)]


def test_the_file_is_free_when_a_sweep_has_ended(answer, little_sweeps):
    gc.disable()
    try:
        assert [answer("sweep", "--study", "mine", *QUICK)[0] for _ in range(2)] == [0, 0]
    finally:
        gc.enable()
        gc.collect()


def test_seeds_is_a_count_and_goes_from_seed_on(sweeps, trained):
    assert sweeps("--seeds", "2", "--seed", "5")[0] == 0
    assert [seed for _, _, seed in trained] == [5, 6]
    trained.clear()
    assert sweeps("--seed", "5,6,7", "--extend")[0] == 0  # a list of them
    assert [seed for _, _, seed in trained] == [7]


def test_the_students_are_those_of_a_run_with_these_settings(sweeps, little_sweeps):
    from small import ColourTeacher

    from distill_kit.run import Materials
    sweeps("--temperature", "2", "--seeds", "1")
    result = json.loads(next((little_sweeps / "results").iterdir()).read_text())
    settings = Settings(**{**result["settings"], "changes": ()})
    run = Run(settings, Materials.of(settings, DATASET, ColourTeacher()))
    list(run.rows())
    assert result["report"]["test_accuracy"] == run.report()["test_accuracy"]
    assert [row["val_loss"] for row in result["rows"]] == [row["val_loss"] for row in run.history]


def test_another_plan_is_refused_with_both_ways_on_and_extend_goes_on(grid, trained):
    grid(seeds="1")
    trained.clear()
    status, report, errors = grid(seeds="2")
    assert status == 2 and report is None and trained == []
    assert errors.count("\n") == 1 and "is of another plan: 4 of its 4 runs are among these 8" in errors
    assert "--study" in errors and "--extend" in errors
    status, report, _ = grid("--extend", seeds="2")
    assert status == 0 and counts(report) == (8, 8, 0, 0) and {seed for _, _, seed in trained} == {1}


def test_finished_counts_the_whole_plan_of_the_study(grid, sweeps, trained):
    grid(seeds="1")
    trained.clear()
    status, report, _ = sweeps("--temperature", "8", "--extend")
    assert status == 0 and len(trained) == 1 and counts(report) == (5, 5, 0, 0)
    assert counts(sweeps("--status", **LOOK)[1]) == (5, 5, 0, 0)


def test_other_figures_of_a_newer_version_are_never_mixed(grid, trained, monkeypatch):
    grid(seeds="1")
    for module in ("sweep.plan", "sweep.crew", "commands.sweep"):
        monkeypatch.setattr(f"distill_course.{module}.VERSION", 2)
    trained.clear()
    status, report, errors = grid(seeds="1")
    assert status == 2 and trained == [] and errors.count("\n") == 1
    assert re.search("version 1 .*version 2.*--study.*--extend", errors)
    status, report, _ = grid("--extend", seeds="1")
    assert status == 0 and len(trained) == 4 and counts(report) == (8, 8, 0, 0)


def test_interrupted_it_goes_on_where_it_was(grid, sweeps, monkeypatch):
    real, begun = Run.rows, []

    def rows(self, *args, **options):
        begun.append(self.settings)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return real(self, *args, **options)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rows", rows)
        status, report, errors = grid()
    assert status == 130 and report is None and errors.endswith("Interrupted. What was finished is kept.\n")
    state = sweeps("--status", **LOOK)[1]
    assert state["requested"] == 8 and state["running"] == 0 and state["finished"] <= 3
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rows", lambda self: begun.append(self.settings) or real(self))
        status, report, _ = grid()
    assert status == 0 and counts(report) == (8, 8, 0, 0)
    assert len(begun) == 9  # the one that was interrupted is trained again, and no other


def test_what_was_finished_of_a_group_is_entered_when_it_is_interrupted(grid, sweeps, monkeypatch, little_sweeps):
    real, begun = Run.rows, []

    def rows(self, *args, **options):
        begun.append(self.settings)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return real(self, *args, **options)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rows", rows)
        assert grid(seeds="5")[0] == 130  # in the first group
    state = sweeps("--status", **LOOK)[1]
    assert (state["finished"], state["running"], state["failed"]) == (3, 0, 0)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rows", lambda self: begun.append(self.settings) or real(self))
        assert counts(grid(seeds="5")[1]) == (20, 20, 0, 0)
    assert len(begun) == 21
    study = sqlite3.connect(little_sweeps / "study.db")
    assert {state for state, in study.execute("select state from trials")} == {"COMPLETE"}


def test_the_commands_that_began_and_extended_a_study_go_on_as_they_are(grid, sweeps, trained):
    grid(seeds="1")
    assert counts(sweeps("--temperature", "8", "--extend")[1]) == (5, 5, 0, 0)
    trained.clear()
    for again in (grid(seeds="1"), sweeps("--temperature", "8"), sweeps("--temperature", "8", "--extend")):
        assert again[0] == 0 and counts(again[1]) == (5, 5, 0, 0)
    assert trained == [] and sweeps("--temperature", "1,8")[0] == 2


def test_runs_of_a_study_that_was_extended_have_names_of_their_own(sweeps, tmp_path):
    sweeps("--temperature", "1,4")
    for temperature in ("8", "16"):
        sweeps("--temperature", temperature, "--extend")
    sweeps("--export", str(tmp_path / "table.csv"), **LOOK)
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert len({row["arm"] for row in rows}) == 4
    assert all(f"T = {float(row['temperature']):g}" in row["arm"] for row in rows)
    assert all(0 <= float(row["teacher_accuracy"]) <= 1 and row["views"] == "4" for row in rows)


def test_a_damaged_file_of_a_result_that_was_entered_is_written_anew(grid, trained, little_sweeps):
    grid()
    whole = {path: json.loads(path.read_text()) for path in (little_sweeps / "results").iterdir()}
    path = next(iter(whole))
    path.write_text(path.read_text()[:300])
    trained.clear()
    status, report, errors = grid()
    assert status == 1 and counts(report) == (8, 8, 0, 0) and f"{path} is cut, altered or of another run" in errors
    assert trained == [] and json.loads(path.read_text()) == whole[path] and grid()[0] == 0


def test_a_run_that_fails_is_said_and_tried_again_at_the_next_start(grid, sweeps, trained, monkeypatch):
    real = Run.rows

    def rows(self, *args, **options):
        if (self.settings.temperature, self.settings.seed) == (4.0, 1):
            raise RuntimeError("the sky fell")
        return real(self, *args, **options)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "rows", rows)
        status, report, errors = grid()
    assert status == 1 and counts(report) == (8, 6, 2, 0)
    status, report, _ = sweeps("--status", **LOOK)
    assert status == 1 and counts(report) == (8, 6, 2, 0)
    trained.clear()
    status, report, _ = grid()
    assert status == 0 and counts(report) == (8, 8, 0, 0) and len(trained) == 2
    assert sweeps("--status", **LOOK)[0] == 0


def test_why_a_run_failed_is_said_beside_json_too(grid, monkeypatch):
    def rows(self, *args, **options):
        raise RuntimeError("the sky fell")
    monkeypatch.setattr(Run, "rows", rows)
    status, report, errors = grid(seeds="1")
    assert status == 1 and counts(report) == (4, 0, 4, 0) and "the sky fell" in errors.splitlines()[-1]


def test_for_people_it_says_how_far_it_is_and_how_to_get_a_table(answer, little_sweeps):
    options = ("sweep", "--study", "mine", "--images", "96", "--batch-size", "16", "--epochs", "1", "--device", "cpu")
    status, out, _ = answer(*options)
    words = r"^runs +1 of 1 are finished, 0 claimed$"
    assert status == 0 and re.search(words, out, re.M) and "--export FILE.csv" in out
    status, out, _ = answer("sweep", "--study", "mine", "--status")
    assert status == 0 and re.search(words, out, re.M)


def test_a_plan_file_is_carried_out(sweeps, trained, tmp_path):
    (tmp_path / "plan.toml").write_text(
        '[mine]\nseeds = [3]\nshared = { images = 96, batch_size = 16, epochs = 1, device = "cpu" }\n'
        '[mine.arms]\n"by labels" = { alpha = 1 }\n"own teacher" = { teacher = { student = "tiny", alpha = 1, '
        'images = 96, batch_size = 16 } }\n', encoding="utf-8")
    status, report, _ = sweeps("--plan", tmp_path / "plan.toml", settings=[])
    assert status == 0 and counts(report) == (2, 2, 0, 0) and sorted(trained) == [
        (4.0, 0.1, 3), (4.0, 1.0, 3), (4.0, 1.0, 3)]  # the second of them is the teacher
    for more in (["--seeds", "2"], ["--temperature", "4"]):
        status, report, errors = sweeps("--plan", tmp_path / "plan.toml", *more, settings=[])
        assert status == 2 and f"plan says all of its runs; leave out {more[0]}" in errors


# Tables

@pytest.fixture
def table(grid, sweeps, tmp_path):
    """Exports a sweep of eight runs; gives the file."""
    grid()

    def export(name):
        status, report, errors = sweeps("--export", tmp_path / name, **LOOK)
        assert status == 0 and counts(report) == (8, 8, 0, 0) and f"8 runs are written to {tmp_path / name}" in errors
        return tmp_path / name
    return export


SETTINGS = set(vars(Settings()))


def test_a_table_in_csv_has_a_row_for_each_run_and_a_column_for_each_setting(table):
    with open(table("out.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(float(row["temperature"]), float(row["alpha"]), int(row["seed"])) for row in rows} == ALL
    assert rows[0].keys() >= SETTINGS | {"key", "arm", "test_accuracy", "val_accuracy", "teacher", "source", "threads"}
    assert len({row["key"] for row in rows}) == len(rows) == 8 and "epoch_rows" not in rows[0]
    assert all(0 <= float(row["test_accuracy"]) <= 1 for row in rows)


def test_a_table_in_jsonl_and_in_parquet_has_the_epochs_too(table):
    from pyarrow import parquet
    lines = [json.loads(line) for line in table("out.jsonl").read_text(encoding="utf-8").splitlines()]
    others = parquet.read_table(table("out.parquet")).to_pylist()
    for rows in (lines, others):
        assert {(row["temperature"], row["alpha"], row["seed"]) for row in rows} == ALL
        assert rows[0].keys() >= SETTINGS | {"key", "arm", "test_accuracy", "epoch_rows"}
        assert [len(row["epoch_rows"]) for row in rows] == [row["epochs"] for row in rows]
    for name in ("temperature", "alpha", "seed", "test_accuracy", "student", "key"):
        assert [row[name] for row in lines] == [row[name] for row in others]
    assert [row["epoch_rows"][0]["val_loss"] for row in lines] == [row["epoch_rows"][0]["val_loss"] for row in others]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_table_of_runs_whose_columns_differ_has_them_all(sweeps, tmp_path, ending):
    """A class left out, another teacher, changes: what one run has and another has not."""
    from pyarrow import parquet
    plan = ('[mine]\nshared = { images = 96, batch_size = 16, epochs = 1, device = "cpu" }\n[mine.arms]\nplain = {}\n'
            'green = { leave_out = "green", probes = true }\n'
            'changed = { changes = ["no_warmup"], measure = "accuracy" }\n'
            'taught = { teacher = { student = "tiny", alpha = 1, images = 96, batch_size = 16 } }\n')
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")
    assert sweeps("--plan", tmp_path / "plan.toml", settings=[])[0] == 0
    status, _, errors = sweeps("--export", tmp_path / f"out.{ending}", **LOOK)
    assert status == 0, errors
    if ending == "csv":
        with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = (parquet.read_table(tmp_path / "out.parquet").to_pylist() if ending == "parquet" else
                [*map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())])
    assert len(rows) == 4 and sorted(row["leave_out"] or "" for row in rows) == ["", "", "", "green"]
    assert len([row for row in rows if row.get("rank2_left_out") not in (None, "")]) == 1
