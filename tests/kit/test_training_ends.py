"""How training ends, and what it refuses: the best weights and the rows so far are never lost."""
import math
import warnings

import pytest
import torch
from small import (
    IMAGES,
    VALIDATION,
    ColourTeacher,
    LittleNet,
    distil,
    loader_batches,
    loader_of,
    run_of,
    same_state,
    state_of,
)
from torch import nn

from distill_kit.batches import Batch
from distill_kit.history import best_row
from distill_kit.schedules import constant
from distill_kit.teachers import Teacher
from distill_kit.training import keep_best, train_student_with_distillation

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")


class OneWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))


def fake_rows(student, figures):
    """Epoch rows with these (accuracy, cross-entropy, loss); the student's only weight is the number of the epoch."""
    for epoch, (accuracy, hard, loss) in enumerate(figures, start=1):
        with torch.no_grad():
            student.weight.fill_(epoch)
        yield {"kind": "epoch", "epoch": epoch, "val_accuracy": accuracy, "val_hard": hard, "val_loss": loss}


@pytest.mark.parametrize("figures, best", [
    ([(0.5, 1.0, 3.0), (0.7, 2.0, 9.0), (0.6, 0.5, 1.0)], 2),   # accuracy first, whatever the loss
    ([(0.7, 1.0, 1.0), (0.7, 0.9, 9.0), (0.7, 0.95, 2.0)], 2),  # then cross-entropy
    ([(0.7, 1.0, 5.0), (0.7, 1.0, 1.0)], 1),                    # a loss alone is no reason
])
def test_best_goes_by_accuracy_then_cross_entropy_and_never_by_the_loss(figures, best):
    student = OneWeight()
    rows = list(keep_best(student, fake_rows(student, figures)))
    assert student.weight.item() == best == best_row(rows)["epoch"]


def test_early_stopping_waits_for_patience_epochs_without_a_better_one():
    student = OneWeight()
    figures = [(0.5, 1, 1), (0.4, 1, 1), (0.6, 1, 1), (0.6, 1, 1), (0.5, 1, 1), (0.6, 2, 1), (0.9, 1, 1)]
    rows = list(keep_best(student, fake_rows(student, figures), patience=3))
    assert len(rows) == 6 and "No better epoch in 3" in rows[-1]["stopped"]
    assert not any("stopped" in row for row in rows[:-1]) and student.weight.item() == 3


def test_without_patience_all_epochs_are_trained():
    student = OneWeight()
    assert len(list(keep_best(student, fake_rows(student, [(0.5, 1, 1)] * 9)))) == 9


def test_patience_of_the_public_function_is_3():
    student, rows = distil(num_epochs=30, learning_rate=1e-9)
    best = best_row(rows)["epoch"]
    assert len(rows) == best + 3 < 30 and "stopped" in rows[-1]
    assert not student.training


def test_leaving_the_for_leaves_the_best_weights():
    student, states = LittleNet(), []
    for row in keep_best(student, run_of(student, loader_batches(ColourTeacher()), loader_batches(ColourTeacher()),
                                         epochs=9, every=3)):
        if row["kind"] == "epoch":
            states.append((row["val_accuracy"], -row["val_hard"], state_of(student)))
        elif len(states) == 2:
            break  # in the middle of the third epoch
    best = max(states, key=lambda state: state[:2])[2]
    assert same_state(state_of(student), best)


class Interrupted(list):
    """Batches among which the user presses Ctrl-C, after so many rows."""

    def __init__(self, rows, after):
        super().__init__(loader_of(IMAGES, shuffle_seed=3))
        self.rows, self.after = rows, after

    def __iter__(self):
        for number, pair in enumerate(super().__iter__()):
            if number == 2 and len(self.rows) == self.after:
                raise KeyboardInterrupt
            yield pair


def test_an_interrupt_leaves_the_best_weights_and_the_rows():
    student, rows, states = LittleNet(), [], []
    with pytest.raises(KeyboardInterrupt):
        distil(student, train_loader=Interrupted(rows, after=2), history=rows,
               on_row=lambda row: states.append(state_of(student)))
    assert [row["epoch"] for row in rows] == [1, 2]
    assert same_state(state_of(student), states[best_row(rows)["epoch"] - 1])


def test_an_interrupt_while_the_caller_draws_leaves_the_best_weights():
    student, states = LittleNet(), []

    def draw(row):
        states.append(state_of(student))
        if len(states) == 3:
            with torch.no_grad():
                student.head.weight.zero_()
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        distil(student, on_row=draw, num_epochs=9)
    assert any(same_state(state_of(student), state) for state in states)


