"""python -m distill_kit sweep: what it trains, what it says, how it goes on, and its tables."""
import csv
import io
import itertools
import json
import re
from pathlib import Path

import pytest
import tqdm
from small_sweeps import DATASET, LOOK, counts

from distill_course.sweep.crew import Crew
from distill_kit.run import Run
from distill_kit.settings import Settings

ALL = {(temperature, alpha, seed) for temperature in (1.0, 4.0) for alpha in (0.1, 0.9) for seed in (0, 1)}


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


def test_runs_of_a_study_that_was_extended_have_names_of_their_own(sweeps, tmp_path):
    sweeps("--temperature", "1,4")
    for temperature in ("8", "16"):
        sweeps("--temperature", temperature, "--extend")
    sweeps("--export", str(tmp_path / "table.csv"), **LOOK)
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert len({row["arm"] for row in rows}) == 4
    assert all(f"T = {float(row['temperature']):g}" in row["arm"] for row in rows)
    assert all(0 <= float(row["teacher_accuracy"]) <= 1 and row["views"] == "4" for row in rows)


def test_the_page_says_how_a_table_becomes_an_interval(grid, sweeps, tmp_path, monkeypatch, capsys):
    grid(seeds="3")
    monkeypatch.chdir(tmp_path)
    sweeps("--export", "first.csv", **LOOK)
    page = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    capsys.readouterr()
    exec(re.search(r"```python\n(import csv.*?)```", page, re.S)[1], {})
    words, ends = capsys.readouterr().out.splitlines()
    low, mean, high = map(float, ends.split())
    assert words.startswith("T = 4, against T = 1: ") and "(3 seeds)" in words and low <= mean <= high


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
