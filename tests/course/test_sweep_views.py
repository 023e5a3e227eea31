"""How many views of each image a run of a plan has, and which they are."""
import pytest
from small import ColourTeacher, coloured_dataset

from distill_course.sweep.crew import result_from
from distill_course.sweep.plan import planned
from distill_course.sweep.stock import Stock
from distill_course.teacher_training import ALL_VIEWS
from distill_kit.run import Materials, Run
from distill_kit.views import VIEWS, ViewBank

LITTLE = {"data": "coloured", "images": 64, "epochs": 2, "batch_size": 16, "precision": "float32", "device": "cpu"}
LOADED = coloured_dataset(), ColourTeacher()
VIEWED = [({}, VIEWS), ({"views": 2}, VIEWS[:2]), ({"views": 8}, ALL_VIEWS[:8])]


@pytest.mark.parametrize(("views", "which"), VIEWED)
def test_a_run_of_a_plan_is_the_run_of_its_settings_with_the_kits_own_views(views, which):
    run = planned("", {**LITTLE, **views})
    own = Run(run.settings, Materials(*LOADED, images=64, device="cpu", precision="float32", views=which))
    losses = [row["val_loss"] for row in own.rows()]
    for source in (Stock(*LOADED).source(run), LOADED):
        assert [row["val_loss"] for row in result_from(run, source)["rows"]] == pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize(("views", "which"), VIEWED)
def test_a_student_that_is_to_be_the_teacher_has_the_same_views(views, which, monkeypatch):
    run = planned("", {**LITTLE, **views, "teacher": {**LITTLE, "alpha": 1.0}})
    banks, real = [], ViewBank.__init__
    monkeypatch.setattr(ViewBank, "__init__", lambda self, images, views, *more: (
        banks.append(views), real(self, images, views, *more))[1])
    result_from(run, Stock(*LOADED).source(run))
    assert [bank for bank in banks if len(bank) > 1] == [which, which]
