"""Differences between runs of the same seed: their mean, how sure one can be of it, and what luck alone can do."""
import math
from collections.abc import Sequence

SURE = 0.95  # of an interval: so often would it hold the mean of very many pairs


def interval(gains: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean of paired differences (Student, 1908): low and high, NaN below two pairs.

        >>> interval([3.0, 4.0, 5.0])
        (1.5158..., 6.4841...)
    """
    if len(gains) < 2:
        return math.nan, math.nan
    half = t_quantile(len(gains)) * _deviation(gains) / math.sqrt(len(gains))
    mean = sum(gains) / len(gains)
    return mean - half, mean + half


def t_quantile(n: int) -> float:
    """Student's t for a two-sided 95 % interval from n values."""
    from scipy import stats
    return float(stats.t.ppf((1 + SURE) / 2, n - 1))


def by_luck(spread: float, other: float, n: int) -> float:
    """How far two single runs differ by luck alone, 19 times of 20, if their settings are equally good.

    spread, other: the standard deviations of both settings over n seeds. Runs of one seed are a little more alike than
    this says, since they share the order of their batches.
    """
    return t_quantile(n) * math.hypot(spread, other)


def in_words(gains: Sequence[float]) -> str:
    """The mean of paired differences in points, its interval, and whether it may be luck.

        >>> in_words([3.0, 4.0, 5.0])
        '+4.0 points, 95 % interval +1.5 to +6.5 (3 seeds); zero lies outside'
    """
    mean = sum(gains) / len(gains)
    if len(gains) == 1:
        return f"{mean:+.1f} points (1 seed); a single pair of runs has no interval, and proves nothing"
    if max(gains) - min(gains) < 1e-9:  # equal but for rounding
        return f"{mean:+.1f} points with each of {len(gains)} seeds"
    low, high = interval(gains)
    sure = "zero lies outside" if low > 0 or high < 0 else "zero lies inside: it may be luck"
    return f"{mean:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f} ({len(gains)} seeds); {sure}"


def _deviation(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
