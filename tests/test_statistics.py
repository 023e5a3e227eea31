"""Means of paired differences and what luck does to them, against simulation and scipy."""
import doctest

import pytest
import torch
from scipy import stats

from distill_kit import statistics


def test_the_interval_is_students_and_two_pairs_are_the_fewest():
    gains = [1.0, 2.5, 4.0, 0.5]
    expected = stats.ttest_1samp(gains, 0.0).confidence_interval(0.95)
    assert statistics.interval(gains) == pytest.approx((expected.low, expected.high))
    assert all(bound != bound for bound in statistics.interval([3.0]))


def test_two_equally_good_settings_differ_by_less_than_luck_in_19_pairs_of_20():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20_000, 2, 13, generator=generator, dtype=torch.float64)    # 12 seeds each, then one pair
    spreads = values[..., :12].std(dim=2)                                            # (20000, 2)
    bound = torch.tensor([statistics.by_luck(a, b, 12) for a, b in spreads.tolist()])
    within = ((values[:, 0, 12] - values[:, 1, 12]).abs() <= bound).double().mean().item()
    assert 0.945 < within < 0.965  # Student's t, for the fewest degrees of freedom that the two may have: not below 0.95


def test_words_for_one_seed_for_equal_gains_and_for_what_is_clear():
    assert statistics.in_words([2.0]).endswith("a single pair of runs has no interval, and proves nothing")
    assert statistics.in_words([2.0, 2.0]) == "+2.0 points with each of 2 seeds"
    assert statistics.in_words([0.1 + 0.2, 0.3]) == "+0.3 points with each of 2 seeds"  # rounding makes no certainty
    assert statistics.in_words([-3.0, -4.0, -5.0]).endswith("(3 seeds); zero lies outside")
    assert statistics.in_words([-3.0, 4.0]).endswith("zero lies inside: it may be luck")


def test_the_examples_hold():
    assert doctest.testmod(statistics, optionflags=doctest.ELLIPSIS).failed == 0
