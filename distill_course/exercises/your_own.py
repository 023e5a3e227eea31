"""Checks of 07_your_own."""
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from .checking import Answer, Case, Cases, Draw, different, same


def normalised_cases(answer: Answer, draw: Draw, rows: int, height: int, width: int) -> Cases:
    """Minus the channel's mean, over the channel's std."""
    answer.shape, mean, std = (rows, 3, height, width), channels(draw, 0.2, 0.8), channels(draw, 0.1, 0.4)
    images, others = draw.uniform(*answer.shape), draw.uniform(*answer.shape)
    result = answer(images, mean, std)
    together = answer(torch.cat([others, images]), mean, std, shape=(2 * rows, 3, height, width))
    yield same("images_do_not_mix", together[rows:], result, together)
    redder = images + torch.tensor([0.1, 0, 0])[:, None, None]
    changed = (answer(redder, mean, std) != result).flatten(2).any(2)                               # (rows, 3)
    yield Case("channels_do_not_mix", changed.tolist() == [[True, False, False]] * rows)
    flat = answer(torch.full(answer.shape, 0.5), mean, std)
    yield same("one_colour_stays_one_colour", flat, flat[:, :, :1, :1].expand(answer.shape))
    yield different("given_mean_counts", answer(images, mean + 0.1, std), result)
    step = answer(images + 0.1, mean, std) - result
    smaller = answer(images + 0.1, mean, 2 * std) - answer(images, mean, 2 * std)
    yield Case("larger_std_brings_closer", smaller.abs() < step.abs())
    brighter = answer(images + std[:, None, None], mean, std)
    yield same("one_std_is_1", brighter - result, 1, brighter, result)
    yield same("mean_becomes_0", answer(0 * images + mean[:, None, None], mean, std), 0)


def channels(draw: Draw, low: float, high: float) -> Tensor:
    """float32 [3], no two alike."""
    return low + (high - low) * (torch.randperm(3, generator=draw) + draw.uniform(1)) / 3


class Wrapping(nn.Sequential):
    """A teacher that wraps its logits in an object."""

    def forward(self, images: Tensor) -> SimpleNamespace:
        """Return the logits as models of Transformers do."""
        return SimpleNamespace(logits=super().forward(images), hidden_states=None)


def ask_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Logits in eval mode, without a gradient, out of whatever the teacher returns."""
    answer.shape, images = (rows, classes), draw.uniform(rows, 3, 2, 2)
    for kind in (nn.Sequential, Wrapping):  # in train mode, as whoever had the teacher before may have left it
        teacher = kind(nn.Flatten(), nn.Linear(12, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, classes))
        first, second = (answer(teacher.train(), images) for _ in range(2))
        yield Case("no_gradient", not first.requires_grad)
        yield same("dropout_rests", second, first)
        output = teacher.eval()(images)
        yield same("logits_of_the_teacher", first, getattr(output, "logits", output))


def times_faster_cases(answer: Answer, draw: Draw, repeats: int) -> Cases:
    """The teacher's median over the student's, without the first repeat."""
    teacher, student = 5 * seconds(draw, repeats), seconds(draw, repeats)
    times, slower, rest = answer(teacher, student), answer(teacher, 2 * student), student[1:]
    yield Case("slower_is_smaller", slower < times, (times, slower))
    yield same("no_unit", answer(1_000 * teacher, 1_000 * student), times)
    yield same("order_does_not_count", answer(teacher, torch.cat([student[:1], rest.roll(1)])), times)
    for first in (30.0, 0.01):
        yield same("first_does_not_count", answer(teacher, torch.cat([torch.tensor([first]), rest])), times)
    yield same("slowest_does_not_count", answer(teacher, torch.where(student == rest.max(), 40, student)), times)
    yield same("quickest_does_not_count", answer(teacher, torch.where(student == rest.min(), 0.3, student)), times)
    yield same("same_network_is_1", answer(teacher, teacher), 1)
    yield same("swapped_is_one_over", answer(student, teacher), 1 / times, times)
    yield same("middle_of_the_repeats", times, teacher[1:].median() / rest.median())


def seconds(draw: Draw, repeats: int) -> Tensor:
    """float32 [repeats], in no order; the first repeat is among the slowest or the quickest."""
    first = 0.1 if draw.uniform().item() < 0.5 else 9.0
    return torch.cat([torch.tensor([first]), 1 + draw.uniform(repeats - 1)])
