"""Checks of 05_convergence_diagnostics."""
import torch
import torch.nn.functional as F

from .checking import Answer, Case, Cases, Draw, same


def constant_loss_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The entropy of the labels, in nats."""
    labels = torch.cat([torch.arange(classes), torch.zeros(1).long(), draw.labels(rows, classes)])
    loss = answer(labels)
    yield same("mean_over_images", answer(labels.repeat(2)), loss)
    yield Case("never_negative", loss > -1e-6, (loss,))
    yield same("one_class_is_0", answer(torch.ones(rows + 1).long()), 0)
    yield same("empty_classes_change_nothing", answer(labels + 3), loss)
    yield same("equal_classes_are_ln_C", answer(torch.arange(classes)), torch.tensor(classes).log())
    shares = torch.bincount(labels) / len(labels)
    yield same("cross_entropy_of_the_shares", loss, F.cross_entropy(shares.log().expand(len(labels), -1), labels))


def update_ratio_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """The norm of the change over the norm before."""
    before, after = draw.logits(rows, classes), draw.logits(rows, classes)
    ratio = answer(before, after)
    yield same("nothing_moved", answer(before, before.clone()), 0)
    yield same("no_unit", answer(10 * before, 10 * after), ratio)
    yield Case("shrinking_is_moving", answer(before, before / 2) > 0)
    yield same("turning_is_2", answer(before, -before), 2)
    yield same("doubling_is_1", answer(before, 2 * before), 1)
    yield same("scales_with_the_step", answer(before, 2 * after - before), 2 * ratio, ratio)
    yield same("all_weights_together", answer(before.reshape(-1, 1), after.reshape(-1, 1)), ratio)
    moved = (after - before).norm() / torch.cat([before, before]).norm()
    yield same("roots_of_summed_squares", answer(torch.cat([before, before]), torch.cat([after, before])), moved)


def ece_cases(answer: Answer, draw: Draw, rows: int, classes: int) -> Cases:
    """Distances between mean confidence and the share that is right, weighted by the images of a bin."""
    shares, labels = draw.logits(4 * rows, classes).softmax(1), draw.labels(4 * rows, classes)
    yield same("mean_over_images", answer(shares, labels, 10), answer(shares.repeat(2, 1), labels.repeat(2), 10))
    sure = F.one_hot(labels, classes).float()
    yield same("sure_and_right_is_0", answer(sure, labels, 10), 0)
    yield same("sure_and_wrong_is_1", answer(sure, (labels + 1) % classes, 10), 1)
    yield Case("never_negative", answer(shares, shares.argmax(1), 10) > 0)
    high, low = draw.number(0.91, 0.99), draw.number(0.51, 0.59)
    two, both, bins = sides(classes, high, low), torch.tensor([1, 0]), 7
    for edge in range(bins // classes + 1, bins):  # no confidence is below 1 / classes
        below, above, top = edge / bins - 0.01, edge / bins + 0.01, (edge + 1) / bins - 0.01
        yield same("bins_do_not_cancel", answer(sides(classes, above, below), both, bins), (above + 1 - below) / 2)
        yield same("one_bin_does_cancel", answer(sides(classes, above, top), both, bins), abs((above + top) / 2 - 0.5))
    four, mixed = sides(classes, high, high, high, low), torch.tensor([0, 0, 0, 1])
    yield same("weighted_by_images", answer(four, mixed, 10), (3 * (1 - high) + low) / 4)
    yield same("single_bin", answer(two, both, 1), (high + low) / 2 - 0.5)


def sides(classes: int, *firsts: float) -> torch.Tensor:
    """Probabilities [len(firsts), classes]: class 0 has these, the others have equal parts of the rest."""
    first = torch.tensor(firsts)[:, None]
    return torch.cat([first, ((1 - first) / (classes - 1)).expand(-1, classes - 1)], dim=1)


def stops_at_cases(answer: Answer, draw: Draw, patience: int) -> Cases:
    """The epoch at which patience runs out."""
    falling = 9.0 - torch.arange(patience + 4) - draw.uniform(patience + 4) / 2
    rising, stop = 9.0 - falling, 1 + patience
    yield same("always_better_never_stops", answer(falling, patience), len(falling))
    yield same("slightly_better_is_better", answer(500.0 - 5e-4 * torch.arange(patience + 4), patience), patience + 4)
    yield same("first_stays_best", answer(rising, patience), stop)
    yield same("best_so_far_counts", answer(torch.cat([rising[:1], 20.0 + falling]), patience), stop)
    yield same("after_the_lowest", answer(torch.cat([falling[:3], falling[2] + rising]), patience), 3 + patience)
    saw = torch.stack([falling, falling + 5], dim=1).flatten()
    yield same("better_begins_anew", answer(saw, patience), len(saw))
    yield same("as_good_is_not_better", answer(torch.full_like(rising, 2.5), patience), stop)
    yield same("cannot_look_ahead", answer(torch.cat([rising[:stop], rising[:1] - 1]), patience), stop)
    yield same("over_before_patience", answer(torch.cat([falling[:2], falling[:1]]), patience), 3)
