"""Checks of 07_your_own."""
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from .checking import Answer, Case, Cases, Draw, different, same


def normalised_cases(answer: Answer, draw: Draw) -> Cases:
    """Minus the channel's mean, over the channel's std."""
    for rows, height, width in ((1, 3, 3), (2, 2, 4), (3, 5, 4)):  # 3 x 3 first: a wrong axis raises no error
        answer.shape, mean, std = (rows, 3, height, width), channels(draw, 0.2, 0.8), channels(draw, 0.1, 0.4)
        images, others = draw.uniform(*answer.shape), draw.uniform(*answer.shape)
        result = answer(images, mean, std)
        together = answer(torch.cat([others, images]), mean, std, shape=(2 * rows, 3, height, width))
        yield same("What comes out for an image does not depend on others.", together[rows:], result, together)
        redder = images + torch.tensor([0.1, 0, 0])[:, None, None]
        changed = (answer(redder, mean, std) != result).flatten(2).any(2)                               # (rows, 3)
        yield Case("Each channel comes out in its own place, and no other channel has a part in it.",
                   changed.tolist() == [[True, False, False]] * rows)
        flat = answer(torch.full(answer.shape, 0.5), mean, std)
        yield same("In an image of one colour all pixels are alike afterwards, too: what stands in `mean` and `std` "
                   "belongs to channels, not to columns.", flat, flat[:, :, :1, :1].expand(answer.shape))
        yield different("Another `mean` gives other numbers: the mean that is given counts, not one of the images.",
                        answer(images, mean + 0.1, std), result)
        step = answer(images + 0.1, mean, std) - result
        smaller = answer(images + 0.1, mean, 2 * std) - answer(images, mean, 2 * std)
        yield Case("A larger std brings the numbers closer together.", smaller.abs() < step.abs())
        brighter = answer(images + std[:, None, None], mean, std)
        yield same("A channel brighter by its std comes out larger by 1.", brighter - result, 1, brighter, result)
        yield same("A channel as bright as its mean comes out as 0.",
                   answer(0 * images + mean[:, None, None], mean, std), 0)


def channels(draw: Draw, low: float, high: float) -> Tensor:
    """float32 [3], no two alike."""
    places = torch.randperm(3, generator=draw.generator) + draw.uniform(1)
    return low + (high - low) * places / 3


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
        yield Case("No gradient hangs on the logits: nothing is kept for a way back.", not first.requires_grad)
        yield same("Asked twice about the same images it says the same: dropout has to rest.", second, first)
        with torch.no_grad():
            output = teacher.eval()(images)
        yield same("They are the teacher's logits for these images: nothing is done to images before, nor to "
                   "logits afterwards (no softmax, no temperature, no new order).",
                   first, getattr(output, "logits", output))


def times_faster_cases(answer: Answer, draw: Draw) -> Cases:
    """The teacher's median over the student's, without the first repeat."""
    for repeats in (4, 6, 12):  # an odd number is left when the first is taken away
        teacher, student = 5 * seconds(draw, repeats), seconds(draw, repeats)
        times, slower = answer(teacher, student), answer(teacher, 2 * student)
        yield Case("A student that is slower in every repeat gets a smaller number.", slower < times, (times, slower))
        yield same("In milliseconds it is the same number.", answer(1_000 * teacher, 1_000 * student), times)
        turned = torch.cat([student[:1], student[1:].roll(1)])
        yield same("The order of the repeats behind the first makes no difference.", answer(teacher, turned), times)
        for first in (30.0, 0.01):
            yield same("How long the first repeat took makes no difference: it warms up.",
                       answer(teacher, torch.cat([torch.tensor([first]), student[1:]])), times)
        held_up = torch.where(student == student[1:].max(), 40, student)
        yield same("One repeat that was held up makes no difference.", answer(teacher, held_up), times)
        quick = torch.where(student == student[1:].min(), 0.3, student)
        yield same("One repeat that was very quick makes no difference.", answer(teacher, quick), times)
        yield same("Measured against itself a network is 1 times as fast.", answer(teacher, teacher), 1)
        yield same("A teacher that is quicker than its student gives a number below 1: one over that of the other way.",
                   answer(student, teacher), 1 / times, times)
        yield same("Behind the first repeat, half of all repeats are quicker than what counts, and half are slower.",
                   times, teacher[1:].median() / student[1:].median())


def seconds(draw: Draw, repeats: int) -> Tensor:
    """float32 [repeats], in no order; the first repeat is among the slowest or the quickest."""
    first = 0.1 if draw.uniform().item() < 0.5 else 9.0
    return torch.cat([torch.tensor([first]), 1 + draw.uniform(repeats - 1)])
