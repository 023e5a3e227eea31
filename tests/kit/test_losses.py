"""distillation_loss against a reference in numpy and float64, written from the formula."""
import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from distill_kit import distillation_loss
from distill_kit.losses import distillation_terms


def reference(student, teacher, labels, temperature, alpha):
    """hard, soft and total, from the formula with log-sum-exp."""
    student, teacher, labels = (np.asarray(values) for values in (student.double(), teacher.double(), labels))
    log_p = student / temperature - logsumexp(student / temperature, axis=1, keepdims=True)
    log_q = teacher / temperature - logsumexp(teacher / temperature, axis=1, keepdims=True)
    soft = temperature**2 * np.mean(np.sum(np.exp(log_q) * (log_q - log_p), axis=1))
    known = np.flatnonzero(labels != -100)
    log_likelihood = student[known, labels[known]] - logsumexp(student[known], axis=1)
    hard = -np.mean(log_likelihood) if len(known) else 0.0
    return hard, soft, alpha * hard + (1 - alpha) * soft


def example(seed, dtype=torch.float64, share_unlabelled=0.3):
    random = np.random.default_rng(seed)
    rows, classes = int(random.integers(1, 20)), int(random.integers(2, 12))
    student, teacher = (torch.from_numpy(random.normal(0, 4, (rows, classes))).to(dtype) for _ in range(2))
    labels = torch.from_numpy(np.where(random.random(rows) < share_unlabelled, -100, random.integers(0, classes, rows)))
    return student, teacher, labels, float(10 ** random.uniform(-0.5, 1.5)), float(random.random())


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_the_reference_in_float64(seed):
    student, teacher, labels, temperature, alpha = example(seed)
    loss = distillation_loss(student, teacher, labels, temperature, alpha)
    assert loss.dtype == torch.float64 and loss.shape == ()
    assert loss.item() == pytest.approx(reference(student, teacher, labels, temperature, alpha)[2], rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_reference_in_float32(seed):
    student, teacher, labels, temperature, alpha = example(seed, torch.float32)
    loss = distillation_loss(student, teacher, labels, temperature, alpha)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(reference(student, teacher, labels, temperature, alpha)[2], rel=2e-5)


def test_defaults_are_temperature_4_and_alpha_0_7():
    student, teacher, labels, *_ = example(3)
    assert distillation_loss(student, teacher, labels).item() == pytest.approx(
        reference(student, teacher, labels, 4.0, 0.7)[2], rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    student, teacher, labels, temperature, alpha = example(1, dtype)
    loss = distillation_loss(student, teacher, labels, temperature, alpha)
    assert loss.dtype == torch.float32
    # Far closer than the 3 digits of half precision: only the inputs are rounded, and the reference is given the same.
    assert loss.item() == pytest.approx(reference(student, teacher, labels, temperature, alpha)[2], rel=2e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_does_not_overflow(dtype):
    student, teacher = torch.tensor([[300.0, -300.0]], dtype=dtype), torch.tensor([[-300.0, 300.0]], dtype=dtype)
    loss = distillation_loss(student, teacher, torch.tensor([1]), temperature=30.0, alpha=0.0)
    assert loss.item() == pytest.approx(reference(student, teacher, torch.tensor([1]), 30.0, 0.0)[2], rel=1e-5)


def test_the_wider_type_decides():
    student, teacher, labels, temperature, alpha = example(2)
    loss = distillation_loss(student, teacher.half(), labels, temperature, alpha)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(reference(student, teacher.half(), labels, temperature, alpha)[2], rel=1e-12)


def test_terms_have_names_and_sum_up():
    student, teacher, labels, temperature, alpha = example(4)
    terms = distillation_terms(student, teacher, labels, temperature, alpha)
    hard, soft, total = reference(student, teacher, labels, temperature, alpha)
    assert (terms.hard.item(), terms.soft.item(), terms.total.item()) == pytest.approx((hard, soft, total), rel=1e-12)
    assert terms.total.item() == pytest.approx(alpha * terms.hard.item() + (1 - alpha) * terms.soft.item(), rel=1e-14)


def test_hard_term_is_the_mean_over_labelled_rows_and_soft_over_all():
    student, teacher, labels, *_ = example(5, share_unlabelled=0.0)
    some = labels.clone()
    some[1:] = -100
    terms = distillation_terms(student, teacher, some, 2.0, 0.5)
    assert terms.hard.item() == pytest.approx(reference(student[:1], teacher[:1], labels[:1], 2.0, 0.5)[0], rel=1e-12)
    assert terms.soft.item() == pytest.approx(reference(student, teacher, labels, 2.0, 0.5)[1], rel=1e-12)


def test_without_any_label_the_hard_term_is_0():
    student, teacher, labels, *_ = example(6)
    student.requires_grad_()
    terms = distillation_terms(student, teacher, torch.full_like(labels, -100), 2.0, 0.5)
    assert terms.hard.item() == 0
    assert terms.total.item() == pytest.approx(0.5 * terms.soft.item())
    terms.total.backward()
    assert student.grad.isfinite().all() and student.grad.any()


def test_alpha_weighs_the_hard_term():
    student, teacher, labels, *_ = example(7)
    hard, soft, _ = reference(student, teacher, labels, 3.0, 0.0)
    assert distillation_loss(student, teacher, labels, 3.0, alpha=1).item() == pytest.approx(hard, rel=1e-12)
    assert distillation_loss(student, teacher, labels, 3.0, alpha=0).item() == pytest.approx(soft, rel=1e-12)


def test_gradient_agrees_with_finite_differences():
    student, teacher, labels, *_ = example(8)
    assert torch.autograd.gradcheck(lambda logits: distillation_loss(logits, teacher, labels, 2.5, 0.3),
                                    student.requires_grad_())


def test_gradient_agrees_with_its_formula():
    student, teacher, labels, temperature, alpha = example(9, share_unlabelled=0.0)
    student.requires_grad_()
    distillation_loss(student, teacher, labels, temperature, alpha).backward()
    with torch.no_grad():
        hard = student.softmax(1) - torch.eye(student.shape[1], dtype=torch.float64)[labels]
        soft = temperature * ((student / temperature).softmax(1) - (teacher / temperature).softmax(1))
        expected = (alpha * hard + (1 - alpha) * soft) / len(labels)
    torch.testing.assert_close(student.grad, expected, rtol=1e-10, atol=1e-14)


def test_no_gradient_reaches_the_teacher():
    student, teacher, labels, *_ = example(10)
    student.requires_grad_(), teacher.requires_grad_()
    distillation_loss(student, teacher, labels).backward()
    assert teacher.grad is None and student.grad is not None


def test_soft_term_is_0_where_the_student_equals_the_teacher():
    student, _, labels, *_ = example(11)
    assert distillation_loss(student, student.clone(), labels, 2.0, alpha=0).item() == pytest.approx(0, abs=1e-14)


def test_a_constant_on_all_logits_of_a_row_changes_nothing():
    student, teacher, labels, temperature, alpha = example(12)
    shift = torch.linspace(-50, 50, len(student), dtype=torch.float64).unsqueeze(1)
    assert distillation_loss(student + shift, teacher - shift, labels, temperature, alpha).item() == pytest.approx(
        distillation_loss(student, teacher, labels, temperature, alpha).item(), rel=1e-9)


def test_at_a_high_temperature_the_soft_term_compares_centred_logits():
    # Hinton, Vinyals, Dean 2015, section 2.1: the mean square of the difference, halved.
    student, teacher, labels, *_ = example(13)
    difference = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    expected = difference.square().mean(1).mean().item() / 2
    assert distillation_loss(student, teacher, labels, 1e5, alpha=0).item() == pytest.approx(expected, rel=1e-3)


def test_without_a_teacher_the_loss_is_cross_entropy():
    student, teacher, labels, *_ = example(14)
    terms = distillation_terms(student, None, labels, 4.0, 1.0)
    assert terms.total.item() == pytest.approx(reference(student, teacher, labels, 4.0, 1.0)[0], rel=1e-12)
    assert math.isnan(terms.soft.item())
    with pytest.raises(ValueError, match="teacher_logits must be given.*alpha 0.7"):
        distillation_loss(student, None, labels)


@pytest.mark.parametrize("value", [0, -1.5, math.nan, math.inf, -math.inf])
def test_wrong_temperature_is_refused(value):
    student, teacher, labels, *_ = example(0)
    with pytest.raises(ValueError, match=f"temperature must be 0.001 to 1,000,000; got {value}"):
        distillation_loss(student, teacher, labels, temperature=value)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf])
def test_wrong_alpha_is_refused(value):
    student, teacher, labels, *_ = example(0)
    with pytest.raises(ValueError, match=f"alpha must be between 0 .* and 1 .*; got {value}"):
        distillation_loss(student, teacher, labels, alpha=value)


LABELS = torch.tensor([0, 1, 2])


@pytest.mark.parametrize("student, teacher, labels, message", [
    ((3, 4), (3, 5), LABELS, r"teacher_logits must have the shape of student_logits, \[3, 4\]; got \[3, 5\]"),
    ((3, 4), (2, 4), LABELS, r"teacher_logits must have the shape of student_logits, \[3, 4\]; got \[2, 4\]"),
    ((3, 4, 1), (3, 4, 1), LABELS, r"student_logits must be \[N, C\] with N and C above 0; got \[3, 4, 1\]"),
    ((3,), (3,), LABELS, r"student_logits must be \[N, C\].*; got \[3\]"),
    ((0, 4), (0, 4), LABELS[:0], r"student_logits must be .* above 0; got \[0, 4\]"),
    ((3, 0), (3, 0), LABELS, r"student_logits must be .* above 0; got \[3, 0\]"),
    ((3, 4), (3, 4), LABELS[:2], r"true_labels must be int64 \[3\].*; got torch.int64 \[2\]"),
    ((3, 4), (3, 4), LABELS[:, None], r"true_labels must be int64 \[3\].*; got torch.int64 \[3, 1\]"),
    ((3, 4), (3, 4), LABELS.float(), r"true_labels must be int64 \[3\].*; got torch.float32 \[3\]"),
    ((3, 4), (3, 4), LABELS.int(), r"true_labels must be int64 \[3\].*; got torch.int32 \[3\]"),
    ((3, 4), (3, 4), LABELS + 2, "true_labels must be 0 to 3, or -100 for no label; got 4"),
    ((3, 4), (3, 4), LABELS - 1, "true_labels must be 0 to 3, or -100 for no label; got -1"),
])
def test_shapes_and_labels_that_do_not_fit_are_refused(student, teacher, labels, message):
    with pytest.raises(ValueError, match=message):
        distillation_loss(torch.zeros(student), torch.zeros(teacher), labels)
