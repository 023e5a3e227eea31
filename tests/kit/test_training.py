"""The loop, held against twenty plain lines of torch; and the rows that it yields."""
import ast
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from small import (
    CLASSES,
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

from distill_kit import training
from distill_kit.batches import ViewBatches
from distill_kit.history import Row, best_row
from distill_kit.kept_logits import KeptLogits
from distill_kit.loaders import LoaderBatches
from distill_kit.losses import distillation_terms
from distill_kit.schedules import constant, linear, warmup_cosine
from distill_kit.teachers import Teacher
from distill_kit.training import validate
from distill_kit.views import ViewBank

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
    for _ in range(epochs):
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


def same_weights(student, state):
    """Bit for bit, but for BatchNorm's statistics, which are measured anew where an epoch has five steps."""
    return all(torch.equal(parameter, state[name]) for name, parameter in student.named_parameters())


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
    assert same_weights(student, states[best_row(rows)["epoch"] - 1])


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
    (first, rows), (second, again) = distil(seed=1), distil(seed=1)
    assert same_state(state_of(first), state_of(second))
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
    assert set(Row.__annotations__) == COLUMNS | FIRST | {"stopped"}  # which stands in some rows only
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


def test_a_light_row_has_the_first_columns_and_those_of_training():
    light = next(run_of(LittleNet(), loader_batches(ColourTeacher()), every=1))
    first = list(Row.__annotations__)[:7]
    assert set(light) == {*first, *(name for name in Row.__annotations__ if name.startswith("train_"))}


def test_rows_hold_what_the_schedules_gave_at_the_last_step():
    schedules = {"learning_rate": linear(1e-2, 1e-3, 10), "temperature": linear(4, 2, 10),
                 "alpha": linear(0.2, 0.8, 10)}
    rows = list(run_of(LittleNet(), loader_batches(ColourTeacher()), every=1, **schedules))
    assert [row["steps"] for row in rows] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10]
    for row in rows:
        assert {name: row[name] for name in schedules} == {name: schedule(row["steps"] - 1)
                                                           for name, schedule in schedules.items()}


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
    ragged = validate(student, loader_batches(ColourTeacher(), VALIDATION, batch_size=29), 4.0, 0.3)  # 29 and 1
    whole = validate(student, loader_batches(ColourTeacher(), VALIDATION, batch_size=30), 4.0, 0.3)
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
    figures = validate(student, loader_batches(ColourTeacher(), some, batch_size=7), 4.0, 0.3)
    known = validate(student, loader_batches(ColourTeacher(), VALIDATION[:10]), 4.0, 0.3)
    everything = validate(student, loader_batches(ColourTeacher(), VALIDATION), 4.0, 0.3)
    assert figures["val_accuracy"] == pytest.approx(known["val_accuracy"])
    assert figures["val_hard"] == pytest.approx(known["val_hard"], rel=1e-5)
    assert figures["val_soft"] == pytest.approx(everything["val_soft"], rel=1e-5)


def test_what_does_not_exist_is_none():
    unlabelled = type(VALIDATION)(VALIDATION.images, torch.full((30,), -100), CLASSES, "")
    figures = validate(LittleNet(), loader_batches(images=unlabelled), 4.0, 1.0)
    assert {name for name, value in figures.items() if value is None} == {
        "val_hard", "val_soft", "val_accuracy", "val_agreement", "val_teacher_accuracy", "val_teacher_entropy"}


def test_seconds_leave_the_callers_time_out(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("distill_kit.figures.time", SimpleNamespace(perf_counter=lambda: now[0]))
    for row in run_of(LittleNet(), loader_batches(ColourTeacher()), every=1):
        now[0] += 100  # the caller draws
        assert row["seconds"] == 0


def test_the_loop_is_short_enough_to_be_read_at_a_glance():
    tree = ast.parse(Path(training.__file__).read_text(encoding="utf-8"))
    loop, = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "train")
    assert ast.get_docstring(loop) and loop.end_lineno - loop.body[0].end_lineno <= 45
