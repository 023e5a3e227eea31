"""Differences between runs of the same seed: their mean, how sure one can be of it, and what luck can do.

scipy is imported where it is needed: what has no interval to compute works without it.
"""
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SURE = 0.95  # of an interval: so often would it hold the mean of very many pairs


@dataclass(frozen=True)
class Paired:
    """Differences between an arm and a baseline, in points, one a seed.

        >>> print(Paired("T = 4", [3.0, 4.0, 5.0], "T = 1"))
        T = 4, against T = 1: +4.0 points, 95 % interval +1.5 to +6.5 (3 seeds); zero lies outside
    """
    arm: str
    differences: Sequence[float]
    baseline: str = ""

    @property
    def mean(self) -> float:
        """Mean of the differences."""
        return sum(self.differences) / len(self.differences)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the mean; NaN for a single pair, which has none."""
        return interval(self.differences)[0]

    @property
    def high(self) -> float:
        """Upper end of the same interval."""
        return interval(self.differences)[1]

    @property
    def may_be_luck(self) -> bool:
        """Does the interval hold zero, or is there none?"""
        return not (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        against = f", against {self.baseline}" if self.baseline else ""
        return f"{self.arm}{against}: {in_words(self.differences)}"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Compute the 95 % interval of the mean of paired differences (Student, 1908); NaN below two pairs.

        >>> interval([3.0, 4.0, 5.0])
        (1.5158..., 6.4841...)
    """
    if len(values) < 2:
        return math.nan, math.nan
    mean, half = statistics.fmean(values), t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean + half


def t_quantile(n: int) -> float:
    """Return Student's t for a two-sided 95 % interval from n values."""
    from scipy import stats
    return float(stats.t.ppf((1 + SURE) / 2, n - 1))


def by_luck(spread: float, other: float, n: int) -> float:
    """Compute how far two single runs differ by luck, 19 times of 20, if their settings are equally good.

    spread, other: the standard deviations of both settings over n seeds. Runs of one seed are a little more alike than
    this says, since they share the order of their batches.
    """
    return t_quantile(n) * math.hypot(spread, other)


def pairs_needed(values: Sequence[float], difference: float) -> int | None:
    """Compute from how many pairs on four of five experiments find a difference, if pairs spread as these do.

    The difference is then 2.8 standard errors: 1.96 for the interval and 0.84 for four of five. None for no difference.

        >>> pairs_needed([0.0, 1.0, 2.0], 1.0)
        8
    """
    return max(2, math.ceil((2.8 * statistics.stdev(values) / difference) ** 2)) if difference else None


def told_apart(groups: Sequence[Sequence[float]], best: int) -> list[bool]:
    """Say of each group of values whether its mean is surely another than that of the best.

    By Dunnett's test (1955) of many groups against a single one: all of its answers together are wrong one time in 20
    at most. Choose the best by other figures than these, or it is flattered.
    """
    from scipy import stats
    others = [values for place, values in enumerate(groups) if place != best]
    p = iter(stats.dunnett(*others, control=groups[best], random_state=0).pvalue)
    return [place != best and bool(next(p) < 1 - SURE) for place in range(len(groups))]


def in_words(values: Sequence[float]) -> str:
    """Say the mean of paired differences in points, its interval, and whether it may be luck.

        >>> in_words([3.0, 4.0, 5.0])
        '+4.0 points, 95 % interval +1.5 to +6.5 (3 seeds); zero lies outside'
    """
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:+.1f} points (1 seed); a single pair of runs has no interval, and proves nothing"
    if max(values) - min(values) < 1e-9:  # equal but for rounding
        return f"{mean:+.1f} points with each of {len(values)} seeds"
    low, high = interval(values)
    sure = "zero lies outside" if low > 0 or high < 0 else "zero lies inside: it may be luck"
    return f"{mean:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f} ({len(values)} seeds); {sure}"
