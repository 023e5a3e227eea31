"""A sweep that was interrupted, extended, or is of another plan or version, and one that goes on."""
import gc
import json
import re
import sqlite3

import pytest
from small_commands import QUICK
from small_sweeps import LOOK, counts

from distill_course.sweep.plan import VERSION
from distill_kit.run import Run


@pytest.fixture
def interrupted_at_the_fourth(monkeypatch):
    """The runs that were begun, in order: Ctrl-C comes as the fourth begins."""
    real, begun = Run.rows, []

    def rows(self, *args, **options):
        begun.append(self.settings)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return real(self, *args, **options)
    monkeypatch.setattr(Run, "rows", rows)
    return begun


def test_the_file_is_free_when_a_sweep_has_ended(answer, little_sweeps):
    gc.disable()
    try:
        assert [answer("sweep", "--study", "mine", *QUICK)[0] for _ in range(2)] == [0, 0]
    finally:
        gc.enable()
        gc.collect()


def test_interrupted_it_goes_on_where_it_was(grid, sweeps, interrupted_at_the_fourth):
    status, report, errors = grid()
    assert status == 130 and report is None and errors.endswith("Interrupted. What was finished is kept.\n")
    state = sweeps("--status", **LOOK)[1]
    assert state["requested"] == 8 and state["running"] == 0 and state["finished"] <= 3
    status, report, _ = grid()
    assert status == 0 and counts(report) == (8, 8, 0, 0)
    assert len(interrupted_at_the_fourth) == 9  # the one that was interrupted is trained again, and no other


def test_what_was_finished_of_a_group_is_entered_when_it_is_interrupted(grid, sweeps, little_sweeps,
                                                                        interrupted_at_the_fourth):
    assert grid(seeds="5")[0] == 130  # in the first group
    state = sweeps("--status", **LOOK)[1]
    assert (state["finished"], state["running"], state["failed"]) == (3, 0, 0)
    assert counts(grid(seeds="5")[1]) == (20, 20, 0, 0)
    assert len(interrupted_at_the_fourth) == 21
    study = sqlite3.connect(little_sweeps / "study.db")
    assert {state for state, in study.execute("select state from trials")} == {"COMPLETE"}


def test_the_commands_that_began_and_extended_a_study_go_on_as_they_are(grid, sweeps, trained):
    grid(seeds="1")
    assert counts(sweeps("--temperature", "8", "--extend")[1]) == (5, 5, 0, 0)
    trained.clear()
    for again in (grid(seeds="1"), sweeps("--temperature", "8"), sweeps("--temperature", "8", "--extend")):
        assert again[0] == 0 and counts(again[1]) == (5, 5, 0, 0)
    assert trained == [] and sweeps("--temperature", "1,8")[0] == 2


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


def test_other_figures_of_a_newer_version_are_never_mixed(grid, trained, monkeypatch):
    grid(seeds="1")
    for module in ("sweep.plan", "sweep.crew", "commands.sweep"):
        monkeypatch.setattr(f"distill_course.{module}.VERSION", VERSION + 1)
    trained.clear()
    status, report, errors = grid(seeds="1")
    assert status == 2 and trained == [] and errors.count("\n") == 1
    assert re.search(f"version {VERSION} .*version {VERSION + 1}.*--study.*--extend", errors)
    status, report, _ = grid("--extend", seeds="1")
    assert status == 0 and len(trained) == 4 and counts(report) == (8, 8, 0, 0)


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
