"""Do figures come out again? Old and new ones of each cell, held against each other. Pure functions."""
import warnings
from dataclasses import dataclass
from statistics import mean

from distill_course.statistics import SURE


@dataclass(frozen=True)
class Again:
    """A cell that was made again: its figures before and now, a seed each.

    luck: by how much two single runs of it differ by luck, 19 times of 20; 0 where nothing is known of that.
    """
    cell: str
    before: tuple[float, ...]
    now: tuple[float, ...]
    luck: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference between the means, now less before (Welch, 1947)."""
        difference = mean(self.now) - mean(self.before)
        if min(len(self.before), len(self.now)) < 2:
            return difference - self.luck, difference + self.luck
        if len({*self.before}) == len({*self.now}) == 1:  # nothing differs but the two
            return difference, difference
        from scipy.stats import ttest_ind
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of figures that are nearly alike
            low, high = ttest_ind(self.now, self.before, equal_var=False).confidence_interval(SURE)
        return float(low), float(high)

    @property
    def equal(self) -> bool:
        """Is every figure the same to the digit?"""
        return self.before == self.now

    @property
    def within(self) -> bool:
        """Are the figures equal, or does the interval hold zero?"""
        low, high = self.interval
        return self.equal or low <= 0 <= high

    def __str__(self) -> str:
        low, high = self.interval
        return (f"{self.cell}: the mean was {mean(self.before):.4f} ({len(self.before)} seeds) and is now "
                f"{mean(self.now):.4f} ({len(self.now)}); the difference is {mean(self.now) - mean(self.before):+.4f}, "
                f"95 % interval {low:+.4f} to {high:+.4f}")


def again(before: dict[str, list[float]], now: dict[str, list[float]], luck: dict[str, float]) -> list[Again]:
    """Pair the cells that both have."""
    return [Again(cell, tuple(before[cell]), tuple(now[cell]), luck.get(cell, 0.0)) for cell in before if cell in now]


def settled(before: dict[str, list[float]], now: dict[str, list[float]], luck: dict[str, float]) -> list[str]:
    """Say which figures have moved by more than their interval, and the share of those that have not."""
    pairs = again(before, now, luck)
    lines = [f"{cell} is new: no figure was stored before" for cell in now if cell not in before]
    lines += [f"{cell} is stored and no longer made: is it still named anywhere?" for cell in before if cell not in now]
    moved = [pair for pair in pairs if not pair.within]
    lines += [f"MOVED  {pair}" for pair in moved]
    if not pairs:
        return lines
    within, equal = len(pairs) - len(moved), sum(pair.equal for pair in pairs)
    lines.append(f"{within} of {len(pairs)} cells ({within / len(pairs):.1%}) are within their interval, {equal} of "
                 "them equal to the digit")
    if moved:
        lines.append(f"About {len(pairs) * (1 - SURE):.0f} of {len(pairs)} leave it by luck. If more do, find out what "
                     "differs: the machine, the copy of the data, or the code (then raise VERSION in sweep/plan.py). "
                     "Where a moved figure is named in words, write them anew")
    return lines
