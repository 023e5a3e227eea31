"""The loop, held against twenty plain lines of torch; and how it ends."""
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from small import (CLASSES, IMAGES, VALIDATION, ColourTeacher, LittleNet, PixelTeacher, Talkative, distil,
                   loader_batches, loader_of, run_of, same_state, state_of)
from torch import nn

from distill_kit import history as history_module
from distill_kit import train_student_with_distillation
from distill_kit.batches import Batch, LoaderBatches, Teacher
from distill_kit.losses import distillation_terms
from distill_kit.schedules import constant, linear, warmup_cosine
from distill_kit.training import evaluate
from distill_kit.views import KeptLogits, PlainBatches, ViewBank, ViewBatches

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
CPU = torch.device("cpu")
COLUMNS = {"kind", "epoch", "steps", "seconds", "learning_rate", "alpha", "temperature", "train_loss", "train_hard",
           "train_soft", "train_accuracy", "train_agreement", "val_loss", "val_hard", "val_soft", "val_accuracy",
           "val_agreement", "gradient_norm", "gradient_norm_median", "gradient_norm_max", "clipped", "clip_norm",
           "best", "update_ratio", "label_mix", "classes", "dead_units", "threads",
           *(f"{part}_{name}" for part in ("train", "val") for name in ("teacher_accuracy", "entropy",
                                                                        "teacher_entropy"))}
FIRST = {f"first_{name}" for name in ("loss", "hard", "soft", "alpha", "temperature")}


def plain_loop(student, batches, epochs, peak, temperature, alpha):
    """Distillation in plain torch; batches: a function of no argument that gives (images, labels, teacher's logits).

    Returns the weights after each epoch and the gradient norm of each step.
    """
    groups = [[p for p in student.parameters() if p.ndim >= 2], [p for p in student.parameters() if p.ndim < 2]]
    optimizer = torch.optim.AdamW([{"params": groups[0], "weight_decay": 0.01},
                                   {"params": groups[1], "weight_decay": 0}], fused=True)
    step, states, norms = 0, [], []
    for epoch in range(epochs):
        student.train()
        for images, labels, teacher_logits in batches():
            warmup = steps_an_epoch = len(IMAGES) // 16
            if step < warmup:
                rate = peak * (step + 1) / (warmup + 1)
            else:
                rate = peak * (1 + math.cos(math.pi * (step - warmup) / (steps_an_epoch * epochs - warmup))) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            logits = student(images)
            hard = F.cross_entropy(logits, labels, reduction="sum") / len(labels)
            soft = temperature**2 * F.kl_div(F.log_softmax(logits / temperature, 1),
                                             F.log_softmax(teacher_logits.float() / temperature, 1),
                                             reduction="batchmean", log_target=True)
            optimizer.zero_grad()
            (alpha * hard + (1 - alpha) * soft).backward()
            norms.append(torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0).item())
            optimizer.step()
            step += 1
        states.append(state_of(student))
    return states, norms


# Against the plain loop

def test_weights_after_two_epochs_are_those_of_the_plain_loop_with_a_data_loader():
    teacher, loader = LittleNet(seed=7).eval(), loader_of(IMAGES, shuffle_seed=3)

    @torch.no_grad()
    def batches():
        for images, labels in list(loader):
            yield images, labels, teacher(images).half()
    states, _ = plain_loop(LittleNet(), batches, 2, 1e-2, 3.0, 0.3)
    rows = []
    student, _ = distil(teacher=LittleNet(seed=7), history=rows, num_epochs=2, temperature=3.0, alpha=0.3)
    assert same_state(state_of(student), states[history_module.best_row(rows)["epoch"] - 1])


def test_weights_after_two_epochs_are_those_of_the_plain_loop_with_kept_logits():
    bank, teacher = ViewBank(IMAGES.images), Teacher(ColourTeacher(sharpness=200))  # sharp: some gradients are clipped
    bare = ViewBatches(bank, IMAGES.labels, 16, seed=3)

    def batches():  # the teacher is asked anew, 64 images at a time as it always is
        for images, labels, _ in bare:
            block = torch.cat([images, images[-1:].expand(48, -1, -1, -1)])
            yield images, labels, teacher(block.contiguous(memory_format=torch.channels_last))[:16]
    states, norms = plain_loop(LittleNet(), batches, 2, 1e-2, 3.0, 0.3)
    student = LittleNet()
    kept = ViewBatches(bank, IMAGES.labels, 16, seed=3, logits=KeptLogits(teacher, bank, len(IMAGES)))
    rows = list(run_of(student, kept, learning_rate=warmup_cosine(1e-2, 5, 10), temperature=constant(3.0)))
    assert same_state(state_of(student), states[1])
    for row, part in zip(rows, (norms[:5], norms[5:])):
        assert row["gradient_norm"] == pytest.approx(sum(part) / 5)
        assert row["gradient_norm_max"] == pytest.approx(max(part))
        assert row["clipped"] == pytest.approx(sum(norm > 1 for norm in part) / 5)
    assert 0 < sum(norm > 1 for norm in norms) < 10


