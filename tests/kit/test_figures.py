"""What is looked at beside the loss, held against plain arithmetic; and the clock."""
import math
from types import SimpleNamespace

import pytest
import torch
from scipy import stats
from small import LittleNet
from torch import nn

from distill_kit import figures
from distill_kit.figures import (
    LOOKED_AT,
    Clock,
    EpochFigures,
    Tally,
    counting_dead_units,
    gradient_figures,
    label_mix,
    matrices,
    means,
    update_ratio,
)
from distill_kit.losses import distillation_terms
from distill_kit.metrics import entropy


def sums_of(*batch):
    tally = Tally()
    tally.add(*batch)
    return tally.sums


def test_entropy_is_scipys():
    logits = torch.randn(20, 7, generator=torch.Generator().manual_seed(0)) * 4
    expected = stats.entropy(torch.softmax(logits / 3, 1).numpy(), axis=1)
    assert entropy(logits, 3).numpy() == pytest.approx(expected, rel=1e-4)


def test_sums_count_what_the_teacher_gets_right_and_both_entropies():
    logits, teacher = torch.eye(3), torch.tensor([[9.0, 0, 0], [9.0, 0, 0], [0, 0, 9.0]])
    labels = torch.tensor([0, 1, 2])
    terms = distillation_terms(logits, teacher, labels, 2.0, 0.5)
    figures = means(sums_of(terms, logits, teacher, labels, 2.0), "train")
    assert figures["train_teacher_accuracy"] == pytest.approx(2 / 3)
    assert figures["train_entropy"] == pytest.approx(entropy(logits, 2).mean().item(), rel=1e-6)
    assert figures["train_teacher_entropy"] == pytest.approx(entropy(teacher, 2).mean().item(), rel=1e-6)


def test_batches_drawn_at_random_are_as_mixed_as_all_labels():
    labels = torch.arange(10).repeat(500)[torch.randperm(5_000, generator=torch.Generator().manual_seed(1))]
    for size in (32, 64, 256):
        assert label_mix(labels.split(size), 10) == pytest.approx(1, abs=0.02)


def test_batches_in_the_order_of_the_classes_are_not():
    labels = torch.arange(10).repeat_interleave(500)
    assert label_mix(labels.split(64), 10) < 0.2


def test_batches_with_few_labels_do_not_make_labels_look_sorted():
    """Thirteen labels of ten classes cannot show all of their entropy, however well they are mixed."""
    generator = torch.Generator().manual_seed(0)
    for labelled, is_told in ((5, False), (13, False), (20, False), (40, True), (256, True)):
        batches = torch.randint(10, (40, 256), generator=generator)
        batches[:, labelled:] = -100
        mix = label_mix(batches.unbind(), 10, least=32)
        assert (mix is not None) == is_told and (not is_told or mix == pytest.approx(1, abs=0.03))


def test_label_mix_needs_labels_of_two_classes():
    assert label_mix([torch.full((4,), -100)], 10) is None and label_mix([torch.zeros(4, dtype=torch.long)], 10) is None


def test_unlabelled_images_are_not_a_class():
    labels = torch.tensor([0, 1, -100, -100])
    assert label_mix([labels, labels], 2) == pytest.approx(label_mix([labels[:2]] * 2, 2))


def test_gradient_figures_and_a_limit_that_is_not_there():
    figures = gradient_figures([torch.tensor(norm) for norm in (1.0, 2.0, 9.0)], math.inf)
    assert (figures["gradient_norm"], figures["gradient_norm_median"], figures["gradient_norm_max"]) == (4, 2, 9)
    assert figures["clip_norm"] is None and figures["clipped"] == 0


def test_update_ratio_is_of_all_weights_together():
    before, after = [torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0]])], [torch.tensor([[3.0, 4.0]]),
                                                                               torch.tensor([[0.3, 0.4]])]
    assert update_ratio(before, after) == pytest.approx(0.1)
    assert update_ratio([], []) is None


def test_matrices_leave_biases_and_frozen_weights_out():
    student = LittleNet()
    shapes = {tuple(weight.shape) for weight in matrices(student)}
    assert shapes == {tuple(p.shape) for p in student.parameters() if p.ndim > 1}
    for parameter in student.parameters():
        parameter.requires_grad_(False)
    assert matrices(student) == []


def test_dead_units_are_channels_that_never_answer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x) - torch.tensor([0.0, 5.0, 0.0, 0.0]))
    student, figures = Net(), {}
    with counting_dead_units(student, figures):
        student(torch.tensor([[1.0, 1.0, -1.0, 1.0], [1.0, 1.0, -1.0, -1.0]]))
    assert figures["dead_units"] == pytest.approx(3 / 8)  # one channel of the first use, two of the second
    assert not student.relu._forward_hooks
    with counting_dead_units(nn.Linear(2, 2), figures):
        pass
    assert figures["dead_units"] is None


