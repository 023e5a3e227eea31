"""Norms: no student is judged by statistics of weights long gone, and what is frozen stays as it was given."""
import pytest
import torch
from small import IMAGES, VALIDATION, ColourTeacher, LittleNet, distil, loader_batches, loader_of, run_of, state_of
from small_runs import run_of as whole_run
from torch import nn

from distill_kit import train_student_with_distillation
from distill_kit.norms import frozen_norms, measure_anew, stale_norms

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
PIXELS = IMAGES.images.float() / 255


def slow(student):
    """The same with the momentum of torchvision's MobileNetV3."""
    student.norm.momentum = 0.01
    return student


def right(student, images=VALIDATION):
    return (student.eval()(images.images.float() / 255).argmax(1) == images.labels).float().mean().item()


@pytest.mark.parametrize("momentum", [0.01, 0.1, None])
def test_case_1_a_student_is_judged_by_statistics_of_its_own_weights(momentum):
    student, rows = LittleNet(), []
    student.norm.momentum = momentum
    train_student_with_distillation(student, None, loader_of(IMAGES, shuffle_seed=3), loader_of(VALIDATION), 8, 3e-2,
                                    alpha=1.0, device="cpu", history=rows, progress=False)
    assert student.norm.momentum == momentum
    best = max(row["val_accuracy"] for row in rows)
    assert right(student) == pytest.approx(best) and best > rows[-1]["train_accuracy"] - 0.15
    maps = student.convolution(PIXELS)  # of all images that it was trained on
    torch.testing.assert_close(student.norm.running_mean, maps.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(student.norm.running_var, maps.var((0, 2, 3)), rtol=0.2, atol=1e-3)


def test_without_measuring_anew_the_same_student_is_at_chance():
    """Else the test above would hold for any loop."""
    student = slow(LittleNet())
    list(run_of(student, loader_batches(ColourTeacher(), shuffle_seed=3), epochs=8))
    stale = right(student)
    measure_anew(student, [student.norm], [PIXELS])
    assert right(student) > stale + 0.1


def test_measuring_anew_changes_nothing_that_is_learnt():
    def run(plain):
        student = slow(LittleNet())
        list(run_of(student, loader_batches(ColourTeacher(), shuffle_seed=3),
                    loader_batches(ColourTeacher(), VALIDATION), plain=plain))
        return student
    measured, bare = run(lambda: [PIXELS]), run(None)
    assert all(torch.equal(a, b) for a, b in zip(measured.parameters(), bare.parameters()))
    assert not torch.equal(measured.norm.running_mean, bare.norm.running_mean)


@pytest.mark.parametrize("momentum, steps, stale", [(0.1, 28, True), (0.1, 29, False), (0.01, 298, True),
                                                    (0.01, 299, False), (None, 10**6, True), (1.0, 1, False)])
def test_which_statistics_are_stale(momentum, steps, stale):
    student = LittleNet()
    student.norm.momentum = momentum
    assert bool(stale_norms(student, steps)) == stale
    assert not stale_norms(student.eval(), steps)


def test_statistics_measured_on_several_batches_are_their_mean():
    student = LittleNet()
    measure_anew(student, [student.norm], PIXELS.split(16))
    means = torch.stack([student.convolution(part).mean((0, 2, 3)) for part in PIXELS.split(16)])
    torch.testing.assert_close(student.norm.running_mean, means.mean(0))
    assert student.norm.momentum == 0.1


@pytest.mark.parametrize("freeze", [
    lambda student: student.norm.requires_grad_(False),                                       # its parameters
    lambda student: student.train() and student.norm.eval(),                                  # its mode
    lambda student: student.norm.requires_grad_(False) and student.norm.eval()])
def test_frozen_norms_stay_as_they_were_given(freeze):
    student = LittleNet()
    with torch.no_grad():
        student.norm.running_mean.fill_(0.25), student.norm.running_var.fill_(4.0)
    freeze(student)
    before = state_of(student)
    distil(student)
    for name in ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked"):
        assert torch.equal(before[name], student.state_dict()[name])
    assert not torch.equal(before["head.weight"], student.head.weight)


def test_frozen_layers_stay_as_they_were_given():
    student = LittleNet()
    student.convolution.requires_grad_(False)
    before = state_of(student)
    distil(student)
    assert torch.equal(before["convolution.weight"], student.convolution.weight)
    assert not torch.equal(before["head.weight"], student.head.weight)


def test_a_student_given_in_eval_mode_is_trained_all_the_same():
    """As Transformers gives its models."""
    student = LittleNet().eval()
    assert frozen_norms(student) == []
    before = state_of(student)
    distil(student)
    assert not torch.equal(before["norm.running_mean"], student.norm.running_mean)


def test_a_student_without_norms_is_not_asked_again():
    with torch.random.fork_rng(devices=[]):
        student = nn.Sequential(nn.Flatten(), nn.Linear(768, 4, bias=False))
    with torch.no_grad():
        student[1].weight.zero_()
    calls = []
    student.register_forward_hook(lambda *_: calls.append(student.training))
    distil(student, num_epochs=2)
    assert calls.count(True) == 10 and calls.count(False) == 2 + 4  # a look at each loader, 2 validations of 2 batches


@pytest.mark.parametrize("batch_size, measured", [(48, True), (16, False)])
def test_case_1_a_whole_run_of_few_steps_is_judged_by_statistics_of_its_own_weights(batch_size, measured):
    run = whole_run(batch_size=batch_size)  # 96 images: 2 or 6 steps an epoch
    list(run.rows())
    norm, student = run.student.blocks[0].norms[0], run.student.eval()
    seen = []
    handle = norm.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    images = run.materials.bank.take(torch.arange(96), torch.zeros(96, dtype=torch.int64))
    student(images), handle.remove()
    close = torch.allclose(norm.running_mean, seen[0].mean((0, 2, 3)), atol=1e-3)
    assert close == measured
