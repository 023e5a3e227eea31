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
    yield Case("It is never below 0.", loss >= 0, (loss,))
    yield same("A student that is sure of every label has 0.", answer(50.0 * F.one_hot(labels, classes), labels), 0)
    yield same("It is a mean: a batch twice changes nothing.", answer(logits.repeat(2, 1), labels.repeat(2)), loss)
    yield same("It is a natural logarithm: ln C for C equal logits.", answer(0 * logits, labels), math.log(classes))
    unknown = torch.full((rows,), -100)
    mixed, others = (answer(torch.cat([logits, draw.logits(rows, classes)]), torch.cat([labels, unknown]))
                     for _ in range(2))
    yield same("The logits of a row without a label make no difference.", mixed, others)
    yield same("It is the mean over rows that have a label; further rows without one change nothing.", mixed, loss)
    yield same("Where no row has a label, it is 0.", answer(logits, unknown), 0)
    losses = [loss(logits.requires_grad_(), labels) for loss in (answer, F.cross_entropy)]
    (gradient,), (right,) = (gradients(loss, logits) for loss in losses)
    yield Case("A gradient reaches the student.", gradient.any())
    yield same("Where every row has a label, it is cross-entropy.", *losses)
    yield same("Its gradient is that of cross-entropy.", gradient, right)


def clip_factor_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The largest factor, at most 1, that leaves both gradients together no longer than `max_norm`."""
    weight, bias = far_from_zero(rows, classes, draw), far_from_zero(1, classes, draw)[0]
    length, nothing = torch.cat([weight.flatten(), bias]).norm().item(), torch.zeros(classes)
    limit = 0.1 * length
    factor = answer(weight, bias, limit)
    yield Case("It is above 0 and at most 1: gradients only become shorter.", 0 < factor <= 1)
    yield same("Gradients ten times as long are clipped ten times as much.",
               answer(10 * weight, 10 * bias, limit), factor / 10, factor, tolerance=1e-5)
    yield same("It has no unit: gradients and `max_norm` a hundred times smaller change nothing.",
               answer(weight / 100, bias / 100, limit / 100), factor)
    yield same("Gradients that are short enough stay: the factor is 1.", answer(weight, bias, 2 * length), 1)
    yield same("Gradients of 0 stay as they are: the factor is 1.", answer(0 * weight, nothing, 1.0), 1)
    yield Case("The bias counts: a long one is clipped beside a weight's of 0.", answer(0 * weight, bias, 0.1) < 1)
    yield same("Where the bias's gradient is 0, the weight's has the norm `max_norm` afterwards.",
               answer(weight, nothing, 0.1) * weight.norm(), 0.1)
    yield Case("Both are one long vector, at most `max_norm` long afterwards.", factor * length < 1.0001 * limit)
    yield Case("Nothing is shorter than it must be: at least `max_norm` long.", factor * length > 0.9999 * limit)


def far_from_zero(rows: int, classes: int, draw: Draw) -> torch.Tensor:
    """float32 [rows, classes], no number near 0: then no norm is nearly that of a single number."""
    numbers = draw.logits(rows, classes)
    return torch.where(numbers < 0, -1.0, 1.0) * (0.5 + numbers.abs())


def learning_rate_at_cases(answer: Answer, draw: Draw) -> Cases:
    """Warm-up in equal steps, then half a cosine wave that would be 0 one step after the last."""
    for warmup, steps in ((2, 6), (3, 11), (5, 25), (0, 8)):
        peak, down = draw.number(0.5, 2), steps - warmup
        given = [answer(torch.tensor(step), peak, warmup, steps) for step in range(steps)]  # tensors: changes show
        rates = [rate.item() for rate in given]
        for step in (0, warmup, steps - 1):
            yield same("A peak twice as high makes it twice as high, at every step.",
                       answer(torch.tensor(step), 2 * peak, warmup, steps), 2 * given[step], given[step])
        yield Case("Step 0 already moves: its rate is above 0.", rates[0] > 1e-6, given[:1])
        yield Case("No rate is above the peak.", max(rates) < 1.0001 * peak, [given[rates.index(max(rates))]])
        yield same("At step `warmup_steps` it is at its peak.", given[warmup], peak)
        for step in range(warmup):
            yield Case("In warm-up each step is below the next.", rates[step] < rates[step + 1], given[step:step + 2])
        for step in range(warmup):
            yield same("In warm-up it rises by the same amount at each step; at step 0 it has risen once.",
                       given[step], peak * (step + 1) / (warmup + 1), given[step + 1])
        for step in range(warmup, steps - 1):
            yield Case("After warm-up it falls at every step.", rates[step] > rates[step + 1], given[step:step + 2])
        yield Case("The last step still moves: its rate is above 0.", rates[-1] > 1e-6, given[-1:])
        if down % 2 == 0:
            yield same("Half way down it is half the peak.", given[warmup + down // 2], peak / 2)
        first, second, third = (rates[warmup + part * (down // 4)] for part in range(3))
        yield Case("The fall is slow at first, then faster.", first - second < 0.99 * (second - third),
                   given[warmup:warmup + down // 2 + 1:down // 4])
        for step in range(warmup, steps):
            yield same("It is half a cosine wave, which would reach 0 at step `steps`.",
                       given[step], peak * math.cos(math.pi * (step - warmup) / down / 2) ** 2)
