"""The teacher in training: it only answers, and it may be absent where it has no say."""
import pytest
import torch
from small import (
    IMAGES,
    VALIDATION,
    LittleNet,
    Talkative,
    distil,
    loader_batches,
    loader_of,
    run_of,
    same_state,
    state_of,
)
from torch import nn

from distill_kit import train_student_with_distillation
from distill_kit.teachers import Teacher

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")


def test_teacher_answers_in_eval_mode_whatever_mode_it_is_in():
    teacher = LittleNet(seed=7).train()
    before = state_of(teacher)
    student, _ = distil(teacher=teacher)
    assert same_state(before, state_of(teacher))  # BatchNorm's statistics too
    assert same_state(state_of(student), state_of(distil(teacher=LittleNet(seed=7).eval())[0]))


def test_teacher_gets_no_gradient():
    teacher = LittleNet(seed=7)
    distil(teacher=teacher)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_teacher_logits_are_rounded_to_half_precision():
    images = IMAGES.images[:8].float() / 255
    logits = Teacher(LittleNet(seed=7))(images)
    assert logits.dtype == torch.float16 and not logits.requires_grad
    assert torch.equal(logits, LittleNet(seed=7).eval()(images).half())


def test_models_that_return_an_object_with_logits_are_taken():
    student, _ = distil(Talkative(LittleNet()), Talkative(LittleNet(seed=7)))
    assert same_state(state_of(student.module), state_of(distil(teacher=LittleNet(seed=7))[0]))


def test_what_is_no_logits_is_refused():
    with pytest.raises(ValueError, match="a tensor of logits or an object with .logits; got dict"):
        distil(teacher=type("Odd", (nn.Module,), {"forward": lambda self, images: {}})())


def test_alpha_1_without_a_teacher_is_the_run_with_one():
    plain, rows = LittleNet(), []
    train_student_with_distillation(plain, None, loader_of(IMAGES, shuffle_seed=3), loader_of(VALIDATION), 3, 1e-2,
                                    alpha=1, device="cpu", history=rows)
    assert same_state(state_of(plain), state_of(distil(alpha=1)[0]))
    assert {row["train_soft"] for row in rows} == {row["val_agreement"] for row in rows} == {None}


def test_without_a_teacher_another_alpha_is_refused():
    with pytest.raises(ValueError, match="teacher_logits must be given where alpha is not 1; got None and alpha 0.3"):
        next(run_of(LittleNet(), loader_batches()))