def test_a_loss_that_is_not_finite_stops_with_a_sentence_and_the_rows_so_far():
    images, labels = next(iter(loader_of(IMAGES)))
    healthy = Batch(images, labels, Teacher(ColourTeacher())(images))
    sick = healthy._replace(images=images * math.nan)

    class Turning:
        epoch = 0

        def __iter__(self):
            self.epoch += 1
            return iter([healthy, sick if self.epoch == 3 else healthy])
    assert len(list(run_of(LittleNet(), Turning(), [healthy], epochs=9))) == 3
    student = LittleNet()
    rows = list(keep_best(student, run_of(student, Turning(), [healthy], epochs=9)))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert "no longer a finite number (epoch 3, learning rate 0.01)" in rows[-1]["stopped"]
    assert all(value.isfinite().all() for value in student.state_dict().values())
    assert best_row(rows)["epoch"] < 3


def test_weights_that_overflow_in_the_last_step_of_all_are_noticed():
    student = LittleNet()
    rows = list(keep_best(student, run_of(student, loader_batches(ColourTeacher(), batch_size=80),
                                          loader_batches(ColourTeacher()), epochs=1, learning_rate=constant(1e30))))
    assert "no longer a finite number" in rows[-1]["stopped"] and not rows[-1].get("best")


def test_the_public_function_warns_of_a_loss_that_is_not_finite():
    rows = []
    with pytest.warns(RuntimeWarning, match="no longer a finite number"):
        distil(learning_rate=1e30, history=rows)
    assert "stopped" in rows[-1]


def test_the_public_function_is_silent_otherwise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, rows = distil(num_epochs=30, learning_rate=1e-9)
    assert "stopped early" in rows[-1]["stopped"]


def test_a_student_measured_between_rows_goes_on_in_training_mode():
    def run(measured):
        student = LittleNet()
        for _ in run_of(student, loader_batches(ColourTeacher()), every=2):
            student.train(not measured)
        return state_of(student)
    assert same_state(run(True), run(False))


# Loaders and arguments

@pytest.mark.parametrize("loader, message", [
    (loader_of(IMAGES[:5], drop_last=True), "train_loader is empty: it yields no batch"),
    ((pair for pair in ()), r"train_loader must have a length .*; got a generator"),
    ([(torch.zeros(2, 3, 16, 16), torch.tensor([0, 4]))], "true_labels must be 0 to 3, or -100 .*; got 4"),
    ([(torch.zeros(2, 3, 16, 16), torch.tensor([0.0, 1.0]))], r"true_labels must be int64 \[2\]"),
    ([(torch.zeros(2, 3, 16, 16), torch.tensor([0]))], r"true_labels must be int64 \[2\].*got torch.int64 \[1\]"),
    (iter(loader_of(IMAGES)), "train_loader must have a length .* and be gone through once an epoch"),
])
def test_loaders_that_cannot_be_used_are_refused(loader, message):
    with pytest.raises(ValueError, match=message):
        distil(train_loader=loader)


def test_an_empty_validation_loader_is_named():
    with pytest.raises(ValueError, match="val_loader is empty"):
        distil(val_loader=[])


def test_different_numbers_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"train_loader: teacher_logits must have .* \[2, 7\]; got \[2, 4\]"):
        distil(LittleNet(classes=7))


@pytest.mark.parametrize("argument, value", [
    ("num_epochs", 0), ("learning_rate", 0.0), ("learning_rate", math.nan), ("temperature", 0),
    ("temperature", math.inf), ("alpha", 1.5), ("alpha", math.nan), ("patience", 0), ("patience", math.nan),
    ("device", "tpu"), ("precision", "float8")])
def test_bad_arguments_are_refused_by_name_before_anything_happens(argument, value):
    student = LittleNet()
    before = state_of(student)
    with pytest.raises(ValueError, match=f"{argument} .*{value}"):
        distil(student, **{argument: value})
    assert same_state(before, state_of(student))


def test_case_9_a_student_that_is_its_own_teacher_is_refused():
    student = LittleNet()
    with pytest.raises(ValueError, match="student and teacher share convolution.weight, norm.weight"):
        distil(student, teacher=student)


def test_a_label_out_of_range_is_named_also_without_a_teacher():
    with pytest.raises(ValueError, match=r"true_labels must be 0 to 1, or -100 for no label; got"):
        train_student_with_distillation(LittleNet(classes=2), None, loader_of(IMAGES), loader_of(VALIDATION), alpha=1.0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_asked_for_and_absent_is_refused():
    with pytest.raises(ValueError, match=r"device 'cuda' was asked for and is not here \(here: cpu"):
        distil(device="cuda")


def test_the_first_weights_come_back_where_only_a_buffer_is_no_longer_finite():
    student = nn.BatchNorm2d(3)
    first = state_of(student)

    def rows():
        student.running_var.fill_(math.inf)
        yield {"kind": "epoch", "epoch": 1, "val_accuracy": 0.2, "val_hard": math.nan, "stopped": "diverged"}
    assert [row["best"] for row in keep_best(student, rows())] == [False]
    assert same_state(state_of(student), first)
