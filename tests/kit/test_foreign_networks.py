"""Students and teachers as other people build them."""
import math
from types import SimpleNamespace

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

from distill_kit import distillation_loss, train_student_with_distillation
from distill_kit.kept_logits import KeptLogits
from distill_kit.models import logits_of
from distill_kit.optimizers import Muon, adamw
from distill_kit.schedules import constant, linear
from distill_kit.teachers import Teacher, in_half
from distill_kit.training import keep_best
from distill_kit.views import ViewBank

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
PIXELS = IMAGES.images.float() / 255


class Saying(nn.Module):
    """A teacher whose logits are those of another, changed."""

    def __init__(self, change, teacher=None):
        super().__init__()
        self.teacher, self.change = teacher or ColourTeacher(), change

    def forward(self, images):
        return self.change(self.teacher(images))


# Case 6: logits that float16 does not hold, and classes that are ruled out

@pytest.mark.parametrize("ruled_out", [-math.inf, -1e9, -1e5])
def test_case_6_a_class_that_the_teacher_rules_out_has_no_part_in_the_loss(ruled_out):
    def without_grey(logits):
        return torch.cat([logits[:, :3], torch.full_like(logits[:, :1], ruled_out)], 1)
    _, rows = distil(teacher=Saying(without_grey), num_epochs=2)
    images, _ = next(iter(loader_of(IMAGES, shuffle_seed=3)))
    student, teacher = LittleNet()(images).double(), ColourTeacher()(images)[:, :3].half().double()
    shares = (teacher / 4).softmax(1)
    soft = 16 * (shares * (shares.log() - (student / 4).log_softmax(1)[:, :3])).sum(1).mean()
    assert rows[0]["first_soft"] == pytest.approx(soft.item(), rel=1e-4)
    assert all(math.isfinite(row["train_loss"]) and math.isfinite(row["val_teacher_entropy"]) for row in rows)


@pytest.mark.parametrize("shift", [1e5, -1e5, 1e7])
def test_case_6_logits_that_float16_does_not_hold_say_the_same(shift):
    logits = torch.tensor([[3.0, 1.0, 0.5, -2.0], [0.0, 0.0, 4.0, 1.0]])
    shares = in_half(logits.double() + shift).double().softmax(1)
    torch.testing.assert_close(shares, logits.double().softmax(1), rtol=2e-3, atol=1e-4)


def test_logits_that_float16_holds_are_only_rounded():
    logits = 30 * torch.randn(50, 10, generator=torch.Generator().manual_seed(0))
    assert torch.equal(in_half(logits), logits.half())


def test_case_6_a_class_ruled_out_on_both_sides_gives_a_finite_loss_and_gradient():
    student = torch.tensor([[1.0, 0.0, -math.inf], [0.0, 2.0, -math.inf]], requires_grad=True)
    teacher = torch.tensor([[2.0, 0.0, -math.inf], [0.0, 1.0, -math.inf]])
    loss = distillation_loss(student, teacher, torch.tensor([0, 1]), temperature=2.0, alpha=0.5)
    loss.backward()
    assert loss.item() == pytest.approx(distillation_loss(student[:, :2], teacher[:, :2], torch.tensor([0, 1]),
                                                          temperature=2.0, alpha=0.5).item())
    assert student.grad.isfinite().all() and (student.grad[:, 2] == 0).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_case_6_logits_that_are_no_numbers_are_named_with_their_origin(bad):
    student, teacher = LittleNet(), Saying(lambda logits: torch.where(logits == logits[-1, 0], bad, logits))
    before = state_of(student)
    with pytest.raises(ValueError, match="the teacher logits for train_loader, batch 1, must be finite"):
        distil(student, teacher=teacher)
    assert same_state(before, state_of(student))
    with pytest.raises(ValueError, match="teacher logits must be finite numbers; got NaN or infinity for image"):
        KeptLogits(Teacher(teacher), ViewBank(IMAGES.images), len(IMAGES)).complete()


def test_images_that_are_no_numbers_are_named_and_the_first_weights_come_back():
    pairs = list(loader_of(IMAGES, shuffle_seed=3))
    pairs[3] = (pairs[3][0].clone(), pairs[3][1])
    pairs[3][0][7, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="the images of train_loader, batch 4, must be finite .* for image 7"):
        distil(train_loader=pairs)


def test_a_loss_that_is_no_number_gives_the_first_weights_back_and_says_so():
    student = LittleNet()
    before = state_of(student)
    with pytest.warns(RuntimeWarning, match="The loss is no longer a finite number .* although images and teacher"):
        distil(student, learning_rate=1e30)
    assert same_state(before, state_of(student))


def test_where_no_epoch_was_measured_the_last_weights_stay():
    student, other = LittleNet(), LittleNet()
    list(keep_best(student, run_of(student, loader_batches(ColourTeacher()))))
    list(run_of(other, loader_batches(ColourTeacher())))
    assert same_state(state_of(student), state_of(other))


class Versioned(LittleNet):
    """Asks a state_dict for its version, as torchvision's MNASNet does."""

    _version = 2

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, *others):
        assert local_metadata.get("version") == 2
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)


def test_a_student_that_asks_for_the_version_of_its_weights_gets_it():
    student, _ = distil(Versioned())
    assert same_state(state_of(student), state_of(distil()[0]))


# Case 9: a student that is made of its teacher

@pytest.mark.parametrize("share", [
    lambda student, teacher: setattr(student, "convolution", teacher.convolution),
    lambda student, teacher: setattr(student.head, "weight", teacher.head.weight),
    lambda student, teacher: setattr(student.head, "weight", nn.Parameter(teacher.head.weight.data)),
    lambda student, teacher: setattr(student.norm, "running_mean", teacher.norm.running_mean)])