def test_same_seed_gives_the_same_run_bit_for_bit():
    (one, rows), (two, again) = distil(seed=1), distil(seed=1)
    assert same_state(state_of(one), state_of(two))
    timeless = [[{**row, "seconds": 0} for row in some] for some in (rows, again)]
    assert timeless[0] == timeless[1]


def test_another_seed_gives_another_run():
    assert not same_state(state_of(distil(seed=1)[0]), state_of(distil(seed=2)[0]))


def test_global_random_state_is_not_read():
    states = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            states.append(state_of(distil()[0]))
    assert same_state(*states)


# Rows

def test_a_row_has_the_documented_columns():
    _, rows = distil()
    assert [set(row) for row in rows] == [COLUMNS | FIRST, COLUMNS, COLUMNS]
    for name in (COLUMNS | FIRST) - {"kind"}:
        assert name.replace("val_", "train_") in history_module.__doc__, name
    assert [row["epoch"] for row in rows] == [1, 2, 3] and [row["steps"] for row in rows] == [5, 10, 15]


def test_the_loss_is_made_of_its_terms():
    for row in distil(alpha=0.25)[1]:
        for part in ("train", "val"):
            terms = 0.25 * row[f"{part}_hard"] + 0.75 * row[f"{part}_soft"]
            assert row[f"{part}_loss"] == pytest.approx(terms, rel=1e-5)


def test_light_rows_come_every_so_many_steps():
    rows = list(run_of(LittleNet(), loader_batches(ColourTeacher()), every=2))
    assert [(row["kind"], row["steps"]) for row in rows] == [
        ("step", 2), ("step", 4), ("epoch", 5), ("step", 6), ("step", 8), ("step", 10), ("epoch", 10)]
    assert all(math.isfinite(row["train_loss"]) and row["seconds"] > 0 for row in rows)


def test_learning_rate_rises_for_an_epoch_and_falls_as_a_cosine():
    _, rows = distil(num_epochs=4, patience=None, learning_rate=0.02)
    expected = [0.02 * 5 / 6] + [0.01 * (1 + math.cos(math.pi * (5 * epoch - 6) / 15)) for epoch in (2, 3, 4)]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected)


def test_schedules_of_alpha_and_temperature_reach_the_loss():
    with torch.random.fork_rng(devices=[]):
        student = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, len(CLASSES)))
    with torch.no_grad():
        student[1].weight.copy_(torch.linspace(-1, 1, 3072).view(4, 768)), student[1].bias.zero_()
    loader = loader_of(IMAGES, batch_size=len(IMAGES))
    rows = list(run_of(student, LoaderBatches(loader, Teacher(ColourTeacher()), CPU), epochs=4, alpha=linear(0, 1, 4),
                       learning_rate=constant(0.0), temperature=linear(1.0, 7.0, 4)))
    images, labels = next(iter(loader))
    for row, temperature, alpha in zip(rows, (1.0, 3.0, 5.0, 7.0), (0, 1 / 3, 2 / 3, 1)):
        terms = distillation_terms(student(images), Teacher(ColourTeacher())(images), labels, temperature, alpha)
        assert (row["temperature"], row["alpha"]) == pytest.approx((temperature, alpha))
        assert row["train_soft"] == pytest.approx(terms.soft.item(), rel=1e-5)
        assert row["train_loss"] == pytest.approx(terms.total.item(), rel=1e-5)


def test_a_schedule_that_leaves_its_range_is_refused_at_that_step():
    with pytest.raises(ValueError, match="alpha must be between 0 .*; got 1.2"):
        distil(alpha=lambda step: 0.2 * (step + 1))


def test_means_are_over_images_and_not_over_batches():
    student = LittleNet().eval()
    ragged = evaluate(student, loader_batches(ColourTeacher(), VALIDATION, batch_size=29), 4.0, 0.3)  # 29 and 1
    whole = evaluate(student, loader_batches(ColourTeacher(), VALIDATION, batch_size=30), 4.0, 0.3)
    assert ragged == pytest.approx(whole, rel=1e-5)
    images, labels = VALIDATION.images.float() / 255, VALIDATION.labels
    assert whole["val_accuracy"] == pytest.approx((student(images).argmax(1) == labels).float().mean().item())
    assert whole["val_agreement"] == pytest.approx(
        (student(images).argmax(1) == ColourTeacher()(images).argmax(1)).float().mean().item())


