"""Means of paired differences and what luck does to them, against simulation and scipy."""
import doctest

import pytest
import torch
from scipy import stats

from distill_course import statistics


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
    assert 0.945 < within < 0.965  # Student's t, for the fewest degrees of freedom that both may have: not below 0.95


def test_a_pair_of_arms_knows_mean_interval_and_whether_it_may_be_luck():
    pair = statistics.Paired("taught", [2.0, 3.0, 1.0], "alone")
    expected = stats.ttest_1samp([2.0, 3.0, 1.0], 0.0).confidence_interval(0.95)
    assert pair.mean == 2 and (pair.low, pair.high) == pytest.approx((expected.low, expected.high))
    assert pair.may_be_luck and str(pair) == f"taught, against alone: {statistics.in_words([2.0, 3.0, 1.0])}"
    clear = statistics.Paired("arm", [1.0, 1.1])
    assert not clear.may_be_luck and "zero lies outside" in str(clear) and str(clear).startswith("arm: +1.1 points")
    assert not statistics.Paired("arm", [-1.0, -1.1]).may_be_luck
    assert statistics.Paired("arm", [5.0]).may_be_luck  # which proves nothing


def test_words_for_one_seed_for_equal_gains_and_for_what_is_clear():
    assert statistics.in_words([2.0]).endswith("a single pair of runs has no interval, and proves nothing")
    assert statistics.in_words([2.0, 2.0]) == "+2.0 points with each of 2 seeds"
    assert statistics.in_words([0.1 + 0.2, 0.3]) == "+0.3 points with each of 2 seeds"  # rounding makes no certainty
    assert statistics.in_words([-3.0, -4.0, -5.0]).endswith("(3 seeds); zero lies outside")
    assert statistics.in_words([-3.0, 4.0]).endswith("zero lies inside: it may be luck")


def test_the_examples_hold():
    assert doctest.testmod(statistics, optionflags=doctest.ELLIPSIS).failed == 0
