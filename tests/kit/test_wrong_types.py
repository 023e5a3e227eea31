"""Arguments of a wrong type: none is taken for something else, and what people mix up most is one sentence."""
import math

import pytest
import torch
from small import LittleNet, distil, same_state, state_of

from distill_kit import Settings, distillation_loss, load_dataset
from distill_kit.models import Architecture

LOGITS, LABELS = torch.zeros(2, 4), torch.tensor([0, 1])


@pytest.mark.parametrize("call, sentence", [
    (lambda: distillation_loss(LOGITS.long(), LOGITS, LABELS), "student_logits must be floats.*; got torch.int64"),
    (lambda: distillation_loss(LOGITS, LOGITS.int(), LABELS), "teacher_logits must be floats.*; got torch.int32"),
    (lambda: Architecture(widths=""), "widths.* must be whole numbers from 1"),
    (lambda: Architecture(widths="ab"), "widths.* must be whole numbers from 1"),
    (lambda: Architecture(depth=math.nan), "depth.* must be whole numbers from 1"),
    (lambda: Settings(temperature="4"), "temperature must be a number; got '4'"),
    (lambda: Settings(alpha=None), "alpha must be a number; got None"),
    (lambda: Settings(epochs=math.nan), "epochs must be 1 or more; got nan. It is a whole number"),
    (lambda: Settings(data=None), "data must be text; got None"),
    (lambda: load_dataset(3), "data must be one of auto, .* or a folder; got 3"),
    (lambda: load_dataset("shapes10", size="16"), "size must be 8 to 96 pixels, a whole number; got '16'")])
def test_h6_what_comes_from_files_commands_and_codes_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("argument, value", [
    ("student", 3), ("teacher", 3), ("train_loader", 3), ("val_loader", 3), ("num_epochs", "3"), ("num_epochs", 1.5),
    ("patience", math.nan), ("patience", "3"), ("learning_rate", "0.1"), ("temperature", None), ("alpha", None),
    ("optimizer", "adamw"), ("precision", None), ("device", 3)])
def test_h6_a_wrong_type_is_refused_before_the_student_moves(argument, value):
    student = LittleNet()
    before = state_of(student)
    with pytest.raises((ValueError, TypeError)) as refusal:
        distil(value if argument == "student" else student, **({} if argument == "student" else {argument: value}))
    assert same_state(before, state_of(student))
    assert refusal.type is TypeError or str(refusal.value).startswith(argument)