def test_hard_figures_are_over_labelled_images_alone():
    labels = VALIDATION.labels.clone()
    labels[10:] = -100
    some = type(VALIDATION)(VALIDATION.images, labels, CLASSES, "")
    student = LittleNet()
    figures = evaluate(student, loader_batches(ColourTeacher(), some, batch_size=7), 4.0, 0.3)
    known = evaluate(student, loader_batches(ColourTeacher(), VALIDATION[:10]), 4.0, 0.3)
    everything = evaluate(student, loader_batches(ColourTeacher(), VALIDATION), 4.0, 0.3)
    assert figures["val_accuracy"] == pytest.approx(known["val_accuracy"])
    assert figures["val_hard"] == pytest.approx(known["val_hard"], rel=1e-5)
    assert figures["val_soft"] == pytest.approx(everything["val_soft"], rel=1e-5)


def test_what_does_not_exist_is_none():
    unlabelled = type(VALIDATION)(VALIDATION.images, torch.full((30,), -100), CLASSES, "")
    figures = evaluate(LittleNet(), loader_batches(images=unlabelled), 4.0, 1.0)
    assert {name for name, value in figures.items() if value is None} == {
        "val_hard", "val_soft", "val_accuracy", "val_agreement", "val_teacher_accuracy", "val_teacher_entropy"}


def test_seconds_leave_the_callers_time_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("distill_kit.training.time", SimpleNamespace(perf_counter=lambda: now[0]))
    for row in run_of(LittleNet(), loader_batches(ColourTeacher()), every=1):
        now[0] += 100  # the caller draws
        assert row["seconds"] == 0


# The teacher

def test_teacher_answers_in_eval_mode_whatever_mode_it_is_in():
    teacher = LittleNet(seed=7).train()
    before = state_of(teacher)
    one, _ = distil(teacher=teacher)
    assert same_state(before, state_of(teacher))  # BatchNorm's statistics too
    assert same_state(state_of(one), state_of(distil(teacher=LittleNet(seed=7).eval())[0]))


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


def test_controls_that_are_tensors_make_the_same_run(monkeypatch):
    """As they are on a GPU, for a CUDA graph to read."""
    rows = [list(run_of(LittleNet(), loader_batches(ColourTeacher()), temperature=linear(4.0, 2.0, 10)))]
    monkeypatch.setattr("distill_kit.training.numbers_on", lambda device, *numbers: torch.tensor(numbers))
    rows.append(list(run_of(LittleNet(), loader_batches(ColourTeacher()), temperature=linear(4.0, 2.0, 10))))
    for one, other in zip(*rows):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert one["temperature"] == other["temperature"] and type(other["learning_rate"]) is float


def test_float16_scales_the_loss_so_that_small_gradients_survive():
    """The rows are those of float32 within rounding: figures see the loss and gradients without their scale."""
    rows = {precision: list(run_of(LittleNet(), loader_batches(ColourTeacher()), loader_batches(ColourTeacher()),
                                   precision=precision)) for precision in ("float32", "float16")}
    for one, other in zip(rows["float32"], rows["float16"]):
        for column in ("train_loss", "gradient_norm", "val_loss"):
            assert one[column] == pytest.approx(other[column], rel=0.02)


def test_a_step_that_overflowed_in_float16_is_left_out():
    """As gradients scaled up may do: the weights stay as they were, and finite."""
    student = LittleNet()
    before = state_of(student)
    broken = [Batch(batch.images * 1e6, *batch[1:]) for batch in list(loader_batches(ColourTeacher()))[:1]]
    next(iter(run_of(student, broken, epochs=1, precision="float16")))
    assert all(torch.equal(before[name], value) for name, value in student.named_parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_no_step_waits_for_the_gpu():
    """Neither to make a batch nor to learn from it. Only an epoch's figures must be waited for."""
    bank = ViewBank(IMAGES.images, device="cuda")
    logits = KeptLogits(Teacher(PixelTeacher(), "cuda"), bank, len(IMAGES))
    logits.complete()

    class Watched(ViewBatches):
        def __iter__(self):
            torch.cuda.set_sync_debug_mode("error")
            yield from super().__iter__()
            torch.cuda.set_sync_debug_mode("default")
    try:
        (row,) = run_of(LittleNet().cuda(), Watched(bank, IMAGES.labels, 16, 3, logits), epochs=1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert row["steps"] == len(IMAGES) // 16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_rows_of_the_cpu():
    rows = {}
    for device in ("cpu", "cuda"):
        bank = ViewBank(IMAGES.images, device=device)
        batches = ViewBatches(bank, IMAGES.labels, 16, seed=3,
                              logits=KeptLogits(Teacher(PixelTeacher(), device), bank, len(IMAGES)))
        validation = PlainBatches(ViewBank(VALIDATION.images, device=device), VALIDATION.labels)
        student = LittleNet().to(device)
        rows[device] = list(run_of(student, batches, validation, alpha=constant(0.3), every=2))
    for one, other in zip(rows["cpu"], rows["cuda"]):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
