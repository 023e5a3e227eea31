"""Checks of 04_progressive_distillation."""
import torch

from .checking import Answer, Case, Cases, Draw, same


def alpha_at_cases(answer: Answer, draw: Draw, steps: int) -> Cases:
    """A straight line that reaches its end at the last step."""
    start, end, every = draw.number(0.05, 0.45), draw.number(0.95, 1), torch.arange(steps)
    answer.shape = steps,
    line = answer(every, steps, start, end)
    yield same("begins_at_start", line[0], start)
    yield same("equal_ends_stay", answer(every, steps, end, end), end)
    yield Case("never_falls", line.diff() > -1e-6, (line,))
    yield Case("has_risen_at_the_end", line[-1] > line[0] + 1e-3, (line,))
    yield same("equal_steps", line.diff(), line.diff()[0], line)
    yield same("ends_at_end", line[-1], end, line, steps=steps, last=steps - 1)
    yield same("same_way_back", answer(every, steps, end, start), line.flip(0), line)
    some = every[torch.randperm(steps, generator=draw)[:2]]
    yield same("steps_do_not_mix", answer(some, steps, start, end, shape=(len(some),)), line[some], line)


def easiest_cases(answer: Answer, draw: Draw, images: int, classes: int) -> Cases:
    """Places of images by the teacher's highest probability, the highest first."""
    answer.shape, logits = (images,), apart(draw, images, classes)
    places = answer(logits, 1.0)
    yield Case("places_of_images", (places == places.round()) & (places >= 0) & (places < images))
    yield Case("every_image_once", len(places.unique()) == images)
    yield same("smaller_shares_begin_larger", answer(logits, 0.5, shape=(images // 2,)), places[:images // 2])
    rise = 50.0 * torch.arange(images)[:, None]
    yield same("shift_changes_nothing", answer(logits + rise, 1.0), answer(logits - rise, 1.0))
    yield same("any_class_counts", answer(logits.roll(1, 1), 1.0), places)
    yield Case("undecided_comes_last", answer(torch.cat([torch.zeros(1, classes), logits[1:]]), 1.0)[-1] == 0)
    yield same("highest_probability_counts", places, logits.softmax(1).amax(1).argsort(descending=True))


def apart(draw: Draw, images: int, classes: int) -> torch.Tensor:
    """Logits whose highest probabilities lie so far apart that rounding cannot change their order.

    With three classes and more, other measures give other orders: the lead of the first over the second, the sum of
    squares, the entropy.
    """
    while True:
        logits = draw.logits(images, classes)
        p, top = logits.softmax(1), logits.topk(2, dim=1).values
        confidence, *others = p.amax(1), top[:, 0] - top[:, 1], p.square().sum(1), (p * p.log()).sum(1)
        clear, order = confidence.sort().values.diff().min() > 1e-4, confidence.argsort()
        if clear and (classes == 2 or not any(torch.equal(order, other.argsort()) for other in others)):
            return logits


def false_alarms_cases(answer: Answer, draw: Draw, races: int, arms: int) -> Cases:
    """The share of races in which some interval lies clear of zero."""
    middle, unit = 0.4 * draw.logits(races, arms).clamp(-2, 2), 0.05 + 0.1 * draw.uniform(races, arms)
    quiet, above, below = ((unit * (middle + move - 1), unit * (middle + move + 1)) for move in (0, 2, -2))
    yield same("all_hold_zero", answer(*quiet), 0)
    yield Case("never_above_1", answer(*above) <= 1 + 1e-6)
    yield same("all_above_zero", answer(*above), 1)
    yield same("below_zero_counts", answer(*below), 1)
    for touching in ((0 * unit, unit), (-unit, 0 * unit)):
        yield same("touching_zero_does_not_count", answer(*touching), 0)
    single, double = beside(above, quiet, 1), beside(above, quiet, 2)
    yield same("two_count_as_one", answer(*double), answer(*single))
    for one_side in (single, beside(below, quiet, 1)):
        yield same("one_is_enough", answer(*one_side), 1)
    yield same("quiet_races_halve_it", answer(*map(torch.cat, zip(single, quiet))), 0.5)


def beside(clear: tuple[torch.Tensor, ...], quiet: tuple[torch.Tensor, ...], count: int) -> tuple[torch.Tensor, ...]:
    """Lows and highs, `count` arms of each race from `clear`, from the second one on, and the others from `quiet`."""
    return tuple(torch.cat([a[:, :count], b[:, count:]], dim=1).roll(1, 1) for a, b in zip(clear, quiet))
