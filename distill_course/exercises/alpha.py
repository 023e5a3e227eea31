"""Checks of 03_alpha."""
import math

import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, different, same


def mixed_target_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """alpha times the label, as a distribution, and the rest of the teacher's probabilities."""
    answer.shape, alpha = (rows, classes), draw.number(0.6, 0.8)
    labels, shares = contradicted(draw, rows, classes)
    one_hot, target = F.one_hot(labels, classes).float(), answer(shares, labels, alpha)
    yield same("images_do_not_mix", answer(shares[:1], labels[:1], alpha, shape=(1, classes)), target[:1], target)
    yield same("adds_up_to_1", target.sum(1), 1, target)
    yield different("label_counts", answer(shares, (labels + 1) % classes, alpha), target)
    yield different("teacher_counts", answer(shares.roll(1, 1), labels, alpha), target)
    yield same("alpha_1_is_the_label", answer(shares, labels, 1.0), one_hot)
    yield same("alpha_0_is_the_teacher", answer(shares, labels, 0.0), shares)
    yield same("alpha_half_is_half_way", answer(shares, labels, 0.5), (shares + one_hot) / 2)
    yield same("straight_line", target, shares + alpha * (one_hot - shares))


def contradicted(draw: Draw, rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels [rows], neighbours of which differ, and a teacher's probabilities [rows, classes], least for the label."""
    labels = (draw.labels(1, classes) + torch.arange(rows)) % classes
    logits = draw.logits(rows, classes)
    least = logits.amin(1, keepdim=True) - 0.5
    return labels, logits.scatter(1, labels[:, None], least).softmax(1)


def false_labels_cases(answer: Answer, draw: Draw) -> Cases:
    """A share of the labels drawn anew, evenly from all classes."""
    seed, share, few = int(draw.labels(1, 100_000)), draw.number(0.4, 0.6), draw.labels(5, 3)
    yield same("no_share_changes_nothing", answer(few, 0.0, 3, seed, shape=(5,)), few)
    for count, classes in ((200, 3), (4_000, 10)):  # with 4,000 labels shares come out to a few hundredths
        labels, answer.shape, lenient = draw.labels(count, classes), (count,), 2 / math.sqrt(count)
        before, drawn = torch.random.get_rng_state(), answer(labels, 1.0, classes, seed)
        yield Case("int64", drawn.dtype == torch.int64)
        yield Case("class_numbers", 0 <= int(drawn.min()) <= int(drawn.max()) < classes)
        yield same("same_seed", answer(labels, 1.0, classes, seed), drawn)
        yield different("other_seed", answer(labels, 1.0, classes, seed + 1), drawn)
        yield Case("global_state_kept", torch.equal(before, torch.random.get_rng_state()))
        again = (drawn == labels).float().mean() - 1 / classes
        yield Case("right_again_by_chance", again > -lenient)
        yield Case("whole_share_is_every_label", again < lenient)
        yield Case("every_class_is_drawn", evenly(answer(0 * labels, 1.0, classes, seed), classes, lenient))
    classes, answer.shape = 2**24, (20_000,)  # so many that none is right again; and all the digits that torch.rand has
    labels = draw.labels(20_000, classes)
    drawn = answer(labels, share, classes, seed)
    chosen = drawn != labels
    early, late = chosen.double().view(2, -1).mean(1)
    yield Case("early_and_late_alike", abs(early - late) < 0.03)
    yield Case("as_large_a_share", abs((early + late) / 2 - share) < 0.015)
    yield Case("places_are_random", abs((chosen[1:] & chosen[:-1]).double().mean() - share**2) < 0.03)
    yield Case("class_and_place_are_independent", evenly(drawn[chosen] * 8 // classes, 8, 0.02))


def evenly(labels: torch.Tensor, classes: int, lenient: float) -> torch.Tensor:
    """Say of each class whether its share is as large as that of any other, or nearly."""
    return (torch.bincount(labels, minlength=classes) / len(labels) - 1 / classes).abs() < lenient


def paired_interval_cases(answer: Answer, draw: Draw) -> Cases:
    """The mean gain, give or take t standard errors."""
    answer.shape = (2,)
    for pairs in (2, 3, 5):
        before, t = 60 + draw.logits(1, pairs)[0], draw.number(2, 5)
        after = before + draw.number(1, 3) + 0.5 * draw.logits(1, pairs)[0]
        ends = answer(before, after, t)
        yield Case("lower_end_first", ends[0] < ends[1])
        yield same("middle_is_mean_gain", ends.mean(), (after - before).mean())
        luck = 5 * draw.logits(1, pairs)[0]  # of a seed, which both of its runs share
        yield same("pairs_count", answer(before + luck, after + luck, t), ends, tolerance=1e-3)
        yield same("width_scales_with_t", answer(before, after, 2 * t).diff(), 2 * ends.diff())
        yield same("swapped_changes_signs", answer(after, before, t), -ends.flip(0), ends)
    few, many = (answer(torch.zeros(n), torch.tensor([1.0, 2.0] * (n // 2)), t).diff() for n in (4, 400))
    yield Case("more_pairs_narrow_it", 8 < few / many < 14)
    yield same("t_standard_errors", ends.diff() / 2, t * (after - before).std() / math.sqrt(pairs), ends)


def pairs_needed_cases(answer: Answer, draw: Draw) -> Cases:
    """The number of pairs from which four of five intervals lie clear of zero."""
    gains, difference = spread(draw.number(0.4, 0.8), draw.number(0.5, 2)), draw.number(0.3, 0.5)
    needed = answer(gains, difference).double()
    yield Case("whole_number", needed == needed.round())
    yield Case("two_at_least", answer(gains / 20, 3.0) >= 2)
    yield same("spread_counts", answer(gains + 0.5, difference), needed)
    yield Case("more_spread_takes_more", answer(3 * gains, difference) > needed)
    yield same("no_unit", answer(4 * gains, 4 * difference), needed)
    many, small = answer(spread(1.0), 0.01).item(), answer(spread(1.0), 0.02).item()
    yield Case("half_the_difference", abs(many / small - 4) < 0.1)
    yield Case("four_of_five_are_clear", chance(small) > 0.795)
    yield Case("no_more_than_needed", chance(0.9 * small) < 0.795)
    yield Case("little_spread_takes_two", answer(gains / 20, 3.0) == 2)
    first = 5 + int(draw.labels(1, 20))
    for pairs, rest in ((first, 0.7), (first + 1, 0.3)):  # no nearer to a whole one: 1.96 + 0.84 has more places
        yield same("rounded_up", answer(spread(math.sqrt(pairs + rest) / 2.8), 1.0), pairs + 1)


def spread(sd: float, mean: float = 0.0) -> torch.Tensor:
    """Five gains with just this standard deviation, four of them on one side."""
    return mean + sd * torch.tensor([-1.0, -1, -1, -1, 4]) / math.sqrt(5)


def chance(pairs: float) -> float:
    """The chance that the interval of so many pairs lies clear of zero: gains of 0.02 that spread by 1. No t: many."""
    return 0.5 * math.erfc((1.96 - 0.02 * math.sqrt(pairs)) / math.sqrt(2))
