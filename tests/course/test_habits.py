"""Habits taken away from a run: each change does what it says, and nothing else."""
import math

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course import diagnosis, habits  # noqa: F401 (registers faults)
from distill_course.habits import Curriculum, ease_of
from distill_kit.changes import CHANGES
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset()
HABITS = [name for name in CHANGES if hasattr(habits, name)]  # other changes are faults: see test_faults.py


def run_with(*changes, **more):
    settings = Settings(images=96, batch_size=16, epochs=4, device="cpu", changes=changes, **more)
    return Run(settings, Materials.of(settings, DATASET, ColourTeacher(sharpness=5.0)))


def rates(parts):
    return [parts.learning_rate(step) for step in range(parts.steps)]


def test_an_unknown_change_is_refused():
    with pytest.raises(ValueError, match=r"changes must be registered ones \(.*no_warmup.*\); got 'no_sleep'"):
        Settings(changes=("no_sleep",))


def test_without_warmup_the_rate_begins_at_its_peak():
    assert rates(run_with().parts)[0] == pytest.approx(1e-2 / 7)
    falling = rates(run_with("no_warmup").parts)
    assert falling[0] == 1e-2 and falling == sorted(falling, reverse=True) and 0 < falling[-1] < 1e-4


def test_the_straight_line_falls_by_the_same_amount_at_each_step_and_a_constant_rate_not_at_all():
    line = torch.tensor(rates(run_with("straight_line").parts)[6:])
    assert torch.allclose(line.diff(), line.diff()[0].expand(17), atol=1e-6) and line[0] == pytest.approx(1e-2)
    assert line[-1] > 0
    assert set(rates(run_with("constant_rate").parts)[6:]) == {1e-2}


def test_clipping_and_decay_are_taken_away():
    assert run_with().parts.clip_norm == 1 and run_with("no_clipping").parts.clip_norm == math.inf
    for optimizer in ("muon", "adamw"):
        decays = {group.get("weight_decay", 0.0) for change in ((), ("no_weight_decay",))
                  for group in run_with(*change, optimizer=optimizer).parts.optimizer.param_groups}
        assert decays == {0.0, 0.01}
        assert not any(group.get("weight_decay") for group in
                       run_with("no_weight_decay", optimizer=optimizer).parts.optimizer.param_groups)


def test_a_teacher_in_train_mode_says_something_else_and_is_itself_again_afterwards():
    class Normed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.teacher = torch.nn.BatchNorm2d(3), ColourTeacher()

        def forward(self, images):
            return self.teacher(self.norm(images))

    teacher = Normed().eval()
    settings = Settings(images=96, batch_size=16, epochs=1, device="cpu", changes=("teacher_in_train_mode",))
    run = Run(settings, Materials.of(settings, DATASET, teacher))
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    changed, plain = run.parts.batches, run.batches
    images, _, answers = next(iter(changed))
    with torch.no_grad():
        assert not torch.allclose(answers.float(), teacher.eval()(images), atol=0.1)
    assert len(changed) == len(plain)
    list(run.rows())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert not teacher.training


def test_a_curriculum_shows_easy_images_first_and_all_of_them_in_the_end():
    run = run_with("easy_first")
    parts = run.parts
    ease = ease_of(run_with().parts)
    easiest = set(ease.argsort(descending=True, stable=True)[:round(0.4 * 96)].tolist())
    shown = []
    original = parts.batches.batches.bank.take
    for _ in range(4):
        taken = []
        parts.batches.batches.bank.take = lambda rows, views, to=taken: to.append(rows) or original(rows, views)
        assert sum(1 for _ in parts.batches) == len(run.batches) == 6
        parts.batches.batches.bank.take = original
        shown.append(set(torch.cat(taken).tolist()))
    assert shown[0] <= easiest and not shown[3] <= easiest
    hardest = Curriculum(run_with().parts.batches, -ease, 4).order[:38]
    assert not easiest & set(hardest.tolist())


def test_there_are_eight_of_them():
    assert len(HABITS) == 8


@pytest.mark.parametrize("name", HABITS)
def test_every_habit_trains(name):
    rows = list(run_with(name).rows())
    assert len(rows) == 4 and rows[-1]["steps"] == 24


@pytest.mark.parametrize("first", ["weak_teacher:gross", "teacher_in_train_mode", "easy_first", "hard_first"])
@pytest.mark.parametrize("order", ["easy_first", "hard_first"])
def test_an_order_is_not_put_on_batches_that_were_changed_before(first, order):
    with pytest.raises(ValueError, match="changes must not alter the batches twice"):
        run_with(first, order)
