"""Processes share tensors, but not the teacher: a run may leave it in train mode, which moves its norms."""
from copy import deepcopy

import pytest
import torch
from small import LittleNet, coloured_dataset

from distill_course.sweep import crew as module
from distill_course.sweep.crew import Crew, result_from
from distill_course.sweep.plan import planned
from distill_kit.models import STUDENTS, ConvNet
from distill_kit.run import Materials

LITTLE = {"data": "coloured", "images": 100, "epochs": 6, "batch_size": 16, "precision": "float32", "device": "cpu"}


def test_a_run_in_another_process_does_not_move_the_statistics_of_this_ones_teacher():
    dataset, teacher = coloured_dataset(), LittleNet().eval()
    before, done = deepcopy(teacher.state_dict()), []
    with Crew(1) as crew:
        crew.start("mine", planned("", {**LITTLE, "changes": ["teacher_in_train_mode"]}), (dataset, teacher))
        while not done:
            done = crew.wait(0.002)
            assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert "error" not in done[0][1]


@pytest.mark.parametrize("as_materials", [False, True])
def test_the_teacher_of_a_run_shares_no_memory(as_materials, monkeypatch):
    class Enough(Exception):
        pass

    def begin(settings, materials, measure):
        begun.append(materials)
        raise Enough
    begun, dataset, run = [], coloured_dataset(), planned("", LITTLE)
    teacher = ConvNet(STUDENTS["small"].fitted(dataset.pool)).eval().share_memory()
    source = Materials.of(run.settings, dataset, teacher) if as_materials else (dataset, teacher)
    monkeypatch.setattr(module, "finished", begin)
    with pytest.raises(Enough):
        result_from(run, source)
    values = begun[0].logits.teacher.module.state_dict()
    assert not any(value.is_shared() for value in values.values())
    assert all(torch.equal(values[name], value) for name, value in teacher.state_dict().items())
