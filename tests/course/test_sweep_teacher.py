"""Processes share tensors, but not the teacher: a run may leave it in train mode, which moves its norms."""
from copy import deepcopy

import pytest
import torch
from small import LittleNet, coloured_dataset

from distill_course.sweep.crew import Crew, own_teacher
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
def test_a_teacher_of_its_own_shares_no_memory(as_materials):
    dataset = coloured_dataset()
    teacher = ConvNet(STUDENTS["small"].fitted(dataset.pool)).eval().share_memory()
    source = Materials(dataset, teacher, images=100, device="cpu", precision="float32") if as_materials else (
        dataset, teacher)
    own = own_teacher(source)
    module = own.logits.teacher.module if as_materials else own[1]
    values = module.state_dict()
    assert not any(value.is_shared() for value in values.values())
    assert all(torch.equal(values[name], value) for name, value in teacher.state_dict().items())
    assert not as_materials or own._watched_logits.teacher is own.logits.teacher