def test_case_9_a_student_that_would_move_its_teacher_is_refused(share):
    student, teacher = LittleNet(), LittleNet(seed=7)
    share(student, teacher)
    before = state_of(teacher)
    with pytest.raises(ValueError, match=r"student and teacher share \w+\.\w+: the teacher would change .*deepcopy"):
        distil(student, teacher)
    assert same_state(before, state_of(teacher))


def test_case_9_frozen_weights_may_be_shared():
    student, teacher = LittleNet(), LittleNet(seed=7)
    student.convolution = teacher.convolution.requires_grad_(False)
    before = state_of(teacher)
    distil(student, teacher)
    assert same_state(before, state_of(teacher))


# Cases 14 and 16: what is no student, and no teacher

def test_case_14_a_student_frozen_as_a_whole_is_refused():
    with pytest.raises(ValueError, match="student must have parameters that can be trained; all are frozen"):
        distil(LittleNet().requires_grad_(False))
    with pytest.raises(ValueError, match="student must have parameters that can be trained"):
        distil(nn.Flatten())


@pytest.mark.parametrize("teacher, name", [
    (lambda images: images, "function"), ("teacher.pt", "str"), (LittleNet().state_dict(), "OrderedDict"),
    ([LittleNet(), "teacher.pt"], "str"), ([], "an empty list"), (3, "int")])
def test_case_16_what_is_no_teacher_is_refused(teacher, name):
    with pytest.raises(ValueError, match=f"teacher must be a torch.nn.Module, or a list of them; got {name}"):
        distil(teacher=teacher)


def test_what_is_no_student_is_refused():
    with pytest.raises(ValueError, match="student must be a torch.nn.Module; got function"):
        distil(lambda images: images)


def test_case_16_of_several_teachers_the_student_is_shown_the_mean_logits():
    first, second = LittleNet(seed=7), LittleNet(seed=8)
    both, _ = distil(teacher=[first, second])
    mean, _ = distil(teacher=Saying(lambda logits: (logits + second.eval()(images_of[0])) / 2, Noting(first)))
    assert same_state(state_of(both), state_of(mean))


images_of = [None]


class Noting(nn.Module):
    """Remembers the images that it was shown."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, images):
        images_of[0] = images
        return self.module(images)


# What a forward pass may return

def test_logits_are_taken_out_of_what_networks_return():
    logits = torch.zeros(2, 4)
    for output in (logits, SimpleNamespace(logits=logits), {"logits": logits}, (logits, "features"), [logits],
                   (SimpleNamespace(logits=logits), 3)):
        assert logits_of(output) is logits
    for output in ((), {}, "logits", None, [3]):
        with pytest.raises(ValueError, match="must return a tensor of logits"):
            logits_of(output)


def test_a_module_of_torch_export_teaches():
    """Such a module refuses .eval()."""
    module = torch.export.export(LittleNet(seed=7).eval(), (PIXELS[:2],),
                                 dynamic_shapes=({0: torch.export.Dim("images")},)).module()
    with pytest.raises(NotImplementedError):
        module.eval()
    student, _ = distil(teacher=module)
    assert same_state(state_of(student), state_of(distil(teacher=LittleNet(seed=7))[0]))


# Optimizer and schedule

def plain(student, loader, rate):
    """SGD with momentum in plain torch, one epoch."""
    optimizer = torch.optim.SGD(student.parameters(), lr=rate, momentum=0.9)
    for images, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(student(images), labels).backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
    return student


@pytest.mark.parametrize("make", [
    lambda student: torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9),
    lambda student: lambda given: torch.optim.SGD(given.parameters(), lr=0.05, momentum=0.9)])
def test_an_optimizer_of_your_own_is_used_with_its_learning_rate(make):
    student = LittleNet()
    train_student_with_distillation(student, None, loader_of(IMAGES, shuffle_seed=3), loader_of(VALIDATION), 1,
                                    constant(0.05), alpha=1.0, device="cpu", optimizer=make(student), progress=False)
    expected = plain(LittleNet(), list(loader_of(IMAGES, shuffle_seed=3)), 0.05)
    for mine, theirs in zip(student.parameters(), expected.parameters()):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_learning_rates_of_groups_keep_their_ratio():
    student = LittleNet()
    optimizer = torch.optim.AdamW([{"params": student.head.parameters(), "lr": 1e-2},
                                   {"params": student.convolution.parameters(), "lr": 1e-3}])
    _, rows = distil(student, optimizer=optimizer, learning_rate=3e-5, num_epochs=1)
    assert rows[0]["learning_rate"] == pytest.approx(1e-2 * 5 / 6)  # the optimizer's, and not the argument
    head, convolution = optimizer.param_groups
    assert head["lr"] == pytest.approx(1e-2 * 5 / 6) and convolution["lr"] == pytest.approx(1e-3 * 5 / 6)


@pytest.mark.parametrize("make", [adamw, Muon])
def test_the_kits_optimizers_follow_the_learning_rate_that_is_given(make):
    _, rows = distil(optimizer=make, learning_rate=2e-3, num_epochs=1)
    assert rows[0]["learning_rate"] == pytest.approx(2e-3 * 5 / 6)


def test_a_learning_rate_may_be_a_schedule():
    _, rows = distil(learning_rate=linear(1e-2, 0.0, 15))
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-2 * (1 - step / 14) for step in (4, 9, 14)])


def test_an_optimizer_of_another_network_is_refused():
    with pytest.raises(ValueError, match="optimizer must hold parameters of the student"):
        distil(optimizer=torch.optim.SGD(LittleNet().parameters(), lr=0.1))
