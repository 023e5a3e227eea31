"""Runs with faults and habits go on bit for bit: what alters the batches has a state of its own."""
import pytest
from small import same_state, state_of
from test_faults import MATERIALS, SMALL, run_with

from distill_course import habits
from distill_course.diagnosis.faults import FAULTS
from distill_kit.changes import CHANGES
from distill_kit.checkpoints import resumable
from distill_kit.run import Run
from distill_kit.settings import Settings

EPOCHS = 4
CHANGED = {name: (name,) for name, change in CHANGES.items() if change is getattr(habits, name, None)} | {
    "easy first, teacher in train mode": ("easy_first", "teacher_in_train_mode")}


def assert_goes_on(folder, make):
    whole, run = make(), make()
    list(whole.rows())
    for epoch in (1, 3):  # cut twice
        for row in resumable(make(), folder, every=1):
            if row["epoch"] == epoch + 1:
                break
    list(resumable(run, folder))
    for rows in (whole.history, run.history):
        for row in rows:
            del row["seconds"]
            row.pop("cores_taken", None)
    assert run.history == whole.history and same_state(state_of(run.student), state_of(whole.student))


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_with_a_fault_goes_on(tmp_path, name):
    assert_goes_on(tmp_path, lambda: run_with(name, epochs=EPOCHS))


@pytest.mark.parametrize("changes", CHANGED.values(), ids=CHANGED)
def test_a_run_with_a_habit_taken_away_goes_on(tmp_path, changes):
    assert_goes_on(tmp_path, lambda: Run(Settings(**{**SMALL, "epochs": EPOCHS, "changes": changes}), MATERIALS))