def test_dead_units_do_not_hang_on_the_size_of_the_batch():
    student, figures, images = nn.Sequential(nn.ReLU()), {}, torch.zeros(LOOKED_AT + 1, 2)
    images[LOOKED_AT - 1, 0] = images[LOOKED_AT, 1] = 1.0  # the last image that counts, and one too late
    with counting_dead_units(student, figures):
        student(images)
    assert figures["dead_units"] == 1 / 2


def test_terms_add_up_to_the_loss_also_where_some_batches_have_no_label():
    generator, tally = torch.Generator().manual_seed(0), Tally()
    for labels in ([0, 2, 1, 1], [-100] * 4, [2, -100, -100, -100], [0, 1, -100]):
        student, teacher = (torch.randn(len(labels), 3, generator=generator) for _ in range(2))
        labels = torch.tensor(labels)
        tally.add(distillation_terms(student, teacher, labels, 2.0, 0.3), student, teacher, labels, 2.0)
    figures = means(tally.sums, "train")
    assert figures["train_loss"] == pytest.approx(0.3 * figures["train_hard"] + 0.7 * figures["train_soft"], rel=1e-6)


def test_the_sums_of_a_batch_have_their_names():
    logits, teacher = torch.eye(4)[:, :3], torch.tensor([[9.0, 0, 0], [9.0, 0, 0], [0, 0, 9.0], [0, 0, 9.0]])
    labels = torch.tensor([0, 1, 2, -100])
    terms = distillation_terms(logits, teacher, labels, 2.0, 0.5)
    sums = sums_of(terms, logits, teacher, labels, 2.0)
    assert (sums.images, sums.labelled, sums.correct, sums.agreed, sums.teacher_correct) == (4, 3, 3, 2, 2)
    assert sums.total == pytest.approx(4 * terms.total.item()) and sums.soft == pytest.approx(4 * terms.soft.item())
    assert sums.hard == pytest.approx(4 * terms.hard.item())
    assert sums.labelled_hard == pytest.approx(3 * terms.hard.item())
    assert sums.entropy == pytest.approx(entropy(logits, 2).sum().item())
    assert sums.teacher_entropy == pytest.approx(entropy(teacher, 2).sum().item())
    alone = sums_of(distillation_terms(logits, None, labels, 2.0, 1.0), logits, None, labels, 2.0)
    assert all(math.isnan(value) for value in (alone.agreed, alone.teacher_correct, alone.teacher_entropy))


@pytest.mark.parametrize("taught", [True, False])
def test_sums_are_those_of_batch_after_batch_each_at_its_temperature(taught, monkeypatch):
    monkeypatch.setattr(figures, "TOGETHER", 500)  # so that some are summed before the rest is there
    generator, tally, each = torch.Generator().manual_seed(0), Tally(), []
    for count in range(1, 36):
        logits = torch.randn(count, 5, generator=generator)
        teacher = torch.randn(count, 5, generator=generator).half() if taught else None
        labels = torch.randint(-1, 5, (count,), generator=generator)
        labels[labels < 0] = -100
        temperature = 1 + count / 8
        batch = distillation_terms(logits, teacher, labels, temperature, 0.3), logits, teacher, labels, temperature
        each.append(sums_of(*batch))
        tally.add(*batch)
        assert tally.sums.images == sum(sums.images for sums in each)
        for reused in (logits, labels, *([teacher] if taught else [])):
            reused.zero_()  # as a recorded step may, and a loader that fills its tensors again: what is added is kept
    assert len(tally._summed) > 1 and tally._waiting
    if taught:
        assert tally.sums == pytest.approx([sum(parts) for parts in zip(*each)], rel=1e-5)
    assert tally.sums.entropy == pytest.approx(sum(sums.entropy for sums in each), rel=1e-5)
    assert tally.sums.images == 35 * 36 / 2


def test_an_epoch_without_a_step_has_no_figures():
    with pytest.raises(ValueError, match="batches must yield a batch in every epoch; epoch 4 had none"):
        EpochFigures(LittleNet(), 1.0).epoch_row(4, 15)


def test_the_clock_counts_the_seconds_in_which_it_is_not_paused(monkeypatch):
    now = [50.0]
    monkeypatch.setattr("distill_kit.figures.time", SimpleNamespace(perf_counter=lambda: now[0]))
    clock = Clock()
    assert clock.seconds == 0
    now[0] += 3
    with clock.paused():
        now[0] += 100
    now[0] += 2
    assert clock.seconds == 5
    with pytest.raises(KeyboardInterrupt), clock.paused():
        now[0] += 1000
        raise KeyboardInterrupt
    assert clock.seconds == 5
