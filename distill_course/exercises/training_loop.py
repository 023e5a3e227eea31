"""Checks of 02_training_loop."""
import math

import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, gradients, same


def hard_term_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Cross-entropy, the mean over the rows that have a label."""
    logits, labels = draw.logits(rows, classes), draw.labels(rows, classes)
    labels[0] = 0  # a class as any other
    loss = answer(logits, labels)
    yield Case("never_negative", loss >= 0, (loss,))
    yield same("sure_student_has_0", answer(50.0 * F.one_hot(labels, classes), labels), 0)
    yield same("mean_over_rows", answer(logits.repeat(2, 1), labels.repeat(2)), loss)
    yield same("natural_logarithm", answer(0 * logits, labels), math.log(classes))
    half = F.pad(labels, (0, rows), value=-100)
    mixed, others = (answer(torch.cat([logits, draw.logits(rows, classes)]), half) for _ in range(2))
    yield same("unlabelled_logits_do_not_count", mixed, others)
    yield same("mean_over_labelled_rows", mixed, loss)
    yield same("no_labels_give_0", answer(logits, half[rows:]), 0)
    losses = [loss(logits.requires_grad_(), labels) for loss in (answer, F.cross_entropy)]
    (gradient,), (right,) = (gradients(loss, logits) for loss in losses)
    yield Case("student_gets_a_gradient", gradient.any())
    yield same("cross_entropy", *losses)
    yield same("gradient_of_cross_entropy", gradient, right)


def clip_factor_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The largest factor, at most 1, that leaves both gradients together no longer than `max_norm`."""
    weight, bias = far_from_zero(rows, classes, draw), far_from_zero(1, classes, draw)[0]
    length, nothing = torch.cat([weight.flatten(), bias]).norm().item(), torch.zeros(classes)
    limit = 0.1 * length
    factor = answer(weight, bias, limit)
    yield Case("from_0_to_1", 0 < factor <= 1)
    yield same("longer_is_clipped_more", answer(10 * weight, 10 * bias, limit), factor / 10, factor, tolerance=1e-5)
    yield same("no_unit", answer(weight / 100, bias / 100, limit / 100), factor)
    yield same("short_ones_stay", answer(weight, bias, 2 * length), 1)
    yield same("zeros_stay", answer(0 * weight, nothing, 1.0), 1)
    yield Case("bias_counts", answer(0 * weight, bias, 0.1) < 1)
    yield same("weight_without_bias", answer(weight, nothing, 0.1) * weight.norm(), 0.1)
    yield Case("at_most_max_norm", factor * length < 1.0001 * limit)
    yield Case("no_shorter_than_needed", factor * length > 0.9999 * limit)


def far_from_zero(rows: int, classes: int, draw: Draw) -> torch.Tensor:
    """float32 [rows, classes], no number near 0: then no norm is nearly that of a single number."""
    numbers = draw.logits(rows, classes)
    return torch.where(numbers < 0, -1.0, 1.0) * (0.5 + numbers.abs())


def learning_rate_at_cases(answer: Answer, draw: Draw, warmup: int, steps: int) -> Cases:
    """Warm-up in equal steps, then half a cosine wave that would be 0 one step after the last."""
    peak, down = draw.number(0.5, 2), steps - warmup
    given = [answer(torch.tensor(step), peak, warmup, steps) for step in range(steps)]  # tensors: changes show
    for step in (0, warmup, steps - 1):
        higher = answer(torch.tensor(step), 2 * peak, warmup, steps)
        yield same("scales_with_peak", higher, 2 * given[step], given[step])
    yield Case("first_step_moves", given[0] > 1e-6, given[:1])
    yield Case("never_above_peak", max(given) < 1.0001 * peak, [max(given)])
    yield same("peak_after_warmup", given[warmup], peak)
    for step in range(warmup):
        yield Case("warmup_rises", given[step] < given[step + 1], given[step:step + 2])
    for step in range(warmup):
        yield same("equal_steps_in_warmup", given[step], peak * (step + 1) / (warmup + 1), given[step + 1])
    for step in range(warmup, steps - 1):
        yield Case("falls_after_warmup", given[step] > given[step + 1], given[step:step + 2])
    yield Case("last_step_moves", given[-1] > 1e-6, given[-1:])
    top, quarter, half = given[warmup:warmup + down // 2 + 1:down // 4]
    yield same("half_peak_half_way", half, peak / 2)
    yield Case("slow_at_first", top - quarter < 0.99 * (quarter - half), (top, quarter, half))
    for step in range(warmup, steps):
        yield same("half_a_cosine_wave", given[step], peak * math.cos(math.pi * (step - warmup) / down / 2) ** 2)
